"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.evaluate import format as show
from toolkit.evaluate.intervals import Estimate


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.80471, "0.805"),
        (0.96, "0.96"),
        (1.0735, "1.07"),
        (0.9996, "1"),
        (12.34, "12.3"),
        (1234.5, "1,234"),
        (1234567, "1,234,567"),
        (0.0000123, "0.0000123"),
        (-0.5, "−0.5"),
        (0, "0"),
        (math.nan, "–"),
    ],
)
def test_number(value, text):
    """Three significant digits, whole parts in full, no scientific notation."""
    assert show.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1923, "$0.192"),
        (0.19, "$0.19"),
        (2.2052, "$2.21"),
        (2, "$2.00"),
        (12.34, "$12.34"),
        (123.4, "$123"),
        (1234.4, "$1,234"),
        (0.00012, "$0.00012"),
        (0, "$0.00"),
        (-0.31, "−$0.31"),
        (math.nan, "–"),
    ],
)
def test_usd(value, text):
    """Cents at least, below a hundred dollars; whole dollars above."""
    assert show.usd(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.012, "1.2 %"),
        (0.12, "12.0 %"),
        (0, "0 %"),
        (1, "100 %"),
        (0.0004, "0.04 %"),
        (0.9999, "99.99 %"),
        (math.nan, "–"),
    ],
)
def test_percent(value, text):
    """Only all is 100 % and only none is 0 %."""
    assert show.percent(value) == text


def test_units():
    """Each value carries its unit."""
    assert show.usd_per_1k(0.19) == "$0.19 /1k"
    assert show.seconds(0.96) == "0.96 s"
    assert show.points(-0.004) == "−0.4 points"
    assert show.count(1700) == "1,700"


def test_intervals_share_their_decimals():
    """Value and ends are written to the same precision."""
    assert show.number_interval(Estimate(0.8047, 0.786, 0.8231)) == "0.805 [0.786, 0.823]"
    assert show.usd_interval(Estimate(0.31, 0.27, 0.35)) == "$0.310 [0.270, 0.350]"
    assert show.usd_interval(Estimate(-0.31, -0.35, 0.27), sign=True) == "−$0.310 [−0.350, +0.270]"
    assert show.seconds_interval(Estimate(0.96, 0.931, 0.99)) == "0.960 s [0.931, 0.990]"
    assert show.percent_interval(Estimate(0.012, 0.008, 0.017)) == "1.2 % [0.8, 1.7]"
    assert show.points_interval(Estimate(-0.004, -0.011, 0.003)) == "−0.4 points [−1.1, +0.3]"


def test_undefined_is_a_dash():
    """What was not measured is not a number, and an interval that is not there is left out."""
    for written in (show.number_interval, show.usd_interval, show.percent_interval):
        assert written(Estimate(math.nan)) == "–"
    assert show.seconds_interval(Estimate(2.0)) == "2.00 s"


def test_html_is_escaped():
    """Names of policies and models are text, not markup."""
    table = show.html_table(("<b>",), [("<script>",)], caption="a & b")
    assert "<script>" not in table
    assert "&lt;script&gt;" in table
    assert "a &amp; b" in table


@given(st.floats(1e-9, 1e9))
def test_three_digits_are_close(value):
    """Reading a number back is off by at most half a unit of its third digit."""
    text = show.number(value)
    assert "e" not in text
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.0051)
