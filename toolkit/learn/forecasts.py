"""What routers foretell of a table of requests, worked out once for each router and table.

A sweep over a hundred thresholds asks the same router about the same requests a hundred times, and
embedding prompts is what takes the time. Both are held weakly: the forecast of a live request,
whose table has one row, goes with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from toolkit.policy.remembered import Remembered

if TYPE_CHECKING:
    from toolkit.learn.router import Forecast, QualityRouter

_memory: Remembered[QualityRouter, Remembered[pa.Table, Forecast]] = Remembered()


def forecast(router: QualityRouter, requests: pa.Table) -> Forecast:
    """Return the router's forecast of n requests; the same object for the same table."""
    tables: Remembered[pa.Table, Forecast] = _memory.of(router, Remembered)
    return tables.of(requests, lambda: router.forecast(requests))
