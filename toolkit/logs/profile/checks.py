"""What is odd in a log: values that are possible but rarely true, each with its rows.

A check is a condition in SQL, a constant of ours. All checks of the outcomes are one pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.errors import DataError, did_you_mean
from toolkit.logs.profile.source import Source
from toolkit.schema import ERROR_LABELS, REQUEST_ID, TIMESTAMP

LONG_S = 600
SHOWN = 100


@dataclass(frozen=True)
class Check:
    """One thing to look for."""

    key: str
    title: str
    meaning: str
    """what it does to the results, and what to do about it"""
    where: str
    """SQL over the outcomes (``o``)"""
    serious: bool = True
    """it makes numbers wrong, rather than being worth knowing"""
    needs: str = ""
    """a further column of the outcomes that ``where`` reads"""


OF_OUTCOMES = (
    Check(
        "zero-latency",
        "Latency of exactly 0 s",
        "No call takes no time. Percentiles are too low unless these came from a cache.",
        "latency_s = 0",
    ),
    Check(
        "long-latency",
        "Latency above 10 minutes",
        "Often milliseconds that were read as seconds, or a clock that was set.",
        f"latency_s > {LONG_S}",
    ),
    Check(
        "free",
        "Cost of $0 with tokens used",
        "Right for a model of your own; otherwise its price is missing and it looks free.",
        "cost_usd = 0 AND (output_tokens > 0 OR input_tokens > 0)",
    ),
    Check(
        "no-output-tokens",
        "0 output tokens with a graded answer",
        "An answer has tokens. Costs that were computed from these are too low.",
        "output_tokens = 0 AND error = 0 AND quality > 0",
    ),
    Check(
        "no-input-tokens",
        "0 input tokens",
        "A call has a prompt. Costs that were computed from these are too low.",
        "input_tokens = 0 AND error = 0",
    ),
    Check(
        "empty-answer",
        "An empty answer with a good grade",
        "Either the answer was not logged, or the grade is wrong.",
        "answer = '' AND error = 0 AND quality >= 0.5",
        needs="answer",
    ),
    Check(
        "estimated-cost",
        "Cost estimated from list prices",
        "The log had no cost. Discounts, caching and batches are not in it.",
        "cost_estimated",
        serious=False,
        needs="cost_estimated",
    ),
)


@dataclass(frozen=True, eq=False)
class Oddities:
    """How often each check holds."""

    checks: tuple[Check, ...]
    count: NDArray[np.int64]
    """(checks, m) outcomes by model"""
    future: int
    """requests with a time that is still to come"""
    backwards: int
    """requests that were made before the one that the log has ahead of them"""


def oddities(source: Source, now: datetime | None = None) -> Oddities:
    """One pass over the outcomes, one over the times."""
    checks = tuple(c for c in OF_OUTCOMES if not c.needs or c.needs in source.texts)
    counted = ", ".join(f"count(*) FILTER ({c.where})" for c in checks)
    count = np.zeros((len(checks), source.n_models), np.int64)
    for model, *found in source.rows(
        f"SELECT model_ix, {counted} FROM {source.outcomes} GROUP BY ALL"  # noqa: S608 -- our own names
    ):
        count[:, model] = found
    return Oddities(checks, count, *_times(source, now or datetime.now(UTC)))


def _times(source: Source, now: datetime) -> tuple[int, int]:
    moment = source.moment()
    if moment is None:
        return 0, 0
    # The requests lie in the order of the log, which a window without an order keeps.
    future, backwards = source.rows(
        "SELECT count(*) FILTER (moment > $now), count(*) FILTER (moment < before)"  # noqa: S608
        " FROM (SELECT moment, lag(moment) OVER () AS before"
        f" FROM (SELECT {moment} AS moment FROM {source.requests}))",
        {"now": now.astimezone(UTC).replace(tzinfo=None)},
    )[0]
    return future, backwards


def odd_rows(source: Source, key: str, limit: int = SHOWN) -> pa.Table:
    """The first outcomes for which a check holds, in long format; DataError for an unknown key."""
    check = next((c for c in OF_OUTCOMES if c.key == key), None)
    if check is None:
        raise DataError(f"no check {key!r}; allowed: {did_you_mean(key, _KEYS)}")
    moment = f", {at} AS {TIMESTAMP}" if (at := source.moment()) else ""
    table = source.con.sql(
        f"SELECT {source.request(REQUEST_ID)} AS request_id, model_ix, o.quality, o.cost_usd,"  # noqa: S608
        f" o.latency_s, o.input_tokens, o.output_tokens, o.error{moment} FROM"
        f" (FROM {source.outcomes} WHERE {check.where} LIMIT {int(limit)}) o"
        f" JOIN {source.requests} ON r.ix = o.request_ix + 1 ORDER BY o.request_ix, model_ix"
    ).to_arrow_table()
    models = pa.array(source.models, pa.string()).take(table["model_ix"].combine_chunks())
    labels = pa.array([None, *ERROR_LABELS], pa.string())
    table = table.set_column(1, "model", models)
    return table.set_column(7, "error", labels.take(table["error"].combine_chunks()))


_KEYS = tuple(c.key for c in OF_OUTCOMES)
