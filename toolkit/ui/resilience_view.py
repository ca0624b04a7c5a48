"""An incident and what hangs on it, each computed once and kept for all sessions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import streamlit as st

from toolkit.errors import PolicyError
from toolkit.evaluate.incident import Incident, IncidentRow, incident
from toolkit.evaluate.incident_change import changes
from toolkit.evaluate.protection import ALL, with_recommended
from toolkit.evaluate.timeline import Timeline
from toolkit.learn.routing import mark
from toolkit.scenarios.loading import list_scenarios, load_scenario, scenarios_dir
from toolkit.scenarios.model import Scenario

if TYPE_CHECKING:
    from toolkit.evaluate.intervals import Estimate
    from toolkit.logs.dataset import Dataset
    from toolkit.policy.model import Policy
    from toolkit.ui.view import View

_Key = tuple[str, str, str, int]
"""Digests of policy, dataset and scenario, and the seed."""
WAIT = "Breaking it: the scenario is played once for each rung of protection …"


def scenarios() -> dict[str, Scenario | PolicyError]:
    """All saved scenarios by name, and for a file that cannot be used why."""
    return {name: _scenario(name, _changed_at(name)) for name in list_scenarios()}


def _changed_at(name: str) -> int:
    try:
        return (scenarios_dir() / f"{name}.yaml").stat().st_mtime_ns
    except OSError:
        return 0


@st.cache_resource(max_entries=256, show_spinner=False)
def _scenario(name: str, changed_at: int) -> Scenario | PolicyError:  # noqa: ARG001 - for the key
    try:
        return load_scenario(name)
    except PolicyError as error:
        return error


@st.cache_resource(max_entries=16, show_spinner=WAIT, show_time=True)
def _incident(key: _Key, _policy: Policy, _data: Dataset, _scenario: Scenario) -> Incident:
    return incident(_policy, _data, _scenario, key[-1])


@st.cache_resource(max_entries=64, show_spinner=False)
def _timeline(key: _Key, name: str, _row: IncidentRow) -> Timeline:  # noqa: ARG001
    return _row.timeline()


@st.cache_resource(max_entries=64, show_spinner=False)
def _changes(key: _Key, name: str, _less: IncidentRow, _more: IncidentRow) -> dict[str, Estimate]:  # noqa: ARG001
    return changes(_less, _more)


@dataclass(frozen=True)
class Broken:
    """A policy in a scenario, with all of its protections and with less."""

    view: View
    scenario: Scenario
    against: str
    """the rung of protection that stands for less"""

    @cached_property
    def incident(self) -> Incident:
        """Every rung of protection; raises DetourError where the scenario does not fit."""
        v = self.view
        return _incident(self._key, v.policy, v.dataset, self.scenario)

    @property
    def _key(self) -> _Key:
        v = self.view
        return mark(v.policy), v.dataset.digest, self.scenario.digest, v.seed

    @property
    def rows(self) -> tuple[IncidentRow, IncidentRow]:
        """The policy as written, and with less protection."""
        return self.incident[ALL], self.incident[self.against]

    @property
    def timelines(self) -> tuple[Timeline, Timeline]:
        """Both over time."""
        protected, bare = (_timeline(self._key, row.name, row) for row in self.rows)
        return protected, bare

    @cached_property
    def changes(self) -> dict[str, Estimate]:
        """What all protections change during the faults, against less."""
        full, less = self.rows
        return _changes(self._key, self.against, less, full)

    @cached_property
    def recommended(self) -> Policy | None:
        """The policy with the usual breakers and retry budget; None where it has them."""
        policy = with_recommended(self.view.policy)
        return None if policy == self.view.policy else policy
