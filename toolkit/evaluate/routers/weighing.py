"""Whether a router of a log should learn with weights, decided by requests that it has not seen.

Weights help where the log chose by something that the router does not read, and only add noise
where it reads that (``weights.py``). Which of the two a log is, the outcomes tell: routers that
learned with weights and routers that learned without foretell the folds, and the log loss of what
they foretell, with weights either way so that it stands for all requests, says who comes nearer.
A fold is foretold by what was better on the *other* folds (of folds by time, on the earlier ones),
so that no request has a say in how it is judged itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluate import as_json
from toolkit.evaluate.format import number
from toolkit.evaluate.intervals import Floats
from toolkit.evaluate.routers.folds import Folds
from toolkit.evaluate.routers.net import log_loss
from toolkit.evaluate.routers.outcomes import Outcomes
from toolkit.evaluate.routers.unseen import Unseen, unseen_of

if TYPE_CHECKING:
    from toolkit.learn.router import QualityRouter


@dataclass(frozen=True)
class Weighing:
    """What was learned with, of a log of one outcome per request."""

    weighted: bool
    """the router that is kept learned with weights"""
    loss_with: float
    """log loss out of fold of routers that learned with weights; weighted"""
    loss_without: float
    """the same of routers that learned without"""
    by_fold: tuple[bool, ...]
    """whether the router of each fold learned with weights"""

    @property
    def words(self) -> str:
        """What was taken and why, in a sentence."""
        taken = "with these weights" if self.weighted else "without these weights"
        # With more digits, where three do not tell them apart.
        more = next((d for d in range(4) if self._said(d)[0] != self._said(d)[1]), 0)
        one, other = self._said(more)
        if one == other:
            return f"The router learned {taken}: without them it foretells as well ({one})."
        return (
            f"The router learned {taken}: on requests that it had not seen the weighted log loss is"
            f" {one} with them and {other} without."
        )

    def _said(self, more: int) -> tuple[str, str]:
        return number(self.loss_with, more), number(self.loss_without, more)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "weighted": self.weighted,
            "log_loss_with": as_json.plain(self.loss_with),
            "log_loss_without": as_json.plain(self.loss_without),
            "by_fold": list(self.by_fold),
            "words": self.words,
        }


def weighing(
    found: Outcomes,
    folds: Folds,
    make: Callable[[], QualityRouter],
    weight: Floats,
    progress: Callable[[int, int], None],
) -> tuple[Unseen, Weighing]:
    """Foretell every fold with and without ``weight`` (n, m), and take what is better elsewhere."""

    def half(which: int) -> Callable[[int, int], None]:
        return lambda done, of: progress(which * of + done, 2 * of)

    weights = (weight, np.ones(weight.shape))
    both = [unseen_of(found, folds, make, w, half(i)) for i, w in enumerate(weights)]
    judging = np.where(np.isnan(found.quality), 0.0, weight).sum(axis=1)
    loss = np.stack([log_loss(one.quality, found.quality, weight) for one in both])
    there = ~np.isnan(loss).any(axis=0)

    def mean(rows: np.ndarray[Any, np.dtype[np.bool_]]) -> Floats:
        """(2,) with and without; NaN where nothing is known."""
        rows = rows & there
        total = judging[rows].sum()
        return np.asarray(loss[:, rows] @ judging[rows] / total if total > 0 else [np.nan] * 2)

    def better(losses: Floats) -> bool:
        """With weights, unless they are surely no help."""
        return not losses[1] < losses[0]

    by_fold = []
    for fold in range(folds.count):
        earlier = folds.code < fold if folds.kind == "time" else folds.code != fold
        by_fold.append(better(mean(earlier & (folds.code >= 0))))
    taken = np.where(np.array(by_fold)[folds.code], 0, 1)
    rows = np.arange(len(taken))
    unseen = Unseen(
        np.stack([one.quality for one in both])[taken, rows],
        np.stack([one.cost_usd for one in both])[taken, rows],
        np.stack([one.novelty for one in both])[taken, rows],
        tuple(both[0 if w else 1].routers[fold] for fold, w in enumerate(by_fold)),
    )
    with_, without = mean(folds.code >= 0).tolist()
    return unseen, Weighing(better(np.array([with_, without])), with_, without, tuple(by_fold))
