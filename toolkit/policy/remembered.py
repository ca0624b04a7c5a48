"""What was worked out about an object, for as long as somebody holds the object."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Remembered(Generic[Key, Value]):
    """Values by the identity of their keys, made once each and by one thread.

    Identity and not equality: a policy's hash takes longer than the look-up is worth, and a table
    has none. The keys are held weakly; a value must not hold its own key.
    """

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[Key], threading.Lock, list[Value]]] = {}
        self._lock = threading.Lock()

    def of(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value of ``key``; ``make`` gives it when it is asked for the first time."""
        number = id(key)
        found = self._entries.get(number)
        # An object that is gone may leave its number to another before its entry is dropped.
        if found is None or found[0]() is not key:
            with self._lock:
                found = self._entries.get(number)
                if found is None or found[0]() is not key:
                    found = (weakref.ref(key, self._forget(number)), threading.Lock(), [])
                    self._entries[number] = found
        _, lock, made = found
        if not made:
            with lock:
                if not made:
                    made.append(make())
        return made[0]

    def _forget(self, number: int) -> Callable[[weakref.ref[Key]], None]:
        def gone(ref: weakref.ref[Key]) -> None:
            # No lock: a collection may come while this thread holds it.
            entry = self._entries.get(number)
            if entry is not None and entry[0] is ref:
                self._entries.pop(number, None)

        return gone
