"""One live request on its way through the machine.

A call is made in the thread that serves the request; only where a hedge may be sent beside it does
it get a thread of its own. A call that is given up cannot be taken back: its thread ends when the
provider does, nobody reads what it says, and what it costs is not known.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from toolkit.cache.store import Hit
from toolkit.engine.decide import Decisions, decide
from toolkit.engine.facts import facts
from toolkit.engine.keys import Purpose, text_keys, uniform
from toolkit.engine.live import Provider, Reply, Served, Service
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
from toolkit.engine.trace import Attempt, Skip, Trace
from toolkit.policy.conditions import Condition
from toolkit.policy.model import DegradeStep, Policy, StaleStep
from toolkit.policy.plan import ASK
from toolkit.schema import REQUEST_ID, ErrorType, Status

NAN = float("nan")


@dataclass
class _Call:
    """A call under way."""

    attempt: int
    """index into the attempts"""
    start: float
    reply: Future[Reply]


@dataclass
class Serving:
    """What has happened to a request so far."""

    service: Service
    request: Mapping[str, Any]
    provider: Provider
    attempts: list[Attempt] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    calls: dict[int, _Call] = field(default_factory=dict)
    """those under way, by FIRST and SECOND"""
    answered: Reply | None = None
    """the last call that ended"""
    hit: Hit | None = None
    wait_s: float = 0.0
    cost_usd: float = 0.0

    def run(self) -> Served:
        """Turn the crank until the request has ended."""
        service = self.service
        columns = asked_columns(service.policy, self.request)
        table = pa.table({name: pa.array([self.request.get(name)]) for name in columns})
        decision = decide(service.policy, table, service.seed)
        needs, tokens, room = (column[0] for column in facts(service.policy, table))
        known = Request(int(needs), float(tokens), int(room))
        self.key = text_keys(table.column(REQUEST_ID))[0]
        self.arrived = service.clock()
        chain = int(decision.chain[0])
        self.first_step = int(service.plan.chains[chain]["start"])
        state: Any = arrive(chain)
        event = happened(ARRIVED, self.arrived)
        try:
            while True:
                state, action = service.step(known, state, event)
                if action.kind in _ENDS:
                    return self._served(state, action, decision)
                event = self._do(state, action)
        except BaseException:
            service.abandon(state, service.clock())
            raise

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
        self.cost_usd += service.plan.cache_cost_usd
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
        self.attempts.append(
            Attempt(
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
        )
        self.wait_s = 0.0
        reply: Future[Reply] = Future()
        self.calls[int(SECOND if second else FIRST)] = _Call(len(self.attempts) - 1, now, reply)

        def work() -> None:
            try:
                reply.set_result(self.provider(name, service.policy.models[name], action.seconds))
            except BaseException as error:  # noqa: BLE001  raised where the reply is read
                reply.set_exception(error)

        if np.isfinite(step["hedge_after_s"]):
            threading.Thread(target=work, daemon=True).start()
        else:
            work()

    def _await(self, state: Any, *, may_hedge: bool) -> Event:
        """Wait until a call has ended, or until it is time for the hedge."""
        service = self.service
        after_s = float(service.plan.steps[state.step]["hedge_after_s"])
        limit = after_s if may_hedge and np.isfinite(after_s) else None
        done, _ = wait([call.reply for call in self.calls.values()], limit, FIRST_COMPLETED)
        if not done:
            return happened(HEDGE_DUE, service.clock())
        which = next(which for which, call in self.calls.items() if call.reply in done)
        ended = self.calls.pop(which)
        reply = self.answered = ended.reply.result()
        now, error = service.clock(), int(reply.error)
        attempt = self.attempts[ended.attempt]
        self.attempts[ended.attempt] = replace(
            attempt,
            latency_s=reply.latency_s,
            cost_usd=reply.cost_usd,
            quality=0.0 if error else NAN,
            error_type=ErrorType(error).label if error else None,
        )
        self.cost_usd += reply.cost_usd
        if not error:
            for other in self.calls.values():
                self._give_up(other, now)
        column = list(service.policy.models).index(attempt.model)
        tokens = float(getattr(reply, "output_tokens", NAN))
        return happened(
            COMPLETED,
            now,
            error=error,
            cost_usd=0.0 if np.isnan(reply.cost_usd) else reply.cost_usd,
            jitter=uniform(
                service.seed,
                self.key,
                service.model_keys[column],
                len(self.attempts),
                int(Purpose.BACKOFF),
            ),
            retry_after_s=float(getattr(reply, "retry_after_s", 0.0)),
            call=which,
            tokens=0.0 if np.isnan(tokens) else tokens,
        )

    def _give_up(self, call: _Call, now: float) -> None:
        attempt = self.attempts[call.attempt]
        free = self.service.policy.models[attempt.model].bill_timeouts == "none"
        cost = 0.0 if free else NAN
        self.cost_usd += cost
        self.attempts[call.attempt] = replace(
            attempt,
            latency_s=now - call.start,
            cost_usd=cost,
            quality=0.0,
            error_type=ErrorType.CANCELLED.label,
        )

    def _name(self, model: int) -> str:
        return tuple(self.service.policy.models)[model]

    def _served(self, state: Any, action: Action, decision: Decisions) -> Served:
        """The answer and how it came about."""
        service, policy = self.service, self.service.policy
        text, quality, extra_s = "", NAN, 0.0
        status = Status.ACCEPTED
        chain = tuple(policy.chains)[int(decision.chain[0])]
        if action.kind == FINISH and action.error:
            status, quality = Status.ERROR, 0.0
        elif action.kind == FINISH:
            assert self.answered is not None
            text = self.answered.text
            if service.cache is not None and policy.chains[chain].cache:
                service.cache.store(self.request, text, service.clock())
        elif action.kind == DEGRADE:
            step = policy.chains[chain].steps[int(state.step) - self.first_step]
            assert isinstance(step, DegradeStep)
            status, text, quality = Status.DEGRADED, step.text, step.quality
            self.cost_usd, extra_s = self.cost_usd + step.cost_usd, step.latency_s
        else:
            assert self.hit is not None
            text = self.hit.answer
            if action.kind == STALE_HIT:
                status = Status.DEGRADED
                stale = policy.chains[chain].steps[int(state.step) - self.first_step]
                assert isinstance(stale, StaleStep)
                quality = NAN if stale.quality is None else stale.quality
        trace = Trace(
            request_id=str(self.request[REQUEST_ID]),
            route=(*(rule.name for rule in policy.routes), "default")[decision.route[0]],
            chain=chain,
            propensity=float(decision.propensity[0]),
            attempts=tuple(self.attempts),
            status=status.label,
            error_type=ErrorType(action.error).label if action.error else None,
            quality=quality,
            cost_usd=self.cost_usd,
            latency_s=service.clock() - self.arrived + extra_s,
            skips=tuple(self.skips),
            cached=bool(action.kind in (HIT, STALE_HIT)),
        )
        return Served(text, trace)


_ENDS = (FINISH, DEGRADE, HIT, STALE_HIT)


def asked_columns(policy: Policy, request: Mapping[str, Any]) -> tuple[str, ...]:
    """Every column that the request has or the policy asks for."""
    asked = [rule.sticky_by for rule in policy.routes if rule.sticky_by]
    if policy.shedding and policy.shedding.priority_by:
        asked.append(policy.shedding.priority_by)
    conditions: list[Condition] = [rule.when for rule in policy.routes]
    conditions += policy.requires.values()
    while conditions:
        one = conditions.pop()
        asked += one.columns
        conditions += [*(one.all or ()), *(one.any or ()), *([one.not_] if one.not_ else [])]
    return tuple(dict.fromkeys([REQUEST_ID, *request, *asked]))
