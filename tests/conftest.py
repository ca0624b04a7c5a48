"""What several tests start from."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True, scope="session")
def _event_loop():
    """Keep one event loop for all: LiteLLM makes one where there is none, and leaves it open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c():
    """Let Ctrl-C be heard, which tests press: a shell's background job begins by ignoring it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_datasets() -> Path:
    """The folder of real outcome data beside the checkout."""
    folder = ROOT.parent / "shared" / "datasets"
    if not folder.is_dir():
        pytest.skip("the real outcome data is not there: ../shared/datasets beside the checkout")
    return folder


@pytest.fixture(scope="session")
def bfcl_dir(shared_datasets: Path) -> Path:
    """The Berkeley Function-Calling Leaderboard of August 2024."""
    folder = shared_datasets / "bfcl_2024_08"
    if not folder.is_dir():
        pytest.skip("BFCL is not there: ../shared/datasets/bfcl_2024_08")
    return folder


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of this test alone; its path."""
    path = tmp_path / "lab" / "lab.duckdb"
    monkeypatch.setenv("DETOUR_DB", str(path))
    return path
