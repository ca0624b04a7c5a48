"""A service with a provider in the same process: whatever happens, everything is given back."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.test_live import Logged
from toolkit.engine.admission import EXTRA, IN_PROGRESS
from toolkit.engine.live import Service
from toolkit.engine.machine import abandon, next_action
from toolkit.engine.replay import replay
from toolkit.errors import DataError
from toolkit.logs.datasets import Dataset
from toolkit.policy.model import Policy
from toolkit.schema import ErrorType

GOOD = Logged("42", 0.25, 0.0, ErrorType.NONE)
FAILED = Logged("", 0.0, 0.0, ErrorType.SERVER_ERROR)


def policy(steps: list[dict[str, Any]], **more: Any) -> Policy:
    """Two models with a place for one call each, unless ``models`` says otherwise."""
    models = {name: {"limits": {"concurrency": 1}} for name in ("a", "b")}
    data = {"policy": "served", "models": models, "default": "only"} | more
    return Policy.model_validate(data | {"chains": {"only": {"steps": steps}}})


def held(service: Service) -> tuple[int, int, int]:
    """Requests in progress, extra calls and calls under way: nobody may hold any in the end."""
    shared = service._shared
    counts = shared.counts
    return int(counts[IN_PROGRESS]), int(counts[EXTRA]), int(shared.models["in_flight"].sum())


def until(holds: Callable[[], bool]) -> None:
    """Wait for another thread, for ten seconds at most."""
    last = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < last
        time.sleep(0.001)


def test_after_many_threads_and_failures_nothing_is_held():
    """Retries, hedges, breakers, limits, shedding and the cache, at once, in eight threads."""
    protected = {
        "breaker": {"min_calls": 5, "open_s": 0.01, "window_s": 1},
        "limits": {"concurrency": 3, "requests_per_min": 60_000},
    }
    one = Service(
        policy(
            [
                {"model": "a", "retries": 2, "backoff_s": 0.001, "hedge": {"after_s": 0.001}},
                {"degrade": "stale_cache"},
                {"model": "b", "hedge": {"after_s": 0.001, "model": "a"}},
                {"model": "b", "retries": 1, "backoff_s": 0.001},
            ],
            models={"a": protected, "b": protected},
            cache={"max_entries": 5, "ttl_s": 0.01, "stale_if_error_s": 0.02},
            retry_budget={"share": 0.3},
            shedding={"max_in_progress": 7},
            daily_cost_usd=1000,
        )
    )
    rnd = random.Random(5)
    asked = []
    under_way = {"a": 0, "b": 0}
    counting = threading.Lock()

    def call(name: str, model: object, timeout_s: float) -> Logged:
        with counting:
            asked.append(name)
            under_way[name] += 1
            luck = rnd.random()
        try:
            time.sleep(0.004 * rnd.random())
            if luck < 0.03:
                raise ZeroDivisionError("not what a provider should do")
            return FAILED if luck < 0.4 else GOOD
        finally:
            with counting:
                under_way[name] -= 1

    def serve(number: int) -> Any:
        try:
            return one.serve({"request_id": f"r{number}", "prompt": f"p{number % 9}"}, call).trace
        except ZeroDivisionError:
            return None

    with ThreadPoolExecutor(8) as pool:
        traces = list(pool.map(serve, range(400)))
    assert held(one) == (0, 0, 0)
    kept = [trace for trace in traces if trace]
    assert len(kept) > 300
    labels = {a.error_type for trace in kept for a in trace.attempts}
    assert {None, "server_error", "cancelled"} <= labels
    assert any(trace.skips for trace in kept)
    assert any(trace.cached for trace in kept)
    until(lambda: not sum(under_way.values()))  # those that were given up
    # Requests that ended by an exception have no trace of their calls.
    tried = sum(len(trace.attempts) for trace in kept)
    assert tried <= len(asked) <= tried + 6 * (400 - len(kept))


def test_one_thread_s_late_clock_reading_loses_no_failure():
    """A thread that read the clock before another but comes after it: its call counts too."""
    now = [0.0]
    breaker = {"min_calls": 4, "failure_rate": 1, "window_s": 10, "open_s": 60}
    models = {"a": {"breaker": breaker}}
    one = Service(policy([{"model": "a"}], models=models), clock=lambda: now[0])
    for seconds in (5.0, 6.1, 5.9, 6.2):
        now[0] = seconds
        one.serve({"request_id": "r"}, lambda *_: FAILED)
    assert one.breaker("a") == "open"


HEDGED = {"model": "a", "hedge": {"after_s": 0.02, "model": "b"}}
RETRIED = {"model": "a", "retries": 1, "backoff_s": 0.01}


HEDGES = {
    "no need": ((0.05, 0), (0.05, 0)),
    "the second wins": ((0.6, 0), (0.05, 0)),
    "the first wins": ((0.35, 0), (0.6, 0)),
    "the second fails": ((0.5, 0), (0.05, 3)),
    "the first fails": ((0.3, 3), (0.35, 0)),
    "both fail": ((0.35, 3), (0.05, 3)),
    "too late": ((0.05, 3), (0.05, 0)),
}
"""Seconds and error of each model; a second call goes out after 0.15 s."""


def test_hedges_go_as_in_replay():
    """Who is asked beside whom, who wins and who is given up: on the real clock as from a log."""
    step = {"model": "a", "hedge": {"after_s": 0.15, "model": "b"}}
    hedged = policy([step, {"degrade": "message", "text": "Not now."}], models={"a": {}, "b": {}})
    latency_s, error = np.moveaxis(np.array(list(HEDGES.values())), 2, 0)
    number = np.ones_like(latency_s)
    log = Dataset(
        name="hedged",
        requests=pa.table({"request_id": list(HEDGES)}),
        models=("a", "b"),
        observed=number > 0,
        quality=number * (error == 0),
        cost_usd=number,
        latency_s=latency_s,
        input_tokens=number,
        output_tokens=number,
        error=error.astype(np.int8),
    )
    done = replay(hedged, log)
    one = Service(hedged)

    def serve(row: int) -> Any:
        def call(name: str, *_: object) -> Logged:
            column = log.models.index(name)
            time.sleep(latency_s[row, column])
            return Logged("42", 1.0, latency_s[row, column], ErrorType(log.error[row, column]))

        return one.serve({"request_id": list(HEDGES)[row]}, call).trace

    with ThreadPoolExecutor(len(HEDGES)) as pool:
        traces = list(pool.map(serve, range(len(HEDGES))))
    for row, got in enumerate(traces):
        want = done.trace(row)
        assert (got.status, got.error_type) == (want.status, want.error_type)
        assert [(a.model, a.hedge, a.error_type) for a in got.attempts] == [
            (a.model, a.hedge, a.error_type) for a in want.attempts
        ]
        assert got.latency_s == pytest.approx(want.latency_s, abs=0.3)
    assert held(one) == (0, 0, 0)


def fail(error: BaseException) -> Callable[[], Logged]:
    """Raise ``error`` when called."""

    def do() -> Logged:
        raise error

    return do


def after(seconds: float, do: Callable[[], Logged]) -> Callable[[], Logged]:
    """Do it later."""

    def later() -> Logged:
        time.sleep(seconds)
        return do()

    return later


@pytest.mark.parametrize("error", [RuntimeError("odd"), KeyboardInterrupt("odd")])
@pytest.mark.parametrize(
    ("step", "a", "b"),
    [
        ({"model": "a"}, fail, None),
        (HEDGED, fail, None),
        (HEDGED, lambda error: after(0.1, fail(error)), lambda: after(0.2, lambda: GOOD)),
        (HEDGED, lambda _: after(0.2, lambda: GOOD), fail),
    ],
    ids=["alone", "before_its_hedge", "first_of_two", "second_of_two"],
)
def test_what_a_provider_raises_reaches_the_caller_and_nothing_stays_held(error, step, a, b):
    """Places, the hedge's unit of the retry budget and the request's own are given back."""
    one = Service(policy([step], retry_budget={"share": 0, "min_retries": 1}))
    does = {"a": a(error), "b": (b(error) if b is fail else b()) if b else fail(error)}
    with pytest.raises(type(error), match="odd"):
        one.serve({"request_id": "r1"}, lambda name, *_: does[name]())
    assert held(one) == (0, 0, 0)
    assert one.serve({"request_id": "r2"}, lambda *_: GOOD).text == "42"


def test_a_wait_that_is_interrupted_gives_back_its_place_in_the_budget():
    """Ctrl-C during the pause before a retry: the next request may retry."""
    interrupts = [KeyboardInterrupt()]

    def sleep(seconds: float) -> None:
        if interrupts:
            raise interrupts.pop()

    one = Service(policy([RETRIED], retry_budget={"share": 0, "min_retries": 1}), sleep=sleep)
    with pytest.raises(KeyboardInterrupt):
        one.serve({"request_id": "r1"}, lambda *_: FAILED)
    assert held(one) == (0, 0, 0)
    served = one.serve({"request_id": "r2"}, lambda *_: FAILED)
    assert len(served.trace.attempts) == 2


def test_a_cache_that_fails_to_keep_an_answer_gives_back_nothing_twice(monkeypatch):
    """The request was over for the machine before its answer was stored."""
    one = Service(policy([{"model": "a"}], cache={}))
    monkeypatch.setattr(one.cache, "store", lambda *_: fail(MemoryError("full"))())
    with pytest.raises(MemoryError, match="full"):
        one.serve({"request_id": "r1", "prompt": "p"}, lambda *_: GOOD)
    assert held(one) == (0, 0, 0)


def test_what_a_call_cost_that_was_given_up_is_paid_when_it_ends():
    """The day's budget sees the price of a call that lost, the request only that it is unknown."""
    ended = threading.Event()

    def call(name: str, *_: object) -> Logged:
        if name == "a":
            ended.wait(10)
        return GOOD

    one = Service(policy([HEDGED, {"model": "b"}], daily_cost_usd=0.5))
    first = one.serve({"request_id": "r1"}, call).trace
    assert [(a.error_type, a.cost_usd) for a in first.attempts][1] == (None, 0.25)
    assert first.attempts[0].error_type == "cancelled"
    assert first.attempts[0].cost_usd != first.attempts[0].cost_usd
    assert one._shared.spent_usd[0] == 0.25
    ended.set()
    until(lambda: one._shared.spent_usd[0] == 0.5)
    assert one.serve({"request_id": "r2"}, call).trace.error_type == "budget"


def test_a_request_needs_an_id_and_may_hold_anything_else():
    """The id is asked for before anything is done; columns that nothing asks for are not read."""
    one = Service(policy([{"model": "a"}]))
    with pytest.raises(DataError, match="the request has no request_id; got prompt"):
        one.serve({"prompt": "hello"}, lambda *_: GOOD)
    odd = {"request_id": 7, "thing": object(), "mixed": [1, "a"]}
    assert one.serve(odd, lambda *_: GOOD).trace.request_id == "7"


def test_the_machine_is_compiled_once_for_all_services():
    """Whatever a policy has, the live driver uses the machine that the first one compiled."""
    Service(policy([HEDGED, RETRIED], cache={}, shedding={"max_in_progress": 2}))
    compiled = len(next_action.signatures), len(abandon.signatures)
    Service(Policy.single("a")).serve({"request_id": "r"}, lambda *_: GOOD)
    assert (len(next_action.signatures), len(abandon.signatures)) == compiled
