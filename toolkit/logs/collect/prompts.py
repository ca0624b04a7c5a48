"""Prompt files: one JSON object a line, each a request with the way to grade its answers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolkit.errors import DataError
from toolkit.logs.collect.grade import check_grader

Name = Annotated[str, Field(min_length=1)]


class Prompt(BaseModel):
    """One line of a prompts file; further columns are kept as they are."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    __pydantic_extra__: dict[str, str | int | float | bool | None] = Field(init=False)

    request_id: Name
    category: Name
    prompt: Name
    reference: str
    """The right answer as text; for ``json_field`` a JSON object."""
    grader: Name
    options: dict[str, Any] = Field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        """What a dataset keeps of the request: every field but the grader's options."""
        kept = self.model_dump(exclude={"options"})
        return {**kept, "prompt_chars": len(self.prompt)}


def load_prompts(path: str | Path) -> tuple[Prompt, ...]:
    """Read a prompts file. Raises DataError that lists what is wrong, with line numbers."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the prompts {path}: {error}") from None
    prompts: list[Prompt] = []
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            prompt = Prompt.model_validate(json.loads(line))
            check_grader(prompt.grader, prompt.options, prompt.reference)
            prompts.append(prompt)
        except ValidationError as error:
            for found in error.errors():
                where = ".".join(map(str, found["loc"]))
                problems.append(f"{path.name}:{number}: {where}: {found['msg']}")
        except (ValueError, RecursionError) as error:
            problems.append(f"{path.name}:{number}: not a JSON object: {error}")
        except DataError as error:
            problems.append(f"{path.name}:{number}: {error}")
    counts = Counter(prompt.request_id for prompt in prompts)
    problems += [
        f"{path.name}: request_id {i!r} is there {n} times" for i, n in counts.items() if n > 1
    ]
    if not lines or not (prompts or problems):
        problems.append(f"{path.name}: there are no prompts in it")
    if problems:
        more = [f"… and {len(problems) - 20} more"] if len(problems) > 20 else []
        raise DataError("\n".join([*problems[:20], *more]))
    return tuple(prompts)
