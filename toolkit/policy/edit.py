"""One value of a policy replaced or read, found by its dotted key."""

from __future__ import annotations

from typing import Any

from toolkit.errors import PolicyError, Problem, did_you_mean
from toolkit.policy.explain import allowed_at, show


def replaced(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Put ``value`` at ``path`` into ``data`` (which is changed) and return it.

    Raises:
        PolicyError: There is no such place; the message lists what there is.
    """
    keys = path.split(".")
    place: tuple[int | str, ...] = ()
    here: Any = data
    while True:
        key, keys = _next(here, keys, place, path)
        if not keys:
            here[key] = value
            return data
        if isinstance(here, dict) and key not in here:
            # Goals, and what guards, may be left out as a whole: they are begun.
            if (*place, key)[0] != "goals" and key not in allowed_at(place, here):
                raise _no_such(here, str(key), place, path)
            here[key] = {}
        here, place = here[key], (*place, key)


def value_at(data: dict[str, Any], path: str) -> Any:
    """What stands at ``path`` in ``data``; None where nothing does."""
    keys = path.split(".")
    here: Any = data
    while keys:
        if isinstance(here, dict):
            end = _longest(here, keys)
            if not end:
                return None
            here, keys = here[".".join(keys[:end])], keys[end:]
        elif isinstance(here, list) and keys[0].isdecimal() and int(keys[0]) < len(here):
            here, keys = here[int(keys[0])], keys[1:]
        else:
            return None
    return here


def _next(
    here: Any, keys: list[str], place: tuple[int | str, ...], path: str
) -> tuple[Any, list[str]]:
    """The key of ``here`` that the path goes on with, and the keys behind it."""
    if isinstance(here, list):
        if keys[0].isdecimal() and keys[0].isascii() and int(keys[0]) < len(here):
            return int(keys[0]), keys[1:]
        raise _no_such(here, keys[0], place, path)
    if isinstance(here, dict):
        end = _longest(here, keys) or 1
        return ".".join(keys[:end]), keys[end:]
    raise PolicyError([Problem(f"{'.'.join(map(str, place))} has no parts", path, show(here))])


def _longest(here: dict[str, Any], keys: list[str]) -> int:
    """How many of ``keys`` form a key of ``here``, as a name may hold dots itself (gpt-4.1)."""
    ends = range(len(keys), 0, -1)
    return next((end for end in ends if ".".join(keys[:end]) in here), 0)


def _no_such(here: Any, key: str, place: tuple[int | str, ...], path: str) -> PolicyError:
    if isinstance(here, list):
        allowed = f"0 to {len(here) - 1}" if here else "nothing: the list is empty"
    else:
        allowed = did_you_mean(key, allowed_at(place, here))
    parent = ".".join(map(str, place)) or "the policy"
    return PolicyError([Problem(f"{parent} has no such part", path, repr(key), allowed)])
