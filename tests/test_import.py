from __future__ import annotations

import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.test_datasets import NUMBERS, assert_is, assert_same, long_tables
from toolkit.errors import DataError
from toolkit.logs.datasets import list_datasets, load_dataset, load_folder
from toolkit.logs.exporters import export_folder
from toolkit.logs.importers import import_file

HEAD = "request_id,model,quality"


@pytest.fixture
def log(tmp_path, lab):
    """Write a file of the given name and content, and return its path."""

    def write(content, name="log.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture(scope="module")
def bfcl(bfcl_dir, tmp_path_factory):
    """The store with BFCL in it, and the report of the import."""
    path = tmp_path_factory.mktemp("bfcl") / "lab.duckdb"
    report = import_file(
        bfcl_dir / "bfcl_long.csv.gz", "bfcl", bfcl_dir / "bfcl_prompts.csv.gz", path
    )
    return path, report


def test_bfcl_is_imported_whole(bfcl):
    """BFCL has 1,700 requests, 71 models and 120,700 outcomes, two with an error that scored."""
    _, report = bfcl
    assert (report.n_requests, report.n_models, report.n_outcomes) == (1700, 71, 120_700)
    assert report.notes == (
        "columns left out: error_type, output_chars",
        "error 'api_error' is read as server_error (8)",
        "outcomes with an error and a quality above 0, now 0: 2",
    )


def test_bfcl_agrees_with_pandas(bfcl, bfcl_dir, monkeypatch):
    """Means of every model are those that pandas computes from the file."""
    monkeypatch.setenv("DETOUR_DB", str(bfcl[0]))
    dataset = load_dataset("bfcl")
    frame = pd.read_csv(bfcl_dir / "bfcl_long.csv.gz", keep_default_na=False, na_values=[""])
    frame.loc[frame["error"].notna(), "quality"] = 0
    frame["latency_s"] = frame["latency_ms"] / 1000
    means = frame.groupby("model")[list(NUMBERS)].mean().loc[list(dataset.models)]
    for name in NUMBERS:
        matrix = getattr(dataset, name)
        known = ~np.isnan(matrix)
        counts = known.sum(axis=0)
        sums = np.where(known, matrix, 0).sum(axis=0)
        got = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
        np.testing.assert_allclose(got, means[name], rtol=1e-12)
    claude = dataset.models.index("claude-3-5-sonnet-20240620")
    assert dataset.quality[:, claude].mean() == pytest.approx(0.9053, abs=5e-5)
    assert dataset.cost_usd[:, claude].mean() * 1000 == pytest.approx(2.205, abs=5e-4)
    assert dataset.latency_s[:, claude].mean() == pytest.approx(1.655, abs=5e-4)


def test_bfcl_requests_have_typed_columns(bfcl, bfcl_dir, monkeypatch):
    """Columns of the prompts file are the requests' columns, with types of their own."""
    monkeypatch.setenv("DETOUR_DB", str(bfcl[0]))
    requests = load_dataset("bfcl").requests
    prompts = pd.read_csv(bfcl_dir / "bfcl_prompts.csv.gz")
    assert requests.schema.field("n_functions").type == pa.int64()
    pd.testing.assert_frame_equal(
        requests.to_pandas()[list(prompts.columns)], prompts, check_dtype=False
    )


def test_bfcl_export_round_trip(bfcl, tmp_path, monkeypatch):
    """BFCL that is exported and loaded is the same."""
    monkeypatch.setenv("DETOUR_DB", str(bfcl[0]))
    dataset = load_dataset("bfcl")
    assert_same(load_folder(export_folder(dataset, tmp_path / "bfcl")), dataset)


def written(rows, kind, path):
    """Write rows as a file of a kind."""
    names = list(rows[0])
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        cells = [[row[c] for c in names] for row in rows]
        pd.DataFrame(cells, columns=names, dtype=object).to_csv(path, index=False)
    return path


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=long_tables(), kind=st.sampled_from(["csv", "csv.gz", "jsonl", "parquet"]))
def test_random_files_become_the_matrices_of_an_obvious_loop(tmp_path_factory, rows, kind):
    """A random long table in any kind of file, imported and loaded, is what a loop makes of it."""
    folder = tmp_path_factory.mktemp("random")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETOUR_DB", str(folder / "lab.duckdb"))
        import_file(written(rows, kind, folder / f"log.{kind}"), "random")
        assert_is(load_dataset("random"), rows)


