"""What a log says about a policy that did not serve it: estimates, diagnostics, assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.evaluate import as_json
from toolkit.evaluate.format import count, counted, html_list, html_table, percent
from toolkit.evaluate.goals import WORDS, GoalResult
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.offpolicy import words
from toolkit.evaluate.offpolicy.episodes import METRICS
from toolkit.evaluate.offpolicy.propensities import Source
from toolkit.evaluate.offpolicy.support import Overlap
from toolkit.evaluate.offpolicy.weights import Weights

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

Metrics = dict[str, Estimate]
"""An estimate of each of ``episodes.METRICS``, in their order."""


def metrics_to_dict(found: Mapping[str, Estimate]) -> dict[str, Any]:
    """``{"quality": {value, ci95, n}, …}``; an undefined number is None."""
    return {
        name: {
            "value": as_json.plain(e.value),
            "ci95": [as_json.plain(e.low), as_json.plain(e.high)],
            "n": e.n,
        }
        for name, e in found.items()
    }


@dataclass(frozen=True)
class OffPolicy:
    """A policy estimated from a log that another one made. Make it with :func:`estimate`."""

    policy: str
    dataset: str
    dataset_digest: str
    simulated: bool
    seed: int
    requests: int
    """of the log"""
    n: int
    """of them, those that the estimates are about"""
    where_supported: bool
    """the others were left out, as the log cannot speak for them"""
    matched_share: float
    """of all requests, those that the policy would have sent to the model that served them"""
    estimators: dict[str, Metrics]
    """estimator → metric → estimate: ips, snips, dm, dr, switch_dr; for a log without chance
    only ``matched``; for an extrapolation only ``dm``, without intervals"""
    recommended: str
    """the estimator to read first"""
    logged: Metrics
    """what the log itself holds on the same requests: the first calls as they went"""
    singles: dict[str, Metrics]
    """model of the log → what it alone would have done on them (DR), where the log can tell"""
    effective_sample_size: float
    """so many evenly weighted requests would tell as much"""
    weights: Weights
    overlap: tuple[Overlap, ...]
    propensities: Source
    deterministic: bool
    """nothing was left to chance when the log was made"""
    extrapolated: bool
    """no weighing at all: what the outcome models say"""
    extrapolated_share: float
    """of the weight, what rests on a predicted continuation of a chain after the logged call"""
    tau: float
    """Switch-DR's limit"""
    clustered_by: str | None
    goals: tuple[GoalResult, ...]
    assumptions: tuple[str, ...]

    @property
    def best(self) -> Metrics:
        """The recommended estimates."""
        return self.estimators[self.recommended]

    @property
    def verdict(self) -> str:
        """The answer in words."""
        return words.verdict(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "policy": self.policy,
            "dataset": self.dataset,
            "dataset_digest": self.dataset_digest,
            "simulated": self.simulated,
            "seed": self.seed,
            "requests": self.requests,
            "n": self.n,
            "covered_share": self.n / self.requests if self.requests else None,
            "where_supported": self.where_supported,
            "matched_share": as_json.plain(self.matched_share),
            "estimators": {name: metrics_to_dict(e) for name, e in self.estimators.items()},
            "recommended": self.recommended,
            "logged": metrics_to_dict(self.logged),
            "singles": {name: metrics_to_dict(e) for name, e in self.singles.items()},
            "effective_sample_size": as_json.plain(self.effective_sample_size),
            "weights": self.weights.to_dict(),
            "overlap": [one.to_dict() for one in self.overlap],
            "propensities": self.propensities,
            "deterministic": self.deterministic,
            "extrapolated": self.extrapolated,
            "extrapolated_share": as_json.plain(self.extrapolated_share),
            "tau": self.tau,
            "clustered_by": self.clustered_by,
            "goals": [goal.to_dict() for goal in self.goals],
            "verdict": self.verdict,
            "assumptions": list(self.assumptions),
        }

    def to_pandas(self) -> pd.DataFrame:
        """One row per estimator and metric: value, low, high, n."""
        import pandas as pd

        rows = [
            {"estimator": name, "metric": metric, **vars(e)}
            for name, found in self.estimators.items()
            for metric, e in found.items()
        ]
        return pd.DataFrame(rows).set_index(["estimator", "metric"])

    def figure(self) -> go.Figure:
        """Draw the estimates beside what was logged."""
        from toolkit.figures import estimates_figure

        return estimates_figure(self)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Each estimator, the log and the single models, as people read them."""
        named = [(words.ESTIMATORS[name], found) for name, found in self.estimators.items()]
        named += [("the log itself", self.logged)]
        named += [(f"{name} alone", found) for name, found in self.singles.items()]
        return [(name, *(WORDS[m][1](found[m]) for m in METRICS)) for name, found in named]

    def _repr_html_(self) -> str:
        table = html_table(
            ("", *(WORDS[m][0] for m in METRICS)),
            self.rows,
            caption=f"{self.policy} estimated from {self.dataset}, {count(self.n)} of"
            f" {counted(self.requests, 'request')}"
            + (" (simulated data)" if self.simulated else ""),
        )
        overlap = html_table(
            ("slice", "requests", "lacking", "share of it"),
            [
                (s.slice, count(s.requests), ", ".join(s.lacking) or "–", percent(s.lacking_share))
                for s in self.overlap
            ],
        )
        return (
            f"<div>{table}{html_list([self.verdict])}{overlap}{html_list(self.assumptions)}</div>"
        )
