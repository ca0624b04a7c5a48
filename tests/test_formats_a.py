"""Logs of LiteLLM, OpenTelemetry and Langfuse."""

from __future__ import annotations

import csv

import pytest

from tests.golden import GOLDEN, assert_golden, expected_of, log_of, rows_of, written_as
from toolkit.logs.importers import FORMATS, import_file, preview
from toolkit.logs.importers.format import Columns

NAMES = ("litellm-spend-logs", "litellm-logging-payload", "otel-genai", "langfuse")
OPTIONS = {"langfuse": {"scores": GOLDEN / "langfuse" / "scores.jsonl"}}


def imported(path, name, **options):
    """Import without list prices, and check that no row is lost."""
    report = import_file(path, name, estimate_costs=False, **options)
    assert report.n_rows == report.n_stored + report.n_rejected + report.n_left_out
    return report


@pytest.mark.parametrize("name", NAMES)
def test_golden_log_is_what_its_rows_say(name, lab):
    """A golden log is found out and imported; each row is stored, rejected or left out as said."""
    assert_golden(imported(log_of(name), "golden", **OPTIONS.get(name, {})), expected_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_rejected_rows_are_named_with_line_and_reason(name, lab):
    """The file of rejects has the line of each rejected row, and why."""
    report = imported(log_of(name), "golden", **OPTIONS.get(name, {}))
    with report.rejects_path.open(encoding="utf-8", newline="") as text:
        rejects = [(int(one["line"]), one["reason"]) for one in csv.DictReader(text)]
    for (line, reason), (wanted, why) in zip(rejects, expected_of(name)["rejects"], strict=True):
        assert line == wanted
        assert reason.startswith(why)
