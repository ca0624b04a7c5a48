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
from toolkit.logs.exporters import export
from toolkit.logs.importers import import_file, preview

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
    assert_same(load_folder(export(dataset, tmp_path / "bfcl")), dataset)


def written(rows, kind, path):
    """Write rows as a file of a kind."""
    names = list(rows[0])
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        cells = [[row[c] for c in names] for row in rows]
        # With these line ends it quotes a lone carriage return too, as it must.
        frame = pd.DataFrame(cells, columns=names, dtype=object)
        frame.to_csv(path, index=False, lineterminator="\r\n")
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
    export(load_dataset("mine"), tmp_path / "data" / "tiny")
    with pytest.raises(DataError, match="a bundled dataset has it"):
        import_file(path, "tiny")


REFUSED = [
    (f"{HEAD}\na,m,x\n", "line 2: quality is wrong; got 'x'; allowed: a number, 0 to 1"),
    (f"{HEAD}\na,m,1.5\nb,m,-1\n", "2 rejected, the first: .*line 2: quality is wrong; got '1.5'"),
    (f"{HEAD},cost_usd\na,m,1,-0.5\n", "line 2: cost_usd is wrong; got '-0.5'.*0 or more"),
    (f"{HEAD},latency_ms\na,m,1,-5\n", "line 2: latency_ms is wrong; got '-5'"),
    (f"{HEAD},latency_s\na,m,1,slow\n", "line 2: latency_s is wrong; got 'slow'"),
    (f"{HEAD},output_tokens\na,m,1,-1\n", "line 2: output_tokens is wrong; got '-1'"),
    (f"{HEAD},latency_s,latency_ms\na,m,1,1,1000\n", "latency is given twice"),
    (f"{HEAD}\n,m,1\n", "line 2: request_id is missing"),
    (f"{HEAD}\na,,1\n", "line 2: model is missing"),
    ("request,model,quality\na,m,1\n", r"no column 'request_id'; got 'request' \(did you mean"),
    ("request_id,model\na,m\n", "nothing was measured; .*at least one column of quality"),
    (f"{HEAD},quality\na,m,1,1\n", "column 'quality' is there twice"),
    (f'{HEAD}\na,m,"1\n', "line 2: a quote is not closed"),
    (f"{HEAD}\n", "no outcomes; allowed: a row for each outcome"),
    ("", "the file is empty"),
    (f"{HEAD}\na,m\xff,1\n".encode("latin-1"), "line 2: is not UTF-8"),
    (f"{HEAD}\na,m,1\n".encode("utf-16")[2:], "the format is not known|is not UTF-8"),
]


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_a_log_without_a_good_row_is_refused(log, lab, content, message):
    """A log of which no row can be stored is refused with the first reason, and nothing stays."""
    with pytest.raises(DataError, match=message):
        import_file(log(content), "wrong")
    assert [d for d in list_datasets() if not d.bundled] == []


BROKEN = [
    ("b,m,x\n", 3, "quality is wrong; got 'x'"),
    ("b,m,nan\n", 3, "quality is wrong; got 'nan'"),
    ("b,m,1e999\n", 3, "quality is wrong; got '1e999'"),
    ("a,m,0\n", 3, "request_id and model are there before; got 'a / m'"),
    (",m,1\n", 3, "request_id is missing"),
    ("b,m\n", 3, "does not fit the header; Expected Number of Columns: 3 Found: 2"),
    ("b,m,1,1\n", 3, "does not fit the header; Expected Number of Columns: 3 Found: 4"),
    ('c,m,1\n\n"d\n\nd",m,1\nb,m,2\n', 8, "quality is wrong; got '2'"),
    ("\nb,m,1,1\n", 4, "does not fit the header; Expected Number of Columns: 3 Found: 4"),
    (b"b\xff,m,1\n", 3, "is not UTF-8; is the whole file in another encoding, name it"),
]


@pytest.mark.parametrize(("rows", "line", "reason"), BROKEN)
def test_a_broken_row_is_rejected_and_the_others_stay(log, rows, line, reason):
    """A broken row goes to the file of rejects with its line and why; the others are stored."""
    content = rows if isinstance(rows, bytes) else rows.encode()
    report = import_file(log(f"{HEAD}\na,m,1\n".encode() + content + b"z,m,0\n"), "broken")
    assert report.n_rejected == 1
    assert report.n_rows == report.n_stored + 1 == report.n_outcomes + 1
    assert {"a", "z"} <= set(load_dataset("broken").column("request_id").to_pylist())
    (one,) = pd.read_csv(report.rejects_path).to_dict("records")
    assert (one["file"], one["line"]) == ("log.csv", line)
    assert one["reason"].startswith(reason)
    assert one["row"] in content.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"request_id":\n', "is not JSON"),
        (b"[1]\n", "is no JSON object; got array"),
        (b'{"request_id":"b","model":"m","quality":"good"}\n', "quality is wrong; got 'good'"),
        (b'{"request_id":"b\xff","model":"m","quality":1}\n', "is not UTF-8"),
        (b'{"request_id":"b","model":null,"quality":1}\n', "model is missing"),
    ],
)
def test_a_broken_line_of_json_is_rejected(log, line, reason):
    """A line that is no JSON object of the right values is rejected; empty ones are no rows."""
    good = b'{"request_id":"%s","model":"m","quality":1}\n'
    report = import_file(log(good % b"a" + b"\n" + line + good % b"z", "log.jsonl"), "broken")
    assert (report.n_rows, report.n_stored, report.n_rejected) == (3, 2, 1)
    (one,) = pd.read_csv(report.rejects_path).to_dict("records")
    assert one["line"] == 3
    assert one["reason"].startswith(reason)
    assert one["row"] == line.decode("utf-8", "replace").rstrip()


