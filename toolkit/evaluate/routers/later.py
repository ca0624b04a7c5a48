"""Does what was learned hold for later requests? Folds that mix all times cannot tell."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from toolkit.evaluate import as_json
from toolkit.evaluate.format import count, points_interval
from toolkit.evaluate.intervals import Bootstrap, Estimate, Floats, Metric, Rows
from toolkit.evaluate.routers.folds import Folds, has_times
from toolkit.evaluate.routers.net import net_quality, prices
from toolkit.evaluate.routers.outcomes import Outcomes
from toolkit.evaluate.routers.unseen import Unseen
from toolkit.scenarios.arrivals import traffic

if TYPE_CHECKING:
    from toolkit.learn.router import QualityRouter


@dataclass(frozen=True)
class Later:
    """A router of the earlier requests, and routers of all times, on the latest fifth or so."""

    learned: int
    """requests that the one has learned from"""
    judged: int
    """later requests"""
    gap: Estimate
    """quality less cost, averaged over prices of quality, of the one minus the others; 0..1"""

    @property
    def words(self) -> str:
        """In a sentence."""
        if math.isnan(self.gap.value):
            return "Whether what was learned holds for later requests cannot be told."
        found = "surely worse" if self.gap.high < 0 else "better" if self.gap.low > 0 else "as good"
        return (
            f"Trained on the earlier {count(self.learned)} requests and judged on the later "
            f"{count(self.judged)}, a router is {found} than those of all times: "
            f"{points_interval(self.gap)} of quality, less cost."
        ).replace("as good than", "as good as")

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "learned": self.learned,
            "judged": self.judged,
            **as_json.estimates({"gap": self.gap}),
            "words": self.words,
        }


def later_than(
    found: Outcomes,
    folds: Folds,
    unseen: Unseen,
    make: Callable[[], QualityRouter],
    weight: Floats,
    boot: Bootstrap,
) -> Later | None:
    """Train on the earlier requests, as many as a fold's router learns from, judge on the rest.

    None where no times are known, or folds go by time already.
    """
    if folds.kind == "time" or found.logged or not has_times(found.dataset):
        return None
    when = traffic(None, found.dataset).arrival_s[found.rows]
    # What arrives in one moment is on one side.
    edge = np.quantile(when, 1 - 1 / folds.count)
    early, late = np.flatnonzero(when < edge), np.flatnonzero(when >= edge)
    if len(early) < len(late):
        return None
    router = make()
    router.fit(
        found.requests.take(pa.array(early)),
        found.quality[early],
        weight[early],
        cost_usd=found.cost_usd[early],
    )
    expected = router.forecast(found.requests.take(pa.array(late)))
    quality, cost = found.quality[late], found.cost_usd[late]
    at = prices(found.quality, found.cost_usd)
    one = net_quality(expected.quality, expected.cost_usd, quality, cost, at)
    other = net_quality(unseen.quality[late], unseen.cost_usd[late], quality, cost, at)
    rows = Rows(boot, found.rows[late], np.zeros(len(late), np.int8), 1)
    ((gap,),) = rows.means(Metric(one - other))
    return Later(len(early), len(late), gap)
