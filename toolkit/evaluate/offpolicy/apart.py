"""How far two policies are apart on a dataset: measured where it can be, else estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.evaluate.compare import METRICS
from toolkit.evaluate.intervals import RESAMPLES, UNDEFINED, Estimate, Metric, Rows, bootstrap_of
from toolkit.evaluate.offpolicy.branches import branches, value_of
from toolkit.evaluate.offpolicy.difference import estimate_difference
from toolkit.evaluate.offpolicy.support import SupportError
from toolkit.policy.model import Policy

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset


def apart(
    dataset: Dataset, a: Policy, b: Policy, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Estimate]:
    """B minus A in each metric, without what requests share.

    Measured where every model was observed on every request, else the doubly robust estimate over
    the requests that the log can speak for; undefined where there is none.
    """
    if not dataset.complete:
        return _estimated(dataset, a, b, seed)
    values = value_of(branches(b, dataset, seed)) - value_of(branches(a, dataset, seed))
    boot = bootstrap_of(dataset, resamples, seed)
    n = dataset.n_requests
    rows = Rows(boot, np.arange(n), np.zeros(n, np.int8), 1)
    means = rows.means(*(Metric(column) for column in values.T))
    return {name: estimate for name, (estimate,) in zip(METRICS, means, strict=True)}


def _estimated(dataset: Dataset, a: Policy, b: Policy, seed: int) -> dict[str, Estimate]:
    """Over the requests that the log can speak for, if not for all."""
    for where_supported in (False, True):
        try:
            found = estimate_difference(
                b, a, dataset, where_supported=where_supported, seed=seed
            ).differences
        except SupportError:
            continue
        # Where nothing was left to chance these are the requests on which the two are the same.
        return {
            name: UNDEFINED if e.value == e.low == e.high == 0 else e for name, e in found.items()
        }
    return dict.fromkeys(METRICS, UNDEFINED)
