"""One replay in numbers: what it costs, how good, how fast and how reliable it is, and how surely.

Unobserved requests are counted and left out of every estimate: nobody knows what they would have
been. Where a value was not measured the estimate is over those that were, with their share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluate import as_json, slices
from toolkit.evaluate.assumptions import assumptions
from toolkit.evaluate.format import (
    count,
    html_list,
    html_table,
    number_interval,
    percent,
    percent_interval,
    seconds_interval,
    usd_interval,
)
from toolkit.evaluate.goals import GoalResult, judge_all, verdict
from toolkit.evaluate.intervals import RESAMPLES, Estimate, Metric, Rows, bootstrap_of
from toolkit.evaluate.quantiles import quantiles
from toolkit.evaluate.routed import lead, seen_by
from toolkit.evaluate.slices import ModelSlice, Slice
from toolkit.schema import Status

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from toolkit.engine.replay import Replay
    from toolkit.logs.gaps import Kind

ESTIMATES = (
    "quality",
    "cost_usd_per_1k",
    "latency_mean_s",
    "latency_p50_s",
    "latency_p95_s",
    "latency_p99_s",
    "error_rate",
    "fallback_rate",
    "degraded_rate",
    "attempts_mean",
)
"""The fields of a summary that are estimates, in the order in which they are shown."""


@dataclass(frozen=True)
class Summary:
    """A policy on a dataset. Estimates are over the observed requests."""

    policy: str
    dataset: str
    dataset_digest: str
    seed: int
    simulated: bool
    log: Kind
    """Which outcomes the log has."""
    requests: int
    """all, also the unobserved"""
    unobserved: int
    quality: Estimate
    """0..1; an error counts as 0, a degrade step as it states"""
    cost_usd_per_1k: Estimate
    """over all attempts, per 1,000 requests"""
    latency_mean_s: Estimate
    """over all attempts and waits of a request"""
    latency_p50_s: Estimate
    latency_p95_s: Estimate
    latency_p99_s: Estimate
    error_rate: Estimate
    fallback_rate: Estimate
    degraded_rate: Estimate
    attempts_mean: Estimate
    cache_hit_rate: float
    """of the observed requests, those that were answered from the cache, fresh or stale"""
    imputed_share: float
    """of the observed requests, those that rest on at least one imputed attempt"""
    by_model: dict[str, ModelSlice]
    by_route: dict[str, Slice]
    by_category: dict[str, Slice]
    goals: tuple[GoalResult, ...]
    assumptions: tuple[str, ...]
    clustered_by: str | None = None
    """the column of those that were drawn together for the intervals; None: each request alone"""
    seen: tuple[str, ...] = ()
    """routers that decide here, as ``name@version``, and learned from these very requests"""

    @property
    def verdict(self) -> str:
        """Whether the goals are met, in words."""
        return lead(self.seen) + verdict(self.goals)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; an undefined number is None."""
        named = {name: getattr(self, name) for name in ESTIMATES}
        return {
            "policy": self.policy,
            "dataset": self.dataset,
            "dataset_digest": self.dataset_digest,
            "seed": self.seed,
            "simulated": self.simulated,
            "log": self.log,
            "requests": self.requests,
            "unobserved": self.unobserved,
            "clustered_by": self.clustered_by,
            "seen_by_routers": list(self.seen),
            **as_json.estimates(named),
            "cache_hit_rate": as_json.plain(self.cache_hit_rate),
            "imputed_share": as_json.plain(self.imputed_share),
            "by_model": {name: part.to_dict() for name, part in self.by_model.items()},
            "by_route": {name: part.to_dict() for name, part in self.by_route.items()},
            "by_category": {name: part.to_dict() for name, part in self.by_category.items()},
            "goals": [goal.to_dict() for goal in self.goals],
            "assumptions": list(self.assumptions),
        }

    def to_pandas(self) -> pd.DataFrame:
        """One row per estimate: value, low, high, n, share."""
        import pandas as pd

        return pd.DataFrame({name: vars(getattr(self, name)) for name in ESTIMATES}).T

    def figure(self) -> go.Figure:
        """Draw it."""
        from toolkit.figures import summary_figure

        return summary_figure(self)

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Each estimate as people read it: what it is, value with interval and unit."""
        return [
            ("quality", number_interval(self.quality)),
            ("cost per 1k", usd_interval(self.cost_usd_per_1k)),
            ("latency, mean", seconds_interval(self.latency_mean_s)),
            ("latency, p50", seconds_interval(self.latency_p50_s)),
            ("latency, p95", seconds_interval(self.latency_p95_s)),
            ("latency, p99", seconds_interval(self.latency_p99_s)),
            ("errors", percent_interval(self.error_rate)),
            ("fallbacks", percent_interval(self.fallback_rate)),
            ("degraded", percent_interval(self.degraded_rate)),
            ("attempts per request", number_interval(self.attempts_mean)),
        ]

    def _repr_html_(self) -> str:
        by_name = dict(zip(ESTIMATES, self.rows, strict=True))
        table = html_table(
            ("", "value [95 %]", "measured"),
            [(*row, percent(getattr(self, name).share)) for name, row in by_name.items()],
            caption=f"{self.policy} on {self.dataset}, {count(self.requests)} requests"
            + (" (simulated data)" if self.simulated else ""),
        )
        models = html_table(
            ("model", "answers", "quality of them", "calls", "share of cost"),
            [
                (
                    name,
                    percent(part.share),
                    number_interval(part.quality),
                    count(part.calls),
                    percent(part.cost_share),
                )
                for name, part in self.by_model.items()
            ],
        )
        goals = html_table(
            ("goal", "limit", "met"), [(g.name, g.limit, g.answer) for g in self.goals]
        )
        notes = html_list(self.assumptions)
        return f"<div>{table}{models}{goals if self.goals else ''}{notes}</div>"


def summarize(replay: Replay, resamples: int = RESAMPLES) -> Summary:
    """Estimate everything about a replay, with 95 % intervals over its requests.

    The draws depend on the replay's seed, so the same replay gives the same intervals.
    """
    n = len(replay.status)
    boot = bootstrap_of(replay.arrivals, resamples, replay.seed)
    seen = np.flatnonzero(replay.status != Status.UNOBSERVED)
    status, latency = replay.status[seen], replay.latency_s[seen]
    everything = Rows(boot, seen, np.zeros(len(seen), np.int8), 1)
    quality, cost, mean, errors, fallbacks, degraded, attempts = (
        estimates[0]
        for estimates in everything.means(
            Metric(replay.quality[seen], fraction=True),
            Metric(replay.cost_usd[seen]),
            Metric(latency),
            Metric((status == Status.ERROR).astype(float), fraction=True),
            Metric(replay.fallback[seen].astype(float), fraction=True),
            Metric((status == Status.DEGRADED).astype(float), fraction=True),
            Metric(replay.attempts[seen].astype(float)),
        )
    )
    p50, p95, p99 = quantiles(latency, (0.5, 0.95, 0.99), boot.rows_of(seen))
    named = dict(
        zip(
            ESTIMATES,
            (
                quality,
                cost.scaled(1000),
                mean,
                p50,
                p95,
                p99,
                errors,
                fallbacks,
                degraded,
                attempts,
            ),
            strict=True,
        )
    )
    return Summary(
        policy=replay.policy.policy,
        dataset=replay.dataset.name,
        dataset_digest=replay.dataset.digest,
        seed=replay.seed,
        simulated=replay.dataset.simulated,
        log=replay.dataset.kind,
        requests=n,
        unobserved=n - len(seen),
        **named,
        cache_hit_rate=float(replay.cached[seen].mean()) if len(seen) else math.nan,
        imputed_share=float(replay.imputed[seen].mean()) if len(seen) else math.nan,
        by_model=slices.by_model(replay, boot),
        by_route=slices.by_route(replay, boot),
        by_category=slices.by_category(replay, boot),
        goals=judge_all(replay.policy.goals, named),
        assumptions=assumptions(replay, resamples),
        clustered_by=boot.clustered_by,
        seen=seen_by([replay.policy], replay.dataset),
    )
