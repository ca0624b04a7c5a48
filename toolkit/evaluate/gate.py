"""A gate: may this policy go into service? Yes, no, or the data cannot tell.

A goal is met where its whole 95 % interval lies within the limits, and missed where it lies
outside; else the data cannot tell. A policy passes when it meets every goal, so that more goals
make it harder, never easier, to pass by chance. It fails as soon as one is missed.

Nobody knows how unobserved requests would have ended, however narrow the intervals of the others:
with more than a small share of them the gate is undecided, whatever the goals say.

A trained router knows how the requests that it learned from ended, and does better on them than it
will: goals that are met there are no pass, while those that it misses even there are a fail.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from toolkit.engine.replay import Replay, replay
from toolkit.errors import DataError, PolicyError, Problem
from toolkit.evaluate import as_json, gate_words
from toolkit.evaluate.compare import compare
from toolkit.evaluate.deciding import deciding
from toolkit.evaluate.format import count, html_list, html_table
from toolkit.evaluate.given import refuse_no_share, refuse_others
from toolkit.evaluate.goals import GoalResult, Kind, judge_all, limited, listed
from toolkit.evaluate.relative import of_comparison
from toolkit.evaluate.routed import SEEN, seen_by
from toolkit.evaluate.summary import ESTIMATES
from toolkit.evaluate.verdict import about

if TYPE_CHECKING:
    from toolkit.logs.datasets import Dataset
    from toolkit.policy.model import Policy
    from toolkit.scenarios.model import Scenario

Status = Literal["pass", "fail", "undecided"]

EXIT_CODES: dict[Status, int] = {"pass": 0, "fail": 1, "undecided": 3}
"""2 is left to mistakes, such as a file that is not there."""
MOST_UNOBSERVED = 0.05
"""Share of the requests that may be unobserved; with more, nothing is decided."""
HEAD = ("goal", "wanted", "measured [95 %]", "n", "met", "to decide")
"""Names of the columns in which people read a gate."""


@dataclass(frozen=True)
class Gate:
    """A policy held against its goals, those relative to a baseline included."""

    policy: str
    policy_digest: str
    against: str | None
    """the baseline; None: none was named"""
    against_digest: str | None
    dataset: str
    dataset_digest: str
    scenario: str | None
    seed: int
    simulated: bool
    requests: int
    """all, also the unobserved"""
    logged: int
    """requests of the log behind them: fewer where a scenario's arrivals repeat some"""
    unobserved: int
    """under the policy, the baseline or both"""
    most_unobserved: float
    """share of unobserved requests above which nothing is decided"""
    imputed_share: float
    """of the observed requests, those that rest on at least one imputed attempt"""
    results: tuple[GoalResult, ...]
    assumptions: tuple[str, ...]
    seen: tuple[str, ...] = ()
    """the policy's routers, as ``name@version``, that learned from these requests"""

    @property
    def status(self) -> Status:
        """``pass``, ``fail`` or ``undecided``."""
        if self.hidden:
            return "undecided"
        if any(goal.answer == "no" for goal in self.results):
            return "fail"
        if self.seen:
            return "undecided"
        return "pass" if all(goal.answer == "yes" for goal in self.results) else "undecided"

    @property
    def exit_code(self) -> int:
        """That of the command: 0 pass, 1 fail, 3 undecided."""
        return EXIT_CODES[self.status]

    @property
    def hidden(self) -> bool:
        """So many requests are unobserved that nothing is decided."""
        return self.unobserved_share > self.most_unobserved

    @property
    def unobserved_share(self) -> float:
        """NaN where there are no requests."""
        return self.unobserved / self.requests if self.requests else math.nan

    @property
    def verdict(self) -> str:
        """The answer and its reason in words."""
        return gate_words.verdict(self)

    def reason(self, goal: GoalResult) -> str:
        """Why a goal is not decided as it seems; empty where it is."""
        doubtful = self.seen and goal.answer == "yes" and not goal.reason
        return SEEN if doubtful else goal.reason

    def needed(self, goal: GoalResult) -> float:
        """How many requests of the log would decide a goal, if its true value is as it seems.

        With a power of 80 %. NaN where it is decided, not measured or exactly at its limit.
        """
        return deciding(goal, self.logged)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; an undefined number is None."""
        return {
            "policy": self.policy,
            "policy_digest": self.policy_digest,
            "against": self.against,
            "against_digest": self.against_digest,
            "dataset": self.dataset,
            "dataset_digest": self.dataset_digest,
            "scenario": self.scenario,
            "seed": self.seed,
            "simulated": self.simulated,
            "requests": self.requests,
            "unobserved": self.unobserved,
            "unobserved_share": as_json.plain(self.unobserved_share),
            "imputed_share": as_json.plain(self.imputed_share),
            "seen_by_routers": list(self.seen),
            "status": self.status,
            "exit_code": self.exit_code,
            "goals": [
                {
                    **goal.to_dict(),
                    "answer": goal.answer,
                    "reason": self.reason(goal),
                    "needed": as_json.plain(self.needed(goal)),
                }
                for goal in self.results
            ],
            "verdict": self.verdict,
            "assumptions": list(self.assumptions),
        }

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Each goal as people read it, under ``HEAD``."""
        return [
            (
                goal.label,
                goal.wanted,
                goal.measured,
                count(goal.n),
                f"{goal.told} ({SEEN})" if self.reason(goal) != goal.reason else goal.told,
                about(found) if math.isfinite(found := self.needed(goal)) else "–",
            )
            for goal in self.results
        ]

    @property
    def subject(self) -> str:
        """What is judged: policy, data, baseline and scenario."""
        text = f"{self.policy} on {self.dataset}"
        text += f" against {self.against}" if self.against else ""
        return text + (f" in the scenario {self.scenario}" if self.scenario else "")

    def to_markdown(self) -> str:
        """A report for a pull request or a job's summary, in GitHub's Markdown."""
        from toolkit.evaluate.gate_report import markdown

        return markdown(self)

    def to_junit(self) -> str:
        """The goals as test cases in JUnit's XML, which CI systems read."""
        from toolkit.evaluate.gate_report import junit

        return junit(self)

    def _repr_html_(self) -> str:
        simulated = " (simulated data)" if self.simulated else ""
        table = html_table(HEAD, self.rows, f"{self.subject}{simulated}: {self.status}")
        return f"<div>{table}{html_list([self.verdict, *self.assumptions])}</div>"


