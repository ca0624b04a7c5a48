"""Figures of a router show what its training says, and nothing in a name can act."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from tests.app_home import NASTY
from tests.test_figures import strings
from toolkit import figures
from toolkit.errors import DataError
from toolkit.evaluate.intervals import UNDEFINED
from toolkit.evaluate.routers.calibration import calibration
from toolkit.evaluate.routers.importance import Importance
from toolkit.evaluate.routers.learning import judge
from toolkit.evaluate.routers.train import train
from toolkit.figures import theme
from toolkit.figures.labels import label_box, places
from toolkit.logs.datasets import dataset_from_frame

NASTIER = f"</script><img src=x onerror=alert(1)> %{{x}} {NASTY}"
PRICES = (1, 8, 3)


def town(names=("small", "large"), n=200, category="sums", cost=True, simulated=False):
    """A log in which the first model can do one category and the others all; always the same."""
    rng = np.random.default_rng(5)
    easy = rng.random(n) < 0.5
    ids = [f"r{i:03}" for i in range(n)]
    rows = []
    for name, price, other in zip(names, PRICES, (0.1, 0.9, 0.6), strict=False):
        right = rng.random(n) < np.where(easy, 0.95, other)
        rows.append(
            pd.DataFrame(
                {
                    "request_id": ids,
                    "model": name,
                    "quality": right.astype(float),
                    "cost_usd": 1e-4 * price * rng.lognormal(0, 0.1, n) if cost else np.nan,
                }
            )
        )
    requests = pd.DataFrame(
        {"request_id": ids, "category": np.where(easy, category, "essays"), "size": rng.random(n)}
    )
    return dataset_from_frame("town", pd.concat(rows), requests, simulated=simulated)


def trained(data):
    """What is learned of it, without the details."""
    return train(data, text=None, head="logistic", folds=3, details=False)


@pytest.fixture(scope="module")
def priced():
    """Three models with costs."""
    return trained(town(("small", "large", "middle")))


@pytest.fixture(scope="module")
def pair():
    """Two models without costs."""
    return trained(town(cost=False))


def traces(figure: go.Figure) -> dict[str, go.Scatter]:
    """Its traces by name."""
    return {trace.name: trace for trace in figure.data}


# --- the curve ---


def test_every_setting_stands_where_its_numbers_are(priced):
    """A dot per setting of the trade-off, with quality, cost, gain and shares under the pointer."""
    shown = traces(figures.router_figure(priced))["router, settings"]
    points = priced.curve.points
    assert list(shown.x) == [p.cost_usd_per_1k.value for p in points]
    assert list(shown.y) == [p.quality.value for p in points]
    last = shown.customdata[-1]
    for word in ("quality", "cost per 1k &#36;", "n = 200 requests", "% to", "over the best mix"):
        assert word in last


def test_the_line_and_its_band_follow_the_settings_that_no_mix_beats(priced):
    """The line runs through the hull; the band through the ends of its intervals."""
    shown = traces(figures.router_figure(priced))
    hull = priced.curve.hull
    line = dict(zip(shown["router"].x, shown["router"].y, strict=True))
    low = dict(zip(shown["router, low end"].x, shown["router, low end"].y, strict=True))
    high = dict(zip(shown["router, high end"].x, shown["router, high end"].y, strict=True))
    for point in hull:
        x = point.cost_usd_per_1k.value
        assert line[x] == point.quality.value
        assert (low[x], high[x]) == (point.quality.low, point.quality.high)
    assert shown["router, high end"].fill == "tonexty"


def test_only_the_chosen_setting_is_a_filled_diamond_with_both_intervals(priced):
    """``at`` may be a point of any knob."""
    at = priced.thresholds.points[30]
    mark = traces(figures.router_figure(priced, at))["this setting"]
    cost, quality = at.cost_usd_per_1k, at.quality
    assert mark.marker.symbol == "diamond"
    assert mark.y[0] + mark.error_y.array[0] == pytest.approx(quality.high)
    assert mark.y[0] - mark.error_y.arrayminus[0] == pytest.approx(quality.low)
    assert mark.x[0] + mark.error_x.array[0] == pytest.approx(cost.high)
    assert mark.x[0] - mark.error_x.arrayminus[0] == pytest.approx(cost.low)
    assert "this setting" not in traces(figures.router_figure(priced))


def test_baselines_are_hollow_in_the_colours_of_their_models(priced):
    """Each single model, the random mix and the oracle; curves of rivals are told apart."""
    shown = traces(figures.router_figure(priced, whole=True))
    singles = shown["single models"]
    colours = theme.colours(priced.dataset.models)
    rivals = [rival for rival in priced.rivals if rival.kind == "single"]
    expected = {r.point.cost_usd_per_1k.value: colours[r.name] for r in rivals}
    assert dict(zip(singles.x, singles.marker.color, strict=True)) == expected
    for name in ("single models", "random mix", "oracle"):
        assert all("open" in symbol for symbol in np.atleast_1d(shown[name].marker.symbol))
    assert shown["oracle"].y[0] == priced.rival("oracle").point.quality.value
    dashes = {
        shown[name].line.dash
        for name in (
            "best mix (zero router)",
            "nearest neighbours",
            "lookup table by category",
        )
    }
    assert dashes == {"dash", "dot", "dashdot"}


def test_labels_keep_off_the_routers_line():
    """A label stands where no point of the curve is, if there is such a place."""
    at, line = [(200.0, 100.0)], [(float(x), 115.0) for x in range(100, 300, 2)]
    assert places(at, ["small"], 400)["small"] == "top center"
    found = places(at, ["small"], 400, line)["small"]
    box = label_box(found, at[0], "small")
    assert not any(box[0] <= x <= box[2] and box[1] <= y <= box[3] for x, y in line)


def test_a_promise_is_a_line_that_is_rounded_down(priced):
    """A floor of 0.8009 is not 0.801; without one there is no line."""
    figure = figures.router_figure(priced, floor=0.80099)
    (line,) = figure.layout.shapes
    assert line.y0 == 0.80099
    assert line.name == "promised: at least 0.8"
    assert not figures.router_figure(priced).layout.shapes
    assert not figures.router_figure(priced, floor=math.nan).layout.shapes


def test_simulated_data_says_so(priced):
    """Wherever it is shown."""
    made_up = replace(priced, dataset=town(("small", "large", "middle"), simulated=True))
    assert "simulated data" in figures.router_figure(made_up).layout.xaxis.title.text
    assert "simulated" not in figures.router_figure(priced).layout.xaxis.title.text


def test_a_training_draws_itself(priced):
    """The curve first, other views by name; a view or model that is not there is told of."""
    model = priced.models[1]
    views = {
        "curve": figures.router_figure(priced),
        "rivals": figures.rivals_figure(priced),
        "reliability": figures.reliability_figure(priced.calibration, model),
        "learning": figures.learning_figure(None),
        "importance": figures.importance_figure(()),
    }
    for view, figure in views.items():
        assert priced.figure(view, model=model).to_json() == figure.to_json()
    at = priced.curve.points[2]
    assert priced.figure(at=at).to_json() == figures.router_figure(priced, at).to_json()
    with pytest.raises(DataError, match=r"got 'pie'; allowed: 'curve', 'rivals'"):
        priced.figure("pie")
    with pytest.raises(DataError, match=r"got 'smal'.*'small'"):
        priced.figure("reliability", model="smal")


# --- without costs ---


def test_a_pair_without_costs_stands_on_the_share_of_strong_calls(pair):
    """The curve runs from one model alone to the other; the right axis is the gap recovered."""
    figure = figures.router_figure(pair, pair.thresholds.points[25])
    shown, scores = traces(figure), pair.pair
    router = shown["router"]
    assert (router.x[0], router.x[-1]) == (0, 1)
    assert (router.y[0], router.y[-1]) == pytest.approx((scores.curve.weak, scores.curve.strong))
    assert shown["chance (zero router)"].line.dash == "dash"
    left, right = figure.layout.yaxis.range, figure.layout.yaxis2.range
    gap = scores.curve.strong - scores.curve.weak
    assert [scores.curve.weak + gap * end for end in right] == pytest.approx(list(left))
    assert "APGR" in figure.layout.xaxis.title.text
    at = pair.thresholds.points[25]
    strong = pair.models.index(scores.strong)
    assert (shown["this setting"].x[0], shown["this setting"].y[0]) == (
        at.shares[strong],
        at.quality.value,
    )
    found = [scores.cpt50.value, scores.cpt80.value]
    assert list(shown["50 % and 80 % of the gap"].x) == found


def test_the_oracle_of_a_pair_asks_the_strong_model_where_it_alone_is_right(pair):
    """Fewer strong calls than any router that is as good."""
    star = traces(figures.pair_figure(pair))["oracle"]
    data = pair.dataset
    weak, strong = (data.quality[:, data.models.index(m)] for m in ("small", "large"))
    assert star.x[0] == pytest.approx((strong > weak).mean())
    assert star.y[0] == pytest.approx(np.maximum(weak, strong).mean())


def test_a_pair_figure_needs_a_pair(priced):
    """Three models have no strong one."""
    with pytest.raises(ValueError, match="two models"):
        figures.pair_figure(priced)


def test_many_models_without_costs_stand_on_the_probability_that_is_asked_for():
    """A line per single model, and the router by ``min_quality``."""
    found = trained(town(("small", "large", "middle"), cost=False))
    figure = figures.router_figure(found, found.thresholds.points[10])
    shown = traces(figure)
    points = found.thresholds.points
    assert list(shown["router"].x) == [p.value for p in points]
    assert list(shown["router"].y) == [p.quality.value for p in points]
    assert len(figure.layout.shapes) == 3
    assert shown["this setting"].x[0] == points[10].value


# --- trust ---


def test_a_reliability_diagram_shows_each_bin_with_wilsons_interval():
    """Its scores stand above; the histogram holds every request."""
    rng = np.random.default_rng(1)
    p = rng.beta(4, 2, (600, 2))
    found = calibration(p, (rng.random((600, 2)) < p).astype(float), ["small", "large"])
    figure = figures.reliability_figure(found, "large", {"large": "#009E73"})
    shown, bins = traces(figure), found[1].bins
    assert list(shown["observed"].x) == [b.predicted for b in bins]
    assert list(shown["observed"].y) == [b.observed.value for b in bins]
    tops = [b.observed.high - b.observed.value for b in bins]
    assert list(shown["observed"].error_y.array) == tops
    assert shown["observed"].marker.color == "#009E73"
    truth, _ = np.histogram(p[:, 1], np.linspace(0, 1, 26))
    assert sum(shown["requests"].y) == pytest.approx(600)
    assert np.abs(np.array(shown["requests"].y) - truth).max() < 25
    (scores,) = (a.text for a in figure.layout.annotations)
    assert "ECE" in scores
    assert "Brier" in scores
    with pytest.raises(ValueError, match=r"'tiny'.*small, large"):
        figures.reliability_figure(found, "tiny")


@pytest.mark.parametrize("value", [0.0, 0.3, 0.52, 1.0])
def test_predictions_that_are_all_the_same_fall_into_one_bar(value):
    """A model of whom the same is said for every request, also at the ends of the scale."""
    p = np.full((50, 1), value)
    found = calibration(p, np.ones((50, 1)), ["only"])
    bars = np.array(traces(figures.reliability_figure(found, "only"))["requests"].y)
    assert bars.max() == pytest.approx(50)
    assert bars.sum() == pytest.approx(50)


def test_a_model_without_grades_says_so():
    """No empty diagram without a word."""
    found = calibration(np.full((5, 1), 0.5), np.full((5, 1), np.nan), ["silent"])
    texts = [a.text for a in figures.reliability_figure(found, "silent").layout.annotations]
    assert texts == ["no predictions with grades"]


def test_a_learning_curve_stands_on_the_sizes_and_may_be_missing():
    """Each size with its interval; too few requests are told of."""
    rng = np.random.default_rng(2)
    net = rng.random((3, 90)) + np.array([[0.0], [0.1], [0.3]])
    found = judge([30, 60, 120], net, rng.random((3, 90)), None, None, 0)
    (trace,) = figures.learning_figure(found).data
    assert list(trace.x) == [30, 60, 120]
    assert list(trace.y) == [e.value for e in found.score]
    assert "than with 60" in trace.customdata[2]
    (said,) = figures.learning_figure(None).layout.annotations
    assert "too few" in said.text


def test_columns_are_ordered_by_what_they_are_missed_for():
    """Filled where the loss is surely above nothing; undefined losses come last."""
    sure = replace(UNDEFINED, value=0.1, low=0.05, high=0.15, n=90)
    chance = replace(UNDEFINED, value=0.01, low=-0.05, high=0.07, n=90)
    rows = [
        Importance(("b",), chance, 0.0, chance, ()),
        Importance(("n",), UNDEFINED, 0.0, UNDEFINED, ()),
        Importance(("a", "c"), sure, 0.0, sure, ("d",)),
    ]
    figure = figures.importance_figure(rows)
    assert list(figure.layout.yaxis.ticktext) == ["a + c", "b", "n"]
    left = figure.data[0]
    assert list(left.marker.symbol) == ["diamond", "diamond-open"]
    assert "also said by d" in left.customdata[0]
    assert figures.importance_figure([]).layout.annotations[0].text == "no column was shuffled"


def test_each_rival_has_a_row_with_the_paired_difference(priced, pair):
    """Right of the line the router is better; without costs of two models by APGR."""
    figure = figures.rivals_figure(priced)
    assert len(figure.layout.yaxis.ticktext) == len(priced.rivals)
    known = sorted(r.difference.value for r in priced.rivals if r.difference.n)
    assert sorted(figure.data[0].x) == known
    titles = [figures.rivals_figure(pair).layout[axis].title.text for axis in ("xaxis", "xaxis2")]
    assert "APGR" in titles[1]


# --- names ---


def harmless(figure: go.Figure) -> None:
    """No text of a figure holds a tag or TeX of a name."""
    for text in strings(json.loads(figure.to_json())):
        assert "<script" not in text
        assert "<img" not in text
        assert "$x$" not in text
        assert "</script" not in text


@pytest.mark.parametrize("cost", [True, False])
def test_names_of_models_columns_and_categories_cannot_act(cost):
    """Whatever a log calls its models, it is shown as it is."""
    names = (f"a {NASTIER}", f"b {NASTIER}")
    found = trained(town(names, category=NASTIER, cost=cost))
    column = Importance((NASTIER,), UNDEFINED, 0.0, UNDEFINED, (NASTIER,))
    for figure in (
        figures.router_figure(found, found.thresholds.points[3], floor=0.5),
        figures.pair_figure(found),
        figures.rivals_figure(found),
        figures.reliability_figure(found.calibration, found.models[0]),
        figures.importance_figure([column]),
    ):
        harmless(figure)


def test_a_figure_is_plain_data(priced):
    """Undefined numbers are null, not words that JSON does not know."""
    text = figures.router_figure(priced, priced.curve.points[3]).to_json()
    assert "NaN" not in text
    assert "Infinity" not in text
