"""Where the log can tell what a policy would have done, and where it cannot.

The requests are cut by the rule of the policy that they meet and by their category. In each slice
the map holds what the policy asks against what the log asked. Where the policy sends more than a
hundredth of a slice to a model that the log chose fewer than five times there (or, where the
propensities are known, could not have chosen), no weighing makes up for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.errors import DataError
from toolkit.evaluate.format import count, counted, percent
from toolkit.evaluate.offpolicy.actions import LIVE_ONLY, Target, never_seen
from toolkit.evaluate.offpolicy.phrases import listed, some
from toolkit.evaluate.offpolicy.propensities import CERTAIN, Propensities
from toolkit.schema import CATEGORY

Floats = NDArray[np.float64]

FEWEST_CALLS = 5
LEAST_SHARE = 0.01
"""Less than this of a slice is no reason to refuse."""
LEAST_WEIGHT = 0.005
"""Nor is less than this of all that the policy asks: what it could change is small."""
SMALL = 50
"""Categories with fewer requests than this under a rule are looked at together."""
OTHERS = "all others"
LIVE = "a model that the log does not have"


@dataclass(frozen=True)
class Overlap:
    """One slice of the map: what the policy would ask, and what the log asked."""

    route: str
    category: str | None
    """None: the data has no categories"""
    requests: int
    target: dict[str, float]
    """model → share of the slice that the policy sends there first; models with a share only"""
    logged: dict[str, float]
    """model → share of the slice that it served"""
    calls: dict[str, int]
    """model → requests of the slice that it served"""
    lacking: tuple[str, ...]
    """models that the policy asks and the log cannot speak for"""
    lacking_share: float
    """share of the slice's first calls that go to them"""

    @property
    def supported(self) -> bool:
        """Whether the log can speak for all that the policy asks there."""
        return not self.lacking

    @property
    def slice(self) -> str:
        """How the slice is called."""
        name = f"route {self.route}"
        return name if self.category is None else f"{name}, category {self.category}"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "slice": self.slice,
            "route": self.route,
            "category": self.category,
            "requests": self.requests,
            "target_share": self.target,
            "logged_share": self.logged,
            "supported": self.supported,
            "lacking": list(self.lacking),
            "lacking_share": self.lacking_share,
        }


class SupportError(DataError):
    """The log cannot tell what a policy would have done; ``overlap`` says where."""

    def __init__(self, message: str, overlap: Sequence[Overlap] = ()) -> None:
        self.overlap = tuple(overlap)
        super().__init__(message)


@dataclass(frozen=True, eq=False)
class Support:
    """The map of a policy over a log of n requests."""

    code: NDArray[np.intp]
    """(n,) slice of each request, index into ``slices``"""
    slices: tuple[Overlap, ...]
    matched: Floats
    """(n,) probability that the policy asks first the model that was logged"""
    deterministic: bool

    @property
    def enough(self) -> bool:
        """Whether the log can speak for the policy as a whole."""
        if self.deterministic:
            return bool((self.matched >= CERTAIN).all())
        weight = sum(s.lacking_share * s.requests for s in self.slices)
        return weight < LEAST_WEIGHT * max(len(self.code), 1)

    @property
    def rows(self) -> NDArray[np.intp]:
        """The requests that the log can speak for.

        Where nothing was left to chance these are the ones that the policy would have sent where
        they went; else the slices that are supported.
        """
        if self.deterministic:
            return np.flatnonzero(self.matched >= CERTAIN)
        good = np.array([s.supported for s in self.slices], np.bool_)
        return np.flatnonzero(good[self.code]) if len(good) else np.empty(0, np.intp)


