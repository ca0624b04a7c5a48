"""Public datasets that can be fetched: where each file is, how long it is, and its SHA-256.

Every home is pinned to a revision and every file to a checksum, so that a fetch today and one in a
year bring the same bytes or an error. Nothing of these datasets is part of this project.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import DataError, did_you_mean


@dataclass(frozen=True)
class RemoteFile:
    """A file of a public dataset."""

    path: str
    """Relative to the dataset's home, and to the folder that it is fetched into."""
    n_bytes: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """A public dataset."""

    name: str
    title: str
    licence: str
    home: str
    """Address that the files' paths follow, with a slash at its end."""
    files: tuple[RemoteFile, ...]
    next_step: Callable[[Path], str]
    """What to do with the folder once it is there, commands included."""

    @property
    def n_bytes(self) -> int:
        """Length of all files."""
        return sum(file.n_bytes for file in self.files)

    def address(self, file: RemoteFile) -> str:
        """Where to get a file: its home, or the mirror that ``DETOUR_MIRROR`` names."""
        mirror = os.environ.get("DETOUR_MIRROR")
        return f"{mirror.rstrip('/')}/{self.name}/{file.path}" if mirror else self.home + file.path


def find_source(name: str) -> Source:
    """The source of a name; DataError names those there are."""
    for source in SOURCES:
        if source.name == name:
            return source
    names = [source.name for source in SOURCES]
    raise DataError(
        f"nothing to fetch has this name; got {name!r}; allowed: {did_you_mean(name, names)}"
    )


def _import_routellm(folder: Path) -> str:
    responses = shlex.quote(f"{folder}/responses")
    dropped = shlex.quote(f"{folder}/contaminated_prompts.jsonl")
    return f"python -m toolkit import {responses} --as routellm --drop-prompts {dropped}"


def _convert_routerbench(folder: Path) -> str:
    volume = shlex.quote(f"{folder.resolve()}:/data")
    made = shlex.quote(f"{folder}/routerbench_0shot.parquet")
    code = (
        "import pandas; t = pandas.read_pickle('/data/routerbench_0shot.pkl');"
        " t = t.apply(lambda c: c.map(str, na_action='ignore') if c.dtype == object else c);"
        " t.to_parquet('/data/routerbench_0shot.parquet')"
    )
    image = "FROM python:3.11-slim\\nRUN pip install pandas==2.2.3 numpy==1.26.4 pyarrow==19.0.1\\n"
    return (
        "The file is a Python pickle, which runs its own code when it is opened, so nothing here"
        " opens it. Make Parquet of it in a container without network that sees this folder only:\n"
        f"printf '{image}' | docker build -t unpickle -\n"
        f'docker run --rm --network none -v {volume} unpickle python -c "{code}"\n'
        f"python -m toolkit import {made} --as routerbench"
    )


def _listed(name: str) -> tuple[RemoteFile, ...]:
    """The files of a list beside this module: checksum, length and path in each line."""
    lines = (Path(__file__).parent / name).read_text("ascii").splitlines()
    rows = [line.split("  ", 2) for line in lines]
    return tuple(RemoteFile(path, int(n_bytes), sha256) for sha256, n_bytes, path in rows)


SOURCES = (
    Source(
        name="routellm",
        title="RouteLLM's answers of two models to MMLU",
        licence="Apache-2.0",
        home="https://raw.githubusercontent.com/lm-sys/RouteLLM/"
        "0b64fdafe049e596a3f5657c219329f24af24198/routellm/evals/mmlu/",
        files=_listed("routellm.sums"),
        next_step=_import_routellm,
    ),
    Source(
        name="routerbench",
        title="RouterBench, zero-shot: answers of eleven models",
        licence="none stated; ask its authors before you pass it on",
        home="https://huggingface.co/datasets/withmartian/routerbench/resolve/"
        "784021482c3f320c6619ed4b3bb3b41a21424fcb/",
        files=(
            RemoteFile(
                "routerbench_0shot.pkl",
                99_567_659,
                "ba4f77f19517610a707c374e99322d7750c30fc4ae7ff5527888595a1e65d36d",
            ),
        ),
        next_step=_convert_routerbench,
    ),
)
