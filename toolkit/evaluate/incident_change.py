"""What more protection changed for the requests that met the faults, request by request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.evaluate.intervals import RESAMPLES, Estimate, Metric, Rows, bootstrap_of
from toolkit.evaluate.measures import during
from toolkit.schema import Status

if TYPE_CHECKING:
    from toolkit.evaluate.incident import IncidentRow


def changes(
    less: IncidentRow, more: IncidentRow, resamples: int = RESAMPLES
) -> dict[str, Estimate]:
    """Mean of ``more`` minus ``less`` over the requests that both observed during the faults.

    Under the names of the measures: ``success_rate``, ``error_rate``, ``degraded_rate`` (shares)
    and ``cost_usd_per_1k``. Paired, so the interval is that of the difference. A 95th percentile is
    no mean and has none.
    """
    a, b = less.replay, more.replay
    seen = np.flatnonzero(
        during(b) & (a.status != Status.UNOBSERVED) & (b.status != Status.UNOBSERVED)
    )
    boot = bootstrap_of(b.arrivals, resamples, b.seed)

    def difference(status: Status) -> Metric:
        ended = (b.status[seen] == status).astype(float) - (a.status[seen] == status)
        return Metric(ended)

    found = Rows(boot, seen, np.zeros(len(seen), np.int8), 1).means(
        difference(Status.ACCEPTED),
        difference(Status.ERROR),
        difference(Status.DEGRADED),
        Metric(b.cost_usd[seen] - a.cost_usd[seen]),
    )
    success, errors, degraded, cost = (estimates[0] for estimates in found)
    return {
        "success_rate": success,
        "error_rate": errors,
        "degraded_rate": degraded,
        "cost_usd_per_1k": cost.scaled(1000),
    }
