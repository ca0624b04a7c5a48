"""Scenario files: find, read and check them. Every problem names file, line and key."""

from __future__ import annotations

import os
from pathlib import Path

from toolkit.errors import PolicyError, Problem, did_you_mean
from toolkit.policy.explain import show
from toolkit.policy.loading import in_file_order, read_text, too_large
from toolkit.policy.nodes import MAX_BYTES, Reader
from toolkit.scenarios.model import Scenario
from toolkit.scenarios.problems import ScenarioError, in_our_words


def scenarios_dir() -> Path:
    """The folder of named scenarios: ``DETOUR_SCENARIOS``, else ``data/scenarios``."""
    named = os.environ.get("DETOUR_SCENARIOS")
    return Path(named) if named else Path(__file__).parents[2] / "data" / "scenarios"


def list_scenarios() -> list[str]:
    """The names that `load_scenario` knows, sorted."""
    return sorted(path.stem for path in scenarios_dir().glob("*.yaml"))


def load_scenario(path_or_name: str | os.PathLike[str]) -> Scenario:
    """Read the scenario in a file, or the one with this name in the folder of scenarios.

    Its trace, if it has one, is found from the folder of the file.

    Raises:
        ScenarioError: There is no such file or scenario, or it cannot be read, or it is wrong.
    """
    file = str(path_or_name)
    path, known = Path(path_or_name), list_scenarios()
    if file in known:
        path = scenarios_dir() / f"{file}.yaml"
    elif path.name == file and not path.suffix and not path.exists():
        problem = Problem("there is no such scenario", "", repr(file), did_you_mean(file, known))
        raise ScenarioError([problem], file)
    try:
        text = read_text(path, file)
    except PolicyError as error:
        raise ScenarioError(error.problems, file) from None
    scenario = parse_scenario(text, file)
    if scenario.arrivals and scenario.arrivals.trace:
        return scenario.with_value("arrivals.trace", str(path.parent / scenario.arrivals.trace))
    return scenario


def parse_scenario(text: str, file: str = "") -> Scenario:
    """Make a scenario of YAML text; ``file`` stands in messages.

    Raises:
        ScenarioError: With all problems, in the order of the file.
    """
    reader = Reader()
    try:
        if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
            raise ScenarioError([too_large()])
        reader.read(text)
        if not isinstance(reader.data, dict):
            allowed = "scenario: NAME and so on"
            problem = Problem("the file must be a mapping", "", show(reader.data), allowed, 1)
            raise ScenarioError([problem])
        scenario = Scenario.model_validate(reader.data)
    except PolicyError as error:
        found = [in_our_words(problem) for problem in [*reader.problems, *error.problems]]
        raise ScenarioError(in_file_order(found, reader.lines), file) from None
    if reader.problems:
        raise ScenarioError(in_file_order(reader.problems, reader.lines), file)
    return scenario
