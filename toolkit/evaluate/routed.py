"""What a result rests on where trained routers decide: what they have seen, know and dare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from toolkit.errors import DataError, PolicyError
from toolkit.evaluate.format import counted, percent
from toolkit.learn.routing import Routers, load_routers, versions
from toolkit.policy.orders import has_router

if TYPE_CHECKING:
    from toolkit.learn.card import Card
    from toolkit.learn.checks import Asked
    from toolkit.logs.dataset import Dataset
    from toolkit.policy.model import Policy

SEEN = "the router learned from these requests"


def seen_by(policies: Iterable[Policy], dataset: Dataset) -> tuple[str, ...]:
    """The routers of these policies, as ``name@version``, that learned from these requests."""
    known = {name: _card(name) for name in _named(policies)}
    return tuple(name for name, card in known.items() if card and _of_these(card, dataset))


def lead(names: Sequence[str]) -> str:
    """What has to come first where routers have seen the requests, else nothing."""
    if not names:
        return ""
    cards = " and ".join(f"router-card {name}" for name in names)
    return (
        f"{SEEN[0].upper()}{SEEN[1:]} ({', '.join(names)}), so it does better here than it will on"
        f" others; for those see {cards}. "
    )


def routed(
    policies: Sequence[Policy],
    dataset: Dataset,
    routers: Sequence[Routers] | None = None,
) -> list[str]:
    """Sentences on each router that these policies name; none for policies without.

    ``routers`` are those that decided, for each policy; None: those of the registry.
    """
    given = [None] * len(policies) if routers is None else routers
    pairs = zip(policies, given, strict=True)
    used = {policy.digest: (policy, known) for policy, known in pairs if has_router(policy)}
    if not used:
        return []
    many = len(used) > 1
    asked: list[tuple[str, Asked]] = []
    for policy, known in used.values():
        asked += [(policy.policy, one) for one in _asked(policy, dataset, known)]
    lines = []
    for name in _named(policy for policy, _ in used.values()):
        own = [one for _, one in asked if one.version == name]
        lines += _told(name, dataset, bool(own) and all(one.idle for one in own))
    for policy_name, one in asked:
        lines += _doubts(one, f" of {policy_name}" if many else "")
    return list(dict.fromkeys(lines))


def _named(policies: Iterable[Policy]) -> list[str]:
    return sorted({name for policy in policies for name in versions(policy).values() if name})


def _card(name: str) -> Card | None:
    from toolkit.learn.registry import router_card

    try:
        return router_card(name)
    except DataError:
        return None


def _of_these(card: Card, dataset: Dataset) -> bool:
    # A half of a dataset, or requests drawn from it, is called after it.
    own = card.dataset_digest == dataset.digest or dataset.name.startswith(f"{card.dataset},")
    return bool(card.dataset) and own


def _told(name: str, dataset: Dataset, idle: bool) -> list[str]:
    """Which router decides, and whether it has seen these requests."""
    card = _card(name)
    if card is None:
        return []
    n = card.data.get("n")
    of = f" on {counted(n, 'request')} of {card.dataset}" if card.dataset and n else ""
    simulated = ", which is simulated" if card.simulated else ""
    decides = "decides nothing here" if idle else "decides where requests go"
    line = f"Router {name} {decides}; it was trained{of}{simulated}."
    if _of_these(card, dataset):
        line += (
            " It knows the outcomes of these very requests, so it does better here than it will"
            f" do: its card (router-card {name}) has what it reached on requests that it had not"
            " seen."
        )
    return [line]


def _asked(policy: Policy, dataset: Dataset, routers: Routers | None) -> list[Asked]:
    """What each route's router makes of the requests; nothing where it cannot be asked."""
    from toolkit.learn.checks import asked

    try:
        return asked(policy, dataset.requests, load_routers(policy) if routers is None else routers)
    except (DataError, PolicyError):
        return []


def _doubts(one: Asked, where: str) -> list[str]:
    """What of it would be news to somebody who reads that the router decides."""
    lines = []
    router = f"Router {one.version or one.name}"
    rule = f"of rule {one.route}{where}"
    if one.knows_none:
        lines.append(
            f"{router} knows none of the models {rule}: they are asked in the order written."
        )
    elif one.strange:
        then = "it is" if len(one.strange) == 1 else "they are"
        lines.append(
            f"{router} does not know {_listed(one.strange)} {rule}: {then} tried after the others."
        )
    if one.missing:
        lines.append(
            f"{router} reads columns that these requests do not have ({_listed(one.missing)}): it"
            " takes them for missing values."
        )
    if one.abstained:
        lines.append(
            f"{router} abstained on {percent(one.abstained / one.requests)} of the"
            f" {counted(one.requests, 'request')} {rule}: too unlike what it"
            " was trained on, they went to the default chain."
        )
    return lines


def _listed(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
