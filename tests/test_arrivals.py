"""When requests arrive, and which rows of the log they are."""

from __future__ import annotations

import datetime
import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.small_logs import log
from toolkit.errors import DataError
from toolkit.logs.datasets import load_dataset
from toolkit.scenarios import Fault, Scenario, ScenarioError
from toolkit.scenarios.arrivals import traffic, unwarp, warp
from toolkit.scenarios.draw import KEPT
from toolkit.scenarios.trace import read_times

SPIKES = st.lists(
    st.builds(
        lambda factor, at_s, for_s: Fault(spike={"factor": factor}, at_s=at_s, for_s=for_s),
        st.sampled_from([0.25, 0.5, 2.0, 3.0, 10.0]),
        st.integers(0, 100).map(float),
        st.none() | st.integers(1, 100).map(float),
    ),
    max_size=4,
)
TIMES = st.lists(st.floats(0, 500, allow_subnormal=False), max_size=30).map(
    lambda times: np.sort(np.array(times))
)


def spike(factor, at_s=0.0, for_s=None):
    """One spike."""
    return {"spike": {"factor": factor}, "at_s": at_s, "for_s": for_s}


def of(arrivals=None, *faults, seed=0):
    """A scenario of these arrivals and spikes."""
    return Scenario.model_validate(
        {"scenario": "s", "arrivals": arrivals, "faults": faults, "seed": seed}
    )


def timed(timestamps):
    """A log with these timestamps."""
    data = log(np.ones((len(timestamps), 1)))
    table = data.requests.append_column("timestamp", pa.array(timestamps))
    object.__setattr__(data, "requests", table)
    return data


# --- spikes --------------------------------------------------------------------------------------


def passed(moment, spikes):
    """What has passed of the arrivals at a moment: the integral of the rate, stretch by stretch."""
    edges = sorted({0.0, moment, *(e for s in spikes for e in (s.at_s, s.end_s) if e < moment)})
    total = 0.0
    for start, end in pairwise(edges):
        rate = math.prod(s.spike.factor for s in spikes if s.at_s <= start < s.end_s)
        total += rate * (end - start)
    return total


@given(SPIKES, st.floats(0, 500))
def test_time_runs_faster_within_a_spike(spikes, moment):
    """As the obvious integral says, for spikes that overlap as well."""
    assert unwarp(np.array([moment]), spikes)[0] == pytest.approx(passed(moment, spikes), abs=1e-9)


@given(SPIKES, TIMES)
def test_a_spike_keeps_the_order_and_the_number_of_arrivals(spikes, times):
    """Whatever the spikes, and warping can be taken back."""
    warped = warp(times, spikes)
    assert len(warped) == len(times)
    assert (np.diff(warped) >= 0).all()
    np.testing.assert_allclose(unwarp(warped, spikes), times, rtol=1e-9, atol=1e-9)


@given(TIMES, st.integers(1, 20), st.integers(0, 100), st.integers(1, 100))
def test_a_spike_changes_nothing_before_it_and_only_shifts_what_comes_after(
    times, factor, at_s, for_s
):
    """Within it, gaps are a factor smaller; behind it, they are what they were."""
    warped = warp(times, [Fault(spike={"factor": factor}, at_s=at_s, for_s=for_s)])
    before, after = times < at_s, times > at_s + factor * for_s
    assert (warped[before] == times[before]).all()
    np.testing.assert_allclose(warped[after], times[after] - (factor - 1) * for_s, atol=1e-9)
    inside = ~before & ~after
    np.testing.assert_allclose(np.diff(warped[inside]) * factor, np.diff(times[inside]), atol=1e-9)


def test_arrivals_beside_a_spike_are_as_many_as_without_it():
    """Four times as many in its five minutes, and all of the hour is filled."""
    data = log(np.ones((10, 1)))
    stated = {"per_s": 5, "for_s": 3600}
    calm = traffic(of(stated), data).arrival_s
    busy = traffic(of(stated, spike(4, 600, 300)), data).arrival_s
    edges = [0, 600, 900, 3600]
    assert np.histogram(calm, edges)[0].tolist() == [3000, 1500, 13500]
    assert np.histogram(busy, edges)[0].tolist() == [3000, 6000, 13500]
    assert busy[-1] < 3600


