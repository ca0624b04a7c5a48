"""Random mixes and oracles by name: which models they draw from, as another set has others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from toolkit.evaluate.baselines import Baseline
from toolkit.evaluate.format import count

MOST = 8
"""Models that are named."""


def over(row: Baseline, models: Sequence[str]) -> Baseline:
    """A random mix or an oracle that says of how many models it is: ``oracle of 7 models``."""
    one = "model" if len(models) == 1 else "models"
    return replace(row, name=f"{row.name} of {count(len(models))} {one}")


def names(models: Sequence[str]) -> str:
    """``small, large``, of many the first and how many more."""
    more = len(models) - MOST
    told = ", ".join(models[:MOST])
    return f"{told} and {count(more)} more" if more > 0 else told
