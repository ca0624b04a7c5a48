"""What a search found, in numbers that the search has not seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate import as_json
from toolkit.evaluate.compare import METRICS as COMPARED
from toolkit.evaluate.compare import Comparison
from toolkit.evaluate.format import html_list, html_table, quality_interval, usd_interval
from toolkit.evaluate.goals import GoalResult
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.search import words
from toolkit.evaluate.search.choose import Kind
from toolkit.evaluate.search.reasons import Change
from toolkit.evaluate.search.split import Split
from toolkit.evaluate.search.trying import Ending
from toolkit.evaluate.summary import Summary
from toolkit.policy.model import Goals, Policy
from toolkit.policy.written import plain

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

METRICS = ("quality", "cost_usd_per_1k", "latency_mean_s", "latency_p95_s", "error_rate")


@dataclass(frozen=True, eq=False)
class Side:
    """A policy on the requests that tuned and on those that did not."""

    policy: Policy
    tuned: Summary
    held_out: Summary
    goals_tuned: tuple[GoalResult, ...]
    """changes and ratios are against the policy that the search began with"""
    goals_held_out: tuple[GoalResult, ...]

    @property
    def optimism(self) -> dict[str, Estimate]:
        """Tuned minus held out, by metric. The halves differ by chance too, for any policy."""
        return {
            name: _apart(getattr(self.tuned, name), getattr(self.held_out, name))
            for name in METRICS
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "policy": self.policy.policy,
            "tuned": _numbers(self.tuned, self.goals_tuned),
            "held_out": _numbers(self.held_out, self.goals_held_out),
            "optimism": as_json.estimates(self.optimism, nest_latency=False),
        }


@dataclass(frozen=True, eq=False)
class Candidate(Side):
    """A policy that was found."""

    kind: Kind
    """cheapest: that meets the goals; sure: the cheapest that meets them with whole intervals
    where it was tuned; middle and best: of what meets them; closest: nothing met them"""
    changes: tuple[Change, ...]
    """those that matter most to quality first"""
    effects: dict[str, Comparison]
    """of each change, on the held-out requests: without it against with it"""
    gain_tuned: Comparison
    """the policy that the search began with against this one, where it was tuned"""
    gain: Comparison
    """the same on the held-out requests"""
    against_single: Comparison
    """the best single model against this one, on the held-out requests"""

    @property
    def lost(self) -> dict[str, Estimate]:
        """What the gain over the policy as it stands was where it was tuned, minus held out.

        The luck of being chosen, without what makes one half harder than the other for both.
        """
        return {
            name: _apart(getattr(self.gain_tuned, name), getattr(self.gain, name))
            for name in COMPARED
        }

    @property
    def holds(self) -> bool:
        """Whether every goal is met on both halves, by value."""
        return all(goal.met for goal in (*self.goals_tuned, *self.goals_held_out))

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        changed = [
            {"path": c.path, "from": plain(c.before), "to": plain(c.after), "why": c.why}
            for c in self.changes
        ]
        return {
            "kind": self.kind,
            **super().to_dict(),
            "holds": self.holds,
            "lost": as_json.estimates(self.lost, nest_latency=False),
            "changes": changed,
            "gain_tuned": self.gain_tuned.to_dict(),
            "gain": self.gain.to_dict(),
            "against_single": self.against_single.to_dict(),
            "yaml": self.policy.to_yaml(),
        }


@dataclass(frozen=True, eq=False)
class Search:
    """Policies found from one, and what they are worth on requests that did not choose them."""

    policy: str
    policy_digest: str
    dataset: str
    dataset_digest: str
    simulated: bool
    seed: int
    budget_s: float
    seconds: float
    """that it took"""
    trials: int
    """proposed policies"""
    different: int
    """of them, different ones that make sense"""
    feasible: int
    """of these, those that met the goals where they were tuned"""
    ending: Ending
    goals: Goals
    """those that were searched for: the policy's own, or no less quality than it has"""
    places: int
    """that were varied"""
    split: Split
    start: Side
    """the policy as it stands"""
    single: Side
    """the single model of the log that was best where the others were tuned"""
    candidates: tuple[Candidate, ...]
    """cheapest, sure, middle, best, without near-duplicates; or closest alone"""
    tried: NDArray[np.float64]
    """(different, 3) cost per 1k (mean latency where no cost was measured), quality, and by how
    much the goals are missed, on the tuning requests"""

    @property
    def seen(self) -> tuple[str, ...]:
        """Routers, as ``name@version``, that learned from the requests of both halves."""
        of = (self.start, *self.candidates)
        return tuple(dict.fromkeys(name for side in of for name in side.held_out.seen))

    @property
    def rest(self) -> str:
        """What to call the half that did not tune: held out only where nothing has seen it."""
        return "other half" if self.seen else "held out"

    @property
    def verdict(self) -> str:
        """What was found, in words."""
        return words.verdict(self)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the numbers rest on."""
        return words.assumptions(self)

    def __getitem__(self, kind: str) -> Candidate:
        for one in self.candidates:
            if one.kind == kind:
                return one
        raise KeyError(kind)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; an undefined number is None."""
        plain_fields = (
            "policy", "policy_digest", "dataset", "dataset_digest", "simulated", "seed",
            "budget_s", "seconds", "trials", "different", "feasible", "ending", "places",
        )  # fmt: skip
        return {
            **{name: getattr(self, name) for name in plain_fields},
            "seen_by_routers": list(self.seen),
            "goals": self.goals.to_data(),
            "split": self.split.to_dict(),
            "start": self.start.to_dict(),
            "single": self.single.to_dict(),
            "candidates": [one.to_dict() for one in self.candidates],
            "verdict": self.verdict,
            "assumptions": list(self.assumptions),
        }

    def to_pandas(self) -> pd.DataFrame:
        """One row per policy and part: each metric with its interval as NAME_low, NAME_high."""
        import pandas as pd

        records = []
        both = [(k, s, part) for k, s in self.sides for part in ("tuned", "held out")]
        for kind, side, part in both:
            summary = side.tuned if part == "tuned" else side.held_out
            record: dict[str, Any] = {"kind": kind, "policy": side.policy.policy, "part": part}
            for name in METRICS:
                e = getattr(summary, name)
                record |= {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}
            records.append(record)
        return pd.DataFrame(records).set_index(["kind", "part"])

    @property
    def sides(self) -> list[tuple[str, Side]]:
        """Candidates, then what they have to beat: (what it is, its numbers)."""
        found: list[tuple[str, Side]] = [(one.kind, one) for one in self.candidates]
        return [*found, ("as it stands", self.start), ("best single model", self.single)]

    def figure(self) -> go.Figure:
        """Draw what was tuned against what was held out."""
        from toolkit.figures import search_figure

        return search_figure(self)

    def _repr_html_(self) -> str:
        rows = [
            (
                f"{kind}: {side.policy.policy}",
                quality_interval(side.held_out.quality),
                quality_interval(side.tuned.quality),
                usd_interval(side.held_out.cost_usd_per_1k),
                usd_interval(side.tuned.cost_usd_per_1k),
            )
            for kind, side in self.sides
        ]
        head = ("", f"quality, {self.rest}", "tuned", f"cost per 1k, {self.rest}", "tuned")
        caption = f"Search from {self.policy} on {self.dataset}"
        table = html_table(head, rows, caption + (" (simulated data)" if self.simulated else ""))
        return f"<div>{table}{html_list([self.verdict, *self.assumptions])}</div>"


def _apart(tuned: Estimate, held_out: Estimate) -> Estimate:
    """The difference of two samples: the intervals add by their squares."""
    value = tuned.value - held_out.value
    down = math.hypot(tuned.value - tuned.low, held_out.high - held_out.value)
    up = math.hypot(tuned.high - tuned.value, held_out.value - held_out.low)
    n = min(tuned.n, held_out.n)
    return Estimate(value, value - down, value + up, n, held_out.share)


def _numbers(summary: Summary, goals: tuple[GoalResult, ...]) -> dict[str, Any]:
    named = {name: getattr(summary, name) for name in (*METRICS, "degraded_rate")}
    counts = {"requests": summary.requests, "unobserved": summary.unobserved}
    judged = {"imputed_share": summary.imputed_share, "goals": [goal.to_dict() for goal in goals]}
    return counts | as_json.estimates(named) | judged
