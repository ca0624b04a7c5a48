"""One request: where the router sends it, why, and which known requests are most like it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import streamlit as st

from toolkit.errors import DetourError
from toolkit.evaluate.format import number, percent
from toolkit.learn.choose import orders
from toolkit.schema import PROMPT, REQUEST_ID
from toolkit.ui import router_choices as choices
from toolkit.ui.router_setting import COST, QUALITY, Setting
from toolkit.ui.router_view import Trained
from toolkit.ui.text import bold, literal

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICKED, WRITTEN = "a known request", "my own"
NEAREST = 5
STRANGE = 0.99
"""A request that is less familiar than this goes to the policy's default chain, by default."""
OWN = "one-"
"""Begins the key of a field of one's own request."""


@dataclass(frozen=True, eq=False)
class _One:
    """What is expected of one request."""

    quality: NDArray[np.float64]
    """(1, m)"""
    cost_usd: NDArray[np.float64]
    novelty: float
    nearest: list[tuple[int, float]]
    """rows of the dataset, and how similar each is"""


def one_request(found: Trained, at: Setting) -> None:
    """Pick a request or write one; who is asked, in words, with what is most like it."""
    st.subheader("What happens to one request?", anchor=False)
    with st.container(border=True, gap="small"):
        how = st.segmented_control(
            "Which",
            [PICKED, WRITTEN],
            default=PICKED,
            key="one-how",
            required=True,
            format_func=lambda one: one.capitalize(),
            label_visibility="collapsed",
        )
        one = _picked(found) if how == PICKED else _own(found)
        if one is None:
            return
        st.markdown(_words(found, at, one))
        left, right = st.columns(2)
        with left:
            _models(found, at, one)
        with right:
            _nearest(found, one)


def _picked(found: Trained) -> _One | None:
    """A request of the log, as a router saw it that had not learned from it."""
    training = found.training
    at = np.flatnonzero(training.judged)
    names = training.dataset.requests.column(REQUEST_ID).take(pa.array(training.rows[at]))
    ids = names.to_pylist()
    if not ids:
        return None
    if st.session_state.get("one-id") not in ids:
        st.session_state["one-id"] = ids[0]
    chosen = st.selectbox("Request", ids, key="one-id", width=320)
    i = int(at[ids.index(chosen)])
    row = int(training.rows[i])
    requests = training.dataset.requests.slice(row, 1)
    if PROMPT in requests.column_names:
        _prompt(requests.column(PROMPT)[0].as_py())
    like = _like(found, requests, but=row)
    return _One(
        training.predicted[i : i + 1],
        training.predicted_cost[i : i + 1],
        float(training.novelty[i]),
        like,
    )


def _own(found: Trained) -> _One | None:
    """A request that is written here; what is left empty is not known."""
    data = found.training.dataset
    typed: dict[str, list[Any]] = {REQUEST_ID: ["my own"]}
    if PROMPT in data.requests.column_names and found.choice.text is not None:
        typed[PROMPT] = [st.text_area("Prompt", key=f"{OWN}prompt", height=100)]
    read = [name for name in choices.readable(data) if _reads(found, name)]
    if read:
        with st.grid("auto", min_column_width=150):
            for name in read:
                typed[name] = [_field(found, name)]
    given = [value for (value,) in list(typed.values())[1:]]
    if all(value is None or (isinstance(value, str) and not value.strip()) for value in given):
        st.caption("Write something, and it is told where it goes.")
        return None
    fields = data.requests.schema
    table = pa.table({k: pa.array(v, fields.field(k).type) for k, v in typed.items()})
    try:
        forecast = found.training.router.forecast(table)
        like = _like(found, table)
    except DetourError as error:
        st.warning(literal(error), icon=":material/error:")
        return None
    return _One(forecast.quality, forecast.cost_usd, float(forecast.novelty[0]), like)


def _reads(found: Trained, name: str) -> bool:
    return found.choice.columns is None or name in found.choice.columns


def _field(found: Trained, name: str) -> Any:
    """A field for one column: a number, or one of the values that the log has."""
    values = found.training.dataset.requests.column(name)
    key = f"{OWN}{name}"
    if pa.types.is_boolean(values.type):
        return st.selectbox(literal(name), [True, False], index=None, key=key, placeholder="–")
    if pa.types.is_integer(values.type):
        return st.number_input(literal(name), value=None, step=1, key=key, placeholder="–")
    if pa.types.is_floating(values.type):
        return st.number_input(literal(name), value=None, key=key, placeholder="–")
    known = choices.values(found.training.dataset, name)
    return st.selectbox(literal(name), known, index=None, key=key, placeholder="–")


