"""Is B really better than A? Paired differences on the same requests.

Both policies meet the same requests, so what is compared is the difference on each one: much of
what makes a request dear or hard cancels. Only requests that both observed count, and of those,
for each metric, the ones that both measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.replay import Replay, replay, replay_traffic
from toolkit.errors import DataError
from toolkit.evaluate import as_json
from toolkit.evaluate.differences import METRICS, Difference, paired
from toolkit.evaluate.format import (
    count,
    html_list,
    html_table,
    number,
    percent,
    points_interval,
    seconds,
    seconds_interval,
    usd,
    usd_interval,
)
from toolkit.evaluate.intervals import RESAMPLES, bootstrap_of
from toolkit.evaluate.verdict import verdict
from toolkit.policy.model import Policy
from toolkit.scenarios.aim import aim

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from toolkit.logs.datasets import Dataset


__all__ = ["METRICS", "Comparison", "Difference", "compare"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two policies on one dataset; every difference is B minus A."""

    a: str
    b: str
    dataset: str
    simulated: bool
    requests: int
    """of the dataset"""
    paired: int
    """observed under both policies; the differences are over these"""
    quality: Difference
    cost_usd_per_1k: Difference
    latency_mean_s: Difference
    error_rate: Difference
    winners: NDArray[np.intp]
    """rows of the dataset where B's quality is higher, the largest gain first"""
    losers: NDArray[np.intp]
    """rows where it is lower, the largest loss first"""
    identical: bool
    """both end alike on every paired request"""
    clustered_by: str | None
    """the column of those that were drawn together for the intervals; None: each request alone"""

    @property
    def verdict(self) -> str:
        """The comparison in one sentence."""
        return verdict(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON values: each difference by name, and as ``NAME_a`` and ``NAME_b`` what it is of."""
        named = {name: cast("Difference", getattr(self, name)) for name in METRICS}
        sides = {
            f"{name}_{side}": as_json.plain(getattr(d, side))
            for name, d in named.items()
            for side in ("a", "b")
        }
        return {
            "a": self.a,
            "b": self.b,
            "dataset": self.dataset,
            "simulated": self.simulated,
            "requests": self.requests,
            "paired": self.paired,
            **as_json.estimates(named, nest_latency=False),
            **sides,
            "winners": len(self.winners),
            "losers": len(self.losers),
            "verdict": self.verdict,
        }

    def figure(self) -> go.Figure:
        """Draw the differences with their intervals."""
        from toolkit.figures import comparison_figure

        return comparison_figure(self)

    def _repr_html_(self) -> str:
        q, c, t, e = self.quality, self.cost_usd_per_1k, self.latency_mean_s, self.error_rate
        table = html_table(
            ("", self.a, self.b, "difference [95 %]", "requests"),
            [
                ("quality", number(q.a), number(q.b), points_interval(q), count(q.n)),
                ("cost per 1k", usd(c.a), usd(c.b), usd_interval(c, sign=True), count(c.n)),
                ("latency", seconds(t.a), seconds(t.b), seconds_interval(t, sign=True), count(t.n)),
                ("errors", percent(e.a), percent(e.b), points_interval(e), count(e.n)),
            ],
            caption=f"{self.b} against {self.a} on {self.dataset}"
            + (" (simulated data)" if self.simulated else ""),
        )
        return f"<div>{table}{html_list([self.verdict])}</div>"


def compare(
    a: Replay | Policy,
    b: Replay | Policy,
    dataset: Dataset | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two policies, or two replays of one dataset, request by request.

    ``dataset`` and ``seed`` serve to replay what is given as a policy. Raises ``DataError`` where
    the two were not replayed on the same data.
    """
    a, b = _replayed(a, b, dataset, seed), _replayed(b, a, dataset, seed)
    if a.dataset is not b.dataset and (
        not a.dataset.digest or a.dataset.digest != b.dataset.digest
    ):
        raise DataError(
            f"a comparison needs one dataset; got a replay on {a.dataset.name!r} and one on "
            f"{b.dataset.name!r} whose content differs: replay both policies on the same one"
        )
    boot = bootstrap_of(a.arrivals, resamples, seed)
    pairs = paired(a, b, boot)
    gain = pairs.b["quality"] - pairs.a["quality"]
    up, down = np.flatnonzero(gain > 0), np.flatnonzero(gain < 0)
    return Comparison(
        a=a.policy.policy,
        b=b.policy.policy,
        dataset=a.dataset.name,
        simulated=a.dataset.simulated,
        requests=len(a.status),
        paired=len(pairs.request),
        **pairs.overall(),
        winners=pairs.request[up[np.argsort(-gain[up], kind="stable")]],
        losers=pairs.request[down[np.argsort(gain[down], kind="stable")]],
        identical=pairs.identical,
        clustered_by=boot.clustered_by,
    )


def _replayed(
    one: Replay | Policy, other: Replay | Policy, dataset: Dataset | None, seed: int
) -> Replay:
    if isinstance(one, Replay):
        return one
    if dataset is None and isinstance(other, Replay):
        faults = aim(other.scenario, one, other.dataset.models)
        return replay_traffic(one, other.arrivals, faults, seed, other.scenario)
    if dataset is None:
        raise DataError("policies are compared on a dataset: give one, or two replays")
    return replay(one, dataset, seed)
