"""What a router reads that it would miss: each column shuffled, out of fold.

A column's values are dealt out anew among the requests of a fold, as often as asked, and the router
that did not see them predicts again. What it then loses is what the column told it, and it alone:
of two columns that say the same, each looks needless, as the other still says it. Such columns are
named, and shuffled together as well. The prompt is shuffled as a whole, with all that is made of
it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.evaluate import as_json
from toolkit.evaluate.format import number_interval, points_interval
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.routers.calibration import equal_mass
from toolkit.evaluate.routers.draws import Floats, Ints, drawing, mean
from toolkit.evaluate.routers.folds import Folds
from toolkit.evaluate.routers.learning import Router, take
from toolkit.evaluate.routers.net import log_loss, net_quality, prices
from toolkit.schema import PROMPT

REPEATS = 3
MOST_ROWS = 5_000
"""Requests that are dealt out, drawn evenly from the folds: their interval is narrow enough."""
ALIKE = 0.8
"""Two columns with at least this association (Cramér's V, or Spearman's rank correlation of
numbers) carry much of the same."""


@dataclass(frozen=True)
class Importance:
    """What the router loses without what these columns say."""

    columns: tuple[str, ...]
    """one, or several that were shuffled together"""
    drop: Estimate
    """of quality at equal cost, 0..1, mean over repeats; the interval is over requests"""
    spread: float
    """standard deviation of the drop over repeats and folds"""
    log_loss_rise: Estimate
    """the same of the log loss"""
    same_as: tuple[str, ...]
    """columns that carry much of the same, so that ``drop`` understates"""

    @property
    def name(self) -> str:
        """``category`` or ``category + n_functions``."""
        return " + ".join(self.columns)

    @property
    def words(self) -> str:
        """In a sentence."""
        lost = f"{points_interval(_negative(self.drop))} of quality at equal cost"
        rise = self.log_loss_rise
        lost += f", log loss {'+' if rise.value > 0 else ''}{number_interval(rise)}"
        text = f"Without {self.name}: {lost}"
        if not self.sure:
            text = f"Without {self.name} the choices are not surely worse ({lost})"
        if self.same_as:
            verb = "carries" if len(self.same_as) == 1 else "carry"
            others = " and ".join(self.same_as)
            text += f"; {others} {verb} much of the same, so that this understates"
        return text + "."

    @property
    def sure(self) -> bool:
        """Without these columns the router's choices are worse, and not by chance."""
        return self.drop.low > 0

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "columns": list(self.columns),
            **as_json.estimates({"drop": self.drop, "log_loss_rise": self.log_loss_rise}),
            "spread": as_json.plain(self.spread),
            "same_as": list(self.same_as),
        }


