"""Saving a policy as a new file in the folder of policies, and nowhere else."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from toolkit.errors import PolicyError, Problem
from toolkit.policy.loading import policies_dir
from toolkit.policy.model import Policy

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def path_for(name: str) -> Path:
    """The file of a policy of this name; raises PolicyError for a name that is not plain."""
    if not _NAME.fullmatch(name):
        allowed = "letters, digits, - and _, beginning with a letter or digit, at most 64"
        raise PolicyError([Problem("this cannot be the name of a file", "", repr(name), allowed)])
    return policies_dir() / f"{name}.yaml"


def exists(name: str) -> bool:
    """A policy of this name is saved; the case of letters does not tell files apart."""
    folder = policies_dir()
    taken = {path.stem.lower() for path in folder.glob("*.yaml")} if folder.is_dir() else set()
    return name.lower() in taken


def save(policy: Policy, name: str, overwrite: bool = False) -> Policy:
    """Write the policy under ``name`` and return it as it was saved.

    The file appears as a whole or not at all. Raises PolicyError where the name is taken and
    ``overwrite`` is not set, or where it cannot be written.
    """
    path = path_for(name)
    if exists(name) and not overwrite:
        problem = Problem("a policy of this name is there already", "", repr(name), "another name")
        raise PolicyError([problem])
    named = policy.with_value("policy", name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{name}-", suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(named.to_yaml())
        if overwrite:
            os.replace(part, path)  # noqa: PTH105 - the same call as link below, on its last line
        else:
            _link(part, path)
    except OSError as error:
        what = f"the file cannot be written: {error.strerror}"
        raise PolicyError([Problem(what)], str(path)) from error
    return named


def _link(part: str, path: Path) -> None:
    """Give the finished file its name, unless someone took that in the meantime."""
    try:
        os.link(part, path)
    except FileExistsError:
        problem = Problem("a policy of this name is there already", "", repr(path.stem))
        raise PolicyError([problem]) from None
    finally:
        Path(part).unlink()
