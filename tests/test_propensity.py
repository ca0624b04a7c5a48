"""The propensities that a log states: kept as the requests', checked, and given back."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.small_logs import log
from tests.test_datasets import assert_same
from toolkit import load_policy, sample_log
from toolkit.cli import app
from toolkit.errors import DataError
from toolkit.logs.datasets import dataset_from_frame, load_dataset
from toolkit.logs.exporters import FORMATS, export, read_folder
from toolkit.logs.importers import import_file, preview
from toolkit.logs.propensity import PROPENSITY

HEAD = "request_id,model,quality,propensity"
WRONG = ["0", "2", "-1", "1.0000001", "nan", "inf", "often"]


@pytest.fixture
def place(tmp_path, lab):
    """A folder of the test's own, with a store in it."""
    return tmp_path


def imported(place, text, name="log.csv", **said):
    """The report of an import, and the dataset."""
    path = place / name
    path.write_text(text)
    report = import_file(path, "mine", replace=True, **said)
    return report, load_dataset("mine")


def stated(dataset):
    """The propensities of a dataset's requests."""
    return dataset.column(PROPENSITY).to_pylist()


def served():
    """What live traffic would have logged of the dataset local, and its propensities."""
    return sample_log(load_dataset("local"), load_policy("few_shot_only"), explore=0.3)


def test_a_log_states_its_propensities(place):
    """A column ``propensity`` of the outcomes is a number of each request, in its order."""
    report, data = imported(place, f"{HEAD}\nb,m,1,0.25\na,k,0,1\nc,m,1,1e-3\n")
    assert stated(data) == [0.25, 1.0, 0.001]
    assert data.requests.schema.field(PROPENSITY).type == pa.float64()
    assert not any("left out" in note for note in report.notes)
    assert ("propensity", "propensity") in preview(place / "log.csv").mapping


def test_another_column_may_hold_them(place):
    """``--map propensity=NAME`` says which column holds them, also over a known format."""
    text = "request_id,model,quality,chance\na,m,1,0.5\nb,k,1,0.25\n"
    assert stated(imported(place, text, mapping={"propensity": "chance"})[1]) == [0.5, 0.25]
    head = "request_id,call_type,spend,startTime,model,p"
    text = f"{head}\na,completion,0.1,2026-01-01,m,0.5\nb,completion,0.2,2026-01-01,k,7\n"
    report, data = imported(place, text, mapping={"propensity": "p"})
    assert report.format == "litellm-spend-logs"
    assert (stated(data), report.n_rejected) == ([0.5], 1)


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_propensity_rejects_its_row(place, wrong):
    """A propensity that is no probability above 0 rejects its row, with line and reason."""
    report, data = imported(place, f"{HEAD}\na,m,1,0.5\nb,m,1,{wrong}\nc,k,0,0.5\n")
    assert (report.n_stored, report.n_rejected) == (2, 1)
    assert stated(data) == [0.5, 0.5]
    (one,) = pd.read_csv(report.rejects_path).to_dict("records")
    allowed = "allowed: a number above 0, at most 1, or blank for not stated"
    assert (one["line"], one["reason"]) == (3, f"propensity is wrong; got '{wrong}'; {allowed}")


@pytest.mark.parametrize("wrong", ["0.0", "2.0", "often"])
def test_wrong_propensities_of_prompts_and_frames_are_refused(place, wrong):
    """The file of prompts and a frame are held to the same, and refused with their rows."""
    prompts = place / "prompts.csv"
    prompts.write_text(f"request_id,propensity\na,0.5\nb,{wrong}\n")
    with pytest.raises(DataError, match=f"propensity is wrong; got '{wrong}' in row 3"):
        imported(place, "request_id,model,quality\na,m,1\nb,m,1\n", prompts=prompts)
    frame = pd.DataFrame(
        {"request_id": ["a", "b"], "model": "m", "quality": 1.0, "propensity": ["0.5", wrong]}
    )
    with pytest.raises(DataError, match=rf"propensity is wrong; got '{wrong}' in row 1"):
        dataset_from_frame("mine", frame)


