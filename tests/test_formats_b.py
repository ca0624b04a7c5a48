"""Logs of Helicone, Portkey, RouterBench, RouteLLM and LLMRouter, and any long or wide table."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import os
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.broken_logs import Damage, broken, damages_of, put, without, write
from tests.golden import (
    GOLDEN,
    assert_golden,
    by_key,
    expected_of,
    outcomes_of,
    rows_of,
    written_as,
)
from toolkit.errors import DataError
from toolkit.logs.datasets import load_dataset
from toolkit.logs.importers import FORMATS, import_file, preview
from toolkit.logs.importers.drops import read_drops
from toolkit.logs.importers.format import Columns
from toolkit.logs.importers.formats.wide import is_wide
from toolkit.logs.importers.pickles import refuse_pickle

NAMES = ("helicone", "portkey", "routerbench", "routellm", "llmrouter", "long", "wide")
NATIVE = {"helicone": "jsonl", "portkey": "jsonl", "llmrouter": "jsonl"}


def logs_of(name: str) -> list[Path]:
    """The files of a golden log."""
    return sorted(GOLDEN.glob(f"{name}/*.{NATIVE.get(name, 'csv')}"))


def options_of(name: str) -> dict[str, Any]:
    """What a user has to say beside the path."""
    mapping = expected_of(name).get("mapping")
    return {"mapping": mapping} if mapping else {}


def outcomes_in(rows: pa.Table) -> list[dict[str, Any]]:
    """The outcomes of a long table, as the golden files list them."""
    wanted = expected_of("long")["outcomes"][0]
    return [{key: row.get(key) for key in wanted} for row in rows.to_pylist()]


def imported(path: Path, name: str, **options: Any) -> Any:
    """Import without list prices, and check that no row is lost."""
    report = import_file(path, name, estimate_costs=False, **options)
    assert report.n_rows == report.n_stored + report.n_rejected + report.n_left_out
    return report


def assert_counts(found: Any, expected: dict[str, Any]) -> None:
    """A report or a preview has the counts of the golden file."""
    for key in ("format", "n_rows", "n_stored", "n_rejected", "n_left_out", "n_requests"):
        assert getattr(found, key) == expected[key], (key, found)


@pytest.mark.parametrize("name", NAMES)
def test_golden_log_is_what_its_rows_say(name, lab):
    """A golden log is found out and imported; each row is stored, rejected or left out as said."""
    expected = expected_of(name)
    path = GOLDEN / name if expected.get("folder") else logs_of(name)[0]
    if expected.get("folder"):  # the folder also holds what is expected of it
        path = lab.parent / "folder"
        path.mkdir(parents=True)
        for log in logs_of(name):
            (path / log.name).write_bytes(log.read_bytes())
    report = imported(path, "golden", **options_of(name))
    assert_golden(report, expected)


@pytest.mark.parametrize("name", NAMES)
def test_rejected_rows_are_named_with_line_and_reason(name, lab):
    """The file of rejects has the line of each rejected row, and why."""
    expected = expected_of(name)
    report = imported(logs_of(name)[0], "golden", **options_of(name))
    with report.rejects_path.open(encoding="utf-8", newline="") as text:
        rejects = list(csv.DictReader(text))
    assert [int(one["line"]) for one in rejects] == [line for line, _ in expected["rejects"]]
    for one, (_, why) in zip(rejects, expected["rejects"], strict=True):
        assert one["reason"].startswith(why)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "parquet"])
@pytest.mark.parametrize("name", NAMES)
def test_kind_of_file_makes_no_difference(name, kind, tmp_path):
    """A golden log in CSV, JSON or Parquet gives the same outcomes."""
    expected = expected_of(name)
    folder = tmp_path / "logs"
    folder.mkdir()
    for log in logs_of(name):
        written_as(rows_of(log), folder / f"{log.stem}.{kind}")
    path = folder if expected.get("folder") else next(folder.iterdir())
    found = preview(path, estimate_costs=False, **options_of(name))
    assert_counts(found, expected)
    assert by_key(outcomes_in(found.rows)) == by_key(expected["outcomes"])


@pytest.mark.parametrize("name", [n for n in NAMES if n != "wide"])
def test_golden_log_is_of_no_other_format(name):
    """The columns of a golden log fit its own format alone."""
    names = tuple(dict.fromkeys(key for row in rows_of(logs_of(name)[0]) for key in row))
    assert [one.name for one in FORMATS if one.detect(Columns(names))] == [name]


@pytest.mark.parametrize(
    "names",
    [
        ("prompt", "input_tokens", "output_tokens"),
        ("prompt", "answer", "label"),
        ("prompt", "gpt-4", "claude-3", "gemini-2"),
        ("gpt-4", "claude-3"),
        ("prompt", "question", "response"),
        ("id", "model", "response_time"),
        ("task_name", "query", "performance"),
        ("sample_id", "eval_name", "prompt"),
        ("request_id", "response_status"),
        ("request_id", "model"),
    ],
)
def test_other_tables_are_not_claimed(names):
    """Tables that only look alike are of none of these formats."""
    assert [one.name for one in FORMATS if one.detect(Columns(names))] == []


@pytest.mark.parametrize("name", NAMES)
def test_empty_file_says_so(name, tmp_path, lab):
    """An empty file is refused in a sentence, and so is a header without rows."""
    kind = NATIVE.get(name, "csv")
    path = tmp_path / f"log.{kind}"
    path.write_bytes(b"")
    with pytest.raises(DataError, match="the file is empty"):
        import_file(path, "empty", **options_of(name))
    if kind == "csv":
        path.write_bytes(logs_of(name)[0].read_bytes().split(b"\n", 1)[0] + b"\n")
        with pytest.raises(DataError, match="no outcomes"):
            import_file(path, "empty", **options_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_truncated_file_keeps_its_whole_rows(name, tmp_path):
    """A file that was cut off is stored up to there, and the cut row is rejected."""
    log = logs_of(name)[0]
    path = written_as(rows_of(log)[:4], tmp_path / log.name)
    size = path.stat().st_size
    last = len(path.read_bytes().rstrip(b"\r\n").rsplit(b"\n", 1)[-1])
    path.write_bytes(path.read_bytes()[: size - max(2, last // 2)])
    seen = preview(path, estimate_costs=False, **options_of(name))
    assert (seen.n_rows, seen.n_rejected) == (4, 1)
    found = by_key(outcomes_in(seen.rows))
    keys = {(o["request_id"], o["model"]) for o in found}
    known = by_key(expected_of(name)["outcomes"])
    assert found == [o for o in known if (o["request_id"], o["model"]) in keys]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
@pytest.mark.parametrize("name", NAMES)
def test_other_encodings_are_read(name, encoding, tmp_path):
    """UTF-16 with its mark is found out; what has no mark is read as what the user names."""
    text = logs_of(name)[0].read_bytes().decode()
    text = text.encode("latin-1", "replace").decode("latin-1")  # letters that all of them have
    found = []
    for folder, written in (("plain", "utf-8"), ("other", encoding)):
        path = tmp_path / folder / logs_of(name)[0].name
        path.parent.mkdir()
        path.write_bytes(text.encode(written))
        said = {"encoding": written} if folder == "other" and written != "utf-16" else {}
        found.append(preview(path, estimate_costs=False, **said, **options_of(name)))
    first, second = found
    assert second.rows.to_pylist() == first.rows.to_pylist()
    assert (second.n_rows, second.n_stored) == (first.n_rows, first.n_stored)
    assert second.rejects == first.rejects


def generated(name: str, n: int) -> list[dict[str, Any]]:
    """Good rows of a format in any number: a stored row of its golden log with ids counted on."""
    model = "openai/gpt-4o"
    prompt = 'Wer grüßt?\n"Ich", sagt sie.'
    if name == "helicone":
        row = next(r for r in rows_of(logs_of(name)[0]) if r["request_id"] == "h1")
        return [{**row, "request_id": f"r{i}"} for i in range(n)]
    if name == "portkey":
        row = rows_of(logs_of(name)[0])[0]
        return [{**row, "id": f"r{i}"} for i in range(n)]
    if name == "llmrouter":
        row = rows_of(logs_of(name)[0])[0]
        row["query"] = prompt
        return [{**row, "embedding_id": i // 2, "model_name": f"m/{i % 2}"} for i in range(n)]
    if name == "routerbench":
        own = {model: 1.0, f"{model}|model_response": "a", f"{model}|total_cost": 0.001}
        own |= {"b": 0.0, "b|model_response": "b", "b|total_cost": 0.1}
        return [{"sample_id": f"s{i}", "prompt": prompt, "eval_name": "e", **own} for i in range(n)]
    if name == "routellm":
        return [{model: i % 2 == 0, "prompt": f"{prompt} {i % 7}", "gpt-4": True} for i in range(n)]
    if name == "wide":
        row = rows_of(logs_of(name)[0])[0]
        return [{**row, "qid": f"r{i}"} for i in range(n)]
    return [
        {"request_id": f"r{i // 3}", "model": f"m{i % 3}", "quality": 0.5, "cost_usd": 0.1 * i}
        for i in range(n)
    ]


DAMAGES: dict[str, tuple[Damage, ...]] = {
    "helicone": (
        put("response_status", "OK"),
        put("prompt_tokens", "many"),
        put("delay_ms", -1),
        put("request_created_at", "yesterday", stored=True),
        without("cost", stored=True),
    ),
    "portkey": (
        put("cost", "free"),
        put("response_time", "slow"),
        without("id"),
        without("ai_model"),
        without("cost", stored=True),
    ),
    "llmrouter": (put("performance", 7), without("model_name"), without("response", stored=True)),
    "routerbench": (
        put("b", 2),
        put("b|total_cost", "x"),
        without("sample_id"),
        without("b", stored=True),
    ),
    "routellm": (put("gpt-4", "maybe"), without("gpt-4", stored=True)),
    "long": (
        put("quality", "good"),
        without("model"),
        put("cost_usd", "NaN"),
        without("cost_usd", stored=True),
    ),
    "wide": (put("gpt-4o_correct", "x"), put("gpt-4o_cost", -1), without("qid")),
}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("name", NAMES)
def test_counts_add_up_on_ten_thousand_rows(name, kind, tmp_path_factory):
    """Of 10,000 rows with a hundred broken ones, those that can be stored are, and all count."""
    path = tmp_path_factory.mktemp(name) / f"log.{kind}"
    rows = generated(name, 10_000)

    @settings(max_examples=2, phases=[Phase.generate])
    @given(damages=broken((*DAMAGES[name], *damages_of(path))))
    def check(damages: dict[int, Damage]) -> None:
        counts = write(path, rows, damages)
        found = preview(path, estimate_costs=False, **options_of(name))
        assert (found.n_rows, found.n_stored) == (counts.n_rows, counts.n_stored)
        assert found.n_rows == found.n_stored + found.n_rejected + found.n_left_out

    check()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), name=st.sampled_from(NAMES), kind=st.sampled_from(["csv", "jsonl"]))
def test_counts_add_up_on_any_damage(data, name, kind, tmp_path_factory):
    """Whichever rows of a small log are broken, and however, every row is counted once."""
    path = tmp_path_factory.mktemp("small") / f"log.{kind}"
    n_rows = data.draw(st.integers(2, 12))
    kinds = (*DAMAGES[name], *damages_of(path))
    damages = data.draw(broken(kinds, n_rows, data.draw(st.integers(0, n_rows - 1))))
    counts = write(path, generated(name, n_rows), damages)
    if counts.n_stored:
        found = preview(path, estimate_costs=False, **options_of(name))
        assert (found.n_rows, found.n_stored) == (counts.n_rows, counts.n_stored)
        assert found.n_rows == found.n_stored + found.n_rejected + found.n_left_out
    else:
        with pytest.raises(DataError, match="no row can be stored"):
            preview(path, estimate_costs=False, **options_of(name))


# --- Older exports -----------------------------------------------------------------------------


def test_helicone_csv_has_fewer_columns(tmp_path, lab):
    """The CSV of Helicone's export tool has no request id and no delay: others take their place."""
    path = tmp_path / "output.csv"
    path.write_text(
        "response_id,response_created_at,response_status,request_created_at,request_body,"
        "request_properties,request_user_id,model,prompt_tokens,completion_tokens,latency,cost_usd\n"
        '"r1","2025-03-04T09:00:02.500Z","200","2025-03-04T09:00:00Z","","","u","gpt-4o","7","2",,"0.5"\n'
        '"r2","2025-03-04 09:00:02.5","500","2025-03-04 09:00:01","","","u","gpt-4o","","",,""\n',
        "utf-8",
    )
    report = imported(path, "old")
    assert (report.format, report.n_stored, report.kind) == ("helicone", 2, "complete")
    data = load_dataset("old")
    assert data.column("request_id").to_pylist() == ["r1", "r2"]
    assert data.latency_s.tolist() == [[2.5], [1.5]]
    assert data.error.tolist() == [[0], [3]]
    assert data.cost_usd[0, 0] == 0.5


