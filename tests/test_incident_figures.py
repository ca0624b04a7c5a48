"""Pictures of an incident show its numbers on one time axis, in colours that mean something."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from tests.app_home import NASTY
from tests.test_figures import strings
from toolkit.evaluate.goodput import Goodput
from toolkit.evaluate.timeline import Band, Span, Timeline
from toolkit.figures import goodput_figure, pulse_figure, theme, timeline_figure
from toolkit.figures.clock import clock
from toolkit.policy.guards import RetryBudget

SPANS = (
    Span("outage of the first model", ("small",), 600.0, 1200.0),
    Span("spike × 3", (), 900.0, float("inf")),
)
BANDS = (
    Band("small", "closed", 0.0, 610.0),
    Band("small", "open", 610.0, 640.0),
    Band("small", "half_open", 640.0, 645.0),
    Band("small", "closed", 645.0, 1800.0),
    Band("large", "closed", 0.0, 1800.0),
)


def made(bands=(), spans=SPANS, failed=(0, 8, 1), requests=10, end=1800.0) -> Timeline:
    """A timeline of three moments."""
    lost = np.array(failed)
    cached, degraded, unobserved = np.array([[2, 0, 1], [0, 1, 0], [0, 0, 3]])
    return Timeline(
        start_s=np.linspace(0, end, 4),
        accepted=requests - lost - cached - degraded - unobserved,
        cached=cached,
        degraded=degraded,
        failed=lost,
        unobserved=unobserved,
        p50_s=np.array([0.5, 1.0, np.nan]),
        p95_s=np.array([1.0, 3.0, np.nan]),
        cost_usd=np.array([0.1, 0.3, 0.0]),
        attempts=np.array([10, 25, 9]),
        bands=tuple(bands),
        spans=tuple(spans),
    )


def bars(figure, colour: str) -> list:
    """The traces of one colour that hold values."""
    return [t for t in figure.data if t.marker.color == colour and t.x and t.x[0] is not None]


def test_both_panels_stand_on_one_time_axis():
    """Every trace has the same x axis, and no two y axes overlap."""
    figure = timeline_figure(made(BANDS), made())
    assert {trace.xaxis or "x" for trace in figure.data} == {"x"}
    axes = [figure.layout[name] for name in figure.layout if name.startswith("yaxis")]
    domains = sorted(tuple(axis.domain) for axis in axes)
    assert len(domains) == 4  # faults, two panels, and the breakers of the one that has any
    assert all(a[1] < b[0] for a, b in pairwise(domains))
    assert figure.layout.xaxis.range == (0, 30)
    assert figure.layout.xaxis.title.text == "minutes since the start"


def test_bars_are_shares_or_numbers_of_the_requests():
    """Failures are red and nothing else is; shares sum to 1 at every moment."""
    for shares, whole in ((True, 1.0), (False, 10)):
        figure = timeline_figure(made(), made(failed=(0, 2, 0)), shares=shares)
        upper, lower = bars(figure, theme.ERROR)
        assert list(np.array(upper.y) * 10 / whole) == [0, 8, 1]
        assert list(np.array(lower.y) * 10 / whole) == [0, 2, 0]
        panel = [t for t in figure.data if t.yaxis == upper.yaxis and len(t.x) == 3]
        assert list(np.sum([t.y for t in panel], axis=0)) == pytest.approx([whole] * 3)


def test_a_moment_without_requests_is_no_error():
    """Nothing arrived, so there is no bar."""
    empty = made(failed=(0, 0, 0))
    object.__setattr__(empty, "accepted", np.zeros(3, np.int64))
    for name in ("cached", "degraded", "unobserved"):
        object.__setattr__(empty, name, np.zeros(3, np.int64))
    for figure in (timeline_figure(empty, empty), pulse_figure(empty, empty)):
        assert figure.data


def test_pointing_at_a_moment_tells_all_of_it_with_units():
    """The hover of every part of a bar is the same, whatever part is pointed at."""
    figure = timeline_figure(made(), made())
    red, _ = bars(figure, theme.ERROR)
    words = red.customdata[1]
    assert "10 to 20 min" in words
    assert "10 requests, 25 calls" in words
    assert "failed: 8 (80.0 %)" in words
    assert "median 1 s, p95 3 s" in words
    assert "&#36;0.30" in words


def test_breakers_are_bands_while_they_are_not_closed():
    """Red while open, amber while half-open, from the first second to the last."""
    figure = timeline_figure(made(BANDS), made())
    shown = [t for t in figure.data if t.orientation == "h" and t.legendgroup]
    (opened,) = [t for t in shown if t.legendgroup == "open"]
    (probing,) = [t for t in shown if t.legendgroup == "half_open"]
    assert (opened.base[0] * 60, opened.x[0] * 60) == pytest.approx((610, 30))
    assert (probing.base[0] * 60, probing.x[0] * 60) == pytest.approx((640, 5))
    lanes = figure.layout.yaxis3
    assert lanes.ticktext == ("small", "large")
    assert opened.marker.color == theme.faded(theme.ERROR, 0.7)
    assert probing.marker.color == theme.DEGRADED


def test_faults_are_shaded_through_all_panels_with_their_names():
    """One that never ends is shaded to the end; each has a lane with what goes wrong and where."""
    figure = timeline_figure(made(), made())
    areas = [s for s in figure.layout.shapes if s.type == "rect"]
    assert [(s.x0, s.x1, s.y0, s.y1) for s in areas] == [(10, 20, 0, 1), (15, 30, 0, 1)]
    labels = [a.text for a in figure.layout.annotations]
    assert "<b>outage: small</b>" in labels
    assert "<b>spike × 3</b>" in labels
    assert "no fault is injected" in [
        a.text for a in timeline_figure(made(spans=()), made(spans=())).layout.annotations
    ]


def test_the_pulse_has_three_panels_with_the_policy_in_front():
    """Failures as shares of the observed, p95 as it is, cost per minute."""
    figure = pulse_figure(made(), made(failed=(0, 2, 0)))
    policy = [t for t in figure.data if t.line.color == theme.POLICY]
    assert [list(t.y) for t in policy[:1]] == [[0, 0.8, pytest.approx(1 / 7)]]
    assert list(policy[1].y[:2]) == [1.0, 3.0]
    assert list(policy[2].y) == pytest.approx([0.01, 0.03, 0.0])
    assert {t.name for t in figure.data if t.showlegend} == {"With protection", "Without"}


def made_goodput() -> Goodput:
    """Two loads, at the second of which retries make it worse."""
    return Goodput(
        policy="p",
        dataset="d",
        scenario="s",
        simulated=False,
        seed=0,
        budget=RetryBudget(),
        factors=np.array([1.0, 2.0]),
        requests=np.array([100, 200]),
        offered_per_s=np.array([5.0, 10.0]),
        accepted_with_per_s=np.array([5.0, 7.0]),
        accepted_without_per_s=np.array([5.0, 2.0]),
        attempts_with=np.array([1.0, 1.4]),
        attempts_without=np.array([1.0, 3.0]),
        assumptions=(),
    )


def test_goodput_stands_against_what_was_offered():
    """Both curves and the line on which everything would be answered."""
    ideal, bare, budget = goodput_figure(made_goodput()).data
    assert list(ideal.x) == list(ideal.y) == [5, 10]
    assert list(bare.y) == [5, 2]
    assert list(budget.y) == [5, 7]
    assert "3 calls per request" in bare.customdata[1]


def test_names_of_faults_models_and_policies_cannot_act():
    """Tags and TeX in names come out escaped, in every text of every figure."""
    nasty = f"{NASTY} %{{x}}"
    spans = (Span(f"outage of {nasty}", (nasty,), 0.0, 60.0), Span(nasty, (), 0.0, 60.0))
    one = made((Band(nasty, "open", 0.0, 60.0),), spans)
    for figure in (
        timeline_figure(one, one, (nasty, nasty)),
        pulse_figure(one, one, (nasty, nasty)),
        goodput_figure(made_goodput()),
    ):
        assert figure.layout.meta["alt"]
        shown = json.loads(figure.to_json())
        assert not any("alert" in (t.hovertemplate or "") for t in figure.data)
        for text in strings(shown["data"]) + strings(shown["layout"]):
            if "alert" in text or "script" in text:
                assert "<script" not in text
                assert "$" not in text


@pytest.mark.parametrize(
    ("length", "unit"),
    [(60, "s"), (1313, "min"), (3600, "min"), (4 * 3600, "h"), (14 * 86400, "d")],
)
def test_time_is_told_in_the_unit_in_which_it_reads_well(length, unit):
    """Seconds for a minute, minutes for an hour, days for a fortnight."""
    assert clock(length).unit == unit
