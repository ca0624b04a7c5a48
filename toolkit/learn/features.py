"""From requests to numbers: columns, what the prompt looks like, its embedding, its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.embeddings import embed
from toolkit.errors import DataError
from toolkit.learn.columns import encode_columns, learn_columns
from toolkit.learn.shapes import SHAPES, shapes, text_bytes
from toolkit.learn.tables import Kinds, as_table, kind_of, learnt
from toolkit.learn.words import learn_words, words
from toolkit.schema import PROMPT

Floats = NDArray[np.float64]
State = dict[str, Any]
"""What was learnt: plain data and arrays."""

TEXTS = ("embedding", "tfidf", "both")
_FAR = 4.0
"""Standard deviations beyond which a number counts no further."""


@dataclass(frozen=True, eq=False)
class Features:
    """The numbers of n requests."""

    table: Floats
    """(n, c) columns, and what the prompt looks like; about standardised"""
    hot: int
    """so many of these, the first ones, are the 0/1 numbers of categories"""
    embedding: NDArray[np.float32] | None
    """(n, 256) unit vectors of the prompts"""
    words: Any | None
    """(n, v) SciPy CSR: TF-IDF of the prompts' words"""

    def __len__(self) -> int:
        return len(self.table)

    def take(self, rows: NDArray[np.intp]) -> Features:
        """Those of some rows."""
        return Features(
            self.table[rows],
            self.hot,
            None if self.embedding is None else self.embedding[rows],
            None if self.words is None else self.words[rows],
        )

    @property
    def vector(self) -> NDArray[np.float32]:
        """(n, d) where a request stands among others: its embedding, else its columns."""
        return self.table.astype(np.float32) if self.embedding is None else self.embedding

    @property
    def crossed(self) -> Any | None:
        """(n, hot x (c - hot)) SciPy CSR: each category's 0/1 number times each other number.

        What a number means may differ by category; made only for who asks, as it takes time.
        """
        import scipy.sparse as sp  # type: ignore[import-untyped]

        n, width = len(self), self.table.shape[1] - self.hot
        if not self.hot or not width:
            return None
        row, level = np.nonzero(self.table[:, : self.hot])
        columns = (level[:, None] * width + np.arange(width)).ravel().astype(np.int32)
        starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))]) * width
        values = self.table[row, self.hot :].ravel()
        return sp.csr_matrix((values, columns, starts.astype(np.int32)), (n, self.hot * width))


def learn_features(
    requests: Any, text: str | None, wanted: Sequence[str] | str
) -> tuple[State, Features]:
    """Decide what is read of the training requests, and read it.

    Raises:
        DataError: they cannot be read, or ``text`` asks for a prompt that is not there.
    """
    if isinstance(requests, np.ndarray):
        mean, scale = _moments(requests)
        state: State = {
            "numbers": {"mean": mean, "scale": scale},
            "text": None,
            "columns": [],
            "left_out": {},
        }
        return state, make_features(state, requests)
    table = as_table(requests)
    if text not in (None, "auto", *TEXTS):
        allowed = ", ".join(map(repr, ("auto", *TEXTS, None)))
        raise DataError(f"text: no such way to read it; got {text!r}; allowed: {allowed}")
    prompts, found = has_prompt(table), None
    if text in TEXTS and not prompts:
        raise DataError(f"text: {text!r} reads the column 'prompt', which has no text here")
    if text == "auto":
        text = "embedding" if prompts else None
    columns, left = learn_columns(table, wanted)
    state = {"text": text, "columns": columns, "left_out": left, "shapes": None, "words": None}
    if text:
        data, starts = text_bytes(table[PROMPT])
        mean, scale = _moments(shapes(data, starts))
        state["shapes"] = {"mean": mean, "scale": scale}
        if text in ("tfidf", "both"):
            state["words"], found = learn_words(_texts(table[PROMPT]))
    elif not columns:
        raise DataError(
            "nothing to read of the requests: no usable column and no prompt; left out: "
            + ("; ".join(f"{name!r}: {why}" for name, why in left.items()) or "nothing")
        )
    return state, make_features(state, table, found=found)


def make_features(
    state: State, requests: Any, *, vectors: bool = True, found: Any | None = None
) -> Features:
    """The numbers of requests, read as was learnt; each row's depend on that row alone.

    ``vectors`` False leaves out embedding and words; ``found`` are the words where somebody has
    them already. A column that is not there, or of another kind than in training, is missing.

    Raises:
        DataError: these are no requests.
    """
    if "numbers" in state:
        return Features(_standard(state["numbers"], requests), 0, None, None)
    table = as_table(requests, kinds_of(state))
    parts = [encode_columns(state["columns"], table)]
    text, embedding = state["text"], None
    if text:
        given = learnt(table, PROMPT, "category")
        empty = given is None or given.null_count == len(given)
        prompts = pa.nulls(table.num_rows, pa.string()) if empty else given
        prompts = pa.chunked_array([prompts]) if empty else prompts
        data, starts = text_bytes(prompts)
        parts.append(_standard(state["shapes"], shapes(data, starts)))
        texts = _texts(prompts) if vectors else []
        if vectors and text in ("embedding", "both"):
            embedding = embed(texts)
        if vectors and state["words"] and found is None:
            found = words(state["words"], texts)
    hot = sum(c["width"] for c in state["columns"] if c["kind"] == "category")
    whole = np.hstack(parts)
    return Features(whole, hot, embedding, found)


def feature_names(state: State, width: int) -> list[str]:
    """What the columns of :attr:`Features.table` are called."""
    if "numbers" in state:
        return [f"x{i}" for i in range(width)]
    names = []
    for column in state["columns"]:
        if column["kind"] == "category":
            names += [f"{column['name']}={level}" for level in column["levels"]]
            names += [f"{column['name']} has {word!r}" for word in column["parts"]]
        else:
            names += [column["name"], f"{column['name']} is missing"][: column["width"]]
    return names + [f"prompt: {shape}" for shape in (SHAPES if state["text"] else ())]


def kinds_of(state: State) -> Kinds:
    """The columns that are read, the prompt among them, and of what kind each was."""
    read = {str(column["name"]): str(column["kind"]) for column in state["columns"]}
    return {PROMPT: "category", **read} if state["text"] else read


def has_prompt(table: pa.Table) -> bool:
    """Whether there are prompts; a column of another kind is an error."""
    if PROMPT not in table.column_names or pa.types.is_null(table[PROMPT].type):
        return False
    kind = table[PROMPT].type
    if kind_of(kind) != "category":
        raise DataError(f"column 'prompt': not text; got {kind}; allowed: text")
    return bool(table[PROMPT].null_count < table.num_rows)


def _texts(prompts: pa.ChunkedArray) -> list[str]:
    return [prompt or "" for prompt in prompts.to_pylist()]


def _moments(x: Floats) -> tuple[Floats, Floats]:
    """Mean and spread of what is known of each column; what is the same everywhere becomes 0."""
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

    fitted = StandardScaler().fit(x)
    return fitted.mean_, np.where(fitted.var_ > 1e-24, fitted.scale_, np.inf)


def _standard(learnt: dict[str, Floats], x: Floats) -> Floats:
    scaled = (np.asarray(x, np.float64) - learnt["mean"]) / learnt["scale"]
    return np.clip(np.where(np.isfinite(scaled), scaled, 0.0), -_FAR, _FAR)
