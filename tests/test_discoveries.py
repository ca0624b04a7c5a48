"""Many differences at once, against the definitions; and how requests are put into groups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.small_logs import log
from toolkit.errors import DataError
from toolkit.evaluate.clusters import clusters
from toolkit.evaluate.discoveries import benjamini_hochberg, holm, p_value
from toolkit.evaluate.groups import groups, sliceable
from toolkit.evaluate.intervals import Estimate

chances = st.lists(st.floats(0, 1), max_size=12)


def with_columns(n, **columns):
    """A log of n requests with these columns."""
    data = log(np.ones((n, 1)))
    for name, values in columns.items():
        object.__setattr__(data, "requests", data.requests.append_column(name, pa.array(values)))
    return data


@given(chances)
def test_holm_goes_on_until_one_is_too_large(p):
    """The smallest is held against the level by all, the next by one fewer, and so on."""
    adjusted = holm(p)
    for level in (0.01, 0.05, 0.3):
        real = set()
        for step, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
            if p[i] * (len(p) - step) > level:
                break
            real.add(i)
        assert {i for i, a in enumerate(adjusted) if a <= level} == real


@given(chances)
def test_benjamini_hochberg_takes_all_below_the_last_under_the_line(p):
    """The largest k with the k-th smallest at most level · k / m."""
    adjusted = benjamini_hochberg(p)
    ordered = sorted(p)
    for level in (0.01, 0.05, 0.3):
        under = [k for k, x in enumerate(ordered, 1) if x * len(p) / k <= level]
        most = ordered[max(under) - 1] if under else -1.0
        assert {i for i, a in enumerate(adjusted) if a <= level} == {
            i for i, x in enumerate(p) if x <= most
        }


def test_adjusted_values_agree_with_r():
    """The figures of R's p.adjust, version 4.3."""
    p = [0.01, 0.02, 0.03, 0.04, 0.5]
    assert holm(p) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.5])
    assert benjamini_hochberg(p) == pytest.approx([0.05, 0.05, 0.05, 0.05, 0.5])


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_what_is_not_known_does_not_count(adjust):
    """NaN stays NaN and leaves the others as if it were not there."""
    found = adjust([0.01, np.nan, 0.04])
    assert np.isnan(found[1])
    assert found[[0, 2]] == pytest.approx(adjust([0.01, 0.04]))
    assert len(adjust([])) == 0


@pytest.mark.parametrize(
    ("low", "high", "real"), [(0.01, 2, True), (-0.01, 2, False), (0.5, 1.0, True)]
)
def test_a_p_value_says_what_its_interval_says(low, high, real):
    """Below 5 % exactly where the interval leaves out 0, on either side."""
    assert (p_value(Estimate(1.0, low, high, 9)) < 0.05) is real
    assert (p_value(Estimate(-1.0, -high, -low, 9)) < 0.05) is real


def test_p_values_of_edges():
    """No difference has 1, a certain one 0, an unknown one none."""
    assert p_value(Estimate(0.0, -1, 1, 9)) == 1
    assert p_value(Estimate(2.0, 2.0, 2.0, 9)) == 0
    assert np.isnan(p_value(Estimate(2.0)))
    assert p_value(Estimate(1.0, 0.0, 2.0, 9)) == pytest.approx(0.05)


def test_texts_and_truths_go_by_value():
    """Sorted, a missing one in a group of its own."""
    data = with_columns(4, tone=["b", None, "a", "b"], urgent=[True, False, None, True])
    assert groups(data, "tone").names == ("(none)", "a", "b")
    assert groups(data, "tone").code.tolist() == [2, 0, 1, 2]
    assert groups(data, "urgent").names == ("(none)", "false", "true")


def test_numbers_go_by_quarters_with_their_ranges():
    """Every request lies in the range of its group, and a quarter is about a quarter."""
    rng = np.random.default_rng(0)
    values = rng.integers(1, 200, 403)
    found = groups(with_columns(403, prompt_chars=values), "prompt_chars")
    assert len(found.names) == 4
    for i, name in enumerate(found.names):
        low, high = map(int, name.removesuffix(" characters").split("–"))
        mine = values[found.code == i]
        assert (mine.min(), mine.max()) == (low, high)
        assert len(mine) == pytest.approx(101, abs=8)


