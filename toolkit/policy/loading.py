"""Policy files: find, read and check them. Every problem names file, line and key."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from toolkit.errors import PolicyError, Problem, did_you_mean
from toolkit.policy.explain import show
from toolkit.policy.model import Policy
from toolkit.policy.nodes import MAX_BYTES, Reader


def policies_dir() -> Path:
    """The folder of named policies: ``DETOUR_POLICIES``, else ``data/policies``."""
    named = os.environ.get("DETOUR_POLICIES")
    return Path(named) if named else Path(__file__).parents[2] / "data" / "policies"


def list_policies() -> list[str]:
    """The names that `load_policy` knows, sorted."""
    return sorted(path.stem for path in policies_dir().glob("*.yaml"))


def load_policy(path_or_name: str | os.PathLike[str]) -> Policy:
    """Read the policy in a file, or the one with this name in the folder of policies.

    Raises:
        PolicyError: There is no such file or policy, or it cannot be read, or it is wrong.
    """
    file = str(path_or_name)
    known = list_policies()
    if file in known:
        return parse_policy(read_text(policies_dir() / f"{file}.yaml", file), file)
    path = Path(path_or_name)
    if path.name == file and not path.suffix and not path.exists():
        problem = Problem("there is no such policy", "", repr(file), did_you_mean(file, known))
        raise PolicyError([problem], file)
    return parse_policy(read_text(path, file), file)


def parse_policy(text: str, file: str = "") -> Policy:
    """Make a policy of YAML text; ``file`` stands in messages.

    Raises:
        PolicyError: With all problems, in the order of the file.
    """
    reader = Reader()
    try:
        if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
            raise PolicyError([too_large()])
        reader.read(text)
        if not isinstance(reader.data, dict):
            problem = Problem(
                "the file must be a mapping", "", show(reader.data), "policy: NAME and so on", 1
            )
            raise PolicyError([problem])
        policy = Policy.model_validate(reader.data)
    except PolicyError as error:
        found = [*reader.problems, *error.problems]
        raise PolicyError(in_file_order(found, reader.lines), file) from None
    if reader.problems:
        raise PolicyError(in_file_order(reader.problems, reader.lines), file)
    return policy


def read_text(path: Path, file: str) -> str:
    """The text of a file that someone wrote; PolicyError where it is none."""
    try:
        if not path.is_file():
            what = "is a folder, not a file" if path.is_dir() else "there is no such file"
            raise PolicyError([Problem(what)], file)
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PolicyError([Problem(f"the file cannot be read: {reason}")], file) from None
    if len(content) > MAX_BYTES:
        raise PolicyError([too_large()], file)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        got = f"the byte 0x{content[error.start]:02x}"
        problem = Problem("the file is not UTF-8 text", "", got, "UTF-8", line)
        raise PolicyError([problem], file) from None


def too_large() -> Problem:
    """What to say of more than `MAX_BYTES`."""
    return Problem("the file is too large", "", "", f"{MAX_BYTES:,} bytes")


def in_file_order(problems: list[Problem], lines: dict[str, int]) -> list[Problem]:
    """Add the line to each problem and sort by it; a missing key counts for its parent's line."""
    placed = [
        problem if problem.line else dataclasses.replace(problem, line=_line(problem.where, lines))
        for problem in dict.fromkeys(problems)
    ]
    return sorted(placed, key=lambda p: p.line or 0)


def _line(where: str, lines: dict[str, int]) -> int | None:
    while where and where not in lines:
        where = where.rpartition(".")[0]
    return lines.get(where)
