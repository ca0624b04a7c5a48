"""What predicts: from features to a score (log odds) per model.

Each head is fitted to fractions 0..1 with weights (n, m), 0 where nothing was observed, and is
plain data, a dictionary whose ``kind`` says how it scores.

* *logistic*: one ridge logistic regression per model on columns, looks of the prompt (also per
  category), embedding and words.
* *boosting*: gradient boosted trees on columns and looks of the prompt.
* *neighbours*: the mean of the 100 most similar training requests, the nearer the heavier.
* *stack*: several scores, weighed. Of 5,000 requests or more logistic, boosting and a random forest
  on all numbers, with the weights that fit best out of fold. Of fewer a forest and what little a
  strong ridge believes of the categories, 3 to 2: there is too little to choose weights by, and
  what is drawn towards the models' means is wrong least often about which model is better.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.learn.features import Features
from toolkit.learn.forest import fit_boosted, fit_forest, forest_mean
from toolkit.learn.linear import Block, fit_linear, linear, logit
from toolkit.learn.novelty import Familiar
from toolkit.learn.trees import Shape, summed

Floats = NDArray[np.float64]
Head = dict[str, Any]

HEADS = ("logistic", "boosting", "neighbours", "stack")
MANY = 5_000
"""Requests that are enough to choose a stack's weights."""
RIDGE = 10.0
"""Of the logistic head: half the penalty on the squared coefficients, log loss being summed."""
RIDGES = (RIDGE, 3 * RIDGE, 10 * RIDGE)
NEIGHBOURS = 100
_SHARPNESS = 8.0
"""A neighbour's weight is e to this times its similarity."""
_PRIOR = 5.0
"""Neighbours' worth of a model's mean in its answer."""
_EDGE = 0.01
"""A forest's or neighbours' answer counts as no surer than this."""


def parts_of(kind: str, features: Features) -> tuple[tuple[str, ...], Floats | None]:
    """The heads that a head is made of, and their weights, None where these are to be chosen."""
    if kind != "stack":
        return (kind,), np.ones(1)
    if len(features) >= MANY:
        return ("logistic", "boosting", "forest"), None
    return ("forest", "levels" if features.hot else "logistic"), np.array([0.6, 0.4])


def fit_head(kind: str, features: Features, y: Floats, w: Floats, seed: int, ridge: float) -> Head:
    """Fit one head, not the stack, to outcomes (n, m); ``ridge`` is logistic's."""
    if kind == "logistic":
        return {"kind": kind, "coefficients": fit_linear(_blocks(features), y, w, ridge)}
    if kind == "levels":
        found = fit_linear([Block(features.table[:, : features.hot])], y, w, 3 * RIDGE)
        return {"kind": kind, "coefficients": found}
    if kind == "boosting":
        table = features.table
        shape = Shape(share=0.3, leaf=20, pull=5.0, deepest=4)
        return {"kind": kind, "trees": fit_boosted(table, y, w, seed, 120, 0.06, shape)}
    if kind == "forest":
        many = len(y) >= MANY
        shape = Shape(share=0.15, leaf=10 if many else 3, pull=1.0)
        trees = fit_forest(_wide(features), y, w, seed, 60 if many else 150, shape)
        return {"kind": kind, "trees": trees}
    familiar = Familiar.fit(_near(features), [""] * len(y), seed)
    seen = np.where(w > 0, w, 0.0)[familiar.row]
    mean = (w * np.where(w > 0, y, 0.0)).sum(0) / np.maximum(w.sum(0), 1e-12)
    good = seen * np.where(w > 0, y, 0.0)[familiar.row]
    return {"kind": kind, "familiar": familiar, "good": good, "weight": seen, "mean": mean}


def score(head: Head, features: Features) -> Floats:
    """Scores (n, m), each row by itself."""
    kind = head["kind"]
    if kind == "stack":
        parts = [score(part, features) for part in head["parts"]]
        out = np.zeros_like(parts[0])
        for weight, part in zip(head["weights"].tolist(), parts, strict=True):
            out += weight * part
        return out
    if kind == "logistic":
        return linear(_blocks(features), head["coefficients"])
    if kind == "levels":
        return linear([Block(features.table[:, : features.hot])], head["coefficients"])
    if kind == "boosting":
        return summed(head["trees"], features.table)
    if kind == "forest":
        return logit(forest_mean(head["trees"], _wide(features)), _EDGE)
    return logit(_of_neighbours(head, features), _EDGE)


def _of_neighbours(head: Head, features: Features) -> Floats:
    familiar = head["familiar"]
    row, similarity = familiar.nearest(_near(features), NEIGHBOURS)
    place = np.searchsorted(familiar.row, row)
    near = np.exp(_SHARPNESS * (similarity - 1.0))
    near /= np.maximum(near[:, :1], 1e-300)
    good = _PRIOR * np.tile(head["mean"], (len(row), 1))
    total = np.full(good.shape, _PRIOR)
    for k in range(row.shape[1]):  # one after the other, so the order of the sum is fixed
        good += near[:, k : k + 1] * head["good"][place[:, k]]
        total += near[:, k : k + 1] * head["weight"][place[:, k]]
    return np.asarray(good / total)


def blend(parts: list[Floats], y: Floats, w: Floats) -> Floats:
    """The weights, 0 or more and one per part, of scores (n, m) that fit the outcomes best."""
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    y = np.where(w > 0, y, 0.0)
    total = max(float(w.sum()), 1e-12)

    def loss(weights: Floats) -> tuple[float, Floats]:
        z = sum(v * part for v, part in zip(weights, parts, strict=True))
        size = np.exp(-np.abs(z))
        fit = np.maximum(z, 0) - y * z + np.log1p(size)
        expected = np.where(z >= 0, 1 / (1 + size), size / (1 + size))
        slope = np.array([(w * (expected - y) * part).sum() for part in parts])
        return float((w * fit).sum()) / total, slope / total

    even = np.full(len(parts), 1 / len(parts))
    bounds = [(0.0, None)] * len(parts)
    best = minimize(loss, even, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(best.x, np.float64)


def _blocks(features: Features) -> list[Block]:
    hot = features.hot
    blocks = [Block(features.table[:, :hot], 1.0), Block(features.table[:, hot:], 0.5)]
    if features.crossed is not None:
        blocks.append(Block(features.crossed, 0.2))
    if features.embedding is not None:
        scale = 3.0 if features.words is None else 1.0
        blocks.append(Block(features.embedding.astype(np.float64), scale))
    if features.words is not None:
        blocks.append(Block(features.words, 3.0))
    return blocks


def _wide(features: Features) -> Floats:
    if features.embedding is None:
        return features.table
    return np.hstack([features.table, features.embedding])


def _near(features: Features) -> NDArray[np.float32]:
    """Where requests stand for their neighbours: embedding, and categories at half its length."""
    if features.embedding is None:
        return features.vector
    hot = 0.5 * features.table[:, : features.hot].astype(np.float32)
    return np.hstack([features.embedding, hot])
