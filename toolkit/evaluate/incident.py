"""An incident: one scenario, played without, with some and with all protections of a policy.

All are played on the same requests, which arrive at the same moments and meet the same faults.
*During the faults* are the requests that arrived while any fault was active, the pauses of one
that comes and goes included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.engine.replay import Replay, replay
from toolkit.evaluate import as_json
from toolkit.evaluate.assumptions import assumptions
from toolkit.evaluate.format import count, html_list, html_table
from toolkit.evaluate.intervals import RESAMPLES, Bootstrap, Estimate, Metric, Rows, bootstrap_of
from toolkit.evaluate.measures import ESTIMATES, Measures, during, measures
from toolkit.evaluate.protection import ALL, BREAKER, FALLBACK, NO_FALLBACK, behaviour, protections
from toolkit.evaluate.timeline import Timeline, timeline
from toolkit.schema import Status

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from toolkit.logs.datasets import Dataset
    from toolkit.policy.model import Policy
    from toolkit.scenarios.model import Scenario

HEAD = (
    "protection",
    "requests",
    "n",
    "error rate",
    "degraded",
    "success",
    "quality",
    "p95",
    "cost per 1k",
    "attempts",
)
"""Names of the columns in which people read an incident."""


@dataclass(frozen=True, eq=False)
class IncidentRow:
    """The incident under one rung of protection."""

    name: str
    """one of ``protection.PROTECTIONS``"""
    policy: Policy
    replay: Replay
    whole: Measures
    during: Measures
    """the requests that arrived during the faults"""

    def timeline(self, bins: int = 60) -> Timeline:
        """Cut it up by time of arrival."""
        return timeline(self.replay, bins)


@dataclass(frozen=True, eq=False)
class Incident:
    """One scenario under the rungs of protection, from none to all."""

    policy: str
    dataset: str
    scenario: str
    simulated: bool
    seed: int
    rows: tuple[IncidentRow, ...]
    extra_cost_usd_per_1k: Estimate
    """of all of it over no fallback, on the requests that both observed, over the whole run"""
    assumptions: tuple[str, ...]

    def __getitem__(self, name: str) -> IncidentRow:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    @property
    def verdict(self) -> str:
        """What the protections were worth, in words."""
        from toolkit.evaluate.incident_words import verdict

        return verdict(self)

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The table as people read it: two lines for each rung, under the names of ``HEAD``."""
        return [
            (row.name, part, count(m.requests - m.unobserved), *m.words)
            for row in self.rows
            for part, m in (("all", row.whole), ("during the faults", row.during))
        ]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "policy": self.policy,
            "dataset": self.dataset,
            "scenario": self.scenario,
            "simulated": self.simulated,
            "seed": self.seed,
            "protections": [
                {"name": row.name, "whole": row.whole.to_dict(), "during": row.during.to_dict()}
                for row in self.rows
            ],
            **as_json.estimates({"extra_cost_usd_per_1k": self.extra_cost_usd_per_1k}),
            "verdict": self.verdict,
            "assumptions": list(self.assumptions),
        }

    def to_pandas(self) -> pd.DataFrame:
        """One row per rung and part: values, and their intervals as NAME_low, NAME_high."""
        import pandas as pd

        records = []
        for row in self.rows:
            for part, m in (("whole", row.whole), ("during", row.during)):
                record: dict[str, Any] = {"protection": row.name, "part": part}
                record |= {"requests": m.requests, "unobserved": m.unobserved}
                for name in ESTIMATES:
                    e: Estimate = getattr(m, name)
                    record |= {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}
                records.append(record)
        return pd.DataFrame(records).set_index(["protection", "part"])

    def figure(self) -> go.Figure:
        """Draw how requests ended over time, with all protections above and with none below."""
        from toolkit.figures.timeline import timeline_figure

        protected, bare = self[ALL].timeline(), self[NO_FALLBACK].timeline()
        return timeline_figure(protected, bare, (ALL, NO_FALLBACK))

    def _repr_html_(self) -> str:
        caption = f"{self.policy} on {self.dataset} in the scenario {self.scenario}"
        caption += " (simulated data)" if self.simulated else ""
        table = html_table(HEAD, self.cells, caption=caption)
        return f"<div>{table}{html_list([self.verdict, *self.assumptions])}</div>"


def incident(
    policy: Policy,
    dataset: Dataset,
    scenario: Scenario,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Incident:
    """Play a scenario under each rung of a policy's protections.

    Raises ``PolicyError`` where the policy does not fit the dataset, or the scenario either.
    """
    ladder = protections(policy)
    played: dict[str, Replay] = {}
    for one in ladder.values():
        if behaviour(one) not in played:
            played[behaviour(one)] = replay(one, dataset, seed, scenario=scenario)
    replays = {name: replace(played[behaviour(one)], policy=one) for name, one in ladder.items()}
    last = replays[ALL]
    boot = bootstrap_of(last.arrivals, resamples, seed)
    hit = during(last)
    rows = tuple(
        IncidentRow(
            name,
            one.policy,
            one,
            measures(one, np.ones(len(hit), np.bool_), boot),
            measures(one, hit, boot),
        )
        for name, one in replays.items()
    )
    return Incident(
        policy=policy.policy,
        dataset=last.dataset.name,
        scenario=scenario.scenario,
        simulated=last.dataset.simulated,
        seed=seed,
        rows=rows,
        extra_cost_usd_per_1k=_extra_cost(replays[NO_FALLBACK], last, boot).scaled(1000),
        assumptions=(*_same(ladder), *assumptions(last, resamples)),
    )


def _extra_cost(a: Replay, b: Replay, boot: Bootstrap) -> Estimate:
    """Mean cost of b minus a on the requests that both observed, USD."""
    both = (a.status != Status.UNOBSERVED) & (b.status != Status.UNOBSERVED)
    seen = np.flatnonzero(both)
    rows = Rows(boot, seen, np.zeros(len(seen), np.int8), 1)
    return rows.means(Metric(b.cost_usd[seen] - a.cost_usd[seen]))[0][0]


def _same(ladder: dict[str, Policy]) -> list[str]:
    """Say which rungs add nothing, so that equal lines are no surprise."""
    steps = ((NO_FALLBACK, FALLBACK), (FALLBACK, BREAKER), (BREAKER, ALL))
    return [
        f"The policy states nothing that {more} would add to {less}, so both are the same."
        for less, more in steps
        if behaviour(ladder[less]) == behaviour(ladder[more])
    ]