def support(target: Target, action: NDArray[np.intp], known: Propensities) -> Support:
    """Hold a policy against a log; ``action`` (n,) is the column that served each request."""
    code, names = _slices(target)
    dataset, k = target.dataset, len(names)
    requests = np.bincount(code, minlength=k)
    asked = np.zeros((k, dataset.n_models + 1))
    missed = np.zeros_like(asked)
    served = np.zeros_like(asked)
    for j in range(dataset.n_models + 1):
        weight = target.weight_on(j if j < dataset.n_models else LIVE_ONLY)
        asked[:, j] = np.bincount(code, weight, minlength=k)
        if known.deterministic:
            missed[:, j] = np.bincount(code, weight * (action != j), minlength=k)
        elif known.source == "policy" and known.chances is not None and j < dataset.n_models:
            never = weight * (known.chances[:, j] <= 0)
            missed[:, j] = np.bincount(code, never, minlength=k)
        served[:, j] = np.bincount(code[action == j], minlength=k)
    size = np.maximum(requests, 1)[:, None]
    asked, missed = asked / size, missed / size
    # A name of the log cannot be this long text, and a slice seldom needs it.
    models = (*dataset.models, LIVE)
    lacking = (asked > LEAST_SHARE) & ((served < FEWEST_CALLS) | (missed > LEAST_SHARE))
    slices = tuple(
        Overlap(
            route=names[i][0],
            category=names[i][1],
            requests=int(requests[i]),
            target={models[j]: float(asked[i, j]) for j in np.flatnonzero(asked[i])},
            logged={models[j]: float(served[i, j] / size[i, 0]) for j in np.flatnonzero(served[i])},
            calls={models[j]: int(served[i, j]) for j in np.flatnonzero(served[i])},
            lacking=tuple(models[j] for j in np.flatnonzero(lacking[i])),
            lacking_share=float(asked[i, lacking[i]].sum()),
        )
        for i in range(k)
    )
    return Support(code, slices, target.weight_on(action), known.deterministic)


def _slices(target: Target) -> tuple[NDArray[np.intp], list[tuple[str, str | None]]]:
    """(n,) slice of each request, and the route and category of each slice."""
    routes = [*(rule.name for rule in target.policy.routes), "default"]
    route = np.where(target.route < 0, len(routes) - 1, target.route)
    requests = target.dataset.requests
    if CATEGORY not in requests.column_names:
        kept, code = np.unique(route, return_inverse=True)
        return code, [(routes[r], None) for r in kept]
    text = pc.fill_null(pc.cast(requests[CATEGORY], pa.string()), "").to_numpy(zero_copy_only=False)
    labels, category = np.unique(text.astype(str), return_inverse=True)
    both = route * (len(labels) + 1) + category
    _, of_pair, size = np.unique(both, return_inverse=True, return_counts=True)
    both = np.where(size[of_pair] < SMALL, route * (len(labels) + 1) + len(labels), both)
    pairs, code = np.unique(both, return_inverse=True)
    shown = [*(str(label) or "(none)" for label in labels), OTHERS]
    return code, [(routes[p // len(shown)], shown[p % len(shown)]) for p in pairs]


def refusal(target: Target, found: Support) -> SupportError:
    """The error that says where the log cannot speak for a policy, and what to do."""
    name, n = target.policy.policy, len(found.code)
    if found.deterministic:
        matched = len(found.rows)
        why = (
            "nothing was left to chance when the log was made, so it never shows what another"
            " model would have done on the same kind of request"
        )
        unseen = never_seen(target.policy, target.dataset)
        if unseen:
            why = (
                f"{target.dataset.models[0]!r} served every request of this log, which never shows"
                " what another model would have done, and the policy may also ask"
                f" {listed(some([repr(model) for model in unseen], 3))}: nothing was left to chance"
            )
        allowed = [
            f"estimate {'this one' if matched == 1 else 'these'} alone (--where-supported)",
            "let a share of the traffic be routed by chance (`explore` says how much)",
        ]
        if not unseen:
            allowed.append("take the outcome models' word for it (--extrapolate)")
        return SupportError(
            f"{name} cannot be estimated from {target.dataset.name!r}: {why}. The policy would have"
            f" sent {count(matched)} of {counted(n, 'request')} ({percent(matched / max(n, 1))})"
            f" where they went; allowed: {', or '.join(allowed)}",
            found.slices,
        )
    bad = sorted(
        (s for s in found.slices if not s.supported), key=lambda s: -s.lacking_share * s.requests
    )
    places = "; ".join(
        f"{s.slice} ({counted(s.requests, 'request')}, {percent(s.requests / n)} of all):"
        f" the policy asks {_models(s)}"
        for s in bad[:5]
    )
    more = f"; and {counted(len(bad) - 5, 'more slice')}" if len(bad) > 5 else ""
    return SupportError(
        f"{name} cannot be estimated from {target.dataset.name!r}: the log does not overlap with"
        f" it in {len(bad)} of {counted(len(found.slices), 'slice')}. {places}{more}. Allowed:"
        " estimate the slices with overlap alone (--where-supported; they hold"
        f" {percent(len(found.rows) / n)} of the requests), let a share of the traffic be routed"
        " by chance (`explore` says how much), or take the outcome models' word for it"
        " (--extrapolate)",
        bad,
    )


def _models(one: Overlap) -> str:
    told = [
        f"{model!r} for {percent(one.target[model])} of them, the log"
        f" {counted(one.calls.get(model, 0), 'time')}"
        for model in one.lacking
    ]
    return " and ".join(some(told, 3))
