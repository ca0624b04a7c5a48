"""Calls through LiteLLM: a real answer of the local model, and every way a provider can fail."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_provider import SLOW_S, BadProvider, bad_provider
from tests.local_model import MODEL, LocalModel, shared_model
from toolkit.engine.provider import MAX_DETAIL_CHARS, Answer, complete, scrub
from toolkit.schema import ErrorType

KEY = "sk-proj-Zx81hunter2hunter2"
ASK = [{"role": "user", "content": "What is the capital of France? Answer with the city only."}]


@pytest.fixture(scope="module")
def provider() -> Iterator[BadProvider]:
    """A server that fails as it is told."""
    with bad_provider() as server:
        yield server


@pytest.fixture(scope="module")
def model() -> LocalModel:
    """The local model, running."""
    return shared_model()


@pytest.mark.model
def test_real_answer(model):
    """An answer of the local model comes with its text, tokens and latency, and no price."""
    answer = complete(MODEL, ASK, api_base=model.api_base, max_tokens=12)
    assert answer.error is ErrorType.NONE
    assert "Paris" in answer.text
    assert 20 < answer.input_tokens < 60
    assert 0 < answer.output_tokens <= 12
    assert 0 < answer.latency_s < 60
    assert math.isnan(answer.cost_usd)


@pytest.mark.model
def test_real_context_window(model):
    """A prompt that is too long for the local model is a context window error."""
    long = [{"role": "user", "content": "very " * 4000}]
    answer = complete(MODEL, long, api_base=model.api_base, max_tokens=2)
    assert answer.error is ErrorType.CONTEXT_WINDOW
    assert answer.text == ""


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("500", ErrorType.SERVER_ERROR),
        ("502", ErrorType.SERVER_ERROR),
        ("503", ErrorType.SERVER_ERROR),
        ("529", ErrorType.SERVER_ERROR),
        ("504", ErrorType.TIMEOUT),
        ("408", ErrorType.TIMEOUT),
        ("429", ErrorType.RATE_LIMITED),
        ("401", ErrorType.AUTH),
        ("403", ErrorType.AUTH),
        ("404", ErrorType.AUTH),
        ("400", ErrorType.BAD_REQUEST),
        ("422", ErrorType.BAD_REQUEST),
        ("context", ErrorType.CONTEXT_WINDOW),
        ("policy", ErrorType.CONTENT_POLICY),
        ("filtered", ErrorType.CONTENT_POLICY),
        ("silent", ErrorType.INVALID_OUTPUT),
        ("empty", ErrorType.SERVER_ERROR),
        ("garbage", ErrorType.SERVER_ERROR),
        ("closed", ErrorType.CONNECTION),
    ],
)
def test_each_failure_is_one_of_our_errors(provider, how, error):
    """A failure becomes its error type, after one call, with a detail on one line."""
    before = len(provider.calls)
    answer = complete("openai/stub", ASK, api_base=provider.base(how))
    assert answer.error is error, answer
    assert answer.text == ""
    assert answer.detail
    assert "\n" not in answer.detail
    assert provider.calls[before:] == [how]
    assert 0 <= answer.latency_s < 5


def test_slow_provider_times_out(provider):
    """A provider that is slower than the timeout is a timeout, and the call ends in time."""
    answer = complete("openai/stub", ASK, api_base=provider.base("slow"), timeout_s=0.3)
    assert answer.error is ErrorType.TIMEOUT
    assert 0.25 < answer.latency_s < SLOW_S


def test_nobody_listens():
    """A port without a server is a connection error."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{free.getsockname()[1]}"
        answer = complete("openai/stub", ASK, api_base=base, timeout_s=5)
    assert answer.error is ErrorType.CONNECTION


def test_unknown_model_needs_no_network():
    """A model id without a provider is a bad request that says so."""
    answer = complete("no-such-model", ASK)
    assert answer.error is ErrorType.BAD_REQUEST
    assert "no-such-model" in answer.detail


def test_price_of_a_known_model(provider):
    """The price of a model on LiteLLM's list is computed from the tokens of the response."""
    answer = complete("openai/gpt-4o-mini", ASK, api_base=provider.base("good"))
    assert answer.text == "forty-two"
    assert (answer.input_tokens, answer.output_tokens) == (7, 3)
    assert answer.cost_usd == pytest.approx(7 * 0.15e-6 + 3 * 0.6e-6)


def test_key_is_sent_and_never_shown(provider, monkeypatch):
    """The key reaches the provider, and is removed from what the provider says back."""
    monkeypatch.setenv("SOME_NAME", KEY)
    answer = complete("openai/stub", ASK, api_base=provider.base("401"), api_key_env="SOME_NAME")
    assert provider.keys[-1] == KEY
    assert answer.error is ErrorType.AUTH
    assert "Incorrect API key" in answer.detail
    assert KEY not in repr(answer)
    assert "hunter2" not in repr(answer)


def test_key_of_another_provider_stays_here(provider, monkeypatch):
    """A server that was given no key does not get the one that is set for OpenAI."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    complete("openai/stub", ASK, api_base=provider.base("good"))
    assert KEY not in provider.keys[-1]


def test_missing_key(provider, monkeypatch):
    """Without the key that it should have, nothing is sent."""
    monkeypatch.delenv("ABSENT_KEY", raising=False)
    before = len(provider.calls)
    answer = complete("openai/x", ASK, api_base=provider.base("good"), api_key_env="ABSENT_KEY")
    assert answer == Answer(
        latency_s=0.0, error=ErrorType.AUTH, detail="the environment variable ABSENT_KEY is not set"
    )
    assert len(provider.calls) == before


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("key sk-abcdefghijkl was wrong", "key *** was wrong"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("GET /v1?api_key=12345&x=1", "GET /v1?api_key=***&x=1"),
        ('{"api_key": "12345", "a": 1}', '{"api_key": "***", "a": 1}'),
        ("at http://user:pw@host/v1", "at http://***@host/v1"),
        ("my own opaque-thing", "my own ***"),
        ("from the environment: zzz-999", "from the environment: ***"),
        ("two\nlines\tand  spaces", "two lines and spaces"),
        ("3 tokens per second", "3 tokens per second"),
    ],
)
def test_scrub(text, clean):
    """Keys, and what looks like one, are taken out of a message."""
    assert scrub(text, "opaque-thing", {"MY_API_KEY": "zzz-999", "HOME": "two"}) == clean


def test_scrub_shortens():
    """A message of any length becomes a short one."""
    assert len(scrub("word " * 1000)) == MAX_DETAIL_CHARS


def test_litellm_is_loaded_late():
    """Importing the module does not import LiteLLM."""
    code = "import sys, toolkit.engine.provider; sys.exit('litellm' in sys.modules)"
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
