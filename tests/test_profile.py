from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import DataError
from toolkit.logs import profile as look
from toolkit.logs import store
from toolkit.logs.datasets import dataset_from_frame
from toolkit.logs.profile import blocks, grouping, repeats
from toolkit.logs.tables import Tables


def keep(data, name="kept", db=None):
    """The same dataset in the store; its name."""
    tables = Tables(data.requests, data.models, data.outcomes_table())
    store.write(name, tables, source="test", sha256=name, path=db)
    return name


def part(data, function, *arguments):
    """One part of the profile of a dataset or of what the store calls by a name."""
    with look.opened(data) as source:
        return function(source, *arguments)


def rows(**columns):
    """A long log: two models on four requests, unless the columns say otherwise."""
    frame = {
        "request_id": [f"r{i}" for i in range(4) for _ in "ab"],
        "model": list("ab") * 4,
        "quality": [1.0, 0.0] * 4,
    }
    return pd.DataFrame(frame | columns)


@pytest.fixture(scope="module")
def bfcl(bfcl_dir, tmp_path_factory):
    """The BFCL log as a frame, and a store that holds it."""
    frame = pd.read_csv(bfcl_dir / "bfcl_long.csv.gz", low_memory=False)
    prompts = pd.read_csv(bfcl_dir / "bfcl_prompts.csv.gz")
    db = tmp_path_factory.mktemp("profile") / "lab.duckdb"
    keep(dataset_from_frame("bfcl", frame, prompts), "bfcl", db)
    frame.loc[frame["error"].notna(), "quality"] = 0.0  # what failed has no quality
    frame["latency_s"] = frame["latency_ms"] / 1000
    return frame, db


@pytest.fixture
def stored_bfcl(bfcl, monkeypatch):
    """The frame, while the store that holds BFCL is the one in use."""
    monkeypatch.setenv("DETOUR_DB", str(bfcl[1]))
    return bfcl[0]


def test_the_models_of_bfcl_are_those_of_a_plain_frame(stored_bfcl):
    """Counts, means, extremes and errors of each model agree with pandas on the file itself."""
    facts = part("bfcl", look.model_facts)
    by_model = stored_bfcl.groupby("model")
    assert facts.models == tuple(sorted(by_model.groups))
    assert facts.outcomes.tolist() == by_model.size().tolist()
    for i, measure in enumerate(look.MEASURES):
        if measure != "quality":
            assert facts.measured[:, i].tolist() == by_model[measure].count().tolist()
        np.testing.assert_allclose(facts.total[:, i], by_model[measure].sum(), rtol=1e-9)
    answers = stored_bfcl[stored_bfcl["error"].isna()].groupby("model")["quality"]
    assert facts.measured[:, 0].tolist() == answers.count().tolist()
    np.testing.assert_allclose(facts.lowest, answers.min())
    np.testing.assert_allclose(facts.highest, answers.max())
    assert facts.failed.tolist() == by_model["error"].count().tolist()
    assert facts.share("quality") == 1.0
    assert facts.failures_count
    np.testing.assert_allclose(facts.quality, by_model["quality"].mean(), rtol=1e-9)


@pytest.mark.parametrize("measure", ["cost_usd", "latency_s", "output_tokens"])
def test_the_quantiles_and_bins_of_bfcl_are_those_of_a_plain_frame(stored_bfcl, measure):
    """Quantiles are exact, and every positive value lies in the bin that is said to hold it."""
    found = part("bfcl", look.spread, measure)
    by_model = stored_bfcl.groupby("model")[measure]
    expected = by_model.quantile(list(look.QUANTILES)).unstack()
    np.testing.assert_allclose(found.quantiles, expected.to_numpy(), rtol=1e-9)
    assert found.zeros.tolist() == by_model.agg(lambda v: (v == 0).sum()).tolist()
    positive = stored_bfcl.loc[stored_bfcl[measure] > 0, measure]
    # A value on an edge may fall either way.
    counts, _ = np.histogram(positive, found.edges)
    assert abs(counts - found.count.sum(axis=0)).max() <= 1
    assert found.count.sum() == len(positive)


