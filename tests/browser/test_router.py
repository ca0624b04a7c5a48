"""The Router page as people see it: train, cancel, turn the knob, keep the router, use it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SIZES
from tests.browser.test_app import is_sound, settled
from toolkit.policy.loading import load_policy

pytestmark = pytest.mark.browser

QUESTION = "Does a router that learned from the log beat the rules?"


def trained(page: Page, server, **link: str) -> None:
    """Open the page, and train unless somebody has."""
    query = {"dataset": "shop", "policy": "tiered", **link}
    page.goto(f"{server.url}/router?{'&'.join(f'{k}={v}' for k, v in query.items())}")
    expect(page.get_by_role("heading", level=1)).to_have_text(QUESTION)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    button = page.get_by_role("button", name="Train", exact=True)
    button.or_(page.get_by_test_id("stMetricValue").first).first.wait_for()
    if button.count():
        button.click()
    settled(page)


def test_a_training_can_be_stopped(page, server):
    """It shows how far it is; stopped, it leaves nothing, and can begin again."""
    page.goto(f'{server.url}/router?dataset=shop&train={{"folds":20,"head":"stack"}}')
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Stopped before it was through. Nothing was changed.")).to_be_visible()
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_enabled()
    is_sound(page)


@pytest.mark.parametrize("page", SIZES, indirect=True)
def test_the_answer_is_seen_at_every_width(page, server):
    """Title, verdict, tiles and picture; nothing is wider than the screen."""
    trained(page, server)
    answer = page.get_by_role("heading", level=4).first
    expect(answer).to_contain_text("n\u00a0=\u00a0120.")
    expect(page.get_by_test_id("stMetricValue").first).to_be_visible()
    expect(page.locator(".st-key-router .js-plotly-plot .main-svg").first).to_be_visible()
    is_sound(page)
    box = answer.bounding_box()
    assert box
    assert box["y"] + box["height"] < 450
    if page.viewport_size == {"width": 1440, "height": 900}:
        figure = page.get_by_test_id("stPlotlyChart").first.bounding_box()
        assert figure
        assert figure["y"] < 600


def test_the_slider_moves_the_point_and_a_reload_keeps_it(page, server):
    """The setting stands in the address; the rest of the page is not run again for it."""
    trained(page, server, knob="min_quality", at="0.6")
    slider = page.get_by_role("slider").first
    slider.focus()
    slider.press("ArrowRight")
    expect(page).to_have_url(re.compile("at=0.61"))
    expect(page.get_by_text("right with a probability of 0.61 or more")).to_be_visible()
    page.reload()
    settled(page)
    expect(page.get_by_text("right with a probability of 0.61 or more")).to_be_visible()
    is_sound(page)


def test_it_is_kept_and_becomes_a_draft_of_the_policy(page, server):
    """From the picture to a name in the registry, to a rule that the Policy page shows."""
    trained(page, server, knob="min_quality", at="0.6")
    page.get_by_role("button", name="Use in my policy").click()
    dialog = page.get_by_role("dialog")
    name = dialog.get_by_role("textbox", name="Name")
    name.fill("../no")
    name.press("Enter")
    dialog.get_by_role("button", name="Save and use").click()
    expect(dialog.get_by_text("this cannot be the name of a router")).to_be_visible()
    name.fill("easy")
    name.press("Enter")
    dialog.get_by_role("button", name="Save and use").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("Unsaved draft")).to_be_visible()
    settled(page)
    expect(page.get_by_text("This router is saved as easy.")).to_be_visible()
    page.get_by_role("link", name="Policy").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Who goes where, and what if it fails?"
    )
    settled(page)
    is_sound(page)
    saved = load_policy(server.home.policies / "tiered.yaml")
    assert all(route.use != "learned" for route in saved.routes)  # a draft, until it is saved
