"""The requests that a change wins or loses most, with what happened to each under both policies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.evaluate import as_json
from toolkit.schema import CATEGORY, REQUEST_ID

if TYPE_CHECKING:
    from toolkit.engine.replay import Replay
    from toolkit.engine.trace import Trace


@dataclass(frozen=True)
class Example:
    """One request under two policies, A and B."""

    request: int
    """row of the dataset"""
    request_id: str
    category: str | None
    quality_a: float
    quality_b: float
    cost_usd_a: float
    """of this request; NaN where not measured"""
    cost_usd_b: float
    latency_s_a: float
    latency_s_b: float
    trace_a: Trace
    trace_b: Trace

    def to_dict(self) -> dict[str, Any]:
        """JSON values; the traces as sentences."""
        named = {
            f"{name}_{side}": as_json.plain(getattr(self, f"{name}_{side}"))
            for name in ("quality", "cost_usd", "latency_s")
            for side in ("a", "b")
        }
        traces = {
            "trace_a": self.trace_a.words.split("\n"),
            "trace_b": self.trace_b.words.split("\n"),
        }
        return {"request_id": self.request_id, "category": self.category, **named, **traces}


def examples(a: Replay, b: Replay, requests: Iterable[int]) -> list[Example]:
    """These requests (rows of the dataset) under two replays of it, in the order given."""
    columns = a.dataset.requests
    category = columns[CATEGORY] if CATEGORY in columns.column_names else None
    return [
        Example(
            request=i,
            request_id=str(columns[REQUEST_ID][i].as_py()),
            category=None if category is None else category[i].as_py(),
            quality_a=float(a.quality[i]),
            quality_b=float(b.quality[i]),
            cost_usd_a=float(a.cost_usd[i]),
            cost_usd_b=float(b.cost_usd[i]),
            latency_s_a=float(a.latency_s[i]),
            latency_s_b=float(b.latency_s[i]),
            trace_a=a.trace(i),
            trace_b=b.trace(i),
        )
        for i in map(int, requests)
    ]
