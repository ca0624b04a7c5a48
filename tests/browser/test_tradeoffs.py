"""The Trade-offs page as people see it: the answer at a glance, a click, a link, a long sweep."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SIZES
from tests.browser.test_app import is_sound, open_page, settled
from toolkit.evaluate.tradeoffs.frontier import frontier
from toolkit.logs.datasets import load_folder
from toolkit.policy.loading import load_policy

pytestmark = pytest.mark.browser

QUESTION = "What is the cheapest way to be good enough?"
TIMEOUT = "chains.cheap_first.steps.0.timeout_s"
STEPS = json.dumps([[TIMEOUT, [0.3, 0.5, 0.8, 1.2]]])


def address(server, **link: str) -> str:
    """The page with a sweep."""
    query = {"dataset": "shop", "policy": "tiered", **link}
    return f"{server.url}/tradeoffs?{'&'.join(f'{k}={quote(v)}' for k, v in query.items())}"


def swept(server):
    """What Python says of the sweep of STEPS."""
    policy = load_policy(server.home.policies / "tiered.yaml")
    data = load_folder(server.home.bundled / "shop")
    return frontier(policy, data, [f"{TIMEOUT}=0.3,0.5,0.8,1.2"])


def picture(page: Page):
    """The figure of all policies."""
    return page.locator(".st-key-tradeoffs .js-plotly-plot")


@pytest.mark.parametrize("page", SIZES, indirect=True)
def test_the_cheapest_way_is_seen_at_every_width(page, server):
    """Title, answer, picture and sliders; nothing is wider than the screen."""
    open_page(page, address(server, vary=STEPS, good='{"quality":0.6}'))
    expect(page.get_by_role("heading", level=1)).to_have_text(QUESTION)
    answer = page.get_by_role("heading", level=4)
    expect(answer).to_contain_text("alone costs")
    expect(answer).to_contain_text("meets the goals, for less than any policy here that does")
    cheapest = f"The cheapest of {len(swept(server).points)} policies"
    expect(page.get_by_text(cheapest).first).to_be_visible()
    expect(picture(page).locator(".main-svg").first).to_be_visible()
    expect(page.get_by_role("slider", name="Quality, at least")).to_be_visible()
    is_sound(page)
    if page.viewport_size == {"width": 1440, "height": 900}:
        box = picture(page).bounding_box()
        assert box
        assert box["y"] + 0.8 * box["height"] < 900  # the answer and its picture at a glance


def test_a_click_opens_a_policy_which_then_becomes_ones_own(page, server):
    """From the point to its numbers, to the draft, to a reload."""
    open_page(page, address(server, vary=STEPS, good='{"quality":0.6}'))
    at = page.evaluate(
        """() => {
            const plot = document.querySelector('.st-key-tradeoffs .js-plotly-plot');
            const area = plot.querySelector('.nsewdrag').getBoundingClientRect();
            for (const trace of plot._fullData) {
                const i = (trace.customdata || []).findIndex((data) => data[0] === 4);
                if (i < 0) continue;
                const {xaxis, yaxis} = plot._fullLayout;
                return {x: area.left + xaxis.d2p(trace.x[i]), y: area.top + yaxis.d2p(trace.y[i])};
            }
        }"""
    )
    assert at
    page.mouse.click(at["x"], at["y"])
    expect(page.get_by_text("Point 4 of 4")).to_be_visible()
    expect(page).to_have_url(re.compile("point=4"))
    settled(page)
    page.get_by_role("button", name="Make this my policy").click()
    expect(page.get_by_text("Unsaved draft")).to_be_visible()
    settled(page)
    page.reload()
    settled(page)
    expect(page.get_by_text("Unsaved draft")).to_be_visible()
    is_sound(page)


def test_a_long_sweep_can_be_stopped(page, server):
    """It tells how far it is; stopped, it says so, and begins again when someone asks."""
    deadline = "chains.cheap_first.deadline_s"
    page.goto(address(server, vary=json.dumps([[TIMEOUT, 0.3, 2, 45], [deadline, 1, 20, 44]])))
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The sweep was stopped")).to_be_visible()
    page.get_by_role("button", name="Sweep").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(picture(page).locator(".main-svg").first).to_be_visible()
    is_sound(page)


def test_the_report_is_one_file(page, server):
    """It is made when it is asked for, and holds the answer and the policy that is opened."""
    open_page(page, address(server, vary=STEPS, good='{"quality":0.6}', point="1"))
    with page.expect_download() as found:
        page.get_by_role("button", name="One-page report").click()
    assert found.value.suggested_filename == "detour-tiered-shop.html"
    text = found.value.path().read_text("utf-8")
    assert QUESTION in text
    assert "timeout_s: 0.3" in text
