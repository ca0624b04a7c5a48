"""Which module may import which.

Imports point upwards only, so that what decides never depends on what shows::

    schema, errors, threads, kernels, remembering ← embeddings, policy, logs
        ← learn, scenarios, cache ← engine ← evaluate, gateways ← figures ← ui
        ← pages, app, notebooks, cli

A module imports its own package and the layers below; neighbours on one layer do not know each
other. One exception: a result may show itself, so methods named ``figure``, ``summary`` and
``_repr_html_`` import their view when called, and name its type under ``TYPE_CHECKING``.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import toolkit

ROOT = Path(__file__).parents[1]
LAYERS = (
    {"schema", "errors", "threads", "kernels", "remembering"},
    {"policy", "logs", "embeddings"},
    {"learn", "scenarios", "cache"},
    {"engine"},
    {"evaluate", "gateways"},
    {"figures"},
    {"ui"},
    {"pages", "app", "notebooks", "cli"},
    {"__main__"},
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
VIEWS = {"figure", "summary", "_repr_html_"}
PLACES = {
    "duckdb": ("toolkit/logs/",),
    "litellm": ("toolkit/engine/provider.py", "toolkit/gateways/"),
    "streamlit": ("toolkit/ui/", "pages/", "app.py"),
    "plotly": ("toolkit/figures/",),
    "wordllama": ("toolkit/embeddings.py",),
}
"""Libraries that only some modules may know."""
SLOW = {"litellm", "pandas", "skops", "tqdm", "wordllama"}
"""Libraries that no module of the toolkit imports before it needs them."""


@dataclass(frozen=True)
class Import:
    """One imported module: its dotted name and how the import is reached."""

    module: str
    line: int
    function: str  # name of the innermost function around it, empty at the top of the module
    typing: bool  # only read by type checkers


def imports(tree: ast.AST, package: str = "") -> Iterator[Import]:
    """Every import below ``tree``, absolute; ``package`` resolves relative ones."""

    def walk(node: ast.AST, function: str, typing: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, function, typing)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base]) if base else ".".join(parents)
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno, function, typing)
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for child in node.body:
                yield from walk(child, function, True)
            for child in node.orelse:
                yield from walk(child, function, typing)
        else:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                function = node.name
            for child in ast.iter_child_nodes(node):
                yield from walk(child, function, typing)

    yield from walk(tree, "", False)


def source_files() -> list[str]:
    """Every Python file of the project but its tests, as paths from the root."""
    files = [*ROOT.glob("toolkit/**/*.py"), *ROOT.glob("pages/*.py"), *ROOT.glob("app.py")]
    return sorted(str(f.relative_to(ROOT)) for f in files)


def unit(path: str) -> str:
    """The name in ``LAYERS`` that a file belongs to."""
    parts = Path(path).with_suffix("").parts
    return parts[1] if parts[0] == "toolkit" else parts[0]


def read(path: str) -> list[Import]:
    """Every import of one file, given as a path from the root."""
    package = ".".join(Path(path).parent.parts)
    return list(imports(ast.parse((ROOT / path).read_text("utf-8")), package))


def misplaced(path: str, found: list[Import]) -> list[str]:
    """The imports of a file that point the wrong way, in words."""
    here, wrong = unit(path), []
    for item in found:
        root, _, rest = item.module.partition(".")
        if root in {"pages", "app", "notebooks", "tests"}:
            wrong.append(f"{path}:{item.line}: nothing imports {root}")
        if root != "toolkit":
            continue
        there = rest.partition(".")[0]
        if there not in RANK:  # a public name of the package, which knows every layer
            if path.startswith("toolkit/") and there != "__version__":
                wrong.append(f"{path}:{item.line}: import {there} from where it is defined")
        elif there != here and RANK[there] >= RANK[here]:
            view = item.function in VIEWS or item.typing
            if not view:
                wrong.append(f"{path}:{item.line}: {here} may not import {there}")
    return wrong


@pytest.mark.parametrize("path", [p for p in source_files() if p != "toolkit/__init__.py"])
def test_imports_point_upwards(path):
    """A module imports its own package and the layers below it, and nothing else of ours."""
    assert unit(path) in RANK, f"{path} belongs to no layer"
    assert misplaced(path, read(path)) == []


@pytest.mark.parametrize("path", source_files())
def test_each_library_has_its_place(path):
    """The database, the providers, the browser and the plots are each known in one place."""
    for item in read(path):
        library = item.module.partition(".")[0]
        allowed = PLACES.get(library)
        if allowed and not item.typing:
            assert path.startswith(allowed), f"{path}:{item.line}: {library} belongs in {allowed}"
        if library in SLOW and path.startswith("toolkit/") and not item.typing:
            assert item.function, f"{path}:{item.line}: import {library} inside the function"


@pytest.mark.parametrize(
    ("path", "source", "wrong"),
    [
        ("toolkit/policy/a.py", "from toolkit.logs.store import x", True),
        ("toolkit/policy/a.py", "from ..engine import machine", True),
        ("toolkit/policy/a.py", "from .plan import Plan", False),
        ("toolkit/policy/a.py", "from toolkit import errors", False),
        ("toolkit/logs/a.py", "from toolkit import replay", True),
        ("toolkit/engine/a.py", "def go():\n    from toolkit.evaluate import metrics", True),
        ("toolkit/engine/a.py", "def summary():\n    from toolkit.evaluate import metrics", False),
        ("toolkit/evaluate/a.py", "import toolkit.gateways.litellm", True),
        ("pages/a.py", "from toolkit import replay", False),
    ],
)
def test_the_rule_sees_a_wrong_import(path, source, wrong):
    """An import against the rule is reported however it is written."""
    found = list(imports(ast.parse(source), ".".join(Path(path).parent.parts)))
    assert bool(misplaced(path, found)) is wrong


@pytest.mark.parametrize("path", sorted(ROOT.glob("notebooks/*.ipynb")), ids=lambda p: p.name)
def test_a_notebook_needs_only_public_names(path):
    """A reader of a notebook sees what `from toolkit import ...` offers, no inner module."""
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            for item in imports(ast.parse("".join(cell["source"]))):
                root, _, name = item.module.partition(".")
                assert root != "toolkit" or name in {"", *toolkit.__all__}, item


def test_import_toolkit_loads_nothing_heavy():
    """`import toolkit` and the list of its names leave every large library alone."""
    heavy = {"duckdb", "litellm", "numba", "numpy", "pandas", "plotly", "pyarrow", "pydantic"}
    heavy |= {"streamlit", "tqdm", "typer", "yaml"}
    code = "import sys, toolkit; dir(toolkit); print(*{m.partition('.')[0] for m in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert heavy & set(loaded.stdout.split()) == set()