def importance(
    routers: Sequence[Router],
    X: pa.Table,
    quality: Floats,
    cost_usd: Floats,
    folds: Folds,
    columns: Sequence[str],
    *,
    repeats: int = REPEATS,
    weight: Floats | None = None,
    cluster: Ints | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Importance, ...]:
    """What each of the columns (and each group that carries the same) is worth to a router.

    A prompt that no router reads, not even its length, is left out.

    ``routers`` holds the fitted router of each fold; ``X`` (n rows), ``quality`` and ``cost_usd``
    (n, m), ``weight`` (n, m) as for training, ``cluster`` (n,) who belongs together. The largest
    rise of the log loss first. Expected costs stay as they are: asked is what a column tells of
    quality.
    """
    columns = [c for c in columns if c in X.column_names and (c != PROMPT or _read_text(routers))]
    alike = same(X, columns)
    asked = [(c,) for c in columns] + joint(columns, alike)
    n, at = len(quality), prices(quality, cost_usd)
    net = np.full((len(asked), repeats, n), np.nan)
    loss = np.full((len(asked), repeats, n), np.nan)
    done, of = 0, len(routers) * (1 + len(asked) * repeats)

    def tell() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, of)

    judging = [_some(folds.judged(f), MOST_ROWS // len(routers), seed) for f in range(len(routers))]
    for f, router in enumerate(routers):
        judged = judging[f]
        here, y, c = take(X, judged), quality[judged], cost_usd[judged]
        w = None if weight is None else weight[judged]
        expected, before = router.predict_cost(here), router.predict(here)
        net_before = net_quality(before, expected, y, c, at)
        loss_before = log_loss(before, y, w)
        tell()
        for i, names in enumerate(asked):
            for r in range(repeats):
                dealt = np.random.default_rng([seed, f, r]).permutation(len(judged))
                after = router.predict(shuffled(here, names, dealt))
                net[i, r, judged] = net_before - net_quality(after, expected, y, c, at)
                loss[i, r, judged] = log_loss(after, y, w) - loss_before
                tell()
    rows = np.zeros(n, np.bool_)
    rows[np.concatenate(judging)] = True
    boot = drawing(int(rows.sum()), None if cluster is None else cluster[rows], seed=seed)
    total = None if weight is None else np.where(np.isnan(quality), 0.0, weight).sum(axis=1)[rows]
    found = []
    for i, names in enumerate(asked):
        of_folds = [
            float(np.nanmean(part))
            for f in range(len(routers))
            for part in net[i][:, judging[f]]
            if not np.isnan(part).all()
        ]
        found.append(
            Importance(
                names,
                mean(boot, net[i].mean(axis=0)[rows], total),
                float(np.std(of_folds, ddof=1)) if len(of_folds) > 1 else float("nan"),
                mean(boot, loss[i].mean(axis=0)[rows], total),
                tuple(sorted(alike[names[0]])) if len(names) == 1 else (),
            )
        )
    return tuple(sorted(found, key=lambda one: -one.log_loss_rise.value))


def _read_text(routers: Sequence[Router]) -> bool:
    """Whether any of them reads prompts, as far as it tells."""
    return any(getattr(one, "features_", {"text": True})["text"] for one in routers)


def _some(rows: NDArray[np.intp], most: int, seed: int) -> NDArray[np.intp]:
    """At most so many of the rows, drawn evenly."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng([seed, len(rows)]).permutation(rows)[:most])


def shuffled(X: pa.Table, names: Sequence[str], dealt: NDArray[np.intp]) -> pa.Table:
    """The table with these columns dealt out anew, all in the same way."""
    for name in names:
        X = X.set_column(X.column_names.index(name), name, X[name].take(pa.array(dealt)))
    return X


def joint(columns: Sequence[str], alike: dict[str, set[str]]) -> list[tuple[str, ...]]:
    """Groups of at least two columns that carry the same, directly or by way of others.

    The prompt has a row of its own: with all that follows from it nothing would be left.
    """
    alike = {c: others - {PROMPT} for c, others in alike.items()}
    left, found = [c for c in columns if c != PROMPT], []
    while left:
        group, new = {left[0]}, {left[0]}
        while new:
            new = set().union(*(alike[c] for c in new)) - group
            group |= new
        left = [c for c in left if c not in group]
        if len(group) > 1:
            found.append(tuple(c for c in columns if c in group))
    return found


def same(X: pa.Table, columns: Sequence[str]) -> dict[str, set[str]]:
    """Of each column, those that carry much of the same.

    Of a prompt the length is compared: it carries what a column of lengths does, and more.
    """
    coded = {c: _coded(X[c], c) for c in columns}
    found: dict[str, set[str]] = {c: set() for c in columns}
    for i, a in enumerate(columns):
        for b in columns[i + 1 :]:
            if association(*coded[a], *coded[b]) >= ALIKE:
                found[a] |= {b} if a != PROMPT else set()
                found[b] |= {a} if b != PROMPT else set()
    return found


def association(a: Floats, ordered_a: bool, b: Floats, ordered_b: bool) -> float:
    """How much two columns (n,) tell of each other, 0..1."""
    if len(np.unique(a)) < 2 or len(np.unique(b)) < 2:
        return 0.0
    if ordered_a and ordered_b:
        from scipy.stats import spearmanr  # type: ignore[import-untyped]

        return abs(float(spearmanr(a, b).statistic))
    return _cramer(_few(a, ordered_a), _few(b, ordered_b))


def _cramer(a: Ints, b: Ints) -> float:
    """Cramér's V, less what chance gives (Bergsma 2013)."""
    n, k, m = len(a), int(a.max()) + 1, int(b.max()) + 1
    table = np.bincount(a * m + b, minlength=k * m).reshape(k, m).astype(np.float64)
    due = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi = float((np.square(table - due) / due).sum() / n)
    phi = max(0.0, phi - (k - 1) * (m - 1) / (n - 1))
    rows, cols = k - (k - 1) ** 2 / (n - 1), m - (m - 1) ** 2 / (n - 1)
    least = min(rows, cols) - 1
    return float(np.sqrt(phi / least)) if least > 0 else 0.0


def _few(values: Floats, ordered: bool) -> Ints:
    """Codes from 0; numbers with many values by tenths."""
    return equal_mass(values, 10) if ordered else np.unique(values, return_inverse=True)[1]


def _coded(column: pa.ChunkedArray, name: str) -> tuple[Floats, bool]:
    """Numbers (n,), and whether their order means something."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if name == PROMPT:
        length = pc.utf8_length(pc.fill_null(pc.cast(column, pa.string()), ""))
        return length.to_numpy().astype(np.float64), True
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = pc.cast(column, pa.float64(), safe=False).to_numpy()
        return np.where(np.isfinite(numbers), numbers, -np.inf), True
    text = pc.fill_null(pc.cast(column, pa.string()), "").combine_chunks()
    code = pc.dictionary_encode(text).indices.to_numpy(zero_copy_only=False)
    return code.astype(np.float64), False


def _negative(e: Estimate) -> Estimate:
    return Estimate(-e.value, -e.high, -e.low, e.n, e.share)
