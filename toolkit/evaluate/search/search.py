"""Search for the policy that meets the goals: tuned on one half of the requests, told on the other.

Nothing here asks a model; the log has what each would have done. The policy itself is where the
search begins and what its changes are held against.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from toolkit.engine.decide import check_seed
from toolkit.errors import DataError
from toolkit.evaluate.search import choose, trying
from toolkit.evaluate.search.judge import Judge
from toolkit.evaluate.search.result import Candidate, Search
from toolkit.evaluate.search.space import space
from toolkit.evaluate.search.split import split
from toolkit.evaluate.search.trials import Trials
from toolkit.evaluate.tradeoffs.asked import need_dataset, need_policy, several
from toolkit.policy.model import Goals, Policy
from toolkit.scenarios.arrivals import traffic

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset

__all__ = ["Candidate", "Search", "search"]

_NO_WORSE = Goals.model_validate({"quality": {"min_change": 0}})
PATHS = "dotted keys such as chains.main.steps.0.timeout_s, or what they begin with"
FOR_TRIALS = 0.8
"""Share of the budget that goes to trials; the rest simplifies and explains what was found."""


def search(
    policy: Policy,
    dataset: Dataset,
    budget_s: float = 60,
    *,
    trials: int | None = None,
    only: Sequence[str] = (),
    fixed: Sequence[str] = (),
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Search:
    """Look for policies near ``policy`` that meet its goals for less, or do better within them.

    It takes ``budget_s`` seconds, or, where ``trials`` are given, as long as so many take: the
    result is then the same for the same seed. ``only`` and ``fixed`` are places, or beginnings of
    places, that alone, or not, are varied. A goal against a baseline is against ``policy``; without
    goals the quality must be no less than that of ``policy``. KeyboardInterrupt ends the trials,
    and the result is of those so far; what ``progress`` raises ends everything.

    Raises:
        DataError: The log cannot tell what a policy would have done (one model answered each
            request, or nothing is graded), is too small to be halved, or nothing can be varied.
        PolicyError: The policy asks for what the dataset does not have, or a place is none.
    """
    began = time.monotonic()
    check_seed(seed)
    need_policy(policy, "a search")
    _check(need_dataset(dataset, "a search"), budget_s, trials)
    only, fixed = (several(one, "search: places", str, PATHS) for one in (only, fixed))
    varied = space(policy, dataset, only, fixed)
    if not varied.places:
        raise DataError(f"search: nothing of policy {policy.policy!r} is left to be varied")
    arrivals = traffic(None, dataset, seed)
    halves = split(arrivals, seed)
    goals = policy.goals if policy.goals.to_data() else _NO_WORSE
    tried = Trials(varied, arrivals, halves.tuning, goals, seed)
    tried.start()
    asked, ending = trying.run(tried, FOR_TRIALS * budget_s, trials, progress)
    of = trials or trying.TICKS
    judge = Judge(tried, halves, (lambda: progress(of, of)) if progress else lambda: None)
    different = list(tried.found.values())
    table = np.array([(one.price, one.quality, one.miss) for one in different])
    ends = choose.front(tried)
    picked = choose.chosen(tried, judge.sure, ends)
    candidates = tuple(judge.candidate(kind, one) for kind, one in picked)
    return Search(
        policy=policy.policy,
        policy_digest=policy.digest,
        dataset=dataset.name,
        dataset_digest=dataset.digest,
        simulated=dataset.simulated,
        seed=seed,
        budget_s=budget_s,
        seconds=time.monotonic() - began,
        trials=asked,
        different=len(different),
        feasible=int((table[:, 2] == 0).sum()),
        ending=ending,
        goals=goals,
        places=len(varied.places),
        split=halves,
        start=judge.start,
        single=judge.single,
        candidates=candidates,
        tried=table,
    )


def _check(dataset: Dataset, budget_s: object, trials: object) -> None:
    timed = isinstance(budget_s, int | float) and 0 < budget_s < float("inf")
    if trials is None and not timed:
        raise DataError(f"search: budget of time; got {budget_s!r} s; allowed: more than 0")
    if trials is not None and not (isinstance(trials, int) and trials >= 1):
        raise DataError(f"search: trials; got {trials!r}; allowed: 1 or more")
    if dataset.kind == "logged":
        raise DataError(
            f"search: dataset {dataset.name!r} holds one model's answer to each request, so that "
            "replay cannot tell what another would have done; allowed: a dataset with several "
            "models' answers (`estimate` judges one policy on such a log)"
        )
    if not dataset.graded:
        raise DataError(
            f"search: dataset {dataset.name!r} has no grades, and without quality the cheapest is "
            "the best; allowed: a dataset with a quality"
        )
