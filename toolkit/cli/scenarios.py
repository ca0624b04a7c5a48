"""The command about scenarios: what there is, whether a file holds, what happens in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.app import JsonArg, app, show
from toolkit.cli.text import blocks, notes, table, title

if TYPE_CHECKING:
    from toolkit.scenarios import Scenario

ScenarioArg = Annotated[
    str | None, typer.Option(help="A scenario file, or the name of a bundled scenario.")
]
ArrivalsArg = Annotated[
    Path | None, typer.Option(help="A CSV file with the times at which requests arrive.")
]


@app.command("scenarios")
def scenarios_command(
    scenario: Annotated[
        str | None, typer.Argument(help="Only this one: a scenario file or name.")
    ] = None,
    as_json: JsonArg = False,
) -> None:
    """List the bundled scenarios, or check one and say what happens in it."""
    from toolkit.scenarios import ScenarioError, list_scenarios, load_scenario

    if scenario is not None:
        row = to_dict(load_scenario(scenario))
        head = title(f"{row['name']}: {row['description']}" if row["description"] else row["name"])
        text = blocks(head, notes([row["arrivals"], *row["faults"]]))
        show({"scenarios": [row]}, text, as_json=as_json)
        return
    rows = []
    for name in list_scenarios():
        try:
            # Named by its file, as that is how it is asked for.
            rows.append({**to_dict(load_scenario(name)), "name": name})
        except ScenarioError as error:
            rows.append({"name": name, "description": f"cannot be used: {error}"})
    listed = [(row["name"], row["description"]) for row in rows]
    text = table(("scenario", ""), listed, words=(0, 1))
    show({"scenarios": rows}, text, as_json=as_json)


def to_dict(scenario: Scenario) -> dict[str, Any]:
    """A scenario for programs; sentences for people."""
    from toolkit.scenarios import arrivals_in_words, fault_in_words

    return {
        "name": scenario.scenario,
        "description": scenario.description,
        "seed": scenario.seed,
        "duration_s": scenario.duration_s,
        "arrivals": arrivals_in_words(scenario.arrivals),
        "faults": [fault_in_words(fault) for fault in scenario.faults],
    }


def scenario_of(name: str | None, arrivals: Path | None) -> Scenario | None:
    """The scenario that was asked for, its arrivals replaced by those of a trace if one is given.

    Raises:
        ScenarioError: There is none of this name, or it is wrong.
    """
    from toolkit.scenarios import Scenario, load_scenario

    scenario = None if name is None else load_scenario(name)
    if arrivals is None:
        return scenario
    if scenario is None:
        scenario = Scenario(scenario=arrivals.stem or "trace")
    return scenario.with_value("arrivals", {"trace": str(arrivals)})