def test_the_quality_of_bfcl_by_category_is_that_of_a_plain_frame(stored_bfcl):
    """Means by model and category agree, and the categories come by size."""
    categories = part("bfcl", look.groups)[0]
    sizes = stored_bfcl.groupby("category")["request_id"].nunique()
    assert dict(zip(categories.names, categories.requests, strict=True)) == sizes.to_dict()
    assert list(categories.requests) == sorted(categories.requests, reverse=True)
    found = part("bfcl", look.category_quality, categories)
    expected = stored_bfcl.pivot_table(
        index="model", columns="category", values="quality", aggfunc="mean"
    )[list(categories.names)]
    mean = found.total / (found.n + found.failed)
    np.testing.assert_allclose(mean, expected.to_numpy(), rtol=1e-9)


def test_the_oddities_of_bfcl_are_those_of_a_plain_frame(stored_bfcl):
    """What each check counts is what its words say, and its rows are such rows."""
    found = part("bfcl", look.oddities)
    count = {c.key: int(n) for c, n in zip(found.checks, found.count.sum(axis=1), strict=True)}
    f, fine = stored_bfcl, stored_bfcl["error"].isna()
    assert count["zero-latency"] == (f["latency_s"] == 0).sum()
    assert count["no-input-tokens"] == ((f["input_tokens"] == 0) & fine).sum()
    assert (
        count["no-output-tokens"] == ((f["output_tokens"] == 0) & fine & (f["quality"] > 0)).sum()
    )
    shown = part("bfcl", look.odd_rows, "zero-latency")
    assert shown.num_rows == count["zero-latency"]
    assert set(shown["latency_s"].to_pylist()) == {0.0}
    assert set(shown["request_id"].to_pylist()) <= set(f["request_id"])


def test_the_repeated_prompts_of_bfcl_are_those_of_a_plain_frame(stored_bfcl, bfcl_dir):
    """Copies and grades that differ between them agree with pandas."""
    found = part("bfcl", look.duplicates)
    prompts = pd.read_csv(bfcl_dir / "bfcl_prompts.csv.gz").set_index("request_id")["prompt"]
    sizes = prompts.value_counts()
    assert (found.with_prompt, found.blank, found.one_in) == (len(prompts), 0, 1)
    assert found.prompts == (sizes > 1).sum()
    assert found.copies == (sizes[sizes > 1] - 1).sum()
    graded = stored_bfcl.assign(prompt=stored_bfcl["request_id"].map(prompts))
    grades = graded.groupby(["prompt", "model"])["quality"].agg(["count", "min", "max"])
    twice = grades[grades["count"] > 1]
    assert found.pairs == len(twice)
    assert found.graded_apart == (twice["min"] < twice["max"]).sum()
    assert found.worst[0].requests == sizes.max()


@given(
    seed=st.integers(0, 2**16),
    n=st.integers(1, 30),
    most=st.integers(1, 12),
    stripe=st.integers(1, 12),
)
@settings(max_examples=25)
def test_every_part_agrees_with_obvious_loops(seed, n, most, stripe):
    """On generated logs with holes, each aggregate is what a loop over the outcomes gives."""
    data = dataset_from_frame("small", *_random_log(seed, n))
    long = data.to_pandas()
    where = {name: i for i, name in enumerate(data.column("request_id").to_pylist())}
    with (
        pytest.MonkeyPatch.context() as patch,
        look.opened(data) as source,
    ):
        patch.setattr(blocks, "MOST_BLOCKS", most)
        patch.setattr(grouping, "STRIPE", stripe)
        cover, facts = look.coverage(source), look.model_facts(source)
        found = look.groups(source)
        quality = look.category_quality(source, found[0]) if found else None
    for k, model in enumerate(data.models):
        mine = long[long["model"] == model]
        assert facts.outcomes[k] == len(mine)
        assert facts.failed[k] == mine["error"].notna().sum()
        for i, measure in enumerate(look.WHAT):
            held = mine if measure == "outcome" else mine[mine[measure].notna()]
            if measure == "quality":
                held = held[held["error"].isna()]
            for j, (first, size) in enumerate(zip(cover.first, cover.size, strict=True)):
                inside = sum(first <= where[r] < first + size for r in held["request_id"])
                assert cover.count[i, k, j] == inside
        for g, name in enumerate(quality.categories if quality else ()):
            same = mine["category"].isna() if name is None else mine["category"] == name
            graded = same & mine["error"].isna() & mine["quality"].notna()
            assert quality.n[k, g] == graded.sum()
            assert quality.failed[k, g] == (same & mine["error"].notna()).sum()
            assert quality.total[k, g] == pytest.approx(mine.loc[same, "quality"].sum())
    assert cover.size.sum() == data.n_requests
    joined = cover.joined(4)
    assert joined.count.sum() == cover.count.sum()
    assert (joined.size[:-1] >= 4).all()
    assert joined.size.sum() == n


