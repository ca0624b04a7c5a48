"""What requests share, in plain Python: breakers, limits, the cache, and a world with faults.

Written from the words of the policy's fields alone, apart from the engine.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.reference import NAN, Cell, Log, uniform
from toolkit.policy import guards as written
from toolkit.scenarios import faults as codes
from toolkit.scenarios.faults import Faults
from toolkit.schema import ErrorType

TINY = 1e-9
"""Levels and what is left of a deadline are compared with this tolerance."""

Similarity = Callable[[int, int], float]
"""The cosine of two requests' prompts, by their rows."""


@dataclass
class Bucket:
    """Tokens that come back at a steady rate, full at first."""

    per_s: float
    capacity: float
    since: float = 0.0
    level: float = field(init=False)

    def __post_init__(self) -> None:
        self.level = self.capacity

    def at(self, now: float) -> float:
        """The level at a time not before the last."""
        self.level = min(self.capacity, self.level + (now - self.since) * self.per_s)
        self.since = now
        return self.level

    def lacks_s(self, need: float, now: float) -> float:
        """Seconds until there is enough; 0 if there is."""
        lack = need - self.at(now)
        return 0.0 if lack <= TINY else lack / self.per_s

    def take(self, amount: float, now: float) -> None:
        """Take more than there is, if need be."""
        self.level = self.at(now) - amount


class Limits:
    """The most that is asked of one model."""

    def __init__(self, limits: written.Limits | None) -> None:
        self.requests = self.tokens = None
        self.concurrency = math.inf
        if limits is None:
            return
        if limits.requests_per_min is not None:
            per_s = limits.requests_per_min / 60
            self.requests = Bucket(per_s, max(1.0, per_s * limits.burst_s))
        if limits.tokens_per_min is not None:
            per_s = limits.tokens_per_min / 60
            self.tokens = Bucket(per_s, per_s * limits.burst_s)
        if limits.concurrency is not None:
            self.concurrency = limits.concurrency

    def lack_s(self, tokens: float, now: float) -> float:
        """Seconds until both buckets suffice for a request of so many tokens."""
        wait = 0.0
        if self.requests is not None:
            wait = self.requests.lacks_s(1.0, now)
        if self.tokens is not None:
            need = min(tokens, self.tokens.capacity)
            wait = max(wait, self.tokens.lacks_s(need, now))
        return wait

    def take(self, tokens: float, now: float) -> None:
        """A call starts."""
        if self.requests is not None:
            self.requests.take(1.0, now)
        self.take_tokens(tokens, now)

    def take_tokens(self, tokens: float, now: float) -> None:
        """So many tokens were sent or came back."""
        if self.tokens is not None:
            self.tokens.take(tokens, now)


class Breaker:
    """One model's breaker; without rules it is always closed."""

    def __init__(self, rules: written.Breaker | None, note: Callable[[float, str], None]) -> None:
        self.rules = rules
        self.note = note
        self.failing = set() if rules is None else {e.label for e in rules.counted_errors}
        self.state = "closed"
        self.generation = 0
        self.opened_at = -math.inf
        self.issued = self.succeeded = 0
        self.calls: list[tuple[int, bool]] = []
        """(tenth of a window in which it ended, failed) of the last ten, since it last closed"""

    def change(self, state: str, now: float) -> None:
        """Whatever was admitted before no longer counts."""
        self.state = state
        self.generation += 1
        self.issued = self.succeeded = 0
        self.calls = []
        if state == "open":
            self.opened_at = now
        self.note(now, state)

    def still_open(self, then: float) -> bool:
        """Whether it would refuse at that time because it is open."""
        if self.rules is None or self.state != "open":
            return False
        return then < self.opened_at + self.rules.open_s

    def admits(self, now: float) -> bool:
        """Whether a call may start."""
        if self.state == "half_open":
            return self.issued < self.rules.probes
        return not self.still_open(now)

    def admit(self, now: float) -> int:
        """A call starts; its ticket."""
        if self.state == "open":
            self.change("half_open", now)
        if self.state == "half_open":
            self.issued += 1
        return self.generation

    def give_back(self, ticket: int) -> None:
        """The call was not needed."""
        if self.state == "half_open" and ticket == self.generation:
            self.issued -= 1

    def record(self, ticket: int, error: str | None, now: float) -> None:
        """The call ended."""
        if self.rules is None or ticket != self.generation:
            return
        failed = error in self.failing
        if self.state == "half_open":
            if failed:
                self.change("open", now)
                return
            self.succeeded += 1
            if self.succeeded == self.rules.probes:
                self.change("closed", now)
        elif self.state == "closed":
            tenth = math.floor(now / (self.rules.window_s / 10))
            self.calls = [(b, bad) for b, bad in self.calls if b > tenth - 10]
            self.calls.append((tenth, failed))
            rate = sum(bad for _, bad in self.calls) / len(self.calls)
            if len(self.calls) >= self.rules.min_calls and rate >= self.rules.failure_rate:
                self.change("open", now)


@dataclass
class Entry:
    """A kept answer."""

    row: int
    quality: float
    imputed: bool
    stored_at: float


