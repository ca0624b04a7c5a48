"""The probability with which a request's model was drawn, where a log states it.

It is a fact of the request, and may stand in the outcomes, since a log from service has one outcome
of each request. Where a request has several that state different ones, none of them is that of the
request, and it stays blank.
"""

from __future__ import annotations

import duckdb

PROPENSITY = "propensity"
"""Column of the requests: a number above 0, at most 1; blank where it is not stated."""


def one_of_each(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Make ``propensity`` of table ``raw`` a number, the same in all rows of a request; notes."""
    con.execute(
        "ALTER TABLE raw ALTER propensity TYPE DOUBLE USING TRY_CAST(propensity AS DOUBLE)"
    ).fetchall()
    several = con.execute(
        "SELECT count(*) FROM (SELECT 1 FROM raw GROUP BY request_id"
        " HAVING min(propensity) <> max(propensity))"
    ).fetchall()[0][0]
    if not several:
        return []
    con.execute(
        "UPDATE raw SET propensity = NULL WHERE request_id IN (SELECT request_id FROM raw"
        " GROUP BY 1 HAVING min(propensity) <> max(propensity))"
    ).fetchall()
    return [f"requests whose rows state different propensities, now blank: {several}"]