def _random_log(seed, n):
    rng = np.random.default_rng(seed)
    keep_it = rng.random((n, 3)) < 0.7
    keep_it[:, 0] |= ~keep_it.any(axis=1)
    request, model = np.nonzero(keep_it)
    k = len(request)

    def holes(values):
        return np.where(rng.random(k) < 0.8, values, np.nan)

    log = {
        "request_id": [f"r{i}" for i in request],
        "model": [f"m{j}" for j in model],
        "quality": holes(rng.integers(0, 3, k) / 2),
        "cost_usd": holes(rng.lognormal(size=k)),
        "latency_s": holes(rng.exponential(size=k)),
        "error": rng.choice(["timeout", "", ""], k),
    }
    requests = {
        "request_id": [f"r{i}" for i in range(n)],
        "category": rng.choice(np.array(["x", "y", None], object), n),
    }
    return pd.DataFrame(log), pd.DataFrame(requests)


def test_the_store_and_memory_give_the_same(lab):
    """A stored dataset is profiled in place, with the same numbers as one in memory."""
    data = dataset_from_frame("small", *_random_log(3, 30))
    name = keep(data)
    for function in (look.model_facts, look.coverage, look.oddities):
        a, b = part(data, function), part(name, function)
        for key, value in vars(a).items():
            np.testing.assert_array_equal(value, vars(b)[key])
    assert part(data, look.groups) == part(name, look.groups)
    with pytest.raises(DataError, match="the store has no dataset 'nobody'"):
        part("nobody", look.model_facts)


def test_a_store_that_is_not_there_is_not_made(lab):
    """Asking for a dataset leaves no file behind."""
    with pytest.raises(DataError, match="the store has no dataset 'x'"):
        part("x", look.model_facts)
    assert not lab.exists()


def test_failures_are_bad_answers_only_where_answers_were_graded(lab):
    """A log without grades has no quality, however often it failed; else failures are 0."""
    error = ["", "timeout"] * 4
    bare = part(
        dataset_from_frame("bare", rows(error=error, quality=[None] * 8, cost_usd=1.0)),
        look.model_facts,
    )
    assert bare.share("quality") == 0.0
    assert not bare.failures_count
    assert np.isnan(bare.quality).all()
    error = ["", "", "", "timeout"] * 2
    full = part(dataset_from_frame("full", rows(error=error, quality=[1.0] * 8)), look.model_facts)
    assert full.share("quality") == 1.0
    assert full.quality.tolist() == [1.0, 0.5]
    some = [1.0, 1.0, None, None, 1.0, 1.0, None, None]
    some = part(dataset_from_frame("some", rows(error=error, quality=some)), look.model_facts)
    assert some.share("quality") == pytest.approx(4 / 6)
    assert some.quality.tolist() == [1.0, 1.0]


def test_times_are_counted_by_day_and_doubted(lab):
    """Days in UTC, times that are still to come, and requests that the log has out of order."""
    times = ["2025-06-01T23:30:00", "2025-06-02T00:10:00", "2025-06-01T23:50:00", None]
    stamps = pa.array(
        [datetime.fromisoformat(t).replace(tzinfo=UTC) if t else None for t in times],
        pa.timestamp("us", tz="Europe/Zurich"),
    )
    requests = pa.table({"request_id": ["r0", "r1", "r2", "r3"], "timestamp": stamps})
    data = dataset_from_frame("timed", pa.Table.from_pandas(rows()), requests)
    for one in (data, keep(data)):
        found = part(one, look.period)
        assert [str(d) for d in found.days] == ["2025-06-01", "2025-06-02"]
        assert (found.requests, found.known) == ((2, 1), 3)
        odd = part(one, look.oddities, datetime(2025, 6, 2, tzinfo=UTC))
        assert (odd.future, odd.backwards) == (1, 1)


