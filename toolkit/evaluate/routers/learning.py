"""Whether more data would help: the router trained on ever more of the requests, out of fold.

Training sets are nested, each twice the one before, up to all; every size is judged on the same
requests, so that steps are paired. As a curve that flattens gains less at each doubling, the last
doubling bounds what the next one can bring.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.evaluate import as_json
from toolkit.evaluate.format import count, number, number_interval, points_interval
from toolkit.evaluate.intervals import UNDEFINED, Estimate
from toolkit.evaluate.routers.draws import Floats, Ints, drawing, mean
from toolkit.evaluate.routers.folds import Folds
from toolkit.evaluate.routers.net import log_loss, net_quality, prices

SIZES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Shares of the training requests."""
FEWEST = 30
"""No router is trained on fewer requests."""
MOST_FOLDS = 3
"""As many folds are judged, for time."""
TRIFLE = {"net_quality": 0.002, "log_loss": 0.002}
"""A gain that is surely smaller is no help: a fifth of a point of quality."""

Measure: TypeAlias = Literal["net_quality", "log_loss"]


class Router(Protocol):
    """What is trained: a ``QualityRouter``, or what does as it does."""

    def fit(self, X: Any, y: Floats, sample_weight: Floats | None = None, **known: Any) -> Any:
        """Learn."""

    def predict(self, X: Any) -> Floats:
        """(n, m) probabilities."""

    def predict_cost(self, X: Any) -> Floats:
        """(n, m) USD."""


@dataclass(frozen=True)
class LearningCurve:
    """What the router is worth by how many requests it learned from."""

    measure: Measure
    """quality less cost, averaged over prices (higher is better); or log loss (lower is better),
    for logs that do not hold the outcomes of other choices"""
    sizes: tuple[int, ...]
    """(k,) requests trained on, rising; the mean over folds"""
    score: tuple[Estimate, ...]
    """(k,)"""
    log_loss: tuple[Estimate, ...]
    """(k,)"""
    steps: tuple[Estimate, ...]
    """(k − 1,) gain of each size over the one before, paired; above 0 is better"""
    more_helps: bool | None
    """whether twice the requests would surely help, surely would not; None: cannot tell"""
    words: str

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        rows = [
            {
                "n": size,
                **as_json.estimates({"score": self.score[i], "log_loss": self.log_loss[i]}),
                **as_json.estimates({"step": self.steps[i - 1] if i else UNDEFINED}),
            }
            for i, size in enumerate(self.sizes)
        ]
        return {
            "measure": self.measure,
            "sizes": rows,
            "more_helps": self.more_helps,
            "words": self.words,
        }


