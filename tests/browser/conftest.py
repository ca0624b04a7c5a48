"""The app in a real browser: one server and one Chromium for all tests of a session."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Request, sync_playwright

from tests.app_home import Home, make_home

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

SIZES = {"desk": (1440, 900), "phone": (420, 900)}
PATIENCE = 60_000
"""Milliseconds; the first replay of a session may be compiled first."""


@dataclass(frozen=True)
class Server:
    """A running app."""

    url: str
    home: Home


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    """The server is up."""
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def start(environment: dict[str, str], port: int, log: Path) -> subprocess.Popen[bytes]:
    """Start the app and wait until it answers."""
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true"]
    command += [f"--server.port={port}", "--server.fileWatcherType=none"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | environment, stdout=out, stderr=subprocess.STDOUT
        )
    deadline = time.monotonic() + 60
    while not answers(f"http://localhost:{port}"):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"the app did not start:\n{log.read_text('utf-8')}")
        time.sleep(0.1)
    return process


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app with folders of its own."""
    folder = tmp_path_factory.mktemp("app")
    home, port = make_home(folder), free_port()
    process = start(home.environment, port, folder / "log.txt")
    yield Server(f"http://localhost:{port}", home)
    process.terminate()
    process.wait(timeout=20)


@pytest.fixture(scope="session")
def browser() -> Iterator[BrowserContext]:
    """A Chromium of the system, without one the tests skip."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install Debian's package chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield chromium.new_context()
        chromium.close()


@pytest.fixture(scope="session")
def tab(browser: BrowserContext) -> Page:
    """One tab for all tests: what it has compiled for the first it need not compile again."""
    opened = browser.new_page()
    opened.set_default_timeout(PATIENCE)
    return opened


@pytest.fixture
def page(tab: Page, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The tab with nothing in it; it may ask nobody but the app."""
    width, height = SIZES[getattr(request, "param", "desk")]
    tab.set_viewport_size({"width": width, "height": height})
    strangers: list[str] = []

    def note(one: Request) -> None:
        strangers.append(one.url)

    tab.on("request", note)
    yield tab
    tab.remove_listener("request", note)
    if tab.url != "about:blank":
        tab.evaluate("sessionStorage.clear()")
        tab.goto("about:blank")
    local = re.compile(r"(https?|wss?)://localhost[:/]|data:|blob:")
    assert [url for url in strangers if not local.match(url)] == []
