"""What is wrong with a scenario, in the words that policies are told in."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import BaseModel, ValidationError

from toolkit.errors import PolicyError, Problem, did_you_mean
from toolkit.policy.explain import problems as explained
from toolkit.policy.explain import show
from toolkit.scenarios import model


class ScenarioError(PolicyError):
    """A scenario cannot be used. Whoever shows the problems of a policy shows these as well."""

    def __reduce__(self) -> tuple[type[ScenarioError], tuple[tuple[Problem, ...], str]]:
        return ScenarioError, (self.problems, self.file)

    def __str__(self) -> str:
        place = self.file or "scenario"
        return "\n".join(f"{place}{f':{p.line}' if p.line else ''}: {p}" for p in self.problems)


def problems(error: ValidationError) -> list[Problem]:
    """Each of pydantic's errors as a problem with a dotted key."""
    return [in_our_words(problem) for problem in explained(error)]


_PARTS: dict[str, type[BaseModel]] = {
    "faults": model.Fault,
    "arrivals": model.Arrivals,
    **model.KINDS,
}
_EXAMPLES = {
    "scenario": "a name for this scenario",
    "requests_per_min": "how many calls the provider still takes in a minute",
    "concurrency": "how many calls at once a model bears without getting slower",
    "factor": "a number, such as 2",
    "share": "a number from 0 to 1",
    "period_s": "seconds from one failure to the next",
    "down_s": "seconds of each period",
}
_FILES = {
    "the file is empty": "a scenario: scenario, description, arrivals, faults",
    "the file holds several documents": "one scenario",
}


def in_our_words(problem: Problem) -> Problem:
    """The same problem, with what a scenario allows where a policy's keys would stand."""
    allowed = _FILES.get(problem.what)
    *parents, key = problem.where.split(".")
    if problem.what == "is missing":
        allowed = _EXAMPLES.get(key, "")
    elif problem.what == "unknown key":
        part: type[BaseModel] = model.Scenario
        for parent in parents:
            part = _PARTS.get(parent, part)
        allowed = did_you_mean(key, part.model_fields)
    elif problem.what == "must be a mapping" and key in model.KINDS:
        allowed = "{" + ", ".join(f"{name}: …" for name in model.KINDS[key].model_fields) + "}"
    elif problem.what == "must be a mapping" and parents == ["faults"]:
        allowed = "a fault, such as {outage: {}, models: primary, at_s: 60, for_s: 600}"
    return problem if allowed is None else dataclasses.replace(problem, allowed=allowed)


def replaced(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Put ``value`` at ``path`` into ``data`` (which is changed) and return it.

    A part that is left out is made; whether its keys are right is for the model to say.

    Raises:
        ScenarioError: A list has no such entry, or a single value no parts.
    """
    here: Any = data
    *parents, last = path.split(".")
    for i, key in enumerate([*parents, last]):
        place = ".".join(parents[:i])
        found: Any = key
        if isinstance(here, list):
            if not (key.isdecimal() and key.isascii() and int(key) < len(here)):
                allowed = f"0 to {len(here) - 1}"  # what is empty is left out
                problem = Problem(f"{place} has no such part", path, repr(key), allowed)
                raise ScenarioError([problem])
            found = int(key)
        elif not isinstance(here, dict):
            raise ScenarioError([Problem(f"{place} has no parts", path, show(here))])
        if i == len(parents):
            here[found] = value
        else:
            here = here[found] if isinstance(here, list) else here.setdefault(found, {})
    return data
