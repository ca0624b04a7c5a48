"""How similar is similar enough? A cache's hits and savings against its wrong answers.

A hit is wrong where the cached answer was wrong, or where the two requests have different right
answers. Where nobody knows that, it is neither right nor wrong, and is counted as unknown. The
first share includes what the model gets wrong by itself; the second is the cache's doing alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.cache.keys import cache_keys
from toolkit.engine.decide import check_seed
from toolkit.errors import DataError, did_you_mean
from toolkit.evaluate import as_json
from toolkit.evaluate.cache_point import CachePoint, measure
from toolkit.evaluate.cache_trial import trial
from toolkit.evaluate.cache_words import caveats, recommendation, verdict
from toolkit.evaluate.format import (
    count,
    html_list,
    html_table,
    number,
    percent,
    percent_interval,
    usd_interval,
)
from toolkit.evaluate.intervals import RESAMPLES, Estimate
from toolkit.policy.guards import Cache
from toolkit.schema import PROMPT

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from toolkit.logs.datasets import Dataset

THRESHOLDS = (0.6, 0.7, 0.75, 0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)
TOLERANCE = 0.01


@dataclass(frozen=True, eq=False)
class CacheRoc:
    """One point per threshold, the exact cache beside them, and where to stand."""

    dataset: str
    simulated: bool
    model: str
    """the one behind the cache"""
    requests: int
    """on which it was observed"""
    distinct: int
    """different requests among all of the dataset's, in the sense of the exact cache"""
    model_wrong_rate: float
    """1 less the mean quality of the model's answers; NaN where none is graded"""
    tolerance: float
    exact: CachePoint
    points: tuple[CachePoint, ...]
    """semantic, from the lowest threshold"""
    recommended: float | None
    """the lowest threshold at which wrong answers are surely no more than tolerated"""
    reason: str
    """why this one, or why none"""
    recommended_alone: float | None
    """the same for answers that are wrong through the cache alone"""
    reason_alone: str
    caveats: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """The result in words."""
        return verdict(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        out = {f.name: getattr(self, f.name) for f in fields(self)}
        out["model_wrong_rate"] = as_json.plain(self.model_wrong_rate)
        out["exact"] = self.exact.to_dict()
        out["points"] = [point.to_dict() for point in self.points]
        out["caveats"] = list(self.caveats)
        return {"verdict": self.verdict} | out

    def to_pandas(self) -> pd.DataFrame:
        """A row per cache, the exact one last; intervals as NAME_low and NAME_high."""
        import pandas as pd

        records = []
        for point in (*self.points, self.exact):
            record: dict[str, Any] = {}
            for f in fields(point):
                value = getattr(point, f.name)
                if isinstance(value, Estimate):
                    record |= {f.name: value.value, f"{f.name}_n": value.n}
                    record |= {f"{f.name}_low": value.low, f"{f.name}_high": value.high}
                else:
                    record[f.name] = value
            records.append(record)
        return pd.DataFrame(records)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The points as texts, under ``HEAD``."""
        return [
            (
                "exact" if point.kind == "exact" else number(point.threshold),
                count(point.hits),
                percent_interval(point.hit_rate),
                percent_interval(point.saved_share),
                usd_interval(point.saved_usd_per_1k),
                percent_interval(point.wrong_rate),
                percent_interval(point.other_answer_rate),
                percent(point.unknown_share),
            )
            for point in (*self.points, self.exact)
        ]

    def _repr_html_(self) -> str:
        caption = (
            f"{self.model} behind a cache on {count(self.requests)} requests of {self.dataset}"
        )
        caption += " (simulated data)" if self.simulated else ""
        return html_table(HEAD, self.rows, caption) + html_list((self.verdict, *self.caveats))

    def figure(self) -> go.Figure:
        """Hit rate and saved cost against wrong answers."""
        from toolkit.figures.cache_roc import cache_roc_figure

        return cache_roc_figure(self)


HEAD = (
    "threshold",
    "hits",
    "hit rate [95 %]",
    "saved cost",
    "saved per 1k",
    "wrong of hits",
    "through the cache",
    "unknown",
)


def cache_roc(
    dataset: Dataset,
    thresholds: Sequence[float] = THRESHOLDS,
    tolerance: float = TOLERANCE,
    cache: Cache | None = None,
    model: str | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> CacheRoc:
    """Try a semantic cache at each threshold (0.5 to 1), and an exact one, before one model.

    ``cache`` states key and scope columns, size, time to live and price of a look-up; None: the
    default columns, without limit and for nothing. ``model`` is a name in the log; None: the one
    of the highest mean quality. The recommended threshold is the lowest at which the upper end of
    the wrong answers' 95 % interval is at most ``tolerance``, unless a higher one is surely worse
    than that.

    Raises:
        DataError: No such model, a threshold or tolerance out of range, no prompts, or too many
            distinct requests to compare.
        PolicyError: ``cache`` names a column that the requests do not have.
    """
    check_seed(seed)
    grid = _checked(dataset, thresholds, tolerance, cache)
    column = _model(dataset, model)
    ttl_s = cache.ttl_s if cache else math.inf
    most = cache.max_entries if cache else max(dataset.n_requests, 1)
    settings = (cache or Cache()).to_data()
    stated: list[dict[str, Any]] = [
        {"kind": "semantic", "threshold": threshold} for threshold in grid
    ]
    stated.append({"kind": "exact"})
    # From the lowest: its similarities hold those of all others.
    trials = [
        trial(Cache.model_validate(settings | more), dataset, column, ttl_s, most)
        for more in stated
    ]
    lookup_usd = cache.cost_usd if cache else 0.0
    *points, exact = measure(trials, dataset, column, lookup_usd, resamples, seed)
    model_wrong = _wrong(dataset, column)
    recommended, reason = recommendation(points, "wrong_rate", tolerance, model_wrong)
    alone, reason_alone = recommendation(points, "other_answer_rate", tolerance)
    keys = cache_keys(trials[-1].cache, dataset.requests)
    return CacheRoc(
        dataset=dataset.name,
        simulated=dataset.simulated,
        model=dataset.models[column],
        requests=int(np.count_nonzero(dataset.observed[:, column])),
        distinct=int(keys.max(initial=-1)) + 1,
        model_wrong_rate=model_wrong,
        tolerance=tolerance,
        exact=exact,
        points=tuple(points),
        recommended=recommended,
        reason=reason,
        recommended_alone=alone,
        reason_alone=reason_alone,
        caveats=caveats(dataset, column, points, cache),
    )


def _checked(
    dataset: Dataset, thresholds: Sequence[float], tolerance: float, cache: Cache | None
) -> tuple[float, ...]:
    """The thresholds in order; DataError for what cannot be tried."""
    if not thresholds or not all(0.5 <= threshold <= 1 for threshold in thresholds):
        raise DataError(f"thresholds: got {list(thresholds)}; allowed: numbers from 0.5 to 1")
    if not 0 < tolerance < 1:
        raise DataError(f"tolerance: got {tolerance}; allowed: a share of hits between 0 and 1")
    if cache is None and PROMPT not in dataset.requests.column_names:
        raise DataError(
            f"dataset {dataset.name!r}: a cache compares prompts, and its requests have none;"
            f" got the columns {', '.join(dataset.requests.column_names)}"
        )
    return tuple(sorted(set(map(float, thresholds))))


def _model(dataset: Dataset, model: str | None) -> int:
    """The column of the model; None: the one of the highest mean quality, else the first."""
    if model is None:
        wrong = [_wrong(dataset, column) for column in range(dataset.n_models)]
        return int(np.nanargmin(wrong)) if not np.isnan(wrong).all() else 0
    if model not in dataset.models:
        allowed = did_you_mean(model, dataset.models)
        raise DataError(f"dataset {dataset.name!r} has no model {model!r}; allowed: {allowed}")
    return dataset.models.index(model)


def _wrong(dataset: Dataset, model: int) -> float:
    """1 less the mean quality of a model; NaN without grades."""
    graded = dataset.quality[~np.isnan(dataset.quality[:, model]), model]
    return 1 - float(graded.mean()) if dataset.graded and len(graded) else math.nan
