"""What any policy has to beat: each single model, models at random, and perfect foresight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import DataError, did_you_mean
from toolkit.evaluate import as_json
from toolkit.evaluate.format import (
    count,
    html_list,
    html_table,
    number_interval,
    percent,
    percent_interval,
    seconds_interval,
    usd_interval,
)
from toolkit.evaluate.intervals import (
    RESAMPLES,
    Bootstrap,
    Estimate,
    Floats,
    Metric,
    Rows,
    bootstrap_of,
)
from toolkit.scenarios.arrivals import traffic

if TYPE_CHECKING:
    import pandas as pd

    from toolkit.logs.datasets import Dataset

RANDOM, ORACLE = "random mix", "oracle"
Kind: TypeAlias = Literal["single", "random", "oracle"]


@dataclass(frozen=True)
class Baseline:
    """One call per request, to a model that is chosen without a policy."""

    name: str
    kind: Kind
    quality: Estimate
    cost_usd_per_1k: Estimate
    latency_mean_s: Estimate
    error_rate: Estimate

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        named = {f.name: getattr(self, f.name) for f in fields(self)[2:]}
        return {"name": self.name, "kind": self.kind} | as_json.estimates(named)


@dataclass(frozen=True)
class Baselines:
    """The single models in the order given, then the random mix, then the oracle."""

    dataset: str
    simulated: bool
    requests: int
    """of the dataset"""
    n: int
    """on which all these models are observed; the estimates are over these"""
    rows: tuple[Baseline, ...]

    def __getitem__(self, name: str) -> Baseline:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    @property
    def random(self) -> Baseline:
        """A model drawn evenly for each request: the expected values, nothing is drawn."""
        return self.rows[-2]

    @property
    def oracle(self) -> Baseline:
        """The best answer of each request, from the cheapest model that gives it.

        Where no answer is any good that is the cheapest failure, an error perhaps: see `note`.
        """
        return self.rows[-1]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "dataset": self.dataset,
            "simulated": self.simulated,
            "requests": self.requests,
            "n": self.n,
            "baselines": [row.to_dict() for row in self.rows],
        }

    def to_pandas(self) -> pd.DataFrame:
        """One row per baseline, by name: values, and their intervals as NAME_low, NAME_high."""
        import pandas as pd

        records = []
        for row in self.rows:
            record: dict[str, Any] = {"name": row.name, "kind": row.kind}
            for f in fields(row)[2:]:
                e: Estimate = getattr(row, f.name)
                record |= {f.name: e.value, f"{f.name}_low": e.low, f"{f.name}_high": e.high}
            records.append(record)
        return pd.DataFrame(records).set_index("name")

    def _repr_html_(self) -> str:
        table = html_table(
            ("", "quality [95 %]", "cost per 1k", "latency", "errors"),
            [
                (
                    row.name,
                    number_interval(row.quality),
                    usd_interval(row.cost_usd_per_1k),
                    seconds_interval(row.latency_mean_s),
                    percent_interval(row.error_rate),
                )
                for row in self.rows
            ],
            caption=f"Baselines on {count(self.n)} of {count(self.requests)} requests of "
            + self.dataset
            + (" (simulated data)" if self.simulated else ""),
        )
        told = note(self)
        return table + (html_list([told]) if told else "")


def note(found: Baselines) -> str:
    """Why perfect foresight ends in errors too; empty where it does not."""
    share = found.oracle.error_rate.value
    if not share > 0:
        return ""
    return (
        f"The oracle ends {percent(share)} of the requests in an error: where no model's answer is "
        "better than a failed one it takes the cheapest of them, as of any equally good answers."
    )


def baselines(
    dataset: Dataset,
    models: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Baselines:
    """Estimate the baselines of ``models`` (names in the log; None: all of them).

    The random mix has a cost or latency only where all models have. Among equally good answers
    the oracle takes the cheapest, then the fastest, also where all are bad and the cheapest is an
    error; what was not measured comes last, and a request of which no answer was graded is left
    out of it. Raises ``DataError`` for a model that the dataset does not have.
    """
    names = tuple(dict.fromkeys(dataset.models if models is None else models))
    calls = one_calls(dataset, names)
    return Baselines(
        dataset=dataset.name,
        simulated=dataset.simulated,
        requests=dataset.n_requests,
        n=len(calls.request),
        rows=calls.estimates(bootstrap_of(traffic(None, dataset), resamples, seed)),
    )


@dataclass(frozen=True, eq=False)
class Calls:
    """One call for each of r requests by each of k baselines."""

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    request: NDArray[np.intp]
    """(r,) rows of the dataset on which all its models are observed"""
    quality: Floats
    """(r, k)"""
    cost_usd: Floats
    latency_s: Floats
    error: Floats
    """(r, k) 0 or 1; of the random mix, the share of the models that failed"""

    def estimates(self, boot: Bootstrap) -> tuple[Baseline, ...]:
        """Every baseline with the intervals of these draws."""
        matrices = {
            "quality": (self.quality, True),
            "cost": (self.cost_usd, False),
            "latency": (self.latency_s, False),
            "error": (self.error, True),
        }
        metrics = [Metric(each, frac) for matrix, frac in matrices.values() for each in matrix.T]
        rows = Rows(boot, self.request, np.zeros(len(self.request), np.int8), 1)
        means = [estimate for (estimate,) in rows.means(*metrics)]
        k = len(self.names)
        return tuple(
            Baseline(name, kind, means[j], means[k + j].scaled(1000), *means[2 * k + j :: k])
            for j, (name, kind) in enumerate(zip(self.names, self.kinds, strict=True))
        )


def one_calls(
    dataset: Dataset,
    models: Sequence[str],
    part: NDArray[np.bool_] | None = None,
    *,
    singles: bool = True,
) -> Calls:
    """What each baseline of these models does on each request of ``part`` (n,; None: all).

    Without ``singles`` only the random mix and the oracle. Raises ``DataError`` for a model that
    the dataset does not have.
    """
    columns = _columns(dataset, models)
    shared = dataset.observed[:, columns].all(axis=1)
    request = np.flatnonzero(shared if part is None else shared & part)
    at = np.ix_(request, columns)
    matrices = [
        dataset.quality[at],
        dataset.cost_usd[at],
        dataset.latency_s[at],
        (dataset.error[at] != 0).astype(np.float64),
    ]
    best = _best(*matrices[:3])[:, None]
    ungraded = np.isnan(matrices[0]).all(axis=1)
    each = []
    for matrix in matrices:
        ideal = np.take_along_axis(matrix, best, axis=1)[:, 0]
        mixed = [matrix.mean(axis=1), np.where(ungraded, np.nan, ideal)]
        each.append(np.column_stack([*(matrix.T if singles else ()), *mixed]))
    names: tuple[str, ...] = (RANDOM, ORACLE)
    kinds: tuple[Kind, ...] = ("random", "oracle")
    if singles:
        alone: list[Kind] = ["single"] * len(models)
        names, kinds = (*models, *names), (*alone, *kinds)
    return Calls(names, kinds, request, *each)


def _columns(dataset: Dataset, names: Sequence[str]) -> NDArray[np.intp]:
    if not names:
        raise DataError(f"baselines need a model of {dataset.name!r}; none was given")
    index = {name: j for j, name in enumerate(dataset.models)}
    for name in names:
        if name not in index:
            allowed = did_you_mean(name, dataset.models)
            raise DataError(f"dataset {dataset.name!r} has no model {name!r}; allowed: {allowed}")
    return np.array([index[name] for name in names])


def _best(quality: Floats, cost: Floats, latency: Floats) -> NDArray[np.intp]:
    """(n,) column of the best answer, then the cheapest, then the fastest."""
    left = np.ones(quality.shape, np.bool_)
    for worse in (-quality, cost, latency):
        key = np.where(left & ~np.isnan(worse), worse, np.inf)
        left &= key == key.min(axis=1, keepdims=True)
    return np.asarray(left.argmax(axis=1))
