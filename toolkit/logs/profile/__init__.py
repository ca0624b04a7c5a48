"""What is in a log: aggregates in SQL, so that ten million outcomes are looked at in place.

Each part is one or two passes over columns of the store, or of a dataset in memory; none builds
the matrices of a :class:`~toolkit.logs.dataset.Dataset`. Counts, sums and quantiles are exact, but
for repeated prompts in logs of more than a million requests, which are sampled and say so.
"""

from __future__ import annotations

from toolkit.logs.profile.blocks import WHAT, Coverage, coverage
from toolkit.logs.profile.checks import Check, Oddities, odd_rows, oddities
from toolkit.logs.profile.grouping import (
    CategoryQuality,
    Groups,
    Period,
    category_quality,
    groups,
    period,
)
from toolkit.logs.profile.models import MEASURES, ModelFacts, model_facts
from toolkit.logs.profile.repeats import Duplicates, Repeated, duplicates
from toolkit.logs.profile.source import Source, opened
from toolkit.logs.profile.spreads import QUANTILES, Spread, spread

__all__ = [
    "MEASURES",
    "QUANTILES",
    "WHAT",
    "CategoryQuality",
    "Check",
    "Coverage",
    "Duplicates",
    "Groups",
    "ModelFacts",
    "Oddities",
    "Period",
    "Repeated",
    "Source",
    "Spread",
    "category_quality",
    "coverage",
    "duplicates",
    "groups",
    "model_facts",
    "odd_rows",
    "oddities",
    "opened",
    "period",
    "spread",
]
