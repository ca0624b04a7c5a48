"""A scikit-learn estimator that says how probably each model would serve a request well.

What it keeps are scikit-learn's plain parameters, dictionaries, lists, strings and NumPy arrays,
and one :class:`~toolkit.learn.novelty.Familiar`: nothing else appears in a file of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import BaseEstimator  # type: ignore[import-untyped]
from sklearn.utils import Tags  # type: ignore[import-untyped]
from sklearn.utils.validation import (  # type: ignore[import-untyped]
    check_is_fitted,
    validate_data,
)

from toolkit.errors import DataError
from toolkit.learn.calibrate import calibrated, learn_curve
from toolkit.learn.costs import amounts, learn_amounts
from toolkit.learn.features import Features, feature_names, learn_features, make_features
from toolkit.learn.heads import (
    HEADS,
    MANY,
    RIDGE,
    RIDGES,
    fit_head,
    fit_unseen,
    parts_of,
    score,
    settled,
)
from toolkit.learn.novelty import Familiar
from toolkit.learn.tables import as_table, is_rows
from toolkit.schema import REQUEST_ID

Floats = NDArray[np.float64]

LEAST = 10
"""Observed requests that a model needs for more than its mean."""
_PRIOR = 5.0
"""Requests' worth of the overall mean in the mean of a model that was hardly observed."""
_HEAVIEST = 20.0
"""A weight counts no more than this many average ones."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """What is expected of n requests with m models."""

    quality: Floats
    """(n, m) probability 0..1 that the answer is accepted and correct"""
    cost_usd: Floats
    """(n, m) per request; NaN for a model whose costs were not given"""
    latency_s: Floats
    """(n, m) likewise"""
    novelty: Floats
    """(n,) 0..1: the share of training requests that were less unlike the others"""


class QualityRouter(BaseEstimator):  # type: ignore[misc]
    """P(accepted and correct) of every model for a request, calibrated; its cost and latency.

    Args:
        models: names of the m models, in the order of y's columns; numbered if not given.
        text: how the column ``prompt`` is read: "embedding" (WordLlama's), "tfidf" (words and
            pairs of words), "both", None (not), or "auto": "embedding" where there are prompts.
        columns: names of the request columns to read; "auto": all that say what is asked and
            are known before the answer.
        head: "logistic", "boosting", "neighbours", "stack" (two, weighed) or "auto": "stack" of
            fewer than 5,000 requests, where it is best, else "logistic"; see heads.py.
        calibration: "isotonic", "sigmoid" or None.
        folds: of the cross-fitting for calibration and for what is chosen.
        random_state: a seed; the same seed gives the same router.

    Attributes:
        models_: names of the models.
        columns_: what is read of each column, as plain data; ``left_out_`` says why others not.
        head_: what was fitted; its ``kind`` says what "auto" became. Empty: only means are known.
        mean_: (m,) mean quality of each model.
        n_observed_: (m,) requests on which it was observed.
        n_features_in_: columns of the training requests.
        request_ids_: of the remembered training requests, in the order of ``nearest``'s numbers.
    """

    def __init__(
        self,
        models: Sequence[str] | None = None,
        *,
        text: str | None = "auto",
        columns: Sequence[str] | str = "auto",
        head: str = "auto",
        calibration: str | None = "isotonic",
        folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.models = models
        self.text = text
        self.columns = columns
        self.head = head
        self.calibration = calibration
        self.folds = folds
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        cost_usd: Any = None,
        latency_s: Any = None,
    ) -> QualityRouter:
        """Learn from requests and outcomes.

        Args:
            X: n requests: an Arrow table, a DataFrame, a dictionary of columns, a list with a
                dictionary for each, or numbers (n, d).
            y: (n, m) or (n,) quality 0..1, NaN where a model was not observed.
            sample_weight: (n,) or (n, m), such as inverse propensities; cut at twenty times a
                model's average, and rescaled to what the observations are worth.
            cost_usd: (n, m) per request, NaN where unknown.
            latency_s: (n, m) likewise.

        Raises:
            DataError: the requests or the outcomes cannot be used.
        """
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        self._check_parameters()
        requests: Any
        if _is_numbers(X):
            requests = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
            n, ids = len(requests), None
        else:
            requests = as_table(X)
            n, ids = requests.num_rows, None
            self.n_features_in_ = requests.num_columns
            if REQUEST_ID in requests.column_names:
                ids = [str(value) for value in requests[REQUEST_ID].to_pylist()]
        y = _outcomes(y, n)
        m = y.shape[1]
        self.models_ = _names(self.models, m)
        w = _weights(sample_weight, y)
        self.features_, features = learn_features(requests, self.text, self.columns)
        self.columns_ = self.features_["columns"]
        self.left_out_ = self.features_["left_out"]
        self.n_observed_ = np.isfinite(y).sum(0)
        self.mean_ = _means(y, w)
        self.learnt_ = np.flatnonzero([_tells(y[:, j]) for j in range(m)])
        self.head_: dict[str, Any] = {}
        self.curves_: list[dict[str, Any]] = []
        given = np.ones((n, m)) if sample_weight is None else w
        # One thread of linear algebra: the matrices are small, and sums keep their order.
        with threadpool_limits(1):
            if len(self.learnt_):
                self._fit_heads(features, y[:, self.learnt_], w[:, self.learnt_])
            cost, latency = (
                _amount(values, n, m, name)
                for values, name in ((cost_usd, "cost_usd"), (latency_s, "latency_s"))
            )
            self.cost_ = learn_amounts(features.table, cost, given)
            self.latency_ = learn_amounts(features.table, latency, given)
            names = ids or [str(i) for i in range(n)]
            self.familiar_ = Familiar.fit(features.vector, names, int(self.random_state))
        return self

    def _fit_heads(self, features: Features, y: Floats, w: Floats) -> None:
        """Fit on all rows, after scores of rows not fitted on chose and calibrated."""
        seed = int(self.random_state)
        kind = settled(self.head, features)
        kinds, weights = parts_of(kind, features)
        fold = np.random.default_rng(seed).permutation(len(y)) % min(self.folds, len(y))
        self.ridge_ = RIDGE
        if "logistic" in kinds and len(y) < MANY:
            self.ridge_ = _best_ridge(features, y, w, fold)
        left_out = None if self.calibration is None else fold
        found = [fit_unseen(k, features, y, w, seed, self.ridge_, left_out) for k in kinds]
        self.head_ = {"kind": kind, "parts": [head for head, _ in found], "weights": weights}
        out = np.sum([v * unseen for v, (_, unseen) in zip(weights, found, strict=True)], axis=0)
        self.curves_ = [
            learn_curve(out[:, j].copy(), y[:, j], w[:, j], self.calibration)
            for j in range(y.shape[1])
        ]

    def predict(self, X: Any) -> Floats:
        """P(accepted and correct), (n, m)."""
        return self._quality(self._features(X))

    def predict_cost(self, X: Any) -> Floats:
        """Expected cost in USD per request, (n, m); NaN for a model without known costs."""
        return amounts(self.cost_, self._features(X, text=False).table)

    def predict_latency(self, X: Any) -> Floats:
        """Expected latency in seconds, (n, m); NaN for a model without known latencies."""
        return amounts(self.latency_, self._features(X, text=False).table)

    def novelty(self, X: Any) -> Floats:
        """How unlike the training requests each request is, (n,) 0..1: 1 is unlike all."""
        return self.familiar_.novelty(self._features(X).vector)

    def nearest(self, X: Any, k: int = 5) -> tuple[NDArray[np.int64], Floats]:
        """The most similar training requests: row numbers (n, k) and similarities (n, k)."""
        return self.familiar_.nearest(self._features(X).vector, k)

    def forecast(self, X: Any) -> Forecast:
        """All that a decision needs, with the features made once."""
        features = self._features(X)
        return Forecast(
            quality=self._quality(features),
            cost_usd=amounts(self.cost_, features.table),
            latency_s=amounts(self.latency_, features.table),
            novelty=self.familiar_.novelty(features.vector),
        )

    def explain(self, X: Any, k: int = 5) -> dict[str, Any]:
        """Plain data on one request: what is expected, what was read, what is most like it."""
        features = self._features(X)
        if len(features) != 1:
            raise DataError(f"explain: one request at a time; got {len(features)} rows")
        row, similarity = self.familiar_.nearest(features.vector, k)
        ids = dict(zip(self.familiar_.row.tolist(), self.familiar_.ids, strict=True))
        return {
            "models": list(self.models_),
            "quality": self._quality(features)[0].tolist(),
            "cost_usd": amounts(self.cost_, features.table)[0].tolist(),
            "latency_s": amounts(self.latency_, features.table)[0].tolist(),
            "novelty": float(self.familiar_.novelty(features.vector)[0]),
            "nearest": [
                {"request_id": ids[int(i)], "row": int(i), "similarity": float(s)}
                for i, s in zip(row[0], similarity[0], strict=True)
            ],
            "read": dict(zip(self.feature_names_, features.table[0].tolist(), strict=True)),
            "text": self.features_["text"],
        }

    @property
    def request_ids_(self) -> tuple[str, ...]:
        """Ids of the remembered training requests."""
        ids: tuple[str, ...] = self.familiar_.ids
        return ids

    @property
    def feature_names_(self) -> list[str]:
        """What the numbers read of a request are called, but for embedding and words."""
        width = int(self.features_["numbers"]["mean"].size) if "numbers" in self.features_ else 0
        return feature_names(self.features_, width)

    def _features(self, X: Any, *, text: bool = True) -> Features:
        check_is_fitted(self, "familiar_")
        if "numbers" in self.features_:
            X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
            return make_features(self.features_, np.asarray(X, np.float64))
        if _is_numbers(X):
            raise DataError(
                f"requests: columns were learnt; got numbers of shape {np.shape(X)}; allowed: an"
                " Arrow table, a DataFrame, a dictionary of columns, a list of dictionaries"
            )
        return make_features(self.features_, X, vectors=text)

    def _quality(self, features: Features) -> Floats:
        out = np.tile(self.mean_, (len(features), 1))
        if self.head_:
            raw = score(self.head_, features)
            for place, (j, curve) in enumerate(zip(self.learnt_, self.curves_, strict=True)):
                out[:, j] = calibrated(curve, np.ascontiguousarray(raw[:, place]))
        return out

    def _check_parameters(self) -> None:
        for name, got, allowed in (
            ("head", self.head, HEADS),
            ("calibration", self.calibration, ("isotonic", "sigmoid", None)),
        ):
            if got not in allowed:
                raise DataError(f"{name}: got {got!r}; allowed: {', '.join(map(repr, allowed))}")
        if self.folds < 2:
            raise DataError(f"folds: got {self.folds}; allowed: 2 or more")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.input_tags.allow_nan = True
        return tags


def _best_ridge(features: Features, y: Floats, w: Floats, fold: NDArray[np.intp]) -> float:
    """The ridge of the logistic head that fits best on rows not fitted on."""
    losses = []
    for ridge in RIDGES:
        loss = 0.0
        for k in range(fold.max() + 1):
            inner, outer = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            head = fit_head("logistic", features.take(inner), y[inner], w[inner], 0, ridge)
            z = score(head, features.take(outer))
            fit = np.logaddexp(0.0, z) - np.where(w[outer] > 0, y[outer], 0.0) * z
            loss += float((w[outer] * fit).sum())
        losses.append(loss)
    return RIDGES[int(np.argmin(losses))]


def _is_numbers(X: Any) -> bool:
    """Whether requests are a matrix of numbers, which scikit-learn checks, and no columns."""
    sparse = hasattr(X, "tocsr")  # some sparse matrices are dictionaries
    columns = isinstance(X, pa.Table | dict) or hasattr(X, "columns") or is_rows(X)
    return sparse or not columns


def _outcomes(y: Any, n: int) -> Floats:
    got = np.asarray(y, np.float64)
    got = got[:, None] if got.ndim == 1 else got
    if got.ndim != 2 or len(got) != n or not got.shape[1]:
        raise DataError(f"y: got the shape {np.shape(y)}; allowed: ({n}, models) or ({n},)")
    with np.errstate(invalid="ignore"):
        outside = (got < 0) | (got > 1)
    if outside.any():
        i, j = np.argwhere(outside)[0]
        raise DataError(f"y: row {i}, model {j}: got {got[i, j]:g}; allowed: 0 to 1, or NaN")
    return got


def _names(models: Sequence[str] | None, m: int) -> list[str]:
    names = [f"model {j}" for j in range(m)] if models is None else [str(name) for name in models]
    if len(names) != m or len(set(names)) != m:
        raise DataError(f"models: got {len(names)} names; allowed: {m} different ones, one per y")
    return names


def _weights(given: Any, y: Floats) -> Floats:
    """(n, m) per outcome: 0 where not observed, summing to the effective number of outcomes.

    That is Kish's (sum of w)² / sum of w²: uneven weights say less than their number.
    """
    seen = np.isfinite(y)
    w = np.ones(len(y)) if given is None else np.asarray(given, np.float64)
    if w.shape not in ((len(y),), y.shape):
        raise DataError(
            f"sample_weight: got the shape {w.shape}; allowed: ({len(y)},) or {y.shape}"
        )
    w = np.where(seen, w[:, None] if w.ndim == 1 else w, 0.0)
    if not np.isfinite(w).all() or (w < 0).any():
        raise DataError("sample_weight: negative or not finite; allowed: 0 or more")
    count = np.maximum((w > 0).sum(0), 1)
    w = np.minimum(w, _HEAVIEST * w.sum(0) / count)
    return np.asarray(w * w.sum(0) / np.maximum((w**2).sum(0), 1e-300))


def _means(y: Floats, w: Floats) -> Floats:
    """(m,) each model's mean, that of one hardly observed drawn towards all models'."""
    total, good = w.sum(0), (w * np.where(w > 0, y, 0.0)).sum(0)
    overall = good.sum() / total.sum() if total.sum() > 0 else 0.5
    return np.asarray((good + _PRIOR * overall) / (total + _PRIOR))


def _tells(y: Floats) -> bool:
    """Whether a model was observed often enough, and not always the same."""
    seen = y[np.isfinite(y)]
    return len(seen) >= LEAST and bool((seen != seen[0]).any())


def _amount(given: Any, n: int, m: int, name: str) -> Floats | None:
    if given is None:
        return None
    got = np.asarray(given, np.float64)
    got = got[:, None] if got.ndim == 1 else got
    if got.shape != (n, m):
        raise DataError(f"{name}: got the shape {got.shape}; allowed: ({n}, {m})")
    return got
