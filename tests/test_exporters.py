"""What goes out comes back: every format, exactly, and without a formula."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import datetime as dt
import decimal
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.small_logs import log
from tests.strategies import datasets
from tests.test_datasets import assert_same
from toolkit.cli import app
from toolkit.errors import DataError
from toolkit.logs.datasets import load_dataset
from toolkit.logs.exporters import FORMATS, export, read_folder
from toolkit.logs.exporters.columns import guarded, unguarded

FORMULAS = (
    "=1+1",
    "+1",
    "-x",
    "@SUM(A1)",
    "\t=1",
    "\rx",
    "\n=1",
    " =1",
    "\ufeff=1",
    "\uff1d1",
    "'=1",
)
NASTY = (
    *FORMULAS,
    "'",
    "''quoted'",
    'say "hi", twice',
    "line\nline\r\nline\rline",
    "\x01\x1b[31m\x7f",
    "null",
    "nan",
    "007",
    "1e5",
    "true",
    "2024-01-01 00:00:00",
    "é😀\u202e\u2028",
    ",;|",
    "long " * 5000,
)
texts = st.sampled_from(NASTY) | st.text(max_size=8)
names = texts.filter(lambda text: text.strip(" ") != "")
EARLY = dt.datetime(1700, 1, 1)  # noqa: DTZ001 -- Hypothesis adds the zone
FURTHER = {
    "integer": st.integers(-(2**63), 2**63 - 1),
    "flag": st.booleans(),
    "number": st.floats() | st.sampled_from([-0.0, 5e-324, 0.1]),
    "finite": st.floats(allow_nan=False, allow_infinity=False),
    "moment": st.datetimes(EARLY, EARLY.replace(year=2200), timezones=st.just(dt.UTC)),
    "day": st.dates(),
    "money": st.decimals(-1000, 1000, places=2),
    "words": st.lists(texts, max_size=2),
    "both": st.fixed_dictionaries({"a": st.none() | texts, "n": st.integers(0, 9)}),
    "=text": texts,
}
TYPES = {
    "integer": pa.int64(),
    "flag": pa.bool_(),
    "number": pa.float64(),
    "finite": pa.float32(),
    "moment": pa.timestamp("us", "Europe/Paris"),
    "day": pa.date32(),
    "money": pa.decimal128(9, 2),
    "words": pa.list_(pa.string()),
    "both": pa.struct({"a": pa.string(), "n": pa.int8()}),
    "=text": pa.large_string(),
}


@st.composite
def nasty_datasets(draw):
    """A generated log with texts that formats trip over, and columns of many types."""
    dataset = draw(datasets())
    assume(dataset.n_outcomes > 0)
    n, m = dataset.observed.shape
    ids = draw(st.lists(names, min_size=n, max_size=n, unique=True))
    models = sorted(draw(st.lists(names, min_size=m, max_size=m, unique=True)))
    requests = dataset.requests.set_column(0, "request_id", pa.array(ids))
    prompts = draw(st.lists(st.none() | texts, min_size=n, max_size=n))
    at = requests.column_names.index("prompt")
    requests = requests.set_column(at, "prompt", pa.array(prompts, pa.string()))
    for name in draw(st.lists(st.sampled_from(list(FURTHER)), unique=True, max_size=4)):
        values = draw(st.lists(st.none() | FURTHER[name], min_size=n, max_size=n))
        if name == "finite":
            values = [None if v is None else float(np.clip(v, -1e30, 1e30)) for v in values]
        requests = requests.append_column(name, pa.array(values, TYPES[name]))
    answers = dataset.answers
    if draw(st.booleans()):
        said = draw(
            st.lists(st.none() | texts, min_size=dataset.n_outcomes, max_size=dataset.n_outcomes)
        )
        answers = dataset.outcomes_table().select(["request_ix", "model_ix"])
        answers = answers.append_column("answer", pa.array(said, pa.string()))
        guessed = pa.array([draw(st.booleans()) for _ in said], pa.bool_())
        answers = answers.append_column("cost_estimated", guessed)
    return dataclasses.replace(
        dataset,
        requests=requests,
        models=tuple(models),
        answers=answers,
        simulated=draw(st.booleans()),
    )


def equal(one, other):
    """Two tables of the same types hold the same values, NaN being the same as NaN."""
    assert one.schema == other.schema
    for name in one.column_names:
        assert repr(one[name].to_pylist()) == repr(other[name].to_pylist()), name


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(dataset=nasty_datasets())
def test_round_trip_is_exact(tmp_path_factory, dataset, kind):
    """A dataset comes back with its types, nulls, empty texts, NaN and bits, in each format."""
    folder = tmp_path_factory.mktemp("export") / "one"
    back = read_folder(export(dataset, folder, kind))
    equal(back.requests, dataset.requests)
    bare = dataset.requests.select([])  # of requests with NaN, no two are equal to Arrow
    assert_same(
        dataclasses.replace(back, requests=bare), dataclasses.replace(dataset, requests=bare)
    )
    assert not list(folder.glob("*.part"))


@given(st.lists(st.none() | texts))
def test_no_text_is_a_formula_and_all_come_back(values):
    """A guarded text begins like no formula, and the guard comes off again."""
    column = pa.array(values, pa.string())
    safe = guarded(column)
    starts = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
    for text in safe.to_pylist():
        assert text is None or not text.lstrip(" \ufeff\u200b\xa0").startswith(starts)
    assert unguarded(safe).equals(column)


def formula_log():
    """A log whose every text is one that a spreadsheet would run."""
    dataset = log([[1.0, 0.5]] * len(FORMULAS), cost_usd=0.25)
    requests = pa.table(
        {
            "request_id": pa.array(FORMULAS),
            "prompt": pa.array(FORMULAS),
            "=SUM(A1)": pa.array([-5] * len(FORMULAS)),
            "money": pa.array([decimal.Decimal("-1.50")] * len(FORMULAS)),
            "input_tokens": dataset.requests["input_tokens"],
        }
    )
    return dataclasses.replace(dataset, requests=requests, models=("+m", "=m"))


def test_csv_holds_no_formula_and_numbers_stay_numbers(tmp_path):
    """Ids, models, prompts and column names are guarded; negative numbers are not."""
    folder = export(formula_log(), tmp_path, "csv")
    for name in ("requests.csv", "outcomes.csv"):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        numbers = {"'=SUM(A1)": "-5", "money": "-1.50"}
        for row in rows[1:]:
            for column, cell in zip(rows[0], row, strict=True):
                assert numbers.get(column, cell) == cell
                assert column in numbers or not cell.strip().startswith(("=", "+", "-", "@"))
        assert not any(column.startswith(("=", "+", "-", "@")) for column in rows[0])
    assert_same(read_folder(folder), formula_log())


def test_json_lines_are_plain_json(tmp_path):
    """Each line is an object with every key, numbers as numbers, nothing guarded."""
    dataset = formula_log()
    folder = export(dataset, tmp_path, "jsonl")
    rows = [json.loads(line) for line in (folder / "outcomes.jsonl").read_bytes().splitlines()]
    assert rows[0]["model"] == "+m"
    assert rows[0]["cost_usd"] == 0.25
    assert rows[0]["error"] is None
    assert {tuple(row) for row in rows} == {tuple(dataset.to_arrow().column_names)}


@pytest.mark.parametrize("kind", FORMATS)
def test_models_and_requests_without_outcomes_stay(tmp_path, kind):
    """A model that nobody asked and a request that nobody answered are part of a dataset."""
    dataset = log([[1.0, 1.0], [1.0, 1.0]], observed=[[True, False], [False, False]])
    assert_same(read_folder(export(dataset, tmp_path, kind)), dataset)


def test_an_export_refuses_to_overwrite_any_format(tmp_path):
    """A folder holds one dataset: another format is in the way too, and goes when asked."""
    dataset = log([[1.0]], simulated=True)
    for kind in FORMATS:
        export(dataset, tmp_path, kind, replace=True)
        with pytest.raises(DataError, match="would be overwritten; choose another folder"):
            export(dataset, tmp_path)
        kept = {path.name for path in tmp_path.iterdir()} - {"dataset.json"}
        assert kept == {f"requests.{kind}", f"outcomes.{kind}"}
        assert (tmp_path / "dataset.json").exists() == (kind != "parquet")
        assert read_folder(tmp_path).simulated


def test_a_format_that_is_none_is_named(tmp_path):
    """An unknown format is refused with those there are."""
    with pytest.raises(DataError, match=r"got 'cvs'; allowed: 'csv' \(did you mean this\?\)"):
        export(log([[1.0]]), tmp_path, "cvs")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_type_that_would_change_is_refused(tmp_path, kind):
    """What text cannot give back is refused before anything is written."""
    dataset = log([[1.0]])
    odd = dataset.requests.append_column("wait", pa.array([5], pa.duration("s")))
    with pytest.raises(
        DataError, match=r"column 'wait' would not come back as it is; got duration"
    ):
        export(dataclasses.replace(dataset, requests=odd), tmp_path / "out", kind)
    assert list((tmp_path / "out").iterdir()) == []


def edited(tmp_path, kind, name, old, new):
    """An export in which somebody replaced a text."""
    folder = export(log([[1.0, 0.25]]), tmp_path, kind)
    text = (folder / name).read_text("utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("kind", "name", "old", "new", "match"),
    [
        ("csv", "outcomes.csv", ",1,", ",much,", "outcomes.csv: column 'quality' is wrong; got"),
        ("csv", "outcomes.csv", ",1,", ",7,", "quality is wrong; got '7.0' in row 2"),
        ("csv", "outcomes.csv", '"r0"', '"r9"', "request_id is not in requests.csv"),
        ("csv", "outcomes.csv", "quality", "grade", "other columns than were exported"),
        ("csv", "outcomes.csv", ",0.25", "", "the csv file cannot be read"),
        ("jsonl", "outcomes.jsonl", "0.25", "1.5", "quality is wrong; got '1.5' in line 2"),
        ("jsonl", "outcomes.jsonl", "0.25", '"x"', "the jsonl file cannot be read"),
        ("jsonl", "outcomes.jsonl", '"quality"', '"grade"', "the jsonl file cannot be read"),
        ("jsonl", "requests.jsonl", '"r0"', '"\\ud800"', "requests.jsonl: the jsonl file cannot"),
        ("csv", "dataset.json", '"csv"', '"xls"', "does not describe an export"),
        ("csv", "dataset.json", '"version": 1', '"version": 2', "written by another version"),
        ("csv", "dataset.json", '"arrow_schema": "', '"arrow_schema": "x', "not describe an"),
        ("csv", "dataset.json", "{", "", "does not describe an export"),
    ],
)
def test_an_edited_export_is_checked(tmp_path, kind, name, old, new, match):
    """Whatever was changed in an export by hand is named as in any file."""
    with pytest.raises(DataError, match=match):
        read_folder(edited(tmp_path, kind, name, old, new))


def test_rows_in_another_order_are_the_same(tmp_path):
    """A spreadsheet that sorted the outcomes changes nothing."""
    dataset = log([[1.0, 0.5], [0.25, 0.0]], error=[[0, 0], [0, 3]])
    folder = export(dataset, tmp_path, "csv")
    head, *rows = (folder / "outcomes.csv").read_text("utf-8").splitlines(keepends=True)
    (folder / "outcomes.csv").write_text("".join([head, *reversed(rows)]), "utf-8")
    assert_same(read_folder(folder), dataset)


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_damaged_export_is_an_error_or_reads(tmp_path_factory, data, kind):
    """Bytes that were changed, or an end that is missing, never end in anything but DataError."""
    folder = export(log([[1.0, 0.25]] * 3), tmp_path_factory.mktemp("torn"), kind)
    file = data.draw(st.sampled_from(sorted(folder.iterdir())))
    content = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] = data.draw(st.integers(0, 255))
    else:
        del content[at:]
    file.write_bytes(bytes(content))
    with contextlib.suppress(DataError):
        read_folder(folder)


def test_an_outcome_that_is_there_twice_is_named(tmp_path):
    """A row that was copied is refused with its place."""
    folder = export(log([[1.0, 0.5]]), tmp_path, "csv")
    with (folder / "outcomes.csv").open("a", encoding="utf-8") as file:
        file.write((folder / "outcomes.csv").read_text("utf-8").splitlines()[1] + "\n")
    with pytest.raises(DataError, match="there before; got 'r0 / a' in row 4"):
        read_folder(folder)


def test_csv_without_its_description_says_what_to_do(tmp_path):
    """Without dataset.json the types are not known, and the message says the way out."""
    folder = export(log([[1.0]]), tmp_path, "csv")
    (folder / "dataset.json").unlink()
    with pytest.raises(DataError, match=r"no dataset\.json.*or import outcomes\.csv"):
        read_folder(folder)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_command_exports_and_imports_every_format(lab, tmp_path, kind):
    """`export --format` writes a folder that `import` takes back as it was."""
    export(formula_log(), tmp_path / "first")
    run = CliRunner().invoke
    assert run(app, ["import", str(tmp_path / "first"), "--as", "one"]).exit_code == 0
    done = run(app, ["export", "one", str(tmp_path / "out"), "--format", kind, "--json"])
    assert json.loads(done.stdout)["format"] == kind
    assert run(app, ["import", str(tmp_path / "out"), "--as", "two"]).exit_code == 0
    assert_same(load_dataset("two"), load_dataset("one"))
    assert_same(load_dataset("two"), formula_log())
