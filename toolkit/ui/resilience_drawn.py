"""A scenario drawn by hand: what goes wrong, whom it hits, when and how much.

The drawing is the data of a scenario file, so that it can be put into a link, downloaded, and begun
from a bundled one. A link is only as good as its sender: a drawing reads no files and is of bounded
size.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from toolkit.errors import PolicyError
from toolkit.scenarios.model import KINDS, Scenario

NAME = "drawn"
MOST_FAULTS = 12
MOST_REQUESTS = 100_000
MOST_TEXT = 20_000
"""Longest drawing in a link, characters."""


@dataclass(frozen=True)
class Strength:
    """The one number of a kind of fault that matters most."""

    key: str
    label: str
    start: float
    low: float
    high: float
    step: float
    share: bool = False
    """shown in percent"""


@dataclass(frozen=True)
class Kind:
    """A kind of fault as people call it."""

    label: str
    strength: Strength | None = None
    more: tuple[tuple[str, Any], ...] = ()
    """further values that it needs"""


_FACTOR = "factor"
DRAWN: dict[str, Kind] = {
    "outage": Kind("Outage: every call fails"),
    "brownout": Kind("Brown-out: slow", Strength(_FACTOR, "Times as slow", 5, 1, 100, 1)),
    "rate_limit": Kind(
        "Rate limit: few calls are taken",
        Strength("requests_per_min", "Calls a minute", 60, 1, 100_000, 10),
    ),
    "overload": Kind(
        "Overload: slow when many call at once",
        Strength("concurrency", "Calls at once", 5, 1, 10_000, 1),
    ),
    "invalid_answers": Kind(
        "Invalid answers", Strength("share", "Share of answers, %", 0.3, 0, 1, 0.05, share=True)
    ),
    "flapping": Kind(
        "Flapping: down and up again",
        Strength("down_s", "Seconds down of each minute", 20, 1, 59, 1),
        (("period_s", 60),),
    ),
    "withdrawn": Kind("Withdrawn: no longer offered"),
    "price": Kind("Price change", Strength(_FACTOR, "Times the price", 2, 0, 100, 0.5)),
    "spike": Kind("Traffic spike", Strength(_FACTOR, "Times the requests", 4, 1, 100, 1)),
}
"""Every kind, in the order in which a form offers them."""

Data = dict[str, Any]


def kind_of(fault: Data) -> str:
    """The kind of a fault's data."""
    return next(kind for kind in KINDS if kind in fault)


def fault(kind: str, models: list[str], at_s: float, for_s: float | None) -> Data:
    """A fault of a kind as strong as it begins."""
    told = DRAWN[kind]
    inner = dict(told.more)
    if told.strength:
        inner[told.strength.key] = told.strength.start
    data: Data = {kind: inner, "at_s": at_s}
    if kind != "spike":
        data["models"] = models or ["primary"]
    if for_s is not None and kind != "withdrawn":
        data["for_s"] = for_s
    return data


def first() -> Data:
    """Where drawing begins: an hour with the first model away for twenty minutes."""
    return {
        "scenario": NAME,
        "arrivals": {"per_s": 2, "for_s": 3600, "pattern": "poisson"},
        "faults": [fault("outage", ["primary"], 1200, 1200)],
    }


def like(scenario: Scenario) -> Data:
    """A drawing that begins as a scenario is; a trace, which is a file, becomes steady arrivals."""
    data = scenario.to_data()
    data["scenario"] = NAME
    data.pop("description", None)
    if "trace" in data.get("arrivals", {}):
        data["arrivals"] = first()["arrivals"]
    return data


def bounded(data: Data) -> Data:
    """The drawing with as many requests a second as there may be in its time."""
    arrivals = data.get("arrivals")
    if not arrivals:
        return data
    most = MOST_REQUESTS / arrivals["for_s"]
    return data | {"arrivals": arrivals | {"per_s": min(arrivals["per_s"], most)}}


def fitted(data: Data, length_s: float) -> Data:
    """The drawing with every fault inside its time: one that begins later comes in the middle."""
    third = round(length_s / 3)

    def inside(fault: Data) -> Data:
        if fault.get("at_s", 0) < length_s:
            return fault
        return fault | {"at_s": third} | ({"for_s": third} if "for_s" in fault else {})

    return data | {"faults": [inside(fault) for fault in data.get("faults", [])]}


def written(data: Data) -> str:
    """A drawing as it stands in a link."""
    return json.dumps(data, separators=(",", ":"))


def from_link(text: str) -> Data | None:
    """The drawing of a link; None where it is none."""
    try:
        scenario = Scenario.model_validate(json.loads(text[:MOST_TEXT]))
    except (ValueError, RecursionError, PolicyError):
        return None
    return bounded(like(scenario)) if len(scenario.faults) <= MOST_FAULTS else None
