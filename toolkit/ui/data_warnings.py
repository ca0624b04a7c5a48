"""What to look at before a log is trusted: what is odd in it, how often, and what that does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.format import count, percent
from toolkit.logs.profile import WHAT, Coverage, ModelFacts, Oddities, Period
from toolkit.schema import ErrorType
from toolkit.ui.data_view import DataView

ENOUGH = 30
"""Grades that a model needs for its quality to say much."""
OUTAGE = 0.5
MANY = 10
"""A stretch in which at least so many calls failed by at least this share is an outage."""
SAME = 20
"""So many equal grades are no chance."""


@dataclass(frozen=True)
class Finding:
    """One thing to look at."""

    title: str
    meaning: str
    """what it does to the results, and what to do about it"""
    serious: bool
    count: int
    of: int
    unit: str
    """what is counted, in the plural"""
    models: tuple[tuple[str, int], ...] = ()
    """those concerned, with how often, the most frequent first"""
    rows: str = ""
    """key of the check that has rows to show, or ``prompts``"""
    about: bool = False
    """the count is an estimate from a sample"""

    @property
    def share(self) -> float:
        """Part of all that could be concerned."""
        return self.count / self.of if self.of else float("nan")

    @property
    def words(self) -> str:
        """How much, in words."""
        some = "about " if self.about else ""
        return f"{some}{count(self.count)} of {count(self.of)} {self.unit} ({percent(self.share)})"


def findings(view: DataView) -> list[Finding]:
    """What is odd, the serious and frequent first."""
    facts = view.models
    found = [
        *_of_outcomes(view.oddities, facts),
        *_of_times(view.oddities, view.period, view.info.n_requests),
        *_of_prompts(view),
        *_of_grades(facts),
        *_of_outages(view.coverage, facts),
    ]
    return sorted(found, key=lambda one: (not one.serious, -one.share))


def _of_outcomes(odd: Oddities, facts: ModelFacts) -> list[Finding]:
    total = int(facts.outcomes.sum())
    return [
        Finding(
            check.title,
            check.meaning,
            check.serious,
            int(n.sum()),
            total,
            "outcomes",
            _most(facts.models, n),
            check.key,
        )
        for check, n in zip(odd.checks, odd.count, strict=True)
        if n.any()
    ]


def _most(models: tuple[str, ...], n: NDArray[np.int64]) -> tuple[tuple[str, int], ...]:
    order = np.argsort(-n, kind="stable")
    return tuple((models[i], int(n[i])) for i in order if n[i])


def _of_times(odd: Oddities, period: Period, n: int) -> list[Finding]:
    found = []
    if odd.future:
        found.append(
            Finding(
                "A time that is still to come",
                "A clock was wrong, or days and months were read in the wrong order.",
                True,
                odd.future,
                n,
                "requests",
            )
        )
    if odd.backwards:
        found.append(
            Finding(
                "Requests that are out of order",
                "Each was made before the one ahead of it in the log. A replay takes them in the"
                " order of the log.",
                False,
                odd.backwards,
                n,
                "requests",
            )
        )
    if 0 < period.known < n:
        found.append(
            Finding(
                "Requests without a time",
                "They are in no day and no hour below.",
                False,
                n - period.known,
                n,
                "requests",
            )
        )
    return found


def _of_prompts(view: DataView) -> list[Finding]:
    twice, n = view.duplicates, view.info.n_requests
    if twice is None:
        return []
    found = []
    if twice.blank and twice.with_prompt:
        found.append(
            Finding(
                "Requests without a prompt",
                "Rules on words never match them.",
                False,
                twice.blank,
                n,
                "requests",
            )
        )
    if twice.copies:
        apart = ""
        if twice.graded_apart:
            apart = (
                f" Of the {count(twice.pairs)} cases in which one model was graded on several"
                f" copies, {count(twice.graded_apart)} have different grades: that much is chance,"
                " or the copies differ in more than the prompt."
            )
        sample = "" if twice.one_in == 1 else f" (from a sample of one prompt in {twice.one_in})"
        found.append(
            Finding(
                "The same prompt more than once",
                "Copies are no new evidence: intervals are narrower than they should be, and what"
                f" a router learned on one copy it meets again on another.{apart}{sample}",
                False,
                twice.copies * twice.one_in,
                n,
                "requests are copies of an earlier one",
                rows="prompts",
                about=twice.one_in > 1,
            )
        )
    return found


def _of_outages(cover: Coverage, facts: ModelFacts) -> list[Finding]:
    """Stretches of the log in which a model that mostly works mostly failed."""
    works, cover = facts.failed < facts.outcomes / 4, cover.joined(MANY)
    enough = cover.count[0] >= MANY
    bad = enough & (cover.share("error") > OUTAGE) & works[:, None]
    if not bad.any():
        return []
    failed = int((cover.count[WHAT.index("error")] * bad).sum())
    return [
        Finding(
            "Stretches of the log in which a model mostly failed",
            "An outage, a limit that was reached or, in a sorted log, a kind of request that the"
            " model cannot do. They are seen under «Where in the log», with errors. The number"
            " beside a model is that of its stretches.",
            False,
            failed,
            int(facts.failed.sum()),
            "errors fall into them",
            _most(facts.models, bad.sum(axis=1)),
        )
    ]


def _of_grades(facts: ModelFacts) -> list[Finding]:
    graded = facts.measured[:, 0]
    m = len(facts.models)
    failing = (facts.outcomes >= SAME) & (facts.errors[:, ErrorType.NONE] == 0)
    often = (facts.outcomes >= SAME) & (facts.failed > facts.outcomes / 2) & ~failing
    same = (graded >= SAME) & (facts.lowest == facts.highest) & ~failing
    few = (graded > 0) & (graded < ENOUGH)
    absent = facts.outcomes == 0

    def named(mask: NDArray[np.bool_]) -> tuple[tuple[str, int], ...]:
        return _most(facts.models, np.where(mask, np.maximum(facts.outcomes, 1), 0))

    said = (
        (
            failing,
            True,
            "Models that always fail",
            "Not one call worked: a wrong key, or a gone model.",
        ),
        (
            often,
            False,
            "Models that fail on more than half of their calls",
            "Their quality, cost and latency are mostly those of failures.",
        ),
        (
            same,
            bool(same.sum() > m / 2),  # a tool may well be right whenever it answers
            "The same grade for every answer",
            "Right for a tool that answers only what it knows; else, was it graded at all?",
        ),
        (
            few,
            True,
            f"Models with fewer than {ENOUGH} grades",
            "Their quality is a guess: look at the intervals.",
        ),
        (
            absent,
            True,
            "Models without any outcome",
            "They are named in the log and were never asked.",
        ),
    )
    return [
        Finding(title, meaning, serious, int(mask.sum()), m, "models", named(mask))
        for mask, serious, title, meaning in said
        if mask.any()
    ]