def test_lines_without_a_json_object_are_refused(log):
    """A file of which no line is a JSON object is refused."""
    with pytest.raises(DataError, match=r"log\.jsonl: no outcomes; line 3 is not JSON"):
        import_file(log("\n\n{\n", "log.jsonl"), "wrong")
    with pytest.raises(DataError, match=r"log\.jsonl: no outcomes; allowed"):
        import_file(log("\n\n", "log.jsonl"), "wrong")


def test_other_encodings_are_read(log):
    """A byte order mark says the encoding; without one it can be named."""
    content = f"{HEAD}\né,m,1\n"
    for name, encoded, encoding in (
        ("bom8", content.encode("utf-8-sig"), None),
        ("bom16", content.encode("utf-16"), None),
        ("bom32", content.encode("utf-32"), None),
        ("latin", content.encode("latin-1"), "latin-1"),
    ):
        import_file(log(encoded, f"{name}.csv"), name, encoding=encoding)
        assert load_dataset(name).column("request_id").to_pylist() == ["é"]
    with pytest.raises(DataError, match="encoding 'klingon' is not known"):
        import_file(log(content), "wrong", encoding="klingon")
    with pytest.raises(DataError, match="the text is not ascii"):
        import_file(log(content), "wrong", encoding="ascii")


def test_rejects_are_safe_in_a_spreadsheet(log):
    """A rejected row that a spreadsheet would take for a formula gets an apostrophe."""
    report = import_file(log(f"{HEAD}\na,m,1\n=1+1,m,x\n"), "formula")
    assert pd.read_csv(report.rejects_path)["row"].tolist() == ["'=1+1,m,x"]


def test_a_preview_writes_nothing(log, lab):
    """A preview says what an import would do, with the same counts, and leaves no store."""
    path = log(f"{HEAD},junk\na,m,1,\nb,m,x,\nc,k,0.5,\n")
    seen = preview(path)
    assert not lab.exists()
    assert (seen.format, seen.kind) == ("long", "logged")
    assert (seen.n_rows, seen.n_stored, seen.n_rejected, seen.n_left_out) == (3, 2, 1, 0)
    assert seen.mapping == (("request_id",) * 2, ("model",) * 2, ("quality",) * 2)
    assert [(one.line, one.row) for one in seen.rejects] == [(3, "b,m,x,")]
    assert seen.rows["model"].to_pylist() == ["m", "k"]
    assert any("No latency" in gap for gap in seen.gaps)
    report = import_file(path, "same")
    assert report.notes == seen.notes
    assert report.gaps == seen.gaps


def test_missing_costs_are_estimated_and_marked(log):
    """A missing cost is filled from tokens and list price, marked, noted, and never overwrites."""
    rows = "a,gpt-4o-mini,1,1000,100,\nb,gpt-4o-mini,1,1000,100,0.5\nc,my-own,1,1000,100,\n"
    path = log(f"request_id,model,quality,input_tokens,output_tokens,cost_usd\n{rows}")
    report = import_file(path, "filled")
    data = load_dataset("filled")
    mini = data.models.index("gpt-4o-mini")
    np.testing.assert_allclose(data.cost_usd[:2, mini], [1000 * 0.15e-6 + 100 * 0.6e-6, 0.5])
    assert np.isnan(data.cost_usd[2]).all()
    assert data.estimated_share == pytest.approx(1 / 3)
    assert any(note.startswith("costs estimated from the list prices") for note in report.notes)
    import_file(path, "bare", estimate_costs=False)
    assert np.isnan(load_dataset("bare").cost_usd[0]).all()
    import_file(export(data, path.parent / "out") / "outcomes.parquet", "again")
    assert load_dataset("again").estimated_share == data.estimated_share


