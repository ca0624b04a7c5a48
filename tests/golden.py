"""Golden logs: what an import must make of them stands beside each, in ``expected.json``."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.logs.datasets import load_dataset
from toolkit.logs.importers import ImportReport

GOLDEN = Path(__file__).parent / "golden_logs"
_OUTCOME = ("request_id", "model", "quality", "cost_usd", "latency_s", "input_tokens")
_OUTCOME += ("output_tokens", "error", "answer", "error_detail")


def expected_of(name: str) -> dict[str, Any]:
    """What the golden log of a format holds."""
    found: dict[str, Any] = json.loads((GOLDEN / name / "expected.json").read_text("utf-8"))
    return found


def log_of(name: str) -> Path:
    """The file of a golden log."""
    return next(iter(sorted(GOLDEN.glob(f"{name}/log.*"))))


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a golden file, in Python."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    with path.open(encoding="utf-8", newline="") as text:
        return [{k: v or None for k, v in row.items()} for row in csv.DictReader(text)]


def written_as(rows: list[dict[str, Any]], path: Path) -> Path:
    """Write rows as another kind of file, nested values of CSV and Parquet as JSON text."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if path.suffix == ".jsonl":
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path.write_text("".join(lines), "utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False, indent=1), "utf-8")
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as text:
            sheet = csv.writer(text)
            sheet.writerow(names)
            sheet.writerows([_flat(row.get(name)) for name in names] for row in rows)
    else:
        pq.write_table(pa.table({n: _column([r.get(n) for r in rows]) for n in names}), path)
    return path


def _column(values: list[Any]) -> pa.Array:
    """Values in their own type where they have one, else as text."""
    flat = [_flat(value) for value in values]
    try:
        return pa.array(flat)
    except pa.ArrowException:
        return pa.array([None if v is None else str(v) for v in flat], pa.string())


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def outcomes_of(name: str) -> list[dict[str, Any]]:
    """The outcomes of a dataset in the store, as golden files list them."""
    rows = load_dataset(name).to_arrow().to_pylist()
    return [{key: row.get(key) for key in _OUTCOME} for row in rows]


def by_key(outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In the order of request and model, numbers to nine digits."""
    near = [
        {k: float(f"{v:.9g}") if isinstance(v, int | float) else v for k, v in row.items()}
        for row in outcomes
    ]
    return sorted(near, key=lambda row: (row["request_id"], row["model"]))


def assert_golden(report: ImportReport, expected: dict[str, Any]) -> None:
    """The report and the stored dataset are what the golden file says."""
    for key in ("format", "n_rows", "n_stored", "n_rejected", "n_left_out", "n_requests"):
        assert getattr(report, key) == expected[key], (key, report)
    found = by_key(outcomes_of(report.name))
    for got, wanted in zip(found, by_key(expected["outcomes"]), strict=True):
        assert got == wanted, {k: (got[k], wanted[k]) for k in wanted if got[k] != wanted[k]}
    data = load_dataset(report.name)
    assert sorted(data.models) == expected["models"]
    requests = {row["request_id"]: row for row in data.requests.to_pylist()}
    for request_id, columns in expected["requests"].items():
        got = requests[request_id]
        for name, value in columns.items():
            found = str(got[name]) if name == "timestamp" else got.get(name)
            assert found == value, (request_id, name, found)
    for note in expected.get("notes", ()):
        assert note in report.notes
