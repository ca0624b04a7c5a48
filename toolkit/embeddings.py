"""What a text is about, as a vector: WordLlama's, whose weights come with its package.

A text's vector is the mean of its tokens' vectors. It is taken text by text and not in padded
batches, so it does not depend on what else is embedded.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import DetourError

DIMENSIONS = 256


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """The vectors of some texts, (n, 256), of unit length; of an empty text all 0."""
    vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
    if not texts:
        return vectors
    model = _model()
    for i, text in enumerate(texts):
        safe = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text
        tokens = model.tokenizer.encode(safe, add_special_tokens=False).ids
        if text.strip() and tokens:
            mean = model.embedding[tokens].mean(axis=0, dtype=np.float64)
            vectors[i] = mean / (np.linalg.norm(mean) or 1.0)
    return vectors


@cache
def _model() -> Any:
    # The package would set up the program's logging as it is imported, if nothing had done so.
    root, nothing = logging.getLogger(), logging.NullHandler()
    root.addHandler(nothing)
    try:
        import wordllama  # type: ignore[import-untyped]
    except ImportError as error:
        raise DetourError(
            "similarity of texts needs the package wordllama, which is not installed; it has no"
            " wheel for Python 3.14 yet; allowed: an exact cache, or Python 3.11 to 3.13"
        ) from error
    finally:
        root.removeHandler(nothing)
    # It looks for its tokenizer in a cache folder only, and would download it otherwise.
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, dim=DIMENSIONS, disable_download=True)
