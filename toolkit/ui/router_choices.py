"""What there is to choose before a router is trained, in words, and what is usual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from toolkit.schema import PROMPT, REQUEST_ID

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset
    from toolkit.ui.view import View

MOST_MODELS = 30
MOST_FOLDS = 20
FEW_MODELS = 8
"""Of more models than this, those that nothing beats and those of the policy are usual."""


@dataclass(frozen=True)
class Choice:
    """How a router is to be trained; the arguments of ``train``."""

    models: tuple[str, ...]
    text: str | None
    columns: tuple[str, ...] | None
    """None: all that are known before an answer is"""
    head: str = "auto"
    calibration: str | None = "isotonic"
    split: str = "auto"
    folds: int = 5

    @property
    def settings(self) -> dict[str, Any]:
        """As ``train`` takes them."""
        found = {field.name: getattr(self, field.name) for field in fields(Choice)}
        return found | {"columns": "auto" if self.columns is None else self.columns}


@dataclass(frozen=True)
class Option:
    """One of a few."""

    label: str
    help: str


TEXTS: dict[str | None, Option] = {
    "embedding": Option("Its meaning", "static word embeddings."),
    "tfidf": Option("Its words", "TF-IDF of words and pairs of words."),
    "both": Option("Both", "embeddings and TF-IDF side by side, slower."),
    None: Option("Nothing", "the columns alone."),
}
HEADS: dict[str, Option] = {
    "auto": Option("What suits", "the blend of fewer than 5,000 requests, linear of more."),
    "logistic": Option("Linear", "logistic regression, hard to beat on many requests."),
    "boosting": Option("Trees", "gradient boosting, for columns that act together."),
    "neighbours": Option("Nearest", "the answers to the most similar requests, k-NN."),
    "stack": Option(
        "A blend",
        "of few requests a random forest with what the categories tell; of many "
        "linear with trees, slowest.",
    ),
}
CALIBRATIONS: dict[str | None, Option] = {
    "isotonic": Option("Steps", "isotonic regression."),
    "sigmoid": Option("A curve", "Platt's sigmoid, for few requests."),
    None: Option("Nothing", "as they come out of the model."),
}
SPLITS: dict[str, Option] = {
    "auto": Option("Other people's requests", "users, sessions and near-duplicate prompts stay "
                   "on one side: grouped folds."),
    "time": Option("Later requests", "each block of time is judged by a router of the blocks "
                   "before it."),
    "random": Option("Any other requests", "plain random folds, as in published comparisons; too "
                     "kind where prompts repeat."),
}  # fmt: skip


def graded(data: Dataset) -> list[str]:
    """The models that have a graded answer; that failures count as 0 is no grade."""
    some = (~np.isnan(data.quality) & (data.error == 0)).any(axis=0)
    return [data.models[i] for i in np.flatnonzero(some)]


def usual(view: View) -> Choice:
    """What suits most data: every model, or of many those that are worth it."""
    text = "embedding" if PROMPT in view.dataset.requests.column_names else None
    return Choice(tuple(_usual_models(view)), text, None)


def _usual_models(view: View) -> Sequence[str]:
    """All of few models; of many the policy's own, and those that nothing beats."""
    known = graded(view.dataset)
    if len(known) <= FEW_MODELS:
        return known
    singles = [row for row in view.baselines.rows if row.kind == "single" and row.name in known]
    singles.sort(key=lambda row: (row.cost_usd_per_1k.value, -row.quality.value))
    best = -1.0
    least: list[str] = []
    for row in singles:
        if row.quality.value > best and np.isfinite(row.cost_usd_per_1k.value):
            best, least = row.quality.value, [*least, row.name]
    own = [name for name in view.logs if name in known]
    return list(dict.fromkeys([*own, *reversed(least)]))[:FEW_MODELS]


def readable(data: Dataset) -> list[str]:
    """The columns of the requests that a router reads unless told otherwise."""
    return _columns(data.digest, data)[0]


def unread(data: Dataset) -> dict[str, str]:
    """The other columns, and why it does not read them."""
    return _columns(data.digest, data)[1]


@st.cache_resource(max_entries=8, show_spinner=False)
def _columns(digest: str, _data: Dataset) -> tuple[list[str], dict[str, str]]:  # noqa: ARG001
    from toolkit.learn.columns import learn_columns

    read, left = learn_columns(_data.requests)
    left.pop(REQUEST_ID, None)
    return [str(column["name"]) for column in read], left


def values(data: Dataset, column: str) -> list[str]:
    """What a column of texts holds, by name."""
    return _values(data.digest, column, data)


@st.cache_resource(max_entries=64, show_spinner=False)
def _values(digest: str, column: str, _data: Dataset) -> list[str]:  # noqa: ARG001
    import pyarrow.compute as pc

    return sorted(map(str, pc.unique(_data.requests.column(column)).drop_null().to_pylist()))


SECONDS_PER_CELL = 1.2e-3
"""Of a training by requests × models, with all that is told of it; measured on two cores."""
SLOWER = {"auto": 2.5, "logistic": 1.0, "boosting": 4.0, "neighbours": 0.7, "stack": 6.0}


def duration(data: Dataset, choice: Choice) -> str:
    """About how long a training takes, in a sentence."""
    seconds = data.n_requests * len(choice.models) * SECONDS_PER_CELL * SLOWER[choice.head]
    about = next((s for s in (10, 20, 30, 60) if seconds <= s), 0)
    words = f"{about} seconds" if about else f"{round(seconds / 60) + 1} minutes"
    return f"It takes about {words}, more on a busy machine, and can be stopped."


def allowed(choice: Choice, data: Dataset) -> bool:
    """Whether the form could have made a choice that stands in a link."""
    told: Mapping[str, Any] = vars(choice)  # of whatever types the link has
    models, columns, folds = told["models"], told["columns"], told["folds"]
    return (
        isinstance(models, tuple)
        and 2 <= len(models) <= MOST_MODELS
        and {*models} <= {*graded(data)}
        and told["text"] in TEXTS
        and (told["text"] is None or PROMPT in data.requests.column_names)
        and (columns is None or (isinstance(columns, tuple) and {*columns} <= {*readable(data)}))
        and told["head"] in HEADS
        and told["calibration"] in CALIBRATIONS
        and told["split"] in SPLITS
        and type(folds) is int
        and 2 <= folds <= MOST_FOLDS
    )