def test_spikes_that_overlap_multiply_and_one_without_end_scales_all():
    """Two and three are six; a spike from the start on is another rate."""
    data = log(np.ones((10, 1)))
    stated = {"per_s": 10, "for_s": 40}
    both = traffic(of(stated, spike(2, 10, 20), spike(3, 20, 10)), data).arrival_s
    assert np.histogram(both, [0, 10, 20, 30, 40])[0].tolist() == [100, 200, 600, 100]
    twice = traffic(of(stated, spike(2)), data).arrival_s
    assert twice.tolist() == (np.arange(800) / 20).tolist()
    half = traffic(of(stated, spike(0.5)), data).arrival_s
    assert half.tolist() == (np.arange(200) / 5).tolist()


# --- stated arrivals -----------------------------------------------------------------------------


def test_even_arrivals_are_evenly_spaced():
    """From 0 on, and as many as the rate says."""
    found = traffic(of({"per_s": 0.3, "for_s": 10}), log(np.ones((2, 1))))
    np.testing.assert_allclose(found.arrival_s, np.arange(3) / 0.3)
    assert found.drawn
    assert found.origin_s == 0


def test_poisson_arrivals_have_exponential_gaps():
    """Their number, mean and spread are those of a Poisson process, within five standard errors."""
    data = log(np.ones((10, 1)))
    times = traffic(of({"per_s": 5, "for_s": 20_000, "pattern": "poisson"}), data).arrival_s
    n, gaps = 100_000, np.diff(times)
    assert abs(len(times) - n) < 5 * n**0.5
    assert abs(gaps.mean() - 0.2) < 5 * 0.2 / n**0.5
    assert abs(gaps.std() - 0.2) < 5 * 0.2 * (2 / n) ** 0.5
    assert abs((gaps > 0.4).mean() - np.exp(-2)) < 5 * (0.12 / n) ** 0.5
    assert times[-1] < 20_000


def test_a_longer_or_later_busier_scenario_begins_the_same():
    """So that two versions of a scenario differ in what was changed only."""
    data = load_dataset("local")
    stated = {"per_s": 5, "for_s": 600, "pattern": "poisson"}
    short = traffic(of(stated), data)
    longer = traffic(of({**stated, "for_s": 1200}), data)
    busier = traffic(of(stated, spike(3, 300)), data)
    n, before = len(short.row), np.count_nonzero(short.arrival_s < 300)
    assert (longer.arrival_s[:n] == short.arrival_s).all()
    assert (longer.row[:n] == short.row).all()
    assert (busier.arrival_s[:before] == short.arrival_s[:before]).all()
    assert (busier.row[:n] == short.row).all()


def test_the_same_seeds_give_the_same_traffic():
    """The scenario's and the replay's; another one gives other arrivals and other rows."""
    data = load_dataset("local")
    stated = {"per_s": 5, "for_s": 600, "pattern": "poisson"}
    first, same = (traffic(of(stated, seed=3), data, 7) for _ in range(2))
    assert same.dataset is first.dataset
    assert (same.arrival_s == first.arrival_s).all()
    for scenario, seed in ((of(stated, seed=4), 7), (of(stated, seed=3), 8), (of(stated), -1)):
        other = traffic(scenario, data, seed)
        assert other.dataset.digest != first.dataset.digest
        assert other.arrival_s[0] != first.arrival_s[0]
        assert not (other.row[:100] == first.row[:100]).all()


def test_only_the_latest_draws_are_kept_and_none_outlives_its_log():
    """Memory does not grow with the number of scenarios that are tried."""
    import gc
    import weakref

    data = log(np.ones((10, 1)))
    drawn = [traffic(of({"per_s": 1, "for_s": 5 + i}), data).dataset for i in range(KEPT + 2)]
    alive = [weakref.ref(dataset) for dataset in drawn]
    del drawn
    gc.collect()
    assert sum(one() is not None for one in alive) == KEPT
    del data
    gc.collect()
    assert all(one() is None for one in alive)


