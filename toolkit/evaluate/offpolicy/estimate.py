"""What would a policy have done, where the log holds one outcome per request?

The doubly robust estimate is the one to read; the others stand beside it, since where they
disagree something is wrong. Without overlap there is no estimate: ``SupportError`` says where the
log cannot speak. A log in which nothing was left to chance can be asked only about the requests
that the policy sends where they went.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.decide import check_seed
from toolkit.evaluate.goals import judge_all
from toolkit.evaluate.intervals import UNDEFINED, Estimate, Floats
from toolkit.evaluate.offpolicy import words
from toolkit.evaluate.offpolicy.episodes import METRICS
from toolkit.evaluate.offpolicy.estimators import TAU, Estimated, effective_sample_size
from toolkit.evaluate.offpolicy.evidence import Evidence, Log, gather, read_log
from toolkit.evaluate.offpolicy.given import a_dataset, a_policy, maybe_policy
from toolkit.evaluate.offpolicy.nuisance import FOLDS
from toolkit.evaluate.offpolicy.result import Metrics, OffPolicy
from toolkit.evaluate.offpolicy.sample import check_how, clusters_of, rows_of
from toolkit.evaluate.offpolicy.uncertainty import interval
from toolkit.evaluate.offpolicy.weights import refuse_impossible, weights_of
from toolkit.logs.dataset import Dataset
from toolkit.policy.model import Policy

FRACTIONS = ("quality", "error_rate")
MOST_SINGLES = 20
"""Models of the log that are estimated by themselves, the most frequent first."""


def estimate(
    policy: Policy,
    dataset: Dataset,
    *,
    logged_by: Policy | None = None,
    where_supported: bool = False,
    extrapolate: bool = False,
    tau: float | None = None,
    folds: int = FOLDS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> OffPolicy:
    """Estimate a policy from a log that another one made.

    Args:
        policy: What would have served the requests.
        dataset: A log with one outcome per request.
        logged_by: The policy that did serve them; None: the propensities are those of the request
            column ``propensity``, and without it they are estimated.
        where_supported: Leave out the requests that the log cannot speak for.
        extrapolate: Take the outcome models' word for everything, without an interval.
        tau: Switch-DR's limit; None: 10.
        folds: Parts of the cross-fitting, at least 2.
        seed: Of the folds.
        progress: Called with (done, of).

    Raises:
        SupportError: The log cannot speak for the policy; says where.
        DataError: The dataset is no log of one outcome per request, or its propensities are wrong.
        PolicyError: A policy names a model or column that the log does not have.
    """
    a_policy(policy), a_dataset(dataset), maybe_policy(logged_by, "logged_by")
    check_seed(seed)
    check_how(where_supported, extrapolate, tau, folds)
    log = read_log(dataset, logged_by, folds, seed, (policy,))
    tell = progress or (lambda _done, _of: None)
    counts = np.bincount(log.action, minlength=dataset.n_models)
    singles = [j for j in np.argsort(-counts, kind="stable")[:MOST_SINGLES] if counts[j]]
    tell(0, 1 + len(singles))
    evidence = gather(log, policy)
    rows = rows_of(evidence, where_supported=where_supported, extrapolate=extrapolate)
    limit = TAU if tau is None else tau
    mode = "dm" if extrapolate else mode_of(log)
    weights = weights_of(evidence, rows, limit)
    if mode == "dr":
        refuse_impossible(evidence, weights)
    alone: dict[str, Metrics] = {}
    for done, j in enumerate(singles if mode == "dr" else ()):
        tell(1 + done, 1 + len(singles))
        other = gather(log, Policy.single(dataset.models[j]))
        if other.support.enough or np.isin(rows, other.support.rows).all():
            alone[dataset.models[j]] = _estimates(other, rows, "dr", limit)["dr"]
    tell(1 + len(singles), 1 + len(singles))
    estimators = _estimates(evidence, rows, mode, limit)
    lacks = evidence.undefined(rows)
    found = OffPolicy(
        policy=policy.policy,
        dataset=dataset.name,
        dataset_digest=dataset.digest,
        simulated=dataset.simulated,
        seed=seed,
        requests=dataset.n_requests,
        n=len(rows),
        where_supported=where_supported,
        matched_share=float(evidence.support.matched.mean()),
        estimators=estimators,
        recommended=mode,
        logged=_logged(log, rows),
        singles=alone,
        effective_sample_size=_worth(evidence, rows, mode),
        weights=weights,
        overlap=evidence.support.slices,
        propensities=log.propensities.source,
        deterministic=log.propensities.deterministic,
        extrapolated=extrapolate,
        extrapolated_share=_going_on(evidence, rows),
        tau=limit,
        clustered_by=log.clustered_by,
        goals=judge_all(policy.goals, estimators[mode]),
        assumptions=(),
    )
    return replace(found, assumptions=words.assumptions(log, (policy,), found, lacks))


def mode_of(log: Log) -> str:
    """The estimator that a log allows."""
    return "matched" if log.propensities.deterministic else "dr"


def parts(
    evidence: Evidence, metric: int, rows: NDArray[np.intp], mode: str, tau: float = TAU
) -> Mapping[str, tuple[Estimated, Floats, Floats]]:
    """Each estimator of a metric with what is behind it; none but those that ``mode`` allows."""
    if mode == "matched":
        return {"matched": evidence.matched(metric, rows)}
    found = evidence.estimated(metric, rows, tau)
    return {"dm": found["dm"]} if mode == "dm" else {name: found[name] for name in _SHOWN}


_SHOWN = [name for name in words.ESTIMATORS if name != "matched"]


def _estimates(
    evidence: Evidence, rows: NDArray[np.intp], mode: str, tau: float
) -> dict[str, Metrics]:
    """Each estimator's estimates of every metric."""
    lacks = evidence.undefined(rows)
    cluster = clusters_of(evidence.log, rows)
    out: dict[str, Metrics] = {}
    for m, metric in enumerate(METRICS):
        for name, part in parts(evidence, m, rows, mode, tau).items():
            found = UNDEFINED
            if metric not in lacks:
                found = interval(*part, cluster, fraction=metric in FRACTIONS)
            if name == "dm":
                found = replace(found, low=math.nan, high=math.nan)
            if metric == "cost_usd_per_1k":
                found = _from_zero(found).scaled(1000)
            elif metric == "latency_mean_s":
                found = _from_zero(found)
            out.setdefault(name, {})[metric] = found
    return out


