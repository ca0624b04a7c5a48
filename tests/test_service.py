"""A policy in service: over HTTP against a server that misbehaves, and from many threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any

import pytest

from tests.bad_provider import BadProvider, bad_provider
from tests.local_model import MODEL, shared_model
from toolkit.engine.live import Served, Service, through_litellm
from toolkit.engine.provider import complete, warm_up
from toolkit.policy.model import Policy

ASK = [{"role": "user", "content": "hello"}]
CALL_USD = 7 * 0.15e-6 + 3 * 0.6e-6
"""What the misbehaving server's good answer costs as gpt-4o-mini."""


@pytest.fixture
def server() -> Iterator[BadProvider]:
    """A server with two models, ``primary`` and ``backup``, both well."""
    warm_up()
    with bad_provider() as server:
        server.moods.update(primary="good", backup="good")
        yield server


class Clock:
    """Real seconds, which a test may put forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


def service(
    server: BadProvider,
    steps: list[dict[str, Any]],
    *,
    primary: dict[str, Any] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    **policy: Any,
) -> Service:
    """A chain over ``primary`` and ``backup`` at the server."""
    models = {
        name: {"litellm": "openai/gpt-4o-mini", "api_base": server.base(name), **more}
        for name, more in {"primary": primary or {}, "backup": {}}.items()
    }
    data = {"policy": "served", "models": models, "default": "only"} | policy
    written = Policy.model_validate(data | {"chains": {"only": {"steps": steps}}})
    return Service(written, clock=clock, sleep=sleep, origin_s=0.0)


def ask(one: Service, number: int = 0) -> Served:
    """Serve one request."""
    return one.serve({"request_id": f"r{number}", "prompt": "hello"}, through_litellm(ASK))


def ask_at_once(one: Service, count: int, threads: int = 8) -> list[Served]:
    """Serve many requests from several threads."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda number: ask(one, number), range(count)))


def tried(served: Served) -> list[tuple[str, str | None]]:
    """The model and the error of each attempt."""
    return [(attempt.model, attempt.error_type) for attempt in served.trace.attempts]


def skipped(served: Served) -> list[tuple[str, str]]:
    """The model of each step that was not tried, and why."""
    return [(skip.model, skip.error_type) for skip in served.trace.skips]


BOTH = [{"model": "primary"}, {"model": "backup"}]
FAILED = ("primary", "server_error")
OPEN = [("primary", "breaker_open")]


def test_a_breaker_keeps_requests_from_a_server_that_fails(server):
    """After min_calls failures no call reaches it; after open_s one probe does, then all do."""
    clock = Clock()
    breaker = {"min_calls": 4, "open_s": 1000, "window_s": 1000, "probes": 2}
    one = service(server, BOTH, primary={"breaker": breaker}, clock=clock)
    server.moods["primary"] = "500"
    done = [ask(one) for _ in range(7)]
    assert [FAILED in tried(served) for served in done] == [True] * 4 + [False] * 3
    assert all(tried(served)[-1] == ("backup", None) for served in done)
    assert [skipped(served) for served in done[4:]] == [OPEN] * 3
    assert server.calls.count("primary") == 4
    assert one.breaker("primary") == "open"

    clock.ahead_s += 1000
    assert [skipped(ask(one)) for _ in range(3)] == [[], OPEN, OPEN]
    assert server.calls.count("primary") == 5

    clock.ahead_s += 1000
    server.moods["primary"] = "good"
    assert tried(ask(one)) == [("primary", None)]
    assert one.breaker("primary") == "half_open"
    assert tried(ask(one)) == [("primary", None)]
    assert one.breaker("primary") == "closed"