def test_rows_of_the_log_are_drawn_as_they_are():
    """Each drawn request has its row's columns, outcomes and answers, and an id of its own."""
    data = load_dataset("local")
    found = traffic(of({"per_s": 1, "for_s": 3000}), data, seed=2)
    drawn, row = found.dataset, found.row
    assert drawn.n_requests == len(found.arrival_s) == len(row) == 3000
    assert (drawn.name, drawn.models) == (data.name, data.models)
    for name in ("observed", "quality", "cost_usd", "latency_s", "input_tokens", "error"):
        matrix = getattr(drawn, name)
        np.testing.assert_array_equal(matrix, getattr(data, name)[row])
        assert matrix.flags.c_contiguous
    ids = drawn.requests["request_id"].to_pylist()
    assert len(set(ids)) == len(ids)
    of_row = data.requests["request_id"].to_pylist()
    assert ids[17] == f"{of_row[row[17]]}#17"
    assert drawn.requests.drop_columns("request_id").equals(
        data.requests.drop_columns("request_id").take(row)
    )
    assert drawn.answers is not None
    assert (np.diff(drawn.answers["request_ix"].to_numpy()) >= 0).all()
    for i in range(0, 3000, 171):
        for model in data.models:
            assert drawn.answer(i, model) == data.answer(int(row[i]), model)
    assert drawn.outcomes_table().num_rows == drawn.n_outcomes


def test_ids_that_look_like_drawn_ones_do_not_clash():
    """Whatever ids the log has, the number of the arrival at the end tells them apart."""
    data = log(np.ones((4, 1)))
    names = pa.array(["a", "a#1", "a#1#2", "#"])
    object.__setattr__(data, "requests", data.requests.set_column(0, "request_id", names))
    ids = traffic(of({"per_s": 1, "for_s": 500}), data).dataset.requests["request_id"].to_pylist()
    assert len(set(ids)) == 500


def test_every_row_is_as_likely_as_any_other():
    """A chi-square test that holds for this seed and would not for a biased draw."""
    data = log(np.ones((50, 1)))
    rows = traffic(of({"per_s": 1, "for_s": 50_000}), data).row
    counts = np.bincount(rows, minlength=50)
    assert ((counts - 1000) ** 2 / 1000).sum() < 49 + 5 * 98**0.5


def test_a_draw_of_simulated_or_incomplete_data_is_so_too():
    """What is known of the log is known of what is drawn from it."""
    data = log(np.ones((3, 2)), observed=[[True, False]] * 3, simulated=True, digest="abc")
    drawn = traffic(of({"per_s": 1, "for_s": 9}), data).dataset
    assert drawn.simulated
    assert not drawn.complete
    assert len(drawn.digest) == 64
    assert traffic(of({"per_s": 1, "for_s": 9}), log(np.ones((3, 1)))).dataset.digest == ""


def test_too_many_and_no_arrivals_are_refused():
    """Before memory is taken for them."""
    data = log(np.ones((2, 4)))
    with pytest.raises(
        ScenarioError,
        match=r"^s: arrivals: are too many requests; got 1,000,000,000,000,000 arrivals on a log"
        r" with 4 models; allowed: about 10,000,000",
    ):
        traffic(of({"per_s": 1e6, "for_s": 1e9}), data)
    with pytest.raises(ScenarioError, match="are too many requests"):
        traffic(of({"per_s": 1, "for_s": 1e9}, *[spike(1000)] * 99), data)
    with pytest.raises(ScenarioError, match="no request ever arrives"):
        traffic(of({"per_s": 1e-9, "for_s": 1, "pattern": "poisson"}), data)
    with pytest.raises(DataError, match="'small' has no requests that could arrive"):
        traffic(of({"per_s": 1, "for_s": 1}), log(np.ones((0, 1))))


# --- the log's own times -------------------------------------------------------------------------


