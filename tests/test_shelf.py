from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from toolkit.errors import DataError
from toolkit.logs import shelf


def just_now(moment):
    """Whether a moment, with its zone, was within the last minute."""
    return timedelta(0) <= datetime.now(UTC) - moment < timedelta(minutes=1)


def test_an_empty_shelf_makes_no_store(lab):
    """Looking for what was never kept finds nothing and makes no file."""
    assert (shelf.policy_versions(), shelf.routers(), shelf.reviews()) == ([], [], [])
    with pytest.raises(DataError, match="no router 'r'; allowed: there is none yet"):
        shelf.router_file("r")
    assert not lab.exists()


def test_versions_of_a_policy_are_kept(lab):
    """Each change is a version, going back to an earlier one too; no change is none."""
    assert shelf.add_policy("a", "1", "policy: a")
    assert not shelf.add_policy("a", "1", "policy: a")
    assert shelf.add_policy("b", "1", "policy: b")
    assert shelf.add_policy("a", "2", "policy: a\ndescription: \u00e9 '; DROP TABLE policies; --")
    assert shelf.add_policy("a", "1", "policy: a")
    kept = shelf.policy_versions("a")
    assert [(v.digest, v.yaml[:9]) for v in kept] == [(d, "policy: a") for d in "121"]
    assert kept[1].yaml.endswith("é '; DROP TABLE policies; --")
    assert all(just_now(version.saved_at) for version in kept)
    assert [v.name for v in shelf.policy_versions()] == ["a", "b", "a", "a"]


def test_a_router_comes_back_to_the_byte(lab):
    """The file and what is said of it come back; the latest of a name is the one."""
    blob = bytes(range(256)) * 1000
    assert shelf.add_router("knn", "1", {"trained_on": "local", "auc": 0.7, "x": [1]}, blob)
    assert not shelf.add_router("knn", "1", {}, b"")
    assert shelf.router_file("knn") == blob
    assert shelf.add_router("knn", "2", {}, b"\0new")
    assert shelf.router_file("knn") == b"\0new"
    first, second = shelf.routers()
    assert first.metadata == {"trained_on": "local", "auc": 0.7, "x": [1]}
    assert just_now(second.created_at)
    with pytest.raises(DataError, match=r"no router 'knm'; allowed: 'knn' \(did you mean this"):
        shelf.router_file("knm")


def test_reviews_come_back_in_order(lab):
    """A review is about a request, and about a live decision where it says so."""
    shelf.add_review("r1", "good", note="short", reviewer="ann")
    shelf.add_review("r1", "bad", decision_id="d1")
    first, second = shelf.reviews()
    assert (first.request_id, first.decision_id, first.verdict) == ("r1", None, "good")
    assert (first.note, first.reviewer) == ("short", "ann")
    assert (second.decision_id, second.note) == ("d1", "")
    assert just_now(second.at)
