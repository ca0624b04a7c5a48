"""Requests by category, tenant, user and day, and the quality of each model by category."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from toolkit.logs.profile.source import Source
from toolkit.schema import CATEGORY

GROUPED_BY = (CATEGORY, "tenant", "user")
"""Columns whose values are counted, where a log has them."""
MOST_GROUPS = 60
STRIPE = 1_000_000
"""Requests that are joined at a time: their table then fits an array instead of a hash table."""


@dataclass(frozen=True)
class Groups:
    """The values of one column of the requests, the most frequent first."""

    column: str
    names: tuple[str | None, ...]
    """(g) at most 60; None stands for requests without a value."""
    requests: tuple[int, ...]
    """(g)"""
    distinct: int
    """How many values there are in all."""


@dataclass(frozen=True)
class Period:
    """When the requests were made (UTC)."""

    first: datetime | None
    """None where the log has no times."""
    last: datetime | None
    known: int
    """Requests with a time."""
    days: tuple[date, ...] = ()
    requests: tuple[int, ...] = ()
    """Requests of each of ``days``; days without any are left out."""


@dataclass(frozen=True, eq=False)
class CategoryQuality:
    """Quality of m models in g categories."""

    models: tuple[str, ...]
    categories: tuple[str | None, ...]
    """(g) the most frequent first, at most 60; None stands for requests without one."""
    n: NDArray[np.int64]
    """(m, g) answers with a grade"""
    total: NDArray[np.float64]
    """(m, g) sum of the grades"""
    squares: NDArray[np.float64]
    """(m, g) sum of their squares"""
    failed: NDArray[np.int64]
    """(m, g) outcomes with an error; see ``models.py`` for when they count as quality 0"""


def groups(source: Source) -> tuple[Groups, ...]:
    """One pass over each of those columns that the log has."""
    found = []
    for name in GROUPED_BY:
        column = source.text(name)
        if column is None:
            continue
        rows = source.rows(
            "SELECT name, n, count(*) OVER () FROM"  # noqa: S608 -- our own names
            f" (SELECT {column} AS name, count(*) AS n FROM {source.requests} GROUP BY ALL)"
            f" ORDER BY n DESC, name NULLS LAST LIMIT {MOST_GROUPS}"
        )
        names, requests, distinct = zip(*rows, strict=True) if rows else ((), (), (0,))
        if any(name is not None for name in names):
            found.append(Groups(name, names, requests, distinct[0]))
    return tuple(found)


def period(source: Source) -> Period:
    """One pass over the times."""
    moment = source.moment()
    if moment is None:
        return Period(None, None, 0)
    rows = source.rows(
        "SELECT CAST(moment AS DATE) AS day, count(*), min(moment), max(moment)"  # noqa: S608 -- our own names
        f" FROM (SELECT {moment} AS moment FROM {source.requests})"
        " WHERE moment IS NOT NULL AND isfinite(moment) GROUP BY ALL ORDER BY day"
    )
    if not rows:
        return Period(None, None, 0)
    days, counts, firsts, lasts = zip(*rows, strict=True)
    return Period(min(firsts), max(lasts), sum(counts), days, counts)


def category_quality(source: Source, categories: Groups) -> CategoryQuality:
    """Quality by model and category; joins outcomes and requests a stripe at a time."""
    names = categories.names
    place = {name: i for i, name in enumerate(names)}
    cells = np.zeros((4, source.n_models, len(names)))
    column = source.text(CATEGORY)
    few, parameters = "", {}
    if categories.distinct > len(names):
        few = " WHERE name IN (SELECT unnest($names))" + " OR name IS NULL" * (None in names)
        parameters = {"names": [name for name in names if name is not None]}
    for start in range(0, source.n_requests, STRIPE):
        stop = start + STRIPE
        for model, name, *sums in source.rows(
            "SELECT model_ix, name, count(grade), coalesce(sum(grade), 0),"  # noqa: S608 -- our own names
            " coalesce(sum(grade * grade), 0), count(*) FILTER (error <> 0) FROM"
            " (SELECT *, CASE WHEN error = 0 THEN quality END AS grade"
            f"  FROM {source.outcomes} WHERE request_ix >= {start} AND request_ix < {stop}) JOIN"
            f" (SELECT ix, {column} AS name FROM {source.requests}"
            f"  WHERE ix > {start} AND ix <= {stop}) ON ix = request_ix + 1{few} GROUP BY ALL",
            parameters,
        ):
            cells[:, model, place[name]] += sums
    n, total, squares, failed = cells
    return CategoryQuality(
        source.models, names, n.astype(np.int64), total, squares, failed.astype(np.int64)
    )
