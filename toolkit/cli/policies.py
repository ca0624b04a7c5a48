"""Commands about policies: what they may say, whether they hold, what they would have done."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from toolkit.cli.app import DatasetArg, JsonArg, PolicyArg, SeedArg, app, show
from toolkit.cli.comparison_text import comparison_text
from toolkit.cli.scenarios import ArrivalsArg, ScenarioArg, scenario_of, to_dict
from toolkit.cli.text import summary_text, table
from toolkit.errors import PolicyError


@app.command()
def schema(
    kind: Annotated[
        Literal["policy", "scenario"], typer.Argument(help="Kind of file: policy or scenario.")
    ] = "policy",
) -> None:
    """Print the JSON Schema of policy or scenario files, for editors."""
    import json

    from toolkit import policy, scenarios

    made = policy.json_schema() if kind == "policy" else scenarios.json_schema()
    typer.echo(json.dumps(made, indent=2))


@app.command("policies")
def policies_command(as_json: JsonArg = False) -> None:
    """List the bundled policies."""
    from toolkit.policy import list_policies, load_policy

    rows = []
    for name in list_policies():
        try:
            rows.append({"name": name, "description": load_policy(name).description})
        except PolicyError as error:
            rows.append({"name": name, "description": f"cannot be used: {error}"})
    text = table(("policy", ""), [(row["name"], row["description"]) for row in rows], words=(0, 1))
    show({"policies": rows}, text, as_json=as_json)


@app.command("replay")
def replay_command(
    policy: PolicyArg,
    dataset: DatasetArg,
    seed: SeedArg = 0,
    scenario: ScenarioArg = None,
    arrivals: ArrivalsArg = None,
    as_json: JsonArg = False,
) -> None:
    """Play a policy against a dataset and judge its goals, with a scenario if one is named."""
    from toolkit.engine.replay import replay
    from toolkit.logs.datasets import load_dataset
    from toolkit.policy import load_policy

    world = scenario_of(scenario, arrivals)
    summary = replay(load_policy(policy), load_dataset(dataset), seed, world).summary()
    named = {} if world is None else {"scenario": to_dict(world)}
    # The text tells it among the assumptions.
    show({**summary.to_dict(), **named}, summary_text(summary), as_json=as_json)


@app.command("compare")
def compare_command(
    first: Annotated[str, typer.Argument(help="A policy file or name: the baseline.")],
    second: Annotated[str, typer.Argument(help="A policy file or name: the change.")],
    dataset: DatasetArg,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Also by the groups of this column (`length`: input tokens); repeatable."
        ),
    ] = None,
    examples: Annotated[
        int, typer.Option(min=0, help="Show as many requests that are won, and as many lost.")
    ] = 0,
    seed: SeedArg = 0,
    scenario: ScenarioArg = None,
    arrivals: ArrivalsArg = None,
    as_json: JsonArg = False,
) -> None:
    """Hold two policies against each other, request by request."""
    from toolkit.evaluate.compare import compare
    from toolkit.logs.datasets import load_dataset
    from toolkit.policy import load_policy

    found = compare(
        load_policy(first),
        load_policy(second),
        load_dataset(dataset),
        seed=seed,
        scenario=scenario_of(scenario, arrivals),
        by=by or (),
    )
    shown = found.examples(examples) if examples else []
    values = {**found.to_dict(), "examples": [one.to_dict() for one in shown]}
    show(values, comparison_text(found, shown), as_json=as_json)