def test_portkey_without_ids_counts_rows_of_a_trace(tmp_path, lab):
    """An export without ``id`` has only traces, which may hold many requests: the row is added."""
    rows = [
        {"trace_id": "t", "ai_model": "m", "cost": cost, "request.body": {"prompt": "hi"}}
        for cost in (1, 250, None)
    ]
    rows[0]["response_time"] = 5
    report = imported(written_as(rows, tmp_path / "old.jsonl"), "old")
    assert (report.format, report.n_stored) == ("portkey", 3)
    data = load_dataset("old")
    assert data.column("request_id").to_pylist() == ["t/0", "t/1", "t/2"]
    assert data.column("prompt").to_pylist() == ["hi"] * 3
    assert data.cost_usd[:2, 0].tolist() == [0.01, 2.5]


# --- RouteLLM and lists of prompts -------------------------------------------------------------


def test_mmlu_of_routellm_is_the_published_one(shared_datasets, lab):
    """All 57 files import in one call, and without the listed prompts agree with pandas."""
    folder = shared_datasets / "routellm_mmlu"
    files = sorted((folder / "responses").glob("*.csv"))
    drops = folder / "contaminated_prompts.jsonl"
    whole = imported(folder / "responses", "whole")
    assert (whole.n_rows, whole.n_requests, whole.n_outcomes) == (14_042, 14_042, 28_084)
    report = imported(folder / "responses", "mmlu", drop_prompts=drops)
    assert (report.format, report.n_rows, report.n_left_out) == ("routellm", 14_042, 5)
    assert (report.n_stored, report.n_rejected, report.kind) == (14_037, 0, "complete")
    frame = pd.concat(pd.read_csv(f).assign(part=f.stem.removeprefix("mmlu_")) for f in files)
    frame = frame[~frame["prompt"].isin(pd.read_json(drops, lines=True)["eval_prompt"])]
    data = load_dataset("mmlu")
    assert data.models == ("gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1")
    strong, weak = (data.quality[:, i] for i in range(2))
    assert weak.tolist() == frame[data.models[1]].astype(float).tolist()
    assert strong.tolist() == frame[data.models[0]].astype(float).tolist()
    assert data.column("prompt").to_pylist() == frame["prompt"].tolist()
    assert data.column("category").to_pylist() == frame["part"].tolist()
    shares = (weak.mean(), strong.mean(), (weak + strong > 0).mean())
    assert [f"{100 * share:.2f}" for share in shares] == ["68.09", "80.59", "85.87"]


