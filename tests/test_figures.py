"""Figures show what results say, and nothing that stands in a name can act."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.app_home import NASTY, TIERED, shop
from toolkit import figures
from toolkit.engine.replay import replay
from toolkit.engine.trace import Attempt, Skip, Trace
from toolkit.evaluate.baselines import baselines
from toolkit.evaluate.breakdown import (
    endings_by_model,
    endings_by_route,
    latency_curves,
    model_costs,
)
from toolkit.evaluate.compare import compare
from toolkit.evaluate.flows import flows
from toolkit.figures import labels, theme
from toolkit.logs.datasets import dataset_from_frame
from toolkit.policy.loading import parse_policy
from toolkit.policy.model import Policy


@pytest.fixture(scope="module")
def one():
    """A replay with fail-overs, degraded answers and errors."""
    return replay(parse_policy(TIERED), dataset_from_frame("shop", *shop()))


def every_figure(one) -> dict[str, go.Figure]:
    """Each figure there is, of one replay."""
    summary = one.summary()
    base = replay(Policy.single(one.dataset.models[0]), one.dataset)
    return {
        "replay": figures.replay_figure(one),
        "summary": figures.summary_figure(summary),
        "comparison": figures.comparison_figure(compare(base, one)),
        "waterfall": figures.waterfall_figure(one.trace(int(np.argmax(one.attempts)))),
        "policy": figures.policy_figure(flows(one)),
        "latency": figures.latency_figure(latency_curves(one), {}),
        "routes": figures.endings_figure(endings_by_route(one), "requests", {}),
        "calls": figures.endings_figure(endings_by_model(one), "calls", {}),
        "cost": figures.cost_figure(model_costs(summary), {}),
        "categories": figures.category_figure(summary, base.summary()),
    }


def test_every_figure_has_a_picture_and_a_name_for_those_who_cannot_see_it(one):
    """Each figure has traces, a transparent background and an alternative text."""
    for name, figure in every_figure(one).items():
        assert figure.data, name
        assert figure.layout.meta["alt"], name
        assert figure.layout.template.layout.paper_bgcolor == "rgba(0, 0, 0, 0)"


def test_every_figure_can_be_drawn_when_nothing_was_measured():
    """Without cost, latency and quality figures are empty, and none fails."""
    outcomes, requests = shop(drop=("cost_usd", "latency_s"))
    outcomes["quality"] = None
    outcomes["latency_s"] = [1.0] + [None] * (len(outcomes) - 1)
    every_figure(replay(parse_policy(TIERED), dataset_from_frame("bare", outcomes, requests)))


def strings(value) -> list[str]:
    """Every text in a figure's JSON."""
    if isinstance(value, dict):
        return [s for inner in value.values() for s in strings(inner)]
    if isinstance(value, list):
        return [s for inner in value for s in strings(inner)]
    return [value] if isinstance(value, str) else []


def test_names_cannot_act_in_any_figure():
    """Tags, entities, TeX and hover fields in names come out escaped, in every text."""
    nasty = f"{NASTY} %{{x}}"
    outcomes, requests = shop((f"a {nasty}", f"b {nasty}", "c"), (nasty, "plain"))
    data = dataset_from_frame(nasty, outcomes, requests)
    policy = parse_policy(TIERED).to_data()
    policy |= {"policy": nasty, "default": nasty}
    policy["models"] = {
        f"m {nasty}": {"log": data.models[0]},
        f"n {nasty}": {"log": data.models[1]},
    }
    policy["routes"] = [{"name": nasty, "when": {"category": {"eq": nasty}}, "use": nasty}]
    policy["chains"] = {nasty: {"steps": [{"model": name} for name in policy["models"]]}}
    for name, figure in every_figure(replay(Policy.model_validate(policy), data)).items():
        shown = json.loads(figure.to_json())
        templates = [t.hovertemplate for t in figure.data if getattr(t, "hovertemplate", None)]
        assert not any("alert" in text for text in templates), name
        for text in strings(shown["data"]) + strings(shown["layout"]):
            if "alert" in text or "script" in text:
                assert "<script" not in text, name
                assert "$" not in text, name


