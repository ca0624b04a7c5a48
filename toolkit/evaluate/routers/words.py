"""What a training comes to, in words: does learning beat what needs no learning?

A router counts as better where the interval of the paired difference leaves out 0: averaged over
the budgets up to that of the best single model, or, where no costs are known, by APGR (two models)
or by the quality of its best setting.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from toolkit.evaluate.differences import LEVEL, needed
from toolkit.evaluate.discoveries import holm, p_value
from toolkit.evaluate.format import (
    counted,
    number_interval,
    percent,
    points_interval,
)
from toolkit.evaluate.goals import listed
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.verdict import about

if TYPE_CHECKING:
    from toolkit.evaluate.routers.rivals import Rival
    from toolkit.evaluate.routers.training import Training


def against(training: Training, rival: Rival) -> Estimate:
    """By how much the router is better than a rival: what a verdict goes by, paired."""
    if rival.kind in {"single", "oracle"} or (rival.kind == "random" and training.pair is None):
        return rival.difference
    return rival.gain if training.aiq is not None else _without_costs(training, rival)


def _without_costs(training: Training, rival: Rival) -> Estimate:
    return rival.difference if training.pair is None else rival.apgr_gain


def chance(training: Training) -> Rival:
    """What routing without any knowledge reaches: without costs of three models, the best one."""
    kinds = ("zero",) if training.aiq is not None else ("random",) if training.pair else ("single",)
    found = training.rival(kinds[0])
    assert found is not None  # there always is one
    return found


def skill(training: Training) -> bool | None:
    """The router is surely better than chance, surely is not, or (None) nobody can tell."""
    gain = against(training, chance(training))
    if math.isnan(gain.low):
        return None
    return gain.low > 0


def verdict(training: Training) -> str:
    """The answer: better than what needs no learning, by how much, and what to do."""
    lead = _lead(training)
    able = skill(training)
    if training.logged is not None and training.logged.deterministic:
        return (
            "What this router is worth cannot be told: nothing in the log was left to chance, so "
            f"what follows is what the router itself foretells. {lead}"
        )
    if able is None:
        return f"Whether the router beats chance cannot be told: {_why_unknown(training)}. {lead}"
    if not able:
        return f"{_nothing(training)} {lead}"
    table = table_instead(training)
    told = [_told(training, one) for one in _compared(training)]
    if table is not None:
        word = "better" if against(training, table).high < 0 else "as good"
        return (
            f"A {table.name.replace('lookup', 'lookup table')} is {word}: use that. It needs no "
            f"training, and everybody can read it. The router is {listed(told)}. {lead}"
        )
    return f"The router is {listed(told)}. {lead}"


def table_instead(training: Training) -> Rival | None:
    """The lookup table, where it should be used in place of the router."""
    table, able = training.rival("lookup"), skill(training)
    if table is None or able is None or (training.logged and training.logged.deterministic):
        return None
    gain = against(training, table)
    # A router without skill is no reason for a table, unless the table is surely better.
    return table if (not gain.low > 0 if able else gain.high < 0) else None


def advised(training: Training) -> bool:
    """The verdict does not speak against asking the router."""
    blind = training.logged is not None and training.logged.deterministic
    return skill(training) is True and not blind


def _compared(training: Training) -> list[Rival]:
    kinds = ("lookup", "neighbours")
    others = [training.rival(kind) for kind in kinds]
    return [chance(training), *(one for one in others if one is not None)]


def _told(training: Training, rival: Rival) -> str:
    """``better than X (+1.2 points [+0.5, +1.9])``."""
    gain = against(training, rival)
    if math.isnan(gain.low):
        return f"not to be told from {_name(rival)}"
    return f"{_word(gain)} {_name(rival)} ({_amount(training, gain)})"


def _word(gain: Estimate) -> str:
    if gain.low > 0:
        return "better than"
    return "worse than" if gain.high < 0 else "not distinguishable from"


def _amount(training: Training, gain: Estimate) -> str:
    if training.aiq is None and training.pair is not None:
        return f"APGR {'+' if gain.value > 0 else ''}{number_interval(gain)}"
    return points_interval(gain)


def _name(rival: Rival) -> str:
    return {
        "zero": "the best mix of single models (zero router)",
        "random": "a random mix",
        "neighbours": "nearest neighbours on the same columns",
        "lookup": f"a lookup table by {rival.column}",
    }.get(rival.kind, f"the best single model, {rival.name}")


def _nothing(training: Training) -> str:
    """The router has no skill."""
    rival = chance(training)
    gain = against(training, rival)
    told = _amount(training, gain)
    more = needed(gain, training.n_judged)
    if gain.high >= 0 and math.isfinite(more):
        told += f"; {about(more)} requests like these would decide it"
    knows = _knows(training)
    lead = "The router found nothing to learn here: it"
    if knows:
        means = "its mean does" if knows == 1 else "their means do"
        sure = "loses" if gain.high < 0 else "gains nothing surely"
        lead = f"The router foretells {counted(knows, 'model')} better than {means}, and {sure}: it"
    use = _instead(training)
    return f"{lead} is {_word(gain)} {_name(rival)} ({told}). Do not use it; {use}."


def _instead(training: Training) -> str:
    """What to use in place of a router without skill."""
    sure, table, best = (
        table_instead(training),
        training.rival("lookup"),
        training.rival("single"),
    )
    if sure is not None:
        return f"a lookup table by {sure.column} is better"
    if best is None:
        return "use a rule"
    alone, rule = best.point.quality, f"use {best.name} alone, or a rule"
    if table is None or not table.point.quality.value > alone.value:
        return rule
    # Each by itself: who reads of the one should know of the other.
    return (
        f"{rule}: a lookup table by {table.column} has {number_interval(table.point.quality)} at "
        f"its best, {best.name} {number_interval(alone)}"
    )


def _knows(training: Training) -> int:
    """Models of which it foretells more than the mean does, surely with all looked at together."""
    gains = [one.brier_gain for one in training.calibration]
    p = holm([p_value(gain) if gain.value > 0 else 1.0 for gain in gains])
    return sum(bool(value < LEVEL) for value in p)


def _why_unknown(training: Training) -> str:
    if training.pair is not None:
        return "that one of the two models is better than the other is not sure enough"
    return f"{counted(training.n_judged, 'request')} are too few"


def _lead(training: Training) -> str:
    """What it reaches, beside the best single model."""
    best = training.rival("single")
    if best is None:
        return ""
    own, quality, money = best.point, best.point.quality.value, training.money
    if training.aiq is None:
        top = training.thresholds.points[-1].quality
        return (
            f"Out of fold on {counted(training.n_judged, 'request')} it reaches a quality of "
            f"{number_interval(top)} where it asks the likeliest model; {best.name} alone has "
            f"{number_interval(own.quality)}."
        )
    price = money.each(own.cost_usd_per_1k.value)
    same = training.curve.cost_for(quality)
    alone = f"{best.name} alone has {number_interval(own.quality)} at {price}"
    where = f"Out of fold on {counted(training.n_judged, 'request')}"
    if math.isfinite(same) and same < own.cost_usd_per_1k.value:
        less = percent(1 - same / own.cost_usd_per_1k.value)
        return (
            f"{where} the router has the quality of the best model for {money.each(same)}, {less} "
            f"less: {alone}."
        )
    last = training.curve.hull[-1]
    return (
        f"{where} the router reaches {number_interval(last.quality)} at "
        f"{money.each(last.cost_usd_per_1k.value)}; {alone}."
    )
