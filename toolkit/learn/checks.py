"""A policy checked with the routers that it names: what they do not know, read or dare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.errors import DataError, PolicyError, Problem
from toolkit.learn.routing import (
    Chosen,
    Routers,
    chosen,
    kinds_read,
    load_routers,
    problem,
    versions,
)
from toolkit.learn.tables import learnt
from toolkit.policy.check import Check
from toolkit.policy.check import check as check_policy
from toolkit.policy.conditions import route_masks
from toolkit.policy.model import Policy
from toolkit.policy.orders import has_router, orders_of

if TYPE_CHECKING:
    from toolkit.learn.router import QualityRouter

MANY = 0.05
"""A larger share of requests on which a router abstains is worth a word."""


def check(
    policy: Policy,
    requests: pa.Table | None = None,
    max_cost: Mapping[str, float] | None = None,
) -> Check:
    """Check a policy, which is valid in itself, for use and for likely mistakes.

    ``requests`` is the dataset's table of requests. ``max_cost`` has every model of the dataset
    with the largest cost of one call in USD, NaN where none was measured. The routers that the
    policy names are asked too: they must be in the registry and fit the requests.
    """
    found = check_policy(policy, requests, max_cost)
    if not has_router(policy):
        return found
    try:
        routers = load_routers(policy)
    except PolicyError as error:
        return replace(found, errors=(*found.errors, *error.problems))
    none, some = _unknown(policy, routers)
    errors, warnings, risks = [*found.errors, *none], [*found.warnings, *some], [*found.risks]
    if requests is not None and requests.num_rows:
        warnings += _not_there(policy, requests, routers)
        try:
            for i, rows in _routed(policy, requests).items():
                told = chosen(policy, requests, i, rows, routers)
                warnings += _unpriced(told, f"routes.{i}.router")
                risks += _decisions(told, f"routes.{i}.router")
        except PolicyError:
            pass  # a rule that does not fit the requests: among the errors already
        except DataError as error:
            errors.append(problem(error, "routes"))
    return replace(found, errors=tuple(errors), warnings=tuple(warnings), risks=tuple(risks))


@dataclass(frozen=True)
class Asked:
    """What the router of one rule has to do with some requests."""

    name: str
    """as the policy writes it"""
    version: str
    """``name@version`` that this is now; empty where it is not in the registry"""
    route: str
    models: int
    """that it may choose from"""
    strange: tuple[str, ...]
    """of them, those that it does not know, by their names in the log"""
    missing: tuple[str, ...]
    """columns that it reads and the requests lack"""
    requests: int
    """that came to it"""
    abstained: int
    """of them, those that it sent to the default chain"""

    @property
    def knows_none(self) -> bool:
        """It knows none of the models, so that nothing is put in another order."""
        return len(self.strange) == self.models

    @property
    def idle(self) -> bool:
        """It decides nothing."""
        return self.knows_none or self.abstained == self.requests


def asked(policy: Policy, requests: pa.Table, routers: Routers) -> list[Asked]:
    """What each rule's router has to do with these requests.

    Raises:
        PolicyError: A rule does not fit the requests.
    """
    rows, now = _routed(policy, requests), versions(policy)
    found = []
    for i, name, names, strange in _models(policy, routers):
        abstained = 0
        if i in rows:
            abstained = int(chosen(policy, requests, i, rows[i], routers).abstains.sum())
        found.append(
            Asked(
                name=name,
                version=now[name],
                route=policy.routes[i].name,
                models=len(names),
                strange=strange,
                missing=_lacking(routers[name], requests),
                requests=len(rows.get(i, ())),
                abstained=abstained,
            )
        )
    return found


def _models(
    policy: Policy, routers: Routers
) -> Iterator[tuple[int, str, tuple[str, ...], tuple[str, ...]]]:
    """Each router's route, its name, its models and those that it does not know, as logged."""
    for i, orders in orders_of(policy).items():
        rule = policy.routes[i].router
        assert rule is not None
        names = tuple(policy.log_name(name) for name in dict.fromkeys(orders.models))
        learned = routers[rule.name].models_
        yield i, rule.name, names, tuple(name for name in names if name not in learned)


