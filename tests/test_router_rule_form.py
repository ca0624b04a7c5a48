"""The policy page with a rule that a trained router decides."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.app_home import TIERED, make_home
from tests.test_pages import opened, said
from toolkit.learn.registry import delete_router, promote_router, save_router
from toolkit.learn.router import QualityRouter
from toolkit.logs.datasets import load_dataset
from toolkit.ui import loaders
from toolkit.ui.rules_form import ROUTER

ROUTED = TIERED.replace(
    "use: cheap_first}", "use: cheap_first, router: {name: easy, min_quality: 0.8}}"
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The app's folders, of this test alone, with a router that learned from its dataset."""
    made = make_home(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DETOUR_ROUTERS", str(tmp_path / "routers"))
    loaders.infos.clear()
    (made.policies / "routed.yaml").write_text(ROUTED.replace("tiered", "routed"), "utf-8")
    learned()
    return made


def learned(*, upside_down: bool = False) -> None:
    """Save another version of the router ``easy``; upside down it prefers what was worse."""
    save_router(router(upside_down), "easy", {"dataset": "shop", "n": 120})


@cache
def router(upside_down: bool) -> QualityRouter:
    """What there is to learn from the shop."""
    data = load_dataset("shop")
    y = np.where(data.error > 0, 0.0, data.quality)
    found = QualityRouter(data.models, text=None, folds=2)
    return found.fit(data.requests, 1 - y if upside_down else y, cost_usd=data.cost_usd)


def clean(app: AppTest) -> AppTest:
    """The app, which ran without an exception."""
    assert not app.exception, app.exception
    return app


def numbers(app: AppTest) -> list[str]:
    """The tiles."""
    return [metric.value for metric in app.metric]


def test_a_rule_is_given_to_a_router_and_its_knob_is_turned(home):
    """The router is offered, plays at once, and each of its fields makes a new draft."""
    app = opened("policy.py", policy="tiered")
    before = numbers(app)
    clean(app.selectbox(key="routes.1.use").select(ROUTER).run())
    assert app.selectbox(key="routes.1.router.name").value == "easy"
    assert app.selectbox(key="routes.1.router.use").value == "cheap_first"
    routed = numbers(app)
    clean(app.number_input(key="routes.1.router.min_quality").set_value(1.0).run())
    strict = numbers(app)
    assert len({tuple(one) for one in (before, routed, strict)}) >= 2
    clean(app.selectbox(key="routes.1.router.way").select("max_cost_usd").run())
    assert app.number_input(key="routes.1.router.max_cost_usd").value == 0.001
    clean(app.selectbox(key="routes.1.router.use").select("all models of the policy").run())
    clean(app.number_input(key="routes.1.router.fallbacks").set_value(0).run())
    assert "in the order of router easy" in said(app) + str([e.label for e in app.expander])
    clean(app.selectbox(key="routes.1.use").select("cheap_first").run())
    assert "routes.1.router.name" not in app.session_state
    assert numbers(app) == before


def test_a_number_that_a_router_cannot_have_is_said_below_its_field(home):
    """What cannot be used stays typed, with the reason."""
    app = opened("policy.py", policy="routed")
    clean(app.number_input(key="routes.1.router.min_quality").set_value(1.5).run())
    assert "allowed: 1 or less" in said(app)


@pytest.mark.parametrize("page", ["overview.py", "replay.py", "resilience.py", "tradeoffs.py"])
def test_every_page_shows_a_policy_with_a_router(home, page):
    """Nothing falls over a router, whatever a page reads of the policy."""
    clean(opened(page, policy="routed"))


def test_a_promoted_version_shows_at_once(home):
    """What was worked out with the version before is not shown for the new one."""
    before = numbers(opened("policy.py", policy="routed"))
    learned(upside_down=True)
    assert numbers(opened("policy.py", policy="routed")) == before
    promote_router("easy", 2)
    assert numbers(opened("policy.py", policy="routed")) != before


def test_a_router_that_is_gone_is_told_in_words(home):
    """A policy whose router was deleted opens, says so and can be mended in the form."""
    delete_router("easy")
    app = clean(opened("policy.py", policy="routed"))
    assert "there is no router; none is saved yet: 'easy'" in said(app).lower()
