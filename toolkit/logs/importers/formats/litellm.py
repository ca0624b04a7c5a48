"""What LiteLLM's two logs have in common: kinds of calls, names of errors, texts."""

from __future__ import annotations

from toolkit.logs.importers.expressions import either
from toolkit.logs.importers.format import Columns

GENERATING = (
    "completion",
    "acompletion",
    "text_completion",
    "atext_completion",
    "responses",
    "aresponses",
    "anthropic_messages",
    "aanthropic_messages",
    "generate_content",
    "agenerate_content",
    "generate_content_stream",
    "agenerate_content_stream",
    "pass_through_endpoint",
    "llm_passthrough_route",
    "allm_passthrough_route",
)
"""Call types in which a model writes text, as most calls do that are only passed through."""
ERROR = (
    "CASE WHEN {rate_limit_type} = 'budget' THEN 'budget' ELSE coalesce(nullif("
    "concat_ws(' ', nullif({error_class}, ''), nullif({error_code}, '')), ''), 'unknown') END"
)
"""SQL of the name of a failed call's error, of its parts: class, then status."""


def left_out(columns: Columns) -> tuple[tuple[str, str], ...]:
    """Which rows are no calls of a model for text."""
    kinds = ", ".join(f"'{kind}'" for kind in GENERATING)
    refused = f"lower({columns.text('status')}) = 'failure'"
    return (
        (
            f"{columns.text('call_type')} NOT IN ({kinds})",
            "no text was asked for: an embedding, image, recording, batch or other call",
        ),
        (f"lower({columns.text('cache_hit')}) = 'true'", "answered from a cache"),
        (
            f"{refused} AND coalesce({model(columns)}, '{_UNKNOWN}') = '{_UNKNOWN}'",
            "refused before a model was chosen",
        ),
    )


_UNKNOWN = "unknown-model"
"""What LiteLLM writes where it knew no model of the name that was asked for."""


def model(columns: Columns) -> str:
    """SQL of the model that was called, else of the name that was asked for."""
    return either(columns, "model", "model_group")


def tokens(columns: Columns, name: str) -> str:
    """SQL of a number of tokens: 0 in a row without any was not measured."""
    none = f"as_number({columns.sql('total_tokens')}) = 0"
    return f"CASE WHEN {none} THEN NULL ELSE {columns.text(name)} END"


def cost(columns: Columns, name: str) -> str:
    """SQL of the cost: 0 for an answer without any tokens was not measured."""
    value = columns.text(name)
    tokens = f"as_number({columns.sql('total_tokens')})"
    answered = f"coalesce(lower({columns.text('status')}), '') <> 'failure'"
    return (
        f"CASE WHEN {tokens} = 0 AND as_number({value}) = 0 AND {answered} THEN NULL"
        f" ELSE {value} END"
    )


def text(value: str) -> str:
    """SQL of a text, missing where LiteLLM kept none of it or was told to hide it."""
    return f"CASE WHEN {value} NOT IN ('', '{{}}', '[]', '{_REDACTED}') THEN {value} END"


_REDACTED = "redacted-by-litellm"
"""What LiteLLM writes for texts that it was told not to log."""
