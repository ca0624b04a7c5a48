"""Conditions row by row in obvious Python, and generated conditions and tables to try them on."""

from __future__ import annotations

import math
import re
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from toolkit.policy.conditions import Condition

TEXTS = ["", "a", "b", "ab", "aba", "A", "é", "1", "true", "a\nb"]
NUMBERS = [-1.0, 0.0, 0.5, 1.0, 2.0, 3.0]
PATTERNS = ["a", "^a", "b$", "a.*b", "(?i)A", "é|1", "^$", "[ab]+"]


def holds(condition: Condition, row: dict[str, Any]) -> bool:
    """Whether one request, as a mapping of columns to values, fulfils the condition."""
    results = [test(row[column], op, value) for column, op, value in condition.tests()]
    if condition.all is not None:
        results.append(all(holds(part, row) for part in condition.all))
    if condition.any is not None:
        results.append(any(holds(part, row) for part in condition.any))
    if condition.not_ is not None:
        results.append(not holds(condition.not_, row))
    return all(results)


def test(cell: Any, operator: str, value: Any) -> bool:  # noqa: PLR0911
    """One operator on one value; None and NaN are missing."""
    missing = cell is None or (isinstance(cell, float) and math.isnan(cell))
    if operator == "exists":
        return missing != value
    if missing:
        return operator in {"ne", "not_in"}
    if operator == "eq":
        return cell == value
    if operator == "ne":
        return cell != value
    if operator == "in":
        return cell in value
    if operator == "not_in":
        return cell not in value
    if operator == "contains":
        return value in cell
    if operator == "matches":
        return re.search(value, cell) is not None
    limits = {"lt": cell < value, "lte": cell <= value, "gt": cell > value, "gte": cell >= value}
    return limits[operator]


test.__test__ = False  # a word of this module, not a test


def _several(values: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3)


def _tests(values: list[Any], more: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    operators = {
        "eq": st.sampled_from(values),
        "ne": st.sampled_from(values),
        "in": _several(values),
        "not_in": _several(values),
        "exists": st.booleans(),
        **more,
    }
    return st.lists(
        st.sampled_from(sorted(operators)), min_size=1, max_size=2, unique=True
    ).flatmap(lambda names: st.fixed_dictionaries({name: operators[name] for name in names}))


_limits = dict.fromkeys(("lt", "lte", "gt", "gte"), st.sampled_from(NUMBERS))
_text = {"matches": st.sampled_from(PATTERNS), "contains": st.sampled_from(["a", "b", "ab"])}
_COLUMNS = {
    "text": _tests(TEXTS, _text),
    "topic": _tests(TEXTS, _text),
    "size": _tests(NUMBERS, _limits),
    "price": _tests(NUMBERS, _limits),
    "paid": _tests([True, False], {}),
}
_leaf = st.lists(st.sampled_from(sorted(_COLUMNS)), min_size=1, max_size=2, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: _COLUMNS[name] for name in names})
)


def _grouped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    group = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.fixed_dictionaries({"all": group}),
        st.fixed_dictionaries({"any": group}),
        st.fixed_dictionaries({"not": inner}),
        st.builds(
            lambda leaf, part: {**leaf, **part}, _leaf, st.fixed_dictionaries({"any": group})
        ),
    )


conditions = st.recursive(_leaf, _grouped, max_leaves=5).map(Condition.model_validate)


@st.composite
def tables(draw: st.DrawFn, max_size: int = 12) -> pa.Table:
    """Requests with columns of every kind, stored in different ways, with missing values."""
    n = draw(st.integers(0, max_size))
    rng = draw(st.randoms(use_true_random=False))

    def column(values: list[Any], *types: pa.DataType) -> pa.ChunkedArray:
        cells = rng.choices([*values, None], k=n)
        return pa.chunked_array([pa.array(cells, types[0]).cast(rng.choice(types))])

    words = (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()))
    words = (*words, pa.string_view())
    return pa.table(
        {
            "text": column(TEXTS, *words),
            "topic": column(TEXTS, *words),
            "size": column([-1, 0, 1, 2, 3], pa.int64(), pa.int8(), pa.float64()),
            "price": column([*NUMBERS, math.nan], pa.float64(), pa.float32()),
            "paid": column([True, False], pa.bool_()),
        }
    )
