"""The commands of the saved routers: list, promote, delete, compare, and show a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.app import JsonArg, app, say, show
from toolkit.cli.text import blocks, clean, notes, table, title
from toolkit.errors import DataError

if TYPE_CHECKING:
    from toolkit.evaluate.routers.card_scores import RouterComparison
    from toolkit.learn.card import Card
    from toolkit.learn.registry import RouterEntry

routers_app = typer.Typer(no_args_is_help=False, rich_markup_mode=None)
app.add_typer(routers_app, name="routers")

RouterArg = Annotated[str, typer.Argument(help="A router: NAME, or NAME@VERSION.")]


@routers_app.callback(invoke_without_command=True)
def routers_command(ctx: typer.Context, as_json: JsonArg = False) -> None:
    """List the saved routers; promote, delete or compare them."""
    if ctx.invoked_subcommand is None:
        list_command(as_json)


@routers_app.command("list")
def list_command(as_json: JsonArg = False) -> None:
    """List every version of every saved router, and how good each is."""
    from toolkit.learn.folder import check_root
    from toolkit.learn.registry import list_routers

    check_root()
    entries = list_routers()
    rows = [_row(entry) for entry in entries]
    head = ("router", "", "learned from", "requests", "models", "best quality", "gain", "made at")
    text = table(head, rows, words=(0, 1, 2, 7)) if rows else "No router is saved yet."
    found = [
        f"{entry.reference} cannot be used: {entry.problem}" for entry in entries if entry.problem
    ]
    found += _unnamed(entries)
    show(
        {"routers": [_entry(entry) for entry in entries], "notes": found},
        blocks(text, notes([*found, _LEGEND] if rows else found)),
        as_json=as_json,
    )


_LEGEND = (
    "Best quality: out of fold, at the min_quality where it is highest. Gain: the mean quality over"
    " all budgets minus that of single models mixed; without costs, APGR."
)


def _unnamed(entries: list[RouterEntry]) -> list[str]:
    """Routers whose name alone stands for none of their versions."""
    numbers: dict[str, list[int]] = {}
    for entry in entries:
        numbers.setdefault(entry.name, []).append(entry.version)
    current = {entry.name for entry in entries if entry.current}
    return [
        f"{name} stands for no version: the file 'current' is missing, cannot be read or names"
        f" none that is there; {_promote(name, of[-1])}"
        for name, of in numbers.items()
        if name not in current
    ]


def _promote(name: str, version: int) -> str:
    return f"routers promote {name} {version} makes {name}@{version} current"


def _one(name: str, version: int | None) -> tuple[str, int | None]:
    """Name and version, where the name may hold the version: ``easy@1``."""
    from toolkit.learn.folder import find

    if "@" not in name:
        return name, version
    folder, number = find(name, exists=True)
    if version not in (None, number):
        raise DataError(f"one version, please; got {name} and {version}; allowed: {name}")
    return folder.name, number


@routers_app.command("promote")
def promote_command(
    name: RouterArg,
    version: Annotated[
        int | None, typer.Argument(min=1, help="The version to stand for the name.")
    ] = None,
    as_json: JsonArg = False,
) -> None:
    """Make a version the one that the router's name stands for."""
    from toolkit.learn.folder import find, versions
    from toolkit.learn.registry import promote_router

    name, version = _one(name, version)
    if version is None:
        numbers = versions(find(name, exists=True)[0])
        allowed = ", ".join(f"{name}@{number}" for number in numbers[-20:])
        raise DataError(f"{name}: which version is to be the current one?; allowed: {allowed}")
    entry = promote_router(name, version)
    show(_entry(entry), clean(f"{name} is now {entry.reference}."), as_json=as_json)


@routers_app.command("delete")
def delete_command(
    name: RouterArg,
    version: Annotated[
        int | None, typer.Argument(min=1, help="One version, not the current one; all if none.")
    ] = None,
    as_json: JsonArg = False,
) -> None:
    """Delete one version of a router, or the router with all of them."""
    from toolkit.learn.registry import delete_router

    name, version = _one(name, version)
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
    from toolkit.learn.registry import router_card, router_problem

    card, problem = router_card(router), router_problem(router)
    if problem:
        say(f"{card.reference} cannot be used: {problem}")
    for line in card.version_warnings:
        say(line)
    shown = {
        **card.to_dict(),
        "usable": not problem,
        "problem": problem or None,
        "version_warnings": list(card.version_warnings),
    }
    show(shown, card_text(card), as_json=as_json)


def _row(entry: RouterEntry) -> tuple[str, ...]:
    from toolkit.evaluate.format import UNDEFINED, count

    card = entry.card
    state = "broken" if entry.problem else "current" if entry.current else ""
    if card is None:
        return (entry.reference, state, *[UNDEFINED] * 6)
    n = card.data.get("n")
    return (
        entry.reference,
        state,
        (card.dataset or UNDEFINED) + (", simulated" if card.simulated else ""),
        count(n) if type(n) is int else UNDEFINED,
        count(len(card.models)),
        *_scores(card),
        card.made_at,
    )


def _scores(card: Card) -> tuple[str, str]:
    """Its quality at the best setting, and what it gains by choosing."""
    from toolkit.evaluate.format import UNDEFINED, points_interval, quality_interval
    from toolkit.evaluate.routers.card_scores import best_threshold, estimate, percent_of

    best = best_threshold(card)
    gain, apgr = estimate(card.data, "aiq_gain"), estimate(card.data, "apgr")
    told = UNDEFINED if apgr is None else f"APGR {percent_of(apgr)}"
    return (
        UNDEFINED if best is None else quality_interval(best[1]),
        told if gain is None else points_interval(gain),
    )


def _score(card: Card | None) -> dict[str, Any] | None:
    """The same for a program; None where the card holds no score."""
    from toolkit.evaluate.routers.card_scores import as_json, best_threshold, estimate

    if card is None:
        return None
    best = best_threshold(card)
    found = {
        "min_quality": None if best is None else best[0],
        "quality": None if best is None else as_json(best[1]),
        "aiq_gain": as_json(estimate(card.data, "aiq_gain")),
        "apgr": as_json(estimate(card.data, "apgr")),
    }
    return found if any(value is not None for value in found.values()) else None


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
        "score": _score(card),
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