def test_of_many_at_once_only_the_probes_pass_a_half_open_breaker(server):
    """Eight threads meet a breaker whose time is over: two calls reach the server."""
    clock = Clock()
    breaker = {"min_calls": 1, "open_s": 1000, "probes": 2}
    one = service(server, BOTH, primary={"breaker": breaker}, clock=clock)
    server.moods["primary"] = "500"
    ask(one)
    clock.ahead_s += 1000
    server.moods["primary"], server.slow_s = "slow", 0.5
    done = ask_at_once(one, 8)
    assert server.calls.count("primary") == 1 + 2
    assert sum(skipped(served) == OPEN for served in done) == 6
    assert one.breaker("primary") == "closed"


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        ("0.5", 0.5, 0.5),
        ("-3", 0, 0),
        ("soon", 0, 0),
        ("86400", 3600, 3600),
        (lambda: formatdate(time.time() + 60, usegmt=True), 40, 60),
        (lambda: formatdate(time.time() - 60, usegmt=True), 0, 0),
    ],
)
def test_how_long_a_provider_asks_to_wait(server, header, least, most):
    """Retry-After is read as seconds or as a date, up to an hour; what is neither is nothing."""
    server.retry_after = header() if callable(header) else header
    answer = complete("openai/stub", ASK, api_base=server.base("429"))
    assert least <= answer.retry_after_s <= most


def test_a_retry_waits_as_long_as_the_provider_asks(server):
    """The wait after a 429 is its Retry-After where that is longer than the backoff."""
    server.moods["primary"], server.retry_after = "429", "0.4"

    def sleep(seconds: float) -> None:
        server.moods["primary"] = "good"
        time.sleep(seconds)

    one = service(server, [{"model": "primary", "retries": 1, "backoff_s": 0.01}], sleep=sleep)
    served = ask(one)
    assert tried(served) == [("primary", "rate_limited"), ("primary", None)]
    assert served.trace.attempts[1].wait_s == pytest.approx(0.4)
    assert served.trace.latency_s >= 0.4


def test_calls_of_any_timeout_share_a_connection(server):
    """What is left of a deadline differs from call to call; no call connects anew for that."""
    for i in range(5):
        complete("openai/stub", ASK, api_base=server.base("good"), timeout_s=5 + i / 1000)
    assert (len(server.calls), server.connections) == (5, 1)


def test_a_hedge_answers_when_the_first_call_is_slow(server):
    """Both calls reach the server, the second one's answer is taken, the first is cancelled."""
    server.moods["primary"], server.slow_s = "slow", 2.0
    hedge = {"after_s": 0.1, "model": "backup"}
    one = service(server, [{"model": "primary", "hedge": hedge}])
    served = ask(one)
    assert served.text == "forty-two"
    assert server.calls == ["primary", "backup"]
    assert tried(served) == [("primary", "cancelled"), ("backup", None)]
    first, second = served.trace.attempts
    assert (first.hedge, second.hedge) == (False, True)
    assert 0.1 <= second.start_s <= served.trace.latency_s < 1.5
    assert first.latency_s == pytest.approx(served.trace.latency_s, abs=0.1)
    assert second.cost_usd == pytest.approx(CALL_USD)


def test_no_more_calls_at_once_than_the_limit(server):
    """Eight threads, two places: the server never sees a third call, and others fall back."""
    server.moods["primary"], server.slow_s = "slow", 0.1
    one = service(server, BOTH, primary={"limits": {"concurrency": 2}})
    done = ask_at_once(one, 24)
    assert server.most_at_once["primary"] == 2
    limited = [("primary", "rate_limited")]
    assert all(skipped(served) in ([], limited) for served in done)
    assert sum(skipped(served) == limited for served in done) == server.calls.count("backup") > 0


@pytest.mark.parametrize("places", [0, 2])
def test_a_retry_budget_keeps_a_dead_server_from_a_flood(server, places):
    """Of eight threads no more than so many are in a retry, and there are fewer calls for it."""
    server.moods["primary"] = "500"
    waits: list[float] = []
    waiting: list[float] = []
    most = [0]

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        waiting.append(seconds)
        most[0] = max(most[0], len(waiting))
        time.sleep(seconds)
        waiting.remove(seconds)

    budget = {"share": 0, "min_retries": places}
    steps = [{"model": "primary", "retries": 5, "backoff_s": 0.05}]
    one = service(server, steps, retry_budget=budget, sleep=sleep)
    ask_at_once(one, 24)
    assert most[0] <= places
    assert len(server.calls) == 24 + len(waits) < 24 * 6
    assert (len(waits) > 0) == (places > 0)


