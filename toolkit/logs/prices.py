"""List prices of models, from the price list that ships with LiteLLM.

The list is read as a file; LiteLLM itself, which takes seconds to import, is not. A price is what
the list says per token for a plain call: no cache discounts, batch rates or long-context
surcharges. What the list has at zero for both directions is free of charge somewhere or was never
filled in; nobody can tell which, so it counts as no price.

A name is looked up, in this order: as it is, with its provider in front, without the providers
and regions in front; then the same model in the hands of its maker or of a large cloud (makers
drop retired models from the list, clouds keep them); last without its date. Where sellers ask
different prices for what could be meant, there is no price rather than a guess; so a host of open
models, or one's own machine, has only the prices that the list has for it.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import DataError

_FILE = "model_prices_and_context_window_backup.json"
_MAKERS = ("deepseek", "gemini", "minimax", "mistral", "moonshot", "perplexity", "xai", "zai")
_CLOUDS = ("azure", "azure_ai", "bedrock", "bedrock_converse", "vertex_ai")
_RESOLD = {*_MAKERS, *_CLOUDS, "openai", "text", "anthropic", "cohere", "cohere_chat", "ai21"}
"""Sellers whose models have one list price wherever they are sold."""
_SELF_HOSTED = {"hosted_vllm", "llamafile", "lm_studio", "local", "ollama_chat", "vllm"}
_PROVIDERS = {
    "aws.bedrock": "bedrock",
    "az.ai.inference": "azure_ai",
    "az.ai.openai": "azure",
    "azure.ai.inference": "azure_ai",
    "azure.ai.openai": "azure",
    "azure_openai": "azure",
    "gcp.gemini": "gemini",
    "gcp.gen_ai": "gemini",
    "gcp.vertex_ai": "vertex_ai",
    "google": "gemini",
    "mistral_ai": "mistral",
    "x_ai": "xai",
}
"""Names of providers in traces and other gateways, and the list's own."""
_REGION = re.compile(
    r"(?:(?:us|eu|ap|ca|sa|me|af)(?:-[a-z]+)*-\d|us|eu|us-gov|global|global-standard)"
)
_CLOUD_NAME = re.compile(
    r"^(?:(?:us|eu|au|jp|apac|global|us-gov)\.)?(?:ai21|amazon|anthropic|cohere|meta|mistral)\."
)
_DATE = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|20\d{6}|latest)$")
_PLAIN_MODES = {"chat", "completion", "embedding", "responses"}


@dataclass(frozen=True)
class ListPrice:
    """US dollars per token."""

    input_usd_per_token: float
    output_usd_per_token: float
    key: str
    """The entry of the price list."""


def price_list_version() -> str:
    """The version of LiteLLM that the price list ships with; DataError when there is none."""
    try:
        return importlib.metadata.version("litellm")
    except importlib.metadata.PackageNotFoundError as error:
        raise _absent() from error


@functools.lru_cache(maxsize=4096)
def list_price(model: str, provider: str | None = None) -> ListPrice | None:
    """The list price of a model by the name that a log has for it.

    ``provider`` is who sold it, where the log says so (``azure``, ``aws.bedrock``). None when the
    list has no price, or several that differ. Raises DataError when there is no price list.
    """
    listed = _listed()
    name = model.strip().lower()
    seller = (provider or "").strip().lower().replace("-", "_")
    seller = _PROVIDERS.get(seller, seller)
    for host in (seller, name.partition("/")[0]):
        if host in listed.hosts:
            return listed.by_key.get(f"{host}/{name.removeprefix(host + '/')}")
    undated = _DATE.sub("", name)
    for version in (name, undated) if undated != name else (name,):
        for spelling in _spellings(version, seller):
            if spelling in listed.by_key:
                return listed.by_key[spelling]
        if found := listed.elsewhere.get(_plain(version)):
            return found
    return None


@dataclass(frozen=True)
class _Listed:
    by_key: Mapping[str, ListPrice]
    """Keys in lower case."""
    elsewhere: Mapping[str, ListPrice | None]
    """Plain names of what makers and clouds sell; None where prices differ."""
    hosts: frozenset[str]
    """Sellers whose prices hold for them alone."""


@functools.cache
def _listed() -> _Listed:
    package = importlib.util.find_spec("litellm")
    if package is None or not package.submodule_search_locations:
        raise _absent()
    path = Path(package.submodule_search_locations[0]) / _FILE
    try:
        entries: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the price list cannot be read; got {error}") from error
    by_key = {}
    sellers = {_seller(entry) for entry in entries.values()}
    sold: dict[str, dict[int, set[ListPrice]]] = {}
    for key, entry in entries.items():
        price = _price(key, entry)
        if price is None:
            continue
        by_key[key.lower()] = price
        rank = _rank(key.lower(), entry)
        if rank is not None:
            plain = _plain(key.lower())
            sold.setdefault(plain, {}).setdefault(rank, set()).add(price)
            undated = _plain(_DATE.sub("", _bare(key.lower())))
            if undated != plain:
                sold.setdefault(undated, {}).setdefault(rank + 2, set()).add(price)
    elsewhere = {name: _agreed(ranks[min(ranks)]) for name, ranks in sold.items()}
    return _Listed(by_key, elsewhere, frozenset(sellers | _SELF_HOSTED) - _RESOLD)


def _seller(entry: Mapping[str, Any]) -> str:
    return str(entry.get("litellm_provider")).partition("-")[0]


def _price(key: str, entry: Mapping[str, Any]) -> ListPrice | None:
    usd_in, usd_out = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
    if key == "sample_spec" or not isinstance(usd_in, int | float):
        return None
    if not isinstance(usd_out, int | float) or min(usd_in, usd_out) < 0 or usd_in + usd_out == 0:
        return None
    return ListPrice(float(usd_in), float(usd_out), key)


def _rank(key: str, entry: Mapping[str, Any]) -> int | None:
    """0 sold by its maker, 1 by a cloud at no region's own price, None otherwise."""
    sellers = key.split("/")[:-1]
    if entry.get("mode") not in _PLAIN_MODES or any(_REGION.fullmatch(s) for s in sellers):
        return None
    provider = _seller(entry)
    if provider in _MAKERS:
        return 0
    in_region = re.match(r"(?:us|eu|au|jp|apac|global|us-gov)\.", sellers[-1] if sellers else key)
    return 1 if provider in _CLOUDS and not in_region else None


def _agreed(prices: set[ListPrice]) -> ListPrice | None:
    if len({(p.input_usd_per_token, p.output_usd_per_token) for p in prices}) > 1:
        return None
    return min(prices, key=lambda p: (len(p.key), p.key))


def _spellings(name: str, seller: str) -> Iterator[str]:
    """Keys that the list may have for a name in lower case, the most telling first."""
    if name.startswith("ft:"):  # ft:base:organisation:suffix:id
        name = ":".join(name.split(":")[:2])
    if seller:
        yield f"{seller}/{name}"
    yield name
    while "/" in name:
        name = name.partition("/")[2]
        if seller:
            yield f"{seller}/{name}"
        yield name


def _bare(name: str) -> str:
    """Without sellers, and without what a cloud puts around a name."""
    return re.sub(r"-v\d+(?::\d+)?$", "", _CLOUD_NAME.sub("", name.rpartition("/")[2]))


def _plain(name: str) -> str:
    """One spelling for the separators on which clouds differ."""
    return _bare(name).replace("@", "-").replace(".", "-")


def _absent() -> DataError:
    return DataError(
        "there is no price list, as LiteLLM is not installed; install requirements.txt"
    )
