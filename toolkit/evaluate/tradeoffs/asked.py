"""What is asked of a sweep or a search, told where it is of the wrong kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from toolkit.errors import DataError, PolicyError, Problem
from toolkit.policy.model import Policy

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset


def need_policy(given: object, who: str) -> Policy:
    """The policy that was given.

    Raises:
        PolicyError: It is none, but such as a name.
    """
    if isinstance(given, Policy):
        return given
    allowed = "what load_policy or Policy.single gives"
    raise PolicyError([Problem(f"{who} needs a policy", got=f"{given!r:.60}", allowed=allowed)])


def need_dataset(given: object, who: str) -> Dataset:
    """The dataset that was given.

    Raises:
        DataError: It is none, but such as a name.
    """
    from toolkit.logs.dataset import Dataset

    if isinstance(given, Dataset):
        return given
    allowed = "what load_dataset gives"
    raise DataError(f"{who} needs a dataset; got {given!r:.60}; allowed: {allowed}")


def several(given: object, what: str, one: type | tuple[type, ...], allowed: str) -> tuple:  # type: ignore[type-arg]
    """What was given as a tuple: one alone is one of them, and not, as a text, its letters.

    Raises:
        DataError: It is not made of these.
    """
    if isinstance(given, one):
        return (given,)
    found = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else None
    if found is None or not all(isinstance(each, one) for each in found):
        wrong = given if found is None else next(x for x in found if not isinstance(x, one))
        raise DataError(f"{what}: cannot be read; got {wrong!r:.60}; allowed: {allowed}")
    return found