def test_dropped_prompts_are_left_out(tmp_path, lab):
    """Rows with a listed prompt are left out, whatever the ends of lines and spaces around it."""
    folder = tmp_path / "logs"
    folder.mkdir()
    for log in logs_of("routellm"):
        (folder / log.name).write_bytes(log.read_bytes())
    report = imported(folder, "some", drop_prompts=GOLDEN / "routellm" / "drop.jsonl")
    assert (report.n_rows, report.n_left_out, report.n_rejected) == (11, 3, 2)
    kept = {o["request_id"] for o in outcomes_of("some")}
    gone = {o["request_id"] for o in expected_of("routellm")["outcomes"]} - kept
    assert gone == {"abstract_algebra/6", "us_foreign_policy/1", "us_foreign_policy/2"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("drops.txt", "one\n\ntwo é\none\n"),
        ("drops.csv", 'n,prompt\n1,one\n2,"two é"\n'),
        ("drops.csv", "prompt,eval_prompt\nno,one\nno,two é\n"),
        ("drops.jsonl", '{"prompt": "one"}\n\n{"query": "two é"}\n'),
        ("drops.jsonl", '"one"\n"two é"\n'),
        ("drops.json", '[{"eval_prompt": "one", "prompt": "no"}, "two é"]'),
        ("drops.txt", "\ufeffone\r\ntwo é \r\n"),
    ],
)
def test_lists_of_prompts_come_in_many_shapes(name, content, tmp_path):
    """Text, CSV and JSON lists give the same prompts."""
    (tmp_path / name).write_text(content, "utf-8", newline="")
    with duckdb.connect() as con:
        assert read_drops(con, tmp_path / name) == 2
        found = con.execute("SELECT prompt FROM dropped ORDER BY 1").fetchall()
    assert found == [("one",), ("two é",)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("drops.csv", b"text\none\n", "no prompt in it; got text; allowed: eval_prompt or prompt"),
        ("drops.jsonl", b'{"text": "one"}\n', "no prompt in it; got text"),
        ("drops.jsonl", b'{"prompt": 1}\n', "a prompt is not text; got 1 in line 1"),
        ("drops.jsonl", b'"a"\n{"prompt"\n', "not JSON; .* in line 2"),
        ("drops.txt", b"\n\n", "no prompts in the list"),
        ("drops.txt", b"\xff\xfe\xff", "not UTF-8"),
        ("drops.csv", b'prompt\n"open\n', "the CSV cannot be read"),
        ("drops.pkl", pickle.dumps(["one"]), "this is a Python pickle"),
    ],
)
def test_wrong_lists_of_prompts_are_refused(name, content, message, tmp_path):
    """A list that holds no prompts says what it has, and what it should have."""
    (tmp_path / name).write_bytes(content)
    with duckdb.connect() as con, pytest.raises(DataError, match=message):
        read_drops(con, tmp_path / name)
    with duckdb.connect() as con, pytest.raises(DataError, match="no such file"):
        read_drops(con, tmp_path / "none.txt")


