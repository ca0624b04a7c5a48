"""What is in a log, in words: the answer of the page, what to look at first, what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from toolkit.evaluate.format import count, percent
from toolkit.logs.profile import MEASURES, ModelFacts, Oddities, Period
from toolkit.schema import ErrorType
from toolkit.ui.data_view import DataView

ENOUGH = 30
"""Grades that a model needs for its quality to say much."""
SAME = 20
"""So many equal grades are no chance."""
NEARLY_ALL = 0.95
"""A model is said to have a number where so many of its outcomes have it."""
_WORDS = {"quality": "quality", "cost_usd": "cost", "latency_s": "latency", "tokens": "tokens"}


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


def answer(view: DataView, found: Iterable[Finding]) -> str:
    """The shape, the kind and what was measured; then how much there is to look at."""
    serious = sum(one.serious for one in found)
    look = f"{_n(serious, 'thing')} to look at before you trust it."
    if not serious:
        look = "Nothing odd was found."
    return f"{shape(view)} {measured(view.models)} {look}"


def shape(view: DataView) -> str:
    """How large it is, and which outcomes it has."""
    info = view.info
    cells = info.n_requests * info.n_models
    kind = {
        "complete": "complete: every model answered every request",
        "logged": "one model per request, the one that served it",
        "partial": f"{percent(info.n_outcomes / max(cells, 1))} of the outcomes are there",
    }[view.kind]
    if info.n_models == 1:
        kind = "its only model answered every request"
    return f"{_n(info.n_requests, 'request')}, {_n(info.n_models, 'model')}; {kind}."


def _n(number: int, word: str) -> str:
    return f"{count(number)} {word}" + ("" if number == 1 else "s")


def measured(facts: ModelFacts) -> str:
    """Where there are numbers: «Quality is measured everywhere, cost on 49 of 71 models»."""
    places: dict[str, list[str]] = {}
    for measure, word in _WORDS.items():
        columns = ("input_tokens", "output_tokens") if measure == "tokens" else (measure,)
        places.setdefault(_where(facts, columns), []).append(word)
    parts = [f"{_listed(words)} {place}" for place, words in places.items()]
    first, place = _listed(next(iter(places.values()))), next(iter(places))
    verb = "are" if " and " in first or first == "tokens" else "is"
    parts[0] = f"{first[:1].upper()}{first[1:]} {verb} measured {place}"
    return f"{', '.join(parts)}."


def _where(facts: ModelFacts, columns: tuple[str, ...]) -> str:
    n = facts.measured[:, [MEASURES.index(c) for c in columns]].min(axis=1)
    there = facts.outcomes > 0
    whole = there & (n >= NEARLY_ALL * facts.outcomes)
    full, some = int(whole.sum()), int((n > 0).sum())
    if not some:
        return "nowhere"
    if (n == facts.outcomes).all():
        return "everywhere"
    if full == there.sum():
        return "nearly everywhere"
    if full == some:
        return f"on {count(full)} of {count(int(there.sum()))} models"
    return f"in {percent(float(n.sum() / facts.outcomes.sum()))} of the outcomes"


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def findings(view: DataView) -> list[Finding]:
    """What is odd, the serious and frequent first."""
    facts = view.models
    found = [
        *_of_outcomes(view.oddities, facts),
        *_of_times(view.oddities, view.period, view.info.n_requests),
        *_of_prompts(view),
        *_of_grades(facts),
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


def _most(
    models: tuple[str, ...], n: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> tuple[tuple[str, int], ...]:
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


def _of_grades(facts: ModelFacts) -> list[Finding]:
    graded = facts.measured[:, 0]
    m = len(facts.models)
    failing = (facts.outcomes >= SAME) & (facts.errors[:, ErrorType.NONE] == 0)
    often = (facts.outcomes >= SAME) & (facts.failed > facts.outcomes / 2) & ~failing
    same = (graded >= SAME) & (facts.lowest == facts.highest) & ~failing
    few = (graded > 0) & (graded < ENOUGH)
    absent = facts.outcomes == 0

    def named(mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[tuple[str, int], ...]:
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
            True,
            "The same grade for every answer",
            "A grade that never changes tells nothing. Was this model graded at all?",
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


def gaps(view: DataView) -> tuple[str, ...]:
    """What the log does not hold, and what nobody can tell from it."""
    facts = view.models
    found = [text for name, text in _GAPS.items() if not facts.share(name) > 0]
    if not (facts.share("input_tokens") > 0 or facts.share("output_tokens") > 0):
        found.append(_NO_TOKENS)
    if view.duplicates is None:
        found.append(_NO_PROMPTS)
    if not any(g.column == "category" for g in view.groups):
        found.append(_NO_CATEGORY)
    if not view.period.known:
        found.append(_NO_TIMES)
    if view.kind == "logged":
        found.append(_LOGGED)
    return tuple(found)


_GAPS = {
    "quality": "No quality was measured: how good answers are cannot be shown. Grade some, or"
    " import a file of scores.",
    "cost_usd": "No cost was measured, and no list price is known: cost cannot be shown.",
    "latency_s": "No latency was measured: waiting times and timeouts cannot be shown.",
}
_NO_TOKENS = "No tokens were counted: costs cannot be estimated from list prices."
_NO_PROMPTS = (
    "There are no prompts: rules on words, and a look at what was asked, are not possible."
)
_NO_CATEGORY = "There are no categories: quality is shown for each model as a whole."
_NO_TIMES = (
    "There are no times: days, outages and drift cannot be shown, and a replay keeps the order of"
    " the log."
)
_LOGGED = (
    "Each request was seen under one model only: what another model would have answered is not in"
    " this log, and a replay leaves such requests out."
)
