"""Where a router is better or worse than what it has to beat, group by group.

Of many groups some differ by chance: what is called real is chosen by Benjamini and Hochberg's
method over all groups of all columns and all rivals, so that at most 5 % of such calls are
expected to be false.

Somebody who spends more is better as a rule, so all are held against each other at one cost: in
each group the router has the setting whose cost there comes nearest to that of the first rival, and
each other rival the setting whose cost comes nearest to the router's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate import as_json
from toolkit.evaluate.discoveries import benjamini_hochberg, p_value
from toolkit.evaluate.format import counted, points_interval
from toolkit.evaluate.groups import Groups
from toolkit.evaluate.intervals import Estimate, Metric, Rows
from toolkit.evaluate.routers.arms import Arm, near
from toolkit.evaluate.routers.draws import Floats, Ints, drawing
from toolkit.evaluate.routers.money import money_of

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05
"""Expected share of false calls among those that are made."""
ALIKE = 0.1
"""Costs that differ by less than this share of the router's are not told of."""
FEWEST = 10
"""A group of fewer requests is shown and not judged."""


@dataclass(frozen=True)
class Against:
    """The router minus a rival on the requests of one group."""

    rival: str
    quality: Estimate
    cost_usd_per_1k: Estimate
    p_adjusted: float
    """of the quality; NaN: not judged"""

    @property
    def distinguishable(self) -> bool:
        """Hardly chance, with all that was looked at."""
        return self.p_adjusted <= LEVEL