# --- Long and wide tables ----------------------------------------------------------------------


def log_at(tmp_path: Path, text: str) -> Path:
    """A CSV file."""
    path = tmp_path / "log.csv"
    path.write_text(text, "utf-8")
    return path


def test_long_table_of_other_names_is_read_by_mapping(tmp_path, lab):
    """``--map`` says which column of the file is which of ours; the rest is left out and said."""
    path = log_at(tmp_path, "id,llm,score,ms,who,x\na,m/1,1,250,ada,9\na,m2,0,500,ada,9\n")
    mapping = {"request_id": "id", "model": "llm", "quality": "score", "latency_ms": "ms"}
    report = imported(path, "mapped", mapping={**mapping, "user": "who"})
    assert (report.format, report.n_stored) == ("long", 2)
    assert "columns left out: x" in report.notes
    data = load_dataset("mapped")
    assert data.models == ("m/1", "m2")
    assert (data.quality.tolist(), data.latency_s.tolist()) == ([[1, 0]], [[0.25, 0.5]])
    assert data.column("user").to_pylist() == ["ada"]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"requestid": "id"}, "no such column of ours; got 'requestid'; allowed: 'request_id'"),
        ({"request_id": "di"}, "the file has no such column; got 'di'; allowed: 'id'"),
        ({"request_id": "id"}, "no column 'model'; got"),
        ({"request_id": "id", "model": "llm"}, "nothing was measured"),
        (
            {"request_id": "id", "model": "llm", "latency_s": "s", "latency_ms": "s"},
            "latency is given twice",
        ),
    ],
)
def test_wrong_mapping_of_a_long_table_is_told(mapping, message, tmp_path, lab):
    """A name that nobody has, or a column that is missing, is told with what there is."""
    path = log_at(tmp_path, "id,llm,score,s\na,m,1,2\n")
    with pytest.raises(DataError, match=message):
        import_file(path, "wrong", mapping=mapping)


