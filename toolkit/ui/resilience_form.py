"""The form of a scenario that is drawn by hand: arrivals, and a row for each fault."""

from __future__ import annotations

from typing import Any

import streamlit as st

from toolkit.figures.clock import Clock, clock
from toolkit.scenarios.arrivals import traffic
from toolkit.scenarios.model import Fault, Scenario
from toolkit.scenarios.words import whom
from toolkit.ui import resilience_drawn as drawn
from toolkit.ui.text import literal
from toolkit.ui.view import View

DRAWING = "drawing"
"""Session key: the data of the drawn scenario."""
_WORDS = {"primary": "the first model", "fallback": "the second model", "all": "every model"}
_STEADY, _LOGGED = "Drawn anew", "As in the log"


def drawing_form(view: View) -> None:
    """Arrivals, a row for each fault, and a further one."""
    data: drawn.Data = st.session_state[DRAWING]
    length = _arrivals(view, data)
    data = st.session_state[DRAWING] = drawn.fitted(data, length)
    for i, fault in enumerate(data.get("faults", [])):
        _fault(view, i, fault, length)
    many = len(data.get("faults", [])) >= drawn.MOST_FAULTS
    with st.container(horizontal=True):
        st.button(
            "Add a fault",
            icon=":material/add:",
            key="draw-add",
            on_click=_add,
            args=(length,),
            disabled=many,
        )
        st.download_button(
            "YAML",
            lambda: Scenario.model_validate(data).to_yaml(),
            file_name="drawn.yaml",
            mime="application/yaml",
            icon=":material/download:",
            on_click="ignore",
            key="draw-yaml",
            type="tertiary",
            help="Put the file into data/scenarios to keep it",
        )


def _arrivals(view: View, data: drawn.Data) -> float:
    """When requests come; for how long, seconds."""
    arrivals = data.get("arrivals")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _set("draw-traffic", _STEADY if arrivals else _LOGGED)
        st.segmented_control(
            "Requests",
            [_STEADY, _LOGGED],
            key="draw-traffic",
            required=True,
            on_change=_traffic,
            help="Drawn anew: rows of the log, at random, as many as you say.",
        )
        if arrivals:
            _number("Per second", "arrivals.per_s", arrivals["per_s"], 0.01, 100.0, 1.0)
            minutes = arrivals["for_s"] / 60
            _number("For minutes", "arrivals.for_s", minutes, 1.0, 1440.0, 5.0, factor=60)
    if arrivals:
        return float(arrivals["for_s"])
    return max(float(traffic(None, view.dataset).arrival_s.max(initial=0.0)), 60.0)


def _traffic() -> None:
    data = dict(st.session_state[DRAWING])
    data.pop("arrivals", None)
    if st.session_state["draw-traffic"] == _STEADY:
        data["arrivals"] = drawn.first()["arrivals"]
    st.session_state[DRAWING] = data


def _fault(view: View, i: int, fault: drawn.Data, length: float) -> None:
    kind = drawn.kind_of(fault)
    strength = drawn.DRAWN[kind].strength
    what, who, much, when, away = st.columns([4, 4, 3, 7, 1], vertical_alignment="bottom")
    with what:
        _set(f"draw-{i}-kind", kind)
        st.selectbox(
            "Fault",
            list(drawn.DRAWN),
            key=f"draw-{i}-kind",
            format_func=lambda one: drawn.DRAWN[one].label,
            on_change=_kind,
            args=(i,),
        )
    with who:
        _models(view, i, fault)
    if strength:
        with much:
            value = fault[kind][strength.key]
            factor = 0.01 if strength.share else 1
            low, high, step = (v / factor for v in (strength.low, strength.high, strength.step))
            path = f"faults.{i}.{kind}.{strength.key}"
            _number(strength.label, path, value / factor, low, high, step, factor)
    with when:
        _when(i, kind, fault, length, clock(length / 5))
    with away:
        st.button(
            "",
            icon=":material/delete:",
            key=f"draw-{i}-remove",
            on_click=_remove,
            args=(i,),
            type="tertiary",
            help="Take this fault away",
        )


