"""What predicts: from features to a score (log odds) per model.

Each head is two functions, one that fits and gives plain data, one that scores with it. A head
sees fractions 0..1 and weights (n, m), 0 where nothing was observed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.learn.features import Features
from toolkit.learn.linear import Block, fit_linear, linear

Floats = NDArray[np.float64]
Head = dict[str, Any]

HEADS = ("logistic", "boosting", "neighbours", "stack")


def fit_head(kind: str, features: Features, y: Floats, w: Floats, seed: int) -> Head:
    """Fit one head to outcomes (n, m)."""
    del seed
    return {"kind": kind, "coefficients": fit_linear(_blocks(features), y, w, 10.0)}


def score(head: Head, features: Features) -> Floats:
    """Scores (n, m), each row by itself."""
    return linear(_blocks(features), head["coefficients"])


def _blocks(features: Features) -> list[Block]:
    blocks = [Block(features.table, 0.5)]
    if features.embedding is not None:
        blocks.append(Block(features.embedding.astype(np.float64), 4.0))
    if features.words is not None:
        blocks.append(Block(features.words, 2.0))
    return blocks
