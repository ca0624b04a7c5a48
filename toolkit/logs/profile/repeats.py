"""Prompts that stand in a log more than once, and whether a model was graded alike on each copy.

Above a million requests a sample is taken: one in k *prompts*, chosen by their hash, with all
their copies. So what is found is exact for those prompts, and k times as much stands for the log.
"""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.logs.profile.source import Source
from toolkit.schema import PROMPT

MOST_REQUESTS = 1_000_000
SHOWN = 50


@dataclass(frozen=True)
class Repeated:
    """One prompt that several requests share."""

    prompt: str
    """its first 300 characters"""
    requests: int
    lowest: float | None
    """the lowest and the highest quality of any answer to it"""
    highest: float | None


@dataclass(frozen=True)
class Duplicates:
    """Repeated prompts. Counts are of the sample: one prompt in ``one_in``."""

    with_prompt: int
    """requests with a prompt (all, not the sample)"""
    blank: int
    """requests whose prompt is missing or blank (all)"""
    one_in: int
    prompts: int
    """prompts that several requests share"""
    copies: int
    """requests beyond the first of each"""
    pairs: int
    """(prompt, model) pairs that were graded more than once"""
    graded_apart: int
    """those of them whose grades differ"""
    worst: tuple[Repeated, ...] = ()
    """those with most copies"""


def duplicates(source: Source) -> Duplicates | None:
    """None where the log has no prompts; passes over the prompts and over the grades."""
    prompt = source.text(PROMPT)
    if prompt is None:
        return None
    one_in = max(1, -(-source.n_requests // MOST_REQUESTS))
    # Whether a prompt is empty is asked this way as trimming ten million texts takes seconds.
    ((known,),) = source.rows(
        f"SELECT count(*) FILTER ({prompt} <> '') FROM {source.requests}"  # noqa: S608 -- our own names
    )
    source.rows(
        "CREATE OR REPLACE TEMP TABLE sampled AS SELECT request_ix, h FROM"  # noqa: S608
        f" (SELECT CAST(r.ix - 1 AS INTEGER) AS request_ix, hash({prompt}) AS h,"
        f"  {prompt} AS prompt FROM {source.requests})"
        f" WHERE prompt <> '' AND h % {one_in} = 0"
    )
    source.rows(
        "CREATE OR REPLACE TEMP TABLE copy AS FROM sampled SEMI JOIN"
        " (SELECT h FROM sampled GROUP BY h HAVING count(*) > 1) USING (h)"
    )
    prompts, requests = source.rows("SELECT count(DISTINCT h), count(*) FROM copy")[0]
    source.rows(
        "CREATE OR REPLACE TEMP TABLE graded AS"  # noqa: S608
        " SELECT h, model_ix, count(quality) AS n, min(quality) AS low, max(quality) AS high"
        f" FROM {source.outcomes} JOIN copy USING (request_ix) GROUP BY ALL"
    )
    pairs, apart = source.rows(
        "SELECT count(*) FILTER (n > 1), count(*) FILTER (n > 1 AND low < high) FROM graded"
    )[0]
    worst = source.rows(
        f"SELECT left({prompt}, 300), n, low, high FROM {source.requests} JOIN"  # noqa: S608
        " (SELECT h, min(request_ix) + 1 AS ix, count(*) AS n FROM copy GROUP BY h"
        f"  ORDER BY n DESC, ix LIMIT {SHOWN}) USING (ix)"
        " LEFT JOIN (SELECT h, min(low) AS low, max(high) AS high FROM graded GROUP BY h) USING (h)"
        " ORDER BY n DESC, ix"
    )
    source.rows("DROP TABLE sampled; DROP TABLE copy; DROP TABLE graded")
    return Duplicates(
        with_prompt=known,
        blank=source.n_requests - known,
        one_in=one_in,
        prompts=prompts,
        copies=requests - prompts,
        pairs=pairs,
        graded_apart=apart,
        worst=tuple(Repeated(*row) for row in worst),
    )
