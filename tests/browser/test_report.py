"""The report as a file in a real browser, with the network off: drawn, printable, harmless."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.app_home import TIERED, shop
from tests.test_tradeoff_figures import NASTIER, nasty_policy
from toolkit import figures
from toolkit.engine.replay import replay
from toolkit.evaluate.compare import compare
from toolkit.evaluate.tradeoffs.frontier import frontier
from toolkit.logs.datasets import dataset_from_frame
from toolkit.policy.loading import parse_policy
from toolkit.policy.model import Policy

pytestmark = pytest.mark.browser

SIZES = [(1440, 900), (420, 900)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """A report of a sweep on the little shop."""
    data = dataset_from_frame("shop", *shop())
    policy = parse_policy(TIERED)
    swept = frontier(policy, data, ["chains.cheap_first.steps.0.timeout_s=0.2:3:10"], resamples=100)
    found = compare(Policy.single("large-1"), policy, data)
    page = figures.report(swept, found, replay(policy, data).summary())
    return written(page, tmp_path_factory)


@pytest.fixture(scope="module")
def nasty(tmp_path_factory) -> Path:
    """One in which every name would like to act."""
    outcomes, requests = shop((f"a {NASTIER}", f"b {NASTIER}", "c"), (NASTIER, "x", "y"))
    data = dataset_from_frame(NASTIER, outcomes, requests)
    policy = nasty_policy(data.models)
    swept = frontier(policy, data, resamples=50)
    found = compare(Policy.single(data.models[0]), policy, data)
    return written(figures.report(swept, found, replay(policy, data).summary()), tmp_path_factory)


def written(page: str, factory: pytest.TempPathFactory) -> Path:
    """The page as a file."""
    path = factory.mktemp("report") / "report.html"
    path.write_text(page, "utf-8")
    return path


@pytest.fixture
def offline(browser: BrowserContext):
    """A way to open a file as someone on a train does; complaints and requests are kept."""
    assert browser.browser is not None
    contexts = []

    def opened(path: Path, size=SIZES[0], scheme="light") -> tuple[Page, list[str], list[str]]:
        context = browser.browser.new_context(
            viewport={"width": size[0], "height": size[1]}, offline=True, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        complaints: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append("dialog"), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("#figure .scatterlayer .trace")
        return page, complaints, asked

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_is_drawn_without_a_network(plain, offline, size, scheme):
    """The picture is there, nothing was asked or complained about, nothing runs over the edge."""
    page, complaints, asked = offline(plain, size, scheme)
    assert not complaints
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [plain.as_uri()]
    assert page.locator("#figure .scatterlayer .trace").count() >= 5
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(16, 23, 30)")


def test_the_report_prints_on_two_pages(plain, offline):
    """On paper, too, with a white ground in a dark browser."""
    page, complaints, _ = offline(plain, scheme="dark")
    paper = page.pdf(format="A4", prefer_css_page_size=True)
    assert 1 <= paper.count(b"/Type /Page\n") + paper.count(b"/Type /Page ") <= 2
    assert not complaints


@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
def test_names_stay_text_in_a_real_browser(nasty, offline, size):
    """A name that closes the script and loads an image is read, and does nothing."""
    page, complaints, asked = offline(nasty, size)
    page.mouse.move(size[0] / 2, 300)
    assert not complaints
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [nasty.as_uri()]
    assert page.locator("img").count() == 0
    assert page.locator("body script").count() == 2
    assert "<img src=x onerror=alert(1)>" in page.inner_text("body")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_even_an_unescaped_handler_could_not_run(plain, tmp_path, offline):
    """The page's own policy lets nothing run but its two scripts."""
    bad = tmp_path / "bad.html"
    attack = (
        "<body><img src=x onerror=\"document.title='hit'\"><script>document.title='hit'</script>"
    )
    bad.write_text(plain.read_text("utf-8").replace("<body>", attack, 1), "utf-8")
    page, complaints, _ = offline(bad)
    assert page.title() != "hit"
    assert complaints
