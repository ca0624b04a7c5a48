"""The command that breaks things on purpose."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.app import DatasetArg, JsonArg, PolicyArg, SeedArg, app, show
from toolkit.cli.scenarios import ArrivalsArg, ScenarioArg, scenario_of
from toolkit.cli.text import WIDTH, blocks, clean, notes, table, title

if TYPE_CHECKING:
    from toolkit.evaluate.goodput import Goodput
    from toolkit.evaluate.incident import Incident


@app.command("break")
def break_command(
    policy: PolicyArg,
    dataset: DatasetArg,
    scenario: ScenarioArg = None,
    arrivals: ArrivalsArg = None,
    goodput: Annotated[
        bool, typer.Option("--goodput", help="Accepted against offered load instead.")
    ] = False,
    recommended: Annotated[
        bool,
        typer.Option("--recommended", help="Add default breakers and a retry budget, where none."),
    ] = False,
    seed: SeedArg = 0,
    as_json: JsonArg = False,
) -> None:
    """Play a scenario with none, some and all of a policy's protections."""
    from toolkit.errors import DataError
    from toolkit.evaluate.protection import with_recommended
    from toolkit.logs.datasets import load_dataset
    from toolkit.policy import load_policy
    from toolkit.scenarios import list_scenarios

    world = scenario_of(scenario or ("overload" if goodput else None), arrivals)
    if world is None or (scenario is None and not goodput):
        allowed = ", ".join(list_scenarios())
        raise DataError(f"break: no scenario; add --scenario with a file or one of: {allowed}")
    one, data = load_policy(policy), load_dataset(dataset)
    if recommended:
        better = with_recommended(one)
        if better != one:
            one = better.model_copy(update={"policy": f"{one.policy}, with what is recommended"})
    added = {"recommended": recommended}
    if goodput:
        from toolkit.evaluate.goodput import goodput as measure

        loads = measure(one, data, world, seed=seed)
        show(loads.to_dict() | added, goodput_text(loads), as_json=as_json)
        return
    from toolkit.evaluate.incident import incident

    found = incident(one, data, world, seed)
    show(found.to_dict() | added, incident_text(found), as_json=as_json)


def incident_text(found: Incident) -> str:
    """The answer first, then the table, then what it rests on."""
    from toolkit.evaluate.incident import HEAD
    from toolkit.evaluate.protection import ALL

    heading = f"{found.policy} on {found.dataset} in the scenario {found.scenario}"
    return blocks(
        title(heading, simulated=found.simulated),
        textwrap.fill(clean(found.verdict), WIDTH),
        table(HEAD, found.cells, words=(0, 1)),
        f"Under {ALL}:\n{notes(found.assumptions)}",
    )


def goodput_text(found: Goodput) -> str:
    """The answer first, then the loads, then what they rest on."""
    from toolkit.evaluate.goodput import HEAD

    heading = f"{found.policy} on {found.dataset} in the scenario {found.scenario}"
    return blocks(
        title(heading, simulated=found.simulated),
        textwrap.fill(clean(found.verdict), WIDTH),
        table(HEAD, found.cells),
        "Rates are per second, calls per request; with and without the retry budget.",
        notes(found.assumptions),
    )
