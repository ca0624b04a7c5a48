"""The pages as people see them, on a desk and on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as TookTooLong

from tests.browser.conftest import PATIENCE, SIZES
from toolkit.evaluate.format import number, percent, seconds, usd_per_1k
from toolkit.evaluate.summary import Summary
from toolkit.logs.datasets import load_folder
from toolkit.policy.loading import load_policy

pytestmark = pytest.mark.browser

QUESTIONS = {
    "": "Where do we stand?",
    "policy": "Who goes where, and what if it fails?",
    "replay": "What would it have cost and scored?",
}
expect.set_options(timeout=PATIENCE)


def settled(page: Page) -> None:
    """Wait until the script has run and everything that it sent is drawn."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    expect(page.get_by_test_id("stMetricValue").first).to_be_visible()


def open_page(page: Page, url: str) -> None:
    """Go to an address of the app."""
    page.goto(url)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    settled(page)


def choose(page: Page, box: Locator, option: str) -> None:
    """Open a list and take one; the list is opened again where a late redraw has closed it."""
    wanted = page.get_by_role("option", name=option)
    for patience in (2_000, 10_000, PATIENCE):
        box.click()
        try:
            wanted.click(timeout=patience)
        except TookTooLong:
            continue
        return
    raise AssertionError(f"there is no option {option!r}")


def summary(server, policy=None) -> Summary:
    """What Python says about the policy of the tests, or another one."""
    from toolkit.engine.replay import replay

    policy = policy or load_policy(server.home.policies / "tiered.yaml")
    return replay(policy, load_folder(server.home.bundled / "shop"), 0).summary()


def numbers(result: Summary) -> list[str]:
    """The four tiles of a result."""
    return [
        usd_per_1k(result.cost_usd_per_1k.value),
        number(result.quality.value),
        seconds(result.latency_p95_s.value),
        percent(result.error_rate.value),
    ]


def is_sound(page: Page) -> None:
    """No exception on the page, and nothing wider than the screen."""
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert "Traceback" not in page.content()
    sizes = page.evaluate(
        """() => [document.scrollingElement, document.querySelector('[data-testid=stMain]')]
                 .map(box => [box.scrollWidth, box.clientWidth])"""
    )
    assert all(inner <= outer for inner, outer in sizes), sizes
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def is_answered_at_once(page: Page) -> None:
    """The four numbers and the beginning of a figure are on the first screen."""
    for tile in page.get_by_test_id("stMetric").all():
        box = tile.bounding_box()
        assert box
        assert box["y"] + box["height"] <= 900
    figure = page.get_by_test_id("stPlotlyChart").first.bounding_box()
    assert figure
    assert figure["y"] < 700


@pytest.mark.parametrize("page", SIZES, indirect=True)
@pytest.mark.parametrize("path", QUESTIONS)
def test_a_page_answers_its_question_at_every_width(page, server, path):
    """Title, the toolkit's own numbers and a figure on the first screen, no sideways scroll."""
    open_page(page, f"{server.url}/{path}?dataset=shop&policy=tiered")
    expect(page.get_by_role("heading", level=1)).to_have_text(QUESTIONS[path])
    expect(page.get_by_test_id("stMetricValue")).to_have_text(numbers(summary(server)))
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    is_sound(page)
    if page.viewport_size == {"width": 1440, "height": 900}:
        is_answered_at_once(page)


def test_a_change_of_a_rule_is_seen_saved_and_found_again(page, server):
    """From the form to the numbers, to a new file, to a reload."""
    open_page(page, f"{server.url}/policy?dataset=shop&policy=tiered")
    choose(page, page.get_by_role("combobox", name="Leads to").first, "cheap_first")
    changed = load_policy(server.home.policies / "tiered.yaml")
    changed = changed.with_value("routes.0.use", "cheap_first")
    expect(page.get_by_test_id("stMetricValue")).to_have_text(numbers(summary(server, changed)))
    expect(page.get_by_text("Unsaved draft")).to_be_visible()
    expect(page).to_have_url(re.compile("draft=[0-9a-f]{16}"))

    page.reload()  # a new session: the draft is still there
    settled(page)
    expect(page.get_by_text("Unsaved draft")).to_be_visible()
    expect(page.get_by_test_id("stMetricValue")).to_have_text(numbers(summary(server, changed)))

    page.get_by_role("button", name="Save as").click()
    name = page.get_by_role("dialog").get_by_role("textbox", name="Name")
    expect(name).to_have_value("tiered_2")
    name.fill("tiered")
    name.press("Enter")
    expect(page.get_by_role("dialog").get_by_text("There is a policy tiered")).to_be_visible()
    expect(page.get_by_role("dialog").get_by_role("button", name="Save")).to_be_disabled()
    name.fill("thrifty")
    name.press("Enter")
    expect(page.get_by_role("dialog").get_by_text("There is a policy")).to_have_count(0)
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile("policy=thrifty"))
    expect(page.get_by_text("Unsaved draft")).to_have_count(0)
    saved = load_policy(server.home.policies / "thrifty.yaml")
    assert saved == changed.with_value("policy", "thrifty")

    page.reload()
    settled(page)
    expect(page).to_have_url(re.compile("dataset=shop&policy=thrifty"))
    expect(page.get_by_test_id("stMetricValue")).to_have_text(numbers(summary(server, changed)))
    is_sound(page)


def test_pages_keep_what_the_sidebar_chose(page, server):
    """Dataset, policy and baseline stay in the address from page to page."""
    open_page(page, f"{server.url}/?dataset=shop&policy=plain&baseline=model:tool-1")
    for title, path in (("Replay", "replay"), ("Policy", "policy")):
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=title).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(QUESTIONS[path])
        settled(page)
        expect(page).to_have_url(re.compile(f"/{path}.*policy=plain.*baseline=model%3Atool-1"))


def test_every_tab_of_the_editor_opens(page, server):
    """Rules, chains, goals, models, protection and YAML each show their form."""
    open_page(page, f"{server.url}/policy?dataset=shop&policy=tiered")
    for tab, label in (
        ("Chains", "Deadline, seconds"),
        ("Goals", "Quality, at least"),
        ("Models", "Longest prompt, tokens"),
        ("Protection", "Most to spend on a day, USD"),
        ("YAML", "The policy as a file"),
        ("Rules", "Leads to"),
    ):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_text(label, exact=True).first).to_be_visible()
        is_sound(page)


def test_prompts_and_answers_are_shown_as_they_are(page, server):
    """The trace has the prompt's and the answer's own characters, and no element made of them."""
    open_page(page, f"{server.url}/replay?dataset=shop&policy=plain&status=accepted")
    prompt = page.get_by_test_id("stCode").first
    expect(prompt).to_contain_text(re.compile(r"is \*\*this\*\* <b>plain</b> \$x\$\?"))
    expect(page.get_by_text("An <i>answer</i> with :red[marks].")).to_be_visible()
    expect(page.locator("i", has_text=re.compile("^answer$"))).to_have_count(0)