def _unknown(policy: Policy, routers: Routers) -> tuple[list[Problem], list[Problem]]:
    """Errors where a router knows none of its models, warnings where it does not know some."""
    none, some = [], []
    for i, name, names, strange in _models(policy, routers):
        where, learned = f"routes.{i}.router", _some(routers[name].models_)
        if len(strange) == len(names):
            what = f"router {name!r} knows none of these models, so it decides nothing"
            none.append(Problem(what, where, _some(names), learned))
        else:
            some += [
                Problem(
                    f"router {name!r} was not trained on this model: tried only after the others",
                    where,
                    repr(one),
                    learned,
                )
                for one in strange
            ]
    return none, some


def _not_there(policy: Policy, requests: pa.Table, routers: Routers) -> Iterator[Problem]:
    """Columns that a router reads and the requests lack, once for each router."""
    told = set()
    for i in orders_of(policy):
        rule = policy.routes[i].router
        assert rule is not None
        if rule.name in told:
            continue
        told.add(rule.name)
        if gone := _lacking(routers[rule.name], requests):
            yield Problem(
                f"router {rule.name!r} reads columns that the requests do not have, or have of"
                " another kind; it takes them for missing values",
                f"routes.{i}.router.name",
                _some(gone),
                _some(requests.column_names),
            )


def _lacking(router: QualityRouter, requests: pa.Table) -> tuple[str, ...]:
    """The columns that a router reads and the requests lack, or have of another kind."""
    kinds = kinds_read(router)
    return tuple(name for name, kind in kinds.items() if learnt(requests, name, kind) is None)


def _routed(policy: Policy, requests: pa.Table) -> dict[int, NDArray[np.intp]]:
    """The requests of each router's route, where there are any."""
    masks = route_masks(policy, requests)
    taken = np.where(masks.any(axis=0), masks.argmax(axis=0), -1)
    rows = {i: np.flatnonzero(taken == i) for i in orders_of(policy)}
    return {i: found for i, found in rows.items() if len(found)}


def _unpriced(told: Chosen, where: str) -> Iterator[Problem]:
    """Models without an expected cost."""
    known = np.asarray(~np.isnan(told.quality).all(axis=0))
    no_cost = known & np.asarray(np.isnan(told.cost_usd).all(axis=0))
    names = [name for name, none in zip(told.models, no_cost.tolist(), strict=True) if none]
    if not names:
        return
    if len(names) < known.sum():
        so = "takes models whose cost it does not know for the dearest"
    elif told.rule.tradeoff_usd_per_point is not None:
        so = "goes by quality alone, as it knows no costs"
    else:
        so = "takes the models written first for the cheapest, as it knows no costs"
    yield Problem(
        f"router {told.rule.name!r} {so}",
        where,
        _some(names),
        "a router trained where costs are measured",
    )


def _decisions(told: Chosen, where: str) -> Iterator[Problem]:
    """What the router does with these requests that somebody may not expect."""
    rule = told.rule
    share = float(told.abstains.mean())
    if share > max(MANY, 2 * (1 - rule.abstain_above)):
        yield Problem(
            f"router {rule.name!r} abstains on {100 * share:.3g} % of the requests that come to it:"
            " they are unlike those that it was trained on, and go to the default chain",
            where,
        )
    if rule.min_quality is not None and not np.isnan(told.quality).all():
        enough = (told.quality >= rule.min_quality).any(axis=1)
        if not enough.any():
            best = float(np.nanmax(told.quality))
            yield Problem(
                f"no model of router {rule.name!r} ever reaches it: the likeliest is tried",
                f"{where}.min_quality",
                f"{rule.min_quality:g}",
                f"{best:.3g} or less",
            )


def _some(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(map(repr, names[:most]))
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
