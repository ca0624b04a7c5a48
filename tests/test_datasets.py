from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import DataError
from toolkit.logs.datasets import dataset_from_frame, list_datasets, load_dataset, load_folder
from toolkit.logs.exporters import export
from toolkit.schema import ErrorType

NUMBERS = ("quality", "cost_usd", "latency_s", "input_tokens", "output_tokens")


def small(**changes):
    """Three outcomes, one of them an error and one missing."""
    columns = {
        "request_id": ["b", "a", "b"],
        "category": ["x", "y", "x"],
        "model": ["m", "m", "k"],
        "quality": [1.0, None, 0.5],
        "cost_usd": [0.1, None, 0.2],
        "latency_ms": [1500.0, 20.0, None],
        "input_tokens": [10.0, 0.0, 30.0],
        "error": [None, "api_error", None],
    }
    return pd.DataFrame(columns | changes)


def assert_same(one, other):
    """Two datasets hold the same requests and outcomes."""
    assert one.models == other.models
    assert one.requests.equals(other.requests)
    assert np.array_equal(one.observed, other.observed)
    assert np.array_equal(one.error, other.error)
    for name in NUMBERS:
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name
    assert one.simulated == other.simulated
    assert (one.answers is None) == (other.answers is None)
    assert one.answers is None or one.answers.equals(other.answers)


def test_frame_becomes_matrices():
    """A long frame becomes matrices with a row per request and a column per sorted model."""
    dataset = dataset_from_frame("small", small())
    assert dataset.requests["request_id"].to_pylist() == ["b", "a"]
    assert dataset.requests.column_names == ["request_id", "category", "input_tokens"]
    assert dataset.models == ("k", "m")
    assert dataset.observed.tolist() == [[True, True], [False, True]]
    np.testing.assert_array_equal(dataset.quality, [[0.5, 1.0], [math.nan, 0.0]])
    np.testing.assert_array_equal(dataset.cost_usd, [[0.2, 0.1], [math.nan, math.nan]])
    np.testing.assert_array_equal(dataset.latency_s, [[math.nan, 1.5], [math.nan, 0.02]])
    assert dataset.error.tolist() == [[0, 0], [0, ErrorType.SERVER_ERROR]]
    assert (dataset.n_requests, dataset.n_models, dataset.n_outcomes) == (2, 2, 3)
    assert not dataset.complete
    assert all(getattr(dataset, name).flags.c_contiguous for name in NUMBERS)


def test_tokens_known_before_a_call_are_the_median_over_models():
    """Without prompts the input tokens of a request are the median of the measured ones."""
    dataset = dataset_from_frame("small", small())
    assert dataset.column("input_tokens").to_pylist() == [20.0, None]


def test_requests_keep_their_types_and_order():
    """Request columns keep their order of rows and their types; requests without outcome go."""
    requests = pa.table(
        {
            "tier": pa.array([1, 2, 3], pa.int16()),
            "request_id": ["a", "b", "c"],
            "Tier": ["x", "y", "z"],
            "rowid": [[1], [2], [3]],
            "at": pa.array([0, 1, 2], pa.timestamp("s", "UTC")),
            "input_tokens": [7, None, 9],
        }
    )
    dataset = dataset_from_frame("small", small(), requests)
    assert dataset.requests.drop_columns(["category", "input_tokens"]).equals(
        requests.slice(0, 2).select(["request_id", "tier", "Tier", "rowid", "at"])
    )
    assert dataset.column("input_tokens").to_pylist() == [7.0, 20.0]


