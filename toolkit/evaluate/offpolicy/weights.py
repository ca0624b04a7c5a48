"""How unevenly the logged requests speak for a policy, and whether their weights can be right.

With the right propensities the weights have a mean of 1 (or, where some requests are answered
without a model, of the share of the others). The mean that a log shows tells how wrong they are: a
little, and every result says so first; so much that no estimate could rest on them, and there is
none. Whatever the weights' spread, by Markov's inequality a log with the right propensities shows a
mean of twenty times what is due in at most one of twenty cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import DataError
from toolkit.evaluate import as_json
from toolkit.evaluate.format import number, number_interval
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.offpolicy.estimators import TAU, Estimated
from toolkit.evaluate.offpolicy.evidence import Evidence
from toolkit.evaluate.offpolicy.sample import clusters_of
from toolkit.evaluate.offpolicy.support import SupportError
from toolkit.evaluate.offpolicy.uncertainty import interval

DOUBTFUL = 1.1
"""A mean that is off by more than this factor, and surely off, is told first."""
SURELY = 1.5
"""Surely: so many times as far off as its interval reaches, as 3 of 1,000 right logs show."""
IMPOSSIBLE = 2.0
"""There is no estimate where the whole interval of the mean is off by more than this factor, ..."""
UNHEARD_OF = 20.0
"""... or the mean itself is so many times what is due."""


@dataclass(frozen=True)
class Weights:
    """How unevenly the logged requests speak for the policy."""

    mean: Estimate
    """1 (or the share of requests for which a model is asked) where the propensities are right"""
    expected: float
    """what the mean should be"""
    max: float
    """the most requests that a single one stands for"""
    share_below_1pct: float
    """share of the requests whose logged model had a propensity below 0.01"""
    share_above_tau: float
    """share of the requests that stand for more than Switch-DR's limit, in any step of a chain"""

    @property
    def doubtful(self) -> bool:
        """The mean is surely not what is due, and not by a trifle."""
        ratio = self.mean.value / self.expected if self.expected > 0 else math.nan
        mean, off = self.mean, self.mean.value - self.expected
        reach = mean.value - mean.low if off > 0 else mean.high - mean.value
        return abs(off) > SURELY * reach and not 1 / DOUBTFUL <= ratio <= DOUBTFUL

    @property
    def impossible(self) -> bool:
        """No estimate could rest on such weights."""
        due, mean = self.expected, self.mean
        return due > 0 and (
            mean.low > IMPOSSIBLE * due
            or mean.high < due / IMPOSSIBLE
            or mean.value > UNHEARD_OF * due
        )

    @property
    def words(self) -> str:
        """``a mean of 1.31 [1.22, 1.40] where 1 is due``."""
        return f"a mean of {number_interval(self.mean)} where {number(self.expected)} is due"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "mean": as_json.plain(self.mean.value),
            "mean_ci95": [as_json.plain(self.mean.low), as_json.plain(self.mean.high)],
            "expected_mean": as_json.plain(self.expected),
            "max": as_json.plain(self.max),
            "share_below_1pct": as_json.plain(self.share_below_1pct),
            "share_above_tau": as_json.plain(self.share_above_tau),
            "doubtful": self.doubtful,
        }


def weights_of(evidence: Evidence, rows: NDArray[np.intp], tau: float = TAU) -> Weights:
    """The weights of these requests under the policy."""
    weight, log = evidence.weight()[rows], evidence.log
    about = Estimated(float(weight.mean()) if len(rows) else math.nan, weight)
    mean = interval(about, np.ones(len(rows)), weight, clusters_of(log, rows))
    if mean.low < 0:
        mean = replace(mean, low=0.0)
    heavy = weight > tau
    for rest in evidence.episodes.rests:
        heavy |= rest.weight[rows] > tau
    return Weights(
        mean=mean,
        expected=1 - float(evidence.episodes.silent[rows].mean()) if len(rows) else math.nan,
        max=float(weight.max(initial=0.0)),
        share_below_1pct=float((log.propensities.logged[rows] < 0.01).mean()),
        share_above_tau=float(heavy.mean()),
    )


def refuse_impossible(evidence: Evidence, weights: Weights) -> None:
    """Raise where no estimate could rest on the weights.

    Raises:
        DataError: The propensities were given.
        SupportError: They were estimated.
    """
    if not weights.impossible:
        return
    name, policy = evidence.log.dataset.name, evidence.target.policy.policy
    text = (
        f"dataset {name!r}: {{}} wrong, and no estimate could rest on them: under {policy} the"
        f" weights have {weights.words}; allowed: {{}}"
    )
    source = evidence.log.propensities.source
    if source == "estimated":
        raise SupportError(
            text.format(
                "the propensities that were estimated from the requests are",
                "a request column 'propensity' that states them, or the policy that served the log"
                " (--logged-by)",
            ),
            evidence.support.slices,
        )
    if source == "policy":
        raise DataError(
            text.format(
                "the propensities of the policy that is said to have served it are",
                "the policy that served this log (--logged-by), a log of first calls only",
            )
        )
    raise DataError(
        text.format(
            "the propensities that it states are",
            "in column 'propensity' the probability with which the model that served the request"
            " was to be asked, or the policy that served the log (--logged-by)",
        )
    )
