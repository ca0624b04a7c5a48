"""The profile of one dataset, part by part, each computed once for all sessions.

A stored dataset is looked at in the store; only a bundled one, which is small, is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from toolkit.logs import profile as look
from toolkit.logs.gaps import Kind, kind_of
from toolkit.ui import loaders

if TYPE_CHECKING:
    from toolkit.logs.datasets import DatasetInfo

BEST = 20
"""So many models are drawn at first."""
_PARTS: dict[str, Callable[..., Any]] = {
    "models": look.model_facts,
    "coverage": look.coverage,
    "groups": look.groups,
    "period": look.period,
    "duplicates": look.duplicates,
    "oddities": look.oddities,
    "categories": look.category_quality,
    "spread": look.spread,
    "rows": look.odd_rows,
}


@st.cache_resource(max_entries=200, show_spinner="Counting …")
def _part(name: str, digest: str, bundled: bool, part: str, argument: str, _more: Any) -> Any:  # noqa: ARG001 - for the key
    source = loaders.dataset(name, digest) if bundled else name
    arguments = () if _more is None else (_more,)
    with look.opened(source) as opened:
        return _PARTS[part](opened, *arguments)


@dataclass(frozen=True)
class DataView:
    """One dataset in aggregates."""

    info: DatasetInfo

    def _get(self, part: str, argument: str = "", more: Any = None) -> Any:
        i = self.info
        return _part(i.name, i.digest, i.bundled, part, argument, more)

    @cached_property
    def models(self) -> look.ModelFacts:
        """Each model in numbers."""
        return self._get("models")  # type: ignore[no-any-return]

    @cached_property
    def coverage(self) -> look.Coverage:
        """Which outcomes there are."""
        return self._get("coverage")  # type: ignore[no-any-return]

    @cached_property
    def groups(self) -> tuple[look.Groups, ...]:
        """Requests by category, tenant and user."""
        return self._get("groups")  # type: ignore[no-any-return]

    @cached_property
    def period(self) -> look.Period:
        """When the requests were made."""
        return self._get("period")  # type: ignore[no-any-return]

    @cached_property
    def duplicates(self) -> look.Duplicates | None:
        """Prompts that stand in it more than once."""
        return self._get("duplicates")  # type: ignore[no-any-return]

    @cached_property
    def oddities(self) -> look.Oddities:
        """What is odd in it."""
        return self._get("oddities")  # type: ignore[no-any-return]

    @cached_property
    def categories(self) -> look.CategoryQuality | None:
        """Quality by model and category; None where the log has no categories."""
        found = next((g for g in self.groups if g.column == "category"), None)
        return None if found is None else self._get("categories", "", found)

    def spread(self, measure: str) -> look.Spread:
        """How one measure is spread."""
        return self._get("spread", measure, measure)  # type: ignore[no-any-return]

    def odd_rows(self, key: str) -> Any:
        """Outcomes for which a check holds, an Arrow table."""
        return self._get("rows", key, key)

    @property
    def kind(self) -> Kind:
        """``complete``, ``logged`` or ``partial``."""
        return kind_of(self.info.n_requests, self.info.n_models, self.info.n_outcomes)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The models, the best first, those without a grade last."""
        facts = self.models
        quality = np.where(np.isnan(facts.quality), -1.0, facts.quality)
        return tuple(np.lexsort((-facts.outcomes, -quality)).tolist())
