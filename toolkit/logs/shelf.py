"""What the store keeps beside data: versions of policies, trained routers, people's reviews.

Nothing here is changed or removed: a new version stands beside the old ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from toolkit.errors import DataError, did_you_mean
from toolkit.logs.database import connect, store_path


@dataclass(frozen=True)
class PolicyVersion:
    """A policy as it was at one time."""

    name: str
    digest: str
    yaml: str
    saved_at: datetime
    """UTC"""


@dataclass(frozen=True)
class RouterEntry:
    """A trained router, without its file."""

    name: str
    digest: str
    """SHA-256 of its file, in hex."""
    created_at: datetime
    """UTC"""
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Review:
    """What a person said of one request."""

    request_id: str
    decision_id: str | None
    """The live decision that it is about, if it is about one."""
    verdict: str
    note: str
    reviewer: str
    at: datetime
    """UTC"""


def add_policy(name: str, digest: str, yaml: str, path: Path | None = None) -> bool:
    """Keep a version of a policy; False when it is the latest already."""
    with connect(path) as con:
        latest = con.execute(
            "SELECT digest FROM policies WHERE name = $name ORDER BY rowid DESC LIMIT 1",
            {"name": name},
        ).fetchall()
        if latest == [(digest,)]:
            return False
        con.execute(
            "INSERT INTO policies VALUES ($name, $digest, $yaml, $now)",
            {"name": name, "digest": digest, "yaml": yaml, "now": _now()},
        ).fetchall()
    return True


def policy_versions(name: str | None = None, path: Path | None = None) -> list[PolicyVersion]:
    """All kept versions, or those of one policy, in the order in which they were kept."""
    rows = _rows(
        "SELECT name, digest, yaml, saved_at FROM policies"
        " WHERE $name IS NULL OR name = $name ORDER BY rowid",
        {"name": name},
        path,
    )
    return [PolicyVersion(kept, digest, yaml, _utc(at)) for kept, digest, yaml, at in rows]


def add_router(
    name: str,
    digest: str,
    metadata: Mapping[str, Any],
    blob: bytes,
    path: Path | None = None,
) -> bool:
    """Keep a router: ``blob`` is its file, ``metadata`` JSON values; False when it is there."""
    with connect(path) as con:
        there = con.execute(
            "SELECT count(*) FROM routers WHERE name = $name AND digest = $digest",
            {"name": name, "digest": digest},
        ).fetchall()
        if there != [(0,)]:
            return False
        con.execute(
            "INSERT INTO routers VALUES ($name, $digest, $now, $metadata, $blob)",
            {
                "name": name,
                "digest": digest,
                "now": _now(),
                "metadata": json.dumps(metadata, ensure_ascii=False),
                "blob": blob,
            },
        ).fetchall()
    return True


def routers(path: Path | None = None) -> list[RouterEntry]:
    """All routers in the order in which they were kept."""
    rows = _rows("SELECT name, digest, created_at, metadata FROM routers ORDER BY rowid", {}, path)
    return [RouterEntry(n, digest, _utc(at), json.loads(m)) for n, digest, at, m in rows]


def router_file(name: str, path: Path | None = None) -> bytes:
    """The file of the latest router of a name; DataError when there is none."""
    query = "SELECT blob FROM routers WHERE name = $name ORDER BY rowid DESC LIMIT 1"
    found = _rows(query, {"name": name}, path)
    if not found:
        names = [router.name for router in routers(path)]
        allowed = did_you_mean(name, names) if names else "there is none yet: train one"
        raise DataError(f"no router {name!r}; allowed: {allowed}")
    blob: bytes = found[0][0]
    return blob


def add_review(
    request_id: str,
    verdict: str,
    *,
    decision_id: str | None = None,
    note: str = "",
    reviewer: str = "",
    path: Path | None = None,
) -> None:
    """Keep what a person said of one request."""
    with connect(path) as con:
        con.execute(
            "INSERT INTO reviews VALUES ($request, $decision, $verdict, $note, $reviewer, $now)",
            {
                "request": request_id,
                "decision": decision_id,
                "verdict": verdict,
                "note": note,
                "reviewer": reviewer,
                "now": _now(),
            },
        ).fetchall()


def reviews(path: Path | None = None) -> list[Review]:
    """All reviews in the order in which they were given."""
    query = (
        'SELECT request_id, decision_id, verdict, note, reviewer, "at" FROM reviews ORDER BY rowid'
    )
    return [Review(*(*said, _utc(at))) for *said, at in _rows(query, {}, path)]


def _rows(query: str, parameters: Mapping[str, Any], path: Path | None) -> list[Any]:
    if not (path or store_path()).exists():
        return []
    with connect(path) as con:
        return con.execute(query, dict(parameters)).fetchall()


def _now() -> datetime:
    """As the store keeps it: UTC without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
