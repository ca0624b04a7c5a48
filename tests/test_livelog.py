"""What is recorded of live requests comes back, and what was not asked for is never written."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.test_live import Clock, Logged
from toolkit.engine.live import serve
from toolkit.engine.trace import Attempt, Skip, Trace
from toolkit.errors import DataError
from toolkit.logs import inbox
from toolkit.logs.absorb import ATTEMPTS, DECISIONS
from toolkit.logs.livelog import LiveLog, attempts, decisions
from toolkit.policy.model import Policy
from toolkit.schema import ErrorType

NAN = float("nan")
CALL = Attempt("m", 1, 0.0, 0.25, 0.5, 0.125, 0.75, None, False)
CALL_B = Attempt("b", 1, 0.0, 0.5, 0.25, NAN, NAN, None, False, hedge=True)
SKIP = Skip("m", 1, 0.0, "breaker_open")
TRACE = Trace("r", "short", "cheap", 0.9, (CALL,), "accepted", None, 0.75, 0.125, 0.75)
POLICY = SimpleNamespace(policy="tiered", digest="abc")


def written(lab):
    """Everything that a log has written, as text."""
    return "".join(file.read_text() for file in inbox.folder_of(lab).iterdir())


def test_nothing_recorded_is_an_empty_table(lab):
    """Reading makes no store, and the columns are there."""
    assert decisions().equals(DECISIONS.empty_table())
    assert attempts().equals(ATTEMPTS.empty_table())
    assert not lab.exists()


def test_a_served_request_comes_back(lab):
    """Decision and attempts are those of the trace, with their types."""
    chains = {"only": {"steps": [{"model": "m", "retries": 1}]}}
    policy = Policy.model_validate(
        {"policy": "tiered", "models": {"m": {}}, "default": "only", "chains": chains}
    )
    clock = Clock()
    errors = iter([ErrorType.TIMEOUT, ErrorType.NONE])

    def call(name, settings_, timeout_s):
        clock.sleep(0.5)
        return Logged("42", 0.25, 0.5, next(errors))

    request = {"request_id": "r1", "category": "sum", "prompt": "How much?", "n": 3}
    served = serve(policy, request, call, seed=7, clock=lambda: clock.now, sleep=clock.sleep)
    trace = served.trace
    with LiveLog(prompts=True, answers=True) as log:
        name = log.record(trace, request, policy, seed=7, answer=served.text)
    (kept,) = decisions().to_pylist()
    at = kept.pop("at")
    assert timedelta(0) <= datetime.now(UTC) - at < timedelta(minutes=1)
    assert kept == {
        "decision_id": name,
        "request_id": "r1",
        "policy": "tiered",
        "policy_digest": policy.digest,
        "route": trace.route,
        "chain": trace.chain,
        "propensity": 1.0,
        "status": "accepted",
        "model": trace.attempts[-1].model,
        "error_type": None,
        "quality": None,
        "cost_usd": 0.5,
        "latency_s": trace.latency_s,
        "seed": 7,
        "request": '{"category": "sum", "n": 3}',
        "prompt": "How much?",
        "answer": "42",
        "cached": False,
    }
    fields = ("model", "step", "wait_s", "start_s", "latency_s", "cost_usd", "error_type", "hedge")
    assert attempts().drop_columns("quality").to_pylist() == [
        {"decision_id": name, "attempt": i} | {field: getattr(a, field) for field in fields}
        for i, a in enumerate(trace.attempts, 1)
    ]
    assert attempts()["quality"].to_pylist() == [0.0, None]
    assert decisions().schema == DECISIONS
    assert attempts().schema == ATTEMPTS


@pytest.mark.parametrize("status", ["degraded", "error"])
def test_no_model_answered(lab, status):
    """Only an accepted answer has a model; a request may end without an attempt."""
    with LiveLog() as log:
        for calls in ((CALL,), ()):
            trace = Trace("r", "a", "b", 1.0, calls, status, "timeout", 0.0, NAN, math.inf)
            log.record(trace, {"request_id": "r"}, POLICY)
    assert decisions()["model"].to_pylist() == [None, None]
    assert decisions()["cost_usd"].to_pylist() == [None, None]
    assert decisions()["latency_s"].to_pylist() == [None, None]
    assert attempts().num_rows == 1


def test_what_was_not_asked_for_is_not_written(lab):
    """Prompts, answers and secrets are in no file, unless the first two were asked for."""
    request = {
        "request_id": "r",
        "prompt": "hidden prompt",
        "tenant": "acme",
        "input_tokens": 3,
        "api_key": "hidden",
        "OPENAI_API_KEY": "hidden",
        "x-auth-token": "hidden",
        "user_password": "hidden",
        "Authorization": "hidden",
        "aws_secret": "hidden",
        "settings": [{"temperature": 1, "api_key": "hidden"}],
    }
    with LiveLog() as log:
        log.record(TRACE, request, POLICY, answer="hidden answer")
        assert "hidden" not in written(lab)
    (kept,) = decisions().to_pylist()
    assert json.loads(kept["request"]) == {
        "tenant": "acme",
        "input_tokens": 3,
        "settings": [{"temperature": 1}],
    }
    assert (kept["prompt"], kept["answer"]) == (None, None)
    with LiveLog(prompts=True) as log:
        log.record(TRACE, request, POLICY, answer="hidden answer")
        assert '"prompt": "hidden prompt"' in written(lab)
        assert written(lab).count("hidden") == 1


GUARDED = [
    # hedged: the second call had answered when the first was given up, and the other way round
    (replace(TRACE, attempts=(replace(CALL, error_type="cancelled"), CALL_B)), "b"),
    (replace(TRACE, attempts=(CALL, replace(CALL_B, error_type="cancelled"))), "m"),
    (replace(TRACE, attempts=(replace(CALL, error_type="timeout"), CALL_B)), "b"),
    (replace(TRACE, attempts=(), cached=True), None),
    (replace(TRACE, status="degraded", error_type="breaker_open", attempts=(), cached=True), None),
    *(
        (replace(TRACE, status="error", error_type=error, attempts=(), skips=(SKIP,)), None)
        for error in ("breaker_open", "shed", "unsupported", "budget")
    ),
]


@pytest.mark.parametrize(("trace", "model"), GUARDED)
def test_the_model_is_the_one_whose_answer_was_taken(lab, trace, model):
    """Not one that was given up, nor any where the cache or nobody answered; errors come back."""
    with LiveLog() as log:
        log.record(trace, {"request_id": "r"}, POLICY)
    (kept,) = decisions().to_pylist()
    assert (kept["model"], kept["status"]) == (model, trace.status)
    assert (kept["error_type"], kept["cached"]) == (trace.error_type, trace.cached)
    tried = attempts()
    assert tried["hedge"].to_pylist() == [a.hedge for a in trace.attempts]
    assert tried["model"].to_pylist() == [a.model for a in trace.attempts]
    assert tried["error_type"].to_pylist() == [a.error_type for a in trace.attempts]


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(TEXT, TEXT, TEXT, st.dictionaries(st.sampled_from("abc"), VALUES)), max_size=9
    )
)
def test_any_text_comes_back(tmp_path_factory, rows):
    """Names, prompts, answers and columns come back as they were, line breaks and all."""
    lab = tmp_path_factory.mktemp("lab") / "lab.duckdb"
    with LiveLog(lab, prompts=True, answers=True, fsync=False) as log:
        for i, (name, prompt, answer, columns) in enumerate(rows):
            request = {**columns, "request_id": name, "prompt": prompt}
            at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=i)
            log.record(TRACE, request, POLICY, answer=answer, at=at)
    kept = decisions(lab).to_pylist()
    assert [(k["request_id"], k["prompt"], k["answer"]) for k in kept] == [r[:3] for r in rows]
    plain = [
        json.loads(json.dumps(r[3]), parse_constant=lambda _: None) for r in rows
    ]  # infinity is no JSON: null
    assert [json.loads(k["request"]) for k in kept] == plain


def test_values_that_json_lacks(lab):
    """NumPy's numbers are numbers, NaN is null, moments are ISO text, all else is text."""
    columns = {
        "i": np.int64(3),
        "f": np.float32(0.5),
        "b": np.bool(True),
        "nan": np.float64("nan"),
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "day": date(2026, 1, 2),
        "pair": (1, NAN),
        "set": {1},
        "half": "\ud800",
    }
    with LiveLog() as log:
        log.record(TRACE, {"request_id": 5, **columns}, POLICY)
    (kept,) = decisions().to_pylist()
    assert kept["request_id"] == "5"
    assert json.loads(kept["request"]) == {
        "i": 3,
        "f": 0.5,
        "b": True,
        "nan": None,
        "at": "2026-01-02T00:00:00+00:00",
        "day": "2026-01-02",
        "pair": [1, None],
        "set": "{1}",
        "half": "?",
    }