def test_few_numbers_go_by_value_and_odd_ones_stand_apart():
    """Turns are not quartered; NaN and null are nobody's."""
    found = groups(with_columns(5, turns=[3.0, 1.0, None, np.nan, 1.0]), "turns")
    assert found.names == ("1", "3", "(none)")
    assert found.code.tolist() == [1, 0, 2, 2, 0]


def test_close_numbers_are_told_apart():
    """Names take as many digits as they need."""
    found = groups(with_columns(400, x=1000 + np.arange(400) / 1e4), "x")
    assert len(set(found.names)) == 4


def test_moments_go_by_day_or_hour():
    """A day each; within three days an hour each; beyond a hundred days a month each."""
    start = datetime(2026, 1, 30, 22, 30, tzinfo=UTC)

    def names(step):
        times = [start + i * step for i in range(4)]
        return groups(with_columns(4, timestamp=times), "timestamp").names

    assert names(timedelta(days=1)) == ("2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02")
    assert names(timedelta(hours=1))[:2] == ("2026-01-30 22:00", "2026-01-30 23:00")
    assert names(timedelta(days=50)) == ("2026-01", "2026-03", "2026-05", "2026-06")


def test_length_stands_for_input_tokens():
    """Unless there is a column of that name."""
    data = log(np.ones((3, 1)))
    assert groups(data, "length").column == "input_tokens"
    assert groups(with_columns(3, length=["s", "m", "s"]), "length").names == ("m", "s")


def test_many_values_are_gathered_and_a_value_of_that_name_with_them():
    """A hundred groups at most, the last of them all others."""
    names = [f"v{i:03}" for i in range(150)] + ["(other)"] * 9 + ["v000"]
    found = groups(with_columns(160, kind=names), "kind")
    assert len(found.names) == len(set(found.names)) == 100
    assert found.names[-1] == "(other)"
    assert (found.code == 99).sum() == 160 - 99 - 1


def test_unknown_columns_and_lists_are_refused():
    """The message names the column and what there is."""
    data = with_columns(2, tags=[["a"], ["b"]])
    with pytest.raises(DataError, match=r"no column 'tenannt'.*request_id"):
        groups(data, "tenannt")
    with pytest.raises(DataError, match="column 'tags': no groups can be made of list"):
        groups(data, "tags")


def test_sliceable_columns_are_those_with_groups():
    """Neither ids nor prompts, nor what is the same everywhere."""
    data = with_columns(
        200,
        tenant=["a", "b"] * 100,
        prompt=["p", "q"] * 100,
        note=[f"text {i}" for i in range(200)],
        same=[1] * 200,
        chars=list(range(200)),
        tags=[["x"]] * 200,
    )
    assert sliceable(data) == ("tenant", "chars")


def test_clusters_are_those_of_the_widest_column():
    """A user before a session; one who is not named is nobody else."""
    data = with_columns(6, session=list("aabbcc"), user=["u", "u", "v", None, " ", "v"])
    found = clusters(data)
    assert (found.column, found.count) == ("user", 4)
    assert len(set(found.code)) == 4
    assert found.code[0] == found.code[1]
    assert found.code[2] == found.code[5]
    assert found.alone.tolist() == [False, False, False, True, True, False]


@pytest.mark.parametrize(
    "user", [["u"] * 4, ["a", "b", "c", "d"], [None] * 4, ["a", "b", None, None]]
)
def test_a_column_that_joins_nothing_says_nothing(user):
    """One user of all, or one of each, makes no clusters; the next column may."""
    assert clusters(with_columns(4, user=user)) is None
    found = clusters(with_columns(4, user=user, session_id=[1, 1, 2, 2]))
    assert (found.column, found.count) == ("session_id", 2)
