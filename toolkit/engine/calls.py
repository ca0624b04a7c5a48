"""The provider calls of one live request.

A call is made in the thread that serves the request; only where a hedge may be sent beside it does
it get a thread of its own. A call that is given up cannot be taken back: its thread ends when the
provider does, and of what it says only the cost is read.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from typing import Any, Protocol

from toolkit.engine.trace import Attempt
from toolkit.policy.model import Policy
from toolkit.schema import ErrorType

NAN = float("nan")


class Reply(Protocol):
    """What a provider call gave; ``engine.provider.Answer`` is one.

    It may also say ``output_tokens`` and ``retry_after_s``.
    """

    @property
    def text(self) -> str:
        """The answer, empty after an error."""

    @property
    def cost_usd(self) -> float:
        """NaN where unknown."""

    @property
    def latency_s(self) -> float:
        """Time the call took."""

    @property
    def error(self) -> ErrorType:
        """``ErrorType.NONE`` for an answer."""


@dataclass(frozen=True)
class _Call:
    """A call under way."""

    attempt: int
    """index into the attempts"""
    began_at: float
    reply: Future[Reply]


class Calls:
    """Those that were made, as attempts, and those still under way, by the machine's bit."""

    def __init__(self, policy: Policy, pay: Callable[[float], None]) -> None:
        """``pay`` gets the cost of each call that was given up, once it has ended."""
        self.attempts: list[Attempt] = []
        self._policy = policy
        self._pay = pay
        self._under_way: dict[int, _Call] = {}

    def begin(
        self, which: int, attempt: Attempt, now: float, ask: Callable[[], Reply], *, beside: bool
    ) -> None:
        """Make a call: in a thread of its own if ``beside``, else it has ended on return."""
        reply: Future[Reply] = Future()
        self._under_way[which] = _Call(len(self.attempts), now, reply)
        self.attempts.append(attempt)

        def work() -> None:
            try:
                reply.set_result(ask())
            except BaseException as error:  # noqa: BLE001  raised where the reply is read
                reply.set_exception(error)

        if beside:
            threading.Thread(target=work, daemon=True).start()
        else:
            work()

    def ended(self, limit_s: float | None) -> tuple[int, str, Reply] | None:
        """Wait for a call to end: its bit, its model, what it said; None if none did in time.

        Raises what the provider raised.
        """
        replies = [call.reply for call in self._under_way.values()]
        done, _ = wait(replies, limit_s, FIRST_COMPLETED)
        if not done:
            return None
        which = next(which for which, call in self._under_way.items() if call.reply in done)
        call = self._under_way.pop(which)
        reply = call.reply.result()
        error = ErrorType(reply.error)
        self._note(
            call,
            latency_s=reply.latency_s,
            cost_usd=reply.cost_usd,
            quality=0.0 if error else NAN,
            error_type=error.label if error else None,
        )
        return which, self.attempts[call.attempt].model, reply

    def give_up(self, now: float) -> None:
        """Wait for no call any more. What it costs is not known before it has ended."""
        for call in self._under_way.values():
            model = self._policy.models[self.attempts[call.attempt].model]
            free = model.bill_timeouts == "none"
            self._note(
                call,
                latency_s=now - call.began_at,
                cost_usd=0.0 if free else NAN,
                quality=0.0,
                error_type=ErrorType.CANCELLED.label,
            )
            if not free:
                call.reply.add_done_callback(self._late)
        self._under_way.clear()

    def _late(self, reply: Future[Reply]) -> None:
        if reply.exception() is None and not math.isnan(reply.result().cost_usd):
            self._pay(reply.result().cost_usd)

    def _note(self, call: _Call, **how: Any) -> None:
        self.attempts[call.attempt] = replace(self.attempts[call.attempt], **how)
