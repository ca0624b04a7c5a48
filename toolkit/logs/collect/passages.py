"""Looking up texts that may help with a prompt, by the words that both have in common.

TF-IDF of words and pairs of words, without the commonest English words; similarity is the cosine.
scikit-learn is imported only when a target asks for passages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from toolkit.errors import DataError
from toolkit.logs.collect.prompts import Name
from toolkit.logs.collect.targets import ModelTarget, Passages, ToolTarget


class Passage(BaseModel):
    """One line of a passages file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    passage_id: Name
    text: Name


class Retriever:
    """Finds the passages that are most similar to a text. Finding changes nothing in it."""

    def __init__(self, passages: Sequence[Passage], count: int, min_similarity: float) -> None:
        try:
            from sklearn.feature_extraction.text import (  # type: ignore[import-untyped]
                TfidfVectorizer,
            )
        except ImportError:
            raise DataError("passages need scikit-learn: pip install scikit-learn") from None
        self.passages = tuple(passages)
        self.count = count
        self.min_similarity = min_similarity
        self._vectorizer = TfidfVectorizer(
            ngram_range=(1, 2), stop_words="english", sublinear_tf=True
        )
        try:
            self._vectors = self._vectorizer.fit_transform([passage.text for passage in passages])
        except ValueError:
            raise DataError("no word of the passages can be searched for") from None

    def find(self, text: str) -> tuple[Passage, ...]:
        """Return the most similar passages, best first; the earlier one of equals."""
        similarity = (self._vectors @ self._vectorizer.transform([text]).T).toarray()[:, 0]
        best = np.argsort(-similarity, kind="stable")[: self.count]
        return tuple(
            self.passages[i] for i in best if similarity[i] >= max(self.min_similarity, 1e-9)
        )

    def before(self, prompt: str) -> str:
        """Return ``prompt`` with what is found for it before it, each on a paragraph of its own."""
        return "\n\n".join([*(passage.text for passage in self.find(prompt)), prompt])


def load_passages(path: str | Path) -> tuple[Passage, ...]:
    """Read a passages file. Raises DataError that names the wrong line."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the passages {path}: {error}") from None
    passages = []
    for number, line in enumerate(lines, 1):
        try:
            passages.append(Passage.model_validate(json.loads(line)))
        except ValidationError as error:
            found = error.errors()[0]
            where = ".".join(map(str, found["loc"]))
            raise DataError(f"{path.name}:{number}: {where}: {found['msg']}") from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path.name}:{number}: not a JSON object: {error}") from None
    if not any(any(map(str.isalnum, passage.text)) for passage in passages):
        raise DataError(f"{path.name}: there are no passages in it")
    if len({passage.passage_id for passage in passages}) < len(passages):
        raise DataError(f"{path.name}: a passage_id is there twice")
    return tuple(passages)


def load_retrievers(
    targets: Mapping[str, ModelTarget | ToolTarget], folder: Path
) -> dict[str, Retriever]:
    """Make the retriever of each target that has one; files are relative to ``folder``."""
    return {
        name: _retriever(target.passages, folder)
        for name, target in targets.items()
        if isinstance(target, ModelTarget) and target.passages
    }


def _retriever(wanted: Passages, folder: Path) -> Retriever:
    return Retriever(load_passages(folder / wanted.file), wanted.count, wanted.min_similarity)