WIDE = "q,a_ok,b_ok,a_usd,b_usd,c_ok,total_usd\n1,True,False,1,2,1,3\n2,0.5,,3,,0,3\n"


@pytest.mark.parametrize(
    ("mapping", "models"),
    [
        ({"quality": "{model}_ok"}, ("a", "b", "c")),
        ({"quality": "{model}_ok", "cost_usd": "{model}_usd"}, ("a", "b")),
        ({"cost_usd": "{model}_usd", "quality": "{model}_ok"}, ("a", "b")),
        ({"cost_usd": "{model}_usd"}, ("a", "b", "total")),
        ({"quality": "a_ok,b_ok"}, ("a_ok", "b_ok")),
        ({"quality": "b_ok, a_ok", "cost_usd": "b_usd,a_usd"}, ("a_ok", "b_ok")),
    ],
)
def test_wide_table_is_read_by_patterns_or_lists(mapping, models, tmp_path, lab):
    """A pattern finds the models that have all columns; a list names them by its columns."""
    assert is_wide(mapping, Columns(tuple(WIDE.splitlines()[0].split(","))))
    path = log_at(tmp_path, WIDE)
    report = imported(path, "wide", mapping={**mapping, "request_id": "q"})
    assert report.format == "wide"
    assert (report.n_rows, report.n_stored) == (2, 2)
    data = load_dataset("wide")
    assert data.models == models
    if "quality" in mapping:
        assert data.quality[0, :2].tolist() == [1, 0]
        assert data.quality[1, 0] == 0.5
    if "cost_usd" in mapping:
        assert data.cost_usd[0, :2].tolist() == [1, 2]


