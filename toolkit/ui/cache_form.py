"""The cache of answers as a form."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from toolkit.policy.guards import Cache
from toolkit.policy.words import cache_in_words
from toolkit.ui import guards, rows
from toolkit.ui.fields import Form
from toolkit.ui.parts import Part, into, part_fields, switched

_KINDS = {"exact": "the same request", "semantic": "similar requests"}
_THRESHOLD = Part(
    "threshold",
    "At least this alike",
    "Least likeness of two prompts that share an answer, 0.5 to 1: the higher, the fewer wrong "
    "answers (cosine similarity of embeddings).",
    0.01,
)
_AGES = (
    Part("ttl_s", "Fresh for, s", "Older answers are not given (time to live).", 600.0),
    Part(
        "stale_if_error_s",
        "Longer on failure, s",
        "How much longer a chain's step «older answer» may use it (stale if error).",
        3600.0,
    ),
    Part(
        "max_entries",
        "Answers kept",
        "When full, the one that was not used for longest goes (least recently used).",
        1000,
    ),
    Part("cost_usd", "A look-up costs, USD", "Found or not, such as for embedding.", 0.00001),
    Part("latency_s", "A look-up takes, s", "Found or not.", 0.01),
)


def cache_form(form: Form, cache: Cache | None, columns: Sequence[rows.Column]) -> None:
    """Whether answers are kept, which requests share one, for how long."""
    if not switched(
        form,
        ("cache",),
        cache,
        "Keep answers and give them again",
        "Repeated questions cost nothing and are answered at once, also while models fail "
        "(response cache).",
        change=guards.use_cache,
        words=cache_in_words(cache) if cache else "",
    ):
        return
    assert cache is not None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        form.choice(
            "An answer is given again to",
            "cache.kind",
            cache.kind,
            list(_KINDS),
            into(("cache", "kind")),
            format_func=_KINDS.__getitem__,
            help="Equal in every letter (exact cache), or alike in meaning (semantic cache).",
            width=220,
        )
    shown = (_THRESHOLD, *_AGES) if cache.kind == "semantic" else _AGES
    part_fields(form, ("cache",), cache, shown)
    names = [column.name for column in columns]
    with st.grid("auto", min_column_width=300):
        form.several(
            "Must be equal",
            "cache.key",
            cache.key or (),
            names,
            lambda p, v: guards.set_part(p, ("cache", "key"), v or None),
            placeholder="prompt, system, tools, parameters",
            help="Columns in which two requests must not differ (cache key).",
        )
        form.several(
            "Never shared across",
            "cache.scope",
            cache.scope or (),
            names,
            lambda p, v: guards.set_part(p, ("cache", "scope"), v or None),
            placeholder="tenant",
            help="Nobody sees an answer from another one of these (scope).",
        )