def test_without_arrivals_each_row_comes_once_at_its_own_time():
    """In whatever order they are, from the earliest on, whose time of day is told."""
    zone = datetime.UTC
    first = datetime.datetime(2024, 5, 6, 7, 8, 9, 250_000, zone)
    moments = [first + datetime.timedelta(seconds=s) for s in (3, 0, 86_400.5)]
    data = timed(moments)
    for scenario in (None, of(), of(None, {"outage": {}, "models": "all"})):
        found = traffic(scenario, data)
        assert found.dataset is data
        assert found.arrival_s.tolist() == [3, 0, 86_400.5]
        assert found.origin_s == 7 * 3600 + 8 * 60 + 9.25
        assert not found.drawn
        assert found.row.tolist() == [0, 1, 2]
    assert traffic(of(None, spike(3)), data).arrival_s.tolist() == [
        1,
        0,
        28_800.5 / 1 - 0.5 + 1 / 6,
    ]


def test_numbers_are_seconds_since_1970():
    """As a log may have them instead of points in time."""
    found = traffic(None, timed([86_400.0 + 5, 86_400.0 + 2.5]))
    assert (found.arrival_s.tolist(), found.origin_s) == ([2.5, 0], 2.5)
    assert traffic(None, timed([7, 5])).arrival_s.tolist() == [2, 0]


@pytest.mark.parametrize(
    "timestamps",
    [[None, None, None], [float("nan")] * 3, ["soon", "later", "then"], pa.array([None] * 3)],
)
def test_without_any_time_one_comes_a_second(timestamps):
    """Also where there is no column of them at all."""
    found = traffic(None, timed(timestamps))
    assert (found.arrival_s.tolist(), found.origin_s) == ([0, 1, 2], 0)
    assert traffic(None, log(np.ones((3, 1)))).arrival_s.tolist() == [0, 1, 2]
    assert traffic(None, log(np.ones((0, 1)))).arrival_s.tolist() == []


def test_a_row_without_a_time_comes_with_the_row_before_it():
    """The first rows come with the first that has one."""
    found = traffic(None, timed([None, 10.0, None, None, 15.0, None]))
    assert found.arrival_s.tolist() == [0, 0, 0, 0, 5, 5]
    moments = pa.array([None, 2_000_000, None, 5_000_000], pa.timestamp("us"))
    assert traffic(None, timed(moments)).arrival_s.tolist() == [0, 0, 0, 3]


# --- traces --------------------------------------------------------------------------------------


def test_the_hour_of_azure_is_read_whole(shared_datasets):
    """Each arrival to the ten-millionth of a second, against pandas."""
    file = shared_datasets / "azure_llm_trace_2023" / "AzureLLMInferenceTrace_conv.csv"
    moments = pd.to_datetime(pd.read_csv(file)["TIMESTAMP"])
    expected = np.sort((moments - moments.min()).dt.total_seconds())
    times = read_times(str(file))
    assert len(times) == len(expected) == 19_366
    np.testing.assert_allclose(times, expected, rtol=0, atol=5e-8)
    nanoseconds = np.sort(moments.to_numpy().astype("datetime64[ns]").astype(np.int64))
    assert (np.round(times * 1e9).astype(np.int64) == nanoseconds - nanoseconds[0]).all()
    found = traffic(of({"trace": str(file), "column": "TIMESTAMP"}), load_dataset("local"))
    assert found.arrival_s.tolist() == times.tolist()
    assert found.dataset.n_requests == 19_366
    assert 3_500 < times[-1] < 3_600


