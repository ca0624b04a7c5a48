"""Random numbers that are the same on every machine and with every later NumPy.

NumPy promises that the bits of PCG64 and SeedSequence stay as they are, and does not promise it of
its distributions; so those are made here. Each name has a stream of its own: one more column does
not change the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Draws:
    """Streams of random numbers by name."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def uniform(self, name: str, *shape: int) -> Floats:
        """In [0, 1), in steps of 2⁻⁵³."""
        bits = np.random.PCG64(np.random.SeedSequence([self.seed, *name.encode()]))
        raw = bits.random_raw(math.prod(shape))
        return ((raw >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)

    def normal(self, name: str, *shape: int) -> Floats:
        """Standard normal, after Box and Muller."""
        u, v = self.uniform(name, 2, *shape)
        z: Floats = np.sqrt(-2.0 * np.log1p(-u)) * np.cos(2.0 * math.pi * v)
        return z

    def choice(self, name: str, weights: Sequence[float] | Floats, n: int) -> NDArray[np.intp]:
        """(n) indices by weights (k), which need not sum to 1."""
        edges = np.cumsum(np.asarray(weights, float))
        return np.searchsorted(edges[:-1] / edges[-1], self.uniform(name, n), side="right")
