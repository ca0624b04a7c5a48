"""Parts of a policy in words, for people who do not read YAML."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from toolkit.policy.conditions import Condition
from toolkit.policy.guards import Breaker, Cache, Limits, RetryBudget, Shedding
from toolkit.policy.model import Goals, Model, Policy, Route
from toolkit.policy.router_rule import RouterRule
from toolkit.policy.steps import DegradeStep, StaleStep, Step

_OPERATORS = {
    "eq": "is",
    "ne": "is not",
    "in": "is one of",
    "not_in": "is none of",
    "lt": "is below",
    "lte": "is at most",
    "gt": "is above",
    "gte": "is at least",
    "matches": "matches",
    "contains": "contains",
}


def condition_in_words(condition: Condition) -> str:
    """For example ``category is one of 'facts', 'topic' and input_tokens is below 400``."""
    return " and ".join(_parts(condition))


def route_in_words(route: Route) -> str:
    """Where a route leads, such as ``cheap`` or ``90 % cheap, 10 % strong, by user``."""
    if route.router is not None:
        models = "all models" if route.use is None else f"the models of {route.use}"
        return f"{models}, {router_in_words(route.router)}"
    if route.split is None:
        return str(route.use)
    text = ", ".join(f"{100 * share:.3g} % {name}" for name, share in route.shares)
    return f"{text}, by {route.sticky_by}" if route.sticky_by else text


def router_in_words(router: RouterRule) -> str:
    """For example ``in the order of router easy: first the cheapest with P ≥ 0.85``."""
    way, value = router.rule
    if way == "min_quality":
        first = f"the cheapest with a probability of at least {value:g}"
    elif way == "max_cost_usd":
        first = f"the best for at most ${_number(value)} a request"
    else:
        first = f"the best where a point of quality is worth ${_number(value)} per 1,000 requests"
    stand = f"{router.fallbacks} more" if router.fallbacks else "no other"
    unlike = "" if router.abstain_above == 1 else "; what is like nothing it knows: the default"
    return f"in the order of router {router.name}: first {first}, then {stand}{unlike}"


def step_in_words(step: Step) -> str:
    """For example ``small (up to 4 s, 1 retry, a second call after 2 s)``."""
    if isinstance(step, StaleStep):
        return "an older answer from the cache"
    if isinstance(step, DegradeStep):
        return f"{'say' if step.degrade == 'message' else 'refuse with'} “{step.text}”"
    notes = [] if step.timeout_s is None else [f"up to {step.timeout_s:g} s"]
    if step.retries:
        notes.append("1 retry" if step.retries == 1 else f"{step.retries} retries")
    if step.hedge is not None:
        to = f" to {step.hedge.model}" if step.hedge.model else ""
        notes.append(f"a second call{to} after {step.hedge.after_s:g} s")
    return f"{step.model} ({', '.join(notes)})" if notes else step.model


def breaker_in_words(breaker: Breaker) -> str:
    """For example ``paused for 30 s once 50 % of at least 10 calls in 1 min fail, …``."""
    probes = "1 call has" if breaker.probes == 1 else f"{breaker.probes} calls in a row have"
    counted = "" if breaker.on is None else f" with {_listed(breaker.on)}"
    return (
        f"paused for {span(breaker.open_s)} once {_percent(breaker.failure_rate)} of at least "
        f"{_number(breaker.min_calls)} calls in {span(breaker.window_s)} fail{counted}, "
        f"back when {probes} succeeded"
    )


def limits_in_words(limits: Limits) -> str:
    """For example ``at most 600 requests and 90,000 tokens a minute, 20 calls at a time``."""
    rates = {"requests": limits.requests_per_min, "tokens": limits.tokens_per_min}
    per_min = " and ".join(f"{_number(rate)} {what}" for what, rate in rates.items() if rate)
    parts = [f"{per_min} a minute"] if per_min else []
    if limits.concurrency:
        calls = "1 call" if limits.concurrency == 1 else f"{_number(limits.concurrency)} calls"
        parts.append(f"{calls} at a time")
    return f"at most {', '.join(parts)}"


def model_in_words(model: Model) -> str:
    """What is set of a model besides its names, such as ``of openai; paused for 30 s once …``."""
    operator = [] if model.operator is None else [f"of {model.operator}"]
    return "; ".join([*operator, *_guards(model)])


def cache_in_words(cache: Cache) -> str:
    """For example ``the same request gets the same answer for 1 h``."""
    who = "the same request gets"
    if cache.key is not None:
        who = f"requests of the same {' and '.join(cache.key)} get"
    if cache.kind == "semantic":
        who = f"requests at least {cache.threshold:g} alike get"
    parts = [f"{who} the same answer for {span(cache.ttl_s)}"]
    if cache.stale_if_error_s:
        parts.append(f"up to {span(cache.stale_if_error_s)} longer where models fail")
    return ", ".join(parts)


def budget_in_words(budget: RetryBudget) -> str:
    """For example ``retries and second calls for at most 20 % of the requests in progress, …``."""
    always = f", and {_number(budget.min_retries)} in any case" if budget.min_retries else ""
    share = f"{_percent(budget.share)} of the requests in progress"
    return f"retries and second calls for at most {share}{always}"


def shedding_in_words(shedding: Shedding) -> str:
    """For example ``no model is asked for what comes while 100 requests are in progress``."""
    most = (
        "1 request is"
        if shedding.max_in_progress == 1
        else (f"{_number(shedding.max_in_progress)} requests are")
    )
    text = f"no model is asked for what comes while {most} in progress"
    rooms = ", ".join(f"{_number(room)} for {value}" for value, room in shedding.limits.items())
    return f"{text} ({shedding.priority_by}: {rooms})" if rooms else text


def protection(policy: Policy) -> list[tuple[str, str]]:
    """What guards the policy when models fail or are busy: (what, how), models first."""
    guards = {name: _guards(model) for name, model in policy.models.items()}
    found = [(name, "; ".join(parts)) for name, parts in guards.items() if parts]
    found += [
        (name, f"only models that can do it, where {condition_in_words(when)}")
        for name, when in policy.requires.items()
    ]
    if policy.retry_budget is not None:
        found.append(("extra calls", budget_in_words(policy.retry_budget)))
    if policy.shedding is not None:
        found.append(("overload", shedding_in_words(policy.shedding)))
    if policy.daily_cost_usd is not None:
        most = _number(policy.daily_cost_usd)
        found.append(("spending", f"no model is asked once ${most} are spent on a day (UTC)"))
    if policy.cache is not None:
        found.append((f"{policy.cache.kind} cache", cache_in_words(policy.cache)))
    return found


def protection_in_words(policy: Policy) -> list[str]:
    """`protection`, one text for each part that is set."""
    return [f"{what}: {how}" for what, how in protection(policy)]


def span(seconds: float) -> str:
    """A duration in the largest unit that fits it evenly, such as ``90 s``, ``2 h``."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{_number(seconds / length)} {unit}"
    return f"{_number(seconds)} s"


