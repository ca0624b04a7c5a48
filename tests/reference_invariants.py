"""What must hold of a replay whatever the policy, the log and the world: read off its attempts.

Times on the common clock are sums and differences of rounded numbers, so that windows are taken a
little narrower (``TINY``) wherever what happens exactly at their ends may fall on either side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tests.strategies_cases import Case
from toolkit.policy.proofs import worst_case
from toolkit.policy.reach import unreachable_steps
from toolkit.policy.steps import DegradeStep, StaleStep
from toolkit.scenarios import faults as codes

TINY = 1e-6


@dataclass(frozen=True)
class Try:
    """One attempt."""

    row: int
    step: int
    """from 0"""
    model: str
    hedge: bool
    wait_s: float
    """pauses since the attempt before"""
    start_s: float
    """since its request's arrival"""
    latency_s: float
    cost_usd: float
    error: str | None


@dataclass(frozen=True)
class Played:
    """A replay as invariants read it: per request, and all attempts, by request and in order."""

    case: Case
    chain: Sequence[str]
    status: Sequence[str]
    cached: Sequence[bool]
    cost_usd: Sequence[float]
    latency_s: Sequence[float]
    tries: Sequence[Try]
    changes: Sequence[tuple[float, str, str]]
    """(time, model, state) of breakers"""

    def of(self, row: int) -> list[Try]:
        """The attempts of one request."""
        return [one for one in self.tries if one.row == row]

    def start(self, one: Try) -> float:
        """On the common clock."""
        return float(self.case.arrival_s[one.row]) + one.start_s

    def end(self, one: Try) -> float:
        """On the common clock; an attempt of unknown length takes no time."""
        return self.start(one) + (0.0 if math.isnan(one.latency_s) else one.latency_s)

    def input_tokens(self, row: int) -> float:
        """0 where not known."""
        return self.case.dataset.requests["input_tokens"][row].as_py() or 0.0


def check(played: Played) -> None:
    """Assert all of them."""
    for row, chain in enumerate(played.chain):
        _bounded(played, row, chain)
        if played.status[row] != "unobserved":
            _cost_is_a_sum(played, row, chain)
            _latency_is_a_sum(played, row, chain)
    for name, model in played.case.policy.models.items():
        calls = sorted((t for t in played.tries if t.model == name), key=played.start)
        if model.limits is not None:
            _within_limits(played, name, calls)
        if model.breaker is not None:
            _breaker_is_obeyed(played, name, calls)
    _extra_calls_within_the_budget(played)


def close(a: float, b: float) -> bool:
    """Equal up to rounding; unknown equals unknown."""
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def _bounded(played: Played, row: int, name: str) -> None:
    """No attempt starts after the deadline or outlasts it; all stays within what is proved."""
    policy = played.case.policy
    chain, tries = policy.chains[name], played.of(row)
    proved = worst_case(policy, name, _dearest(played))
    assert len(tries) <= proved.attempts
    assert not {one.step for one in tries} & set(unreachable_steps(policy, name))
    if not math.isnan(played.latency_s[row]):
        assert played.latency_s[row] <= proved.seconds + TINY
    if proved.usd is not None and not math.isnan(played.cost_usd[row]):
        assert played.cost_usd[row] <= proved.usd + TINY
    deadline = chain.deadline_s or math.inf
    for one in tries:
        assert one.start_s < deadline
        if not math.isnan(one.latency_s):
            assert one.start_s + one.latency_s <= deadline + TINY
            assert one.latency_s <= (chain.steps[one.step].timeout_s or math.inf) + TINY
    retries: dict[int, int] = {}
    for one in tries:
        retries[one.step] = retries.get(one.step, -1) + (not one.hedge)
    assert all(count <= chain.steps[step].retries for step, count in retries.items())


def _dearest(played: Played) -> dict[str, float]:
    """The largest cost of a call per model of the log, at the highest price of this world."""
    faults, data = played.case.faults, played.case.dataset
    dearer = [max(1.0, f) for f in faults.value[faults.kind == codes.PRICE].tolist()]
    return {
        model: float(np.nanmax(data.cost_usd[:, k])) * math.prod(dearer)
        for k, model in enumerate(data.models)
        if not np.isnan(data.cost_usd[:, k]).all()
    }


def _lookups(played: Played, row: int, name: str) -> tuple[int, int]:
    """Fewest and most look-ups in the cache of a request."""
    policy = played.case.policy
    chain = policy.chains[name]
    if policy.cache is None or not chain.cache:
        return 0, 0
    stale = sum(isinstance(step, StaleStep) for step in chain.steps)
    return 0, 1 + stale


def _never_measured(played: Played, name: str) -> bool:
    """Whether a log holds no cost or latency at all, for which that of a fault is no stand-in."""
    case = played.case
    return len(case.faults.kind) > 0 and case.dataset.measured_share(name) == 0


def _cost_is_a_sum(played: Played, row: int, name: str) -> None:
    """Cost is that of all attempts, cancelled ones too, of look-ups and of the degrade step."""
    policy = played.case.policy
    if _never_measured(played, "cost_usd"):
        assert math.isnan(played.cost_usd[row])
        return
    cost = sum(one.cost_usd for one in played.of(row))
    if played.status[row] == "degraded" and not played.cached[row]:
        cost += policy.chains[name].steps[-1].cost_usd
    fewest, most = _lookups(played, row, name)
    each = policy.cache.cost_usd if policy.cache else 0.0
    assert any(close(played.cost_usd[row], cost + k * each) for k in range(fewest, most + 1))