def test_same_file_again_changes_nothing(log, lab):
    """Importing the same content under the same name again leaves the store as it is."""
    path = log(f"{HEAD}\na,m,1\n")
    assert not import_file(path, "one").already_there
    before = lab.read_bytes()
    again = import_file(path, "one")
    assert again.already_there
    assert (again.n_requests, again.n_models, again.n_outcomes) == (1, 1, 1)
    assert lab.read_bytes() == before


def test_other_content_needs_another_name_or_replace(log):
    """A name keeps its content until a replacement is asked for."""
    import_file(log(f"{HEAD}\na,m,1\n"), "one")
    other = log(f"{HEAD}\na,m,0\nb,m,1\n", "other.csv")
    with pytest.raises(DataError, match="dataset 'one' is there already with other content"):
        import_file(other, "one")
    assert load_dataset("one").n_requests == 1
    assert import_file(other, "one", replace=True).n_requests == 2
    assert load_dataset("one").n_requests == 2


def test_refused_replacement_keeps_the_old(log):
    """A file that is refused leaves what the name had."""
    import_file(log(f"{HEAD}\na,m,1\n"), "one")
    with pytest.raises(DataError, match="quality is wrong"):
        import_file(log(f"{HEAD}\na,m,7\n", "bad.csv"), "one", replace=True)
    assert load_dataset("one").quality.tolist() == [[1.0]]


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "é", "a/b", "x'; DROP TABLE datasets"])
def test_strange_names_are_refused(log, name):
    """A name is 1 to 64 letters, digits, '-', '_' or '.'."""
    with pytest.raises(DataError, match="1 to 64 letters"):
        import_file(log(f"{HEAD}\na,m,1\n"), name)


def test_bundled_names_are_reserved(log, tmp_path, monkeypatch):
    """An import cannot take the name of a bundled dataset."""
    path = log(f"{HEAD}\na,m,1\n")
    import_file(path, "mine")
    monkeypatch.setenv("DETOUR_BUNDLED", str(tmp_path / "data"))
    export_folder(load_dataset("mine"), tmp_path / "data" / "tiny")
    with pytest.raises(DataError, match="a bundled dataset has it"):
        import_file(path, "tiny")


REFUSED = [
    (f"{HEAD}\na,m,1\na,m,0\n", "before; got 'a / m' in row 3 .*header included"),
    (f"{HEAD}\na,m,x\n", "quality is wrong; got 'x' in row 2 .*allowed: a number, 0 to 1"),
    (f"{HEAD}\na,m,1.5\nb,m,-1\n", "quality is wrong; got '1.5' in row 2, '-1' in row 3"),
    (f"{HEAD}\na,m,nan\nb,m,inf\nc,m,1e999\n", "got 'nan' in row 2, 'inf' in row 3, '1e999' in ro"),
    (f"{HEAD},cost_usd\na,m,1,-0.5\n", "cost_usd is wrong; got '-0.5' in row 2 .*0 or more"),
    (f"{HEAD},latency_ms\na,m,1,-5\n", "latency_ms is wrong; got '-5' in row 2"),
    (f"{HEAD},latency_s\na,m,1,slow\n", "latency_s is wrong; got 'slow' in row 2"),
    (f"{HEAD},output_tokens\na,m,1,-1\n", "output_tokens is wrong; got '-1' in row 2"),
    (f"{HEAD},latency_s,latency_ms\na,m,1,1,1000\n", "latency is given twice"),
    (f"{HEAD}\n,m,1\n", "request_id is missing; got '' in row 2"),
    (f"{HEAD}\na,,1\n", "model is missing; got '' in row 2"),
    ("request,model,quality\na,m,1\n", r"no column 'request_id'; got 'request' \(did you mean"),
    ("request_id,model\na,m\n", "nothing was measured; .*at least one column of quality"),
    (f"{HEAD},quality\na,m,1,1\n", "column 'quality' is there twice"),
    (f"{HEAD}\na,m\nb,m,1\n", "rows that do not fit the header: line 2.*1 in all"),
    (f"{HEAD}\na,m,1\nb,m,1,1\n", "rows that do not fit the header: line 3"),
    (f'{HEAD}\na,m,"1\n', "rows that do not fit the header: line 2: .*quote"),
    (f"{HEAD}\n", "no outcomes; allowed: a row for each outcome"),
    ("", "the file is empty"),
    (f"{HEAD}\na,m\xff,1\n".encode("latin-1"), "not UTF-8"),
    (f"{HEAD}\n".encode() + b"a,m,1\n" * 20_000 + b"\xff,m,1\n", "not UTF-8"),
    (f"{HEAD}\na,m,1\n".encode("utf-16"), "not UTF-8"),
]


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_wrong_csv_is_refused_whole(log, lab, content, message):
    """A wrong file is refused with its rows, and nothing of it stays."""
    with pytest.raises(DataError, match=message):
        import_file(log(content), "wrong")
    assert [d for d in list_datasets() if not d.bundled] == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"request_id":"a","model":"m","quality":1}\n{"request_id":\n',
            "cannot be read.*Malformed",
        ),
        (
            '{"request_id":"a","model":"m","quality":1}\n\n[1]\n',
            r"not a JSON object; got '\[1\]' in",
        ),
        (
            '{"request_id":"a","model":"m","quality":"good"}\n',
            "quality is wrong; got 'good' in line",
        ),
        (b'{"request_id":"a\xff","model":"m","quality":1}\n', "not UTF-8"),
        ("\n\n", "no column 'request_id'; got no columns"),
    ],
)
def test_wrong_json_lines_are_refused(log, content, message):
    """Lines that are not JSON objects of the right values are refused."""
    with pytest.raises(DataError, match=message):
        import_file(log(content, "log.jsonl"), "wrong")


