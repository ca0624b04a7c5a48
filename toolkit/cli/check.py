"""The command ``check``: what is wrong with a policy, what is proved about it, and what is not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.app import MISTAKE, JsonArg, PolicyArg, app, show
from toolkit.cli.text import blocks, notes, table, title
from toolkit.errors import PolicyError
from toolkit.schema import ERROR_LABELS

if TYPE_CHECKING:
    from toolkit.policy.chain_proof import ChainProof
    from toolkit.policy.check import Check
    from toolkit.policy.route_proof import RouteProof
    from toolkit.policy.worst import WorstCase


@app.command("check")
def check_command(
    policy: PolicyArg,
    dataset: Annotated[
        str | None, typer.Option(help="Check against this dataset's columns, models and costs.")
    ] = None,
    as_json: JsonArg = False,
) -> None:
    """Say what is wrong with a policy, what it can come to, and what is not proved."""
    import numpy as np

    from toolkit.learn.checks import check
    from toolkit.logs.datasets import load_dataset
    from toolkit.policy import load_policy
    from toolkit.policy.check import Check

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
        result = Check(error.problems)
    show(result.to_dict(), check_text(result, policy), as_json=as_json)
    if result.errors:
        raise typer.Exit(MISTAKE)


def check_text(check: Check, name: str) -> str:
    """What is wrong with a policy, how bad each chain and route can get, and what nobody knows."""
    found = {"errors": check.errors, "warnings": check.warnings, "risks": check.risks}
    chains = table(
        ("chain", *_WORST, "always ends", "can end in"),
        [
            (chain, *_worst(proof.worst), _yes(proof.worst.terminates), _errors(proof))
            for chain, proof in check.proofs.items()
        ],
        words=(0, 4, 5),
    )
    routes = table(
        ("route", *_WORST, "leads to"),
        [(route, *_worst(proof.worst), _leads(proof)) for route, proof in check.routes.items()],
        words=(0, 4),
    )
    return blocks(
        title(f"{name}, " + ", ".join(f"{kind}: {len(ones)}" for kind, ones in found.items())),
        *(notes(f"{kind[:-1]}: {problem}" for problem in ones) for kind, ones in found.items()),
        f"At worst, for one request:\n{chains}" if check.proofs else "",
        routes if check.routes else "",
        notes(_skipped(check)),
        "Not proved:\n" + notes(_not_proved(check)) if check.proofs else "",
    )


def _leads(proof: RouteProof) -> str:
    names = ", ".join(proof.chains)
    if not proof.orders:
        return names
    orders = "1 order" if proof.orders == 1 else f"{proof.orders} orders"
    return f"{orders} of models; {names}" if names else f"{orders} of models"


_WORST = ("calls", "time", "cost")


def _worst(worst: WorstCase) -> tuple[str, str, str]:
    from toolkit.evaluate.format import count, seconds, usd

    time = "no limit"
    if math.isfinite(worst.seconds):
        time = seconds(worst.seconds)
    elif worst.terminates:
        time = f"{seconds(worst.seconds_unasked)} + Retry-After"
    return count(worst.attempts), time, usd(math.nan if worst.usd is None else worst.usd)


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


def _errors(proof: ChainProof) -> str:
    """The errors that a request may end in, as short as it can be said."""
    found = proof.ends_in_errors
    if not found:
        return "an answer only"
    others = [label for label in ERROR_LABELS if label not in found]
    return ", ".join(found) if others else "any error"


def _skipped(check: Check) -> list[str]:
    return [
        f"{route}: step {step} of {chain} is skipped: {why}"
        for route, proof in check.routes.items()
        for chain, steps in proof.barred.items()
        for step, why in steps.items()
    ]


def _not_proved(check: Check) -> list[str]:
    """Each sentence once, with the chains that it is true of unless it is true of all."""
    chains: dict[str, list[str]] = {}
    for name, proof in check.proofs.items():
        for sentence in proof.not_proved:
            chains.setdefault(sentence, []).append(name)
    return [
        sentence if len(names) == len(check.proofs) else f"{', '.join(names)}: {sentence}"
        for sentence, names in chains.items()
    ]