def test_wide_table_without_ids_counts_its_rows(tmp_path, lab):
    """Where no column is the id, a request is the file's name and its row."""
    imported(log_at(tmp_path, WIDE), "wide", mapping={"quality": "{model}_ok"})
    assert load_dataset("wide").column("request_id").to_pylist() == ["log/0", "log/1"]


def test_pattern_alone_takes_the_models_of_another(tmp_path, lab):
    """``{model}`` by itself is the column named by the model that another pattern found."""
    path = log_at(tmp_path, 'q,"x,y",x/z,"x,y|usd",x/z|usd\n1,1,0,0.5,0.25\n')
    mapping = {"quality": "{model}", "cost_usd": "{model}|usd", "request_id": "q"}
    imported(path, "wide", mapping=mapping)
    data = load_dataset("wide")
    assert data.models == ("x,y", "x/z")
    assert (data.quality.tolist(), data.cost_usd.tolist()) == ([[1, 0]], [[0.5, 0.25]])
    listed = {"quality": '"x,y",x/z', "request_id": "q"}
    imported(path, "listed", mapping=listed)
    assert load_dataset("listed").models == ("x,y", "x/z")


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"quality": "{model}"}, "alone fits every column"),
        ({"quality": "{model}_okay"}, "no column fits '{model}_okay'"),
        ({"quality": "a_ok,b_okk"}, "the file has no such column; got 'b_okk'; allowed: 'b_ok'"),
        ({"quality": "a_ok,b_ok", "cost_usd": "a_usd,b_usd,c_ok"}, "cost_usd has 3 columns; got 2"),
        ({"quality": "a_ok,a_ok"}, "names a column twice"),
        ({"prompt": "{model}_ok"}, "prompt cannot differ by model"),
        ({"quality": "{model}_ok", "qualty": "q"}, "no such column of ours; got 'qualty'"),
        ({"quality": "{model}_ok", "model": "q"}, "the columns name the models"),
    ],
)
def test_wrong_mapping_of_a_wide_table_is_told(mapping, message, tmp_path, lab):
    """A pattern or list that fits nothing is told with what there is."""
    with pytest.raises(DataError, match=message):
        import_file(log_at(tmp_path, WIDE), "wrong", mapping=mapping)


