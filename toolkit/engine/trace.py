"""All attempts of one request, in words."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from toolkit.errors import DataError, did_you_mean
from toolkit.learn.routing import Routers, chosen
from toolkit.policy.model import Policy
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
    hedge: bool = False
    """sent beside a slow call"""


@dataclass(frozen=True)
class Skip:
    """A step that was not tried."""

    model: str
    step: int
    """position in its chain, from 1"""
    start_s: float
    """since the request's arrival"""
    error_type: str
    """why"""


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
    skips: tuple[Skip, ...] = ()
    cached: bool = False
    """answered from the cache"""
    why: str = ""
    """what its router says, where the route has one: ``small first: P = 0.93, needs 0.85``"""

    @property
    def words(self) -> str:
        """The trace as one sentence a line."""
        share = f" with probability {self.propensity:.3g}" if self.propensity < 1 else ""
        lines = [f"Rule {self.route} sent it to chain {self.chain}{share}."]
        lines += [f"Router {self.why}."] if self.why else []
        tried = [(a.start_s, i, _tried(a)) for i, a in enumerate(self.attempts)]
        passed = [(s.start_s, -1, _passed(s)) for s in self.skips]
        lines += [text for _, _, text in sorted(passed + tried)]
        lines.append(
            (_FROM_CACHE if self.cached else _ENDS)[self.status].format(error=self.error_type)
        )
        return "\n".join(lines)

    def figure(self) -> go.Figure:
        """Draw the attempts as a waterfall."""
        from toolkit.figures import waterfall_figure

        return waterfall_figure(self)

    def _repr_html_(self) -> str:
        rows = "".join(f"<div>{html.escape(line)}</div>" for line in self.words.split("\n"))
        return f"<div><b>{html.escape(self.request_id)}</b>{rows}</div>"


def _tried(a: Attempt) -> str:
    wait = f"after a pause of {a.wait_s:.3g} s, " if a.wait_s else ""
    beside = "beside it, " if a.hedge else ""
    took = "unmeasured time" if np.isnan(a.latency_s) else f"{a.latency_s:.3g} s"
    end = f"failed with {a.error_type}" if a.error_type else "answered"
    if a.error_type == ErrorType.CANCELLED.label:
        end, took = "was cancelled", f"{took}, as the other call had answered"
    drawn = " (imputed)" if a.imputed else ""
    link = "after" if end == "was cancelled" else "in"
    return f"At {a.start_s:.3g} s: {wait}{beside}{a.model} {end} {link} {took}{drawn}."


def _passed(s: Skip) -> str:
    return f"At {s.start_s:.3g} s: {s.model} was not asked: {_REASONS[s.error_type]}."


_REASONS = {
    ErrorType.TIMEOUT.label: "the chain's deadline had passed",
    ErrorType.BUDGET.label: "its budget was spent",
    ErrorType.RATE_LIMITED.label: "its limit was reached",
    ErrorType.CONTEXT_WINDOW.label: "the request is longer than its context window",
    ErrorType.BREAKER_OPEN.label: "its breaker was open",
    ErrorType.SHED.label: "too many requests were in progress",
    ErrorType.UNSUPPORTED.label: "it cannot do what the request needs",
}
_FROM_CACHE = {
    Status.ACCEPTED.label: "The answer came from the cache.",
    Status.DEGRADED.label: "An old answer came from the cache, after {error}.",
}
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
            hedge=row["hedge"],
        )
        for row in table.slice(last - count, count).to_pylist()
    )
    last = int(replay.skips[: i + 1].sum(dtype=np.int64))
    count = int(replay.skips[i])
    chain = int(replay.chain[i])
    skips = tuple(
        Skip(
            model=_step_model(replay, chain, row["step"]),
            step=row["step"] + 1,
            start_s=row["start_s"],
            error_type=ErrorType(row["error"]).label,
        )
        for row in replay.skip_table.slice(last - count, count).to_pylist()
    )
    return Trace(
        request_id=replay.dataset.requests.column(REQUEST_ID)[i].as_py(),
        route=replay.route_names[replay.route[i]],
        chain=tuple(replay.ordered.chains)[replay.chain[i]],
        propensity=float(replay.propensity[i]),
        attempts=attempts,
        status=Status(replay.status[i]).label,
        error_type=_label(replay.error[i]),
        quality=float(replay.quality[i]),
        cost_usd=float(replay.cost_usd[i]),
        latency_s=float(replay.latency_s[i]),
        skips=skips,
        cached=bool(replay.cached[i]),
        why=why(replay.policy, replay.dataset.requests, int(replay.route[i]), i, replay.routers),
    )


def why(policy: Policy, requests: pa.Table, route: int, row: int, routers: Routers) -> str:
    """What the router of a route says to one request, with its name; empty without a router."""
    rule = policy.routes[route].router if route >= 0 else None
    if rule is None:
        return ""
    return f"{rule.name}: {chosen(policy, requests, route, np.array([row]), routers).words()}"


def _step_model(replay: Replay, chain: int, step: int) -> str:
    plan = replay.plan
    names = replay.model_names
    return names[int(plan.steps[plan.chains[chain]["start"] + step]["model"])]


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
