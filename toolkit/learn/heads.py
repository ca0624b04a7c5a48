"""What predicts: from features to a score (log odds) per model.

Each head is fitted to fractions 0..1 with weights (n, m), 0 where nothing was observed. What
scikit-learn fitted is kept as plain data, a dictionary whose ``kind`` says how it scores.

* *logistic*: one ridge logistic regression per model on columns, looks of the prompt (also per
  category), embedding and words.
* *boosting*: gradient boosted trees on columns and looks of the prompt.
* *neighbours*: the mean of the 100 most similar training requests, the nearer the heavier.
* *stack*: scores of two heads, weighed. Of 5,000 requests or more logistic and boosting, 7 to 3. Of
  fewer a random forest on all numbers and what little a strong ridge believes of the categories, 3
  to 2: what is drawn towards the models' means is wrong least often about which model is better.
* *auto*: what was best on real outcomes: the stack of fewer than 5,000 requests, logistic of more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.learn.features import Features
from toolkit.learn.forest import boosted, fit_boosted, fit_forest, forest_mean
from toolkit.learn.linear import Block, fit_linear, linear, logit
from toolkit.learn.novelty import Familiar

Floats = NDArray[np.float64]
Head = dict[str, Any]

HEADS = ("logistic", "boosting", "neighbours", "stack", "auto")
MANY = 5_000
"""Requests from which on words and categories tell by themselves."""
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


def settled(kind: str, features: Features) -> str:
    """What "auto" becomes."""
    if kind != "auto":
        return kind
    return "stack" if len(features) < MANY else "logistic"


def parts_of(kind: str, features: Features) -> tuple[tuple[str, ...], Floats]:
    """The heads that a head is made of, and their weights."""
    if kind != "stack":
        return (kind,), np.ones(1)
    if len(features) >= MANY:
        return ("logistic", "boosting"), np.array([0.7, 0.3])
    return ("forest", "levels" if features.hot else "logistic"), np.array([0.6, 0.4])


def fit_unseen(
    kind: str,
    features: Features,
    y: Floats,
    w: Floats,
    seed: int,
    ridge: float,
    fold: NDArray[np.intp] | None,
) -> tuple[Head, Floats]:
    """A head fitted to all rows, and each row's scores by one that did not see its outcome.

    ``fold`` (n,) says which rows are left out together; None: no such scores are needed.
    """
    if kind == "forest":
        trees, unseen = fit_forest(_wide(features), y, w, seed, 10 if len(y) >= MANY else 3)
        return {"kind": kind, "trees": trees}, logit(unseen, _EDGE)
    scores = np.zeros(y.shape)
    for k in range(0 if fold is None else fold.max() + 1):
        inner, outer = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        head = fit_head(kind, features.take(inner), y[inner], w[inner], seed, ridge)
        scores[outer] = score(head, features.take(outer))
    return fit_head(kind, features, y, w, seed, ridge), scores


def fit_head(kind: str, features: Features, y: Floats, w: Floats, seed: int, ridge: float) -> Head:
    """Fit one head, no stack or forest, to outcomes (n, m); ``ridge`` is logistic's."""
    if kind == "logistic":
        return {"kind": kind, "coefficients": fit_linear(_blocks(features), y, w, ridge)}
    if kind == "levels":
        found = fit_linear([Block(features.table[:, : features.hot])], y, w, 3 * RIDGE)
        return {"kind": kind, "coefficients": found}
    if kind == "boosting":
        return {"kind": kind, "trees": fit_boosted(features.table, y, w, seed)}
    familiar = Familiar.fit(_near(features), [""] * len(y), seed)
    seen = np.where(w > 0, w, 0.0)[familiar.row]
    mean = (w * np.where(w > 0, y, 0.0)).sum(0) / np.maximum(w.sum(0), 1e-12)
    good = seen * np.where(w > 0, y, 0.0)[familiar.row]
    return {"kind": kind, "familiar": familiar, "good": good, "weight": seen, "mean": mean}


def score(head: Head, features: Features) -> Floats:
    """Scores (n, m), each row by itself."""
    kind = head["kind"]
    if "parts" in head:
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
        return boosted(head["trees"], features.table)
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


def _blocks(features: Features) -> list[Block]:
    hot = features.hot
    blocks = [Block(features.table[:, :hot], 1.0), Block(features.table[:, hot:], 0.5)]
    crossed = features.crossed
    if crossed is not None:
        blocks.append(Block(crossed, 0.2))
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
