"""The command that trains a router."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from toolkit.cli.app import DatasetArg, JsonArg, app, show
from toolkit.cli.progress import progress_bar
from toolkit.cli.text import WIDTH, blocks, clean, notes, table, title
from toolkit.errors import DataError

if TYPE_CHECKING:
    from toolkit.evaluate.routers.curve import CurvePoint
    from toolkit.evaluate.routers.rivals import RivalPoint
    from toolkit.evaluate.routers.training import Training
    from toolkit.learn.registry import RouterEntry
    from toolkit.policy.model import Policy

HEADS = (
    "logistic, boosting, neighbours, stack (two, blended) or auto: stack of fewer than 5,000 "
    "requests, else logistic."
)
TEXTS = "How prompts are read: auto, embedding, tfidf, both or none."
COLUMNS = "Names of request columns to read, with commas; none for none. Without it, all that fit."
MODELS = "Names in the log, with commas. Without it, all that have grades."
SPLITS = (
    "grouped (users, sessions and near-duplicate prompts on one side), time (later requests judged "
    "by routers of earlier ones) or random."
)


@app.command("train")
def train_command(
    dataset: DatasetArg,
    name: Annotated[str, typer.Option(help="What to call the router; kept as a new version.")],
    head: Annotated[str, typer.Option(help=HEADS)] = "auto",
    text: Annotated[str, typer.Option(help=TEXTS)] = "auto",
    columns: Annotated[str | None, typer.Option(help=COLUMNS)] = None,
    models: Annotated[str | None, typer.Option(help=MODELS)] = None,
    calibration: Annotated[str, typer.Option(help="isotonic, sigmoid or none.")] = "isotonic",
    split: Annotated[str, typer.Option(help=SPLITS)] = "auto",
    folds: Annotated[int, typer.Option(help="So many parts judge each other, 2 to 20.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of folds, router and intervals.")] = 0,
    promote: Annotated[
        bool, typer.Option("--promote", help="Make it what the name stands for.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out slices, learning curve and importance.")
    ] = False,
    as_json: JsonArg = False,
) -> None:
    """Train a router on a log, and judge it on requests that it has not seen."""
    from toolkit.evaluate.routers.train import train
    from toolkit.learn.folder import checked_place
    from toolkit.logs.datasets import load_dataset

    # Before the work: what is trained has to be kept somewhere.
    checked_place(name)
    _check_words(text, calibration)
    data = load_dataset(dataset)
    with progress_bar("%") as progress:
        found = train(
            data,
            models=_names(models),
            text=None if text == "none" else text,
            columns=_columns(columns),
            head=head,
            calibration=None if calibration == "none" else calibration,
            split=cast(Any, split),
            folds=folds,
            seed=seed,
            details=not quick,
            progress=progress,
        )
    entry = found.save(name, promote=promote)
    result = {"name": entry.name, "version": entry.version, "current": entry.current}
    _, policy = policy_of(found, entry)
    show(
        result | found.to_dict() | {"policy": None if policy is None else policy.to_yaml()},
        training_text(found, entry),
        as_json=as_json,
    )


def _check_words(text: str, calibration: str) -> None:
    """DataError where one is no word of this command, which says ``none`` for Python's None."""
    from toolkit.learn.features import TEXTS as READ

    for option, got, allowed in (
        ("--text", text, ("auto", *READ, "none")),
        ("--calibration", calibration, ("isotonic", "sigmoid", "none")),
    ):
        if got not in allowed:
            words = ", ".join(map(repr, allowed))
            raise DataError(f"{option}: there is no such way; got {got!r}; allowed: {words}")


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [one.strip() for one in text.split(",") if one.strip()]


def _columns(text: str | None) -> list[str] | str:
    if text == "none":
        return []
    return _names(text) or "auto"


def training_text(found: Training, entry: RouterEntry) -> str:
    """The answer first, then the curve, the rivals, how far to trust it, and how to use it."""
    from toolkit.evaluate.routers.min_quality import min_quality_rows
    from toolkit.evaluate.routers.rows import (
        area_rows,
        calibration_rows,
        curve_rows,
        gain_rows,
        learned_from,
        rival_rows,
        share_rows,
    )
    from toolkit.evaluate.routers.sentences import findings, scores

    heading = f"{entry.name} on {found.dataset.name}, {learned_from(found)}, "
    heading += f"{len(found.models)} models"
    areas, thresholds = area_rows(found), min_quality_rows(found)
    return blocks(
        textwrap.fill(clean(found.verdict), WIDTH),
        title(heading, simulated=found.simulated),
        notes(found.warnings),
        table(*curve_rows(found), words=()),
        table(*share_rows(found)),
        table(*rival_rows(found)),
        table(*gain_rows(found)),
        table(*areas) if areas[1] else "",
        table(*thresholds, words=()) if thresholds[1] else "",
        table(*calibration_rows(found)),
        notes([*scores(found), *findings(found)]),
        notes(found.assumptions),
        use_text(found, entry),
    )


def use_text(found: Training, entry: RouterEntry) -> str:
    """Where it is kept, and the policy to use, if there is one."""
    kept = f"Kept as {entry.reference}"
    kept += "." if entry.current else f"; {entry.name} stands for another: --promote changes that."
    lead, policy = policy_of(found, entry)
    text = "\n".join((clean(kept), textwrap.fill(clean(lead), WIDTH)))
    if policy is None:
        return text
    return "\n".join((text, "", *map(clean, policy.to_yaml().splitlines())))


def policy_of(found: Training, entry: RouterEntry) -> tuple[str, Policy | None]:
    """The policy to use, with a word before it: the lookup table's, where that is as good.

    None where the verdict speaks against the router and for no table.
    """
    from toolkit.evaluate.format import number_interval
    from toolkit.evaluate.routers.min_quality import advised_point
    from toolkit.evaluate.routers.table_policy import table_point
    from toolkit.evaluate.routers.words import advised, table_instead

    def reaches(point: CurvePoint | RivalPoint) -> str:
        price = f" at {found.money.each(point.cost_usd_per_1k.value)}" if found.aiq else ""
        return f"{number_interval(point.quality)}{price} out of fold"

    name = entry.name if entry.current else entry.reference
    instead, point = table_instead(found), advised_point(found)
    if instead is not None:
        policy, table_at = found.lookup_policy(), table_point(found)
        lead = (
            "A policy with the rules of the lookup table, which needs no router: "
            f"{reaches(table_at)}"
        )
        if not policy.routes:
            lead = (
                f"At the best single model's quality the lookup table asks {policy.default} alone: "
                f"{reaches(table_at)}; lookup_policy(tradeoff_usd_per_point=…) makes cheaper ones"
            )
        elif instead.point != table_at:
            lead += f"; at its best {reaches(instead.point)}"
        lead += "."
        if advised(found):
            lead += (
                f" One that asks the router all the same has router: {{name: {name}, min_quality: "
                f"{point.value:g}}}: {reaches(point)}."
            )
        return lead, policy
    if not advised(found):
        lead = (
            "No policy is offered, as nothing speaks for asking it. "
            f"`router-card {name}` shows all that is known of it, `routers delete` takes it away."
        )
        return lead, None
    told = f"A policy that asks it, with min_quality {point.value:g}: {reaches(point)}."
    return told, found.policy(name, min_quality=point.value)