def _models(view: View, i: int, fault: drawn.Data) -> None:
    key = f"draw-{i}-models"
    if "models" not in fault:
        one = Fault.model_validate(fault)
        st.caption(f"It hits {'the arrivals' if one.spike else literal(whom(one))}.")
        return
    named = fault["models"]
    chosen = [named] if isinstance(named, str) else list(named)
    _set(key, chosen)
    st.multiselect(
        "Whom it hits",
        list(dict.fromkeys([*_WORDS, *view.policy.models, *chosen])),
        key=key,
        format_func=lambda one: _WORDS.get(one, one),
        on_change=_change,
        args=(key, ("faults", i, "models")),
        placeholder="the first model",
    )


def _when(i: int, kind: str, fault: drawn.Data, length: float, unit: Clock) -> None:
    """From when to when, on a slider."""
    end = unit.of(length)
    step = 1.0 if end >= 30 else 0.5
    end = max(step * 2, step * -(-end // step))
    start = min(unit.of(fault.get("at_s", 0)), end - step)
    stop = end if fault.get("for_s") is None else min(start + unit.of(fault["for_s"]), end)
    key = f"draw-{i}-when"
    for_ever = kind == "withdrawn"
    _set(key, start if for_ever else (start, max(stop, start + step)))
    st.slider(
        f"From, {unit.unit}" if for_ever else f"From and to, {unit.unit}",
        0.0,
        end,
        step=step,
        key=key,
        format="%g",
        on_change=_moved,
        args=(i, unit.seconds, end),
        help="Up to the end is for ever." if not for_ever else None,
    )


def _set(key: str, value: Any) -> None:
    """A field shows the drawing, whatever it showed before."""
    st.session_state[key] = value


def _number(
    label: str,
    path: str,
    value: float,
    low: float,
    high: float,
    step: float,
    factor: float = 1,
) -> None:
    key = f"draw-{path}"
    _set(key, float(min(max(value, low), high)))
    st.number_input(
        label,
        min_value=float(low),
        max_value=float(high),
        step=float(step),
        key=key,
        format="%g",
        width=150,
        on_change=_change,
        args=(key, tuple(int(p) if p.isdecimal() else p for p in path.split(".")), factor),
    )


def _change(key: str, path: tuple[str | int, ...], factor: float = 1) -> None:
    """Put a field's value at its place in the drawing."""
    value = st.session_state[key]
    if path[-1] == "models":
        value = value or ["primary"]
    elif value is None:
        return
    else:
        value = int(value) if path[-1] == "concurrency" else value * factor
    _put(path, value)


def _put(path: tuple[str | int, ...], value: Any) -> None:
    data = Scenario.model_validate(st.session_state[DRAWING]).to_data()
    here: Any = data
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    st.session_state[DRAWING] = drawn.bounded(data)


def _moved(i: int, seconds: float, end: float) -> None:
    value = st.session_state[f"draw-{i}-when"]
    start, stop = value if isinstance(value, tuple) else (value, end)
    fault = dict(st.session_state[DRAWING]["faults"][i])
    fault.pop("for_s", None)
    fault["at_s"] = start * seconds
    if stop < end:
        fault["for_s"] = max(stop - start, 0.0) * seconds or seconds
    _put(("faults", i), fault)


def _kind(i: int) -> None:
    old = st.session_state[DRAWING]["faults"][i]
    models = old.get("models", ["primary"])
    models = [models] if isinstance(models, str) else models
    kind = st.session_state[f"draw-{i}-kind"]
    _put(("faults", i), drawn.fault(kind, models, old.get("at_s", 0), old.get("for_s")))


def _add(length: float) -> None:
    data = st.session_state[DRAWING]
    more = drawn.fault("brownout", ["primary"], round(length / 3), round(length / 3))
    st.session_state[DRAWING] = data | {"faults": [*data.get("faults", []), more]}


def _remove(i: int) -> None:
    data = st.session_state[DRAWING]
    faults = [fault for j, fault in enumerate(data["faults"]) if j != i]
    st.session_state[DRAWING] = data | {"faults": faults}