def learning_curve(
    make_router: Callable[[], Router],
    X: Any,
    quality: Floats,
    cost_usd: Floats,
    folds: Folds,
    *,
    sizes: Sequence[float] = SIZES,
    weight: Floats | None = None,
    learn_weight: Floats | None = None,
    cluster: Ints | None = None,
    full: tuple[Floats, Floats] | None = None,
    most_folds: int = MOST_FOLDS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LearningCurve | None:
    """Train on nested shares of each fold's training requests and judge on the fold.

    ``X`` (n rows) is what the router reads, ``quality`` and ``cost_usd`` (n, m), ``weight`` (n, m)
    is judged by and, unless ``learn_weight`` (n, m) says otherwise, learned with; ``cluster`` (n,)
    who belongs together. ``full`` holds the probabilities and
    expected costs (n, m) of such routers out of fold, where they were trained on all requests
    before: half of the work. None where there are too few requests for two sizes.
    """
    used = range(min(folds.count, most_folds))
    least = min((len(folds.training(f)) for f in used), default=0)
    shares = [s for s in sorted(sizes) if s * least >= FEWEST]
    if len(shares) < 2:
        return None
    n, at = len(quality), prices(quality, cost_usd)
    net = np.full((len(shares), n), np.nan)
    loss = np.full((len(shares), n), np.nan)
    trained = np.zeros(len(shares))
    done, of = 0, len(used) * len(shares)
    for f in used:
        training, judged = folds.training(f), folds.judged(f)
        order = np.random.default_rng([seed, f]).permutation(training)
        for i, share in enumerate(shares):
            rows = np.sort(order[: round(share * len(order))])
            if full is not None and share == 1:
                predicted, cost = full[0][judged], full[1][judged]
            else:
                router = make_router()
                given = weight if learn_weight is None else learn_weight
                w = None if given is None else given[rows]
                router.fit(take(X, rows), quality[rows], w, cost_usd=cost_usd[rows])
                here = take(X, judged)
                predicted, cost = router.predict(here), router.predict_cost(here)
            net[i, judged] = net_quality(predicted, cost, quality[judged], cost_usd[judged], at)
            w = None if weight is None else weight[judged]
            loss[i, judged] = log_loss(predicted, quality[judged], w)
            trained[i] += len(rows) / len(used)
            done += 1
            if progress:
                progress(done, of)
    total = None if weight is None else np.where(np.isnan(quality), 0.0, weight).sum(axis=1)
    return judge(np.rint(trained).astype(int).tolist(), net, loss, total, cluster, seed)


def judge(
    sizes: Sequence[int],
    net: Floats,
    loss: Floats,
    weight: Floats | None = None,
    cluster: Ints | None = None,
    seed: int = 0,
) -> LearningCurve:
    """A learning curve from net qualities and log losses (k, n) of k sizes, NaN not judged."""
    rows = ~np.isnan(loss).all(axis=0)
    boot = drawing(int(rows.sum()), None if cluster is None else cluster[rows], seed=seed)
    w = None if weight is None else weight[rows]
    # A log with one outcome per request knows that of few choices.
    told = ~np.isnan(net[:, rows])
    measure: Measure = "net_quality" if told.mean() > 0.5 else "log_loss"
    score, sign = (net, 1.0) if measure == "net_quality" else (loss, -1.0)
    score = score[:, rows]
    steps = tuple(mean(boot, sign * (b - a), w) for a, b in pairwise(score))
    last, trifle = steps[-1], TRIFLE[measure]
    nearer = mean(boot, loss[-2, rows] - loss[-1, rows], w)
    more: bool | None = None
    if last.low > 0:
        more = True
    elif last.high < trifle:
        more = False
    return LearningCurve(
        measure,
        tuple(sizes),
        tuple(mean(boot, s, w) for s in score),
        tuple(mean(boot, s, w) for s in loss[:, rows]),
        steps,
        more,
        _words(sizes, last, measure, more) + _surer(nearer, more),
    )


def _words(sizes: Sequence[int], last: Estimate, measure: Measure, more: bool | None) -> str:
    if math.isnan(last.low):
        return "Whether more data would help cannot be told: too few requests to judge by."
    answer = {
        True: "More data would help",
        False: "More data would hardly help",
        None: "Whether more data would help cannot be told",
    }[more]
    grown = f"from {count(sizes[-2])} to {count(sizes[-1])} requests"
    if measure == "net_quality":
        step = f"the router gained {points_interval(last)} of quality at equal cost"
    else:
        step = f"the log loss of its predictions fell by {number_interval(last)}"
    # Gains shrink from one doubling to the next.
    most = max(last.value if more else last.high, 0.0)
    bound = f"{100 * most:.1f} points" if measure == "net_quality" else number(most)
    again = f"twice as many again ({count(2 * sizes[-1])})"
    if math.isnan(most):
        return f"{answer}: {grown} {step}."
    if more:
        return f"{answer}: {grown} {step}; {again} should bring some more, up to about {bound}."
    return f"{answer}: {grown} {step}; {again} should bring no more than about {bound}."


def _surer(fall: Estimate, more: bool | None) -> str:
    """What the predictions gained that decisions did not show."""
    if more or not fall.low > 0:
        return ""
    return (
        f" Its predictions still came nearer the truth (log loss lower by {number_interval(fall)}),"
        " which the choices did not show."
    )


def take(X: Any, rows: NDArray[np.intp]) -> Any:
    """Rows of an Arrow table, a frame, a dictionary of columns or an array."""
    if isinstance(X, pa.Table):
        return X.take(pa.array(rows))
    if isinstance(X, dict):
        return {name: take(column, rows) for name, column in X.items()}
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    return np.asarray(X, dtype=object if isinstance(X, list) else None)[rows]