class Cache:
    """Accepted answers by key, the one used longest ago first."""

    def __init__(self, rules: written.Cache, log: Log, similar: Similarity) -> None:
        self.rules = rules
        self.log = log
        self.similar = similar
        scope = rules.scope if rules.scope is not None else ("tenant",)
        exact = rules.key if rules.key is not None else ("prompt", "system", "tools", "parameters")
        self.scope = [c for c in scope if rules.scope is not None or c in log.columns]
        self.exact = [c for c in exact if rules.key is not None or c in log.columns]
        if rules.kind == "semantic" and "prompt" not in self.exact:
            self.exact = ["prompt", *self.exact]
        self.entries: OrderedDict[tuple[Any, ...], Entry] = OrderedDict()
        self.first_row: dict[tuple[Any, ...], int] = {}
        for i in range(len(log.rows)):
            self.first_row.setdefault(self.key(i), i)

    def key(self, row: int) -> tuple[Any, ...]:
        """What must be equal for an exact hit."""
        return tuple(self.log.rows[row][c] for c in [*self.scope, *self.exact])

    def keeps(self, row: int) -> bool:
        """Whether an answer to this request is ever kept: not without its prompt."""
        return "prompt" not in self.exact or self.log.rows[row]["prompt"] is not None

    def apart_from_prompt(self, row: int) -> tuple[Any, ...]:
        """What must be equal for a semantic hit."""
        columns = [c for c in [*self.scope, *self.exact] if c != "prompt"]
        return tuple(self.log.rows[row][c] for c in columns)

    def nearness(self, row: int, entry: Entry) -> float:
        """How alike a request and a kept one are; -inf if they may not share an answer."""
        if self.key(row) == self.key(entry.row):
            return math.inf
        if self.apart_from_prompt(row) != self.apart_from_prompt(entry.row):
            return -math.inf
        cosine = self.similar(row, entry.row)
        return cosine if cosine >= self.rules.threshold else -math.inf

    def find(self, row: int, now: float, longest_s: float) -> Entry | None:
        """The most similar entry that is not too old; it is used now."""
        if not self.keeps(row):
            return None
        keys = self.entries if self.rules.kind == "semantic" else [self.key(row)]
        found = [
            (self.nearness(row, self.entries[key]), -self.first_row[key], key)
            for key in keys
            if key in self.entries and now - self.entries[key].stored_at <= longest_s
        ]
        found = [one for one in found if one[0] > -math.inf]
        if not found:
            return None
        _, _, key = max(found, key=lambda one: one[:2])
        self.entries.move_to_end(key)
        return self.entries[key]

    def store(self, row: int, quality: float, imputed: bool, now: float) -> None:
        """Keep an accepted answer."""
        if not self.keeps(row):
            return
        key = self.key(row)
        if key not in self.entries and len(self.entries) >= self.rules.max_entries:
            self.entries.popitem(last=False)
        self.entries[key] = Entry(row, quality, imputed, now)
        self.entries.move_to_end(key)

    def quality_for(self, row: int, entry: Entry) -> float:
        """What the kept answer is worth to another request."""
        wanted = self.log.rows[row].get("reference")
        given = self.log.rows[entry.row].get("reference")
        if wanted is not None and given is not None:
            return entry.quality if wanted == given else 0.0
        return entry.quality if self.key(row) == self.key(entry.row) else NAN


@dataclass
class Struck:
    """An outcome after the faults."""

    cell: Cell
    injected: bool = False
    retry_after: float = 0.0


class World:
    """The faults, evaluated when a call starts."""

    def __init__(self, faults: Faults, models: list[str]) -> None:
        self.faults = faults
        self.models = models
        self.buckets = {
            (f, m): Bucket(value / 60, max(1.0, value / 6), float(faults.start_s[f]))
            for f, value in enumerate(faults.value.tolist())
            if faults.kind[f] == codes.RATE_LIMIT
            for m in range(len(models))
        }

    def active(self, f: int, model: str, now: float) -> bool:
        """Whether a fault acts on a model at a time."""
        world = self.faults
        since = now - float(world.start_s[f])
        if not world.hits[f, self.models.index(model)] or since < 0 or now >= world.end_s[f]:
            return False
        return since % float(world.period_s[f]) < world.down_s[f]

    def strike(
        self, cell: Cell, model: str, now: float, in_flight: int, call: tuple[str, str, int]
    ) -> Struck:
        """Change a logged outcome; ``call`` is (request, log model, attempt) for chance."""
        out = Struck(cell)
        for f, kind in enumerate(self.faults.kind.tolist()):
            if not self.active(f, model, now):
                continue
            value, latency = float(self.faults.value[f]), float(self.faults.latency_s[f])
            cell = out.cell
            if kind == codes.OUTAGE:
                error = ErrorType(int(self.faults.error[f])).label
                return Struck(Cell(error, latency, 0.0, 0.0, 0.0), injected=True)
            if kind == codes.RATE_LIMIT:
                bucket = self.buckets[f, self.models.index(model)]
                lacking = bucket.lacks_s(1.0, now)
                if lacking > 0:
                    stated = float(self.faults.retry_after_s[f])
                    wait = lacking if math.isnan(stated) else stated
                    return Struck(Cell("rate_limited", latency, 0.0, 0.0, 0.0), True, wait)
                bucket.take(1.0, now)
            elif kind == codes.OVERLOAD:
                factor = max(1.0, in_flight / value)
                slowed = replace(cell, latency_s=cell.latency_s * factor)
                out = Struck(slowed, injected=out.injected or factor > 1)
            elif kind == codes.BROWNOUT:
                out = Struck(replace(cell, latency_s=cell.latency_s * value), injected=True)
            elif kind == codes.PRICE:
                cost, part = cell.cost_usd * value, cell.input_usd * value
                out = replace(out, cell=replace(cell, cost_usd=cost, input_usd=part))
            elif cell.error is None:
                request, log_model, attempt = call
                chance = self.faults.seed * 1_000_003 + f
                if uniform(chance, request, log_model, attempt, 4) < value:
                    error = "invalid_output" if kind == codes.INVALID else None
                    out = Struck(replace(cell, error=error, quality=0.0), injected=True)
        return out
