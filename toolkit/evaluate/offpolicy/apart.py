"""How far two policies are apart on a dataset: measured where it can be, else estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.evaluate.compare import METRICS
from toolkit.evaluate.intervals import RESAMPLES, UNDEFINED, Estimate, Metric, Rows, bootstrap_of
from toolkit.evaluate.offpolicy.branches import branches, value_of
from toolkit.policy.model import Policy

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset


def apart(
    dataset: Dataset, a: Policy, b: Policy, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Estimate]:
    """B minus A in each metric, without what requests share.

    Measured where every model was observed on every request, else the doubly robust estimate,
    which is undefined where the log cannot speak for one of the two.
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
    return dict.fromkeys(METRICS, UNDEFINED)
