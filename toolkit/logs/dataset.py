"""A Dataset: what every model did on every request, as matrices."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.errors import DataError, did_you_mean
from toolkit.logs.gaps import MEASURED, Kind, gaps, kind_of
from toolkit.logs.propensity import PROPENSITY
from toolkit.logs.tables import Tables
from toolkit.schema import CATEGORY, ERROR_LABELS, MODEL, OUTCOME_COLUMNS, REQUEST_ID

if TYPE_CHECKING:
    import pandas as pd

_MATRICES = ("quality", "cost_usd", "latency_s", "input_tokens", "output_tokens")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Outcomes of m models on n requests.

    Matrices are (n, m), C-contiguous, a row per request, NaN for not measured.
    """

    name: str
    requests: pa.Table
    """(n rows) request_id (text, unique) first, then category, prompt and any other column of
    the requests; ``input_tokens`` (double, null = not known) is always there."""
    models: tuple[str, ...]
    """(m) names, sorted."""
    observed: NDArray[np.bool_]
    """(n, m) the log has an outcome."""
    quality: NDArray[np.float64]
    """(n, m) from 0 to 1; 0 where the model failed."""
    cost_usd: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    input_tokens: NDArray[np.float64]
    output_tokens: NDArray[np.float64]
    error: NDArray[np.int8]
    """(n, m) ErrorType code, 0 for none."""
    simulated: bool = False
    digest: str = ""
    """SHA-256, in hex, of what the dataset was read from."""
    answers: pa.Table | None = None
    """request_ix, model_ix and the texts the log has (answer, error_detail), else None."""

    @property
    def n_requests(self) -> int:
        """How many requests there are (n)."""
        return len(self.observed)

    @property
    def n_models(self) -> int:
        """How many models there are (m)."""
        return len(self.models)

    @cached_property
    def n_outcomes(self) -> int:
        """How many of the n × m outcomes the log has."""
        return int(np.count_nonzero(self.observed))

    @property
    def complete(self) -> bool:
        """Whether every model has an outcome on every request."""
        return self.n_outcomes == self.observed.size

    @property
    def kind(self) -> Kind:
        """Which of the n × m outcomes the log has."""
        return kind_of(self.n_requests, self.n_models, self.n_outcomes)

    @cached_property
    def graded(self) -> bool:
        """Whether any answer has a quality, if there are answers.

        That failures count as 0 is no grade.
        """
        answered = self.observed & (self.error == 0)
        return bool(np.any(answered & ~np.isnan(self.quality)) or not answered.any())

    def measured_share(self, name: str) -> float:
        """Share of the outcomes in which ``name`` (a matrix) was measured; NaN without any."""
        if not self.n_outcomes:
            return float("nan")
        return float(np.count_nonzero(~np.isnan(getattr(self, name))) / self.n_outcomes)

    @property
    def estimated_share(self) -> float:
        """Share of the outcomes whose cost was estimated from list prices."""
        if self.answers is None or "cost_estimated" not in self.answers.column_names:
            return 0.0
        return (pc.sum(self.answers["cost_estimated"]).as_py() or 0) / max(self.n_outcomes, 1)

    @cached_property
    def gaps(self) -> tuple[str, ...]:
        """What the log does not hold, and what nobody can tell from it: a sentence each."""
        has = {name for name in MEASURED if self.measured_share(name) > 0}
        has |= {"quality"} if self.graded else set()
        return gaps(has | set(self.requests.column_names), self.kind)

    def column(self, name: str) -> pa.ChunkedArray:
        """One column (n) of the requests; DataError for an unknown name."""
        if name not in self.requests.column_names:
            raise DataError(
                f"dataset {self.name!r}: requests have no column {name!r};"
                f" allowed: {did_you_mean(name, self.requests.column_names)}"
            )
        return self.requests[name]

    def answer(self, request: int, model: str) -> str | None:
        """The text that ``model`` answered to request number ``request``, where the log has it."""
        if self.answers is None or "answer" not in self.answers.column_names:
            return None
        rows = self.answers["request_ix"].to_numpy()
        low, high = np.searchsorted(rows, [request, request + 1])
        near = self.answers.slice(low, high - low)
        at = np.flatnonzero(near["model_ix"].to_numpy() == self.models.index(model))
        return near["answer"][int(at[0])].as_py() if at.size else None

    def select(self, models: tuple[str, ...] | list[str]) -> Dataset:
        """The same requests with these models only; DataError for an unknown name."""
        for model in models:
            if model not in self.models:
                raise DataError(
                    f"dataset {self.name!r} has no model {model!r};"
                    f" allowed: {did_you_mean(model, self.models)}"
                )
        names = tuple(sorted(set(models)))
        keep = np.isin(np.array(self.models, dtype=object), names)
        rows = self.outcomes_table()
        kept = rows.filter(pa.array(keep[rows["model_ix"].to_numpy()]))
        moved = (np.cumsum(keep) - 1).astype(np.int32)[kept["model_ix"].to_numpy()]
        kept = kept.set_column(1, "model_ix", pa.array(moved))
        mark = hashlib.sha256("\0".join((self.digest, *names)).encode()).hexdigest()
        return dataset_from_tables(
            self.name, Tables(self.requests, names, kept), simulated=self.simulated, digest=mark
        )

    def outcomes_table(self) -> pa.Table:
        """The outcomes (k rows) as the store keeps them; see :class:`Tables`."""
        request, model = np.nonzero(self.observed)
        columns = {
            "request_ix": pa.array(request.astype(np.int32)),
            "model_ix": pa.array(model.astype(np.int32)),
        }
        for name in _MATRICES:
            columns[name] = pa.array(getattr(self, name)[request, model], from_pandas=True)
        columns["error"] = pa.array(self.error[request, model])
        table = pa.table(columns)
        if self.answers is not None:
            for name in self.answers.column_names[2:]:
                table = table.append_column(name, self.answers[name])
        return table

    def to_arrow(self) -> pa.Table:
        """The long format: a row for each outcome, sorted by request and model.

        Columns are request_id, category and propensity where the requests have them, model, then
        what was measured; ``error`` is the name of the error or null.
        """
        table = self.outcomes_table()
        request, model, code = (table[c] for c in ("request_ix", "model_ix", "error"))
        columns = {REQUEST_ID: self.requests[REQUEST_ID].take(request)}
        for name in (CATEGORY, PROPENSITY):
            if name in self.requests.column_names:
                columns[name] = self.requests[name].take(request)
        columns[MODEL] = pa.array(self.models, pa.string()).take(model.combine_chunks())
        labels = pa.array([None, *ERROR_LABELS], pa.string())
        for name in OUTCOME_COLUMNS:
            columns[name] = labels.take(code.combine_chunks()) if name == "error" else table[name]
        for name in table.column_names[8:]:
            columns[name] = table[name]
        return pa.table(columns)

    def to_pandas(self) -> pd.DataFrame:
        """The long format of :meth:`to_arrow` as a frame."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}, {self.n_requests:,} requests, {self.n_models:,} models,"
            f" {self.n_outcomes:,} outcomes{', simulated' if self.simulated else ''})"
        )

    def _repr_html_(self) -> str:
        def share(matrix: NDArray[np.float64]) -> str:
            known = np.count_nonzero(~np.isnan(matrix))
            return f"{100 * known / self.n_outcomes:.3g} %" if self.n_outcomes else "–"

        missing = self.observed.size - self.n_outcomes
        rows = {
            "requests": f"{self.n_requests:,}",
            "models": f"{self.n_models:,}",
            "outcomes": f"{self.n_outcomes:,}",
            "complete": "yes" if self.complete else f"no, {missing:,} missing ({self.kind})",
            "quality measured": share(self.quality),
            "cost measured": share(self.cost_usd),
            "latency measured": share(self.latency_s),
        }
        cells = "".join(
            f"<tr><th style='text-align:left'>{k}</th><td>{v}</td></tr>" for k, v in rows.items()
        )
        badge = " <em>simulated</em>" if self.simulated else ""
        return f"<table><caption><b>{escape(self.name)}</b>{badge}</caption>{cells}</table>"


def dataset_from_tables(
    name: str, tables: Tables, *, simulated: bool = False, digest: str = ""
) -> Dataset:
    """Spread checked tables over matrices."""
    shape = (tables.requests.num_rows, len(tables.models))
    rows = tables.outcomes
    at = rows["request_ix"].to_numpy().astype(np.int64) * shape[1] + rows["model_ix"].to_numpy()
    observed = np.zeros(shape, np.bool_)
    observed.reshape(-1)[at] = True
    matrices = {}
    for column in _MATRICES:
        matrices[column] = np.full(shape, np.nan)
        matrices[column].reshape(-1)[at] = rows[column].to_numpy()
    error = np.zeros(shape, np.int8)
    error.reshape(-1)[at] = rows["error"].to_numpy()
    texts = rows.column_names[8:]
    return Dataset(
        name=name,
        requests=tables.requests,
        models=tables.models,
        observed=observed,
        **matrices,
        error=error,
        simulated=simulated,
        digest=digest,
        answers=rows.select(["request_ix", "model_ix", *texts]) if texts else None,
    )