def _like(found: Trained, table: pa.Table, but: int | None = None) -> list[tuple[int, float]]:
    """The most similar requests of the log by row, without the request itself."""
    at, similar = found.training.router.nearest(table, NEAREST + 1)
    rows = found.training.rows[at[0]].tolist()
    pairs = [(row, s) for row, s in zip(rows, similar[0].tolist(), strict=True) if row != but]
    return pairs[:NEAREST]


def _prompt(prompt: str | None) -> None:
    """As plain text; a long one scrolls in place."""
    long = bool(prompt) and (len(str(prompt)) > 500 or str(prompt).count("\n") > 6)
    st.code(prompt or "(none)", language=None, wrap_lines=True, height=180 if long else "content")


def _words(found: Trained, at: Setting, one: _One) -> str:
    """``Sent to small: P = 0.93, needs 0.85``, and who is asked next."""
    order = orders(one.quality, one.cost_usd, at.rule("trained"))[0]
    models, p, cost = found.training.models, one.quality[0], one.cost_usd[0]
    first, *rest = (int(i) for i in order)
    text = f"Sent to {bold(models[first])}: P = {literal(number(p[first]))}"
    if at.knob == QUALITY:
        text += f", needs {literal(number(at.point.value))}"
        if p[first] < at.point.value:
            text += ". No model has that, so the likeliest is asked"
    elif at.knob == COST and math.isfinite(cost[first]):
        text += f", expected to cost {literal(at.money.usd(1_000 * cost[first]))}"
        text += f" of at most {literal(at.money.each(1_000 * at.point.value))}"
    if rest:
        text += f". Should it fail, then {', then '.join(bold(models[i]) for i in rest[:2])}"
    text = f"#### {text}."
    if one.novelty > STRANGE:
        text += (
            f"\n\nIt is less familiar than {literal(percent(STRANGE))} of what the router learned "
            "from: a policy would leave it to its default chain, unless it says otherwise."
        )
    return text


def _models(found: Trained, at: Setting, one: _One) -> None:
    """Every model: how likely it is right, and what it would cost, in the order of asking."""
    import pandas as pd

    order = orders(one.quality, one.cost_usd, at.rule("trained"))[0]
    text, bar = st.column_config.TextColumn, st.column_config.ProgressColumn
    st.caption("In the order in which they are asked")
    st.dataframe(
        pd.DataFrame(
            {
                "model": [found.training.models[i] for i in order],
                "p": one.quality[0][order],
                "cost": [at.money.usd(1_000 * value) for value in one.cost_usd[0][order].tolist()],
            }
        ),
        hide_index=True,
        key="one-models",
        height="content" if len(order) <= 8 else 320,
        alt="Each model with its probability of a right answer and its expected cost",
        column_config={
            "model": text("Model", width=150),
            "p": bar("P it is right", min_value=0, max_value=1, format="%.2f", width=130),
            "cost": text(f"Expected, USD /{at.money.per}", width=130),
        },
    )


def _nearest(found: Trained, one: _One) -> None:
    """The nearest known requests, and who was right on each."""
    import pandas as pd

    training = found.training
    where = [training.models.index(name) for name in training.models]
    columns = [training.dataset.models.index(name) for name in training.models]
    requests = training.dataset.requests
    rows = []
    for row, similar in one.nearest:
        quality = training.dataset.quality[row][columns]
        right = [training.models[j] for j in where if quality[j] >= 0.5]
        seen = int((~np.isnan(quality)).sum())
        rows.append(
            {
                "request": requests.column(REQUEST_ID)[row].as_py(),
                "similar": similar,
                "right": ", ".join(right) if right else "none" if seen else "–",
                "prompt": requests.column(PROMPT)[row].as_py()
                if PROMPT in requests.column_names
                else None,
            }
        )
    text, bar = st.column_config.TextColumn, st.column_config.NumberColumn
    st.caption("Nearest known requests, and who was right on them (grade of 0.5 or more)")
    st.dataframe(
        pd.DataFrame(rows, columns=["request", "similar", "right", "prompt"]),
        hide_index=True,
        key="one-nearest",
        placeholder="–",
        alt="The most similar requests of the log",
        column_order=["similar", "prompt", "right", "request"]
        if PROMPT in requests.column_names
        else ["similar", "request", "right"],
        column_config={
            "request": text("Request", width=110),
            "similar": bar("Similarity", format="%.2f", width=75, help="Cosine, at most 1"),
            "right": text("Right", width=170),
            "prompt": text("Prompt", width=230),
        },
    )
