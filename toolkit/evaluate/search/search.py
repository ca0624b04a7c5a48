"""Search for the policy that meets the goals: tuned on one half of the requests, told on the other.

Nothing here asks a model; the log has what each would have done. The policy itself is where the
search begins and what its changes are held against.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from toolkit.engine.decide import check_seed
from toolkit.engine.replay import Replay
from toolkit.errors import DataError
from toolkit.evaluate.compare import Comparison, compare
from toolkit.evaluate.goals import GoalResult, judge_all, limited
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.relative import relative
from toolkit.evaluate.search import choose, trying
from toolkit.evaluate.search.part import part, rows_of
from toolkit.evaluate.search.reasons import changes
from toolkit.evaluate.search.result import Candidate, Search, Side
from toolkit.evaluate.search.space import space
from toolkit.evaluate.search.split import Split, split
from toolkit.evaluate.search.trials import Trial, Trials, estimates
from toolkit.evaluate.summary import ESTIMATES, Summary, summarize
from toolkit.policy.model import Goal, Goals, Policy
from toolkit.policy.written import MAX_NAME
from toolkit.scenarios.arrivals import traffic

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset

__all__ = ["Candidate", "Search", "search"]

FOR_TRIALS = 0.85
"""Share of the budget that goes to trials; the rest simplifies and explains what was found."""
PER_POLICY = {
    "cheapest": "The cheapest policy found within the goals",
    "sure": "The cheapest policy found whose goals hold surely where it was tuned",
    "middle": "The best bargain found within the goals",
    "best": "The best policy found within the goals",
    "closest": "The policy found that misses the goals by least",
}


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
    _check(dataset, budget_s, trials)
    varied = space(policy, dataset, only, fixed)
    if not varied.places:
        raise DataError(f"search: nothing of policy {policy.policy!r} is left to be varied")
    arrivals = traffic(None, dataset, seed)
    halves = split(arrivals, seed)
    goals = policy.goals if policy.goals.to_data() else Goals(quality=Goal(min_change=0.0))
    tried = Trials(varied, arrivals, halves.tuning, goals, seed)
    tried.start()
    asked, ending = trying.run(tried, FOR_TRIALS * budget_s, trials, progress)
    judge = _Judge(tried, halves)
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


def _check(dataset: Dataset, budget_s: float, trials: int | None) -> None:
    if trials is None and not 0 < budget_s < float("inf"):
        raise DataError(f"search: budget of time; got {budget_s} s; allowed: more than 0")
    if trials is not None and trials < 1:
        raise DataError(f"search: trials; got {trials}; allowed: 1 or more")
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


@dataclass(frozen=True)
class _Judge:
    """What a chosen policy is worth on either half."""

    trials: Trials
    split: Split

    @cached_property
    def _halves(self) -> tuple[Dataset, Dataset]:
        whole = self.trials.arrivals.dataset
        return (
            rows_of(whole, self.split.tuning, f"{whole.name}, tuning half"),
            rows_of(whole, self.split.held_out, f"{whole.name}, held-out half"),
        )

    def parts(self, policy: Policy) -> tuple[Replay, Replay]:
        """The policy on the tuning half and on the held-out half."""
        played = self.trials.replay(policy)
        tuning, held_out = self._halves
        return part(played, self.split.tuning, tuning), part(played, self.split.held_out, held_out)

    @cached_property
    def _first(self) -> tuple[Replay, Replay]:
        return self.parts(self.trials.space.policy)

    @cached_property
    def _best_single(self) -> tuple[Replay, Replay]:
        return self.parts(Policy.single(self._single_model()))

    def _single_model(self) -> str:
        """The best model on the tuning requests, of those with a cost there, if any has one."""
        dataset, rows = self.trials.arrivals.dataset, self.split.tuning
        quality, cost = dataset.quality[rows], dataset.cost_usd[rows]
        known = dataset.observed[rows].all(axis=0) & ~np.isnan(quality).all(axis=0)
        priced = known & ~np.isnan(cost).any(axis=0)
        choice = np.flatnonzero(priced if priced.any() else known)
        if not len(choice):
            return dataset.models[int(dataset.observed[rows].sum(axis=0).argmax())]
        means = np.nanmean(quality[:, choice], axis=0)
        return dataset.models[int(choice[means.argmax()])]

    @cached_property
    def start(self) -> Side:
        """The policy as it stands."""
        return Side(*self._side(self.trials.space.policy, self._first))

    @cached_property
    def single(self) -> Side:
        """The best single model."""
        return Side(*self._side(self._best_single[0].policy, self._best_single))

    def sure(self, trial: Trial) -> bool:
        """Whether all goals are met with their whole interval where it was tuned."""
        tuned = self.parts(self.trials.space.with_changes(trial.changes))[0]
        return all(goal.met and goal.certain for goal in self._goals(tuned, 0, estimates(tuned)))

    def candidate(self, kind: choose.Kind, trial: Trial) -> Candidate:
        """A chosen trial as a policy with its numbers and reasons."""
        policy = self._final(kind, trial)
        parts = self.parts(policy)
        whole = self.trials.space

        def undone(path: str) -> Comparison | None:
            left = {p: value for p, value in trial.changes.items() if p != path}
            if self.trials.run(left) is None:
                return None
            return compare(self.parts(whole.with_changes(left))[1], parts[1])

        reasons, effects = changes(trial, {p.path: p for p in whole.places}, undone)
        gains = [compare(a, b) for a, b in zip(self._first, parts, strict=True)]
        return Candidate(
            *self._side(policy, parts),
            kind=kind,
            changes=reasons,
            effects=effects,
            gain_tuned=gains[0],
            gain=gains[1],
            against_single=compare(self._best_single[1], parts[1]),
        )

    def _final(self, kind: str, trial: Trial) -> Policy:
        first = self.trials.space.policy
        end = f"-{kind}"
        about = f"{PER_POLICY[kind]}, from {first.policy} on {self.trials.arrivals.dataset.name}."
        return (
            self.trials.space.with_changes(trial.changes)
            .with_value("policy", first.policy[: MAX_NAME - len(end)] + end)
            .with_value("description", about)
        )

    def _side(
        self, policy: Policy, parts: tuple[Replay, Replay]
    ) -> tuple[Policy, Summary, Summary, tuple[GoalResult, ...], tuple[GoalResult, ...]]:
        tuned, held_out = (summarize(one) for one in parts)
        return (
            policy,
            tuned,
            held_out,
            self._goals(parts[0], 0, _named(tuned)),
            self._goals(parts[1], 1, _named(held_out)),
        )

    def _goals(
        self, one: Replay, half: int, known: Mapping[str, Estimate]
    ) -> tuple[GoalResult, ...]:
        goals = self.trials.goals
        against = [(name, kind) for name, kind in limited(goals) if kind != "value"]
        if not against:
            return judge_all(goals, known)
        held = relative(self._first[half], one, against, seed=one.seed)
        return judge_all(goals, known, held.changes, held.ratios)


def _named(summary: Summary) -> dict[str, Estimate]:
    return {name: getattr(summary, name) for name in ESTIMATES}
