"""The log of live requests: what was decided, what was tried, how it ended.

A decision and its attempts are one row of the inbox, so that they are kept together or not at all,
and recording waits for no reader of the store. Of a request, its columns are kept; its prompt and
the answer only where that was asked for, and a column named like a key or a password never is.
"""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from toolkit.logs.absorb import ATTEMPT, ATTEMPTS, DECISIONS
from toolkit.logs.database import connect, store_path
from toolkit.logs.inbox import Inbox, folder_of
from toolkit.schema import PROMPT, REQUEST_ID, Status

if TYPE_CHECKING:  # only their fields are read: this layer runs without them
    from toolkit.engine.trace import Trace
    from toolkit.policy.model import Policy

SECRET = re.compile(
    r"(api|access|private|auth)[_-]?(key|token)|secret|passw|credential|authorization|bearer",
    re.IGNORECASE,
)
"""A column, or a key within one, whose name has this in it is never kept."""


class LiveLog:
    """Records live requests, for ``decisions`` and ``attempts`` to read.

    >>> with LiveLog() as log:
    ...     served = serve(policy, request, call)
    ...     log.record(served.trace, request, policy, answer=served.text)

    ``prompts`` and ``answers`` say whether these are kept. ``fsync`` waits until a row is on the
    disk, so that it outlives a power cut; without, it outlives the end of the process only.
    Threads may share a log, and it goes on working after a fork.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        prompts: bool = False,
        answers: bool = False,
        fsync: bool = True,
    ) -> None:
        self._inbox = Inbox((path or store_path()).resolve(), fsync=fsync)
        self._prompts = prompts
        self._answers = answers

    def record(
        self,
        trace: Trace,
        request: Mapping[str, Any],
        policy: Policy,
        *,
        seed: int = 0,
        answer: str | None = None,
        at: datetime | None = None,
    ) -> str:
        """Keep one request; it is safe when this returns the decision's id.

        ``request`` is what ``serve`` was given; ``at`` is when it came, else now. Raises DataError
        when it cannot be kept, as on a full disk; what was recorded before stays.
        """
        decision_id = uuid.uuid4().hex
        accepted = trace.status == Status.ACCEPTED.label and not trace.cached
        answered = [a for a in trace.attempts if a.error_type is None]  # one of two may have lost
        columns = _plain(request)
        for name in (REQUEST_ID, PROMPT):  # these have columns of their own
            columns.pop(name, None)
        self._inbox.append(
            {
                "decision_id": decision_id,
                "request_id": str(request[REQUEST_ID]),
                "at": (at or datetime.now(UTC)).astimezone(UTC).isoformat(),
                "policy": policy.policy,
                "policy_digest": policy.digest,
                "route": trace.route,
                "chain": trace.chain,
                "propensity": _number(trace.propensity),
                "status": trace.status,
                "model": next((a.model for a in answered), None) if accepted else None,
                "error_type": trace.error_type,
                "quality": _number(trace.quality),
                "cost_usd": _number(trace.cost_usd),
                "latency_s": _number(trace.latency_s),
                "seed": seed,
                "request": json.dumps(columns, ensure_ascii=False),
                "prompt": _text(request.get(PROMPT)) if self._prompts else None,
                "answer": answer if self._answers else None,
                "cached": trace.cached,
                "attempts": [
                    {field.name: _plain(getattr(a, field.name)) for field in ATTEMPT}
                    for a in trace.attempts
                ],
            }
        )
        return decision_id

    def close(self) -> None:
        """Let go of the file; what was recorded is safe without this too."""
        self._inbox.close()

    def __enter__(self) -> LiveLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _plain(value: Any) -> Any:
    """A value of a request as JSON has it, without secrets: NaN is null, the unknown is text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        named = ((str(name), one) for name, one in value.items())
        return {name: _plain(one) for name, one in named if not SECRET.search(name)}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def decisions(
    path: Path | None = None,
    *,
    policy: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pa.Table:
    """The live requests (DECISIONS) in the order in which they came, those recorded just now too.

    ``policy`` is a policy's name; ``since`` is the first moment, ``until`` the first one after.
    Raises DataError when the store cannot be read.
    """
    return _read("FROM decision", DECISIONS, path, policy, since, until)


def attempts(
    path: Path | None = None,
    *,
    policy: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pa.Table:
    """The attempts (ATTEMPTS) of the requests that ``decisions`` gives, in the same order."""
    query = (
        "SELECT a.* FROM attempts a JOIN decision d USING (decision_id)"
        ' ORDER BY d."at", d.decision_id, a.attempt'
    )
    return _read(query, ATTEMPTS, path, policy, since, until)


def _read(
    query: str,
    schema: pa.Schema,
    path: Path | None,
    policy: str | None,
    since: datetime | None,
    until: datetime | None,
) -> pa.Table:
    path = path or store_path()
    if not path.exists() and not folder_of(path.resolve()).exists():
        return schema.empty_table()
    chosen = (
        "WITH decision AS (FROM decisions WHERE ($policy IS NULL OR policy = $policy)"
        ' AND ($since IS NULL OR "at" >= $since) AND ($until IS NULL OR "at" < $until)'
        ' ORDER BY "at", decision_id) '
    )
    with connect(path, live=True) as con:
        table = con.sql(
            chosen + query,
            params={"policy": policy, "since": _utc(since), "until": _utc(until)},
        ).to_arrow_table()
    return table.cast(schema)


def _utc(moment: datetime | None) -> datetime | None:
    """As the store keeps it; a moment without a zone is one of this machine's."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)