def test_blank_is_not_stated(place):
    """A blank propensity stays blank; where all are, the log states none."""
    assert stated(imported(place, f"{HEAD}\na,m,1,\nb,k,1,0.5\n")[1]) == [None, 0.5]
    assert PROPENSITY not in imported(place, f"{HEAD}\na,m,1,\nb,k,1, \n")[1].requests.column_names


def test_a_request_with_several_propensities_has_none(place):
    """Where rows of a request state different ones it stays blank, and how many is noted."""
    rows = "a,m,1,0.5\na,k,0,0.25\nb,m,1,0.5\nb,k,1,\nc,m,1,\nc,k,1,0.125\n"
    report, data = imported(place, f"{HEAD}\n{rows}")
    assert stated(data) == [None, 0.5, 0.125]
    assert "requests whose rows state different propensities, now blank: 1" in report.notes


def test_the_prompts_hold_where_both_files_state_them(place):
    """As with the category, the file of prompts is kept and the difference is noted."""
    prompts = place / "prompts.csv"
    prompts.write_text("request_id,propensity\na,0.5\nb,0.25\n")
    report, data = imported(place, f"{HEAD}\na,m,1,0.5\nb,m,1,0.75\n", prompts=prompts)
    assert stated(data) == [0.5, 0.25]
    assert "requests with another propensity in the prompts, which is kept: 1" in report.notes


def test_a_wide_table_states_one_for_each_row(place):
    """In a wide table the row is the request, and only the model that served it is there."""
    text = "request_id,small_ok,large_ok,propensity\na,1,,0.8\nb,,0,0.2\nc,1,,3\n"
    report, data = imported(place, text, mapping={"quality": "{model}_ok"})
    assert (stated(data), data.n_outcomes, report.n_rejected) == ([0.8, 0.2], 2, 1)


probabilities = st.none() | st.floats(0, 1, exclude_min=True)


@settings(max_examples=25, deadline=None)
@given(values=st.lists(probabilities, min_size=1, max_size=6))
def test_the_long_format_gives_them_back(values):
    """A frame, the dataset of it and its long format state the same, to the last digit."""
    ids = [f"r{i}" for i in range(len(values))]
    frame = {"request_id": ids, "model": "m", "quality": 1.0, "propensity": values}
    one = dataset_from_frame("one", pd.DataFrame(frame).astype({"propensity": float}))
    again = dataset_from_frame("one", one.to_pandas())
    if any(values):
        assert stated(one) == stated(again) == values
        assert one.to_arrow()[PROPENSITY].to_pylist() == values
    else:
        assert PROPENSITY not in {*one.requests.column_names, *one.to_arrow().column_names}


def test_the_long_format_has_it_for_each_outcome():
    """Each outcome has its request's; a dataset without propensities has no such column."""
    data = log([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], observed=[[1, 1], [0, 1], [1, 0]])
    assert PROPENSITY not in data.to_arrow().column_names
    requests = data.requests.append_column(PROPENSITY, pa.array([0.5, 0.25, None]))
    data = dataclasses.replace(data, requests=requests)
    assert data.to_arrow()[PROPENSITY].to_pylist() == [0.5, 0.5, 0.25, None]


@pytest.mark.parametrize("kind", FORMATS)
def test_exports_give_a_served_log_back(place, kind):
    """An exported log of the dataset local is the same again, and so is one that is imported."""
    data = served()
    folder = export(data, place / kind, kind)
    assert_same(read_folder(folder), data)
    import_file(folder, "again")
    assert_same(load_dataset("again"), data)


def test_an_estimate_of_an_imported_table_rests_on_what_it_states(place):
    """From a notebook's table to CSV, import and `estimate`: the propensities are the stated."""
    data = served()
    data.to_pandas().to_csv(place / "served.csv", index=False)
    run = CliRunner().invoke
    assert run(app, ["import", str(place / "served.csv"), "--as", "served"]).exit_code == 0
    np.testing.assert_array_equal(stated(load_dataset("served")), stated(data))
    done = run(app, ["estimate", "--policy", "few_shot_only", "--dataset", "served", "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["propensities"] == "stated"
