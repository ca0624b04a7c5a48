"""The walk over a policy that finds what can be tuned, and over which range."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.search.tunables import Kind, Tunable, tidy
from toolkit.policy.conditions import Condition
from toolkit.policy.guards import Breaker, Cache
from toolkit.policy.model import Chain, Policy, Route
from toolkit.policy.router_rule import RouterRule
from toolkit.policy.steps import ModelStep
from toolkit.schema import INPUT_TOKENS, ErrorType

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset

MOST_ROWS = 20_000
"""Rows of the log that ranges are read from; more would not move them."""


class Places:
    """The places of one policy on one dataset."""

    def __init__(self, policy: Policy, dataset: Dataset) -> None:
        self.policy, self.dataset = policy, dataset
        self.step = max(1, dataset.n_requests // MOST_ROWS)

    def all(self) -> Iterator[Tunable]:
        """Every place, rules first."""
        policy = self.policy
        for i, route in enumerate(policy.routes):
            yield from self._thresholds(route.when, f"routes.{i}.when", route.name)
            yield from self._lead(route, i)
        used = self._chains_like(policy.default)
        if len(used) > 1:
            words = "chain of all other requests" if policy.routes else "chain of all requests"
            yield Tunable("default", words, "choice", "chains", policy.default, choices=used)
        for name, chain in policy.chains.items():
            yield from self._chain(name, chain)
        if policy.cache is not None:
            yield from self._cache(policy.cache)
        for name, model in policy.models.items():
            if model.breaker is not None:
                yield from _breaker(name, model.breaker)
        if policy.retry_budget is not None:
            share = policy.retry_budget.share
            words = "retries and second calls, as a share of requests in progress"
            path = "retry_budget.share"
            yield Tunable(path, words, "number", "protection", share, 0.0, 1.0)
        if policy.shedding is not None:
            most = policy.shedding.max_in_progress
            words, path = "most requests in progress", "shedding.max_in_progress"
            high = max(1000, most)
            yield Tunable(path, words, "integer", "protection", most, 1, high, log=True)

    def _thresholds(self, when: Condition, where: str, rule: str) -> Iterator[Tunable]:
        for column, operator, value in when.tests():
            if operator in _COMPARISONS:
                yield from self._threshold(f"{where}.{column}.{operator}", rule, column, value)
        for word, parts in (("all", when.all), ("any", when.any)):
            for i, part in enumerate(parts or ()):
                yield from self._thresholds(part, f"{where}.{word}.{i}", rule)
        if when.not_ is not None:
            yield from self._thresholds(when.not_, f"{where}.not", rule)

    def _threshold(self, path: str, rule: str, column: str, value: float) -> Iterator[Tunable]:
        numbers = self._column(column)
        if len(numbers) == 0:
            return
        low, high = (float(end) for end in np.quantile(numbers, [0.01, 0.99]))
        if low == high:
            return
        whole = bool((numbers == np.round(numbers)).all()) and float(value).is_integer()
        if whole:
            low, high = float(np.floor(low)), float(np.ceil(high))
        operator = _COMPARISONS[path.rpartition(".")[2]]
        yield Tunable(
            path,
            f"rule {rule}: {column} {operator}",
            "integer" if whole else "number",
            "rules",
            value,
            min(low, value),
            max(high, value),
            unit="tokens" if column == INPUT_TOKENS else "",
            log=min(low, value) > 0 and high / low > 50,
        )

    def _column(self, column: str) -> NDArray[np.float64]:
        """The numbers of a request column that are there, maybe of some rows only."""
        from toolkit.policy.cells import cells

        if column not in self.dataset.requests.column_names:
            return np.empty(0)
        numbers = cells(self.dataset.requests, column).numbers
        numbers = np.empty(0) if numbers is None else numbers[:: self.step]
        return numbers[np.isfinite(numbers)]

    def _lead(self, route: Route, i: int) -> Iterator[Tunable]:
        if route.router is not None:
            yield from _router(route, route.router, f"routes.{i}.router")
            return
        if route.split is None:
            assert route.use is not None
            choices = self._chains_like(route.use)
            if len(choices) > 1:
                words = f"chain of rule {route.name}"
                yield Tunable(
                    f"routes.{i}.use", words, "choice", "chains", route.use, choices=choices
                )
            return
        for j, share in enumerate(route.split[: len(route.split) if len(route.split) > 2 else 1]):
            others = sum(other.weight for other in route.split) - share.weight
            if others <= 0:
                continue
            yield Tunable(
                f"routes.{i}.split.{j}.weight",
                f"rule {route.name}: weight of {share.use}, against {others:g} of the rest",
                "number",
                "rules",
                share.weight,
                min(share.weight, tidy(others / 99)),
                max(share.weight, tidy(others * 99)),
                log=True,  # the logarithm of a weight is even in the odds of the share
            )

    def _chains_like(self, name: str) -> tuple[str, ...]:
        """The chains that fall back on no error that this one was told not to fall back on."""
        chains = self.policy.chains
        told = chains[name].fallback_on is not None
        allowed = set(chains[name].fallback_errors) if told else set(ErrorType)
        return tuple(
            other
            for other, chain in chains.items()
            if other == name or set(chain.fallback_errors) <= allowed
        )

    def _chain(self, name: str, chain: Chain) -> Iterator[Tunable]:
        steps = [step for step in chain.steps if isinstance(step, ModelStep)]
        several = len(chain.steps) > 1
        for i, step in enumerate(chain.steps):
            if isinstance(step, ModelStep):
                yield from self._step(name, i, step)
        place = f"chains.{name}"
        latency = [self._quantiles("latency_s", step.model) for step in steps]
        if latency and all(latency):
            tries = [one[2] * (1 + step.retries) for one, step in zip(latency, steps, strict=True)]
            yield from _limit(
                f"{place}.deadline_s", f"deadline of {name}", chain.deadline_s,
                max(one[1] for one in latency), sum(tries), "time limits", "s",
            )  # fmt: skip
        cost = [self._quantiles("cost_usd", step.model) for step in steps]
        if several and cost and all(cost) and cost[0][0] > 0:
            yield from _limit(
                f"{place}.max_cost_usd", f"most to spend on a request in {name}",
                chain.max_cost_usd, cost[0][0], sum(one[2] for one in cost), "cost", "USD",
            )  # fmt: skip
        if several and ErrorType.INVALID_OUTPUT in chain.fallback_errors:
            now = tuple(e.label for e in chain.fallback_errors)
            without = tuple(label for label in now if label != ErrorType.INVALID_OUTPUT.label)
            words = f"errors after which {name} goes on"
            yield Tunable(
                f"{place}.fallback_on", words, "choice", "chains", chain.fallback_on,
                choices=(chain.fallback_on, without),
            )  # fmt: skip
        if self.policy.cache is not None:
            words = f"whether the cache serves {name}"
            yield Tunable(
                f"{place}.cache", words, "choice", "cache", chain.cache, choices=(True, False)
            )

    def _step(self, chain: str, i: int, step: ModelStep) -> Iterator[Tunable]:
        place = f"chains.{chain}.steps.{i}"
        if len(self.policy.models) > 1:
            words, models = f"model of step {i + 1} of {chain}", tuple(self.policy.models)
            yield Tunable(f"{place}.model", words, "choice", "models", step.model, choices=models)
        latency = self._quantiles("latency_s", step.model)
        of = f"of {step.model} in {chain}"
        if latency:
            yield from _limit(
                f"{place}.timeout_s", f"timeout {of}", step.timeout_s, latency[0], latency[2],
                "time limits", "s",
            )  # fmt: skip
        high = max(3, step.retries)
        yield Tunable(
            f"{place}.retries", f"retries {of}", "integer", "retries", step.retries, 0, high
        )
        if step.retries:
            yield from _limit(
                f"{place}.backoff_s", f"wait before a retry {of}", step.backoff_s, 0.05, 5.0,
                "retries", "s",
            )  # fmt: skip
        if step.hedge is not None and latency:
            yield from _limit(
                f"{place}.hedge.after_s", f"second call {of} after", step.hedge.after_s,
                latency[0], latency[2], "time limits", "s",
            )  # fmt: skip

    def _quantiles(self, matrix: str, model: str) -> tuple[float, ...]:
        """The 10 %, 50 % and 99.5 % points of what a model took; empty where not measured."""
        return self._ranges.get((matrix, self.policy.log_name(model)), ())

    @cached_property
    def _ranges(self) -> dict[tuple[str, str], tuple[float, ...]]:
        dataset, found = self.dataset, {}
        for model in {self.policy.log_name(name) for name in self.policy.models}:
            for matrix in ("latency_s", "cost_usd") if model in dataset.models else ():
                values = getattr(dataset, matrix)[:: self.step, dataset.models.index(model)]
                values = values[np.isfinite(values)]
                if len(values):
                    ends = np.quantile(values, [0.1, 0.5, 0.995])
                    found[matrix, model] = tuple(float(end) for end in ends)
        return found

    def _cache(self, cache: Cache) -> Iterator[Tunable]:
        if cache.kind == "semantic":
            words = "how alike two requests must be to share an answer"
            yield Tunable(
                "cache.threshold", words, "number", "cache", cache.threshold,
                min(0.7, cache.threshold), 1.0,
            )  # fmt: skip
        yield from _limit(
            "cache.ttl_s", "how long a cached answer is fresh", cache.ttl_s, 10.0, 604_800.0,
            "cache", "s",
        )  # fmt: skip


_COMPARISONS = {"lt": "below", "lte": "at most", "gt": "above", "gte": "at least"}


def _limit(
    path: str, words: str, now: float | None, low: float, high: float, group: str, unit: str
) -> Iterator[Tunable]:
    """A positive number on a scale of ratios, its range widened to the current value."""
    low, high = max(tidy(low), 1e-6), tidy(high)
    if now:
        low, high = min(low, now), max(high, now)
    if low < high:
        yield Tunable(path, words, "number", group, now, low, high, unit=unit, log=True)


def _router(route: Route, router: RouterRule, place: str) -> Iterator[Tunable]:
    """The knob of a router: how much quality it asks for, or what it may cost."""
    way, now = router.rule
    words, low, high, unit = _ROUTER[way]
    # A router's probabilities are of little use below one half, and a price has no upper end.
    low, high = (low, high) if way == "min_quality" else (min(low, now / 100), max(high, now * 100))
    log = way != "min_quality" and now > 0
    yield Tunable(
        f"{place}.{way}", f"rule {route.name}: {words}", "number", "rules", now,
        min(low, now), max(high, now), unit=unit, log=log,
    )  # fmt: skip


_ROUTER = {
    "min_quality": ("probability of a good answer that its router asks for", 0.5, 0.99, ""),
    "max_cost_usd": ("most that its router expects to pay for a request", 1e-4, 0.1, "USD"),
    "tradeoff_usd_per_point": ("what a point of quality is worth to its router", 1e-3, 1.0, "USD"),
}


def _breaker(model: str, breaker: Breaker) -> Iterator[Tunable]:
    for key, words, kind, low, high, unit in _BREAKER:
        now = getattr(breaker, key)
        yield Tunable(
            f"models.{model}.breaker.{key}", f"breaker of {model}: {words}", kind, "protection",
            now, min(low, now), max(high, now), unit=unit, log=True,
        )  # fmt: skip


_BREAKER: tuple[tuple[str, str, Kind, float, float, str], ...] = (
    ("failure_rate", "share of failed calls that opens it", "number", 0.05, 1.0, ""),
    ("window_s", "how far back calls count", "number", 5.0, 600.0, "s"),
    ("min_calls", "fewest calls that open it", "integer", 1, 200, ""),
    ("open_s", "how long it stays open", "number", 1.0, 600.0, "s"),
    ("probes", "calls that must succeed to close it", "integer", 1, 10, ""),
)
