"""How many requests a logged outcome stands for, when a router learns from one outcome per request.

A log shows a model the requests that somebody thought fit for it. Weighted by one over the
probability with which it was asked, what a model did stands for what it would do on all requests.
The probability is the log's own column ``propensity``, or estimated as for any other estimate from
a log (``evaluate/offpolicy/propensities.py``).

- Weights are times the model's share of the log, so that they average 1 within a model and a
  router shrinks as much as it would without them; and no outcome stands for more than CLIP of its
  own kind, which costs some truth for far less noise.
- Weights help where the log chose by something that the router does not read: on logs of BFCL that
  went by category, a router of lengths gains 1.7 to 2.8 points of quality at equal cost, in 20 of
  20 seeds. Where the router reads what the log chose by, they only add noise: it loses 0.3 points
  (``tests/test_router_logged.py``). Which of the two a log is, ``weighing.py`` finds out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate import as_json
from toolkit.evaluate.format import count, number, percent
from toolkit.evaluate.offpolicy.actions import logged_actions
from toolkit.evaluate.offpolicy.nuisance import design
from toolkit.evaluate.offpolicy.propensities import FLOOR, propensities
from toolkit.evaluate.routers.draws import Floats
from toolkit.logs.dataset import Dataset

Source: TypeAlias = Literal["stated", "estimated"]

CLIP = 10.0
"""The most outcomes of its model that one outcome stands for."""


@dataclass(frozen=True, eq=False)
class LogWeights:
    """Of the n requests of a log."""

    source: Source
    weight: Floats
    """(n, m) of the outcome that the log has; 0 where it has none"""
    propensity: Floats
    """(n, m) with which the model was asked that was asked; NaN for others"""
    models: tuple[str, ...]
    clipped: float
    """share of the outcomes that stand for no more than CLIP, though they should"""
    deterministic: bool
    """nothing was left to chance, so that no weight can say what the other models would have
    done"""

    @property
    def even(self) -> bool:
        """Every outcome stands for as many requests."""
        some = self.weight[self.weight > 0]
        return not some.size or bool(np.ptp(some) <= 1e-9 * some.max())

    @property
    def effective(self) -> Floats:
        """(m,) outcomes with even weights that tell as much (Kish's effective sample size)."""
        square = np.square(self.weight).sum(axis=0)
        total = np.square(self.weight.sum(axis=0))
        return np.asarray(np.divide(total, square, out=np.zeros(len(square)), where=square > 0))

    @property
    def outcomes(self) -> NDArray[np.intp]:
        """(m,) outcomes in the log."""
        return np.asarray(np.count_nonzero(self.weight, axis=0))

    @property
    def words(self) -> str:
        """Where the weights come from and what they cost, in a sentence."""
        if self.deterministic:
            return (
                "Nothing in this log was left to chance: each model is known only on the requests"
                " that it was given, and no weights can mend that."
            )
        where = {
            "stated": "from the log's column 'propensity'",
            "estimated": "estimated from the requests",
        }[self.source]
        there = np.flatnonzero(self.outcomes)
        worst = int(there[(self.effective[there] / self.outcomes[there]).argmin()])
        text = (
            f"Outcomes are weighted by one over the probability of the model that served"
            f" ({where}); those of {self.models[worst]} tell as much as"
            f" {count(int(self.effective[worst]))} of its {count(int(self.outcomes[worst]))} with"
            " even weights would"
        )
        if self.clipped:
            text += f"; {percent(self.clipped)} are held at {number(CLIP)} times their share"
        return text + "."

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "source": self.source,
            "clipped": as_json.plain(self.clipped),
            "deterministic": self.deterministic,
            "models": [
                {"model": m, "outcomes": int(n), "effective": float(e)}
                for m, n, e in zip(self.models, self.outcomes, self.effective, strict=True)
            ],
            "words": self.words,
        }


def log_weights(
    dataset: Dataset, models: Sequence[str] | None = None, *, clip: float = CLIP, seed: int = 0
) -> LogWeights:
    """The weights of a log's outcomes; of ``models`` in this order, all if not said.

    Without anything left to chance all weights are 1.

    Raises:
        DataError: The dataset is not a log of one outcome per request, or its propensities are no
            probabilities.
    """
    action = logged_actions(dataset)
    found = propensities(dataset, action, design(dataset, seed=seed))
    names = tuple(models or dataset.models)
    rows = np.arange(len(action))
    chance = np.full(dataset.observed.shape, np.nan)
    chance[rows, action] = np.maximum(found.logged, FLOOR)
    chance = chance[:, [dataset.models.index(name) for name in names]]
    weight, clipped = inverse(chance, clip)
    if found.deterministic:
        weight, clipped = (~np.isnan(chance)).astype(np.float64), 0.0
    source: Source = "stated" if found.source == "stated" else "estimated"
    return LogWeights(source, weight, chance, names, clipped, found.deterministic)


def inverse(chance: Floats, clip: float = CLIP) -> tuple[Floats, float]:
    """Weights (n, m) by inverse propensity ``chance`` (n, m), NaN where nothing was observed.

    Within each model their mean is 1 and none is above ``clip``; also the share that would be.
    """
    there = ~np.isnan(chance)
    raw = np.where(there, 1 / np.where(there, chance, 1.0), 0.0)
    n = np.maximum(there.sum(axis=0), 1)
    for _ in range(5):  # held at the clip, the others rise to keep the mean
        mean = raw.sum(axis=0) / n
        weight = np.divide(raw, mean, out=np.zeros(raw.shape), where=mean > 0)
        over = weight > clip * (1 + 1e-9)
        if not over.any():
            break
        raw = np.where(over, clip * mean, raw)
    weight = np.minimum(weight, clip)
    first = np.where(there, 1 / np.where(there, chance, 1.0), 0.0)
    share = float((first > clip * first.sum(axis=0) / n)[there].mean()) if there.any() else 0.0
    return weight, share
