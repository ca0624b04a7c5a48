"""The requests that an estimate is about, and which of them belong together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import DetourError
from toolkit.evaluate.offpolicy.evidence import Evidence, Log
from toolkit.evaluate.offpolicy.given import a_number
from toolkit.evaluate.offpolicy.support import refusal


def check_how(where_supported: bool, extrapolate: bool, tau: float | None, folds: int) -> None:
    """Raise DetourError for ways of estimating that cannot be meant."""
    if where_supported and extrapolate:
        raise DetourError(
            "estimate: where_supported leaves out what extrapolate asks for; allowed: one of them"
        )
    if tau is not None and not a_number(tau, "tau", "above 0") > 0:
        raise DetourError(f"estimate: tau is a limit of weights; got {tau:g}; allowed: above 0")
    if a_number(folds, "folds", "2 or more") < 2 or folds != int(folds):
        raise DetourError(f"estimate: folds: got {folds}; allowed: 2 or more")


def rows_of(evidence: Evidence, *, where_supported: bool, extrapolate: bool) -> NDArray[np.intp]:
    """The requests to estimate; raises SupportError."""
    everything = np.arange(len(evidence.support.code))
    if extrapolate or evidence.support.enough:
        return everything
    rows = evidence.support.rows
    if not where_supported or not len(rows):
        raise refusal(evidence.target, evidence.support)
    return rows


def clusters_of(log: Log, rows: NDArray[np.intp]) -> NDArray[np.intp] | None:
    """(rows,) the clusters of these requests, numbered from 0 without gaps."""
    return None if log.cluster is None else np.unique(log.cluster[rows], return_inverse=True)[1]
