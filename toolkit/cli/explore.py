"""The command ``explore``."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.app import DatasetArg, JsonArg, PolicyArg, SeedArg, app, show
from toolkit.cli.text import WIDTH, blocks, clean, notes, table, title
from toolkit.errors import DetourError

if TYPE_CHECKING:
    from toolkit.evaluate.offpolicy.exploration import Exploration


@app.command("explore")
def explore_command(
    policy: PolicyArg,
    dataset: DatasetArg,
    against: Annotated[
        str | None, typer.Option(help="A policy to tell it from; that which serves if none.")
    ] = None,
    serving: Annotated[
        str | None, typer.Option(help="The policy that serves meanwhile; --against if none.")
    ] = None,
    requests: Annotated[
        int | None, typer.Option(help="Requests of tomorrow's log; as the dataset's if none.")
    ] = None,
    metric: Annotated[
        str,
        typer.Option(help="Tell apart by quality, cost_usd_per_1k, latency_mean_s or error_rate."),
    ] = "quality",
    detect: Annotated[
        float | None,
        typer.Option(
            help="Difference that would matter: points of quality or errors, dollars per 1,000"
            " requests, seconds; the one that the data suggests if none."
        ),
    ] = None,
    share: Annotated[
        list[float] | None, typer.Option(help="A share to explore, 0 to 1; may be repeated.")
    ] = None,
    seed: SeedArg = 0,
    as_json: JsonArg = False,
) -> None:
    """Plan which share of random routing lets tomorrow's log tell two policies apart."""
    from toolkit.evaluate.offpolicy.explore import SHARES, explore
    from toolkit.logs.datasets import load_dataset
    from toolkit.policy import load_policy

    base = against or serving
    if base is None:
        raise DetourError(
            "explore: nothing to tell the policy from; allowed: --against or --serving, or both"
        )
    if detect is not None and not 0 < detect < math.inf:
        raise DetourError(f"--detect: no difference; got {detect:g}; allowed: a number above 0")
    in_points = metric in ("quality", "error_rate")
    found = explore(
        (load_policy(base), load_policy(policy)),
        load_dataset(dataset),
        serving=load_policy(serving or base),
        requests=requests,
        shares=share or SHARES,
        metric=metric,
        detect=detect / 100 if detect is not None and in_points else detect,
        seed=seed,
    )
    show(found.to_dict(), explore_text(found), as_json=as_json)


def explore_text(found: Exploration) -> str:
    """The advice first, then each share, then what it rests on."""
    from toolkit.evaluate.offpolicy.exploration import HEAD

    return blocks(
        title(found.title, simulated=found.simulated),
        textwrap.fill(clean(found.verdict), WIDTH),
        table(HEAD, found.rows),
        notes(found.assumptions),
    )
