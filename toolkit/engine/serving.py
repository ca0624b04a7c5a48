"""One live request on its way through the machine."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, isnan
from typing import Any

import pyarrow as pa

from toolkit.cache.store import Hit
from toolkit.engine.calls import NAN, Calls, Reply
from toolkit.engine.decide import Decisions, decide
from toolkit.engine.facts import facts, request_tokens
from toolkit.engine.keys import Purpose, text_keys, uniform
from toolkit.engine.live import Provider, Served, Service
from toolkit.engine.machine import (
    ARRIVED,
    CALL,
    COMPLETED,
    DEGRADE,
    FINISH,
    FIRST,
    FOUND,
    FOUND_STALE,
    HEDGE,
    HEDGE_DUE,
    HIT,
    HOLD,
    LOOK_FRESH,
    LOOK_STALE,
    MISSED,
    MISSED_STALE,
    SECOND,
    SKIP,
    SKIPPED,
    STALE_HIT,
    WAIT,
    WOKE,
    Action,
    Event,
    Request,
    arrive,
    happened,
)
from toolkit.engine.trace import Attempt, Skip, Trace, why
from toolkit.errors import DataError
from toolkit.learn.routing import Routers, kinds_read
from toolkit.learn.tables import column
from toolkit.policy.conditions import Condition
from toolkit.policy.model import Policy
from toolkit.policy.plan import ASK
from toolkit.policy.steps import DegradeStep, StaleStep
from toolkit.schema import INPUT_TOKENS, REQUEST_ID, ErrorType, Status


class Serving:
    """What has happened to a request so far."""

    def __init__(self, service: Service, request: Mapping[str, Any], provider: Provider) -> None:
        self.service = service
        self.request = request
        self.provider = provider
        self.calls = Calls(service.policy, service.pay)
        self.skips: list[Skip] = []
        self.answered: Reply | None = None
        """the last call that ended"""
        self.hit: Hit | None = None
        self.wait_s = 0.0
        """pause before the next call"""
        self.other_usd = 0.0
        """spent on anything but calls"""

    def run(self) -> Served:
        """Turn the crank until the request has ended."""
        service = self.service
        if self.request.get(REQUEST_ID) is None:
            got = ", ".join(map(str, self.request)) or "nothing"
            raise DataError(f"the request has no {REQUEST_ID}; got {got}; allowed: any text")
        self.table = table = asked_columns(service.policy, self.request, service.routers)
        decision = decide(service.policy, table, service.seed, service.routers)
        needs, tokens, room = (
            column[0] for column in facts(service.policy, table, request_tokens(table))
        )
        known = Request(int(needs), float(tokens), int(room))
        self.key = text_keys(table.column(REQUEST_ID))[0]
        self.arrived = service.clock()
        chain = int(decision.chain[0])
        self.first_step = int(service.plan.chains[chain]["start"])
        event = happened(ARRIVED, self.arrived)
        state, action = service.step(known, arrive(chain), event)
        try:
            while action.kind not in _ENDS:
                event = self._do(state, action)
                state, action = service.step(known, state, event)
        except BaseException:
            service.abandon(state)
            self.calls.give_up(service.clock())
            raise
        return self._served(state, action, decision)

    def _do(self, state: Any, action: Action) -> Event:
        """Do what the machine says, and tell it what happened."""
        service = self.service
        if action.kind in (CALL, HEDGE):
            self._ask(state, action)
            return self._await(state, may_hedge=action.kind == CALL)
        if action.kind == HOLD:
            return self._await(state, may_hedge=False)
        if action.kind == WAIT:
            self.wait_s += action.seconds
            service.sleep(action.seconds)
            return happened(WOKE, service.clock())
        if action.kind == SKIP:
            step = state.step - 1
            if service.plan.steps[step]["kind"] == ASK:
                reason = ErrorType(action.error).label
                name = self._name(service.plan.steps[step]["model"])
                place = int(step - self.first_step) + 1
                self.skips.append(Skip(name, place, service.clock() - self.arrived, reason))
            return happened(SKIPPED, service.clock(), error=action.error)
        assert action.kind in (LOOK_FRESH, LOOK_STALE)
        assert service.cache is not None
        stale = bool(action.kind == LOOK_STALE)
        self.other_usd += service.plan.cache_cost_usd
        self.hit = service.cache.look_up(self.request, service.clock(), stale=stale)
        found = (FOUND_STALE if stale else FOUND) if self.hit else MISSED_STALE if stale else MISSED
        return happened(found, service.clock())

    def _ask(self, state: Any, action: Action) -> None:
        """Make the step's call, or its hedge."""
        service = self.service
        step = service.plan.steps[state.step]
        second = bool(action.kind == HEDGE)
        name = self._name(step["hedge_model" if second else "model"])
        now = service.clock()
        attempt = Attempt(
            model=name,
            step=int(state.step - self.first_step) + 1,
            wait_s=0.0 if second else self.wait_s,
            start_s=now - self.arrived,
            latency_s=NAN,
            cost_usd=NAN,
            quality=NAN,
            error_type=None,
            imputed=False,
            hedge=second,
        )
        self.wait_s = 0.0
        self.calls.begin(
            int(SECOND if second else FIRST),
            attempt,
            now,
            lambda: self.provider(name, service.policy.models[name], action.seconds),
            beside=isfinite(step["hedge_after_s"]),
        )

    def _await(self, state: Any, *, may_hedge: bool) -> Event:
        """Wait until a call has ended, or until it is time for the hedge."""
        service = self.service
        after_s = float(service.plan.steps[state.step]["hedge_after_s"])
        ended = self.calls.ended(after_s if may_hedge and isfinite(after_s) else None)
        now = service.clock()
        if ended is None:
            return happened(HEDGE_DUE, now)
        which, model, reply = ended
        self.answered = reply
        if not reply.error:
            self.calls.give_up(now)
        column = list(service.policy.models).index(model)
        number = len(self.calls.attempts)
        return happened(
            COMPLETED,
            now,
            error=int(reply.error),
            cost_usd=_known(reply.cost_usd),
            jitter=uniform(
                service.seed, self.key, service.model_keys[column], number, int(Purpose.BACKOFF)
            ),
            retry_after_s=_known(getattr(reply, "retry_after_s", 0.0)),
            call=which,
            tokens=_known(getattr(reply, "output_tokens", 0.0)),
        )

    def _name(self, model: int) -> str:
        return tuple(self.service.policy.models)[model]

    def _served(self, state: Any, action: Action, decision: Decisions) -> Served:
        """The answer and how it came about."""
        service, policy = self.service, self.service.policy
        chains = service.ordered.chains
        text, quality, extra_s = "", NAN, 0.0
        status = Status.ACCEPTED
        chain = tuple(chains)[int(decision.chain[0])]
        if action.kind == FINISH and action.error:
            status, quality = Status.ERROR, 0.0
        elif action.kind == FINISH:
            assert self.answered is not None
            text = self.answered.text
            if service.cache is not None and chains[chain].cache:
                service.cache.store(self.request, text, service.clock())
        elif action.kind == DEGRADE:
            step = chains[chain].steps[int(state.step) - self.first_step]
            assert isinstance(step, DegradeStep)
            status, text, quality = Status.DEGRADED, step.text, step.quality
            self.other_usd, extra_s = self.other_usd + step.cost_usd, step.latency_s
        else:
            assert self.hit is not None
            text = self.hit.answer
            if action.kind == STALE_HIT:
                status = Status.DEGRADED
                stale = chains[chain].steps[int(state.step) - self.first_step]
                assert isinstance(stale, StaleStep)
                quality = NAN if stale.quality is None else stale.quality
        attempts = tuple(self.calls.attempts)
        trace = Trace(
            request_id=str(self.request[REQUEST_ID]),
            route=(*(rule.name for rule in policy.routes), "default")[decision.route[0]],
            chain=chain,
            propensity=float(decision.propensity[0]),
            attempts=attempts,
            status=status.label,
            error_type=ErrorType(action.error).label if action.error else None,
            quality=quality,
            cost_usd=sum((a.cost_usd for a in attempts), self.other_usd),
            latency_s=service.clock() - self.arrived + extra_s,
            skips=tuple(self.skips),
            cached=bool(action.kind in (HIT, STALE_HIT)),
            why=why(policy, self.table, int(decision.route[0]), 0, service.routers),
        )
        return Served(text, trace)


_ENDS = (FINISH, DEGRADE, HIT, STALE_HIT)


def _known(value: float) -> float:
    return 0.0 if isnan(value) else float(value)


def asked_columns(policy: Policy, request: Mapping[str, Any], routers: Routers) -> pa.Table:
    """The request as a table of one row, with every column that the policy asks for.

    What no table can hold is missing: nobody's odd value shall lose the request.
    """
    asked = [REQUEST_ID, *(rule.sticky_by for rule in policy.routes if rule.sticky_by)]
    kinds: dict[str, str] = {}
    for router in routers.values():
        kinds |= kinds_read(router)
    asked += kinds
    if request.get(INPUT_TOKENS) is not None:
        asked.append(INPUT_TOKENS)
    if policy.shedding and policy.shedding.priority_by:
        asked.append(policy.shedding.priority_by)
    conditions: list[Condition] = [rule.when for rule in policy.routes]
    conditions += policy.requires.values()
    while conditions:
        one = conditions.pop()
        asked += one.columns
        conditions += [*(one.all or ()), *(one.any or ()), *([one.not_] if one.not_ else [])]
    names = dict.fromkeys(asked)
    return pa.table({name: column([request.get(name)], kinds.get(name, "")) for name in names})
