"""What goes wrong in a replay, and when its requests arrive: written, checked and aimed."""

from toolkit.scenarios.loading import (
    list_scenarios,
    load_scenario,
    parse_scenario,
    scenarios_dir,
)
from toolkit.scenarios.model import Arrivals, Fault, Scenario, json_schema
from toolkit.scenarios.problems import ScenarioError
from toolkit.scenarios.words import arrivals_in_words, describe, fault_in_words

__all__ = [
    "Arrivals",
    "Fault",
    "Scenario",
    "ScenarioError",
    "arrivals_in_words",
    "describe",
    "fault_in_words",
    "json_schema",
    "list_scenarios",
    "load_scenario",
    "parse_scenario",
    "scenarios_dir",
]
