"""The requests: when they come, from whom, and what can be seen of how hard they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.logs.simulate.draws import Draws, Floats
from toolkit.logs.simulate.models import LEADERBOARD_INPUT_TOKENS
from toolkit.logs.simulate.parameters import (
    BATCH_S,
    BATCH_SHARE,
    BATCHES,
    CATEGORIES,
    DAYS,
    HOURS,
    LANGUAGE_AT,
    LANGUAGES,
    SIGNALS,
    START,
    TENANTS,
    WEEKDAYS,
    Tenant,
)
from toolkit.schema import CATEGORY, INPUT_TOKENS, REQUEST_ID, TIMESTAMP

TURNS_IN_TOKENS = 0.4
"""How much of the length of a text is the length of its conversation."""


@dataclass(frozen=True)
class Traffic:
    """n requests by time; what only the simulation knows stands beside the table."""

    table: pa.Table
    """(n rows) request_id, category, timestamp, tenant, user, turns, language, has_code,
    input_tokens."""
    time_ms: NDArray[np.int64]
    """(n) milliseconds after START."""
    category: NDArray[np.intp]
    tenant: NDArray[np.intp]
    tokens: NDArray[np.int64]
    """(n) input tokens as OpenAI's models count them."""
    difficulty: Floats
    """(n) standard normal, latent."""
    text: Floats
    """(n) standard normal behind the length of the text."""
    load: Floats
    """(n) traffic of the hour, standardised."""


def make_traffic(draws: Draws, n: int) -> Traffic:
    """Draw n requests."""
    in_batch = draws.uniform("in a batch", n) < BATCH_SHARE
    batch = draws.choice("which batch", [1.0] * BATCHES, n)
    batch_start = _times(draws.uniform("batches", BATCHES))
    second = np.where(
        in_batch,
        batch_start[batch] + BATCH_S * draws.uniform("within a batch", n),
        _times(draws.uniform("arrivals", n)),
    )
    time_ms = np.minimum(np.floor(second * 1000), DAYS * 86_400_000 - 1).astype(np.int64)
    order = np.argsort(time_ms, kind="stable")
    time_ms, in_batch, batch = time_ms[order], in_batch[order], batch[order]

    # A batch is one tenant's, and of one kind of task.
    category = draws.choice("category", [c.share for c in CATEGORIES], n)
    batch_category = draws.choice("category of batches", [c.share for c in CATEGORIES], BATCHES)
    category = np.where(in_batch, batch_category[batch], category)
    tenant = _tenants(category, draws.uniform("tenant", n), list(TENANTS))
    senders = [t for t in TENANTS if t.batches]
    batch_tenant = _tenants(batch_category, draws.uniform("tenant of batches", BATCHES), senders)
    tenant = np.where(in_batch, batch_tenant[batch], tenant)

    difficulty = draws.normal("difficulty", n)

    def seen(name: str) -> Floats:
        """A standard normal that says something of the difficulty."""
        r = SIGNALS[name]
        return r * difficulty + math.sqrt(1 - r * r) * draws.normal(name, n)

    turns_z = seen("turns")
    text, r = seen("input_tokens"), TURNS_IN_TOKENS
    shared = SIGNALS["turns"] * SIGNALS["input_tokens"]
    text = (text + r * turns_z) / math.sqrt(1 + r * r + 2 * r * shared)
    tokens = _input_tokens(category, text)
    turns = np.select(
        [category == c for c in range(len(CATEGORIES))],
        [1 + np.searchsorted(c.turns_at, turns_z) for c in CATEGORIES],
    )
    code = seen("code") > np.array([c.code_at for c in CATEGORIES])[category]
    language = np.searchsorted(LANGUAGE_AT, seen("language"))
    users = np.array([t.users for t in TENANTS])[tenant]
    user = np.floor(users * draws.uniform("user", n) ** 2).astype(np.int64)  # few ask the most

    width = len(str(n))
    moments = np.datetime64(START.replace(tzinfo=None), "ms") + time_ms.astype("timedelta64[ms]")
    table = pa.table(
        {
            REQUEST_ID: pa.array([f"fleet-{i:0{width}d}" for i in range(1, n + 1)]),
            CATEGORY: _names([c.name for c in CATEGORIES], category),
            TIMESTAMP: pa.array(moments).cast(pa.timestamp("ms", "UTC")),
            "tenant": _names([t.name for t in TENANTS], tenant),
            "user": pa.array(
                [f"{TENANTS[t].name}-{u + 1:03d}" for t, u in zip(tenant, user, strict=True)],
                pa.string(),
            ),
            "turns": pa.array(turns.astype(np.int64)),
            "language": _names(list(LANGUAGES), language),
            "has_code": pa.array(code),
            INPUT_TOKENS: pa.array(tokens.astype(np.float64)),
        }
    )
    return Traffic(table, time_ms, category, tenant, tokens, difficulty, text, _load(time_ms))


def hourly_weights() -> Floats:
    """(hours) relative traffic of each hour of the period."""
    first = START.weekday()
    days = [WEEKDAYS[(first + day) % 7] for day in range(DAYS)]
    return np.outer(days, HOURS).reshape(-1)


def at(seconds: float) -> str:
    """A place in the period in words: ``Thu 2024-08-22 14:15``."""
    return f"{START + timedelta(seconds=seconds):%a %Y-%m-%d %H:%M}"


def _times(u: Floats) -> Floats:
    """Seconds after START at which the share ``u`` of the traffic has come."""
    passed = np.concatenate([[0.0], np.cumsum(hourly_weights())])
    second: Floats = np.interp(u, passed / passed[-1], np.arange(len(passed)) * 3600.0)
    return second


def _load(time_ms: NDArray[np.int64]) -> Floats:
    weights = hourly_weights()
    share = weights / weights.sum()
    mean = weights @ share
    sd = math.sqrt((weights - mean) ** 2 @ share)
    load: Floats = ((weights - mean) / sd)[time_ms // 3_600_000]
    return load


def _tenants(category: NDArray[np.intp], u: Floats, among: list[Tenant]) -> NDArray[np.intp]:
    """Whose each request is, by its category: places in TENANTS."""
    weights = [[t.share * t.liking.get(c.name, 1.0) for t in among] for c in CATEGORIES]
    edges = np.cumsum(weights, axis=1)
    chosen = (u[:, None] >= (edges / edges[:, -1:])[category][:, :-1]).sum(axis=1)
    places: NDArray[np.intp] = np.array([TENANTS.index(t) for t in among])[chosen]
    return places


def _input_tokens(category: NDArray[np.intp], z: Floats) -> NDArray[np.int64]:
    """Log-normal by category; the mean over the mix is the leaderboard's."""
    scale, sigma = np.array([[c.input_scale, c.input_sigma] for c in CATEGORIES]).T
    share = np.array([c.share for c in CATEGORIES])
    unit = LEADERBOARD_INPUT_TOKENS / (share @ (scale * np.exp(sigma**2 / 2)))
    tokens = unit * scale[category] * np.exp(sigma[category] * z)
    whole: NDArray[np.int64] = np.maximum(np.rint(tokens), 4).astype(np.int64)
    return whole


def _names(names: list[str], which: NDArray[np.intp]) -> pa.Array:
    return pa.array(names, pa.string()).take(pa.array(which))
