"""A trained router with what it is worth on requests that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import DataError, did_you_mean
from toolkit.evaluate.curves.hull import Floats
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.routers.curve import AiqScores, CurvePoint, RouterCurve
from toolkit.evaluate.routers.folds import Folds
from toolkit.evaluate.routers.money import Money, money_of
from toolkit.evaluate.routers.pairs import PairScores
from toolkit.evaluate.routers.rivals import Rival, RivalPoint

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from toolkit.evaluate.routers.calibration import Calibration
    from toolkit.evaluate.routers.floor import Floor
    from toolkit.evaluate.routers.importance import Importance
    from toolkit.evaluate.routers.later import Later
    from toolkit.evaluate.routers.learning import LearningCurve
    from toolkit.evaluate.routers.slices import RouterSlices
    from toolkit.evaluate.routers.weighing import Weighing
    from toolkit.evaluate.routers.weights import LogWeights
    from toolkit.learn.registry import RouterEntry
    from toolkit.learn.router import QualityRouter
    from toolkit.logs.dataset import Dataset
    from toolkit.policy.model import Policy

__all__ = [
    "AiqScores",
    "CurvePoint",
    "Folds",
    "PairScores",
    "Rival",
    "RivalPoint",
    "RouterCurve",
    "Training",
]


View: TypeAlias = Literal["curve", "rivals", "reliability", "learning", "importance"]
VIEWS: tuple[View, ...] = ("curve", "rivals", "reliability", "learning", "importance")


@dataclass(frozen=True, eq=False)
class Training:
    """A router, and what it does out of fold: each request judged by a router that did not see it.

    The router itself has learned from all n requests. Arrays have a row for each of these.
    """

    dataset: Dataset
    models: tuple[str, ...]
    """(m) names in the log"""
    rows: NDArray[np.intp]
    """(n,) rows of the dataset: those with at least one graded outcome of these models"""
    judged: NDArray[np.bool_]
    """(n,) in a fold, and graded for all of these models: what every figure is over. Of a log with
    one outcome per request: in a fold"""
    settings: dict[str, Any]
    """text, columns, head, calibration, split, folds, seed, weights, details as given"""
    router: QualityRouter
    """fitted on all n requests"""
    quality: Floats
    """(n, m) as observed, an error as 0, NaN where not"""
    cost_usd: Floats
    """(n, m)"""
    predicted: Floats
    """(n, m) probability that the answer is accepted and correct, out of fold; NaN in no fold"""
    predicted_cost: Floats
    """(n, m) USD, out of fold; NaN for a model without costs"""
    novelty: Floats
    """(n,) how far from all that its fold's router has seen, 0..1"""
    folds: Folds
    curve: RouterCurve
    """by ``tradeoff_usd_per_point``; without points where there are no costs"""
    thresholds: RouterCurve
    """by ``min_quality``, 0 to 1"""
    rivals: tuple[Rival, ...]
    """the single models, random mix, zero router, nearest neighbours, lookup table (where there is
    a column to look up), oracle (not of a log with one outcome per request)"""
    pair: PairScores | None
    """where there are two models"""
    aiq: AiqScores | None
    """where there are costs"""
    calibration: tuple[Calibration, ...]
    """of each model, out of fold"""
    slices: RouterSlices | None
    learning: LearningCurve | None
    importance: tuple[Importance, ...]
    leaks: tuple[str, ...]
    floor: Floor | None
    """what quality can be promised; not of a log with one outcome per request"""
    later: Later | None
    """whether it holds for later requests, where times are known and folds mix them; this and the
    five before it are left out without ``details``"""
    warnings: tuple[str, ...]
    """with the leaks"""
    verdict: str
    assumptions: tuple[str, ...]
    seconds: float
    """of the training and its evaluation"""
    logged: LogWeights | None = None
    """of a log with one outcome per request"""
    weighing: Weighing | None = None
    """whether it learned with these weights; None where it did not ask"""

    @property
    def n(self) -> int:
        """Requests that were learned from."""
        return len(self.rows)

    @property
    def n_judged(self) -> int:
        """Requests behind the figures."""
        return int(self.judged.sum())

    @property
    def estimated(self) -> bool:
        """One outcome per request was logged: figures are doubly robust estimates."""
        return self.logged is not None

    @property
    def simulated(self) -> bool:
        """The data was made up by a simulation."""
        return self.dataset.simulated

    @property
    def money(self) -> Money:
        """How its costs are written for people."""
        return money_of(
            one.point.cost_usd_per_1k.value for one in self.rivals if one.kind == "single"
        )

    @property
    def dataset_digest(self) -> str:
        """SHA-256 of the dataset."""
        return self.dataset.digest

    def rival(self, kind: str) -> Rival | None:
        """The rival of a kind (of single models the best), if there is one."""
        found = [one for one in self.rivals if one.kind == kind]
        return max(found, key=lambda one: one.point.quality.value) if found else None

    def to_dict(self) -> dict[str, Any]:
        """JSON values; an undefined number is None."""
        from toolkit.evaluate.routers.report import as_dict

        return as_dict(self)

    def to_pandas(self) -> pd.DataFrame:
        """One row per point of the curve (of the thresholds where there are no costs)."""
        import pandas as pd

        curve = self.curve if self.curve.points else self.thresholds
        return pd.DataFrame(
            [
                {
                    curve.knob: p.value,
                    **_columns("cost_usd_per_1k", p.cost_usd_per_1k),
                    **_columns("quality", p.quality),
                    "zero_router": p.zero_router,
                    **_columns("gain", p.gain),
                    **dict(zip(self.models, p.shares, strict=True)),
                }
                for p in curve.points
            ]
        ).set_index(curve.knob)

    def figure(
        self, view: View = "curve", *, at: CurvePoint | None = None, model: str | None = None
    ) -> go.Figure:
        """Draw the curve among its rivals, with the setting ``at``; or another ``view`` of it.

        These are "rivals" (paired differences), "reliability" (of ``model``, the first if not
        given), "learning" (by requests learned from) and "importance" (of what is read).

        Raises:
            DataError: There is no such view, or no such model.
        """
        from toolkit import figures

        if view not in VIEWS:
            allowed = ", ".join(map(repr, VIEWS))
            raise DataError(f"view: there is no such figure; got {view!r}; allowed: {allowed}")
        if view == "reliability" and model is not None and model not in self.models:
            raise DataError(
                f"model: the router does not know it; got {model!r}; allowed: "
                + did_you_mean(model, list(self.models))
            )
        drawn = {
            "curve": lambda: figures.router_figure(self, at),
            "rivals": lambda: figures.rivals_figure(self),
            "reliability": lambda: figures.reliability_figure(
                self.calibration, model or self.models[0]
            ),
            "learning": lambda: figures.learning_figure(self.learning),
            "importance": lambda: figures.importance_figure(self.importance),
        }
        return drawn[view]()

    def _repr_html_(self) -> str:
        from toolkit.evaluate.routers.rows import as_html

        return as_html(self)

    def save(self, name: str, promote: bool | None = None) -> RouterEntry:
        """Keep the router in the registry, with a card that tells all this.

        The first version of a name becomes the current one, a later one only with ``promote``.

        Raises:
            DataError: The name is not plain, or the folder cannot be written.
        """
        from toolkit.evaluate.routers.report import card
        from toolkit.learn.registry import save_router

        return save_router(self.router, name, card(self), promote=promote)

    def policy(
        self,
        name: str,
        *,
        min_quality: float | None = None,
        max_cost_usd: float | None = None,
        tradeoff_usd_per_point: float | None = None,
        fallbacks: int = 2,
        abstain_above: float = 0.99,
    ) -> Policy:
        """A policy that routes by the saved router ``name``; exactly one of the three rules.

        What the router has seen nothing like goes to the best single model.

        Raises:
            PolicyError: There is not exactly one rule, or a value is not allowed.
        """
        from toolkit.policy.model import Policy

        rule = {
            "name": name,
            "min_quality": min_quality,
            "max_cost_usd": max_cost_usd,
            "tradeoff_usd_per_point": tradeoff_usd_per_point,
            "fallbacks": fallbacks,
            "abstain_above": abstain_above,
        }
        best = self.rival("single")
        assert best is not None  # there are two at least
        return Policy.model_validate(
            {
                "policy": f"routed by {name}",
                "models": {model: {} for model in self.models},
                "routes": [
                    {
                        "name": "learned",
                        "when": {"request_id": {"exists": True}},
                        "router": {key: value for key, value in rule.items() if value is not None},
                    }
                ],
                "default": "best",
                "chains": {"best": {"steps": [{"model": best.name}]}},
            }
        )

    def lookup_policy(
        self, *, tradeoff_usd_per_point: float | None = None, fallbacks: int = 2
    ) -> Policy:
        """A policy with the rules of the lookup table, made of all requests: it needs no router.

        Without a setting it has the cheapest that is as good as the best single model.

        Raises:
            DataError: There is no column to look up.
            PolicyError: The setting is not allowed.
        """
        from toolkit.evaluate.routers.table_policy import table_policy

        return table_policy(
            self, tradeoff_usd_per_point=tradeoff_usd_per_point, fallbacks=fallbacks
        )


def _columns(name: str, e: Estimate) -> dict[str, float]:
    return {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}