def test_plain_and_wrapped_text_reads_as_it_was_written():
    """What is escaped comes back when it is read as HTML, and wrapping cuts only what is long."""
    import html

    assert html.unescape(theme.plain(NASTY)) == NASTY
    assert theme.wrapped("gpt-4o-mini-2024-07-18") == "gpt-4o-mini-<br>2024-07-18"
    assert theme.wrapped("short") == "short"
    assert theme.wrapped("a" * 100).endswith("…")


def test_names_that_look_alike_once_they_are_cut_keep_their_own_rows():
    """Models and categories that differ only at the end of a long name are not one bar."""
    long = "a-model-with-a-name-that-is-much-too-long-for-any-axis-"
    outcomes, requests = shop((f"{long}1", f"{long}2", "c"), (f"{long}x", f"{long}y"))
    data = dataset_from_frame("long", outcomes, requests)
    policy = parse_policy(TIERED).with_value("models.small.log", f"{long}1")
    policy = policy.with_value("models.large.log", f"{long}2").to_data()
    policy["routes"] = [{"name": f"{long}r", "when": {"input_tokens": {"lt": 99}}, "use": "strong"}]
    one = replay(Policy.model_validate(policy), data)
    category = figures.category_figure(one.summary()).data[0]
    routes = figures.endings_figure(endings_by_route(one), "requests", {}).data[0]
    assert len(set(category.y)) == 2
    assert len(set(routes.y)) == 2


def test_the_frontier_shows_the_policy_filled_with_its_intervals_and_baselines_hollow(one):
    """The current policy is the only filled marker; its bars are the interval's ends."""
    summary = one.summary()
    figure = figures.frontier_figure(summary, baselines(one.dataset), one.policy.goals)
    *hollow, policy = figure.data
    assert all("open" in symbol for trace in hollow for symbol in trace.marker.symbol)
    assert policy.marker.symbol == "diamond"
    assert policy.x[0] == summary.cost_usd_per_1k.value
    assert policy.y[0] + policy.error_y.array[0] == pytest.approx(summary.quality.high)
    assert policy.y[0] - policy.error_y.arrayminus[0] == pytest.approx(summary.quality.low)
    (goal,) = figure.layout.shapes
    assert (goal.y0, goal.x1) == (0.6, 5)


def test_the_cost_axis_is_logarithmic_only_where_costs_span_decades(one):
    """Costs of similar size stand on a linear axis that begins at 0."""
    summary = one.summary()
    wide = figures.frontier_figure(summary, baselines(one.dataset))
    near = figures.frontier_figure(summary, baselines(one.dataset, ["large-1", "small-1"]))
    assert wide.layout.xaxis.type == "log"
    assert near.layout.xaxis.type == "linear"
    assert near.layout.xaxis.rangemode == "tozero"


def test_the_diagram_draws_every_link_and_only_failures_red(one):
    """Links of the figure are those of the flows; fail-over and errors are red, nothing else."""
    found = flows(one)
    (sankey,) = figures.policy_figure(found).data
    assert list(sankey.link.value) == found.count.tolist()
    ends = [found.nodes[i].name for i in found.target]
    for colour, fallback, end in zip(sankey.link.color, found.fallback, ends, strict=True):
        assert (colour == theme.faded(theme.ERROR, 0.5)) == (bool(fallback) or end == "error")
        assert (colour == theme.faded(theme.DEGRADED, 0.5)) == (end == "degraded" and not fallback)


def test_the_waterfall_has_a_bar_per_attempt_and_red_edges_on_failures(one):
    """Bars start when attempts start and last as long; waits are in front of them."""
    trace = one.trace(int(np.argmax(one.attempts)))
    waits, bars = figures.waterfall_figure(trace).data
    assert list(bars.base) == [a.start_s for a in trace.attempts]
    assert list(bars.x) == [0 if math.isnan(a.latency_s) else a.latency_s for a in trace.attempts]
    assert list(waits.x) == [a.wait_s for a in trace.attempts]
    assert [width > 0 for width in bars.marker.line.width] == [
        a.error_type is not None for a in trace.attempts
    ]


