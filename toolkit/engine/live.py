"""The live driver: answers the machine's calls by calling a provider, in real time.

It decides nothing: routes come from ``decide``, everything after an attempt from ``machine``, both
the code that replay runs. What touches the world (the provider, the clock, the pause) is passed
in, so a test drives it on a virtual clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import pyarrow as pa

from toolkit.engine.decide import decide
from toolkit.engine.keys import Purpose, text_keys, uniform
from toolkit.engine.machine import (
    ARRIVED,
    CALL,
    COMPLETED,
    DEGRADE,
    WAIT,
    WOKE,
    Event,
    arrive,
    next_action,
)
from toolkit.engine.provider import complete
from toolkit.engine.trace import Attempt, Trace
from toolkit.errors import ProviderError
from toolkit.logs.collect.answers import Message
from toolkit.policy.model import DegradeStep, Model, Policy
from toolkit.policy.plan import compile_plan
from toolkit.schema import REQUEST_ID, ErrorType, Status


class Reply(Protocol):
    """What a provider call gave; ``engine.provider.Answer`` is one."""

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


def serve(
    policy: Policy,
    request: Mapping[str, Any],
    call: Provider,
    *,
    seed: int = 0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Served:
    """Run one request through a policy.

    ``request`` holds ``request_id`` and whatever columns the rules test; a column that is absent
    counts as missing.
    """
    plan = compile_plan(policy, None)
    columns = {name: pa.array([request.get(name)]) for name in _columns(policy, request)}
    decision = decide(policy, pa.table(columns), seed)
    names = tuple(policy.models)
    chain = tuple(policy.chains)[decision.chain[0]]
    steps = policy.chains[chain].steps
    request_key = text_keys(columns[REQUEST_ID])[0]
    model_keys = text_keys(pa.array([policy.log_name(name) for name in names]))

    arrived = clock()
    state = arrive(int(decision.chain[0]))
    state, action = next_action(plan, state, Event(ARRIVED, 0.0, 0, 0.0, 0.0))
    attempts: list[Attempt] = []
    text, quality, wait, spent, extra_s = "", float("nan"), 0.0, 0.0, 0.0
    while action.kind in (CALL, WAIT):
        if action.kind == WAIT:
            wait = action.seconds
            sleep(wait)
            event = Event(WOKE, clock() - arrived, 0, 0.0, 0.0)
        else:
            model = int(plan.steps[state.step].model)
            start = clock() - arrived
            reply = call(names[model], policy.models[names[model]], action.seconds)
            text = reply.text
            error = int(reply.error)
            attempts.append(
                Attempt(
                    model=names[model],
                    step=int(state.step - plan.chains[state.chain].start) + 1,
                    wait_s=wait,
                    start_s=start,
                    latency_s=reply.latency_s,
                    cost_usd=reply.cost_usd,
                    quality=0.0 if error else float("nan"),
                    error_type=ErrorType(error).label if error else None,
                    imputed=False,
                )
            )
            wait = 0.0
            spent += reply.cost_usd
            paid = 0.0 if np.isnan(reply.cost_usd) else reply.cost_usd
            jitter = uniform(
                seed, request_key, model_keys[model], len(attempts), int(Purpose.BACKOFF)
            )
            event = Event(COMPLETED, clock() - arrived, error, paid, jitter)
        state, action = next_action(plan, state, event)
    status = Status.ERROR if action.error else Status.ACCEPTED
    if action.kind == DEGRADE:
        step = cast("DegradeStep", steps[int(state.step - plan.chains[state.chain].start)])
        status, text, quality = Status.DEGRADED, step.text, step.quality
        spent, extra_s = spent + step.cost_usd, step.latency_s
    elif status is Status.ERROR:
        text, quality = "", 0.0
    return Served(
        text,
        Trace(
            request_id=str(request[REQUEST_ID]),
            route=(*(r.name for r in policy.routes), "default")[decision.route[0]],
            chain=chain,
            propensity=float(decision.propensity[0]),
            attempts=tuple(attempts),
            status=status.label,
            error_type=ErrorType(action.error).label if action.error else None,
            quality=quality,
            cost_usd=spent,
            latency_s=clock() - arrived + extra_s,
        ),
    )


def _columns(policy: Policy, request: Mapping[str, Any]) -> tuple[str, ...]:
    """Every column that the request has or a rule asks for."""
    asked = [rule.sticky_by for rule in policy.routes if rule.sticky_by]
    conditions = [rule.when for rule in policy.routes]
    while conditions:
        one = conditions.pop()
        asked += one.columns
        conditions += [*(one.all or ()), *(one.any or ()), *([one.not_] if one.not_ else [])]
    return tuple(dict.fromkeys([REQUEST_ID, *request, *asked]))
