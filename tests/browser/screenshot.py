"""Write README.png: a page on the bundled data at 1440 pixels. Run with ``python -m``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM, ROOT, free_port, start

LINK = "?dataset=local&policy=tiered"


def still(page: Page) -> bytes:
    """The picture once it no longer changes: figures fade in."""
    before, now = b"", page.screenshot()
    while now != before:
        page.wait_for_timeout(500)
        before, now = now, page.screenshot()
    return now


def main(path: str = "", target: Path = ROOT / "README.png") -> None:
    """Start the app, open a page of it, wait until it is drawn, and keep the picture."""
    if CHROMIUM is None:
        raise SystemExit("no Chromium on this machine: install Debian's package chromium")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        # A store of its own, so that nobody's datasets are in the picture.
        process = start({"DETOUR_DB": f"{folder}/lab.duckdb"}, port, Path(folder) / "log.txt")
        try:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
            page = chromium.new_page(viewport={"width": 1440, "height": 920})
            page.set_default_timeout(60_000)
            expect.set_options(timeout=60_000)
            page.goto(f"http://localhost:{port}/{path}{LINK}")
            expect(page.get_by_test_id("stMetricValue")).to_have_count(4)
            page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
            expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
            expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
            page.evaluate("document.fonts.ready")
            target.write_bytes(still(page))
            chromium.close()
        finally:
            process.terminate()
            process.wait(timeout=20)
    print(f"wrote {target}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
