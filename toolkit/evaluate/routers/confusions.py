"""Whom a router asked, and whom it should have asked: where it is wrong, and what that costs.

Out of fold, of the first model that is asked. Should have been asked is the cheapest of those whose
answer to that very request was the best: what the oracle does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate import as_json
from toolkit.evaluate.curves.hull import Floats
from toolkit.evaluate.intervals import Estimate, wilson
from toolkit.learn.choose import first
from toolkit.policy.router_rule import RouterRule
from toolkit.schema import CATEGORY, PROMPT, REQUEST_ID

if TYPE_CHECKING:
    import pandas as pd

    from toolkit.evaluate.routers.training import Training

Kind: TypeAlias = Literal["worse", "dearer", "nobody", "right"]
KINDS: tuple[Kind, ...] = ("worse", "dearer", "nobody", "right")
"""Another model answered better; another answered as well for less; no model was right; neither."""
SAME = 1e-9
"""Qualities that differ by less are the same."""


@dataclass(frozen=True)
class Confusion:
    """Requests of one kind that went to one model and should have gone to another."""

    kind: Kind
    asked: str
    better: str
    requests: int
    share: Estimate
    """of all that are judged, 0..1"""
    quality_lost: float
    """mean, per request of these"""
    overspent_usd_per_1k: float
    """mean, per 1,000 requests of these; NaN where costs are not known"""

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "kind": self.kind,
            "asked": self.asked,
            "better": self.better,
            "requests": self.requests,
            **as_json.estimates({"share": self.share}),
            "quality_lost": as_json.plain(self.quality_lost),
            "overspent_usd_per_1k": as_json.plain(self.overspent_usd_per_1k),
        }


@dataclass(frozen=True, eq=False)
class Confusions:
    """The k judged requests of a training under one rule."""

    training: Training
    rule: RouterRule
    position: NDArray[np.intp]
    """(k,) among the rows of the training"""
    asked: NDArray[np.intp]
    """(k,) index of the model that is asked first"""
    better: NDArray[np.intp]
    """(k,) index of the cheapest of the models with the best answer"""
    kind: NDArray[np.intp]
    """(k,) index into KINDS"""

    @property
    def n(self) -> int:
        """Requests that are judged."""
        return len(self.position)

    def share(self, kind: Kind) -> Estimate:
        """How many of the requests are of a kind."""
        return _share(int((self.kind == KINDS.index(kind)).sum()), self.n)

    @cached_property
    def pairs(self) -> tuple[Confusion, ...]:
        """What is wrong by the model asked and the one that should have been, most first."""
        m, t = len(self.training.models), self.training
        code = (self.kind * m + self.asked) * m + self.better
        found = []
        lost, over = self._lost, self._overspent
        for one in np.unique(code[self.kind < KINDS.index("nobody")]):
            of = code == one
            kind, asked, better = one // (m * m), one // m % m, one % m
            found.append(
                Confusion(
                    KINDS[kind],
                    t.models[asked],
                    t.models[better],
                    int(of.sum()),
                    _share(int(of.sum()), self.n),
                    float(lost[of].mean()),
                    1000 * float(over[of].mean()),
                )
            )
        return tuple(sorted(found, key=lambda c: (KINDS.index(c.kind), -c.requests)))

    @property
    def _lost(self) -> Floats:
        """(k,) quality of the best answer minus that of the one asked for."""
        quality = self.training.quality[self.position]
        row = np.arange(self.n)
        return np.asarray(quality[row, self.better] - quality[row, self.asked])

    @property
    def _overspent(self) -> Floats:
        """(k,) USD more than the best answer from the cheapest model cost."""
        cost = self.training.cost_usd[self.position]
        row = np.arange(self.n)
        return np.asarray(cost[row, self.asked] - cost[row, self.better])

    def to_pandas(self, kind: Kind | None = None) -> pd.DataFrame:
        """A row per judged request, the worst and most surely mistaken first.

        Columns: request_id, category and prompt where there are such, kind, asked, predicted (its
        probability), quality, better, better_predicted, better_quality, cost_usd, better_cost_usd.
        """
        import pandas as pd

        t, at, row = self.training, self.position, np.arange(self.n)
        requests = t.dataset.requests
        names = np.array(t.models, dtype=object)
        quality, predicted, cost = t.quality[at], t.predicted[at], t.cost_usd[at]
        own = [name for name in (REQUEST_ID, CATEGORY, PROMPT) if name in requests.column_names]
        frame = requests.select(own).take(t.rows[at]).to_pandas().reset_index(drop=True)
        more = pd.DataFrame(
            {
                "kind": np.array(KINDS, dtype=object)[self.kind],
                "asked": names[self.asked],
                "predicted": predicted[row, self.asked],
                "quality": quality[row, self.asked],
                "better": names[self.better],
                "better_predicted": predicted[row, self.better],
                "better_quality": quality[row, self.better],
                "cost_usd": cost[row, self.asked],
                "better_cost_usd": cost[row, self.better],
            }
        )
        order = np.lexsort((-predicted[row, self.asked], -self._lost, self.kind))
        if kind is not None:
            order = order[self.kind[order] == KINDS.index(kind)]
        found: pd.DataFrame = pd.concat([frame, more], axis=1).iloc[order].reset_index(drop=True)
        return found


def confusions(training: Training, rule: RouterRule) -> Confusions | None:
    """Hold whom the rule asks against the oracle; None for a log with one outcome per request."""
    at = np.flatnonzero(training.judged)
    quality = training.quality[at]
    if training.estimated or not at.size or np.isnan(quality).any():
        return None
    cost, row = training.cost_usd[at], np.arange(len(at))
    asked = first(training.predicted[at], training.predicted_cost[at], rule)
    best = quality >= quality.max(axis=1, keepdims=True) - SAME
    priced = np.where(best, np.where(np.isnan(cost), np.inf, cost), np.nan)
    # Where no cost is known, the best that was asked is as good as any.
    cheapest = best & (priced <= np.nanmin(priced, axis=1, keepdims=True))
    better = np.where(cheapest[row, asked], asked, cheapest.argmax(axis=1))
    nobody = quality.max(axis=1) <= SAME
    kinds = [~nobody & ~best[row, asked], ~nobody & (better != asked), nobody]
    kind = np.select(kinds, [KINDS.index(k) for k in ("worse", "dearer", "nobody")], 3)
    return Confusions(training, rule, at, asked, better, kind.astype(np.intp))


def _share(some: int, n: int) -> Estimate:
    if not n:
        return Estimate(float("nan"))
    return Estimate(some / n, *wilson(some / n, n), n, 1.0)
