"""Asking a run's targets, one outcome after the other: models through a given call, tools here.

An outcome may take several calls. With ``votes`` they are made one after the other, and tokens,
cost and latency are their sums. Looking up passages counts too: its time, and its CPU time where
that is priced.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime

from toolkit.errors import DataError, ProviderError
from toolkit.logs.collect.answers import NAN, Answer, Call, Message
from toolkit.logs.collect.cputime import CpuMeter, meter_for
from toolkit.logs.collect.grade import plain
from toolkit.logs.collect.passages import Retriever
from toolkit.logs.collect.prompts import Prompt
from toolkit.logs.collect.targets import ModelTarget, ToolTarget
from toolkit.logs.collect.tools import calculate
from toolkit.logs.collect.units import convert
from toolkit.schema import ErrorType

Task = tuple[Prompt, str]
"""A prompt and the name of the target to ask."""
Asked = tuple[Task, Answer, datetime]
"""A task, its answer, and when it was sent."""

MAX_UNREACHABLE = 3
"""So many calls in a row that do not reach a target stop the run, and the first one already when
the target has not answered yet: a server that is down must not fill a dataset with errors."""


class Asker:
    """The targets of a run, how to call them, and what is known of them so far.

    Raises DataError for more than one worker where CPU time is measured.
    """

    def __init__(
        self,
        targets: Mapping[str, ModelTarget | ToolTarget],
        retrievers: Mapping[str, Retriever],
        call: Call,
        workers: int,
    ) -> None:
        self.targets = targets
        self.retrievers = retrievers
        self.call = call
        self.workers = workers
        self.meters: dict[str, CpuMeter] = {}
        self.failures = dict.fromkeys(targets, MAX_UNREACHABLE - 1)
        for name, target in targets.items():
            if isinstance(target, ModelTarget) and _by_cpu(target):
                if workers > 1:
                    raise DataError(
                        f"targets.{name}: usd_per_cpu_hour needs calls one at a time; got {workers}"
                        " workers; allowed: 1"
                    )
                self.meters[name] = meter_for(target.api_base, name)

    def outcomes(self, todo: Sequence[Task], allowed: Callable[[], bool]) -> Iterator[Asked]:
        """Yield each task's answer and when it was sent; stop when ``allowed`` says no."""
        if self.workers <= 1:
            for task in todo:
                if not allowed():
                    return
                yield self._checked(task, *self._ask(task))
            return
        pool = ThreadPoolExecutor(self.workers)
        waiting = iter(todo)
        running: dict[Future[tuple[Answer, datetime]], Task] = {}
        try:
            while True:
                while len(running) < self.workers and allowed():
                    if (following := next(waiting, None)) is None:
                        break
                    running[pool.submit(self._ask, following)] = following
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield self._checked(running.pop(future), *future.result())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _checked(self, task: Task, answer: Answer, at: datetime) -> Asked:
        """Raise ProviderError when the target seems to be out of reach for good."""
        _, name = task
        if answer.error not in {ErrorType.CONNECTION, ErrorType.AUTH}:
            self.failures[name] = 0
            return task, answer, at
        self.failures[name] += 1
        if self.failures[name] >= MAX_UNREACHABLE:
            raise ProviderError(
                f"targets.{name} cannot be reached ({answer.error.label}): {answer.detail};"
                " mend it and start again to go on"
            )
        return task, answer, at

    def _ask(self, task: Task) -> tuple[Answer, datetime]:
        prompt, name = task
        target = self.targets[name]
        at = datetime.now(UTC)
        if isinstance(target, ToolTarget):
            return _use_tool(target, prompt.prompt), at
        start, cpu_start = time.perf_counter(), time.thread_time()
        retriever = self.retrievers.get(name)
        shown = retriever.before if retriever else str
        messages = target.messages(prompt.category, prompt.prompt, shown)
        looked_s, looked_cpu_s = time.perf_counter() - start, time.thread_time() - cpu_start
        answers = [
            self._call(name, target, messages, None if target.seed is None else target.seed + i)
            for i in range(target.votes or 1)
        ]
        answer = vote(answers) if target.votes else answers[0]
        if retriever:
            cost_usd = answer.cost_usd + (_cpu_usd(target, looked_cpu_s) or 0.0)
            answer = replace(answer, latency_s=answer.latency_s + looked_s, cost_usd=cost_usd)
        return answer, at

    def _call(
        self, name: str, target: ModelTarget, messages: Sequence[Message], seed: int | None
    ) -> Answer:
        meter = self.meters.get(name)
        before = meter.read_s() if meter else NAN
        answer = self.call(
            target.model,
            messages,
            api_base=target.api_base,
            api_key_env=target.api_key_env,
            timeout_s=target.timeout_s,
            max_tokens=target.max_tokens,
            temperature=target.temperature,
            stop=target.stop,
            seed=seed,
        )
        cpu_s = meter.read_s() - before if meter else NAN
        return replace(answer, cost_usd=_cost(target, answer, cpu_s))


def vote(answers: Sequence[Answer]) -> Answer:
    """Return the answer that most of ``answers`` give, with the sums of all numbers.

    Answers are one when they differ only in case, white space, quotes or a full stop. Among equals
    the earliest wins. A failed call has no vote; when all failed, the first error stands.
    """
    good = [answer for answer in answers if not answer.error]
    counts = Counter(plain(answer.text) for answer in good)
    best = max(good, key=lambda answer: counts[plain(answer.text)], default=answers[0])
    numbers = ("input_tokens", "output_tokens", "cost_usd", "latency_s")
    return replace(best, **{n: sum(getattr(answer, n) for answer in answers) for n in numbers})


def _by_cpu(target: ModelTarget | ToolTarget) -> bool:
    return target.price is not None and target.price.usd_per_cpu_hour is not None


def _cost(target: ModelTarget | ToolTarget, answer: Answer, cpu_s: float) -> float:
    """US dollars of one call; NaN when the price or what it multiplies is not known."""
    price = target.price
    if price is None:
        return answer.cost_usd
    if (usd := _cpu_usd(target, cpu_s)) is not None:
        return usd
    tokens = (
        (price.input_usd_per_mtok, answer.input_tokens),
        (price.output_usd_per_mtok, answer.output_tokens),
    )
    return sum(NAN if usd is None else usd * count for usd, count in tokens) / 1e6


def _cpu_usd(target: ModelTarget | ToolTarget, cpu_s: float) -> float | None:
    """Price of CPU time; None for a target that is not priced by it."""
    usd = target.price.usd_per_cpu_hour if target.price else None
    return None if usd is None else usd * cpu_s / 3600


_TOOLS: Mapping[str, Callable[[str], str]] = {"calculator": calculate, "unit_converter": convert}


def _use_tool(target: ToolTarget, prompt: str) -> Answer:
    start, cpu_start = time.perf_counter(), time.thread_time()
    try:
        answer = Answer(_TOOLS[target.tool](prompt))
    except ValueError as error:
        answer = Answer(error=ErrorType.BAD_REQUEST, detail=str(error))
    cpu_s, latency_s = time.thread_time() - cpu_start, time.perf_counter() - start
    return replace(answer, latency_s=latency_s, cost_usd=_cost(target, answer, cpu_s))
