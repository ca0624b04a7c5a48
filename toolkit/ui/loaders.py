"""Results, computed once and kept for all sessions.

What is kept here is frozen, so it is shared as it is: ``st.cache_resource`` neither copies nor
pickles, which ``st.cache_data`` would do with megabytes of columns at every look. Keys are the
digests of policy and dataset; an argument with a leading underscore is no part of the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from toolkit.engine.replay import Replay, replay
from toolkit.errors import PolicyError
from toolkit.evaluate.baselines import Baselines, baselines
from toolkit.evaluate.compare import Comparison, compare
from toolkit.evaluate.flows import Flows, flows
from toolkit.evaluate.groups import sliceable
from toolkit.evaluate.search.tunables import Tunable, suggested, tunables
from toolkit.evaluate.summary import Summary, summarize
from toolkit.learn.checks import check
from toolkit.learn.routing import mark
from toolkit.logs.datasets import DatasetInfo, list_datasets, load_dataset
from toolkit.policy.check import Check
from toolkit.policy.loading import list_policies, load_policy, policies_dir
from toolkit.policy.model import Policy
from toolkit.ui import rows

if TYPE_CHECKING:
    from toolkit.evaluate.tradeoffs.vary import Vary
    from toolkit.logs.dataset import Dataset

WARM_UP = "Warming up: the first replay after an update is compiled, for some seconds …"


@st.cache_data(ttl=5, show_spinner=False)
def infos() -> list[DatasetInfo]:
    """What datasets there are."""
    return list_datasets()


@st.cache_resource(max_entries=4, show_spinner="Reading the dataset …")
def dataset(name: str, digest: str) -> Dataset:  # noqa: ARG001 - the digest is for the key
    """One dataset; the digest makes a new one of a new import."""
    return load_dataset(name)


def policies() -> dict[str, Policy | PolicyError]:
    """All saved policies by name, and for a file that cannot be used why."""
    return {name: _policy(name, _changed_at(name)) for name in list_policies()}


def _changed_at(name: str) -> int:
    try:
        return (policies_dir() / f"{name}.yaml").stat().st_mtime_ns
    except OSError:
        return 0


@st.cache_resource(max_entries=256, show_spinner=False)
def _policy(name: str, changed_at: int) -> Policy | PolicyError:  # noqa: ARG001 - for the key
    try:
        return load_policy(name)
    except PolicyError as error:
        return error


def played(policy: Policy, data: Dataset, seed: int) -> Replay:
    """The replay of a policy; raises PolicyError where it does not fit the data."""
    return _played(mark(policy), data.digest, seed, policy, data)


@st.cache_resource(max_entries=24, show_spinner=WARM_UP)
def _played(policy: str, data: str, seed: int, _policy: Policy, _data: Dataset) -> Replay:  # noqa: ARG001
    return replay(_policy, _data, seed)


def summary(one: Replay) -> Summary:
    """Its numbers with intervals."""
    return _summary(mark(one.policy), one.dataset.digest, one.seed, one)


@st.cache_resource(max_entries=64, show_spinner=False)
def _summary(policy: str, data: str, seed: int, _one: Replay) -> Summary:  # noqa: ARG001
    return summarize(_one)


def comparison(a: Replay, b: Replay) -> Comparison:
    """B minus A on the same requests."""
    return _comparison(mark(a.policy), mark(b.policy), a.dataset.digest, a.seed, a, b)


@st.cache_resource(max_entries=64, show_spinner=False)
def _comparison(a: str, b: str, data: str, seed: int, _a: Replay, _b: Replay) -> Comparison:  # noqa: ARG001
    return compare(_a, _b)


def traffic(one: Replay) -> Flows:
    """The numbers of the diagram."""
    return _traffic(mark(one.policy), one.dataset.digest, one.seed, one)


@st.cache_resource(max_entries=64, show_spinner=False)
def _traffic(policy: str, data: str, seed: int, _one: Replay) -> Flows:  # noqa: ARG001
    return flows(_one)


def bases(data: Dataset) -> Baselines:
    """All single models, the random mix and the oracle."""
    return _bases(data.digest, data)


@st.cache_resource(max_entries=8, show_spinner="Weighing every model by itself …")
def _bases(digest: str, _data: Dataset) -> Baselines:  # noqa: ARG001
    return baselines(_data)


def columns(data: Dataset) -> tuple[rows.Column, ...]:
    """The request columns that a rule can test."""
    return _columns(data.digest, data)


@st.cache_resource(max_entries=8, show_spinner=False)
def _columns(digest: str, _data: Dataset) -> tuple[rows.Column, ...]:  # noqa: ARG001
    return rows.columns(_data.requests)


def checked(policy: Policy, data: Dataset) -> Check:
    """What is wrong or doubtful about a policy on this data."""
    return _checked(mark(policy), data.digest, policy, data)


@st.cache_resource(max_entries=64, show_spinner=False)
def _checked(policy: str, data: str, _policy: Policy, _data: Dataset) -> Check:  # noqa: ARG001
    return check(_policy, _data.requests, _dearest(data, _data))


@st.cache_resource(max_entries=8, show_spinner=False)
def _dearest(digest: str, _data: Dataset) -> dict[str, float]:  # noqa: ARG001
    largest = np.fmax.reduce(_data.cost_usd, axis=0, initial=np.nan)
    return dict(zip(_data.models, largest.tolist(), strict=True))


def places(policy: Policy, data: Dataset) -> dict[str, Tunable]:
    """What can be varied about a policy on this data, by path."""
    return _places(mark(policy), data.digest, policy, data)


@st.cache_resource(max_entries=64, show_spinner=False)
def _places(policy: str, data: str, _policy: Policy, _data: Dataset) -> dict[str, Tunable]:  # noqa: ARG001
    # A list of errors, which a choice may hold, is no value of an axis.
    found = tunables(_policy, _data)
    plain = (one for one in found if not any(isinstance(c, tuple) for c in one.choices))
    return {one.path: one for one in plain}


def worth_varying(policy: Policy, data: Dataset) -> tuple[Vary, ...]:
    """The places that show best what quality costs; nothing where none does."""
    return _worth_varying(mark(policy), data.digest, policy, data)


@st.cache_resource(max_entries=64, show_spinner="Looking for what moves quality and cost most …")
def _worth_varying(policy: str, data: str, _policy: Policy, _data: Dataset) -> tuple[Vary, ...]:  # noqa: ARG001
    return suggested(_policy, _data)


def slicing(data: Dataset) -> tuple[str, ...]:
    """The columns by which requests can be put into groups."""
    return _slicing(data.digest, data)


@st.cache_resource(max_entries=8, show_spinner=False)
def _slicing(digest: str, _data: Dataset) -> tuple[str, ...]:  # noqa: ARG001
    return sliceable(_data)
