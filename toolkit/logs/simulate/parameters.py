"""The traffic of ``fleet``: when requests come, from whom, how hard they are, and what goes wrong.

All of it is assumed, but for the length of the outages. ``data/fleet/README.md`` says the same in
words, and a test holds it to this module.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from toolkit.logs.simulate.models import MODELS

SEED = 2024
N_REQUESTS = 20_000
START = datetime(2024, 8, 19, tzinfo=UTC)
"""A Monday, the first after the leaderboard was published."""
DAYS = 14


@dataclass(frozen=True)
class Category:
    """A kind of task."""

    name: str
    share: float
    ease: float
    """Added to the log-odds of being right, before each model's mean is set."""
    scores: tuple[float, float, float]
    """Weights of the sub-scores ast, executed, relevance in what a model is good at."""
    input_scale: float
    input_sigma: float
    output_scale: float
    output_sigma: float
    """Log-normal tokens: relative medians, and SD of the logarithm."""
    turns_at: tuple[float, ...]
    """Places on a standard normal where another turn is added to the conversation."""
    code_at: float
    """Place on a standard normal above which the request has code in it."""


_CHAT = (0.2, 0.8, 1.2, 1.5, 1.8, 2.1, 2.4)
_SINGLE = (1.6, 2.3)

CATEGORIES = (
    Category("classification", 0.17, 0.7, (0.5, 0, 0.5), 0.7, 0.5, 0.25, 0.3, _SINGLE, 2.2),
    Category("code", 0.11, -0.8, (0, 1, 0), 0.9, 0.8, 2.2, 0.6, _CHAT, -3.0),
    Category("extraction", 0.18, 0.4, (1, 0, 0), 1.2, 0.7, 1.0, 0.5, _SINGLE, 2.0),
    Category("question", 0.24, -0.2, (0, 0.5, 0.5), 1.6, 0.6, 1.1, 0.6, _CHAT, 1.6),
    Category("summary", 0.12, 0.3, (0.4, 0.3, 0.3), 2.0, 0.6, 1.4, 0.4, _SINGLE, 2.2),
    Category("tool_call", 0.11, -0.5, (0.5, 0.5, 0), 1.0, 0.5, 1.0, 0.5, _CHAT, 0.3),
    Category("translation", 0.07, 0.5, (0.4, 0.3, 0.3), 0.5, 0.7, 1.0, 0.7, _SINGLE, 2.4),
)

SPREAD = 0.6
"""How much of a sub-score's log-odds, against the model's others, shows in a category."""


@dataclass(frozen=True)
class Tenant:
    """A customer (made up): share of traffic, users, and what it asks for."""

    name: str
    share: float
    users: int
    liking: dict[str, float] = field(default_factory=dict)
    """Factors on categories; 1 where none is given."""
    batches: bool = False
    """Sends batches of requests within a minute or two."""


TENANTS = (
    Tenant("alder-bank", 0.24, 160, {"classification": 2, "question": 1.5, "code": 0.2}),
    Tenant("birch-media", 0.17, 60, {"summary": 4, "translation": 3, "tool_call": 0.2}),
    Tenant("cedar-soft", 0.15, 90, {"code": 6, "tool_call": 2, "translation": 0.2}),
    Tenant("elm-travel", 0.22, 240, {"question": 2, "tool_call": 2, "translation": 2}),
    Tenant("fir-legal", 0.12, 35, {"extraction": 4, "summary": 2, "code": 0.1}, batches=True),
    Tenant("oak-retail", 0.10, 120, {"classification": 4, "extraction": 2}, batches=True),
)

HOURS = (
    *(20, 16, 14, 13, 14, 18, 28, 48, 74, 94, 104, 106),
    *(98, 102, 112, 116, 112, 102, 86, 70, 58, 46, 36, 27),
)
"""Traffic by hour of the day, UTC (assumed): offices of Europe, then of the Americas."""
WEEKDAYS = (1.0, 1.06, 1.08, 1.04, 0.92, 0.42, 0.38)
"""Traffic by day of the week from Monday (assumed)."""
BATCHES = 30
BATCH_SHARE = 0.035
BATCH_S = 75.0
"""Batches, the share of requests that come in one, and how long one lasts (assumed)."""

LANGUAGES = ("en", "de", "fr", "es", "pl")
LANGUAGE_AT = (0.5, 1.0, 1.35, 1.75)
"""Places on a standard normal between the languages (assumed): 69, 15, 7, 5, 4 %."""

DISCRIMINATION = (2.9, 0.45)
"""Median, and SD of the logarithm, of the 2PL model's slopes (assumed; see the README for how
the correlations that follow compare with real ones)."""
SIGNALS = {"turns": 0.35, "input_tokens": 0.35, "code": 0.15, "language": 0.15}
"""Correlation of what can be seen of a request with its latent difficulty (assumed). Longer
conversations are longer texts too: 0.4 of the tokens' signal is that of the turns."""

LATENCY_WEIGHTS = {"output": 0.5, "load": 0.2, "request": 0.4}
"""Shares of the standard normal behind a latency (assumed): the length of the answer, the hour's
traffic, the request itself on every model; the rest is the call's own."""
TIMEOUT_S = 60.0
"""Calls are given up after this long (assumed)."""
TRANSIENT_MIX = {"server_error": 0.6, "timeout": 0.25, "connection": 0.15}
"""Kinds of transient failures (assumed)."""
FAILURE_LATENCY = {"server_error": (0.6, 0.5), "connection": (2.0, 0.6), "rate_limited": (0.2, 0.4)}
"""Median in seconds, and SD of the logarithm, until a failure is known (assumed)."""


@dataclass(frozen=True)
class Outage:
    """A time in which nearly every call to some models fails."""

    models: tuple[str, ...]
    start_s: float
    """Seconds after START."""
    minutes: float
    error_rate: float
    mix: dict[str, float]
    """Kinds of failures."""


_DOWN = {"server_error": 0.75, "timeout": 0.15, "connection": 0.1}
_DAY_S, _HOUR_S = 86_400.0, 3_600.0

OUTAGES = (
    Outage(
        tuple(m.name for m in MODELS if m.provider == "anthropic"),
        start_s=3 * _DAY_S + 18.25 * _HOUR_S,
        minutes=77.0,
        error_rate=0.97,
        mix=_DOWN,
    ),
    Outage(
        ("gpt-4o-2024-08-06",),
        start_s=7 * _DAY_S + 9.5 * _HOUR_S,
        minutes=55.0,
        error_rate=0.95,
        mix=_DOWN,
    ),
)
"""One takes a whole provider, one a single model; lengths are the ends of the published range."""


@dataclass(frozen=True)
class Drift:
    """A model that slowly gets worse until the end."""

    model: str
    start_s: float
    loss: float
    """What its ability has lost at the end, in SDs of difficulty."""


DRIFT = Drift("gpt-4o-mini-2024-07-18", 9 * _DAY_S, 0.6)
