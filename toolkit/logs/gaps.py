"""What a log does not hold, and what nobody can tell from it: a sentence each."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from toolkit.logs.tables import Tables
from toolkit.schema import CATEGORY, PROMPT, TIMESTAMP

Kind: TypeAlias = Literal["complete", "logged", "partial"]
"""Which outcomes a dataset has: of every model on every request, only of the model that served
each request, or something between."""

MEASURED = ("cost_usd", "latency_s", "output_tokens")
LACKS = {
    "quality": "No quality was measured: how good answers are cannot be shown. Grade some, or"
    " import a file of scores.",
    "cost_usd": "No cost was measured, and no list price is known: cost cannot be shown.",
    "latency_s": "No latency was measured: waiting times and timeouts cannot be shown.",
    "output_tokens": "No tokens were counted: costs cannot be estimated from list prices.",
    PROMPT: "There are no prompts: rules on words, and a look at what was asked, are not possible.",
    CATEGORY: "There are no categories: quality is shown for each model as a whole.",
    TIMESTAMP: "There are no times: days, outages and drift cannot be shown, and a replay keeps the"
    " order of the log.",
}
"""What a log may lack, and what that means."""
_LOGGED = (
    "Each request was seen under one model only: what another model would have answered is not in"
    " this log, and a replay leaves such requests out."
)


def kind_of(n_requests: int, n_models: int, n_outcomes: int) -> Kind:
    """Kind of a dataset by its counts: a request is there since it has an outcome, at least one."""
    if n_outcomes == n_requests * n_models:
        return "complete"
    return "logged" if n_outcomes == n_requests else "partial"


def gaps(has: Collection[str], kind: Kind) -> tuple[str, ...]:
    """Sentences on those of LACKS that are not in ``has``, and on the kind.

    Quality is there when an answer was graded; that failures count as 0 is no grade.
    """
    found = [sentence for name, sentence in LACKS.items() if name not in has]
    return (*found, _LOGGED) if kind == "logged" else tuple(found)


def shape_of(tables: Tables) -> tuple[Kind, tuple[str, ...]]:
    """Kind and gaps of tables, without spreading them over matrices."""
    rows = tables.outcomes
    kind = kind_of(tables.requests.num_rows, len(tables.models), rows.num_rows)
    has = {name for name in MEASURED if rows[name].null_count < rows.num_rows}
    answered = pc.equal(rows["error"], pa.scalar(0, pa.int8()))
    graded = pc.any(pc.and_(answered, pc.is_valid(rows["quality"]))).as_py()
    if graded or not pc.any(answered).as_py():
        has.add("quality")
    return kind, gaps(has | set(tables.requests.column_names), kind)


def first_rows(tables: Tables, count: int) -> Tables:
    """The first outcomes, with their requests."""
    rows = tables.outcomes.slice(0, count)
    last = pc.max(rows["request_ix"]).as_py()
    return Tables(tables.requests.slice(0, last + 1), tables.models, rows)
