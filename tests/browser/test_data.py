"""The Data page as people see it: what is in a log, and bringing one."""

from __future__ import annotations

import re
import zipfile

import pytest
from playwright.sync_api import expect

from tests.app_home import NASTY
from tests.browser.conftest import SIZES
from tests.browser.test_app import is_sound, open_page, settled

pytestmark = pytest.mark.browser

QUESTION = "What is in this log, and can I trust it?"


def rows(models=("small", "<b>large</b>"), n=40) -> str:
    """A log of these models as CSV, with one row that cannot be read and some zeros."""
    lines = ["request_id,category,model,quality,latency_ms,cost_usd"]
    for i in range(n):
        lines += [
            f"r{i},{'ab'[i % 2]},{model},{(i + k) % 2},{0 if i < 3 else 100 + i},{0.001 * (k + 1)}"
            for k, model in enumerate(models)
        ]
    lines[5] = lines[5].replace(",100,", ",soon,").replace(",0,", ",soon,", 1)
    return "\n".join(lines)


@pytest.mark.parametrize("page", SIZES, indirect=True)
def test_the_page_answers_its_question_at_every_width(page, server):
    """Title, answer and figures are drawn, nothing is wider than the screen."""
    open_page(page, f"{server.url}/data?dataset=shop")
    expect(page.get_by_role("heading", level=1)).to_have_text(QUESTION)
    expect(page.get_by_role("heading", level=4)).to_contain_text("120 requests, 3 models")
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    is_sound(page)


def test_from_upload_to_heatmap(page, server, tmp_path):
    """A log is uploaded, looked at, imported, shown with its quality, and found after a reload."""
    log = tmp_path / "my journey.csv"
    log.write_text(rows(), "utf-8")
    open_page(page, f"{server.url}/data?dataset=shop")
    page.get_by_role("button", name="Import a log").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[type=file]").first.set_input_files(log)
    expect(dialog.get_by_text("80 rows = 79 stored + 1 rejected + 0 left out.")).to_be_visible()
    expect(dialog.get_by_text("Found: Long table.")).to_be_visible()
    dialog.get_by_role("tab", name="Rejected (1)").click()
    expect(dialog.get_by_text("They will not be stored")).to_be_visible()
    expect(dialog.get_by_label("Name of the dataset")).to_have_value("my-journey")
    dialog.get_by_role("button", name="Import 79 rows").click()
    expect(page.get_by_text("Imported.")).to_be_visible()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("heading", level=4)).to_contain_text("my-journey: 40 requests")
    expect(page.get_by_text("Latency of exactly 0 s")).to_be_visible()
    picture = page.locator(".st-key-quality .js-plotly-plot")
    expect(picture.locator(".ytick text")).to_have_count(2)
    labels = picture.locator(".ytick text").all_text_contents()
    assert sorted(labels) == ["<b>large</b>", "small"]
    is_sound(page)
    expect(page).to_have_url(re.compile("dataset=my-journey"))
    page.reload()
    settled(page)
    expect(page.get_by_role("heading", level=4)).to_contain_text("my-journey: 40 requests")


def test_columns_of_models_are_named_by_a_pattern(page, server, tmp_path):
    """A table with columns for each model is read by patterns that are typed into the form."""
    log = tmp_path / "wide.csv"
    log.write_text("id,gpt_ok,claude_ok,gpt_ms,claude_ms\nq1,1,0,200,300\n", "utf-8")
    open_page(page, f"{server.url}/data?dataset=shop")
    page.get_by_role("button", name="Import a log").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[type=file]").first.set_input_files(log)
    expect(dialog.get_by_text("This cannot be imported yet")).to_be_visible()
    for label, column in (
        ("Request", "id"),
        ("Quality, 0 to 1", "{model}_ok"),
        ("Latency, milliseconds", "{model}_ms"),
    ):
        box = dialog.get_by_role("combobox", name=label, exact=True)
        box.fill(column)
        box.press("Enter")
        expect(box).to_have_value(column)
    expect(dialog.get_by_text("1 row = 1 stored")).to_be_visible()
    expect(dialog.get_by_text("1 request, 2 models and 2 outcomes")).to_be_visible()


def test_what_is_wrong_with_a_file_is_a_sentence(page, server, tmp_path):
    """A file that is no log leaves the wizard open with the reason, and closes without a trace."""
    log = tmp_path / f"{NASTY.replace('/', '')[:60]}.csv"
    log.write_text("a,b\n1,2\n", "utf-8")
    open_page(page, f"{server.url}/data?dataset=shop")
    page.get_by_role("button", name="Import a log").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[type=file]").first.set_input_files(log)
    expect(dialog.get_by_text("This cannot be imported yet")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    dialog.get_by_role("button", name="Close without importing").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("heading", level=4)).to_contain_text("shop: 120 requests")


def test_a_dataset_is_downloaded_as_a_zip(page, server, tmp_path):
    """The button makes the files when it is pressed."""
    open_page(page, f"{server.url}/data?dataset=shop")
    page.get_by_role("button", name="Download", exact=True).click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="JSON lines").click()
    waiting.value.save_as(tmp_path / "shop.zip")
    with zipfile.ZipFile(tmp_path / "shop.zip") as packed:
        assert {"shop/outcomes.jsonl", "shop/requests.jsonl"} <= set(packed.namelist())