def test_an_old_answer_serves_while_the_server_is_down(server):
    """A fresh entry answers without a call, an old one after the failure, a too old one never."""
    clock = Clock()
    steps = [{"model": "primary"}, {"degrade": "stale_cache", "quality": 0.5}]
    cache = {"ttl_s": 1000, "stale_if_error_s": 1000}
    one = service(server, steps, clock=clock, cache=cache)
    assert ask(one).text == "forty-two"
    again = ask(one)
    assert (again.text, again.trace.cached, again.trace.cost_usd) == ("forty-two", True, 0.0)
    assert server.calls == ["primary"]

    server.moods["primary"] = "closed"
    clock.ahead_s += 1500
    old = ask(one)
    assert (old.text, old.trace.status, old.trace.cached) == ("forty-two", "degraded", True)
    assert (old.trace.error_type, old.trace.quality) == ("connection", 0.5)

    clock.ahead_s += 1000
    gone = ask(one)
    assert (gone.text, gone.trace.status, gone.trace.cached) == ("", "error", False)


def test_a_day_s_budget_ends_with_the_day(server):
    """Once it is spent no call is made; the next day they are."""
    now = [100.0]
    one = service(
        server, [{"model": "primary"}], clock=lambda: now[0], daily_cost_usd=2.1 * CALL_USD
    )
    done = [ask(one) for _ in range(5)]
    assert [served.trace.error_type for served in done] == [None] * 3 + ["budget"] * 2
    assert len(server.calls) == 3
    now[0] = 86_400.0
    assert ask(one).trace.status == "accepted"


@pytest.mark.model
def test_the_cache_saves_a_call_to_a_real_model():
    """The local model is asked once; the same request again gets the same answer without it."""
    model = {"litellm": MODEL, "api_base": shared_model().api_base}
    one = Service(
        Policy.model_validate(
            {
                "policy": "cached",
                "models": {"local": model},
                "cache": {},
                "default": "only",
                "chains": {"only": {"steps": [{"model": "local"}]}},
            }
        )
    )
    names = []

    def call(name, *rest):
        names.append(name)
        return through_litellm([{"role": "user", "content": "Say hello in one word."}])(name, *rest)

    first = one.serve({"request_id": "r1", "prompt": "hello"}, call)
    second = one.serve({"request_id": "r2", "prompt": "hello"}, call)
    assert names == ["local"]
    assert first.text == second.text != ""
    assert (first.trace.cached, second.trace.cached) == (False, True)
    assert (second.trace.attempts, second.trace.cost_usd) == ((), 0.0)
    assert second.trace.latency_s < first.trace.latency_s


@pytest.mark.model
def test_the_real_model_answers_behind_an_open_breaker():
    """Where nothing listens the breaker opens after two calls, and the third is not made."""
    models = {
        "gone": {
            "litellm": "openai/gone",
            "api_base": "http://127.0.0.1:9",
            "breaker": {"min_calls": 2, "open_s": 1000},
        },
        "local": {"litellm": MODEL, "api_base": shared_model().api_base},
    }
    steps = [{"model": "gone"}, {"model": "local"}]
    data = {"policy": "broken", "models": models, "default": "both"}
    one = Service(Policy.model_validate(data | {"chains": {"both": {"steps": steps}}}))
    call = through_litellm([{"role": "user", "content": "Say hello in one word."}])
    done = [one.serve({"request_id": f"r{i}"}, call) for i in range(3)]
    assert all(served.text for served in done)
    both = [("gone", "connection"), ("local", None)]
    assert [tried(served) for served in done] == [both, both, [("local", None)]]
    assert skipped(done[2]) == [("gone", "breaker_open")]
