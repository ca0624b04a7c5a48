"""Paired differences of two replays, as a whole and in slices, and how sure one can be of each.

Both policies meet the same requests, so what is compared is the difference on each one: much of
what makes a request dear or hard cancels. Only requests that both observed count, and of those,
for each metric, the ones that both measured.

A comparison asks four questions at once (METRICS), and equals must not be called different because
one of four looks so: a difference counts as real where Holm's adjusted p-value is below LEVEL.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.design import worth
from toolkit.evaluate.discoveries import holm, p_value
from toolkit.evaluate.intervals import (
    FEW,
    Bootstrap,
    Estimate,
    Floats,
    Ints,
    Metric,
    Rows,
    Z,
    wilson,
)
from toolkit.schema import Status

if TYPE_CHECKING:
    from toolkit.engine.replay import Replay

METRICS = ("quality", "cost_usd_per_1k", "latency_mean_s", "error_rate")
FRACTIONS = frozenset({"quality", "error_rate"})
LEVEL = 0.025
"""Chance with which equals may be called different on any of the metrics."""
POWER = 0.8


@dataclass(frozen=True)
class Difference(Estimate):
    """The mean of B minus A over the requests that both measured, with their own means there."""

    a: float = math.nan
    b: float = math.nan
    changed: int = 0
    """requests on which B and A differ"""
    p: float = math.nan
    """of this difference alone: below 0.05 where the interval leaves out 0"""
    p_adjusted: float = math.nan
    """with all that were looked at together"""
    level: float = LEVEL
    """below which ``p_adjusted`` is convincing"""
    needed: float = math.nan
    """requests like these that would decide it, if the difference is as it seems; NaN where it is
    decided, or where there is none"""

    @property
    def distinguishable(self) -> bool:
        """It would hardly be seen between equals, with all that were looked at."""
        return self.p_adjusted < self.level


@dataclass(frozen=True, eq=False)
class Paired:
    """What two replays measured on the k requests that both observed."""

    request: NDArray[np.intp]
    """(k,) rows of the dataset"""
    a: Mapping[str, Floats]
    """(k,) values of each metric"""
    b: Mapping[str, Floats]
    boot: Bootstrap
    """over all requests of the dataset"""
    same: NDArray[np.bool_] | None = None
    """(k,) where both end with the same outcome of the log; None: not known"""

    @property
    def all_same(self) -> bool:
        """Both end with the same outcomes on all of the requests, if there are any."""
        return self.same is not None and len(self.same) > 0 and bool(self.same.all())

    @property
    def identical(self) -> bool:
        """Both end alike on all of the requests, if there are any."""
        return len(self.request) > 0 and all(
            np.array_equal(self.a[name], self.b[name], equal_nan=True) for name in METRICS
        )

    def differences(self, code: Ints, n_slices: int) -> list[dict[str, Difference]]:
        """Differences of every metric in every slice (``code`` (k,)), none of them adjusted.

        Where both end with the same outcomes throughout there is none, and the interval is [0, 0].
        """
        gains = {name: self.b[name] - self.a[name] for name in METRICS}
        rows = Rows(self.boot, self.request, code, n_slices)
        means = rows.means(*(Metric(gains[name]) for name in METRICS))
        cluster = self.boot.rows_of(self.request)
        order = np.argsort(code, kind="stable")
        start = np.searchsorted(code[order], np.arange(n_slices + 1))
        found = []
        for j in range(n_slices):
            mine = order[start[j] : start[j + 1]]
            of_mine = None if cluster is None else cluster[mine]
            none = self.same is not None and bool(self.same[mine].all())
            found.append(
                {
                    name: _difference(
                        estimates[j],
                        self.a[name][mine],
                        self.b[name][mine],
                        of_mine,
                        fraction=name in FRACTIONS,
                        none=none,
                    )
                    for name, estimates in zip(METRICS, means, strict=True)
                }
            )
        return found

    def overall(self) -> dict[str, Difference]:
        """Differences of every metric over all paired requests, judged together by Holm."""
        code = np.zeros(len(self.request), np.int8)
        (found,) = self.differences(code, 1)
        return together(found, len(self.request))


def paired(a: Replay, b: Replay, boot: Bootstrap) -> Paired:
    """Hold two replays of the same requests beside each other."""
    both = np.flatnonzero((a.status != Status.UNOBSERVED) & (b.status != Status.UNOBSERVED))
    sides = [
        {
            "quality": r.quality[both],
            "cost_usd_per_1k": 1000 * r.cost_usd[both],
            "latency_mean_s": r.latency_s[both],
            "error_rate": (r.status[both] == Status.ERROR).astype(float),
        }
        for r in (a, b)
    ]
    same = _answered(a)[both] == _answered(b)[both]
    for name in METRICS:
        one, other = (side[name] for side in sides)
        same &= (one == other) | (np.isnan(one) & np.isnan(other))
    return Paired(both, sides[0], sides[1], boot, same)


def _answered(one: Replay) -> Ints:
    """(n,) the log's model whose answer was accepted, whatever the policy calls it; -1: none."""
    column: Ints = np.append(one.plan.models["column"], -1)[one.model]
    return column