def test_integer_ids_and_categories_are_text():
    """Ids may be whole numbers and categoricals; they become text."""
    frame = small(request_id=[2, 1, 2]).astype({"model": "category"})
    requests = pd.DataFrame({"request_id": [1, 2], "n": [5, 6]})
    dataset = dataset_from_frame("small", frame, requests)
    assert dataset.column("request_id").to_pylist() == ["1", "2"]
    assert dataset.column("n").to_pylist() == [5, 6]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quality": ["x", 2, "1"]}, "quality is wrong; got 'x' in row 0, '2' in row 1"),
        ({"cost_usd": [1, -2, 3]}, "cost_usd is wrong; got '-2.*' in row 1 .*0 or more"),
        ({"input_tokens": [1, math.inf, 3]}, "input_tokens is wrong; got 'inf' in row 1"),
        ({"request_id": ["a", None, " "]}, "request_id is missing; got '' in row 1, ' ' in row 2"),
        ({"request_id": ["a"] * 3, "model": ["m"] * 3}, "before; got 'a / m' in row 1, 'a / m' in"),
        ({"quality": pd.to_datetime(["2024-01-01"] * 3)}, "quality has the wrong type; got timest"),
    ],
)
def test_wrong_frames_are_refused(changes, message):
    """A wrong value is refused with its rows, what was found and what is allowed."""
    with pytest.raises(DataError, match=message):
        dataset_from_frame("wrong", small(**changes))


def test_missing_columns_are_named_with_the_nearest():
    """A missing column is named, and the name most like it."""
    frame = small().rename(columns={"model": "modle"})
    with pytest.raises(DataError, match=r"no column 'model'; got 'modle' \(did you mean this\?\)"):
        dataset_from_frame("wrong", frame)


def test_repeated_frame_columns_are_refused():
    """Two columns of one name are refused, also in a pandas frame."""
    with pytest.raises(DataError, match="column 'quality' is there twice"):
        dataset_from_frame("wrong", pd.concat([small(), small()[["quality"]]], axis=1))


def test_long_format_round_trip():
    """The long format of a dataset makes the same dataset again."""
    dataset = dataset_from_frame("small", small(answer=["hi", None, "ho"]))
    again = dataset_from_frame("small", dataset.to_arrow(), dataset.requests)
    assert_same(again, dataset)
    assert again.digest == dataset.digest
    assert dataset.to_pandas()["error"].isna().tolist() == [True, True, False]


def test_digest_follows_the_content():
    """Other outcomes give another digest."""
    changed = small(quality=[1.0, None, 0.25])
    assert dataset_from_frame("a", small()).digest != dataset_from_frame("a", changed).digest


def test_answers_are_found():
    """The text of an answer is found by request and model, where there is one."""
    dataset = dataset_from_frame("small", small(answer=["hi", None, "ho"]))
    assert dataset.answer(0, "k") == "ho"
    assert dataset.answer(0, "m") == "hi"
    assert dataset.answer(1, "k") is None
    assert dataset_from_frame("small", small()).answer(0, "k") is None


def test_select_keeps_the_requests():
    """A selection of models keeps every request and the outcomes of these models."""
    dataset = dataset_from_frame("small", small(answer=["hi", None, "ho"]))
    chosen = dataset.select(["k"])
    assert chosen.models == ("k",)
    np.testing.assert_array_equal(chosen.quality, dataset.quality[:, :1])
    assert chosen.answer(0, "k") == "ho"
    assert chosen.digest != dataset.digest
    with pytest.raises(DataError, match="no model 'kk'; allowed: 'k'"):
        dataset.select(["kk"])


def test_unknown_request_column_is_told():
    """An unknown column of the requests is refused with those there are."""
    with pytest.raises(DataError, match="no column 'categori'; allowed: 'category'"):
        dataset_from_frame("small", small()).column("categori")


def test_html_is_escaped_and_wears_its_badge():
    """The table shows shape and shares, escapes the name, and says when outcomes are simulated."""
    html = dataset_from_frame("<b>x", small(), simulated=True)._repr_html_()
    assert "<b>x" not in html
    assert "&lt;b&gt;x" in html
    assert "simulated" in html
    assert "66.7 %" in html
    assert "no, 1 missing (partial)" in html


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)
amounts = st.none() | st.floats(0, 1e6, allow_subnormal=False)


@st.composite
def long_tables(draw):
    """A random long table as rows; some outcomes are missing, some values not measured."""
    ids = draw(st.lists(words.filter(str.strip), min_size=1, max_size=4, unique=True))
    models = draw(st.lists(words.filter(str.strip), min_size=1, max_size=3, unique=True))
    pairs = [(i, m) for i in ids for m in models]
    kept = draw(st.lists(st.sampled_from(pairs), min_size=1, unique=True))
    return [
        {
            "request_id": i,
            "model": m,
            "quality": draw(st.none() | st.floats(0, 1)),
            "cost_usd": draw(amounts),
            "latency_s": draw(amounts),
            "input_tokens": draw(amounts),
            "output_tokens": draw(amounts),
            "error": draw(st.sampled_from([None, None, "timeout", "Rate_Limited", "429", "odd"])),
        }
        for i, m in kept
    ]


