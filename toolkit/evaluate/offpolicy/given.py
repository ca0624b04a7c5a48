"""What was given as an argument: what cannot be meant is refused before the work begins."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

from toolkit.errors import DataError
from toolkit.logs.dataset import Dataset
from toolkit.policy.model import Policy


def a_dataset(given: Any) -> Dataset:
    """The dataset that was given; DataError for anything else."""
    if isinstance(given, Dataset):
        return given
    hint = f", such as load_dataset({given!r})" if isinstance(given, str) else ""
    raise DataError(f"dataset: not one; got {_shown(given)}; allowed: a Dataset{hint}")


def a_policy(given: Any, what: str = "policy") -> Policy:
    """The policy that was given; DataError for anything else."""
    if isinstance(given, Policy):
        return given
    hint = f", such as load_policy({given!r})" if isinstance(given, str) else ""
    raise DataError(f"{what}: not a policy; got {_shown(given)}; allowed: a Policy{hint}")


def maybe_policy(given: Any, what: str) -> Policy | None:
    """The policy that was given, if one was."""
    return None if given is None else a_policy(given, what)


def every_policy(given: Any) -> tuple[Policy, ...]:
    """One policy or several, as several."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        given = (given,)
    return tuple(a_policy(one, "policies") for one in given)


def a_number(given: Any, what: str, allowed: str) -> float:
    """The number that was given; DataError for anything else, also for a truth value."""
    if isinstance(given, Real) and not isinstance(given, bool):
        return float(given)
    raise DataError(f"{what}: not a number; got {_shown(given)}; allowed: {allowed}")


def _shown(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= 60 else f"{type(given).__name__}"
