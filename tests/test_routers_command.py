"""The commands of saved routers as a user meets them, and the card that they show."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from skops.io import dumps
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.evaluate.routers.card_parts import card_parts
from toolkit.evaluate.routers.card_scores import compare_cards, estimate
from toolkit.evaluate.routers.card_words import card_html, card_text
from toolkit.learn.card import Card, from_text, limits_of, to_text
from toolkit.learn.registry import list_routers, save_router
from toolkit.learn.router import QualityRouter

HOSTILE = "\x1b[2J\u202eevil <script>alert(1)</script> | `x` [a](http://b)"
"""Clears a terminal, writes backwards, and is markup where it is taken for some."""


def told(**more):
    """What a training writes into a card."""
    estimate_of = lambda name, value, low, high, n=900: {  # noqa: E731 - a table of one line each
        name: value, f"{name}_ci95": [low, high], f"{name}_n": n,
    }  # fmt: skip
    cost = estimate_of("cost_usd_per_1k", 0.19, 0.18, 0.2)
    found = {
        "dataset": "support log",
        "dataset_digest": "ab" * 32,
        "simulated": False,
        "n": 1000,
        "n_judged": 900,
        "models": ["small", "large"],
        "seed": 0,
        "split": {"kind": "grouped", "note": "Requests of one user stay in one fold."},
        "verdict": "Better than each single model at equal cost.",
        **estimate_of("aiq", 0.805, 0.786, 0.823),
        **estimate_of("aiq_gain", 0.031, 0.012, 0.049),
        "apgr": None,
        "thresholds": [
            {"min_quality": i / 20, **cost, **estimate_of("quality", 0.8, 0.78, 0.82)}
            for i in range(10, 21)
        ],
        "singles": [
            {
                "name": model,
                "points": [
                    {"label": model, **cost, **estimate_of("quality", q, q - 0.02, q + 0.02)}
                ],
                **estimate_of("difference", 0.021, -0.003, 0.045),
                **estimate_of("quality_at", q, q - 0.02, q + 0.02),
                **estimate_of("router_quality_at", q + 0.021, q, q + 0.04),
                "at_usd_per_1k": 0.19,
            }
            for model, q in (("small", 0.7), ("large", 0.85))
        ],
        "oracle": {"name": "oracle", "points": [], "difference": None},
        "calibration": [
            {
                "model": "small",
                **estimate_of("ece", 0.021, 0.012, 0.034),
                **estimate_of("brier", 0.151, 0.14, 0.162),
                **estimate_of("brier_base", 0.211, 0.2, 0.22),
            }
        ],
        "floor": {"words": ["At min_quality 0.85 a quality of 0.83 is promised with 95 %."]},
        "warnings": ["The column answer all but knows the outcome."],
        "assumptions": ["Costs are those of the log."],
        "seconds": 12.3,
    }
    return found | more


def card_of(name="easy", version=1, **more):
    """A card as it stands in the registry."""
    data = told(**more)
    data = {"not_for": limits_of(data), **data, "name": name, "version": version,
            "made_at": "2026-01-02T03:04:05+00:00", "digest": "cd" * 32}  # fmt: skip
    return Card(data)


@pytest.fixture(scope="module")
def router():
    """A router that has learned next to nothing."""
    rng = np.random.default_rng(0)
    requests = pa.table({"request_id": [f"r{i}" for i in range(60)], "size": rng.random(60)})
    quality = (rng.random((60, 2)) < 0.6).astype(float)
    return QualityRouter(["small", "large"], text=None, folds=2).fit(requests, quality)


@pytest.fixture
def saved(router, tmp_path, monkeypatch):
    """Two versions of ``easy``, and ``hard`` with text that nobody should trust."""
    monkeypatch.setenv("DETOUR_ROUTERS", str(tmp_path / "routers"))
    save_router(router, "easy", told())
    save_router(router, "easy", told(aiq=0.9))
    save_router(router, "hard", told(dataset=HOSTILE, simulated=True, warnings=[HOSTILE]))
    return tmp_path / "routers"


def run(*arguments):
    """Run a command in this process."""
    return CliRunner().invoke(app, arguments)


def ok(*arguments):
    """What a command that succeeds prints."""
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_list(saved):
    """Every version, which is current, and from what it learned; text is made harmless."""
    text = ok("routers")
    assert text == ok("routers", "list")
    lines = text.split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in lines] == ["router", "easy@1", "easy@2", "hard@1"]
    assert lines[0].split("  ")[-1].strip() == "made at"
    assert "easy@1  current  support log" in text
    assert "0.800 [0.780, 0.820]  +3.1 points [+1.2, +4.9]" in lines[1]
    assert "- Best quality: out of fold, at the min_quality where it is highest." in text
    assert ", simulated" in text
    assert "\x1b" not in text
    found = json.loads(ok("routers", "--json"))["routers"]
    assert found == json.loads(ok("routers", "list", "--json"))["routers"]
    assert [(r["name"], r["version"], r["current"]) for r in found] == [
        ("easy", 1, True), ("easy", 2, False), ("hard", 1, True),
    ]  # fmt: skip
    assert found[0]["dataset"] == "support log"
    assert found[0]["models"] == ["small", "large"]
    assert found[0]["problem"] is None
    assert found[0]["score"] == {
        "min_quality": 0.5,
        "quality": {"value": 0.8, "ci95": [0.78, 0.82], "n": 900},
        "aiq_gain": {"value": 0.031, "ci95": [0.012, 0.049], "n": 900},
        "apgr": None,
    }


def test_the_list_without_costs_or_scores(router, saved):
    """APGR stands where no costs are known; a router that was not judged has dashes, and null."""
    scores = {"apgr": 0.54, "apgr_ci95": [0.5, 0.58], "apgr_n": 900, "aiq_gain": None}
    save_router(router, "free", told(**scores, thresholds="none"))
    save_router(router, "bare", {})
    text = ok("routers")
    assert "APGR 54.0 % [50.0, 58.0]" in text
    assert next(line for line in text.splitlines() if line.startswith("bare@1")).count("–") >= 4
    found = {r["name"]: r["score"] for r in json.loads(ok("routers", "--json"))["routers"]}
    assert found["bare"] is None
    assert (found["free"]["quality"], found["free"]["apgr"]["value"]) == (None, 0.54)


@pytest.mark.parametrize("broken", ["rubbish", "", "9", None, "folder"])
def test_a_name_that_stands_for_nothing(saved, broken):
    """Where `current` cannot be read the list says so, and how to name a version."""
    current = saved / "easy" / "current"
    current.unlink()
    if broken == "folder":
        current.mkdir()
    elif broken is not None:
        current.write_text(broken)
    text = " ".join(ok("routers").split())
    note = "easy stands for no version: the file 'current' is missing, cannot be read or names none"
    assert note in text
    assert "routers promote easy 2 makes easy@2 current" in text
    found = json.loads(ok("routers", "--json"))
    assert not any(r["current"] for r in found["routers"] if r["name"] == "easy")
    assert [line.startswith(note) for line in found["notes"]] == [True]
    done = run("router-card", "easy")
    assert done.exit_code == 2
    assert "easy: no version is the current one" in done.stderr
    if broken != "folder":
        assert ok("routers", "promote", "easy@2") == "easy is now easy@2.\n"
        assert json.loads(ok("routers", "--json"))["notes"] == []


def test_a_file_in_place_of_the_folder(tmp_path, monkeypatch):
    """It is no empty registry."""
    place = tmp_path / "routers"
    place.write_text("mine")
    monkeypatch.setenv("DETOUR_ROUTERS", str(place))
    for words in (("routers",), ("router-card", "easy"), ("routers", "promote", "easy", "1")):
        done = run(*words)
        assert (done.exit_code, done.stdout) == (2, "")
        assert f"the folder of routers is none; got the file {place}" in done.stderr
    assert place.read_text() == "mine"


@pytest.mark.parametrize("how", ["missing", "truncated", "foreign", "hostile"])
def test_a_card_of_a_router_that_cannot_be_used(saved, how):
    """The card is shown, and that its router cannot be used is said beside it and in the JSON."""
    path = saved / "easy" / "1.skops"
    whole = path.read_bytes()
    path.unlink()
    if how == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "foreign":
        path.write_bytes((saved / "easy" / "2.skops").read_bytes()[:-1] + b"x")
    elif how == "hostile":
        path.write_bytes(dumps(Fraction(1, 3)))
    done = run("router-card", "easy")
    assert done.exit_code == 0
    assert done.stdout.startswith("# Router easy, version 1")
    assert done.stderr.startswith("easy@1 cannot be used: easy")
    found = json.loads(ok("router-card", "easy", "--json"))
    assert found["usable"] is False
    assert found["problem"].startswith("easy")
    whole_one = json.loads(ok("router-card", "easy@2", "--json"))
    assert (whole_one["usable"], whole_one["problem"]) == (True, None)


def test_no_router_yet(tmp_path, monkeypatch):
    """An empty registry, or none, is no mistake."""
    monkeypatch.setenv("DETOUR_ROUTERS", str(tmp_path / "none"))
    assert ok("routers") == "No router is saved yet.\n"
    assert json.loads(ok("routers", "--json")) == {"routers": [], "notes": []}
    done = run("router-card", "easy")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "there is no router 'easy'; none is saved yet\n"


def test_a_broken_router_is_listed(saved):
    """It says what is wrong, and the others are there."""
    (saved / "easy" / "2.json").write_text("{")
    text = ok("routers")
    assert "easy@2  broken" in text
    assert "- easy@2 cannot be used: easy@2: the card is broken; got" in text
    assert json.loads(ok("routers", "--json"))["routers"][1]["problem"].startswith(
        "easy@2: the card"
    )


def test_promote_and_delete(saved):
    """Each tells what it did; what cannot be is a mistake that changes nothing."""
    assert ok("routers", "promote", "easy", "2") == "easy is now easy@2.\n"
    assert [e.current for e in list_routers()] == [False, True, True]
    assert json.loads(ok("routers", "promote", "easy", "1", "--json"))["version"] == 1
    done = run("routers", "promote", "easy", "9")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "easy: there is no such version; got '9'; allowed: 1, 2" in done.stderr
    done = run("routers", "delete", "easy", "1")
    assert done.exit_code == 2
    assert "easy@1 is the current version; promote another one first" in done.stderr
    assert ok("routers", "promote", "easy@2") == "easy is now easy@2.\n"
    assert ok("routers", "promote", "easy@1", "1") == "easy is now easy@1.\n"
    for wrong, message in (
        (("easy",), "easy: which version is to be the current one?; allowed: easy@1, easy@2"),
        (("easy@1", "2"), "one version, please; got easy@1 and 2; allowed: easy@1"),
        (("easy@7",), "easy: there is no such version; got '7'; allowed: 1, 2"),
        (("nobody",), "there is no router 'nobody'"),
    ):
        done = run("routers", "promote", *wrong)
        assert (done.exit_code, done.stdout) == (2, "")
        assert message in done.stderr
    assert ok("routers", "delete", "easy@2") == "Deleted easy@2.\n"
    assert json.loads(ok("routers", "delete", "easy", "--json")) == {
        "name": "easy", "version": None, "deleted": 1,
    }  # fmt: skip
    assert [e.name for e in list_routers()] == ["hard"]
    for wrong in (("delete", "../hard"), ("delete", "hard\n"), ("promote", "CON", "1")):
        done = run("routers", *wrong)
        assert done.exit_code == 2
        assert "this cannot be the name of a router" in done.stderr
    assert run("routers", "promote", "hard", "0").exit_code == 2
    assert [e.name for e in list_routers()] == ["hard"]


def test_compare(saved):
    """Side by side, and it says where that is not fair."""
    text = ok("routers", "compare", "easy@1", "easy@2")
    assert "Not comparable" not in text
    assert "Each interval is of one router alone." in text
    assert "AIQ: mean quality over all budgets" in text
    found = json.loads(ok("routers", "compare", "easy@1", "easy@2", "--json"))
    assert found["comparable"] is True
    assert found["scores"][0]["a"] == {"value": 0.805, "ci95": [0.786, 0.823], "n": 900}
    assert found["scores"][0]["b"]["value"] == 0.9
    assert run("routers", "compare", "easy@1", "nope").exit_code == 2


@pytest.mark.parametrize(
    ("other", "note"),
    [
        ({"dataset_digest": "ef" * 32}, r"scored on different data: support log \(ababababab"),
        ({"dataset_digest": None}, "hard@1: the card does not tell what it was scored on"),
        ({"models": ["small", "huge"]}, "different models: easy@1 does not know huge; hard@1 does"),
        ({"n_judged": 1500}, "scored on different numbers of requests: 900 and 1,500"),
        ({"split": {"kind": "random"}}, "different splits of the requests: grouped and random"),
        ({"seed": 7}, "scored on different seeds of the split: 0 and 7"),
    ],
)
def test_what_cannot_be_compared(other, note):
    """Scores from other requests, models or splits are no measure of the better router."""
    import re

    found = compare_cards(card_of(), card_of("hard", **other))
    assert not found.comparable
    assert any(re.search(note, line) for line in found.notes)
    assert compare_cards(card_of(), card_of("same")).comparable


def test_the_card_reads_well(saved):
    """Who decides finds what it does, on what data, how good it is, and what it is not for."""
    text = ok("router-card", "easy")
    titles = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert titles == [
        "What it decides",
        "What it learned from",
        "How good it is",
        "Beside simpler ways",
        "What each min_quality costs and gives",
        "What can be promised",
        "Whether its probabilities come true",
        "Warnings",
        "What it must not be used for",
        "What its file holds",
        "What the figures rest on",
        "Where it comes from",
    ]
    for words in (
        "The dataset support log, 1,000 requests (digest abababababab).",
        "Better than each single model at equal cost.",
        "0.805 [0.786, 0.823]",
        "+3.1 points [+1.2, +4.9]",
        "$0.190 [0.180, 0.200]",
        "+2.1 [−0.3, +4.5] | 900 |",
        "0.021 [0.012, 0.034]",
        "No prompt and no answer as text.",
        "With toolkit",
    ):
        assert words in text.replace("\n  ", " "), words
    assert max(map(len, text.splitlines())) <= 120
    assert "nan" not in text.lower()


def test_the_card_as_json_is_complete(saved):
    """All that the training told is there, with what the registry knows."""
    found = json.loads(ok("router-card", "easy@2", "--json"))
    assert found.items() >= (told(aiq=0.9)).items()
    assert (found["name"], found["version"]) == ("easy", 2)
    assert found["not_for"]
    assert found["holds"]
    assert found["router"]["head"] == "stack"
    assert found["library_versions"]["skops"]
    assert found["version_warnings"] == []


def test_untrusted_text_in_a_card_is_shown_as_it_stands(saved):
    """No character of it moves a terminal, and none is markup in Markdown or HTML."""
    text = ok("router-card", "hard")
    assert "[SIMULATED DATA]" in text
    assert "Real traffic: it learned from outcomes that a simulation made up." in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "`<script>alert(1)</script>`" in text
    shown = card_html(card_of(dataset=HOSTILE, models=[HOSTILE], warnings=[HOSTILE]))
    assert "<script" not in shown
    assert "\x1b" not in shown
    assert "<em>simulated data</em>" in card_html(card_of(simulated=True))


def test_a_router_of_other_library_versions(saved):
    """The card says so, beside the result and in it."""
    path = saved / "easy" / "1.json"
    data = json.loads(path.read_text())
    data["library_versions"] |= {"toolkit": "0.0.1"}
    path.write_text(json.dumps(data))
    done = run("router-card", "easy")
    assert done.exit_code == 0
    assert "easy@1 was saved with toolkit 0.0.1, here is" in done.stderr
    assert "was saved with toolkit" in done.stdout
    assert len(json.loads(ok("router-card", "easy", "--json"))["version_warnings"]) == 1


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"models": "small", "n": "many", "curve": 5, "calibration": [1, None], "singles": {}},
        {"models": [1, None], "aiq": "high", "aiq_ci95": 3, "oracle": [None], "floor": []},
        {"aiq": 0.5, "aiq_ci95": [None, "x"], "thresholds": [{"min_quality": None}]},
        {"split": 3, "verdict": ["a", 1], "library_versions": ["x"], "not_for": "y", "router": []},
        {"aiq": True, "apgr": 1e400, "singles": [{"name": None, "points": [{"quality": {}}]}]},
    ],
)  # fmt: skip
def test_a_card_from_elsewhere(data):
    """What is missing or of another kind is left out, in words, as HTML and in a comparison."""
    card = Card({"name": "x", "version": 1, "digest": "0" * 64, **data})
    assert card_text(card).startswith("# Router x, version 1")
    assert card_html(card)
    assert card_parts(card)
    assert not compare_cards(card, card).comparable
    assert compare_cards(card, card_of()).to_dict()["comparable"] is False


def test_a_card_without_scores_says_so():
    """A router that was saved by hand is not taken for a good one."""
    text = card_text(Card({"name": "x", "version": 1, "digest": "0" * 64}))
    assert "It was saved without being judged: nothing is known of how good it is." in text


def test_numbers_of_a_card():
    """An estimate has its interval and n where they are told; numbers that are none are none."""
    found = estimate({"a": 1, "a_ci95": [0.5, None], "a_n": 7}, "a")
    assert (found.value, found.low, found.n) == (1, 0.5, 7)
    assert math.isnan(found.high)
    assert estimate({"a": None}, "a") is None
    assert estimate({"a": "1"}, "a") is None
    card = {"a": [np.float32(0.5), float("inf"), np.arange(2), (True, None)], 1: {"b": "ü"}}
    content = to_text({**card, "name": "x", "version": 1, "digest": "0" * 64}).encode()
    assert content.isascii()
    found = from_text(content, "here")
    assert found.data["a"] == [0.5, None, [0, 1], [True, None]]
    assert found.data["1"] == {"b": "ü"}