def _from_zero(found: Estimate) -> Estimate:
    """No mean of what is never negative lies below 0."""
    if found.low < 0:
        return replace(found, low=0.0, value=max(found.value, 0.0))
    return found


def _logged(log: Log, rows: NDArray[np.intp]) -> Metrics:
    """Means of the logged first calls as they went."""
    at = rows, log.action[rows]
    data, cluster = log.dataset, clusters_of(log, rows)
    quality = data.quality[at] if data.graded else np.full(len(rows), np.nan)
    failed = (data.error[at] != 0).astype(np.float64)
    out: Metrics = {}
    for metric, values in zip(
        METRICS, (quality, 1000 * data.cost_usd[at], data.latency_s[at], failed), strict=True
    ):
        known = ~np.isnan(values)
        value = values[known]
        mean = Estimated(float(value.mean()) if len(value) else math.nan, value)
        of = None if cluster is None else np.unique(cluster[known], return_inverse=True)[1]
        found = interval(mean, np.ones(len(value)), value, of, fraction=metric in FRACTIONS)
        out[metric] = replace(found, share=len(value) / max(len(rows), 1))
    return out


def _worth(evidence: Evidence, rows: NDArray[np.intp], mode: str) -> float:
    if mode == "dm":
        return 0.0
    return float(len(rows)) if mode == "matched" else effective_sample_size(evidence.weight()[rows])


def _going_on(evidence: Evidence, rows: NDArray[np.intp]) -> float:
    weight = evidence.weight()[rows]
    total = float(weight.sum())
    return float(weight @ evidence.episodes.goes_on[rows]) / total if total else math.nan