@pytest.mark.parametrize(
    "mapping", [{"quality": "score"}, {"prompt": "a,b"}, {"quality": "x,y"}, {}]
)
def test_plain_names_make_no_wide_table(mapping):
    """A column whose own name has a comma is no list."""
    assert not is_wide(mapping, Columns(("score", "x,y")))


NASTY = ['"; DROP TABLE source; --', "c0", "$m0", "{model}'", "é'\"\\", "a b", "SELECT", "%s"]


@pytest.mark.parametrize("model", NASTY)
def test_names_of_models_are_never_code(model, tmp_path, lab):
    """Whatever a column or a model is called, it is a name."""
    rows = [{"q": "1", f"{model}_ok": "1", "b_ok": "0"}]
    path = written_as(rows, tmp_path / "log.csv")
    mapping = {"quality": "{model}_ok", "request_id": "q"}
    imported(path, "wide", mapping=mapping)
    assert set(load_dataset("wide").models) == {model, "b"}
    bench = [
        {"sample_id": "1", "eval_name": "e", "prompt": "p", model: 1, f"{model}|total_cost": 2}
    ]
    imported(written_as(bench, tmp_path / "bench.jsonl"), "bench")
    assert load_dataset("bench").models == (model,)
    assert load_dataset("bench").cost_usd.tolist() == [[2]]


# --- Pickles -----------------------------------------------------------------------------------


class Trap:
    """Makes a file as soon as its pickle is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def zipped(content: bytes) -> bytes:
    """A zip file with a pickle inside, as PyTorch writes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as folder:
        folder.writestr("archive/data.pkl", content)
    return packed.getvalue()


PACKED = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zlib": zlib.compress,
    "zip": zipped,
}


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("name", ["log.csv", "log.parquet", "log.pkl", "log.jsonl.gz", "log"])
def test_pickle_is_refused_and_never_opened(name, packed, tmp_path):
    """A pickle under any name and in any wrapping is refused; what it would do does not happen."""
    trap = tmp_path / "sprung"
    for protocol in (2, 3, 4, 5):
        (tmp_path / name).write_bytes(PACKED[packed](pickle.dumps(Trap(trap), protocol)))
        with pytest.raises(
            DataError, match=r"this is a Python pickle.*read_pickle\(...\)\.to_parq"
        ):
            refuse_pickle(tmp_path / name)
    assert not trap.exists()


@pytest.mark.parametrize("name", ["routerbench_0shot.pkl", "log.csv", "log.parquet", "x.pkl.gz"])
def test_import_refuses_pickles(name, tmp_path, lab):
    """An import says how to turn a pickle into what can be read."""
    trap = tmp_path / "sprung"
    (tmp_path / name).write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(DataError, match="this is a Python pickle"):
        import_file(tmp_path / name, "wrong")
    assert not trap.exists()


@pytest.mark.parametrize("name", NAMES)
def test_logs_are_no_pickles(name, tmp_path):
    """Logs of every kind, broken ones too, pass."""
    for log in logs_of(name):
        refuse_pickle(log)
        content = log.read_bytes()
        for other in (
            content.decode().encode("utf-16"),
            gzip.compress(content),
            b"",
            b"PK\x03\x04",
        ):
            (tmp_path / "log.csv").write_bytes(other)
            refuse_pickle(tmp_path / "log.csv")
        cut = gzip.compress(content)[:20]
        (tmp_path / "log.csv.gz").write_bytes(cut)
        refuse_pickle(tmp_path / "log.csv.gz")
    refuse_pickle(tmp_path / "missing.csv")