def _latency_is_a_sum(played: Played, row: int, name: str) -> None:
    """Latency is what lies between arrival and end, without gaps but for pauses and look-ups.

    An accepted answer ends its request. A failed attempt ends with the last of its calls, the first
    and its hedge. The next one starts then, after its pauses and look-ups; so does the end of a
    request, where a pause that led to no call may lie before it.
    """
    policy, chain, tries = played.case.policy, played.case.policy.chains[name], played.of(row)
    latency = played.latency_s[row]
    if _never_measured(played, "latency_s"):
        assert math.isnan(latency)
        return
    if any(math.isnan(one.latency_s) for one in tries):
        assert math.isnan(latency)
        return
    each = policy.cache.latency_s if policy.cache else 0.0
    # A pause may lead to no call where something has closed the way in the meantime.
    vain = any(m.limits or m.breaker for m in policy.models.values()) or policy.daily_cost_usd
    at = 0.0
    for group in _groups(tries):
        first, ends = group[0], [one.start_s + one.latency_s for one in group]
        gap = first.start_s - at - first.wait_s
        assert any(close(gap, k * each) for k in range(_lookups(played, row, name)[1] + 1))
        for hedge in group[1:]:
            assert close(hedge.start_s, first.start_s + chain.steps[first.step].hedge.after_s)
            assert hedge.start_s < ends[0]
        answered = [end for one, end in zip(group, ends, strict=True) if one.error is None]
        if answered:
            assert played.status[row] == "accepted"
            assert close(max(ends), answered[0])  # the other one is cancelled then
            assert close(latency, answered[0])
        at = max(ends)
    if played.status[row] != "accepted" or played.cached[row]:
        last = chain.steps[-1]
        if played.status[row] == "degraded" and not played.cached[row]:
            assert isinstance(last, DegradeStep)
            at += last.latency_s
        gap = latency - at
        assert gap >= -TINY
        if not vain:
            assert any(close(gap, k * each) for k in range(_lookups(played, row, name)[1] + 1))


def _groups(tries: Sequence[Try]) -> list[list[Try]]:
    """Each first call with its hedge."""
    groups: list[list[Try]] = []
    for one in tries:
        if one.hedge:
            groups[-1].append(one)
        else:
            groups.append([one])
    assert all(len(group) <= 2 for group in groups)
    return groups


def _within_limits(played: Played, name: str, calls: Sequence[Try]) -> None:
    """Never more at once than allowed; in every window at most burst + rate × time."""
    limits = played.case.policy.models[name].limits
    starts = [played.start(one) for one in calls]
    if limits.concurrency is not None:
        for start in starts:
            at_once = [c for c in calls if played.start(c) <= start + TINY < played.end(c) - TINY]
            assert len(at_once) <= limits.concurrency
    if limits.requests_per_min is not None:
        rate = limits.requests_per_min / 60
        burst = max(1.0, rate * limits.burst_s)
        for i, begin in enumerate(starts):
            for j in range(i, len(starts)):
                assert j - i + 1 <= burst + rate * (starts[j] - begin) + TINY
    if limits.tokens_per_min is not None:
        rate = limits.tokens_per_min / 60
        burst = rate * limits.burst_s
        sent = [played.input_tokens(one.row) for one in calls]
        for i, begin in enumerate(starts):
            for j in range(i, len(starts)):
                if starts[j] - starts[j - 1] < TINY:
                    continue  # which of them came first is not to be seen
                needed = sum(sent[i:j]) + min(sent[j], burst)
                assert needed <= burst + rate * (starts[j] - begin) + TINY


def _spans(played: Played, name: str) -> Iterator[tuple[str, float, float]]:
    """A breaker's states (state, from, to), the last one for ever."""
    changes = [(time, state) for time, model, state in played.changes if model == name]
    for (begin, state), (end, _) in pairwise([*changes, (math.inf, "")]):
        yield state, begin, end


def _breaker_is_obeyed(played: Played, name: str, calls: Sequence[Try]) -> None:
    """Its states follow one another as they may; open admits none, half-open only its probes."""
    rules = played.case.policy.models[name].breaker
    follows = {"closed": {"open"}, "open": {"half_open"}, "half_open": {"open", "closed"}}
    before = "closed"
    for state, begin, end in _spans(played, name):
        assert state in follows[before]
        before = state
        inside = [c for c in calls if begin - TINY <= played.start(c) < end - TINY]
        if state == "open":
            assert end >= begin + rules.open_s - TINY
            assert not [c for c in inside if played.start(c) > begin + TINY]
        if state == "half_open":
            kept = [c for c in inside if c.error != "cancelled" or played.end(c) > end + TINY]
            assert len(kept) <= rules.probes


def _extra_calls_within_the_budget(played: Played) -> None:
    """When a retry or hedge is granted, the extra calls are within the share or the floor.

    An extra call counts from its grant, the beginning of its pause, to its end. Pauses that led to
    no call are not seen here, so fewer count than did; requests that end just then still do.
    """
    budget = played.case.policy.retry_budget
    if budget is None:
        return
    arrivals = played.case.arrival_s
    extra = []
    for row in range(len(played.chain)):
        seen = set()
        for one in played.of(row):
            if one.hedge or one.step in seen:
                begin = played.start(one) - (0.0 if one.hedge else one.wait_s)
                extra.append((begin, played.end(one)))
            seen.add(one.step)
    known = [math.inf if math.isnan(x) else x for x in played.latency_s]
    for granted, _ in extra:
        others = sum(begin < granted - TINY and end > granted + TINY for begin, end in extra)
        here = sum(
            arrival <= granted + TINY and arrival + known[row] >= granted - TINY
            for row, arrival in enumerate(arrivals)
        )
        assert others + 1 <= max(budget.share * here, budget.min_retries)
