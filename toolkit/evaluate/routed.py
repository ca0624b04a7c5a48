"""What a result rests on where trained routers decide: which they are, and what they have seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolkit.errors import DataError
from toolkit.evaluate.format import counted
from toolkit.learn.routing import versions

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset
    from toolkit.policy.model import Policy


def routed(policies: Sequence[Policy], dataset: Dataset) -> list[str]:
    """A sentence for each router that these policies name; none for policies without."""
    rules = {name for policy in policies for name in versions(policy).values() if name}
    return [line for name in sorted(rules) for line in _told(name, dataset)]


def _told(name: str, dataset: Dataset) -> list[str]:
    from toolkit.learn.registry import router_card

    try:
        card = router_card(name)
    except DataError:
        return []
    n = card.data.get("n")
    of = f" on {counted(n, 'request')} of {card.dataset}" if card.dataset and n else ""
    simulated = ", which is simulated" if card.simulated else ""
    line = f"Router {name} decides where requests go; it was trained{of}{simulated}."
    # A half of a dataset, or requests drawn from it, is called after it.
    own = card.dataset_digest == dataset.digest or dataset.name.startswith(f"{card.dataset},")
    if card.dataset and own:
        line += (
            " It knows the outcomes of these very requests, so it does better here than it will"
            f" do: its card (router-card {name}) has what it reached on requests that it had not"
            " seen."
        )
    return [line]
