"""SQL of the prompt and of the answer, in whatever a log keeps of a conversation.

That is plain text, a list of messages, a message, or the whole body of a request or a response.
"""

from __future__ import annotations

from toolkit.logs.importers.expressions import answered, asked


def prompt_in(body: str) -> str:
    """SQL of the texts of all messages; of JSON that holds none, the JSON."""
    return (
        f"CASE left({body}, 1) WHEN '[' THEN coalesce({asked(_as_request(body))}, {body})"
        f" WHEN '{{' THEN coalesce({asked(body)}, json_text({body}, '$.content'), {body})"
        f" ELSE {body} END"
    )


def answer_in(body: str) -> str:
    """SQL of the text of the first answer; of JSON that holds none, the JSON."""
    return (
        f"CASE left({body}, 1) WHEN '[' THEN coalesce({asked(_as_request(body))}, {body})"
        f" WHEN '{{' THEN coalesce({answered(body)}, json_text({body}, '$.content'),"
        f" json_text({body}, '$.text'), {body})"
        f" ELSE {body} END"
    )


def _as_request(messages: str) -> str:
    return f"""('{{"messages":' || {messages} || '}}')"""
