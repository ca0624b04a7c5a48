"""Requests in the order of events, in plain Python: what the compiled machine must agree with.

A request waits for events (a look-up is over, a pause is over, a call has ended, a hedge is due);
between two events it goes on as far as it can. Times are seconds since the start of the replay.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tests.reference import NAN, TRANSIENT_NAMES, Cell, Log, holds, route, uniform
from tests.reference_parts import TINY, Breaker, Cache, Entry, Limits, Similarity, World
from tests.reference_records import Admission, Call, Change, Grant, Journal, Request, Result
from toolkit.policy.model import Chain, Policy
from toolkit.policy.steps import DegradeStep, ModelStep, StaleStep
from toolkit.scenarios import faults as codes
from toolkit.scenarios.faults import Faults, no_faults
from toolkit.schema import ERROR_LABELS, NEVER_FALL_BACK

DAY_S = 86_400


# --- the simulator ---------------------------------------------------------------------------


class Simulator:
    """A policy on a log: call ``run`` once."""

    def __init__(
        self,
        policy: Policy,
        log: Log,
        seed: int,
        faults: Faults,
        *,
        origin_s: float = 0.0,
        similar: Similarity = lambda i, j: float(i == j),
        starts_at: float = 0.0,
    ) -> None:
        self.policy, self.log, self.seed = policy, log, seed
        self.origin_s = origin_s
        self.starts_at = starts_at
        self.journal = Journal()
        self.world = World(faults, list(policy.models))
        self.faulty = len(faults.kind) > 0
        self.limits = {name: Limits(model.limits) for name, model in policy.models.items()}
        self.breakers = {
            name: Breaker(
                model.breaker, lambda now, state, name=name: self.changed(now, name, state)
            )
            for name, model in policy.models.items()
        }
        self.cache = Cache(policy.cache, log, similar) if policy.cache else None
        self.in_flight: dict[str, int] = dict.fromkeys(policy.models, 0)
        self.in_progress = 0
        self.extra = 0
        self.spent_on: dict[int, float] = defaultdict(float)
        self.now = 0.0
        self.events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.order = itertools.count()

    def run(self, arrivals: Sequence[tuple[float, int]]) -> list[Result]:
        """Play requests, given as (arrival, row); the results in their order."""
        results: dict[int, Result] = {}
        waiting = sorted(arrivals)
        while waiting or self.events:
            if self.events and (not waiting or self.events[0][0] <= waiting[0][0]):
                self.now, _, happen, what = heapq.heappop(self.events)
                happen(*what)
            else:
                self.now, row = waiting.pop(0)
                results[row] = self.arrive(row)
        return [results[row] for _, row in arrivals]

    def schedule(self, delay: float, happen: Callable[..., None], *what: Any) -> None:
        heapq.heappush(self.events, (self.now + delay, next(self.order), happen, what))

    def changed(self, now: float, model: str, state: str) -> None:
        self.journal.changes.append(Change(now, model, state))

    # --- a request's steps

    def arrive(self, row: int) -> Result:
        values = self.log.rows[row]
        rule, name = route(self.policy, values, self.seed)
        chain = self.policy.chains[name]
        deadline = math.inf if chain.deadline_s is None else self.now + chain.deadline_s
        budget = math.inf if chain.max_cost_usd is None else chain.max_cost_usd
        out = Result(rule, name)
        r = Request(row, self.now, chain, out, deadline, budget)
        shedding = self.policy.shedding
        if shedding is not None:
            by = values.get(shedding.priority_by) if shedding.priority_by else None
            room = shedding.limits.get(by, shedding.max_in_progress)
            r.shed = self.in_progress >= room
        if r.shed:
            self.journal.shed.append(row)
        else:
            self.in_progress += 1
        if self.cache is not None and chain.cache and not r.shed:
            r.spent += self.cache.rules.cost_usd
            self.schedule(self.cache.rules.latency_s, self.looked, r)
        else:
            self.go_on(r)
        return out

    def looked(self, r: Request) -> None:
        """A look-up for a fresh answer is over."""
        found = self.cache.find(r.row, self.now, self.cache.rules.ttl_s)
        if found is None:
            self.go_on(r)
            return
        self.finish(r, "accepted", self.cached(r, found))

    def looked_for_stale(self, r: Request, step: StaleStep) -> None:
        rules = self.cache.rules
        found = self.cache.find(r.row, self.now, rules.ttl_s + rules.stale_if_error_s)
        if found is None:
            r.step += 1
            self.go_on(r)
            return
        quality = self.cached(r, found)
        self.finish(r, "degraded", quality if step.quality is None else step.quality)

    def cached(self, r: Request, found: Entry) -> float:
        r.out.cached = True
        r.out.imputed |= found.imputed
        return self.cache.quality_for(r.row, found)

    def go_on(self, r: Request) -> None:
        """Enter steps until one waits for an event or ends the request."""
        while True:
            if r.step == len(r.chain.steps):
                self.finish(r, "error", 0.0)
                return
            step = r.chain.steps[r.step]
            if isinstance(step, DegradeStep):
                r.spent += step.cost_usd
                self.finish(r, "degraded", step.quality, step.latency_s)
                return
            if isinstance(step, StaleStep):
                if self.cache is not None and r.chain.cache:
                    r.spent += self.cache.rules.cost_usd
                    self.schedule(self.cache.rules.latency_s, self.looked_for_stale, r, step)
                    return
                r.step += 1
            elif self.ask(r, step):
                return

    def ask(self, r: Request, step: ModelStep, retrying: bool = False) -> bool:
        """Call the step's model or wait for it; False: it is skipped, and the next step's turn."""
        reason = self.obstacle(r, step.model)
        if reason is None:
            self.call(r, step, step.model, hedge=False, extra=retrying)
            return True
        if retrying:
            self.extra -= 1
        if reason == "limited":
            reason = "rate_limited"
            limits, lack_s = self.limits[step.model], 0.0
            if self.in_flight[step.model] < limits.concurrency:
                lack_s = limits.lack_s(self.tokens_in(r), self.now)
            wait = max(step.backoff_s * 2**r.retry, lack_s)
            retries = r.retry < step.retries and reason in self.retry_on(r.chain)
            if retries and self.now + wait < r.deadline and self.grant():
                r.retry, r.wait_s = r.retry + 1, r.wait_s + wait
                self.schedule(wait, self.woke, r, step)
                return True
        r.out.skips.append((r.step, reason))
        r.error = reason
        r.step += 1
        r.retry = 0
        return False

    def woke(self, r: Request, step: ModelStep) -> None:
        """A pause before a retry is over."""
        if not self.ask(r, step, retrying=True):
            self.go_on(r)

    # --- what stands in a call's way

    def obstacle(self, r: Request, model: str) -> str | None:
        """Why a model may not be called now; ``limited`` by our own limits."""
        if r.shed:
            return "shed"
        if r.deadline - self.now <= TINY:
            return "timeout"
        if r.spent >= r.budget:
            return "budget"
        stated = self.policy.models[model]
        for name, needed in self.policy.requires.items():
            able = stated.supports is None or name in stated.supports
            if not able and holds(needed.to_data(), self.log.rows[r.row]):
                return "unsupported"
        window = stated.context_window_tokens
        if window is not None and self.tokens_in(r) > window:
            return "context_window"
        return self.refusal(r, model)

    def refusal(self, r: Request, model: str) -> str | None:
        """Why no call is let through, for what others have done."""
        daily = self.policy.daily_cost_usd
        if daily is not None and self.spent_on[self.day()] >= daily:
            return "budget"
        if not self.breakers[model].admits(self.now):
            return "breaker_open"
        limits = self.limits[model]
        full = self.in_flight[model] >= limits.concurrency
        if full or limits.lack_s(self.tokens_in(r), self.now) > 0:
            return "limited"
        return None

    def tokens_in(self, r: Request) -> float:
        tokens = self.log.rows[r.row].get("input_tokens")
        return 0.0 if tokens is None or math.isnan(tokens) else tokens

    def day(self) -> int:
        return math.floor((self.origin_s + self.now) / DAY_S)

    def grant(self) -> bool:
        """Let one more extra call through, if the retry budget has room."""
        budget = self.policy.retry_budget
        if budget is not None:
            room = max(budget.share * self.in_progress, budget.min_retries)
            if self.extra + 1 > room:
                return False
        self.journal.grants.append(Grant(self.now, self.extra, self.in_progress))
        self.extra += 1
        return True

    # --- a call

    def call(self, r: Request, step: ModelStep, model: str, *, hedge: bool, extra: bool) -> None:
        """Start a call that nothing stands in the way of."""
        ticket = self.breakers[model].admit(self.now)
        self.limits[model].take(self.tokens_in(r), self.now)
        self.in_flight[model] += 1
        log_model = self.policy.log_name(model)
        if (r.row, log_model) not in self.log.cells:
            self.in_flight[model] -= 1
            self.breakers[model].give_back(ticket)
            self.extra -= extra
            for other in list(r.under_way):
                self.cancel(r, other)
            r.error = None
            self.finish(r, "unobserved", NAN)
            return
        state = self.breakers[model].state
        self.journal.admissions.append(Admission(self.now, model, self.in_flight[model], state))
        timeout = math.inf if step.timeout_s is None else step.timeout_s
        timeout = min(timeout, r.deadline - self.now)
        number = len(r.out.calls)
        start = self.now - r.arrival
        wait = 0.0 if hedge else r.wait_s
        r.wait_s -= wait
        call = Call(r.row, number, model, r.step, hedge, wait, start, timeout)
        call.ticket, call.extra = ticket, extra
        self.outcome(r, call)
        r.called.add(log_model)
        r.out.calls.append(call)
        r.under_way.append(call)
        took = 0.0 if math.isnan(call.latency_s) else call.latency_s
        self.schedule(took, self.completed, r, step, call)
        if not hedge and step.hedge is not None and took > step.hedge.after_s:
            self.schedule(step.hedge.after_s, self.hedge_due, r, step, call)

    def outcome(self, r: Request, call: Call) -> None:
        """Fill in how a call will end if nobody cancels it."""
        log_model = self.policy.log_name(call.model)
        cell = self.log.cells[r.row, log_model]
        again = log_model in r.called
        if again:
            cell = self.log.again(r.row, log_model, call.number, self.seed)
        key = (self.log.rows[r.row]["request_id"], log_model, call.number)
        at = self.starts_at + self.now
        struck = self.world.strike(cell, call.model, at, self.in_flight[call.model], key)
        cell = struck.cell
        bill = self.policy.models[call.model].bill_timeouts
        given_up = {"full": cell.cost_usd, "input_only": cell.input_usd, "none": 0.0}[bill]
        if cell.latency_s > call.timeout_s:
            cell, struck = (
                Cell("timeout", call.timeout_s, given_up, 0.0),
                replace(struck, retry_after=0.0),
            )
        call.latency_s, call.cost_usd = cell.latency_s, cell.cost_usd
        call.error, call.quality = cell.error, cell.quality
        call.imputed = again and not struck.injected
        call.given_up_usd, call.retry_after = given_up, struck.retry_after

    def completed(self, r: Request, step: ModelStep, call: Call) -> None:
        """A call has ended, unless it was cancelled before."""
        if not call.under_way:
            return
        self.breakers[call.model].record(call.ticket, call.error, self.now)
        if call.error is None:
            tokens = self.log.tokens_out(r.row, self.policy.log_name(call.model))
            self.limits[call.model].take_tokens(tokens, self.now)
        self.end(r, call)
        if call.error is None:
            for other in list(r.under_way):
                self.cancel(r, other)
            r.error = None
            r.out.model = call.model
            if self.cache is not None and r.chain.cache:
                self.cache.store(r.row, call.quality, call.imputed, self.now)
            self.finish(r, "accepted", call.quality)
        elif not r.under_way:
            self.failed(r, step, call)

    def failed(self, r: Request, step: ModelStep, call: Call) -> None:
        """No call of this step is under way any more: again, on, or the end."""
        chain, error = r.chain, call.error
        if r.retry < step.retries and error in self.retry_on(chain):
            key = (self.log.rows[r.row]["request_id"], self.policy.log_name(call.model))
            jitter = uniform(self.seed, *key, len(r.out.calls), 2)
            wait = max(step.backoff_s * 2**r.retry * (0.5 + 0.5 * jitter), call.retry_after)
            then = self.now + wait
            allowed = then < r.deadline and r.spent < r.budget
            allowed = allowed and not self.breakers[step.model].still_open(then)
            if allowed and self.grant():
                r.retry, r.wait_s = r.retry + 1, r.wait_s + wait
                self.schedule(wait, self.woke, r, step)
                return
        r.error = error
        if error in self.fallback_on(chain):
            r.step += 1
            r.retry = 0
            self.go_on(r)
        else:
            self.finish(r, "error", 0.0)

    def hedge_due(self, r: Request, step: ModelStep, first: Call) -> None:
        """The first call is slow: send a second one if nothing stands in its way."""
        if not first.under_way:
            return
        model = step.hedge.model or step.model
        if self.obstacle(r, model) is None and self.grant():
            self.call(r, step, model, hedge=True, extra=True)

    def cancel(self, r: Request, call: Call) -> None:
        """Give a call up because another one has answered."""
        self.breakers[call.model].give_back(call.ticket)
        call.latency_s = self.now - r.arrival - call.start_s
        call.cost_usd, call.error, call.quality = call.given_up_usd, "cancelled", NAN
        self.end(r, call)

    def end(self, r: Request, call: Call) -> None:
        """What every end of a call means for the counters."""
        call.under_way = False
        r.under_way.remove(call)
        self.in_flight[call.model] -= 1
        self.extra -= call.extra
        cost = 0.0 if math.isnan(call.cost_usd) else call.cost_usd
        r.spent += cost
        self.spent_on[self.day()] += cost
        if math.isnan(call.cost_usd):
            r.unmeasured.add("cost")
        if math.isnan(call.latency_s):
            r.unmeasured.add("latency")

    def finish(self, r: Request, status: str, quality: float, more_s: float = 0.0) -> None:
        """The request has ended; it takes ``more_s`` longer without being in progress."""
        if not r.shed:
            self.in_progress -= 1
        out = r.out
        out.status, out.error = status, r.error
        out.quality = quality if self.log.graded else NAN
        lost = status == "unobserved"
        out.latency_s = NAN if lost or "latency" in r.unmeasured else self.now - r.arrival + more_s
        out.cost_usd = NAN if lost or "cost" in r.unmeasured else r.spent
        if self.faulty:  # what a fault costs and takes is no measure where the log has none
            out.latency_s = out.latency_s if self.log.timed else NAN
            out.cost_usd = out.cost_usd if self.log.priced else NAN
        out.fallback = min(r.step, len(r.chain.steps) - 1) > 0 and bool(out.calls)
        out.imputed |= any(call.imputed for call in out.calls)

    # --- a chain's errors

    def retry_on(self, chain: Chain) -> Sequence[str]:
        return TRANSIENT_NAMES if chain.retry_on is None else chain.retry_on

    def fallback_on(self, chain: Chain) -> Sequence[str]:
        if chain.fallback_on is not None:
            return chain.fallback_on
        never = [e.label for e in NEVER_FALL_BACK]
        return [name for name in ERROR_LABELS if name not in never]


# --- entries ---------------------------------------------------------------------------------


def stateful(policy: Policy, faults: Faults) -> bool:
    """Whether one request can matter to another."""
    shared = policy.cache or policy.retry_budget or policy.shedding or policy.daily_cost_usd
    models = any(m.breaker or m.limits for m in policy.models.values())
    steps = [step for chain in policy.chains.values() for step in chain.steps]
    hedges = any(isinstance(step, ModelStep) and step.hedge for step in steps)
    crowds = any(kind in (codes.RATE_LIMIT, codes.OVERLOAD) for kind in faults.kind)
    return bool(shared or models or hedges or crowds)


def play_all(
    policy: Policy,
    log: Log,
    arrivals: Sequence[float],
    seed: int = 0,
    faults: Faults | None = None,
    **world: Any,
) -> tuple[list[Result], Journal]:
    """Play every request; ``world`` is ``origin_s`` and ``similar`` of a `Simulator`.

    Requests that cannot matter to each other have clocks of their own, which start at 0.
    """
    faults = no_faults(len(policy.models)) if faults is None else faults
    if stateful(policy, faults):
        simulator = Simulator(policy, log, seed, faults, **world)
        return simulator.run([(float(t), i) for i, t in enumerate(arrivals)]), simulator.journal
    results = []
    for i, arrival in enumerate(arrivals):
        alone = Simulator(policy, log, seed, faults, starts_at=float(arrival))
        results += alone.run([(0.0, i)])
    return results, Journal()


def play(policy: Policy, log: Log, i: int, seed: int) -> Result:
    """Play one request alone."""
    return Simulator(policy, log, seed, no_faults(len(policy.models))).run([(0.0, i)])[0]