def test_a_part_of_the_log(lab):
    """By policy and by time, in the order in which requests came, whatever their time zone."""
    east = timezone(timedelta(hours=9))
    with LiveLog() as log:
        for i in (2, 0, 1):
            at = datetime(2026, 1, 1 + i, 12, tzinfo=UTC).astimezone(east)
            policy = SimpleNamespace(policy=f"p{i % 2}", digest="")
            log.record(TRACE, {"request_id": f"r{i}"}, policy, at=at)

    def names(**kwargs):
        found = decisions(**kwargs)
        assert attempts(**kwargs)["decision_id"].equals(found["decision_id"])
        return found["request_id"].to_pylist()

    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert names() == ["r0", "r1", "r2"]
    assert names(policy="p0") == ["r0", "r2"]
    assert names(since=noon) == ["r1", "r2"]
    assert names(until=noon.astimezone(east)) == ["r0"]
    assert names(since=noon, until=noon + timedelta(seconds=1)) == ["r1"]
    assert names(policy="p0", since=noon) == ["r2"]
    assert decisions()["at"][0].as_py() == datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_moment_is_the_same_on_every_machine(lab):
    """The time zone of the machine that writes or reads shifts nothing."""
    code = """
from datetime import UTC, datetime, timedelta
from tests.test_livelog import POLICY, TRACE, LiveLog, decisions
at = datetime(2026, 1, 1, 12, tzinfo=UTC)
with LiveLog() as log:
    log.record(TRACE, {"request_id": "r"}, POLICY, at=at)
assert decisions()["at"].to_pylist() == [at]
assert decisions(since=datetime(2026, 1, 1, 21), until=datetime(2026, 1, 1, 22)).num_rows == 1
"""
    env = os.environ | {"TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True)
    assert decisions()["at"].to_pylist() == [datetime(2026, 1, 1, 12, tzinfo=UTC)]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    """A log that cannot keep a row says so, with the place."""
    (tmp_path / "file").write_text("x")
    log = LiveLog(tmp_path / "file" / "lab.duckdb")
    with pytest.raises(DataError, match=r"lab\.duckdb\.inbox: the row cannot be kept; got Not a"):
        log.record(TRACE, {"request_id": "r"}, POLICY)
