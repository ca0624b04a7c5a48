"""What is the cheapest way to be good enough? Many policies on the same requests, side by side.

Beside them stands what needs no policy: every single model of the log, the zero router (single
models mixed at random), the random mix, and the oracle.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluate.baselines import Baseline, Baselines
from toolkit.evaluate.curves.hull import hull_value
from toolkit.evaluate.format import count, html_list, html_table
from toolkit.evaluate.goals import WORDS
from toolkit.evaluate.routed import lead
from toolkit.evaluate.tradeoffs.area import Areas
from toolkit.evaluate.tradeoffs.beside import Vertex
from toolkit.evaluate.tradeoffs.gain import Gain, Gains
from toolkit.evaluate.tradeoffs.pair import Pair
from toolkit.evaluate.tradeoffs.pick import cheapest, distance, has_cost
from toolkit.evaluate.tradeoffs.points import ESTIMATES, Point, judged
from toolkit.evaluate.tradeoffs.rows import HEAD, SHOWN, cells
from toolkit.evaluate.tradeoffs.words import verdict
from toolkit.evaluate.tradeoffs.worth import Worth, worths
from toolkit.policy.model import Goals

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from toolkit.logs.gaps import Kind


@dataclass(frozen=True, eq=False)
class Frontier:
    """A sweep: p policies on one dataset, what none of them beats, and what needs no policy."""

    policy: str
    policy_digest: str
    dataset: str
    dataset_digest: str
    simulated: bool
    log: Kind
    """Which outcomes the log has."""
    seed: int
    scenario: str | None
    requests: int
    """of the dataset, or drawn from it to fill a scenario's arrivals"""
    n: int
    """those that the estimates are about"""
    axes: tuple[str, ...]
    paths: tuple[str, ...]
    """the places that are varied"""
    goals: Goals
    points: tuple[Point, ...]
    """(p,) the policy as it stands first"""
    frontier: tuple[int, ...]
    """points that no other beats on the axes, by the first axis rising"""
    hull: tuple[int, ...]
    """vertices of the non-decreasing hull of cost and quality, by rising cost"""
    singles: tuple[Point, ...]
    """every model of the log, asked once for everything; ``index`` is its place here"""
    used: tuple[str, ...]
    """names in the log of the models that the policies use"""
    baselines: Baselines
    """all models of the log"""
    own: Baselines
    """the models that the policies use"""
    zero_router: tuple[Vertex, ...]
    """hull of the models that the policies use, by rising cost"""
    zero_router_all: tuple[Vertex, ...]
    """hull of all models of the log"""
    aiq: Areas
    pair: Pair | None
    assumptions: tuple[str, ...]
    gains: Gains = field(repr=False)
    """what any policy gains on another, found when somebody asks"""
    seen: tuple[str, ...] = ()
    """routers that decide here, as ``name@version``, and learned from these very requests"""

    @property
    def oracle(self) -> Baseline:
        """Perfect foresight among the models that the policies use."""
        return self.own.oracle

    @property
    def oracle_all(self) -> Baseline:
        """Perfect foresight among all models of the log."""
        return self.baselines.oracle

    @property
    def random_mix(self) -> Baseline:
        """One of the models that the policies use, drawn evenly for each request."""
        return self.own.random

    @property
    def worth(self) -> tuple[Worth, ...]:
        """The best policy by what a point of quality is worth, per 1,000 requests."""

        def better(a: Point, b: Point) -> bool:
            gain = self.gains.between(a.index, b.index).differences["quality"]
            return gain.distinguishable and gain.value > 0

        return worths([self.points[i] for i in self.hull], better)

    @property
    def cheapest(self) -> Point | None:
        """The cheapest policy that meets the goals, all by value; None if there is none."""
        return cheapest([point for point in self.points if point.meets])

    @property
    def best(self) -> Point | None:
        """The cheapest policy that meets the goals; None if there is none.

        The policy as it stands where it meets them too and the cheapest is neither surely cheaper
        nor surely better than it by more than a trifle.
        """
        return self._or_as_it_stands(self.cheapest)

    @property
    def surest(self) -> Point | None:
        """The same of those that meet every goal with their whole interval."""
        found = cheapest([point for point in self.points if point.meets and point.certain])
        return self._or_as_it_stands(found) if self.points[0].certain else found

    def _or_as_it_stands(self, found: Point | None) -> Point | None:
        now = self.points[0]
        if found is None or not now.meets or not self.paths or self.log == "logged":
            return found
        idle = found is now or self.gain(found).pays is False
        return now if idle and has_cost(now) == has_cost(found) else found

    def gain(self, point: Point) -> Gain:
        """What a policy of the sweep gains on the policy as it stands, or on the first given."""
        return self.gains.between(0, point.index)

    @property
    def closest(self) -> Point:
        """The policy that misses fewest goals, and these by the smallest share of their limits."""
        return min(self.points, key=distance)

    @property
    def further(self) -> tuple[str, ...]:
        """What `cells` tells of the axes beyond HEAD."""
        return tuple(WORDS[axis][0] for axis in self.axes if axis not in SHOWN)

    @property
    def verdict(self) -> str:
        """The answer in words."""
        return lead(self.seen) + verdict(self)

    def mixed(self, cost_usd_per_1k: float) -> float:
        """Quality of the models that the policies use, mixed at random for so much.

        NaN for less than the cheapest costs.
        """
        corners = [(v.cost_usd_per_1k, v.quality) for v in self.zero_router]
        cost, quality = np.array(corners).reshape(-1, 2).T
        return float(hull_value(cost_usd_per_1k, cost, quality))

    def with_goals(self, goals: Goals) -> Frontier:
        """The same sweep held against other goals; nothing is replayed."""
        sides = (
            tuple(replace(point, goals=judged(goals, _named(point))) for point in side)
            for side in (self.points, self.singles)
        )
        points, singles = sides
        return replace(self, goals=goals, points=points, singles=singles)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; an undefined number is None."""
        ahead, above = set(self.frontier), set(self.hull)
        points = [
            point.to_dict() | {"on_frontier": point.index in ahead, "on_hull": point.index in above}
            for point in self.points
        ]
        singles = [
            {"model": point.name, "used": point.name in self.used, **point.to_dict()}
            for point in self.singles
        ]
        best, surest, least = self.best, self.surest, self.cheapest
        return {
            "policy": self.policy,
            "dataset": self.dataset,
            "dataset_digest": self.dataset_digest,
            "policy_digest": self.policy_digest,
            "simulated": self.simulated,
            "log": self.log,
            "seen_by_routers": list(self.seen),
            "seed": self.seed,
            "scenario": self.scenario,
            "requests": self.requests,
            "n": self.n,
            "axes": list(self.axes),
            "paths": list(self.paths),
            "verdict": self.verdict,
            "best": None if best is None else best.index,
            "surest": None if surest is None else surest.index,
            "cheapest": None if least is None else least.index,
            "gain": self.gain(least).to_dict() if least is not None and least.index else None,
            "points": points,
            "frontier": list(self.frontier),
            "hull": list(self.hull),
            "singles": singles,
            "zero_router": [vertex.to_dict() for vertex in self.zero_router],
            "zero_router_all": [vertex.to_dict() for vertex in self.zero_router_all],
            "random_mix": self.random_mix.to_dict(),
            "oracle": self.oracle.to_dict(),
            "oracle_all": self.oracle_all.to_dict(),
            "aiq": self.aiq.to_dict(),
            "pair": None if self.pair is None else self.pair.to_dict(),
            "worth": [worth.to_dict() for worth in self.worth],
            "assumptions": list(self.assumptions),
        }

    def to_pandas(self) -> pd.DataFrame:
        """One row per policy: what was varied, then each estimate and its ends."""
        import pandas as pd

        ahead, above = set(self.frontier), set(self.hull)
        records = []
        for point in self.points:
            record: dict[str, Any] = {"index": point.index, "name": point.name, **point.values}
            for name in ESTIMATES:
                e = getattr(point, name)
                record |= {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}
            record |= {
                "n": point.requests - point.unobserved,
                "unobserved": point.unobserved,
                "imputed_share": point.imputed_share,
                "arena_score": point.arena_score,
                "strong_share": point.strong_share,
                "meets_goals": point.meets,
                "on_frontier": point.index in ahead,
                "on_hull": point.index in above,
                "same_as": point.same_as,
                "policy_digest": point.digest,
            }
            records.append(record)
        return pd.DataFrame(records).set_index("index")

    def figure(self, axes: tuple[str, str] | None = None) -> go.Figure:
        """Draw the policies among the baselines; ``axes`` are x and y."""
        from toolkit.figures import tradeoffs_figure

        return tradeoffs_figure(self, *(axes or ()))

    def _repr_html_(self) -> str:
        table = html_table(
            ("on the frontier", *HEAD, *self.further),
            [(p.name, *cells(p, self.axes)) for p in map(self.points.__getitem__, self.frontier)],
            caption=f"{self.policy} on {self.dataset}: {count(len(self.points))} policies, "
            f"{count(self.n)} requests" + (" (simulated data)" if self.simulated else ""),
        )
        return f"<div>{html_list([self.verdict])}{table}{html_list(self.assumptions)}</div>"


def _named(point: Point) -> dict[str, Any]:
    return {name: getattr(point, name) for name in ESTIMATES}
