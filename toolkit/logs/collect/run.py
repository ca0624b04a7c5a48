"""Collecting: ask every target every prompt, grade the answers, and make a dataset of them.

Each finished outcome is on the disk before it counts (``runlog``), so a run can be killed at any
time and started again: it goes on where it was. How a model is called is passed in, as calling
belongs to the engine.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.errors import DataError
from toolkit.logs import store
from toolkit.logs.collect.answers import Answer, Call
from toolkit.logs.collect.asking import Asker
from toolkit.logs.collect.grade import Grade, grade
from toolkit.logs.collect.passages import Retriever, load_retrievers
from toolkit.logs.collect.prompts import Prompt, load_prompts
from toolkit.logs.collect.runlog import Row, RunLog, open_run
from toolkit.logs.collect.targets import ModelTarget, Targets, load_targets
from toolkit.logs.importers import check_name, import_file
from toolkit.schema import TIMESTAMP

NUMBERS = ("input_tokens", "output_tokens", "cost_usd", "latency_s")
Progress = Callable[[int, int, float, str], None]
"""Called after each outcome with how many are done, how many there are, US dollars spent, and the
target."""
DEFAULT_RUNS = store.ROOT / "data" / "runs"


@dataclass(frozen=True)
class CollectReport:
    """What a run has done so far, and where it stands."""

    name: str
    path: Path
    """The run log."""
    total: int
    """Outcomes wanted: prompts times targets."""
    done: int
    resumed: int
    """Of those, how many an earlier start had finished."""
    spent_usd: float
    """Sum of the known costs, over all starts."""
    stopped: str = ""
    """Why the run stopped before its end; empty when it is finished."""
    notes: tuple[str, ...] = ()
    """What the import into the store said."""

    @property
    def finished(self) -> bool:
        """Whether every outcome is there."""
        return self.done == self.total


def collect(
    prompts_file: str | Path,
    targets_file: str | Path,
    name: str,
    call: Call,
    *,
    max_usd: float | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    runs_dir: str | Path | None = None,
) -> CollectReport:
    """Ask all targets all prompts, going on where an earlier start of run ``name`` ended.

    The order is the targets file's: prompt by prompt, or target by target. When all is done the
    outcomes are imported into the store as dataset ``name``. Before each outcome, which with votes
    takes several calls, the money spent is compared with ``max_usd``; calls under way are finished.
    The log is ``runs_dir/NAME.jsonl`` (default ``data/runs``, or the folder in ``DETOUR_RUNS``).

    Raises DataError for files that cannot be used, ProviderError when a target cannot be reached.
    """
    check_name(name)
    prompts, read = load_prompts(prompts_file), load_targets(targets_file)
    targets = read.targets
    request_table(prompts)  # what cannot become a dataset is said before anything is paid for
    retrievers = load_retrievers(targets, Path(targets_file).parent)
    asker = Asker(targets, retrievers, call, workers)
    folder = Path(runs_dir or os.environ.get("DETOUR_RUNS") or DEFAULT_RUNS)
    total = len(prompts) * len(targets)
    with open_run(
        folder / f"{name}.jsonl", _digest(prompts, read, retrievers), list(targets)
    ) as log:
        had = _finished(log)
        resumed = len(had)
        tasks = [(p, t) for p in prompts for t in targets]
        if read.order == "by_target":
            tasks = [(p, t) for t in targets for p in prompts]
        todo = [(p, t) for p, t in tasks if (p.request_id, t) not in had]
        if todo and any(entry.name == name for entry in store.entries()):
            raise DataError(
                f"dataset {name!r} is there already, and this run has {len(todo)} of {total} calls"
                " left; collect under another name"
            )
        spent = math.fsum(row["cost_usd"] or 0.0 for row in log.rows)
        stopped = ""

        def allowed() -> bool:
            nonlocal stopped
            if max_usd is not None and spent >= max_usd:
                left = total - len(log.rows)
                stopped = (
                    f"stopped at {spent:.6g} of {max_usd:.6g} US dollars with {left} of {total}"
                    " calls left; start again with a higher limit to go on"
                )
            return not stopped

        for (prompt, target), answer, at in asker.outcomes(todo, allowed):
            log.append(_row(prompt, target, answer, at))
            spent += 0.0 if math.isnan(answer.cost_usd) else answer.cost_usd
            unpriced = math.isnan(answer.cost_usd) and not answer.error
            if unpriced and max_usd is not None and isinstance(targets[target], ModelTarget):
                raise DataError(
                    f"targets.{target}: its price is not known, so a limit cannot be kept; state"
                    " the price in the targets file, or collect without a limit"
                )
            if progress:
                progress(len(log.rows), total, spent, target)
        report = CollectReport(name, log.path, total, len(log.rows), resumed, spent, stopped)
        if not report.finished:
            return report
        return replace(report, notes=_import(name, prompts, log))


def _digest(prompts: Sequence[Prompt], read: Targets, retrievers: Mapping[str, Retriever]) -> str:
    """SHA-256 of everything that is asked, and how."""
    asked = {
        "prompts": [prompt.model_dump(mode="json") for prompt in prompts],
        "targets": read.model_dump(mode="json", exclude={"examples"}),
        "passages": {
            name: [passage.model_dump(mode="json") for passage in retriever.passages]
            for name, retriever in retrievers.items()
        },
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _finished(log: RunLog) -> set[tuple[str, str]]:
    found = {(str(row.get("request_id")), str(row.get("target"))) for row in log.rows}
    if len(found) < len(log.rows):
        raise DataError(f"{log.path}: an outcome is there twice; remove one of its lines")
    return found


def _row(prompt: Prompt, target: str, answer: Answer, at: datetime) -> Row:
    """One line of the log: the graded outcome, null where something was not measured."""
    graded = Grade(0.0, answer.error, answer.detail)
    if not answer.error:
        graded = grade(prompt.grader, prompt.options, prompt.reference, answer.text)
    values = {number: getattr(answer, number) for number in NUMBERS}
    return {
        "request_id": prompt.request_id,
        "target": target,
        "quality": graded.quality,
        **{number: None if math.isnan(v) else v for number, v in values.items()},
        "error": graded.error.label if graded.error else None,
        "error_detail": graded.detail or None,
        "answer": answer.text,
        "timestamp": at.isoformat(timespec="milliseconds"),
    }


def run_tables(prompts: Sequence[Prompt], rows: Sequence[Row]) -> tuple[pa.Table, pa.Table]:
    """Make the two tables of a dataset: (requests, outcomes in the long format).

    A request's ``timestamp`` (UTC) is when it was first sent, unless the prompts file has one.
    """
    requests = request_table(prompts)
    if TIMESTAMP not in requests.column_names:
        first = {row["request_id"]: row["timestamp"] for row in reversed(rows)}
        sent = [datetime.fromisoformat(first[prompt.request_id]) for prompt in prompts]
        requests = requests.append_column(TIMESTAMP, pa.array(sent, _MOMENT))
    categories = {prompt.request_id: prompt.category for prompt in prompts}
    outcomes = [
        {**row, "category": categories[row["request_id"]], "model": row["target"]} for row in rows
    ]
    return requests, pa.Table.from_pylist(outcomes, _OUTCOMES)


def request_table(prompts: Sequence[Prompt]) -> pa.Table:
    """Make a column of every field of the prompts; null where a prompt has none.

    Raises DataError for a column of mixed types.
    """
    rows = [prompt.columns() for prompt in prompts]
    columns = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        try:
            columns[name] = pa.array([row.get(name) for row in rows])
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise DataError(
                f"prompts: column {name!r} mixes types, and a column has one: {error}"
            ) from None
    return pa.table(columns)


_MOMENT = pa.timestamp("ms", tz="UTC")
_OUTCOMES = pa.schema(
    [
        *[(name, pa.string()) for name in ("request_id", "category", "model")],
        *[(name, pa.float64()) for name in ("quality", *NUMBERS)],
        *[(name, pa.string()) for name in ("error", "error_detail", "answer")],
    ]
)


def _import(name: str, prompts: Sequence[Prompt], log: RunLog) -> tuple[str, ...]:
    """Write the tables beside the log as Parquet, and import them into the store."""
    folder = log.path.parent / name
    folder.mkdir(exist_ok=True)
    requests, outcomes = run_tables(prompts, log.rows)
    for kind, table in (("requests", requests), ("outcomes", outcomes)):
        pq.write_table(table, folder / f"{kind}.parquet", compression="zstd")
    report = import_file(folder / "outcomes.parquet", name, prompts=folder / "requests.parquet")
    return tuple(report.notes)
