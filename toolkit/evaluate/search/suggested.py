"""Which one or two places of a policy show best what quality costs.

Each place is tried alone, at a few values, on some of the requests: what counts is how far the
values that nothing beats lie apart, in quality and in the logarithm of the cost. Only what moves
both is a trade-off.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.replay import replay_traffic
from toolkit.errors import PolicyError
from toolkit.evaluate.search.tunables import Tunable, Value, tidy, tunables
from toolkit.scenarios.aim import aim
from toolkit.scenarios.arrivals import Traffic, traffic

if TYPE_CHECKING:
    from toolkit.evaluate.tradeoffs.vary import Vary
    from toolkit.logs.dataset import Dataset
    from toolkit.policy.model import Policy

MOST_REQUESTS = 1_000
TRIED = 4
"""Values of a number that are tried."""
TRADING = ("rules", "chains", "models", "time limits", "cost")
"""What trades quality for cost; the rest guards against failures, which an even log has few of."""
WANTED, FEW = 100, 50
"""How many policies to suggest, and how many are too few."""
MOST_CHOICES = 125


def suggested(policy: Policy, dataset: Dataset) -> tuple[Vary, ...]:
    """See `toolkit.evaluate.search.tunables.suggested`."""
    from toolkit.evaluate.tradeoffs.vary import Vary

    arrivals = traffic(None, some_requests(dataset))
    places = [place for place in tunables(policy, dataset) if _plain(place)]
    reach = {place: _reach(policy, place, arrivals) for place in places}
    # What trades nothing, yet moves the quality, comes last: it shows what time is worth.
    ranked = sorted((p for p in places if any(reach[p])), key=reach.__getitem__, reverse=True)
    kind = 0 if ranked and reach[ranked[0]][0] else 1
    chosen = _chosen(ranked, [reach[place][kind] for place in ranked])
    numbers = [place for place in chosen if place.kind != "choice"]
    left = WANTED / math.prod(len(place.choices) for place in chosen if place not in numbers)
    most = round(left ** (1 / max(len(numbers), 1)))
    found = [Vary(p.path, _valid(policy, p, _values(p, most))) for p in chosen]  # type: ignore[arg-type]
    return tuple(found)


def _chosen(ranked: list[Tunable], reach: list[float]) -> list[Tunable]:
    """One or two places, or three with few choices each; ``reach`` falls."""
    if not ranked:
        return []
    first, rest = ranked[0], list(zip(ranked[1:], reach[1:], strict=True))
    if first.kind != "choice":
        # Two limits of time or cost would cut the same requests.
        near = [p for p, far in rest if far >= 0.1 * reach[0] and p.group != first.group]
        return [first, *near[:1]]
    numbers = [(place, far) for place, far in rest if place.kind != "choice"]
    if numbers and numbers[0][1] >= 0.6 * reach[0]:
        return [first, numbers[0][0]]
    chosen, policies = [first], len(first.choices)
    for place, far in rest:
        more = policies * len(place.choices)
        if place.kind == "choice" and far >= 0.1 * reach[0] and more <= MOST_CHOICES:
            chosen, policies = [*chosen, place][:3], more
    if policies < FEW:
        return [*chosen[:2], *[place for place, _ in numbers[:1]]]
    return chosen


def some_requests(dataset: Dataset, most: int = MOST_REQUESTS) -> Dataset:
    """Every k-th request, so that at most so many are left; without the answers' texts."""
    step = -(-dataset.n_requests // most)
    if step <= 1:
        return dataset
    rows = np.arange(0, dataset.n_requests, step)
    matrices = ("observed", "quality", "cost_usd", "latency_s", "input_tokens", "output_tokens")
    parts = {name: getattr(dataset, name)[rows] for name in (*matrices, "error")}
    return replace(dataset, requests=dataset.requests.take(rows), answers=None, **parts)


def _plain(place: Tunable) -> bool:
    """Whether it may trade something, and a value of it fits on an axis."""
    texts = not any(isinstance(choice, tuple) for choice in place.choices)
    return texts and place.group in TRADING


def _values(place: Tunable, most: int) -> tuple[Value, ...]:
    if place.path.endswith(".weight"):
        # Even shares, which a person expects, and not even odds.
        low, high = (w / (w + _rest(place)) for w in (place.low, place.high))
        shares = np.linspace(low, high, most)
        return tuple(tidy(_rest(place) * share / (1 - share)) for share in shares.tolist())
    return place.values(most)


def _valid(policy: Policy, place: Tunable, values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Those that make a policy: a threshold may contradict another, or leave a rule nothing."""
    return tuple(value for value in values if _with(policy, place, value) is not None)


def _with(policy: Policy, place: Tunable, value: Value) -> Policy | None:
    try:
        return policy.with_value(place.path, value)
    except PolicyError:
        return None


def _rest(place: Tunable) -> float:
    """The weight of the other sides of a split, of which ``high`` is 99 times as much."""
    return float(place.high / 99)


def _reach(policy: Policy, place: Tunable, arrivals: Traffic) -> tuple[float, float]:
    """How far apart the best outcomes of this place are, and how far apart its qualities."""
    tried = (_with(policy, place, value) for value in (*place.values(TRIED), place.current))
    try:
        found = [_outcome(one, arrivals) for one in tried if one is not None]
    except PolicyError:
        return 0.0, 0.0  # replay tells what of the policy the dataset does not have
    table = np.array(found).reshape(-1, 2)
    table = table[~np.isnan(table).any(axis=1)]
    return (_spread(table), float(np.ptp(table[:, 1]))) if len(table) > 1 else (0.0, 0.0)


def _outcome(policy: Policy, arrivals: Traffic) -> tuple[float, float]:
    """Mean cost, or latency where no cost was measured, and mean quality; NaN where unknown."""
    one = replay_traffic(policy, arrivals, aim(None, policy, arrivals.dataset.models))
    known = one.cost_usd if np.isfinite(one.cost_usd).any() else one.latency_s
    return _mean(known), _mean(one.quality)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _spread(table: NDArray[np.float64]) -> float:
    """Quality between the ends of the non-dominated rows, times the decades of their cost."""
    ordered = table[np.lexsort((-table[:, 1], table[:, 0]))]
    best = np.maximum.accumulate(ordered[:, 1])
    front = ordered[np.concatenate([[True], ordered[1:, 1] > best[:-1]])]
    if len(front) < 2 or front[0, 0] <= 0:
        return 0.0
    decades = np.log10(front[-1, 0] / front[0, 0])
    return float(np.sqrt((front[-1, 1] - front[0, 1]) * decades))
