"""Every notebook runs from top to bottom."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, monkeypatch: pytest.MonkeyPatch):
    """A reader who presses "run all" sees results and no error."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": ROOT}})
    client.execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(cell.execution_count for cell in code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_defines_nothing(path: Path):
    """What a notebook needs is in the toolkit, where it is tested."""
    notebook = nbformat.read(path, as_version=4)
    lines = [line for c in notebook.cells if c.cell_type == "code" for line in c.source.split("\n")]
    assert not [line for line in lines if line.startswith(("def ", "class "))]


def test_there_is_a_notebook():
    """An empty folder would make the tests above pass without a notebook."""
    assert NOTEBOOKS
