"""Where a change gains and where it loses: paired differences in each group of requests.

Of many groups some differ by chance. What is called real is chosen by Benjamini and Hochberg's
method over all groups and metrics of a column, so that at most 5 % of such calls are expected to be
false.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluate import as_json
from toolkit.evaluate.differences import METRICS, Difference, Paired
from toolkit.evaluate.discoveries import benjamini_hochberg
from toolkit.evaluate.format import count, counted, html_list, html_table
from toolkit.evaluate.groups import groups
from toolkit.evaluate.verdict import MEASURES, told

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from toolkit.engine.replay import Replay

LEVEL = 0.05
"""Expected share of false calls among those that are made."""


@dataclass(frozen=True)
class SliceDifference:
    """B minus A over the paired requests of one group."""

    name: str
    requests: int
    """paired"""
    quality: Difference
    cost_usd_per_1k: Difference
    latency_mean_s: Difference
    error_rate: Difference

    def to_dict(self) -> dict[str, Any]:
        """JSON values, as those of a comparison."""
        named = {name: getattr(self, name) for name in METRICS}
        return {"name": self.name, "requests": self.requests, **differences_to_dict(named)}


@dataclass(frozen=True)
class SliceDifferences:
    """Two policies by one column of the requests; a group without paired requests is left out."""

    a: str
    b: str
    dataset: str
    simulated: bool
    column: str
    parts: tuple[SliceDifference, ...]

    @property
    def found(self) -> tuple[tuple[str, str, Difference], ...]:
        """What hardly is chance, as (group, metric, difference), the surest first."""
        everything = [
            (part.name, name, getattr(part, name)) for part in self.parts for name in METRICS
        ]
        sure = [one for one in everything if one[2].distinguishable]
        return tuple(sorted(sure, key=lambda one: one[2].p_adjusted))

    @property
    def verdict(self) -> str:
        """Where they differ, in a sentence."""
        k = len(self.parts)
        groups_in_all = counted(k, "group")
        if not k:
            return f"By {self.column}: no request was observed under both."
        if not self.found:
            return f"By {self.column}: none of {groups_in_all} differs more than chance allows."
        words = []
        for name, measure in MEASURES.items():
            sides = [
                self._side(name, word, sign)
                for word, sign in ((measure.less, -1), (measure.more, 1))
            ]
            words += [" and ".join(filter(None, sides))] if any(sides) else []
        return f"By {self.column}, {self.b} is, of {groups_in_all}, {'; '.join(words)}."

    def _side(self, name: str, word: str, sign: int) -> str:
        """``cheaper in 3 (most in math, by $0.10 per 1k [0.08, 0.12])``; empty where in none."""
        mine = [(d.value, group) for group, what, d in self.found if what == name]
        mine = [(value, group) for value, group in mine if value * sign > 0]
        if not mine:
            return ""
        _, group = max(mine, key=lambda one: abs(one[0]))
        d = next(getattr(part, name) for part in self.parts if part.name == group)
        amount = told(name, d).removeprefix(word).strip()
        most = "most in " if len(mine) > 1 else ""
        return f"{word} in {count(len(mine))} ({most}{group}, {amount})"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        parts = [part.to_dict() for part in self.parts]
        return {"column": self.column, "verdict": self.verdict, "slices": parts}

    def to_pandas(self) -> pd.DataFrame:
        """One row per group and metric: value, low, high, n, a, b, p_adjusted, distinguishable."""
        import pandas as pd

        columns = ("value", "low", "high", "n", "a", "b", "p_adjusted", "distinguishable")
        return pd.DataFrame(
            [
                {self.column: part.name, "requests": part.requests, "metric": name}
                | {column: getattr(getattr(part, name), column) for column in columns}
                for part in self.parts
                for name in METRICS
            ]
        )

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Each group as people read it: name, requests, the differences; ``*`` where hardly chance.

        In the order of METRICS.
        """
        return [
            (part.name, count(part.requests), *map(_cell(part), METRICS)) for part in self.parts
        ]

    @property
    def head(self) -> tuple[str, ...]:
        """What the columns of ``rows`` are."""
        return (self.column, "requests", *(MEASURES[name].noun for name in METRICS))

    def figure(self) -> go.Figure:
        """Draw the differences of all groups with their intervals."""
        from toolkit.figures import slices_figure

        return slices_figure(self)

    def _repr_html_(self) -> str:
        title = f"{self.b} minus {self.a} by {self.column} on {self.dataset} [95 %]"
        title += " (simulated data)" if self.simulated else ""
        table = html_table(self.head, self.rows, title)
        return f"<div>{table}{html_list([self.verdict, STARS])}</div>"


STARS = (
    "* hardly chance, with all groups and metrics of the column that were looked at together; "
    "without it an interval may leave out 0 by chance."
)


def _cell(part: SliceDifference) -> Any:
    def words(name: str) -> str:
        d: Difference = getattr(part, name)
        if d.n and not d.changed:
            return "same"
        return MEASURES[name].interval(d, True) + (" *" if d.distinguishable else "")

    return words


def slice_differences(a: Replay, b: Replay, pairs: Paired, column: str) -> SliceDifferences:
    """Differences of every metric in every group of a column, judged together.

    Raises:
        DataError: The dataset has no such column, or none that makes groups.
    """
    by = groups(a.dataset, column)
    code = by.code[pairs.request]
    size = np.bincount(code, minlength=len(by.names))
    found = pairs.differences(code, len(by.names))
    # What does not differ anywhere was no chance to be wrong.
    p = [d.p if d.changed else math.nan for named in found for d in named.values()]
    adjusted = iter(benjamini_hochberg(p))
    judged = [
        {name: replace(d, p_adjusted=float(next(adjusted)), level=LEVEL) for name, d in f.items()}
        for f in found
    ]
    parts = tuple(
        SliceDifference(name, int(size[j]), **judged[j])
        for j, name in enumerate(by.names)
        if size[j]
    )
    data = a.dataset
    return SliceDifferences(
        a.policy.policy, b.policy.policy, data.name, data.simulated, by.column, parts
    )


def differences_to_dict(named: Mapping[str, Difference]) -> dict[str, Any]:
    """``quality, quality_ci95, quality_n, …, quality_a, quality_b, quality_p_adjusted, …``."""
    out = as_json.estimates(named, nest_latency=False)
    for name, d in named.items():
        for part in ("a", "b", "p", "p_adjusted"):
            out[f"{name}_{part}"] = as_json.plain(getattr(d, part))
        out[f"{name}_distinguishable"] = d.distinguishable
        out[f"{name}_needed"] = as_json.plain(d.needed)
    return out
