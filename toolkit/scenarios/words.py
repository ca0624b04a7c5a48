"""A scenario in plain English: what goes wrong, with whom and when."""

from __future__ import annotations

from toolkit.scenarios.model import Arrivals, Fault, Scenario

_NAMES = {
    "primary": "the first model",
    "fallback": "the second model",
    "all": "every model",
}


def describe(scenario: Scenario) -> list[str]:
    """Return a sentence for how requests arrive and one for each fault, in their order."""
    return [arrivals_in_words(scenario.arrivals), *map(fault_in_words, scenario.faults)]


def arrivals_in_words(arrivals: Arrivals | None) -> str:
    """Return how requests arrive.

    >>> arrivals_in_words(None)
    'Each request of the log arrives once, at its own time.'
    """
    if arrivals is None:
        return "Each request of the log arrives once, at its own time."
    if arrivals.trace is not None:
        name = arrivals.trace.replace("\\", "/").rpartition("/")[2]
        return f"Requests drawn from the log arrive at the times in {name}."
    assert arrivals.for_s is not None
    how = "evenly" if arrivals.pattern == "even" else "at random"
    rate, duration = f"{arrivals.per_s:g} a second", clock(arrivals.for_s)
    return f"Requests drawn from the log arrive {how}, {rate}, for {duration}."


def fault_in_words(fault: Fault) -> str:
    """Return one fault as a sentence, times as minutes and seconds since the start.

    >>> fault_in_words(Fault(brownout={"factor": 5}, models="primary", at_s=1200, for_s=600))
    'From 20:00 to 30:00, the first model takes 5 times as long.'
    """
    return f"{when(fault)}, {whom(fault)} {_what(fault)}."


def label(fault: Fault) -> str:
    """Return a fault in few words, for a figure.

    >>> label(Fault(outage={}, models=["small", "large"]))
    'outage of small and large'
    """
    wrong = fault.invalid_answers and fault.invalid_answers.kind == "wrong"
    what = "wrong answers" if wrong else fault.kind.replace("_", " ")
    if fault.spike:
        return f"spike × {fault.spike.factor:g}"
    if changed := fault.brownout or fault.price:
        what += f" × {changed.factor:g}"
    if fault.withdrawn:
        return f"{whom(fault)} withdrawn"
    if fault.flapping:
        return f"{whom(fault)} flapping"
    return f"{what} of {whom(fault)}"


def whom(fault: Fault) -> str:
    """Return whom a fault hits, in words."""
    if fault.spike:
        return "there"
    if fault.provider is not None:
        owner = "the first model's provider" if fault.provider == "primary" else fault.provider
        return f"every model of {owner}"
    names = [_NAMES.get(name, name) for name in fault.models or ()]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def when(fault: Fault) -> str:
    """Return when a fault acts, in words that begin a sentence."""
    if fault.for_s is None:
        return "All the time" if not fault.at_s else f"From {clock(fault.at_s)} on"
    return f"From {clock(fault.at_s)} to {clock(fault.end_s)}"


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds, with hours where there are any.

    >>> clock(90), clock(3600), clock(0.25)
    ('1:30', '1:00:00', '0:00.25')
    """
    whole, part = divmod(round(seconds, 2), 1)
    minutes, rest = divmod(int(whole), 60)
    tail = f"{rest:02d}" + f"{part:.2f}".rstrip("0")[1:].rstrip(".")
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


_WHAT = {
    "outage": "{answer} nothing ({0.error})",
    "flapping": "{answer} nothing for {0.down_s:g} of every {0.period_s:g} seconds ({0.error})",
    "withdrawn": "{is_} no longer offered ({0.error})",
    "rate_limit": "{take} only {0.requests_per_min:g} calls a minute",
    "overload": "{get} slower when more than {0.concurrency} calls are under way",
    "brownout": "{take} {0.factor:g} times as long",
    "invalid_output": "{answer} {share:g} % of calls with what cannot be used",
    "wrong": "{answer} {share:g} % of calls wrongly",
    "price": "{cost} {0.factor:g} times as much",
    "spike": "are {0.factor:g} times as many requests a second",
}


def _what(fault: Fault) -> str:
    several = fault.provider is None and len(fault.models or ()) > 1
    verbs = {verb: verb if several else f"{verb}s" for verb in ("answer", "cost", "get", "take")}
    bad = fault.invalid_answers
    return _WHAT[bad.kind if bad else fault.kind].format(
        getattr(fault, fault.kind),
        **verbs,
        is_="are" if several else "is",
        share=100 * bad.share if bad else 0,
    )
