"""What exploring would tell and cost: the result of :func:`~.explore.explore`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from toolkit.evaluate import as_json
from toolkit.evaluate.format import counted, html_list, html_table, usd_interval
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.offpolicy import exploration_words as words
from toolkit.evaluate.routed import lead

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Pair:
    """Two policies that tomorrow's log shall tell apart, by one metric."""

    policy: str
    against: str
    difference: Estimate
    """of the means, as far as the data tells; undefined where it does not"""
    detect: float
    """size of the difference that is planned for, in the metric's unit"""
    same: bool
    """both end alike on every request, so that there is nothing to tell"""


@dataclass(frozen=True)
class Share:
    """One share of requests that chance serves; of several pairs, the one that takes most."""

    explore: float
    """share of requests, 0..1"""
    standard_error: float
    """expected of the doubly robust difference, in the metric's unit; infinite without support"""
    detectable: float
    """the difference that is found in 80 of 100 such logs"""
    power: float
    """share of such logs in which the difference that is planned for is found"""
    requests_needed: float
    """requests that would decide; infinite where no number would"""
    rarest: float
    """requests expected to show the rarest of the models, in a category, on which much rests"""
    decides: bool
    """``requests_needed`` is not above the requests of the log"""
    quality: Estimate
    """change of the mean against serving alone, 0..1"""
    cost_usd_per_1k: Estimate
    """change against serving alone"""

    def to_dict(self) -> dict[str, Any]:
        """JSON values; what is undefined or infinite is None."""
        plain = {
            f.name: as_json.plain(getattr(self, f.name)) for f in fields(self) if f.type == "float"
        }
        changes = {
            "quality_change": self.quality,
            "cost_usd_per_1k_change": self.cost_usd_per_1k,
        }
        return plain | {"decides": self.decides} | as_json.estimates(changes)


@dataclass(frozen=True, eq=False)
class Exploration:
    """Which share of random routing lets tomorrow's log tell policies apart, and its price."""

    policies: tuple[str, ...]
    serving: str
    dataset: str
    dataset_digest: str
    simulated: bool
    predicted: bool
    """the data holds one outcome per request, so that spreads are predicted, not known"""
    requests: int
    """of tomorrow's log"""
    metric: str
    """one of compare.METRICS"""
    models: tuple[str, ...]
    """that are drawn from, evenly; names in the log"""
    pairs: tuple[Pair, ...]
    shares: tuple[Share, ...]
    """by rising share"""
    assumptions: tuple[str, ...]
    seen: tuple[str, ...] = ()
    """routers that decide here, as ``name@version``, and learned from these very requests"""

    @property
    def recommended(self) -> Share | None:
        """The smallest share that decides; None: none does."""
        return next((share for share in self.shares if share.decides), None)

    @property
    def verdict(self) -> str:
        """What to do, what it tells and what it costs."""
        return lead(self.seen) + words.verdict(self)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Each share as people read it, in the order of HEAD."""
        return [
            (
                words.part(s.explore),
                words.amount(self.metric, s.standard_error),
                words.amount(self.metric, s.detectable),
                words.about(s.requests_needed),
                "yes" if s.decides else "no",
                words.quality_change(s.quality),
                usd_interval(s.cost_usd_per_1k, sign=True),
            )
            for s in self.shares
        ]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        chosen = self.recommended
        return {
            "policies": list(self.policies),
            "serving": self.serving,
            "dataset": self.dataset,
            "dataset_digest": self.dataset_digest,
            "simulated": self.simulated,
            "predicted": self.predicted,
            "seen_by_routers": list(self.seen),
            "requests": self.requests,
            "metric": self.metric,
            "models": list(self.models),
            "pairs": [
                {
                    "policy": pair.policy,
                    "against": pair.against,
                    **as_json.estimates({"difference": pair.difference}),
                    "detect": as_json.plain(pair.detect),
                    "same": pair.same,
                }
                for pair in self.pairs
            ],
            "shares": [share.to_dict() for share in self.shares],
            "recommended": None if chosen is None else chosen.explore,
            "verdict": self.verdict,
            "assumptions": list(self.assumptions),
        }

    def to_pandas(self) -> pd.DataFrame:
        """One row per share; changes with their intervals as NAME_low, NAME_high."""
        import pandas as pd

        records = []
        for share in self.shares:
            record: dict[str, Any] = {}
            for f in fields(share):
                value = getattr(share, f.name)
                if isinstance(value, Estimate):
                    record |= {f"{f.name}_change": value.value}
                    record |= {f"{f.name}_low": value.low, f"{f.name}_high": value.high}
                else:
                    record[f.name] = value
            records.append(record)
        return pd.DataFrame(records).set_index("explore")

    def figure(self) -> go.Figure:
        """Draw what each share tells against what it costs."""
        from toolkit.figures import exploration_figure

        return exploration_figure(self)

    def _repr_html_(self) -> str:
        badge = " (simulated data)" if self.simulated else ""
        table = html_table(HEAD, self.rows, caption=self.title + badge)
        return f"<div>{table}{html_list((self.verdict, *self.assumptions))}</div>"

    @property
    def title(self) -> str:
        """What was asked."""
        return (
            f"Exploring on top of {self.serving} on {self.dataset},"
            f" {counted(self.requests, 'request')}"
        )


HEAD = (
    "explored",
    "standard error",
    "found in 80 of 100",
    "requests needed",
    "decides",
    "quality [95 %]",
    "cost per 1k [95 %]",
)
"""Names of the columns of ``Exploration.rows``."""
