"""List prices: which entry of the price list a model's name leads to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import DataError
from toolkit.logs import prices
from toolkit.logs.prices import ListPrice, list_price, price_list_version

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def price_list(tmp_path, monkeypatch):
    """Puts a price list of its own in the place of the installed one."""

    def install(entries: dict) -> None:
        package = tmp_path / "litellm"
        package.mkdir()
        (package / "__init__.py").write_text("raise AssertionError('imported')\n", "utf-8")
        text = entries if isinstance(entries, str) else json.dumps(entries)
        (package / "model_prices_and_context_window_backup.json").write_text(text, "utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "litellm", raising=False)
        list_price.cache_clear()
        prices._listed.cache_clear()

    yield install
    list_price.cache_clear()
    prices._listed.cache_clear()


def entry(provider: str, usd_in: float, usd_out: float, mode: str = "chat") -> dict:
    """An entry of the price list, in US dollars per million tokens."""
    return {
        "litellm_provider": provider,
        "mode": mode,
        "input_cost_per_token": usd_in / 1e6,
        "output_cost_per_token": usd_out / 1e6,
    }


SMALL = {
    "sample_spec": entry("one of https://docs.litellm.ai/docs/providers", 1, 1),
    "big-1": entry("openai", 2, 8),
    "azure/big-1": entry("azure", 3, 9),
    "azure/eu/big-1": entry("azure", 4, 10),
    "ft:big-1": entry("openai", 5, 20),
    "vertex_ai/wise-2@20240620": entry("vertex_ai-anthropic_models", 3, 15),
    "eu.anthropic.wise-2-20240620-v1:0": entry("bedrock", 4, 16),
    "together_ai/open-3": entry("together_ai", 0.5, 0.5),
    "bedrock/us-east-1/wise-9": entry("bedrock", 7, 7),
    "vertex_ai/torn-4": entry("vertex_ai", 1, 1),
    "azure_ai/torn-4": entry("azure_ai", 2, 2),
    "gemini/trial-5": entry("gemini", 0, 0),
    "seconds-6": {"litellm_provider": "openai", "input_cost_per_second": 0.1},
    "vectors-7": entry("openai", 0.02, 0, "embedding"),
}


@pytest.mark.parametrize(
    ("name", "provider", "key"),
    [
        ("big-1", None, "big-1"),
        ("BIG-1", None, "big-1"),
        ("openai/big-1", None, "big-1"),
        ("openrouter/openai/big-1", None, "big-1"),
        ("big-1", "azure", "azure/big-1"),
        ("big-1", "az.ai.openai", "azure/big-1"),
        ("azure/eu/big-1", None, "azure/eu/big-1"),
        ("big-1-2025-01-31", "openai", "big-1"),
        ("big-1-latest", None, "big-1"),
        ("ft:big-1:acme:support:a1b2", None, "ft:big-1"),
        ("wise-2-20240620", None, "vertex_ai/wise-2@20240620"),
        ("anthropic/wise-2-20240620", None, "vertex_ai/wise-2@20240620"),
        ("us.anthropic.wise-2-20240620-v1:0", "bedrock", "vertex_ai/wise-2@20240620"),
        ("wise-2", None, "vertex_ai/wise-2@20240620"),
        ("open-3", "together-ai", "together_ai/open-3"),
        ("together_ai/open-3", "together_ai", "together_ai/open-3"),
        ("vectors-7", None, "vectors-7"),
    ],
)
def test_a_name_leads_to_its_entry(price_list, name, provider, key):
    """Providers, regions, dates and spellings of gateways all lead to the entry that is meant."""
    price_list(SMALL)
    found = list_price(name, provider)
    assert found is not None
    assert found.key == key
    assert found.input_usd_per_token == SMALL[key]["input_cost_per_token"]
    assert found.output_usd_per_token == SMALL[key]["output_cost_per_token"]


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("", None),
        ("unheard-of", None),
        ("sample_spec", None),
        ("open-3", None),
        ("big-1", "together_ai"),
        ("big-1", "ollama_chat"),
        ("hosted_vllm/big-1", None),
        ("wise-9", None),
        ("torn-4", None),
        ("trial-5", "gemini"),
        ("seconds-6", None),
    ],
)
def test_no_price_rather_than_a_guess(price_list, name, provider):
    """Unknown, without a price per token, torn between sellers, or somebody else's price: None."""
    price_list(SMALL)
    assert list_price(name, provider) is None


@pytest.mark.parametrize("text", ["", "{", '{"a": '])
def test_a_broken_price_list_is_told(price_list, text):
    """A price list that is no JSON ends in a message that names the file."""
    price_list(text)
    with pytest.raises(DataError, match=r"backup\.json: the price list cannot be read"):
        list_price("big-1")


def test_prices_of_the_installed_list():
    """A model of today and one that only clouds still list have the prices they are known for."""
    assert list_price("openai/gpt-4o-mini-2024-07-18") == ListPrice(
        0.15e-6, 0.6e-6, "gpt-4o-mini-2024-07-18"
    )
    sonnet = list_price("claude-3-5-sonnet-20240620", "anthropic")
    assert sonnet is not None
    assert (sonnet.input_usd_per_token, sonnet.output_usd_per_token) == (3e-6, 15e-6)


def test_every_plain_entry_is_found_by_its_own_key():
    """A key of the installed list leads to itself."""
    for price in prices._listed().by_key.values():
        assert list_price(price.key) == price


@given(st.text(max_size=30), st.none() | st.text(max_size=10))
def test_any_name_is_answered(name, provider):
    """Whatever stands in a log as a model or provider gives a price above zero or none."""
    found = list_price(name, provider)
    assert found is None or found.input_usd_per_token + found.output_usd_per_token > 0


def test_reading_prices_does_not_import_litellm():
    """The list is read as a file, its version from the package's metadata."""
    code = (
        "import sys; from toolkit.logs.prices import *\n"
        "list_price('gpt-4o'); print(price_list_version(), 'litellm' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [price_list_version(), "False"]
