"""A complete dataset seen as live traffic would have seen it: one outcome per request.

What an estimate from a log is worth shows only where the truth is known. A dataset in which every
model answered every request knows it, so a log is drawn from it: the router's first model with
probability 1 − ``explore``, else one by chance. The probability with which the drawn model was to
be drawn, both ways together, is kept as the request's ``propensity``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.engine.decide import check_seed
from toolkit.engine.keys import Purpose, text_keys, uniforms
from toolkit.errors import DataError, did_you_mean
from toolkit.evaluate.offpolicy.actions import target
from toolkit.evaluate.offpolicy.given import a_dataset, a_number, maybe_policy
from toolkit.logs.dataset import Dataset, dataset_from_tables
from toolkit.logs.propensity import PROPENSITY
from toolkit.logs.tables import Tables
from toolkit.policy.model import Policy
from toolkit.schema import REQUEST_ID

Floats = NDArray[np.float64]
Weights: TypeAlias = Mapping[str, float] | Floats
"""How often chance takes each model: by name (a model left out is never taken), or (n, m) numbers
for each request and model. Only their ratios count."""


def sample_log(
    dataset: Dataset,
    policy: Policy | None = None,
    explore: float = 1.0,
    seed: int = 0,
    weights: Weights | None = None,
) -> Dataset:
    """Keep one outcome of each request: what a log of live traffic would have held.

    The first model that ``policy`` asks serves the request with probability 1 − ``explore``, else
    one that is drawn evenly, or by ``weights``. A split is drawn for each request by itself, also
    where it is sticky. All models stay in the log, also those that were never drawn. The draw of a
    request depends on the seed and its id alone, so a larger ``explore`` changes few requests.

    Raises:
        DataError: ``explore`` is not in 0..1; it is below 1 without a policy; the policy asks no
            model of some requests; a weight is unknown, negative or not a number; the dataset
            lacks an outcome that may be drawn.
        PolicyError: The policy names a model or a column that the dataset does not have.
    """
    a_dataset(dataset)
    maybe_policy(policy, "policy")
    check_seed(seed)
    chances = logging_chances(dataset, policy, explore, weights)
    missing = int(((chances > 0) & ~dataset.observed).sum())
    if missing:
        raise DataError(
            f"dataset {dataset.name!r}: a log can be drawn only from outcomes that are there;"
            f" got {missing:,} that may be drawn and are not; allowed: a complete dataset"
            " (Dataset.select leaves models out)"
        )
    keys = text_keys(dataset.requests.column(REQUEST_ID))
    key = text_keys(pa.array(["sample_log"]))[0]
    u = uniforms(np.full(len(keys), seed, np.uint64), keys, key, Purpose.SPLIT)
    drawn = _drawn(chances, u)
    propensity = chances[np.arange(len(drawn)), drawn]
    requests = dataset.requests
    if PROPENSITY in requests.column_names:
        requests = requests.drop_columns([PROPENSITY])
    requests = requests.append_column(PROPENSITY, pa.array(propensity))
    rows = dataset.outcomes_table()
    kept = rows["model_ix"].to_numpy() == drawn[rows["request_ix"].to_numpy()]
    mark = hashlib.sha256(dataset.digest.encode())
    mark.update(drawn.astype("<i8").tobytes() + propensity.astype("<f8").tobytes())
    return dataset_from_tables(
        f"{dataset.name}, logged",
        Tables(requests, dataset.models, rows.filter(pa.array(kept))),
        simulated=dataset.simulated,
        digest=mark.hexdigest(),
    )


def logging_chances(
    dataset: Dataset,
    policy: Policy | None = None,
    explore: float = 1.0,
    weights: Weights | None = None,
) -> Floats:
    """(n, m) probability of each model to serve each request; rows sum to 1.

    As in :func:`sample_log`, with its errors.
    """
    if not 0 <= a_number(explore, "explore", "0 to 1") <= 1:
        raise DataError(f"explore: not a share; got {explore!r}; allowed: 0 to 1")
    if policy is None and explore < 1:
        raise DataError(
            f"explore: without a policy every request is drawn by chance; got {explore!r};"
            " allowed: 1, or a policy"
        )
    shape = (dataset.n_requests, dataset.n_models)
    chances = np.zeros(shape)
    if explore > 0:
        chances += explore * _by_chance(dataset, weights)
    if policy is not None and explore < 1:
        chances += (1 - explore) * _asked(policy, dataset)
    return chances


def _asked(policy: Policy, dataset: Dataset) -> Floats:
    """(n, m) probability of each model to be the first that the policy asks."""
    shares = target(policy, dataset).share()
    silent = shares.sum(axis=1) < 1 - 1e-9
    if silent.any():
        raise DataError(
            f"policy {policy.policy!r}: it asks no model of dataset {dataset.name!r} on"
            f" {int(silent.sum()):,} of {len(silent):,} requests, so that nothing would be logged"
            " there; allowed: a chain whose first step asks a model that the dataset has"
        )
    return shares


def _by_chance(dataset: Dataset, weights: Weights | None) -> Floats:
    """(n, m) or (m,) what chance alone gives each model."""
    m = dataset.n_models
    if weights is None:
        return np.full(m, 1 / m)
    if isinstance(weights, Mapping):
        for name in weights:
            if name not in dataset.models:
                raise DataError(
                    f"weights: dataset {dataset.name!r} has no model {name!r};"
                    f" allowed: {did_you_mean(name, dataset.models)}"
                )
        weights = np.array([weights.get(name, 0.0) for name in dataset.models], np.float64)
    elif np.shape(weights) != (dataset.n_requests, m):
        raise DataError(
            f"weights: not one for each request and model; got shape {np.shape(weights)};"
            f" allowed: {(dataset.n_requests, m)}, or a number for each name"
        )
    weights = np.asarray(weights, np.float64)
    total = weights.sum(axis=-1, keepdims=True)
    if not (np.isfinite(weights).all() and (weights >= 0).all() and (total > 0).all()):
        raise DataError(
            "weights: some are negative or not finite, or all of a request are 0;"
            " allowed: numbers from 0, one of them above 0"
        )
    return np.asarray(weights / total)


def _drawn(chances: Floats, u: Floats) -> NDArray[np.intp]:
    """(n,) the model that each request's number in [0, 1) falls on."""
    edges = chances.cumsum(axis=1)
    # Times the last edge, which rounding may leave a hair below or above 1.
    drawn = (u[:, None] * edges[:, -1:] >= edges[:, :-1]).sum(axis=1)
    return np.asarray(drawn, np.intp)