def test_what_is_no_file_of_a_known_kind_is_refused(log, tmp_path):
    """Missing files, folders, unknown kinds and broken containers are told apart."""
    whole = gzip.compress(f"{HEAD}\n".encode() + b"".join(b"%d,m,1\n" % i for i in range(9999)))
    with pytest.raises(DataError, match="no such file"):
        import_file(tmp_path / "none.csv", "wrong")
    with pytest.raises(DataError, match="got a folder"):
        import_file(tmp_path, "wrong")
    with pytest.raises(DataError, match=r"kind of file not known; allowed: \.csv, \.jsonl"):
        import_file(log("x", "log.xlsx"), "wrong")
    with pytest.raises(DataError, match="the gzip file is broken or cut off"):
        import_file(log(whole[: len(whole) // 2], "log.csv.gz"), "wrong")
    with pytest.raises(DataError, match="the gzip file is broken or cut off"):
        import_file(log("x", "log.csv.gz"), "wrong")
    with pytest.raises(DataError, match="the gzip file is broken or cut off"):
        import_file(log("x", "log.jsonl.gz"), "wrong")
    with pytest.raises(DataError, match="the parquet file cannot be read"):
        import_file(log("x", "log.parquet"), "wrong")


def test_only_the_first_five_rows_are_listed(log):
    """Many wrong rows are counted, the first five are named."""
    with pytest.raises(DataError, match=r"'2' in row 6 and 15 more \(20 in all"):
        import_file(log(f"{HEAD}\n" + "".join(f"{i},m,2\n" for i in range(20))), "wrong")


def test_errors_are_read_by_label_synonym_and_status(log):
    """Error names map to the closed set in any case; what is not known is told and counted."""
    names = ["", "Timeout", "API_ERROR", "429", "503", "504", "401", "400", "weird", "weird", "200"]
    rows = "".join(f"{i},m,1,{name}\n" for i, name in enumerate(names))
    report = import_file(log(f"{HEAD},error\n{rows}"), "errors")
    dataset = load_dataset("errors")
    assert dataset.error[:, 0].tolist() == [0, 1, 3, 2, 3, 1, 5, 6, 12, 12, 0]
    assert dataset.quality[:, 0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert "errors of unknown name, read as unknown: 'weird' (2)" in report.notes
    assert "error 'API_ERROR' is read as server_error (1)" in report.notes
    assert "outcomes with an error and a quality above 0, now 0: 9" in report.notes


def test_prompts_give_order_columns_and_types(log):
    """Prompts order the requests and type their columns; those without an outcome are left out."""
    prompts = (
        'request_id,prompt,n,share,zip,new,at,"a ""b"", c",empty\n'
        'b,"two\nlines",1,0.5,01234,true,2024-05-01,x,\n'
        "unused,u,2,1,99999,false,2024-05-02 10:00:00,y,\n"
        "a,12,3,2,55555,FALSE,,z,\n"
    )
    report = import_file(log(f"{HEAD}\na,m,1\nb,m,0\n"), "typed", log(prompts, "prompts.csv"))
    assert report.notes == ("prompts without an outcome, left out: 1",)
    requests = load_dataset("typed").requests
    types = {f.name: str(f.type) for f in requests.schema}
    assert types == {
        "request_id": "string",
        "prompt": "string",
        "n": "int64",
        "share": "double",
        "zip": "string",
        "new": "bool",
        "at": "timestamp[us]",
        'a "b", c': "string",
        "empty": "string",
        "input_tokens": "double",
    }
    assert requests["request_id"].to_pylist() == ["b", "a"]
    assert requests["prompt"].to_pylist() == ["two\nlines", "12"]
    assert requests["zip"].to_pylist() == ["01234", "55555"]


def test_prompts_may_be_json_lines(log):
    """Prompts in JSON lines keep the types that JSON has; ids are text."""
    prompts = '{"request_id": 1, "n": 2, "vip": true, "tags": ["x"]}\n{"request_id": "b", "n": 3}\n'
    import_file(log(f"{HEAD}\n1,m,1\nb,m,0\n"), "json", log(prompts, "prompts.jsonl"))
    requests = load_dataset("json").requests
    assert requests["request_id"].to_pylist() == ["1", "b"]
    assert requests["n"].to_pylist() == [2, 3]
    assert requests["vip"].to_pylist() == [True, None]
    assert requests["tags"].to_pylist() == [["x"], None]


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (
            "request_id,p\na,1\na,2\nb,3\n",
            "prompts.csv: request_id is there before; got 'a' in row 3",
        ),
        ("request_id,p\na,1\n", "log.csv: request_id is not in prompts.csv; got 'b' in row 3"),
        ("id,p\na,1\n", "prompts.csv: no column 'request_id'; got 'id'"),
        ("request_id,p\na,1\nb,2\n,3\n", "prompts.csv: request_id is missing; got '' in row 4"),
        ("request_id,input_tokens\na,-1\nb,2\n", "prompts.csv: input_tokens is wrong; got '-1' in"),
    ],
)
def test_wrong_prompts_are_refused(log, prompts, message):
    """Prompts with wrong, repeated or too few ids are refused with their rows."""
    with pytest.raises(DataError, match=message):
        import_file(log(f"{HEAD}\na,m,1\nb,m,0\n"), "wrong", log(prompts, "prompts.csv"))


def test_category_may_be_in_either_file(log):
    """The prompts' category holds where the files differ, which is noted."""
    outcomes = log("request_id,category,model,quality\na,x,m,1\nb,y,m,0\n")
    import_file(outcomes, "one", log("request_id,p\na,1\nb,2\n", "p1.csv"))
    assert load_dataset("one").column("category").to_pylist() == ["x", "y"]
    both = log("request_id,category\na,x\nb,z\n", "p2.csv")
    report = import_file(outcomes, "two", both)
    assert load_dataset("two").column("category").to_pylist() == ["x", "z"]
    assert report.notes == ("requests with another category in the prompts, which is kept: 1",)


def test_windows_files_are_read(log):
    """A byte order mark, carriage returns, an unnamed column and empty lines do no harm."""
    content = f"\ufeff{HEAD},,timestamp\r\na,m,1,0,2024-01-01T10:00:00\r\n\r\nb,m,0,1,\r\n"
    report = import_file(log(content, "log (1) [x].csv"), "windows")
    dataset = load_dataset("windows")
    assert report.notes == ("columns left out: column 4",)
    assert dataset.quality.tolist() == [[1.0], [0.0]]
    assert str(dataset.column("timestamp").type) == "timestamp[us]"


def test_simulated_mark_survives_export_and_import(log, tmp_path):
    """An exported simulated dataset is simulated after an import, too."""
    import_file(log(f"{HEAD}\na,m,1\n"), "real")
    simulated = load_dataset("real").select(["m"])
    object.__setattr__(simulated, "simulated", True)
    folder = export_folder(simulated, tmp_path / "x")
    import_file(folder / "outcomes.parquet", "again", folder / "requests.parquet")
    assert load_dataset("again").simulated
    assert not load_dataset("real").simulated
