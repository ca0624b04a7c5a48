"""A policy checked with the routers that it names: what they do not know, read or dare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from toolkit.errors import DataError, PolicyError, Problem
from toolkit.learn.routing import Chosen, Routers, chosen, columns_read, load_routers
from toolkit.policy.check import Check
from toolkit.policy.check import check as check_policy
from toolkit.policy.conditions import route_masks
from toolkit.policy.model import Policy
from toolkit.policy.orders import has_router, orders_of
from toolkit.schema import PROMPT

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
    warnings = [*found.warnings, *_unknown(policy, routers)]
    errors, risks = list(found.errors), list(found.risks)
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
            errors.append(Problem(str(error), "routes"))
    return replace(found, errors=tuple(errors), warnings=tuple(warnings), risks=tuple(risks))


def _unknown(policy: Policy, routers: Routers) -> Iterator[Problem]:
    for i, orders in orders_of(policy).items():
        rule = policy.routes[i].router
        assert rule is not None
        learned = tuple(routers[rule.name].models_)
        names = {name: policy.log_name(name) for name in dict.fromkeys(orders.models)}
        strange = [name for name, log in names.items() if log not in learned]
        if len(strange) == len(names):
            yield Problem(
                f"router {rule.name!r} knows none of these models, so it decides nothing",
                f"routes.{i}.router",
                ", ".join(map(repr, names.values())),
                _some(learned),
            )
            continue
        for name in strange:
            yield Problem(
                f"router {rule.name!r} was trained on {_some(learned)}; it does not know"
                f" {names[name]!r}: tried only after the others",
                f"routes.{i}.router",
            )


def _not_there(policy: Policy, requests: pa.Table, routers: Routers) -> Iterator[Problem]:
    """Columns that a router reads and the requests lack, once for each router."""
    told = set()
    for i in orders_of(policy):
        rule = policy.routes[i].router
        assert rule is not None
        if rule.name in told:
            continue
        told.add(rule.name)
        router = routers[rule.name]
        unread = () if router.features_.get("text") else (PROMPT,)
        gone = [c for c in columns_read(router) if c not in (*requests.column_names, *unread)]
        if gone:
            yield Problem(
                f"router {rule.name!r} reads columns that the requests do not have; it takes them"
                " for missing values",
                f"routes.{i}.router.name",
                _some(gone),
            )


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


def _some(names: list[str] | tuple[str, ...], most: int = 6) -> str:
    shown = ", ".join(map(repr, names[:most]))
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
