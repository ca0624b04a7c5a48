"""All attempts of one request, in words."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import DataError, did_you_mean
from toolkit.schema import REQUEST_ID, ErrorType, Status

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from toolkit.engine.replay import Replay


@dataclass(frozen=True)
class Attempt:
    """One call to one model."""

    model: str
    step: int
    """position in its chain, from 1"""
    wait_s: float
    """pause before it"""
    start_s: float
    """since the request's arrival"""
    latency_s: float
    """NaN where not measured"""
    cost_usd: float
    """NaN where not measured"""
    quality: float
    """NaN where not graded"""
    error_type: str | None
    imputed: bool
    """drawn by the stated rule, as the log does not hold it"""


@dataclass(frozen=True)
class Trace:
    """How one request was decided, tried and ended."""

    request_id: str
    route: str
    """name of the rule that matched, or ``default``"""
    chain: str
    propensity: float
    attempts: tuple[Attempt, ...]
    status: str
    error_type: str | None
    quality: float
    cost_usd: float
    latency_s: float

    @property
    def words(self) -> str:
        """The trace as one sentence a line."""
        share = f" with probability {self.propensity:.3g}" if self.propensity < 1 else ""
        lines = [f"Rule {self.route} sent it to chain {self.chain}{share}."]
        for a in self.attempts:
            wait = f"after a pause of {a.wait_s:.3g} s, " if a.wait_s else ""
            took = "unmeasured time" if np.isnan(a.latency_s) else f"{a.latency_s:.3g} s"
            end = f"failed with {a.error_type}" if a.error_type else "answered"
            drawn = " (imputed)" if a.imputed else ""
            lines.append(f"At {a.start_s:.3g} s: {wait}{a.model} {end} in {took}{drawn}.")
        lines.append(_ENDS[self.status].format(error=self.error_type))
        return "\n".join(lines)

    def figure(self) -> go.Figure:
        """Draw the attempts as a waterfall."""
        from toolkit.figures import waterfall_figure

        return waterfall_figure(self)

    def _repr_html_(self) -> str:
        rows = "".join(f"<div>{html.escape(line)}</div>" for line in self.words.split("\n"))
        return f"<div><b>{html.escape(self.request_id)}</b>{rows}</div>"


_ENDS = {
    Status.ACCEPTED.label: "The answer was accepted.",
    Status.DEGRADED.label: "A degrade step answered, after {error}.",
    Status.ERROR.label: "Nothing answered: {error}.",
    Status.UNOBSERVED.label: "The log holds no outcome of the model that was to be called next.",
}


def trace(replay: Replay, request: int | str) -> Trace:
    """Return one request's trace, by row number or ``request_id``."""
    i = _row(replay, request)
    table = replay.attempt_table
    last = int(replay.attempts[: i + 1].sum(dtype=np.int64))
    count = int(replay.attempts[i])
    attempts = tuple(
        Attempt(
            model=replay.model_names[row["model"]],
            step=row["step"] + 1,
            wait_s=row["wait_s"],
            start_s=row["start_s"],
            latency_s=row["latency_s"],
            cost_usd=row["cost_usd"],
            quality=row["quality"],
            error_type=_label(row["error"]),
            imputed=row["imputed"],
        )
        for row in table.slice(last - count, count).to_pylist()
    )
    return Trace(
        request_id=replay.dataset.requests.column(REQUEST_ID)[i].as_py(),
        route=replay.route_names[replay.route[i]],
        chain=tuple(replay.policy.chains)[replay.chain[i]],
        propensity=float(replay.propensity[i]),
        attempts=attempts,
        status=Status(replay.status[i]).label,
        error_type=_label(replay.error[i]),
        quality=float(replay.quality[i]),
        cost_usd=float(replay.cost_usd[i]),
        latency_s=float(replay.latency_s[i]),
    )


def _label(code: int) -> str | None:
    return ErrorType(code).label if code else None


def _row(replay: Replay, request: int | str) -> int:
    n = replay.dataset.n_requests
    if isinstance(request, str):
        ids = replay.dataset.requests.column(REQUEST_ID)
        row = ids.index(request).as_py()
        if row < 0:
            allowed = did_you_mean(request, ids.slice(0, 2000).to_pylist())
            raise DataError(f"no request {request!r} in {replay.dataset.name}; allowed: {allowed}")
        return int(row)
    if not 0 <= request < n:
        raise DataError(f"no request number {request}; allowed: 0 to {n - 1}")
    return int(request)
