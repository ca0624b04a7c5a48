"""Stand-ins for what a log with one outcome per request does not hold.

Each outcome becomes what the router of its fold foretold, corrected where the log knows better by
the difference, times one over the probability of having been asked (doubly robust; Dudík et al.
2011). The mean over the requests that a rule sends to each model is then the rule's value without
bias, if the probabilities are right, or the forecasts are. One stand-in alone means nothing: it may
lie outside of 0..1, and the best of several is no oracle.
"""

from __future__ import annotations

import numpy as np

from toolkit.evaluate.intervals import Floats

HEAVIEST = 100.0
"""No outcome corrects for more requests than this."""


def stand_ins(predicted: Floats, observed: Floats, propensity: Floats) -> Floats:
    """What stands for each outcome, (n, m), from forecasts, outcomes (NaN: none) and propensities.

    All are (n, m); a model without any forecast has its outcomes alone.
    """
    weight = np.minimum(1 / propensity, HEAVIEST)
    correction = weight * (observed - predicted)
    return np.asarray(predicted + np.where(np.isnan(correction), 0.0, correction))
