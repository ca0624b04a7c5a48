"""The Resilience page as people see it: an outage at a glance, another scenario, a link."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SIZES
from tests.browser.test_app import choose, is_sound, open_page, settled
from toolkit.evaluate.incident import incident
from toolkit.logs.datasets import load_folder
from toolkit.policy.loading import load_policy
from toolkit.scenarios.loading import load_scenario

pytestmark = pytest.mark.browser

QUESTION = "What happens when a model fails?"
TILES = 5


def address(server, **link: str) -> str:
    """The page with a scenario."""
    query = {"dataset": "shop", "policy": "tiered", **link}
    return f"{server.url}/resilience?{'&'.join(f'{k}={v}' for k, v in query.items())}"


def answer(server, scenario: str) -> str:
    """The first sentence of what Python says of a scenario."""
    policy = load_policy(server.home.policies / "tiered.yaml")
    data = load_folder(server.home.bundled / "shop")
    first, dot, _ = incident(policy, data, load_scenario(scenario)).verdict.partition(". ")
    return f"tiered: {first}{dot.strip()}"


def says(page: Page, text: str) -> None:
    """The first line of the page is this, whatever spaces are between its words."""
    expect(page.get_by_role("heading", level=4)).to_have_text(text)


@pytest.mark.parametrize("page", SIZES, indirect=True)
def test_an_outage_is_answered_at_every_width(page, server):
    """Title, verdict, picture and tiles; nothing is wider than the screen."""
    open_page(page, address(server, scenario="provider_outage"))
    expect(page.get_by_role("heading", level=1)).to_have_text(QUESTION)
    says(page, answer(server, "provider_outage"))
    expect(page.get_by_test_id("stMetricValue")).to_have_count(TILES)
    picture = page.locator(".st-key-timeline .js-plotly-plot")
    expect(picture.locator(".main-svg").first).to_be_visible()
    expect(picture).to_contain_text("outage: small")
    expect(page.get_by_text("nobody observed this incident")).to_be_visible()
    is_sound(page)
    if page.viewport_size == {"width": 1440, "height": 900}:
        box = picture.bounding_box()
        assert box
        assert box["y"] + 0.9 * box["height"] < 900  # both panels are on the first screen


def test_another_scenario_has_another_answer_and_a_link(page, server):
    """The choice is in the address, and a reload, which is a new session, shows the same."""
    open_page(page, address(server))
    says(page, answer(server, "provider_outage"))
    choose(page, page.get_by_role("combobox", name="What goes wrong"), "Everything down")
    says(page, answer(server, "everything_down"))
    expect(page).to_have_url(re.compile("scenario=everything_down"))
    page.reload()
    settled(page)
    says(page, answer(server, "everything_down"))
    is_sound(page)


def test_a_drawn_scenario_is_in_its_link(page, server):
    """A fault is added to the outage; the link opens both again."""
    open_page(page, address(server, scenario="drawn"))
    page.get_by_role("button", name="Add a fault").click()
    # While it is redrawn the old picture is still there.
    picture = page.locator(".st-key-timeline .js-plotly-plot", has_text="brownout × 5: small")
    expect(picture).to_be_visible()
    settled(page)
    said = page.get_by_role("heading", level=4).inner_text()
    expect(page).to_have_url(re.compile("drawn=.*brownout"))
    page.goto(page.url)
    settled(page)
    expect(picture).to_be_visible()
    expect(page.get_by_role("heading", level=4)).to_have_text(said)
    is_sound(page)


def test_a_row_of_a_request_leads_to_its_waterfall(page, server):
    """Beside the table stands what happened to one request, as words and as a picture."""
    open_page(page, address(server, scenario="everything_down"))
    expect(page.get_by_text("What happened to")).to_be_visible()
    expect(page.locator(".st-key-waterfall .js-plotly-plot")).to_be_visible()
    expect(page.get_by_text("failed with connection").first).to_be_visible()