@dataclass(frozen=True)
class RouterSlice:
    """The router on one group of requests."""

    column: str
    name: str
    requests: int
    quality: Estimate
    cost_usd_per_1k: Estimate
    against: tuple[Against, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        named = {"quality": self.quality, "cost_usd_per_1k": self.cost_usd_per_1k}
        return {
            "column": self.column,
            "name": self.name,
            "requests": self.requests,
            **as_json.estimates(named),
            "against": [
                {
                    "rival": a.rival,
                    **as_json.estimates(
                        {"quality": a.quality, "cost_usd_per_1k": a.cost_usd_per_1k}
                    ),
                    "p_adjusted": as_json.plain(a.p_adjusted),
                    "distinguishable": a.distinguishable,
                }
                for a in self.against
            ],
        }


@dataclass(frozen=True)
class RouterSlices:
    """All groups of all columns."""

    router: str
    """the setting that was compared, in words"""
    rivals: tuple[str, ...]
    parts: tuple[RouterSlice, ...]
    """by column and group"""

    @property
    def columns(self) -> tuple[str, ...]:
        """That groups were made by."""
        return tuple(dict.fromkeys(part.column for part in self.parts))

    def of(self, column: str) -> tuple[RouterSlice, ...]:
        """The groups of one column."""
        return tuple(part for part in self.parts if part.column == column)

    @property
    def found(self) -> tuple[tuple[RouterSlice, Against], ...]:
        """What hardly is chance, the surest first."""
        sure = [(part, a) for part in self.parts for a in part.against if a.distinguishable]
        return tuple(sorted(sure, key=lambda one: one[1].p_adjusted))

    @property
    def words(self) -> tuple[str, ...]:
        """A sentence per rival."""
        return tuple(self._against(rival) for rival in self.rivals)

    def _against(self, rival: str) -> str:
        mine = [(part, a) for part, a in self.found if a.rival == rival]
        every = counted(len(self.parts), "group")
        if not mine:
            return f"Against {rival}: none of {every} differs more than chance allows."
        sides = []
        for word, sign in (("worse", -1), ("better", 1)):
            these = [(part, a) for part, a in mine if a.quality.value * sign > 0]
            if these:
                part, a = max(these, key=lambda one: abs(one[1].quality.value))
                most = "most in" if len(these) > 1 else "in"
                sides.append(
                    f"{word} in {len(these)} of {every} ({most} {part.column} = {part.name},"
                    f" {points_interval(a.quality)}{self._price(part, a)})"
                )
        # Without costs there is nothing to be equal.
        costs = any(math.isfinite(a.cost_usd_per_1k.value) for _, a in mine)
        where = " at about equal cost" if costs else ""
        return f"Against {rival}{where} the router is {' and '.join(sides)}."

    def _price(self, part: RouterSlice, a: Against) -> str:
        """By how much the costs differ, where they do."""
        difference = a.cost_usd_per_1k.value
        if math.isnan(difference) or abs(difference) <= ALIKE * abs(part.cost_usd_per_1k.value):
            return ""
        money = money_of(one.cost_usd_per_1k.value for one in self.parts)
        return f" at {money.interval(a.cost_usd_per_1k, sign=True)} per {money.per}"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "router": self.router,
            "rivals": list(self.rivals),
            "words": list(self.words),
            "slices": [part.to_dict() for part in self.parts],
        }

    def to_pandas(self) -> pd.DataFrame:
        """One row per group and rival."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "column": part.column,
                    "name": part.name,
                    "requests": part.requests,
                    "quality": part.quality.value,
                    "cost_usd_per_1k": part.cost_usd_per_1k.value,
                    "rival": a.rival,
                    "difference": a.quality.value,
                    "low": a.quality.low,
                    "high": a.quality.high,
                    "cost_difference_usd_per_1k": a.cost_usd_per_1k.value,
                    "p_adjusted": a.p_adjusted,
                    "distinguishable": a.distinguishable,
                }
                for part in self.parts
                for a in part.against
            ]
        )


def slices(
    groups: Sequence[Groups],
    router: Arm,
    rivals: Sequence[Arm],
    *,
    rows: NDArray[np.intp] | None = None,
    cluster: Ints | None = None,
    seed: int = 0,
) -> RouterSlices:
    """Hold the router against each rival in each group, at about the cost of the first rival.

    ``groups`` are those of the dataset (``evaluate.groups.groups``) and ``rows`` (n,) the requests
    of it that the arms are about, all if not said; ``cluster`` (n,) who belongs together. Where
    no setting costs as much, the difference of costs, which stands beside, says the rest.
    """
    n = router.quality.shape[-1]
    boot = drawing(n, cluster, seed=seed)
    request = np.arange(n)
    parts: list[RouterSlice] = []
    for by in groups:
        code = by.code if rows is None else by.code[rows]
        size = np.bincount(code, minlength=len(by.names))
        quality, cost = near(router, code, rivals[0].cost_usd if rivals else router.cost_usd)
        own = [Metric(quality, _fraction(quality)), Metric(cost * 1_000)]
        for rival in rivals:
            their_quality, their_cost = near(rival, code, cost)
            own.append(Metric(quality - their_quality))
            own.append(Metric((cost - their_cost) * 1_000))
        found = Rows(boot, request, code, len(by.names)).means(*own)
        for j in np.flatnonzero(size).tolist():
            mine = [one[j] for one in found]
            against = tuple(
                Against(
                    rival.name,
                    mine[2 + 2 * i],
                    mine[3 + 2 * i],
                    p_value(mine[2 + 2 * i]) if size[j] >= FEWEST else math.nan,
                )
                for i, rival in enumerate(rivals)
            )
            part = RouterSlice(by.column, by.names[j], int(size[j]), mine[0], mine[1], against)
            parts.append(part)
    adjusted = iter(benjamini_hochberg([a.p_adjusted for part in parts for a in part.against]))
    judged = tuple(
        RouterSlice(
            part.column,
            part.name,
            part.requests,
            part.quality,
            part.cost_usd_per_1k,
            tuple(
                Against(a.rival, a.quality, a.cost_usd_per_1k, float(next(adjusted)))
                for a in part.against
            ),
        )
        for part in parts
    )
    return RouterSlices(router.name, tuple(rival.name for rival in rivals), judged)


def _fraction(quality: Floats) -> bool:
    """All lie in 0..1, as estimates from a log need not."""
    known = quality[~np.isnan(quality)]
    return bool(((known >= 0) & (known <= 1)).all())