def test_the_waterfall_tells_second_calls_skips_and_the_cache():
    """A call no longer needed fades without a red edge; what was not asked has a row of words."""
    slow = Attempt("small", 1, 0.0, 0.0, 2.0, 0.001, math.nan, "cancelled", imputed=False)
    quick = replace(slow, model="large", start_s=1.5, latency_s=0.5, error_type=None, hedge=True)
    skip = Skip("tool", 1, 0.0, "breaker_open")
    told = Trace("r1", "default", "ask", 1.0, (slow, quick), "accepted", None, 1.0, 0.01, 2.0)
    figure = figures.waterfall_figure(replace(told, skips=(skip,)), {"small": "#0072B2"})
    assert figure.layout.yaxis.ticktext == ("tool", "1. small", "2. large (second<br>call)")
    assert figure.data[1].marker.color[0] == "rgba(0, 114, 178, 0.35)"
    assert set(figure.data[1].marker.line.width) == {0}
    assert [note.text for note in figure.layout.annotations] == ["not asked: breaker open"]
    hit = figures.waterfall_figure(replace(told, attempts=(), cached=True))
    assert hit.layout.annotations[0].text == "answered from the cache"


def test_differences_stand_around_zero_with_their_intervals(one):
    """Four panels show the paired differences; each has a line at 0."""
    result = compare(replay(Policy.single("large-1"), one.dataset), one)
    figure = figures.comparison_figure(result)
    names = ("quality", "cost_usd_per_1k", "latency_mean_s", "error_rate")
    for trace, name in zip(figure.data, names, strict=True):
        assert trace.x[0] == getattr(result, name).value
    assert [shape.x0 for shape in figure.layout.shapes] == [0, 0, 0, 0]


def test_a_model_keeps_its_colour_in_every_policy_of_a_small_log():
    """Up to eight models, colours follow the log alone; no two are alike."""
    models = [f"m{i}" for i in range(8)]
    assert theme.colours(models, ["m5"]) == theme.colours(models)
    assert len(set(theme.colours(models).values())) == 8


def test_in_a_large_log_the_models_of_the_policy_have_the_colours():
    """Beyond eight models the others are shades of grey."""
    models = [f"m{i:02}" for i in range(71)]
    found = theme.colours(models, ["m50", "m60"])
    assert found["m50"] == theme.MODEL_COLOURS[0]
    assert found["m60"] == theme.MODEL_COLOURS[1]
    assert {found[m] for m in models if m not in {"m50", "m60"}} == set(theme.FURTHER_MODELS)
    meant = {theme.ERROR, theme.DEGRADED, theme.UNOBSERVED, theme.POLICY}
    assert not meant & {*theme.MODEL_COLOURS, *theme.FURTHER_MODELS}


def test_results_show_themselves(one):
    """``figure()`` of replay, summary, comparison and trace gives the house's figures."""
    base = replay(Policy.single("large-1"), one.dataset)
    for result in (one, one.summary(), compare(base, one), one.trace(0)):
        assert isinstance(result.figure(), go.Figure)


@given(st.lists(st.tuples(st.floats(0, 400), st.floats(0, 200)), min_size=1, max_size=12))
def test_labels_cover_neither_markers_nor_each_other(at):
    """Whatever stands where, no two labels overlap, and none lies over a marker."""
    names = [f"a-model-{i}" for i in range(len(at) - len(at) // 4)]
    found = labels.places(at, names, 400)
    boxes = [
        labels.label_box(found[n], p, n) for p, n in zip(at, names, strict=False) if n in found
    ]
    marks = [(x - labels.MARK, y - labels.MARK, x + labels.MARK, y + labels.MARK) for x, y in at]
    for i, box in enumerate(boxes):
        assert not any(labels.overlap(box, other) for other in [*boxes[:i], *marks])


def test_a_label_alone_has_room():
    """A single marker has its name above."""
    assert labels.places([(200, 100)], ["alone"], 400) == {"alone": "top center"}