def written(tmp_path, text, name="t.csv"):
    """A trace file with this text; its path."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["3", "1.5", "-1"], [0, 2.5, 4]),
        (["1e2", " 101 ", "+100.5"], [0, 0.5, 1]),
        (["2023-11-16 18:15:46.6805900", "2023-11-16 18:15:46.6805901"], [0, 1e-7]),
        (["2023-11-16T18:15:46Z", "2023-11-16T20:15:47+02:00"], [0, 1]),
        (["2023-11-16T18:15:46Z", "2023-11-16 18:15:48"], [0, 2]),
        (["2023-11-16 18:15:46.5+0100", "2023-11-16 17:15:46-00"], [0, 0.5]),
        (["2023-11-17", "2023-11-16"], [0, 86_400]),
        (["1700000000.25"], [0]),
    ],
)
def test_times_of_a_trace(tmp_path, texts, expected):
    """Seconds or moments, with a zone or in UTC, in any order."""
    times = read_times(written(tmp_path, "\n".join(["time", *texts])))
    np.testing.assert_allclose(times, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("id,TimeStamp\n7,1\n8,3\n", None),
        ("\ufefftimestamp,id\r\n1,7\r\n3,8\r\n", None),
        ('"when, exactly",id\n1,7\n3,8\n', "when, exactly"),
        ("anything\n1\n3\n", None),
        ("end,time,start_time\n9,1,8\n9,3,7\n", None),
    ],
)
def test_the_column_of_times_is_found(tmp_path, text, column):
    """By its name, by a usual one in any case, or as the only one."""
    assert read_times(written(tmp_path, text), column).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("time,id\n1,2\n", "tme", r"t\.csv: the trace has no column 'tme'; allowed: 'time' \(did"),
        ("a,b\n1,2\n", None, r"t\.csv: which column of the trace holds the times\? .* 'a', 'b'"),
        ("time\n", None, r"t\.csv: the trace has no rows"),
        ("", None, r"t\.csv: the trace is not a CSV file"),
        ("time,id\n1,2\n3\n", None, r"t\.csv: the trace is not a CSV file: .*Expected 2 columns"),
        ("time,id\n1,x\n,y\n", None, r"t\.csv:3: this is not a number of seconds; got ''"),
        ("time\n1\n\n2\nsoon\n", None, r"t\.csv:5: this is not a number of seconds; got 'soon'"),
        ("time\n1\nnan\n", None, r"t\.csv:3: this is not a number of seconds; got 'nan'"),
        ("time\n1\n1e999\n", None, r"t\.csv:3: this is not a number of seconds; got '1e999'"),
        ("time\nsoon\n1\n", None, r"t\.csv:2: this is not a time such as 2023-.*; got 'soon'"),
        ("time\n2023-01-01\n2023-02-30\n", None, r"t\.csv:3: this is not a time .*'2023-02-30'"),
        ("time\n2023-01-01 10:00:00\n5\n", None, r"t\.csv:3: this is not a time .*; got '5'"),
        ("time\n2023-01-01\n3023-01-01\n", None, r"t\.csv:3: this is not a time"),
    ],
)
def test_a_trace_that_cannot_be_read_is_told_with_its_line(tmp_path, text, column, message):
    """What is wrong, where, and what was found."""
    with pytest.raises(DataError, match=message):
        read_times(written(tmp_path, text), column)


def test_a_trace_that_is_no_file(tmp_path):
    """Absent, a folder, or no text."""
    with pytest.raises(DataError, match=r"gone\.csv: there is no such trace"):
        read_times(str(tmp_path / "gone.csv"))
    with pytest.raises(DataError):
        read_times(str(tmp_path))
    (tmp_path / "latin.csv").write_bytes(b"time\n\xe9\n")
    with pytest.raises(DataError, match="not a CSV file"):
        read_times(str(tmp_path / "latin.csv"))
    with pytest.raises(DataError):
        read_times("a\0b.csv")


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20))
def test_any_tenths_of_microseconds_are_kept(tmp_path_factory, ticks):
    """Whatever the digits, the differences are exact."""
    start = np.datetime64("2023-11-16T18:15:46", "ns")
    texts = [str(start + np.timedelta64(100 * tick, "ns"))[:27] for tick in ticks]
    file = written(tmp_path_factory.mktemp("t"), "\n".join(["time", *texts]))
    expected = [100 * (tick - min(ticks)) for tick in sorted(ticks)]
    assert np.round(read_times(file) * 1e9).astype(np.int64).tolist() == expected


def test_a_spike_lets_a_trace_end_earlier(tmp_path):
    """Its arrivals are what they are, so they are only closer together."""
    file = written(tmp_path, "time\n" + "\n".join(map(str, range(100))))
    found = traffic(of({"trace": file}, spike(4, 10, 10)), log(np.ones((3, 1))))
    assert len(found.arrival_s) == 100
    assert np.histogram(found.arrival_s, [0, 10, 20, 70])[0].tolist() == [10, 40, 50]
    assert found.arrival_s[-1] == 99 - 30
