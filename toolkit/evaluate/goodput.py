"""Useful work against offered work: where retries turn an overload into a collapse.

A model that gets slower the more it is asked makes callers give up and ask again, and these calls
make it slower still. The same traffic is played at several rates, with a retry budget and without.

Accepted answers count when they arrive, so that a growing queue shows as less than was offered.
The first tenth of each run, while it fills, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.replay import Replay, replay
from toolkit.evaluate import as_json
from toolkit.evaluate.circumstances import circumstances
from toolkit.evaluate.format import count, html_list, html_table, number
from toolkit.policy.guards import RetryBudget
from toolkit.policy.model import Policy
from toolkit.scenarios import Scenario, load_scenario
from toolkit.scenarios.model import Fault, Spike
from toolkit.schema import Status

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from toolkit.logs.datasets import Dataset

FACTORS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
SCENARIO = "overload"
WARMING = 0.1
"""Share of a run that is left out."""
APART = 0.05
"""Less of a difference than this share is not worth a word."""

HEAD = (
    "load",
    "requests",
    "offered",
    "accepted with",
    "accepted without",
    "calls with",
    "calls without",
)
"""Names of the columns in which people read it: rates per second, calls per request."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Goodput:
    """One policy at k loads, with a retry budget and without."""

    policy: str
    dataset: str
    scenario: str
    simulated: bool
    seed: int
    budget: RetryBudget
    """the policy's, or the default one where it has none"""
    factors: Floats
    """(k,) by which the scenario's arrivals were multiplied"""
    requests: NDArray[np.int64]
    """(k,) observed"""
    offered_per_s: Floats
    """(k,) requests that arrived per second, without the first tenth of the run, as all rates"""
    accepted_with_per_s: Floats
    """(k,) accepted answers per second with the budget"""
    accepted_without_per_s: Floats
    attempts_with: Floats
    """(k,) calls per request with the budget"""
    attempts_without: Floats
    assumptions: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """What the budget does at the load where it does most, in words."""
        gain = self.accepted_with_per_s - self.accepted_without_per_s
        if np.isnan(gain).all():
            return "No request is observed: nothing can be said."
        i = int(np.nanargmax(np.abs(gain)))
        offered = number(self.offered_per_s[i])
        kept, bare = (
            number(side[i]) for side in (self.accepted_with_per_s, self.accepted_without_per_s)
        )
        calls = [number(side[i]) for side in (self.attempts_with, self.attempts_without)]
        if abs(gain[i]) < APART * self.offered_per_s[i]:
            most = number(float(np.nanmax(self.offered_per_s)))
            return f"Up to {most} requests a second the retry budget makes no difference."
        return (
            f"At {offered} requests a second, {kept} are accepted with the retry budget and {bare} "
            f"without, at {calls[0]} and {calls[1]} calls per request."
        )

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The table as people read it, under the names of ``HEAD``."""
        rates = (
            self.offered_per_s,
            self.accepted_with_per_s,
            self.accepted_without_per_s,
            self.attempts_with,
            self.attempts_without,
        )
        return [
            (f"× {number(factor)}", count(int(n)), *(number(rate[i]) for rate in rates))
            for i, (factor, n) in enumerate(zip(self.factors, self.requests, strict=True))
        ]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "policy": self.policy,
            "dataset": self.dataset,
            "scenario": self.scenario,
            "simulated": self.simulated,
            "seed": self.seed,
            "retry_budget": self.budget.model_dump(),
            **{
                name: [as_json.plain(v) for v in column.tolist()]
                for name, column in self._columns.items()
            },
            "verdict": self.verdict,
            "assumptions": list(self.assumptions),
        }

    def to_pandas(self) -> pd.DataFrame:
        """One row per load."""
        import pandas as pd

        return pd.DataFrame(self._columns)

    @property
    def _columns(self) -> dict[str, NDArray[Any]]:
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def figure(self) -> go.Figure:
        """Draw accepted against offered."""
        from toolkit.figures.goodput import goodput_figure

        return goodput_figure(self)

    def _repr_html_(self) -> str:
        caption = f"{self.policy} on {self.dataset} in the scenario {self.scenario}"
        caption += " (simulated data)" if self.simulated else ""
        table = html_table(HEAD, self.cells, caption=caption)
        return f"<div>{table}{html_list([self.verdict, *self.assumptions])}</div>"


def goodput(
    policy: Policy,
    dataset: Dataset,
    scenario: Scenario | None = None,
    factors: Sequence[float] = FACTORS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Goodput:
    """Play a scenario (None: the bundled ``overload``) at its load times each of ``factors``.

    ``progress`` is called with the replays done and their number. Raises ``PolicyError`` where the
    policy does not fit the dataset, or the scenario either.
    """
    scenario = load_scenario(SCENARIO) if scenario is None else scenario
    budget = policy.retry_budget or RetryBudget()
    sides = [policy.model_copy(update={"retry_budget": b}) for b in (budget, None)]
    rows: list[tuple[float, ...]] = []
    usual: Replay | None = None  # as the scenario says, or the first load that is played
    for factor in factors:
        world, found = scaled(scenario, factor), []
        for side in sides:
            played = replay(side, dataset, seed, scenario=world)
            found.append(_rates(played))
            if usual is None or (factor == 1 and side is sides[0]):
                usual = played
            if progress is not None:
                progress(2 * len(rows) + len(found), 2 * len(factors))
        (n, offered, kept, calls), (_, _, bare, more) = found
        rows.append((n, offered, kept, bare, calls, more))
    n_seen, *rates = np.array(rows, np.float64).reshape(-1, 6).T
    return Goodput(
        policy=policy.policy,
        dataset=dataset.name,
        scenario=scenario.scenario,
        simulated=dataset.simulated,
        seed=seed,
        budget=budget,
        factors=np.array(factors, np.float64),
        requests=n_seen.astype(np.int64),
        offered_per_s=rates[0],
        accepted_with_per_s=rates[1],
        accepted_without_per_s=rates[2],
        attempts_with=rates[3],
        attempts_without=rates[4],
        assumptions=_assumptions(policy, budget, usual),
    )


def scaled(scenario: Scenario, factor: float) -> Scenario:
    """The scenario with ``factor`` times as many requests a second, its faults as they are.

    Stated arrivals become more in the same time; those of a trace or a log come faster.
    """
    if factor == 1:
        return scenario
    if scenario.arrivals is not None and scenario.arrivals.per_s is not None:
        return scenario.with_value("arrivals.per_s", scenario.arrivals.per_s * factor)
    faster = Fault(spike=Spike(factor=factor))
    return scenario.model_copy(update={"faults": (faster, *scenario.faults)})


def _rates(one: Replay) -> tuple[float, float, float, float]:
    """Observed requests, offered and accepted per second, calls per request."""
    seen = one.status != Status.UNOBSERVED
    at = one.arrival_s[seen]
    stated = one.scenario.duration_s if one.scenario else None
    end = max(stated or 0.0, float(at.max(initial=0.0)))
    start = WARMING * end
    steady = at >= start
    if not steady.any() or end <= start:
        return float(len(at)), math.nan, math.nan, math.nan
    # Where the latency was not measured, the answer counts when its request came.
    answered = (at + np.nan_to_num(one.latency_s[seen]))[one.status[seen] == Status.ACCEPTED]
    accepted = np.count_nonzero((answered >= start) & (answered < end))
    attempts = one.attempts[seen][steady].mean()
    length = end - start
    return float(len(at)), np.count_nonzero(steady) / length, accepted / length, float(attempts)


def _assumptions(policy: Policy, budget: RetryBudget, last: Replay | None) -> tuple[str, ...]:
    lines = []
    if last is not None and last.dataset.simulated:
        lines.append("The data is simulated: no model gave these answers.")
    if policy.retry_budget is None:
        lines.append(
            "The policy states no retry budget; the default one is tried: extra calls up to "
            f"{number(100 * budget.share)} % of the requests in progress, at least "
            f"{budget.min_retries}."
        )
    lines.append(
        "Each point is one run at that load: it has no interval, and arrivals that are drawn "
        "differ from load to load."
    )
    return (*lines, *(circumstances(last) if last is not None else ()))
