"""The commands of the saved routers: list, promote, delete, compare, and show a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.app import JsonArg, app, say, show
from toolkit.cli.text import blocks, clean, notes, table, title

if TYPE_CHECKING:
    from toolkit.evaluate.routers.card_scores import RouterComparison
    from toolkit.learn.registry import RouterEntry

routers_app = typer.Typer(no_args_is_help=False, rich_markup_mode=None)
app.add_typer(routers_app, name="routers")

NameArg = Annotated[str, typer.Argument(help="A router's name.")]
RouterArg = Annotated[str, typer.Argument(help="A router: NAME, or NAME@VERSION.")]


@routers_app.callback(invoke_without_command=True)
def routers_command(ctx: typer.Context, as_json: JsonArg = False) -> None:
    """List the saved routers; promote, delete or compare them."""
    if ctx.invoked_subcommand is None:
        list_command(as_json)


@routers_app.command("list")
def list_command(as_json: JsonArg = False) -> None:
    """List every version of every saved router."""
    from toolkit.learn.registry import list_routers

    entries = list_routers()
    rows = [_row(entry) for entry in entries]
    head = ("router", "", "learned from", "requests", "models", "made at")
    text = table(head, rows, words=(0, 1, 2, 5)) if rows else "No router is saved yet."
    found = [
        f"{entry.reference} cannot be used: {entry.problem}" for entry in entries if entry.problem
    ]
    show(
        {"routers": [_entry(entry) for entry in entries]},
        blocks(text, notes(found)),
        as_json=as_json,
    )


@routers_app.command("promote")
def promote_command(
    name: NameArg,
    version: Annotated[int, typer.Argument(min=1, help="The version to stand for the name.")],
    as_json: JsonArg = False,
) -> None:
    """Make a version the one that the router's name stands for."""
    from toolkit.learn.registry import promote_router

    entry = promote_router(name, version)
    show(_entry(entry), clean(f"{name} is now {entry.reference}."), as_json=as_json)


@routers_app.command("delete")
def delete_command(
    name: NameArg,
    version: Annotated[
        int | None, typer.Argument(min=1, help="One version, not the current one; all if none.")
    ] = None,
    as_json: JsonArg = False,
) -> None:
    """Delete one version of a router, or the router with all of them."""
    from toolkit.learn.registry import delete_router

    n = delete_router(name, version)
    what = f"{name}@{version}" if version else f"{name}, {n} version{'' if n == 1 else 's'}"
    show(
        {"name": name, "version": version, "deleted": n}, clean(f"Deleted {what}."), as_json=as_json
    )


@routers_app.command("compare")
def compare_command(first: RouterArg, second: RouterArg, as_json: JsonArg = False) -> None:
    """Put the scores of two routers side by side, and say whether that is fair."""
    from toolkit.evaluate.routers.card_scores import compare_cards
    from toolkit.learn.registry import router_card

    found = compare_cards(router_card(first), router_card(second))
    show(found.to_dict(), _comparison(found), as_json=as_json)


@app.command("router-card")
def card_command(router: RouterArg, as_json: JsonArg = False) -> None:
    """Tell what a router decides, learned from what, how good it is, and what it is not for."""
    from toolkit.evaluate.routers.card_words import card_text
    from toolkit.learn.registry import router_card

    card = router_card(router)
    for line in card.version_warnings:
        say(line)
    shown = {**card.to_dict(), "version_warnings": list(card.version_warnings)}
    show(shown, card_text(card), as_json=as_json)


def _row(entry: RouterEntry) -> tuple[str, ...]:
    from toolkit.evaluate.format import UNDEFINED, count

    card = entry.card
    state = "broken" if entry.problem else "current" if entry.current else ""
    if card is None:
        return (entry.reference, state, *[UNDEFINED] * 4)
    n = card.data.get("n")
    return (
        entry.reference,
        state,
        (card.dataset or UNDEFINED) + (", simulated" if card.simulated else ""),
        count(n) if type(n) is int else UNDEFINED,
        count(len(card.models)),
        card.made_at,
    )


def _entry(entry: RouterEntry) -> dict[str, Any]:
    card = entry.card
    known = {} if card is None else card.data
    told = ("made_at", "dataset", "dataset_digest", "simulated", "n", "models", "digest")
    return {
        "name": entry.name,
        "version": entry.version,
        "current": entry.current,
        "problem": entry.problem or None,
        "warnings": [] if card is None else list(card.version_warnings),
        **{key: known.get(key) for key in told},
    }


def _comparison(found: RouterComparison) -> str:
    names = (found.a.reference, found.b.reference)
    lines = [f"Not comparable: {line}." for line in found.notes]
    if found.rows:
        lines.append("Each interval is of one router alone.")
    rows = [(what, a, b) for what, _, _, a, b in found.rows]
    return blocks(
        title(f"{names[0]} and {names[1]}", simulated=found.a.simulated or found.b.simulated),
        notes(lines),
        table(("", *names), rows) if rows else "Neither card holds a score.",
    )
