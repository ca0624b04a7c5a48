"""Two policies estimated from one log, request by request: what makes a request dear cancels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.decide import check_seed
from toolkit.evaluate import as_json
from toolkit.evaluate.differences import Difference, together
from toolkit.evaluate.format import html_list, html_table
from toolkit.evaluate.goals import WORDS
from toolkit.evaluate.groups import groups
from toolkit.evaluate.offpolicy import difference_words, words
from toolkit.evaluate.offpolicy.contrast import Part, contrast
from toolkit.evaluate.offpolicy.episodes import METRICS
from toolkit.evaluate.offpolicy.estimate import FRACTIONS, mode_of, parts
from toolkit.evaluate.offpolicy.estimators import effective_sample_size
from toolkit.evaluate.offpolicy.evidence import gather, read_log
from toolkit.evaluate.offpolicy.given import a_dataset, a_policy, maybe_policy
from toolkit.evaluate.offpolicy.nuisance import FOLDS
from toolkit.evaluate.offpolicy.result import metrics_to_dict
from toolkit.evaluate.offpolicy.sample import check_how, clusters_of, rows_of
from toolkit.evaluate.offpolicy.support import refusal
from toolkit.evaluate.offpolicy.weights import Weights, refuse_impossible, weights_of
from toolkit.policy.model import Policy
from toolkit.schema import CATEGORY

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset


@dataclass(frozen=True)
class Covered:
    """How much of a category a difference is about."""

    category: str
    requests: int
    n: int
    """of them, those that the log can speak for under both policies"""


@dataclass(frozen=True)
class OffPolicyDifference:
    """Two policies held against each other on one log. Make it with :func:`estimate_difference`."""

    policy: str
    against: str
    dataset: str
    simulated: bool
    requests: int
    """of the log"""
    n: int
    """of them, those that the log can speak for under both"""
    where_supported: bool
    """the others were left out"""
    covered: tuple[Covered, ...]
    """each category of the log; empty where the data has none"""
    effective_sample_size: float
    """of the less evenly weighted of the two: so many that each had served would tell as much"""
    recommended: str
    """``dr``, or ``matched`` for a log without chance"""
    weights: tuple[Weights, Weights]
    """of both policies"""
    differences: dict[str, Difference]
    """``policy`` minus ``against``, judged together by Holm's method; in each, ``b`` is the
    estimate of ``policy`` and ``a`` that of ``against`` on these requests"""
    assumptions: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """The difference in words."""
        return difference_words.verdict(self)

    @property
    def notes(self) -> tuple[str, ...]:
        """How surely it is told, and for which part of the traffic."""
        return difference_words.notes(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        found = metrics_to_dict(self.differences)
        for name, d in self.differences.items():
            found[name] |= {
                "p": as_json.plain(d.p),
                "p_adjusted": as_json.plain(d.p_adjusted),
                "distinguishable": d.distinguishable,
                "needed": as_json.plain(d.needed),
            }
        return {
            "policy": self.policy,
            "against": self.against,
            "dataset": self.dataset,
            "simulated": self.simulated,
            "requests": self.requests,
            "n": self.n,
            "covered_share": self.n / self.requests if self.requests else None,
            "where_supported": self.where_supported,
            "covered": [vars(one) for one in self.covered],
            "effective_sample_size": as_json.plain(self.effective_sample_size),
            "recommended": self.recommended,
            "weights": [one.to_dict() for one in self.weights],
            "differences": found,
            "verdict": self.verdict,
            "notes": list(self.notes),
            "assumptions": list(self.assumptions),
        }

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Each difference as people read it, in the order of ``difference_words.HEAD``."""
        return [
            (
                WORDS[m][0],
                difference_words.change(m, d),
                difference_words.chance(d.p),
                difference_words.chance(d.p_adjusted),
                difference_words.certainty(d),
            )
            for m, d in self.differences.items()
        ]

    def _repr_html_(self) -> str:
        caption = f"{self.policy} against {self.against}, estimated from {self.dataset}"
        table = html_table(
            difference_words.HEAD,
            self.rows,
            caption=caption + (" (simulated data)" if self.simulated else ""),
        )
        return f"<div>{table}{html_list([self.verdict, *self.notes, *self.assumptions])}</div>"


def estimate_difference(
    policy: Policy,
    against: Policy,
    dataset: Dataset,
    *,
    logged_by: Policy | None = None,
    where_supported: bool = False,
    folds: int = FOLDS,
    seed: int = 0,
) -> OffPolicyDifference:
    """Estimate ``policy`` minus ``against`` request by request, doubly robust.

    Arguments and errors are those of :func:`~.estimate.estimate`. A metric counts as different
    where its p-value, adjusted by Holm's method, is below ``differences.LEVEL``.
    """
    a_policy(policy), a_policy(against, "against"), a_dataset(dataset)
    maybe_policy(logged_by, "logged_by")
    check_seed(seed)
    check_how(where_supported, extrapolate=False, tau=None, folds=folds)
    log = read_log(dataset, logged_by, folds, seed, (policy, against))
    both = gather(log, policy), gather(log, against)
    a, b = (rows_of(one, where_supported=where_supported, extrapolate=False) for one in both)
    rows = np.intersect1d(a, b)
    if not len(rows):
        raise refusal(both[0].target, both[0].support)
    mode, cluster = mode_of(log), clusters_of(log, rows)
    this, other = (weights_of(one, rows) for one in both)
    if mode == "dr":
        refuse_impossible(both[0], this)
        refuse_impossible(both[1], other)
    lacks = dict(both[0].undefined(rows)) | dict(both[1].undefined(rows))
    alone = {}
    for m, metric in enumerate(METRICS):
        alone[metric] = Difference(math.nan)
        if metric not in lacks:
            mine, its = (Part(*parts(one, m, rows, mode)[mode]) for one in both)
            alone[metric] = contrast(mine, its, cluster, fraction=metric in FRACTIONS)
    alone["cost_usd_per_1k"] = _times(alone["cost_usd_per_1k"], 1000)
    found = OffPolicyDifference(
        policy=policy.policy,
        against=against.policy,
        dataset=dataset.name,
        simulated=dataset.simulated,
        requests=dataset.n_requests,
        n=len(rows),
        where_supported=where_supported,
        covered=_covered(dataset, rows),
        effective_sample_size=min(
            float(len(rows)) if mode == "matched" else effective_sample_size(one.weight()[rows])
            for one in both
        ),
        recommended=mode,
        weights=(this, other),
        differences=together(alone, len(rows)),
        assumptions=(),
    )
    return replace(found, assumptions=words.assumptions(log, (policy, against), None, lacks))


def _times(d: Difference, factor: float) -> Difference:
    """The same in another unit."""
    ends = {name: factor * getattr(d, name) for name in ("value", "low", "high", "a", "b")}
    return replace(d, **ends)


def _covered(dataset: Dataset, rows: NDArray[np.intp]) -> tuple[Covered, ...]:
    """Each category, with how many of its requests these rows hold."""
    if CATEGORY not in dataset.requests.column_names:
        return ()
    by = groups(dataset, CATEGORY)
    k = len(by.names)
    of, told = np.bincount(by.code, minlength=k), np.bincount(by.code[rows], minlength=k)
    return tuple(
        Covered(name, int(n), int(m)) for name, n, m in zip(by.names, of, told, strict=True)
    )
