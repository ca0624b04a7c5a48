"""What is in a log, in words: the answer of the page, and what the log cannot tell."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.evaluate.format import count, percent
from toolkit.logs.gaps import gaps
from toolkit.logs.profile import MEASURES, ModelFacts
from toolkit.schema import PROMPT, TIMESTAMP
from toolkit.ui.data_view import DataView
from toolkit.ui.data_warnings import Finding

NEARLY_ALL = 0.95
"""A model is said to have a number where so many of its outcomes have it."""
_WORDS = {"quality": "quality", "cost_usd": "cost", "latency_s": "latency", "tokens": "tokens"}


def answer(view: DataView, found: Sequence[Finding]) -> str:
    """The shape, the kind and what was measured; then how much there is to look at."""
    serious = sum(one.serious for one in found)
    notes = len(found) - serious
    look = f"{plural(serious, 'thing')} to look at before you trust it."
    if not serious:
        look = "Nothing odd was found" + (
            f"; {plural(notes, 'thing')} worth knowing." if notes else "."
        )
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
    return f"{plural(info.n_requests, 'request')}, {plural(info.n_models, 'model')}; {kind}."


def plural(number: int, word: str) -> str:
    """``1 row``, ``1,700 rows``."""
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
    share = facts.measured_share[:, [MEASURES.index(c) for c in columns]].min(axis=1)
    there = facts.answered > 0 if columns == ("quality",) else facts.outcomes > 0
    full, some = int((there & (share >= NEARLY_ALL)).sum()), int((share > 0).sum())
    if not some:
        return "nowhere"
    if (share[there] == 1).all():
        return "everywhere"
    if full == there.sum():
        return "nearly everywhere"
    if full == some:
        return f"on {count(full)} of {count(int(there.sum()))} models"
    return f"in {percent(min(facts.share(c) for c in columns))} of the {_of(columns)}"


def _of(columns: tuple[str, ...]) -> str:
    return "answers" if columns == ("quality",) else "outcomes"


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def lacks(view: DataView) -> tuple[str, ...]:
    """What the log does not hold, and what nobody can tell from it."""
    facts = view.models
    has = {name for name in MEASURES if facts.share(name) > 0}
    if not facts.answered.any():
        has.add("quality")  # all failed, and that is a quality
    if view.duplicates is not None:
        has.add(PROMPT)
    if view.period.known:
        has.add(TIMESTAMP)
    return gaps(has | {group.column for group in view.groups}, view.kind)
