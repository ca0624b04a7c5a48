"""The card of a saved router: what it decides, learned from what, how good, and on whose word.

A card is JSON that a training writes and the registry completes. What is missing is simply not
known: a card may come from an older version, or be written by hand.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any

from toolkit import __version__
from toolkit.errors import DataError

if TYPE_CHECKING:
    from toolkit.learn.router import QualityRouter

MOST_BYTES = 16 * 2**20
"""A card larger than this is none of ours."""
LIBRARIES = ("scikit-learn", "numpy", "numba", "skops", "wordllama")
"""What a router's answers rest on, beside the toolkit itself."""


@dataclass(frozen=True, eq=False)
class Card:
    """What is known of one version of a router; ``data`` is the JSON object itself."""

    data: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The router's."""
        return self._text("name")

    @property
    def version(self) -> int:
        """Counted from 1, never given twice."""
        found = self.data.get("version")
        return found if type(found) is int else 0

    @property
    def reference(self) -> str:
        """``name@version``, as a policy writes it."""
        return f"{self.name}@{self.version}"

    @property
    def made_at(self) -> str:
        """Time of saving, UTC, ISO 8601."""
        return self._text("made_at")

    @property
    def digest(self) -> str:
        """SHA-256 of the router's file, in hex."""
        return self._text("digest")

    @property
    def dataset(self) -> str:
        """Name of the dataset that it learned from; empty where not told."""
        return self._text("dataset")

    @property
    def dataset_digest(self) -> str:
        """SHA-256 of that dataset; empty where not told."""
        return self._text("dataset_digest")

    @property
    def simulated(self) -> bool:
        """Whether that dataset was made up by a simulation."""
        return self.data.get("simulated") is True

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it knows, by their names in the log."""
        found = self.data.get("models")
        return tuple(map(str, found)) if isinstance(found, list) else ()

    @cached_property
    def version_warnings(self) -> tuple[str, ...]:
        """What differs between the libraries that saved the router and those here, in words."""
        found = self.data.get("library_versions")
        saved: dict[str, Any] = found if isinstance(found, dict) else {}
        here = library_versions()
        return tuple(
            f"{self.reference} was saved with {name} {saved[name]}, here is"
            f" {here[name] or 'none'}: its answers may differ; train it again"
            for name in here
            if name != "python" and saved.get(name) and saved[name] != here[name]
        )

    @property
    def not_for(self) -> tuple[str, ...]:
        """What it must not be used for, in sentences."""
        return self._lines("not_for")

    @property
    def holds(self) -> tuple[str, ...]:
        """What of the training requests its file holds, in sentences."""
        return self._lines("holds")

    def unknown(self, models: tuple[str, ...]) -> tuple[str, ...]:
        """Those of ``models`` that the router was not trained on."""
        return tuple(model for model in models if model not in self.models)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; an undefined number is None."""
        return dict(self.data)

    def _text(self, key: str) -> str:
        found = self.data.get(key)
        return found if isinstance(found, str) else ""

    def _lines(self, key: str) -> tuple[str, ...]:
        found = self.data.get(key)
        return tuple(map(str, found)) if isinstance(found, list) else ()

    def _repr_html_(self) -> str:
        from toolkit.evaluate.routers.card_words import card_html

        return card_html(self)


def limits_of(card: Mapping[str, Any]) -> list[str]:
    """What a router of such a card must not be used for."""
    lines = [
        (
            "Judging an answer: it tells how a model does on requests like this one, not whether"
            " what it has answered is right."
        ),
        (
            "Requests unlike what it learned from: its probabilities mean nothing there. A policy"
            " sends the most unlike ones to its default chain (abstain_above)."
        ),
        "Models, prices, prompts or users that have changed since: train it again.",
        "Models that it does not know: a policy tries those only after the others.",
        "Decisions about people: it was made to choose a model, and was tested for nothing else.",
    ]
    if card.get("simulated") is True:
        lines.insert(0, "Real traffic: it learned from outcomes that a simulation made up.")
    return lines


def settings_of(router: QualityRouter) -> dict[str, Any]:
    """What it was told to do, or what "auto" became, and what it reads."""
    told = {key: value for key, value in router.get_params().items() if key != "models"}
    read = [str(column["name"]) for column in router.columns_]
    head = router.head_.get("kind", router.head)
    return {**told, "head": head, "text": router.features_["text"], "columns": read}


def held_in(router: QualityRouter) -> list[str]:
    """What of its training requests a router's file holds, in sentences."""
    lines = [
        "No prompt and no answer as text.",
        (
            f"Vectors of {len(router.request_ids_):,} training requests, with their ids. From a"
            " vector much of a prompt can be guessed: keep the file as safe as the log."
        ),
        "The values of categories that it reads, and how numbers are distributed.",
    ]
    if router.features_["text"] in {"tfidf", "both"}:
        lines.append("Words and pairs of words that stand in three prompts or more.")
    return lines


def library_versions() -> dict[str, str]:
    """Versions of the toolkit, of Python and of what a router rests on; empty: not installed."""
    found = {"toolkit": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def to_text(card: Mapping[str, Any]) -> str:
    """A card as JSON text; a number that is not finite becomes null.

    Raises:
        DataError: A value that JSON does not know.
    """
    return json.dumps(_plain(card), allow_nan=False, indent=1, ensure_ascii=True) + "\n"


def from_text(text: bytes, where: str) -> Card:
    """Read a card; ``where`` stands in messages.

    Raises:
        DataError: It is no JSON object, or does not say which file it belongs to.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: the card is broken; got {error}; allowed: JSON") from None
    if not isinstance(data, dict):
        kind = type(data).__name__
        raise DataError(f"{where}: the card is broken; got a {kind}; allowed: a JSON object")
    card = Card(data)
    if not card.name or card.version < 1 or len(card.digest) != 64:
        raise DataError(
            f"{where}: the card is broken; allowed: a name, a version and the digest of its file"
        )
    return card


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy's
        return _plain(value.tolist())
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    kind = type(value).__name__
    raise DataError(f"a card holds a {kind}; allowed: texts, numbers, lists and mappings of them")