def goals_in_words(goals: Goals) -> list[str]:
    """For example ``quality: at least 0.85``, one text for each goal that is set."""
    return [
        f"{name}: {' and '.join(limit_in_words(key, value) for key, value in goal.items())}"
        for name, goal in goals.to_data().items()
    ]


def limit_in_words(key: str, value: float, show: Callable[[float], str] = "{:g}".format) -> str:
    """One limit of a goal: ``at least 0.85``, ``at most 0.01 below the baseline``.

    ``show`` writes amounts, always without a sign.
    """
    if key in {"min", "max"}:
        return f"{'at least' if key == 'min' else 'at most'} {show(value)}"
    if key == "max_ratio":
        return f"at most {value:g} times the baseline"
    falls = value < 0
    if not value:
        return f"not {'below' if key == 'min_change' else 'above'} the baseline"
    end = "at most" if falls == (key == "min_change") else "at least"
    return f"{end} {show(abs(value))} {'below' if falls else 'above'} the baseline"


def _guards(model: Model) -> list[str]:
    parts = []
    if model.context_window_tokens is not None:
        parts.append(f"prompts up to {_number(model.context_window_tokens)} tokens")
    if model.supports is not None:
        parts.append(f"can do {_listed(model.supports) or 'nothing of what is required'}")
    if model.breaker is not None:
        parts.append(breaker_in_words(model.breaker))
    if model.limits is not None:
        parts.append(limits_in_words(model.limits))
    return parts


def _number(value: float) -> str:
    return f"{value:,.15g}"


def _percent(share: float) -> str:
    return f"{100 * share:.6g} %"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def _parts(condition: Condition) -> list[str]:
    parts = [_test(column, operator, value) for column, operator, value in condition.tests()]
    if condition.all is not None:
        parts += [_bracketed(part) for part in condition.all]
    if condition.any is not None:
        text = " or ".join(_bracketed(part) for part in condition.any)
        parts.append(f"({text})" if len(condition.any) > 1 else text)
    if condition.not_ is not None:
        parts.append(f"not ({condition_in_words(condition.not_)})")
    return parts


def _bracketed(condition: Condition) -> str:
    parts = _parts(condition)
    return parts[0] if len(parts) == 1 else f"({' and '.join(parts)})"


def _test(column: str, operator: str, value: object) -> str:
    if operator == "exists":
        return f"{column} is present" if value else f"{column} is missing"
    values = value if isinstance(value, tuple) else (value,)
    return f"{column} {_OPERATORS[operator]} {', '.join(map(_value, values))}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.15g}" if isinstance(value, float) else repr(value)