def gate(
    policy: Policy | Replay,
    dataset: Dataset | None = None,
    against: Policy | Replay | None = None,
    *,
    scenario: Scenario | None = None,
    seed: int = 0,
    most_unobserved: float = MOST_UNOBSERVED,
) -> Gate:
    """Hold a policy, or a replay of one, against its goals.

    ``dataset``, ``scenario`` and ``seed`` serve to replay what is given as a policy. ``against`` is
    the baseline of limits on changes and ratios. ``most_unobserved`` is a share, 0 to 1.

    Raises:
        PolicyError: The policy has no goals, has some against a baseline where none is given, does
            not fit the dataset, or is none.
        DataError: There is nothing to replay on, or the baseline was replayed on something else.
    """
    refuse_others("a gate", (policy,), dataset, scenario)
    written = policy.policy if isinstance(policy, Replay) else policy
    refuse_no_share("most-unobserved", most_unobserved)
    wanted = limited(written.goals)
    if not wanted:
        known = ", ".join(type(written.goals).model_fields)
        raise PolicyError([Problem("there is nothing to judge by", "goals", "no goal", known)])
    if against is None:
        _refuse_relative(wanted)
    compared = None
    if against is not None:
        seed = policy.seed if isinstance(policy, Replay) else seed
        compared = compare(against, policy, dataset, seed=seed, scenario=scenario)
        done = compared.replays[1]
    elif isinstance(policy, Replay):
        done = policy
    elif dataset is None:
        raise DataError("a gate needs a dataset, or a replay in place of the policy")
    else:
        done = replay(policy, dataset, seed, scenario)
    summary = done.summary()
    held = of_comparison(compared, wanted) if compared else None
    estimates = {name: getattr(summary, name) for name in ESTIMATES}
    base = compared.replays[0].policy if compared else None
    return Gate(
        policy=summary.policy,
        policy_digest=written.digest,
        against=base.policy if base else None,
        against_digest=base.digest if base else None,
        dataset=summary.dataset,
        dataset_digest=summary.dataset_digest,
        scenario=done.scenario.scenario if done.scenario else None,
        seed=done.seed,
        simulated=summary.simulated,
        requests=summary.requests,
        logged=len(np.unique(done.arrivals.row)),
        unobserved=summary.requests - compared.paired if compared else summary.unobserved,
        most_unobserved=most_unobserved,
        imputed_share=summary.imputed_share,
        results=judge_all(
            written.goals,
            estimates,
            held.changes if held else None,
            held.ratios if held else None,
        ),
        assumptions=gate_words.assumptions(summary, compared),
        seen=seen_by([written], done.dataset),
    )


def _refuse_relative(wanted: Sequence[tuple[str, Kind]]) -> None:
    """Raise PolicyError where a limit is one against a baseline, and there is none."""
    words = [f"{kind} of {name}" for name, kind in wanted if kind != "value"]
    if words:
        what = "limits on a change or a ratio need a baseline"
        allowed = "one that is named (--against), or no min_change, max_change and max_ratio"
        raise PolicyError([Problem(what, "goals", f"none for {listed(words)}", allowed)])