def together(found: Mapping[str, Difference], requests: int) -> dict[str, Difference]:
    """The same differences, judged together by Holm's method, and how many more would decide.

    A metric that is the same on every request is no chance to be wrong, and does not count.
    """
    adjusted = holm([d.p if d.changed else math.nan for d in found.values()])
    family = max(int(np.count_nonzero(~np.isnan(adjusted))), 1)
    judged = {}
    for (name, d), p in zip(found.items(), adjusted, strict=True):
        more = math.nan
        if d.changed and not p < d.level:
            level = d.level / family
            more = needed(d, requests, level)
            more = max(more, requests * _coins(level) / d.changed)  # NaN stays NaN
        judged[name] = replace(d, p_adjusted=float(p), needed=more)
    return judged


def needed(d: Estimate, requests: int, level: float = LEVEL) -> float:
    """How many requests would tell a difference from 0 with a power of 80 % at ``level``.

    That is, if the true difference is as the ``requests`` that there are show it, and the interval
    narrows as 1 / √n. NaN where there is no difference, or no interval.
    """
    if not d.value or not math.isfinite(d.low + d.high):
        return math.nan
    reach = max(d.value - d.low if d.value > 0 else d.high - d.value, 0.0)
    normal = NormalDist()
    wanted = normal.inv_cdf(1 - level / 2) + normal.inv_cdf(POWER)
    return requests * max(1.0, (wanted * reach / (Z * abs(d.value))) ** 2)


def _coins(level: float) -> float:
    """How many coins have to fall on one side to be convincing at ``level``."""
    return 1 - math.log2(level)


def _difference(
    estimate: Estimate,
    a: Floats,
    b: Floats,
    cluster: Ints | None,
    *,
    fraction: bool,
    none: bool,
) -> Difference:
    known = ~np.isnan(a) & ~np.isnan(b)
    a, b = a[known], b[known]
    gain = b - a
    differs = gain != 0
    low, high = estimate.low, estimate.high
    of_known = None if cluster is None else cluster[known]
    apart = int(np.count_nonzero(differs))
    units = apart if of_known is None else len(np.unique(of_known[differs]))
    # Gains and losses together; the sum over a cluster is no longer one or the other.
    if fraction and len(gain) and units < (2 * FEW if of_known is None else FEW):
        low, high = _few(gain, len(gain) if of_known is None else worth(gain, of_known))
    if fraction:
        low, high = max(low, -1.0), min(high, 1.0)
    if none and len(gain):
        low = high = 0.0
    mean_a, mean_b = (float(side.mean()) if len(gain) else math.nan for side in (a, b))
    d = Difference(estimate.value, low, high, estimate.n, estimate.share, mean_a, mean_b, apart)
    # So many coins fall on one side with at least this chance, whatever the interval says.
    return replace(d, p=max(p_value(d), 2.0 ** (1 - max(units, 1))))


def _few(gain: Floats, n: float) -> tuple[float, float]:
    """Interval of a mean of values in −1..1 of which few are not 0, where a bootstrap is too sure.

    The share of gains and the share of losses get a Wilson interval each, as of ``n`` independent
    values, and their distances from the point are combined as for independent errors (Newcombe's
    square-and-add).
    """
    up, down = (float(np.maximum(side, 0).mean()) for side in (gain, -gain))
    up_low, up_high = wilson(up, n)
    down_low, down_high = wilson(down, n)
    return (
        up - down - math.hypot(up - up_low, down_high - down),
        up - down + math.hypot(up_high - up, down - down_low),
    )