CODES = {None: 0, "timeout": 1, "Rate_Limited": 2, "429": 2, "odd": 12}


def assert_is(dataset, rows):
    """A dataset holds the rows, compared one by one."""
    ids = list(dict.fromkeys(row["request_id"] for row in rows))
    models = sorted({row["model"] for row in rows})
    assert dataset.column("request_id").to_pylist() == ids
    assert dataset.models == tuple(models)
    by_pair = {(row["request_id"], row["model"]): row for row in rows}
    for i, request in enumerate(ids):
        for j, model in enumerate(models):
            row = by_pair.get((request, model))
            assert dataset.observed[i, j] == (row is not None)
            code = CODES[row["error"]] if row else 0
            assert dataset.error[i, j] == code
            for name in NUMBERS:
                want = row[name] if row else None
                if name == "quality" and code:
                    want = 0.0
                got = getattr(dataset, name)[i, j]
                assert math.isnan(got) if want is None else got == want, name


@settings(max_examples=40, deadline=None)
@given(long_tables())
def test_random_tables_become_the_matrices_of_an_obvious_loop(rows):
    """A random long table becomes the same matrices as a loop over its rows."""
    kinds = dict.fromkeys(NUMBERS, pa.float64()) | {"error": pa.string()}
    schema = pa.schema([("request_id", pa.string()), ("model", pa.string()), *kinds.items()])
    assert_is(dataset_from_frame("random", pa.Table.from_pylist(rows, schema)), rows)


@settings(max_examples=20, deadline=None)
@given(long_tables(), st.booleans())
def test_export_round_trip_is_exact(tmp_path_factory, rows, simulated):
    """A dataset that is exported and loaded is the same, bit by bit."""
    folder = tmp_path_factory.mktemp("export") / "random"
    kinds = dict.fromkeys(NUMBERS, pa.float64()) | {"error": pa.string()}
    schema = pa.schema([("request_id", pa.string()), ("model", pa.string()), *kinds.items()])
    dataset = dataset_from_frame("random", pa.Table.from_pylist(rows, schema), simulated=simulated)
    export(dataset, folder)
    assert_same(load_folder(folder), dataset)


def test_export_overwrites_only_when_asked(tmp_path):
    """An export refuses to overwrite, unless it is asked to."""
    dataset = dataset_from_frame("small", small())
    folder = export(dataset, tmp_path / "small")
    with pytest.raises(DataError, match="would be overwritten; choose another"):
        export(dataset, folder)
    export(dataset, folder, replace=True)
    assert sorted(p.name for p in folder.iterdir()) == ["outcomes.parquet", "requests.parquet"]


def test_export_into_a_file_is_refused(tmp_path):
    """A folder that cannot be made is told as such."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        export(dataset_from_frame("small", small()), tmp_path / "file" / "small")


def test_bundled_folders_are_found_and_loaded(lab, tmp_path, monkeypatch):
    """A folder with both files under the bundled folder is a dataset of that name."""
    monkeypatch.setenv("DETOUR_BUNDLED", str(tmp_path / "data"))
    made = dataset_from_frame("tiny", small(answer=["hi", None, "ho"]), simulated=True)
    export(made, tmp_path / "data" / "tiny")
    (tmp_path / "data" / "policies").mkdir()
    assert_same(load_dataset("tiny"), made)
    (info,) = list_datasets()
    assert (info.name, info.bundled, info.simulated, info.kind) == ("tiny", True, True, "partial")
    assert (info.n_requests, info.n_models, info.n_outcomes) == (2, 2, 3)
    with pytest.raises(DataError, match=r"no dataset 'tinny'; allowed: 'tiny' \(did you mean"):
        load_dataset("tinny")
    assert not lab.exists()