def test_a_log_without_times_prompts_or_categories_has_no_such_parts():
    """What is not in the log is None or empty, never 0."""
    data = dataset_from_frame("bare", rows())
    assert part(data, look.period) == look.Period(None, None, 0)
    assert part(data, look.duplicates) is None
    assert part(data, look.groups) == ()
    nothing = part(data, look.spread, "cost_usd")
    assert nothing.edges.size == 0
    assert np.isnan(nothing.quantiles).all()
    assert np.isnan(part(data, look.model_facts).lowest).sum() == 0


def test_column_names_of_the_users_never_reach_sql(lab):
    """Names that differ in case only, or that are SQL, are read by their place."""
    requests = pd.DataFrame(
        {
            "request_id": [f"r{i}" for i in range(4)],
            "Category": ["wrong"] * 4,
            "category": list("xxyy"),
            'tenant"; DROP TABLE datasets; --': ["z"] * 4,
            "tenant": list("pppq"),
        }
    )
    data = dataset_from_frame("odd", rows(), requests)
    for one in (data, keep(data)):
        found = {g.column: g.names for g in part(one, look.groups)}
        assert found == {"category": ("x", "y"), "tenant": ("p", "q")}


def test_many_categories_are_cut_to_the_largest(monkeypatch):
    """The most frequent are shown, requests without one among them, and how many there are."""
    monkeypatch.setattr(grouping, "MOST_GROUPS", 2)
    requests = pd.DataFrame(
        {"request_id": [f"r{i}" for i in range(4)], "category": [None, None, "x", "y"]}
    )
    data = dataset_from_frame("many", rows(), requests)
    found = part(data, look.groups)[0]
    assert (found.names, found.distinct) == ((None, "x"), 3)
    assert part(data, look.category_quality, found).n.tolist() == [[2, 1], [2, 1]]


def test_repeated_prompts_are_sampled_by_prompt(monkeypatch):
    """In a sample every copy of a chosen prompt is there, so the counts scale."""
    n = 4_000
    requests = pd.DataFrame(
        {
            "request_id": [f"r{i}" for i in range(n)],
            "prompt": [f"p{i // 2}" for i in range(n - 1)] + [" "],
        }
    )
    log = pd.DataFrame(
        {"request_id": requests["request_id"], "model": "m", "quality": np.arange(n) % 2 / 1.0}
    )
    data = dataset_from_frame("twice", log, requests)
    whole = part(data, look.duplicates)
    assert (whole.one_in, whole.prompts, whole.copies) == (1, 1_999, 1_999)
    assert (whole.pairs, whole.graded_apart) == (1_999, 1_999)
    assert (whole.worst[0].requests, whole.worst[0].lowest, whole.worst[0].highest) == (2, 0, 1)
    monkeypatch.setattr(repeats, "MOST_REQUESTS", 1_000)
    some = part(data, look.duplicates)
    assert some.one_in == 4
    assert some.copies == some.prompts == some.graded_apart
    assert some.copies * 4 == pytest.approx(1_999, rel=0.2)


def test_an_unknown_check_names_those_there_are():
    """Rows are asked for by the name of a check."""
    with pytest.raises(DataError, match="no check 'free-'; allowed: 'free' "):
        part(dataset_from_frame("bare", rows()), look.odd_rows, "free-")


def test_estimated_costs_and_empty_answers_are_found_where_a_log_has_them(lab):
    """Checks of columns that a log lacks are left out."""
    data = dataset_from_frame("texts", rows(answer=["", "yes"] * 4))
    found = part(data, look.oddities)
    count = {c.key: n.tolist() for c, n in zip(found.checks, found.count, strict=True)}
    assert "estimated-cost" not in count
    table = data.outcomes_table().append_column("cost_estimated", pa.array([True, False] * 4))
    store.write("marked", Tables(data.requests, data.models, table), source="x", sha256="x")
    found = part("marked", look.oddities)
    count = {c.key: n.tolist() for c, n in zip(found.checks, found.count, strict=True)}
    assert count["estimated-cost"] == [4, 0]
