"""Sweep policies over a dataset and find what none of them beats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from toolkit.engine.decide import check_seed
from toolkit.engine.replay import replay_traffic
from toolkit.errors import DataError, DetourError
from toolkit.evaluate.assumptions import assumptions
from toolkit.evaluate.baselines import Calls, note, one_calls
from toolkit.evaluate.curves.arena import arena_score
from toolkit.evaluate.curves.hull import hull, non_dominated
from toolkit.evaluate.intervals import RESAMPLES, bootstrap_of
from toolkit.evaluate.routed import seen_by
from toolkit.evaluate.tradeoffs.area import Areas, Set, areas
from toolkit.evaluate.tradeoffs.asked import need_dataset, need_policy, several
from toolkit.evaluate.tradeoffs.beside import alone_jobs, baselines_of, curve, zero_router
from toolkit.evaluate.tradeoffs.gain import Gains
from toolkit.evaluate.tradeoffs.pair import check_gap, pair_models, pair_of
from toolkit.evaluate.tradeoffs.points import AXES, Point, axes_of, judged
from toolkit.evaluate.tradeoffs.result import Frontier
from toolkit.evaluate.tradeoffs.sweep import Swept, World, counter, drawn_means, marked
from toolkit.evaluate.tradeoffs.vary import FORMS, Variant, Vary, named, parse_vary, variants
from toolkit.evaluate.tradeoffs.words import assumed
from toolkit.logs.dataset import Dataset
from toolkit.policy.model import Goals, Policy
from toolkit.scenarios.aim import aim
from toolkit.scenarios.arrivals import traffic
from toolkit.scenarios.model import Scenario

__all__ = ["Frontier", "frontier"]

Progress = Callable[[int, int], None]


def frontier(
    policy: Policy | Sequence[Policy],
    dataset: Dataset,
    vary: Sequence[Vary | str] = (),
    *,
    axes: Sequence[str] = ("cost_usd_per_1k", "quality"),
    pair: tuple[str, str] | None = None,
    rows: NDArray[np.intp] | None = None,
    scenario: Scenario | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    progress: Progress | None = None,
) -> Frontier:
    """Try every combination of ``vary`` in a policy, or the given policies as they are.

    ``vary`` holds places and values, or their text (see `parse_vary`). ``axes`` are two or more of
    `AXES`, also as one text with commas. ``pair`` names a weak and a strong model. All requests are
    replayed, as they may share a cache or a breaker; the estimates are over ``rows`` of the dataset
    (None: all of them).

    Raises:
        PolicyError: A place or a value does not fit, or a model is not in the log.
        DataError: An axis, a model of the pair or a row that there is not; a strong model that is
            no better than the weak one.
        DetourError: A seed that no draw takes, or nothing to try.
    """
    check_seed(seed)
    need_dataset(dataset, "a sweep")
    tried = _tried(policy, vary)
    used = _used((one.policy for one in tried), dataset.models)
    wanted = axes_of(axes)
    arrivals = traffic(scenario, dataset, seed)
    part = _part(dataset, rows)[arrivals.row]
    base = tried[0].policy
    models = dataset.models
    weak_strong = pair_models(pair, base, models)
    world = World(
        arrivals,
        bootstrap_of(arrivals, resamples, seed),
        part,
        seed,
        scenario,
        weak_strong,
    )
    step = counter(progress, len(tried) + len(models))
    jobs = [(one.policy, aim(scenario, one.policy, models)) for one in tried]
    faults = jobs[0][1]
    alone = world.sweep(alone_jobs(base, models, faults, scenario), step)
    singles = tuple(
        _points([Variant({}, Policy.single(m)) for m in models], models, alone, base.goals)
    )
    check_gap(weak_strong, singles)
    swept = world.sweep(jobs, step)
    names = [one.policy.policy if not one.values else named(one.values) for one in tried]
    if vary:
        names[0] = base.policy
    points = tuple(_points(tried, names, swept, base.goals))
    mine = [models.index(name) for name in used]
    drawn = arrivals.dataset
    own = one_calls(drawn, used, part, singles=False)
    every = one_calls(drawn, models, part, singles=False)
    values = np.array([[getattr(p, axis).value for axis in wanted] for p in points])
    ahead = np.flatnonzero(non_dominated(values, [AXES[axis] for axis in wanted]))
    best = hull(*curve(points))
    by_own = baselines_of(drawn, [singles[i] for i in mine], own, world.boot)
    return Frontier(
        policy=base.policy,
        policy_digest=base.digest,
        dataset=dataset.name,
        dataset_digest=dataset.digest,
        simulated=dataset.simulated,
        log=dataset.kind,
        seed=seed,
        scenario=scenario.scenario if scenario else None,
        requests=drawn.n_requests,
        n=int(part.sum()),
        axes=wanted,
        paths=tuple(tried[0].values),
        goals=base.goals,
        points=points,
        frontier=tuple(ahead[np.argsort(values[ahead, 0], kind="stable")].tolist()),
        hull=tuple(best.tolist()),
        singles=singles,
        used=used,
        baselines=baselines_of(drawn, singles, every, world.boot),
        own=by_own,
        zero_router=zero_router([singles[i] for i in mine]),
        zero_router_all=zero_router(singles),
        aiq=_aiq(points, swept, [singles[i] for i in mine], _of(alone, mine), own, world),
        pair=pair_of(weak_strong, points, singles, swept, alone),
        assumptions=assumed(
            points,
            assumptions(replay_traffic(base, arrivals, faults, seed, scenario), resamples),
            drawn.n_requests,
            scenario,
            note(by_own),
        ),
        gains=Gains(world, tuple(one.policy for one in tried)),
        seen=seen_by([one.policy for one in tried], dataset),
    )


def _tried(policy: Policy | Sequence[Policy], vary: Sequence[Vary | str]) -> Sequence[Variant]:
    places = several(vary, "vary", (Vary, str), f"a Vary or a text such as {FORMS}, or several")
    parsed = [parse_vary(one) if isinstance(one, str) else one for one in places]
    if isinstance(policy, Policy):
        return variants(policy, parsed)
    given = [need_policy(one, "a sweep") for one in _several(policy)]
    if parsed:
        raise DetourError("frontier: values are varied in one policy; got several policies")
    if not given:
        raise DetourError("frontier: needs a policy; got none")
    return [Variant({}, one) for one in given]


def _several(policy: object) -> Iterable[object]:
    """The policies, or what was given instead of them."""
    return policy if isinstance(policy, Iterable) and not isinstance(policy, str) else [policy]


def _part(dataset: Dataset, rows: NDArray[np.intp] | None) -> NDArray[np.bool_]:
    n = dataset.n_requests
    if rows is None:
        return np.ones(n, np.bool_)
    rows = np.asarray(rows)
    if rows.size and (rows.dtype.kind not in "iu" or rows.ndim != 1):
        raise DataError(f"rows: are row numbers; got {rows!r:.60}; allowed: 0 to {n - 1}")
    wrong = rows[(rows < 0) | (rows >= n)]
    if len(wrong):
        raise DataError(f"rows: there is no such request; got {wrong[0]}; allowed: 0 to {n - 1}")
    part = np.zeros(n, np.bool_)
    part[rows.astype(np.intp)] = True
    return part


def _used(policies: Iterable[Policy], models: Sequence[str]) -> tuple[str, ...]:
    names = dict.fromkeys(one.log_name(name) for one in policies for name in one.models)
    used = tuple(name for name in names if name in models)
    if not used:
        got, allowed = ", ".join(map(repr, names)), ", ".join(map(repr, models))
        raise DataError(f"no model of the policy is in the log; got {got}; allowed: {allowed}")
    return used


def _points(
    tried: Sequence[Variant], names: Sequence[str], swept: Swept, goals: Goals
) -> Iterable[Point]:
    for i, (one, name, found, same) in enumerate(
        zip(tried, names, swept.measured, marked(swept.measured), strict=True)
    ):
        estimates = found.estimates
        yield Point(
            index=i,
            name=name,
            values=one.values,
            policy=one.policy,
            requests=found.requests,
            unobserved=found.unobserved,
            imputed_share=found.imputed_share,
            **estimates,
            goals=judged(goals, estimates),
            arena_score=float(
                arena_score(estimates["quality"].value, estimates["cost_usd_per_1k"].value)
            ),
            strong_share=found.strong_share,
            same_as=same,
        )


def _of(swept: Swept, which: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return swept.cost[:, which], swept.quality[:, which]


def _aiq(
    points: Sequence[Point],
    swept: Swept,
    singles: Sequence[Point],
    drawn: tuple[NDArray[np.float64], NDArray[np.float64]],
    own: Calls,
    world: World,
) -> Areas:
    distinct = [point for point in points if point.same_as is None]
    code = np.zeros(len(own.request), np.intp)
    ideal = [1000 * own.cost_usd[:, -1], own.quality[:, -1]]
    oracle = Set(
        *(np.array([np.nanmean(v) if not np.isnan(v).all() else np.nan]) for v in ideal),
        *(drawn_means(world.boot, own.request, code, 1, v) for v in ideal),
    )
    return areas(
        Set(*curve(distinct), *_of(swept, [point.index for point in distinct])),
        Set(*curve(singles), *drawn),
        oracle,
        int(world.part.sum()),
    )
