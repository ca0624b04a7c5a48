"""SQL of the prompt and of the answer, in whatever a log keeps of a conversation.

That is plain text, messages, one message, or the whole body of a request or of a response.
"""

from __future__ import annotations

from toolkit.logs.importers.expressions import answered, asked


def prompt_in(body: str) -> str:
    """SQL of the texts of all messages; missing in JSON that has none."""
    return (
        f"CASE left({body}, 1) WHEN '[' THEN {asked(_as_request(body))}"
        f" WHEN '{{' THEN coalesce({asked(body)}, json_text({body}, '$.content'))"
        f" ELSE {body} END"
    )


def answer_in(body: str) -> str:
    """SQL of the text of the first answer; missing in JSON that has none."""
    return (
        f"CASE left({body}, 1) WHEN '[' THEN {asked(_as_request(body))}"
        f" WHEN '{{' THEN coalesce({answered(body)}, json_text({body}, '$.content'),"
        f" json_text({body}, '$.text')) ELSE {body} END"
    )


def _as_request(messages: str) -> str:
    return f"""('{{"messages":' || {messages} || '}}')"""
