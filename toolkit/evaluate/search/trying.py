"""The loop of a search: Optuna proposes, replay tells, until the time or the trials are used up.

NSGA-II keeps what no other policy beats in cost and quality at once, and what misses the goals by
less before what misses them by more. It learns from many cheap trials, and a replay is cheap.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np

from toolkit.evaluate.search import begin
from toolkit.evaluate.search.space import Space
from toolkit.evaluate.search.trials import Trials

Ending = Literal["budget", "trials", "exhausted", "interrupted"]

POPULATION = 50
ROUNDS = 4
"""How often all places are moved, each alone and then together, before NSGA-II takes over."""
STALE = 1_000
"""Trials in a row without a new policy after which there is nothing left to try."""
TICKS = 1_000
"""Steps in which progress through a budget of time is told."""


def run(
    trials: Trials,
    budget_s: float,
    wanted: int | None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[int, Ending]:
    """Try policies for ``budget_s`` seconds, or ``wanted`` of them; return how many and the end.

    A KeyboardInterrupt ends it early; whatever ``progress`` raises is raised.
    """
    start, done, stale = time.monotonic(), 0, 0
    try:
        for done, fresh in enumerate(_tried(trials), 1):
            stale = 0 if fresh else stale + 1
            used = time.monotonic() - start
            if progress is not None:
                if wanted is None:
                    progress(min(TICKS, int(TICKS * used / budget_s)), TICKS)
                else:
                    progress(done, wanted)
            if done == wanted:
                return done, "trials"
            if wanted is None and used >= budget_s:
                return done, "budget"
            if stale >= STALE:
                return done, "exhausted"
    except KeyboardInterrupt:
        pass
    return done, "interrupted"


def _tried(trials: Trials) -> Iterator[bool]:
    """Try one policy after the other; whether each was a new one."""
    import optuna
    from optuna.trial import TrialState

    space = yield from _climbed(trials)
    rng = np.random.default_rng([trials.seed, len(space.places)])
    with _quiet():
        sampler = optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=trials.seed)
        study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    for begun in begin.population(space, list(trials.found.values()), POPULATION, rng):
        study.enqueue_trial(space.params(begun))
    while True:
        known = len(trials.found)
        asked = study.ask(space.distributions)
        found = trials.run(space.changes(asked.params))
        if found is None or math.isnan(found.price + found.quality):
            study.tell(asked, state=TrialState.FAIL)
        else:
            asked.set_constraint("goals", found.miss)
            study.tell(asked, (found.price, -found.quality))
        yield len(trials.found) > known


def _climbed(trials: Trials) -> Generator[bool, None, Space]:
    """Move every place alone, then all together, and again around the best of these."""
    space, centre = trials.space, trials.first
    for i in range(ROUNDS):
        alone = []
        for path, value in begin.moves(space, centre.changes):
            known = len(trials.found)
            found = trials.run(begin.moved(centre.changes, space, {path: value}))
            alone += [(path, value, found)] if found is not None else []
            yield len(trials.found) > known
        if i == 0:
            space = begin.without_idle(space, centre, alone)
        for liked in begin.together(centre, alone):
            known = len(trials.found)
            trials.run(begin.moved(centre.changes, trials.space, liked))
            yield len(trials.found) > known
        best = begin.nearest(list(trials.found.values()))
        if best is centre:
            break
        centre = best
    return space


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from telling on standard error that it begins."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
