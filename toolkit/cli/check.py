"""The command ``check``: what is wrong with a policy, what is proved about it, and what is not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.app import MISTAKE, JsonArg, PolicyArg, app, show
from toolkit.cli.text import blocks, notes, table, title
from toolkit.errors import PolicyError

if TYPE_CHECKING:
    from toolkit.policy.check import Check


@app.command("check")
def check_command(
    policy: PolicyArg,
    dataset: Annotated[
        str | None, typer.Option(help="Check against this dataset's columns, models and costs.")
    ] = None,
    as_json: JsonArg = False,
) -> None:
    """Say what is wrong with a policy, and its worst cases."""
    import numpy as np

    from toolkit.logs.datasets import load_dataset
    from toolkit.policy import load_policy
    from toolkit.policy.check import Check, check

    requests = max_cost = None
    if dataset is not None:
        data = load_dataset(dataset)
        requests = data.requests
        dearest = np.fmax.reduce(data.cost_usd, axis=0, initial=np.nan)
        max_cost = dict(zip(data.models, dearest.tolist(), strict=True))
    try:
        result = check(load_policy(policy), requests, max_cost)
    except PolicyError as error:
        if not as_json:
            raise
        result = Check(error.problems, (), {})
    show(result.to_dict(), check_text(result, policy), as_json=as_json)
    if result.errors:
        raise typer.Exit(MISTAKE)


def check_text(check: Check, name: str) -> str:
    """What is wrong with a policy, and how bad each chain can get."""
    from toolkit.evaluate.format import count, seconds, usd

    chains = table(
        ("chain", "calls", "time", "cost", "always ends"),
        [
            (
                chain,
                count(worst.attempts),
                seconds(worst.seconds),
                usd(math.nan if worst.usd is None else worst.usd),
                "yes" if worst.terminates else "no",
            )
            for chain, worst in check.chains.items()
        ],
    )
    found = f"errors: {len(check.errors)}, warnings: {len(check.warnings)}"
    return blocks(
        title(f"{name}, {found}"),
        notes(f"error: {problem}" for problem in check.errors),
        notes(f"warning: {problem}" for problem in check.warnings),
        f"At worst, for one request:\n{chains}" if check.chains else "",
        notes(f"{chain}: {worst.note}" for chain, worst in check.chains.items() if worst.note),
    )
