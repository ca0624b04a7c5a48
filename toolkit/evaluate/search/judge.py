"""What a chosen policy is worth on either half, and what each of its changes does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from toolkit.engine.replay import Replay
from toolkit.evaluate.compare import Comparison, compare
from toolkit.evaluate.goals import GoalResult, judge_all, limited
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.relative import relative
from toolkit.evaluate.search.choose import Kind
from toolkit.evaluate.search.part import part, rows_of
from toolkit.evaluate.search.reasons import changes
from toolkit.evaluate.search.result import Candidate, Side
from toolkit.evaluate.search.split import Split
from toolkit.evaluate.search.trials import Trial, Trials, estimates
from toolkit.evaluate.summary import ESTIMATES, Summary, summarize
from toolkit.policy.model import Policy
from toolkit.policy.written import MAX_NAME

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset

PER_POLICY = {
    "cheapest": "The cheapest policy found within the goals",
    "sure": "The cheapest policy found whose goals hold surely where it was tuned",
    "middle": "The best bargain found within the goals",
    "best": "The best policy found within the goals",
    "closest": "The policy found that misses the goals by least",
}


@dataclass(frozen=True)
class Judge:
    """What a chosen policy is worth on either half."""

    trials: Trials
    split: Split
    check: Callable[[], None]
    """called now and then: raises where the work is to stop"""

    @cached_property
    def _halves(self) -> tuple[Dataset, Dataset]:
        whole = self.trials.arrivals.dataset
        return (
            rows_of(whole, self.split.tuning, f"{whole.name}, tuning half"),
            rows_of(whole, self.split.held_out, f"{whole.name}, held-out half"),
        )

    def parts(self, policy: Policy) -> tuple[Replay, Replay]:
        """The policy on the tuning half and on the held-out half."""
        self.check()
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

    def candidate(self, kind: Kind, trial: Trial) -> Candidate:
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
