"""What stands beside the policies of a sweep and needs none: single models, mixed ones, chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.baselines import Baseline, Baselines, Calls
from toolkit.evaluate.curves.hull import hull
from toolkit.evaluate.intervals import Bootstrap
from toolkit.evaluate.tradeoffs.points import Point
from toolkit.evaluate.tradeoffs.sweep import Job
from toolkit.logs.dataset import Dataset
from toolkit.policy.model import Policy
from toolkit.scenarios.faults import Faults
from toolkit.scenarios.model import Scenario


@dataclass(frozen=True)
class Vertex:
    """A single model on the hull of single models: two neighbours can be mixed at random."""

    model: str
    """name in the log"""
    cost_usd_per_1k: float
    quality: float

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "models": [self.model],
            "cost_usd_per_1k": self.cost_usd_per_1k,
            "quality": self.quality,
        }


def alone_jobs(
    base: Policy, models: Sequence[str], faults: Faults, scenario: Scenario | None
) -> list[Job]:
    """Every model alone, in the world of the policy: "primary" stays the policy's own.

    ``faults`` are the scenario's, aimed at ``base``. A model that the policy does not have is
    struck by the faults that name it.
    """
    jobs: list[Job] = []
    known = [base.log_name(name) for name in base.models]
    stated = [f for f in scenario.faults if not f.spike] if scenario else []
    for name in models:
        if name in known:
            hits = faults.hits[:, [known.index(name)]]
        else:
            by_name = [name in (fault.models or ()) for fault in stated]
            hits = np.array(by_name, np.bool_).reshape(-1, 1)
        jobs.append((Policy.single(name), faults._replace(hits=hits)))
    return jobs


def curve(points: Sequence[Point]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cost and quality of the points, (p,) each."""
    cost = np.array([point.cost_usd_per_1k.value for point in points])
    return cost, np.array([point.quality.value for point in points])


def baselines_of(
    dataset: Dataset, singles: Sequence[Point], calls: Calls, boot: Bootstrap
) -> Baselines:
    """The single models as they were swept, and what ``calls`` adds: random mix and oracle."""
    alone = [
        Baseline(p.name, "single", p.quality, p.cost_usd_per_1k, p.latency_mean_s, p.error_rate)
        for p in singles
    ]
    return Baselines(
        dataset=dataset.name,
        simulated=dataset.simulated,
        requests=dataset.n_requests,
        n=len(calls.request),
        rows=(*alone, *calls.estimates(boot)),
    )


def zero_router(singles: Sequence[Point]) -> tuple[Vertex, ...]:
    """The vertices of the hull of single models, by rising cost."""
    cost, quality = curve(singles)
    return tuple(
        Vertex(singles[i].name, float(cost[i]), float(quality[i])) for i in hull(cost, quality)
    )
