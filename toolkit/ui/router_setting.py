"""The router's one knob: three ways to turn it, each with the points that it leads to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st

from toolkit.evaluate.format import number
from toolkit.evaluate.routers.money import Money
from toolkit.policy.router_rule import RouterRule
from toolkit.ui import strays
from toolkit.ui.router_view import Trained
from toolkit.ui.tradeoffs_form import write_link

if TYPE_CHECKING:
    from toolkit.evaluate.intervals import Estimate
    from toolkit.evaluate.routers.curve import CurvePoint

KNOB, AT = "knob", "at"
"""Session keys, and names in the link: which way to choose, and its value."""
QUALITY, COST, WORTH = "min_quality", "max_cost_usd", "tradeoff_usd_per_point"
LABELS = {QUALITY: "Quality", COST: "Cost", WORTH: "Worth"}


@dataclass(frozen=True)
class Setting:
    """One value of the knob."""

    knob: str
    point: CurvePoint
    money: Money = field(default_factory=Money)
    """how costs are written"""

    def rule(self, name: str) -> RouterRule:
        """As a policy has it, for the saved router ``name``."""
        return RouterRule.model_validate({"name": name, self.knob: self.point.value})

    @property
    def words(self) -> str:
        """What the router does, in a sentence."""
        return {
            QUALITY: "Each request goes to the cheapest model whose answer is right with a "
            f"probability of {number(self.point.value)} or more; where none is, to the likeliest.",
            COST: "Each request goes to the model most likely to be right of those expected to "
            f"cost {self.money.usd(self.point.value * 1_000)} or less per {self._many} like it; "
            "where none does, to the cheapest.",
            WORTH: "Each request goes where a better chance is still worth its price: up to "
            f"{self.money.usd(self.point.value)} per {self._many} requests for one point (0.01) "
            "of quality.",
        }[self.knob]

    @property
    def _many(self) -> str:
        return {"1k": "1,000", "1M": "million"}[self.money.per]


def points(found: Trained, knob: str) -> tuple[CurvePoint, ...]:
    """What the knob can be set to; settings that change nothing are told once."""
    training = found.training
    every = {
        QUALITY: lambda: training.thresholds.points,
        COST: lambda: _by_cost(found.key, found),
        WORTH: lambda: training.curve.points,
    }[knob]()
    kept: list[CurvePoint] = []
    for point in every:
        if knob == QUALITY or not kept or point.shares != kept[-1].shares:
            kept.append(point)
    return tuple(kept)


@st.cache_resource(max_entries=16, show_spinner=False)
def _by_cost(key: object, _found: Trained) -> tuple[CurvePoint, ...]:  # noqa: ARG001
    from toolkit.evaluate.routers.settings import by_cost_limit

    return by_cost_limit(_found.training)


def knobs(found: Trained) -> list[str]:
    """The ways to choose that this training has figures for."""
    return [knob for knob in LABELS if len(points(found, knob)) > 1 or knob == QUALITY]


def turned(found: Trained) -> Setting:
    """Draw the knob; where it stands."""
    options = knobs(found)
    begin = _begin(found, options)
    _first(KNOB, options, begin)
    chosen = st.segmented_control(
        "Set it by",
        options,
        key=KNOB,
        format_func=LABELS.__getitem__,
        required=True,
        persist_state="session",
        help="How good at least, how dear at most, or what better is worth: `min_quality`, "
        "`max_cost_usd` or `tradeoff_usd_per_point` of the route in a policy",
    )
    knob, money = chosen or begin, found.training.money
    known = points(found, knob)
    values = {written(point.value): point for point in known}
    _first(AT, list(values), _usual(found, known))
    label = {
        QUALITY: "Right with a probability of at least",
        COST: f"Expected to cost at most, USD /{money.per}",
        WORTH: f"One point of quality is worth, USD /{money.per}",
    }[knob]
    at = st.select_slider(
        label, list(values), key=AT, format_func=lambda one: _shown(knob, values[one].value, money)
    )
    begins = knob == begin and at == _usual(found, known)
    write_link({} if begins else {KNOB: knob, AT: str(at)}, {KNOB, AT})
    return Setting(knob, values[str(at)], money)


def first_setting(found: Trained) -> CurvePoint:
    """Where the knob begins."""
    known = points(found, _begin(found, knobs(found)))
    return next(p for p in known if written(p.value) == _usual(found, known))


def written(value: float) -> str:
    """A value of the knob as a key and in a link."""
    return f"{value:.6g}"


def _shown(knob: str, value: float, money: Money) -> str:
    if knob == QUALITY:
        return number(value)
    return money.usd(value * 1_000 if knob == COST else value)


def _begin(found: Trained, options: list[str]) -> str:
    """The way to choose that is as good as the best single model for least."""

    def least(knob: str) -> tuple[bool, float]:
        known = points(found, knob)
        usual = _usual(found, known)
        point = next(p for p in known if written(p.value) == usual)
        single = found.training.rival("single")
        enough = single is not None and point.quality.value >= single.point.quality.value
        return not enough, _amount(point.cost_usd_per_1k)

    return min(options, key=least)


def _usual(found: Trained, known: tuple[CurvePoint, ...]) -> str:
    """Where the slider begins: as good as the best single model, as far as can be told, for least.

    Where nothing is, at the highest quality.
    """
    single = found.training.rival("single")
    wanted = single.point.quality.value if single else math.nan
    enough = [p for p in known if p.quality.value >= wanted]
    enough = enough or [p for p in known if p.quality.high >= wanted]
    if enough:
        return written(min(enough, key=lambda p: _amount(p.cost_usd_per_1k)).value)
    return written(
        max(known, key=lambda p: (not math.isnan(p.quality.value), p.quality.value)).value
    )


def _amount(e: Estimate) -> float:
    return math.inf if math.isnan(e.value) else e.value


def _first(key: str, options: list[str], otherwise: str) -> None:
    if st.session_state.get(key) not in options:
        wanted = st.query_params.get(key, "")
        if wanted and wanted not in options and key not in st.session_state:
            strays.lost({KNOB: "way to choose", AT: "setting"}[key], wanted)
        st.session_state[key] = wanted if wanted in options else otherwise
