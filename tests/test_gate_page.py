"""Limits against a baseline in the app: the form writes them, and the pages judge them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app_home import TIERED, make_home
from tests.test_pages import at_tab, draft, opened, said
from toolkit.evaluate.gate import gate
from toolkit.logs.datasets import load_dataset
from toolkit.policy.loading import load_policy
from toolkit.policy.model import Policy
from toolkit.ui import loaders


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The policies of an app of this test alone; tiered has goals against a baseline."""
    made = make_home(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    loaders.infos.clear()
    limits = "quality: {min: 0.6, min_change: -0.2}\n  latency_p95_s: {max_ratio: 0.01}"
    text = TIERED.replace("quality: {min: 0.6}", limits)
    (made.policies / "tiered.yaml").write_text(text, encoding="utf-8")
    return made.policies


def test_the_overview_judges_them_against_its_baseline(folder):
    """The verdict names the baseline, the tiles hold a badge for each limit, as the gate does."""
    app = opened(baseline="model:large-1")
    held = gate(load_policy("tiered"), load_dataset("shop"), Policy.single("large-1"))
    answers = {(goal.name, goal.kind): goal.answer for goal in held.results}
    text = said(app)
    assert "Does **tiered** on **shop**, against **large-1 alone**, meet its goals?" in text
    assert answers["latency_p95_s", "ratio"] == "no"
    assert "goal ≤ 0.01 × baseline: missed" in text
    met = {"yes": "met", "probably": "probably met", "probably not": "probably missed"}
    word = met[answers["quality", "change"]]
    assert f"change ≥ −20 points: {word}" in text
    assert "needs a baseline" not in text


def test_the_form_writes_them(folder):
    """A limit that is typed stands in the draft, an emptied one is gone, the rest is told."""
    app = at_tab("Goals")
    assert app.number_input(key="goals.quality.min_change").value == -0.2
    app.number_input(key="goals.quality.min_change").set_value(-0.01).run()
    app.number_input(key="goals.error_rate.max_change").set_value(0.005).run()
    app.number_input(key="goals.latency_p95_s.max_ratio").set_value(None).run()
    assert not app.exception
    goals = draft(app).goals
    assert (goals.quality.min, goals.quality.min_change) == (0.6, -0.01)
    assert goals.error_rate.max_change == 0.005
    assert goals.latency_p95_s is None
    app.number_input(key="goals.error_rate.max_change").set_value(2.0).run()
    assert "1 or less" in said(app)


def test_limits_without_a_field_are_told(folder):
    """What only the YAML can say is not hidden by the form."""
    file = folder / "tiered.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("{max: 5}", "{max: 5, min: 1, max_change: -0.1}"), "utf-8")
    assert (
        "In the YAML besides: cost_usd_per_1k at least 1; "
        "cost_usd_per_1k at least 0.1 below the baseline."
    ) in said(at_tab("Goals"))
