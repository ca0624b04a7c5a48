"""What routers foretell of requests that they have not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from toolkit.evaluate.intervals import Floats
from toolkit.evaluate.routers.folds import Folds
from toolkit.evaluate.routers.outcomes import Outcomes

if TYPE_CHECKING:
    from toolkit.learn.router import QualityRouter


@dataclass(frozen=True, eq=False)
class Unseen:
    """What routers foretell of requests that they have not seen, (n, m) and (n,)."""

    quality: Floats
    cost_usd: Floats
    novelty: Floats
    routers: tuple[QualityRouter, ...]
    """of the folds"""


def unseen_of(
    found: Outcomes,
    folds: Folds,
    make: Callable[[], QualityRouter],
    weight: Floats,
    progress: Callable[[int, int], None],
) -> Unseen:
    """Judge every fold by a router of what it may learn from."""
    shape = found.quality.shape
    quality, cost = np.full(shape, np.nan), np.full(shape, np.nan)
    novelty = np.full(shape[0], np.nan)
    routers = []
    for fold in range(folds.count):
        learned, judged = folds.training(fold), folds.judged(fold)
        router = make()
        router.fit(
            found.requests.take(pa.array(learned)),
            found.quality[learned],
            weight[learned],
            cost_usd=found.cost_usd[learned],
            latency_s=found.latency_s[learned],
        )
        expected = router.forecast(found.requests.take(pa.array(judged)))
        quality[judged], cost[judged] = expected.quality, expected.cost_usd
        novelty[judged] = expected.novelty
        routers.append(router)
        progress(fold + 1, folds.count)
    return Unseen(quality, cost, novelty, tuple(routers))
