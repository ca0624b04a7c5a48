"""The live driver: answers the machine's calls by calling providers, on the real clock.

The decision, the machine and its shared state are the very ones of replay; only who answers a
call differs. Requests are served by as many threads as there are; what they share (breakers,
limits, budgets, the cache) belongs to a `Service`, and one lock guards it for the microseconds of
a transition, never while a provider is waited for.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from toolkit.cache.store import AnswerCache
from toolkit.engine.admission import Shared, shared_state
from toolkit.engine.calls import Reply
from toolkit.engine.keys import text_keys
from toolkit.engine.machine import (
    ARRIVED,
    Action,
    Event,
    Request,
    abandon,
    arrive,
    happened,
    next_action,
)
from toolkit.engine.provider import complete
from toolkit.engine.trace import Trace
from toolkit.errors import ProviderError
from toolkit.learn.forecasts import forecast
from toolkit.learn.routing import load_routers
from toolkit.logs.collect.answers import Message
from toolkit.policy.model import Model, Policy
from toolkit.policy.orders import with_orders
from toolkit.policy.plan import NO_LIMIT, Plan, compile_plan
from toolkit.schema import PROMPT, REQUEST_ID

Provider = Callable[[str, Model, float], Reply]
"""Called with a model's name in the policy, its settings, and the timeout in seconds."""


def through_litellm(messages: Sequence[Message]) -> Provider:
    """Return a provider that sends ``messages`` to a model as its settings say, with LiteLLM."""

    def call(name: str, model: Model, timeout_s: float) -> Reply:
        if model.litellm is None:
            raise ProviderError(
                f"models.{name}: nothing says how to call it live; got no litellm;"
                " allowed: LiteLLM's name of a model, such as openai/gpt-4o-mini"
            )
        return complete(
            model.litellm,
            messages,
            api_base=model.api_base,
            api_key_env=model.api_key_env,
            timeout_s=None if math.isinf(timeout_s) else timeout_s,
        )

    return call


@dataclass(frozen=True)
class Served:
    """A live request's answer and its trace."""

    text: str
    trace: Trace


class Service:
    """A policy in service: requests of any number of threads share its breakers, limits and cache.

    >>> service = Service(policy)
    ... served = service.serve({"request_id": "r1", "prompt": "…"}, through_litellm(messages))

    ``clock`` gives seconds that never go back; ``sleep`` waits on it. ``origin_s`` is the UTC time
    of its 0, for the daily budget; None: taken from the computer's time.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        origin_s: float | None = None,
    ) -> None:
        self.policy = policy
        self.seed = seed
        self.clock = clock
        self.sleep = sleep
        self.cache = AnswerCache(policy.cache) if policy.cache else None
        self.ordered = with_orders(policy)
        """with a chain for each order that its routers may choose"""
        self.routers = load_routers(policy)
        """as they are when the service begins"""
        self.plan = compile_plan(self.ordered, None)
        self.model_keys = text_keys(pa.array([policy.log_name(name) for name in policy.models]))
        self._lock = threading.Lock()
        self._now = -math.inf
        if origin_s is None:
            origin_s = time.time() - clock()
        self._shared = shared_state(self.plan, origin_s, changes=0)
        self._warm_up()

    def serve(self, request: Mapping[str, Any], call: Provider) -> Served:
        """Run one request through the policy.

        ``request`` holds ``request_id`` and whatever columns the rules, the routers, the
        capabilities, the shedding and the cache ask for; a column that is absent counts as missing.
        """
        from toolkit.engine.serving import Serving

        return Serving(self, request, call).run()

    def breaker(self, model: str) -> str:
        """The state of a model's breaker now: ``closed``, ``open`` or ``half_open``."""
        state = self._shared.models[list(self.policy.models).index(model)]["breaker"]
        return ("closed", "open", "half_open")[int(state)]

    def step(self, known: Request, state: Any, event: Event) -> tuple[Any, Action]:
        """Turn the machine for one request."""
        with self._lock:
            # Threads read the clock before they get here: in another order than they come.
            self._now = max(self._now, event.now)
            return _turn(self.plan, self._shared, known, state, event._replace(now=self._now))

    def abandon(self, state: Any) -> None:
        """Give back what a request holds that cannot go on."""
        with self._lock:
            abandon(self.plan, self._shared, state, 0.0, self._now)

    def pay(self, cost_usd: float) -> None:
        """Add to the day's spending what nobody waited for."""
        with self._lock:
            self._shared.spent_usd[0] += cost_usd

    def _warm_up(self) -> None:
        """Have the machine compiled, which can take seconds, so that no request waits for it."""
        scratch: Shared = shared_state(self.plan, changes=0)
        known = Request(0, 0.0, NO_LIMIT)
        state, _ = _turn(self.plan, scratch, known, arrive(0), happened(ARRIVED, 0.0))
        abandon(self.plan, scratch, state, 0.0, 0.0)
        for router in self.routers.values():
            forecast(router, pa.table({REQUEST_ID: [""], PROMPT: [""]}))


def _turn(
    plan: Plan, shared: Shared, known: Request, state: Any, event: Event
) -> tuple[Any, Action]:
    made: tuple[Any, Action] = next_action(plan, shared, known, state, event)
    return made


def serve(
    policy: Policy,
    request: Mapping[str, Any],
    call: Provider,
    *,
    seed: int = 0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Served:
    """Run one request through a policy by itself; see `Service` for many that share its state."""
    return Service(policy, seed=seed, clock=clock, sleep=sleep).serve(request, call)