def test_a_folder_is_one_log(tmp_path, lab):
    """All files of a folder are read together, whatever the order of their columns."""
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "a.csv").write_text(f"{HEAD}\na,m,1\nb,m,x\n")
    (folder / "b.csv").write_text("model,quality,request_id\nm,0,c\nm,y,d\n")
    report = import_file(folder, "parts")
    assert load_dataset("parts").column("request_id").to_pylist() == ["a", "c"]
    rejects = pd.read_csv(report.rejects_path)
    assert rejects[["file", "line"]].values.tolist() == [["a.csv", 3], ["b.csv", 3]]
    (folder / "c.csv").write_text("request_id,model,cost_usd\n")
    with pytest.raises(DataError, match=r"c\.csv: its columns are not those of a\.csv"):
        import_file(folder, "wrong")
    (folder / "d.parquet").write_bytes(b"x")
    with pytest.raises(DataError, match="files of several kinds; got csv, parquet"):
        import_file(folder, "wrong")


def test_moments_are_read_in_any_form(log):
    """Timestamps with or without zone and epochs in any unit are the same moment in UTC."""
    forms = [
        "2023-11-14T22:13:20Z",
        "2023-11-15 03:43:20+05:30",
        "2023-11-14 22:13:20",
        "1700000000",
        "1700000000000",
        "1700000000000000000",
        "noon",
    ]
    rows = "".join(f"{i},m,1,{form}\n" for i, form in enumerate(forms))
    report = import_file(log(f"{HEAD},timestamp\n{rows}"), "moments")
    found = load_dataset("moments").column("timestamp").to_pylist()
    assert {str(one) for one in found[:-1]} == {"2023-11-14 22:13:20"}
    assert found[-1] is None
    assert "timestamps that are none, now blank: 1 (such as 'noon')" in report.notes


def test_what_is_no_file_of_a_known_kind_is_refused(log, tmp_path):
    """Missing files, folders, unknown kinds and broken containers are told apart."""
    whole = gzip.compress(f"{HEAD}\n".encode() + b"".join(b"%d,m,1\n" % i for i in range(9999)))
    with pytest.raises(DataError, match="no such file"):
        import_file(tmp_path / "none.csv", "wrong")
    with pytest.raises(DataError, match="no logs in this folder"):
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
        ("request_id,p\nx,1\n", "2 rejected, .*line 2: request_id is not among the prompts"),
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
    folder = export(simulated, tmp_path / "x")
    import_file(folder / "outcomes.parquet", "again", folder / "requests.parquet")
    assert load_dataset("again").simulated
    assert not load_dataset("real").simulated


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_an_exported_folder_is_imported_as_it_was(log, tmp_path, kind):
    """An exported dataset that is imported is the same, simulated mark and awkward texts too."""
    rows = '"=1+1",m,1\n"\'x",m,0.25\n" y",-k,\n'
    import_file(log(f"{HEAD},latency_s\n" + rows.replace("\n", ",2\n")), "first")
    first = load_dataset("first")
    object.__setattr__(first, "simulated", True)
    report = import_file(export(first, tmp_path / "out", kind), "again")
    assert (report.n_stored, report.n_rows, report.format) == (3, 3, "detour")
    assert_same(load_dataset("again"), first)


def test_blanks_are_filled_from_later_outcomes_of_the_request(log):
    """What the first outcome of a request does not say, a later one may."""
    rows = "a,m,1,,\na,k,0,x,2024-01-01\nb,m,1,y,\nb,k,0,z,\n"
    import_file(log(f"{HEAD},category,timestamp\n{rows}"), "holes")
    requests = load_dataset("holes").requests
    assert requests["category"].to_pylist() == ["x", "y"]
    assert [t and t.isoformat() for t in requests["timestamp"].to_pylist()] == [
        "2024-01-01T00:00:00",
        None,
    ]


def test_a_mapping_lies_over_a_known_format(log):
    """``--map`` changes a column of a format that is known, and what it does not name stays."""
    head = "request_id,call_type,spend,startTime,model,area"
    path = log(f"{head}\na,completion,0.1,2026-01-01,m,x\nb,completion,0.2,2026-01-01,m,y\n")
    mapping = {"category": "area", "tenant": "area"}
    seen = preview(path, mapping=mapping)
    assert seen.format == "litellm-spend-logs"
    assert dict(seen.mapping)["category"] == "area"
    import_file(path, "mapped", mapping=mapping)
    dataset = load_dataset("mapped")
    assert dataset.column("category").to_pylist() == ["x", "y"]
    assert dataset.column("tenant").to_pylist() == ["x", "y"]
    assert dataset.cost_usd.tolist() == [[0.1], [0.2]]
    with pytest.raises(DataError, match="the file has no such column; got 'aera'"):
        preview(path, mapping={"category": "aera"})


def test_a_list_that_drops_nothing_is_told(log, tmp_path):
    """A list of prompts that matches none is noted."""
    (tmp_path / "drop.txt").write_text("never asked\n")
    path = log(f"{HEAD},prompt\na,m,1,hello\n")
    report = import_file(path, "kept", drop_prompts=tmp_path / "drop.txt")
    assert "no prompt of the log is on the list to drop" in report.notes
