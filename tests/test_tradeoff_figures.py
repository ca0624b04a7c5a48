"""Figures and the report of trade-offs show what results say, and nothing in a name can act."""

from __future__ import annotations

import html
import json
import math
import re
from datetime import date
from typing import Any

import plotly.graph_objects as go
import pytest

from tests.app_home import NASTY, TIERED, shop
from tests.test_figures import strings
from toolkit import figures
from toolkit.engine.replay import replay
from toolkit.evaluate.compare import compare
from toolkit.evaluate.offpolicy.estimate import estimate
from toolkit.evaluate.offpolicy.explore import explore
from toolkit.evaluate.offpolicy.sampling import sample_log
from toolkit.evaluate.offpolicy.support import SupportError
from toolkit.evaluate.search.search import search
from toolkit.evaluate.tradeoffs.frontier import frontier
from toolkit.figures.axes import scale
from toolkit.logs.datasets import dataset_from_frame
from toolkit.policy.loading import parse_policy
from toolkit.policy.model import FractionGoal, Goals, Policy

TIMEOUT = "chains.cheap_first.steps.0.timeout_s"
VARY = [f"{TIMEOUT}=0.2:3:12"]
NASTIER = f"</script><img src=x onerror=alert(1)> %{{x}} {NASTY}"


@pytest.fixture(scope="module")
def data():
    """Outcomes of three models."""
    return dataset_from_frame("shop", *shop(n=240))


@pytest.fixture(scope="module")
def policy():
    """Small first, large where it fails."""
    return parse_policy(TIERED)


@pytest.fixture(scope="module")
def swept(data, policy):
    """Many timeouts of its first call."""
    return frontier(policy, data, VARY, resamples=200)


def traces(figure: go.Figure) -> dict[str, Any]:
    """Its traces by name."""
    return {trace.name: trace for trace in figure.data}


# --- trade-offs ---


def test_every_point_can_be_clicked_once_and_stands_where_its_numbers_are(swept):
    """Each different policy has one marker, which knows its index; baselines are none of them."""
    figure = figures.tradeoffs_figure(swept)
    seen = {}
    for trace in figure.data:
        for i, data in enumerate(trace.customdata if trace.customdata is not None else ()):
            if data[0] >= 0:
                assert data[0] not in seen
                seen[data[0]] = (trace.x[i], trace.y[i])
    expected = [point for point in swept.points if point.same_as is None]
    assert sorted(seen) == [point.index for point in expected]
    for point in expected:
        assert seen[point.index] == (point.cost_usd_per_1k.value, point.quality.value)


def test_only_policies_are_filled_and_the_one_that_stands_is_the_diamond(swept):
    """Baselines are hollow; point 0 is the diamond with its whole interval."""
    shown = traces(figures.tradeoffs_figure(swept, whole=True))
    now, point = shown["as it stands"], swept.points[0]
    assert (now.marker.symbol, now.customdata[0][0]) == ("diamond", 0)
    assert now.y[0] + now.error_y.array[0] == pytest.approx(point.quality.high)
    assert now.x[0] - now.error_x.arrayminus[0] == pytest.approx(point.cost_usd_per_1k.low)
    for name in ("single models", "random mix of 2 models", "oracle of 2 models"):
        assert all("open" in symbol for symbol in shown[name].marker.symbol)
    assert len(shown["single models"].x) == 3
    assert shown["oracle of 2 models"].y[0] == swept.oracle.quality.value


def test_the_frontier_is_a_staircase_and_mixes_are_straight_in_dollars(swept):
    """Between two policies nothing is had but by mixing, whose cost is the mean of both."""
    figure = figures.tradeoffs_figure(swept)
    line = next(t for t in figure.data if t.name == "frontier" and t.mode == "lines")
    assert line.line.shape == "hv"
    points = [swept.points[i] for i in swept.frontier]
    assert list(line.x) == [point.cost_usd_per_1k.value for point in points]
    mixed = traces(figure)["mix of models"]
    first, last = swept.zero_router[0], swept.zero_router[-1]
    assert (mixed.x[0], mixed.x[-1]) == (first.cost_usd_per_1k, last.cost_usd_per_1k)
    if len(swept.zero_router) == 2:
        slope = (last.quality - first.quality) / (last.cost_usd_per_1k - first.cost_usd_per_1k)
        for x, y in zip(mixed.x, mixed.y, strict=True):
            assert y == pytest.approx(first.quality + slope * (x - first.cost_usd_per_1k))


def test_goals_are_shaded_and_other_goals_may_be_tried(swept):
    """The shade is what the goals of the two axes allow; without goals there is none."""
    (own,) = figures.tradeoffs_figure(swept).layout.shapes
    assert (own.y0, own.x1) == (0.6, 5)
    tried = Goals.model_validate({"quality": {"min": 0.9}})
    (other,) = figures.tradeoffs_figure(swept, goals=tried).layout.shapes
    assert other.y0 == 0.9
    assert not figures.tradeoffs_figure(swept, goals=Goals()).layout.shapes
    (late,) = figures.tradeoffs_figure(swept, x="quality", y="error_rate").layout.shapes
    assert (late.x0, late.y1) == (0.6, 0.02)


def test_other_axes_have_no_mixes_and_baselines_only_where_they_were_measured(swept):
    """Latency against quality has no hull; a picked policy has a ring."""
    figure = figures.tradeoffs_figure(swept, x="latency_p95_s", y="quality", picked=2)
    shown = traces(figure)
    assert "mix of models" not in shown
    assert "random mix of 2 models" not in shown, "its p95 is not known"
    assert shown["picked"].x[0] == swept.points[2].latency_p95_s.value
    assert figure.layout.xaxis.title.text.startswith("p95 latency, seconds")


def test_many_policies_show_the_intervals_of_the_best_only(data, policy):
    """Of more than fifteen policies those that something beats have no bars."""
    many = frontier(policy, data, [f"{TIMEOUT}=0.2:3:40"], resamples=100)
    shown = {
        trace.name: trace
        for trace in figures.tradeoffs_figure(many).data
        if trace.mode == "markers"
    }
    assert shown["41 policies"].error_y.array is None
    assert shown["as it stands"].error_y.array is not None


def test_policies_that_were_given_bear_their_names(data, policy):
    """A handful of policies is told apart in the picture, and none of them "stands"."""
    large = Policy.single("large-1").with_value("policy", "only large")
    given = frontier([policy, large], data, resamples=50)
    figure = figures.tradeoffs_figure(given)
    texts = [text for t in figure.data if t.customdata is not None for text in t.text or ()]
    assert "only large" in texts
    assert "as it stands" not in traces(figure)
    assert "tiered" in traces(figure)
    assert "only large" in body(figures.report(given))


def test_what_is_far_away_leaves_the_picture_and_is_told():
    """The range holds all policies, and what is near; a double click, or ``whole``, shows all."""
    near = scale("quality", [0.80, 0.82], [0.7, 0.85, 0.1])
    assert (near.holds(0.7), near.holds(0.85), near.holds(0.1)) == (True, True, False)
    assert scale("quality", [0.80, 0.82], [0.1], whole=True).holds(0.1)
    assert not near.holds(math.nan)
    wide = scale("cost_usd_per_1k", [1.0, 20.0], [0.1])
    assert wide.log
    assert wide.edge(low=True) < 0.1
    assert not scale("cost_usd_per_1k", [0.0, 20.0], [0.1]).log
    # Once the far one is left out nothing spans decades.
    assert not scale("cost_usd_per_1k", [1.0, 1.1], [0.001]).log


def test_one_policy_of_one_model_has_no_mixes_to_tell_apart(data):
    """Alone among single models a policy still has a picture."""
    alone = frontier(Policy.single("small-1"), data, resamples=100)
    shown = traces(figures.tradeoffs_figure(alone))
    assert not any("oracle" in name for name in shown)
    assert "small-1" in shown


def test_the_worth_of_quality_has_a_bar_per_policy_of_the_hull(swept):
    """Bars stand end to end, from nothing to beyond the last price."""
    (bars,) = figures.worth_figure(swept).data
    assert [data[0] for data in bars.customdata] == list(swept.hull)
    assert list(bars.base)[1:] == pytest.approx([one.from_usd for one in swept.worth][1:])
    for base, wide, one in zip(bars.base, bars.x, swept.worth[:-1], strict=False):
        assert base + wide == pytest.approx(one.to_usd)


def test_words_stand_in_place_of_places_and_values(swept):
    """Marks, bars and the report say what differs in the words that they are given."""

    def words(point):
        return f"wait no. {point.index}" if point.index else "as it is"

    figure = figures.tradeoffs_figure(swept, words=words)
    told = {data[0]: data[1] for t in figure.data for data in t.customdata or () if data[0] >= 0}
    assert all(words(swept.points[i]) in text for i, text in told.items())
    assert not any(TIMEOUT in text for text in told.values())
    bars = figures.worth_figure(swept, words=words)
    above = [note.text for note in bars.layout.annotations]
    for one, note in zip(swept.worth, above, strict=True):
        assert words(swept.points[one.point]) in note
    page = figures.report(swept, point=3, words=words)
    assert "The chosen policy: wait no. 3" in body(page)
    assert TIMEOUT not in body(page)
    assert TIMEOUT in body(figures.report(swept, point=3))


def test_the_shading_tells_of_limits_that_the_axes_do_not_show(swept):
    """Limits on other measures are counted, and policies that are past one of them are pale."""
    tried = Goals.model_validate(
        {"quality": {"min": 0.3}, "latency_p95_s": {"max": 1.0}, "error_rate": {"max": 0.5}}
    )
    figure = figures.tradeoffs_figure(swept, "cost_usd_per_1k", "quality", goals=tried)
    (note,) = (n.text for n in figure.layout.annotations if "limit" in n.text)
    assert note.startswith("within the limit of quality")
    assert "2 more limits are not shown" in note
    related = tried.model_copy(update={"quality": FractionGoal(min=0.3, min_change=-0.1)})
    figure = figures.tradeoffs_figure(swept, "cost_usd_per_1k", "quality", goals=related)
    (note,) = (n.text for n in figure.layout.annotations if "limit" in n.text)
    assert "3 more limits are not shown" in note
    goals = {p.index: p.goals for p in swept.with_goals(tried).points}
    for trace in figure.data:
        if trace.customdata is None or trace.customdata[0][0] < 0:
            continue
        for data, opacity in zip(trace.customdata, trace.marker.opacity, strict=True):
            past = any(g.met is False for g in goals[data[0]] if g.name != "quality")
            assert past == (opacity < 1)
    both = figures.tradeoffs_figure(swept, goals=Goals.model_validate({"quality": {"min": 0.3}}))
    assert "good enough" in [n.text for n in both.layout.annotations]


# --- differences, off-policy, exploration, search ---


def test_slices_stand_by_what_they_gain_and_only_sure_ones_are_filled(data, policy):
    """A row per group, both metrics, one policy minus the other by their names."""
    found = compare(Policy.single("small-1"), policy, data).by("category")
    figure = figures.slices_figure(found)
    quality, cost = figure.data
    assert list(quality.x) == sorted(part.quality.value for part in found.parts)
    assert (quality.xaxis, cost.xaxis) == ("x", "x2")
    title = figure.layout.xaxis2.title.text
    assert title == f"cost per 1k<br>{found.b} minus<br>{found.a}"
    assert f"{found.a} 0." in quality.customdata[0]
    sure = sum(part.quality.distinguishable for part in found.parts)
    assert sum(symbol == "diamond" for symbol in quality.marker.symbol) == sure


@pytest.fixture(scope="module")
def logged(data, policy):
    """A log of it in which chance chose the model of every other request."""
    return sample_log(data, policy, 0.5)


def test_estimates_have_the_one_to_read_first_and_the_log_beside_it(data, logged, policy):
    """The recommended estimator is on top and filled; goals are lines."""
    found = estimate(policy, logged)
    figure = figures.estimates_figure(found)
    quality = figure.data[0]
    assert quality.x[0] == found.best["quality"].value
    assert list(quality.marker.symbol).count("diamond") == 1
    assert quality.x[len(found.estimators)] == found.logged["quality"].value
    assert {shape.x0 for shape in figure.layout.shapes} == {0.6, 5}
    grid = figures.overlap_figure(found.overlap)
    assert len(grid.data[0].y) == len(found.overlap)


def test_extrapolations_and_logs_without_chance_are_drawn(data, policy):
    """What has one estimator, or no interval, still is a picture."""
    certain = sample_log(data, policy, 0.0)
    for found in (
        estimate(policy, certain, where_supported=True),
        estimate(policy, certain, extrapolate=True),
    ):
        figure = figures.estimates_figure(found)
        assert figure.data[0].x[0] == found.best["quality"].value
        assert figures.overlap_figure(found.overlap).data


def test_where_the_log_cannot_speak_the_map_is_amber(data):
    """The map of a refusal marks the models that were never asked."""
    logged = sample_log(data, Policy.single("small-1"), 0.0)
    with pytest.raises(SupportError, match="large-1") as refused:
        estimate(Policy.single("large-1"), logged)
    figure = figures.overlap_figure(refused.value.overlap)
    lacking = figure.data[1].z
    assert (lacking == 1).sum() == sum(len(one.lacking) for one in refused.value.overlap)


def test_exploration_has_the_requests_that_decide_and_the_price(data, policy):
    """A line for each, over the shares; the recommended one is the diamond."""
    found = explore([policy], data, serving=Policy.single("small-1"), requests=50_000)
    needed, quality, cost = figures.exploration_figure(found).data
    assert list(quality.x) == [share.explore for share in found.shares]
    assert list(cost.y) == [share.cost_usd_per_1k.value for share in found.shares]
    chosen = [x for x, s in zip(needed.x, needed.marker.symbol, strict=True) if s == "diamond"]
    assert chosen == ([found.recommended.explore] if found.recommended else [])


def test_a_search_shows_each_policy_tuned_and_held_out(data, policy):
    """Two markers a policy: hollow tuned without a bar, then held out with its interval."""
    found = search(policy, data, trials=20)
    shown = traces(figures.search_figure(found))
    for name, side in found.sides:
        pair = shown[name]
        assert list(pair.y) == [side.tuned.quality.value, side.held_out.quality.value]
        assert pair.error_y.array[0] == 0
        assert "open" in pair.marker.symbol[0]
    dots = sum(len(t.x) for name, t in shown.items() if name.startswith("tried"))
    assert dots == found.different


# --- names, and what was not measured ---


def nasty_policy(models: tuple[str, ...]) -> Policy:
    """Every name that a person can give, given badly."""
    chain = f"c {NASTIER}"
    return Policy.model_validate(
        {
            "policy": NASTIER,
            "goals": {"quality": {"min": 0.5}},
            "models": {f"m {NASTIER}": {"log": models[0]}, f"n {NASTIER}": {"log": models[1]}},
            "routes": [
                {"name": NASTIER, "when": {"category": {"eq": NASTIER}}, "use": "other"},
            ],
            "default": chain,
            "chains": {
                chain: {"steps": [{"model": f"m {NASTIER}"}, {"model": f"n {NASTIER}"}]},
                "other": {"steps": [{"model": f"n {NASTIER}"}]},
            },
        }
    )


@pytest.fixture(scope="module")
def nasty():
    """A sweep and all that hangs on it, in which every name would like to act."""
    outcomes, requests = shop((f"a {NASTIER}", f"b {NASTIER}", "c"), (NASTIER, "plain", "x"))
    data = dataset_from_frame(NASTIER, outcomes, requests)
    policy = nasty_policy(data.models)
    chains = [f"c {NASTIER}", "other"]
    swept = frontier(policy, data, [f"default={json.dumps(chains)[1:-1]}"], resamples=50)
    return swept, compare(swept.points[0].policy, swept.points[1].policy, data), data


def every_figure(swept, comparison, data) -> dict[str, go.Figure]:
    """Each figure of trade-offs."""
    policy = swept.points[0].policy
    logged = sample_log(data, policy, 1.0)
    found = estimate(policy, logged)
    plan = explore([policy], data, serving=Policy.single(data.models[0]), requests=5_000)
    return {
        "tradeoffs": figures.tradeoffs_figure(swept, whole=True, picked=1),
        "worth": figures.worth_figure(swept),
        "slices": figures.slices_figure(comparison.by("category")),
        "estimates": figures.estimates_figure(found),
        "overlap": figures.overlap_figure(found.overlap),
        "exploration": figures.exploration_figure(plan),
        "search": figures.search_figure(search(policy, data, trials=5)),
    }


def test_names_cannot_act_in_any_figure(nasty):
    """Tags, entities, TeX and hover fields in names come out escaped, in every text."""
    for name, figure in every_figure(*nasty).items():
        assert figure.layout.meta["alt"], name
        shown = json.loads(figure.to_json())
        templates = [t.hovertemplate for t in figure.data if getattr(t, "hovertemplate", None)]
        assert not any("alert" in text for text in templates), name
        for text in strings(shown["data"]) + strings(shown["layout"]):
            if "alert" in text or "script" in text:
                assert "<script" not in text, name
                assert "<img" not in text, name
                assert "$" not in text, name


def test_every_figure_can_be_drawn_where_hardly_anything_was_measured(policy):
    """Without cost, and with one latency, figures are thinner, and none fails."""
    outcomes, requests = shop(drop=("cost_usd", "latency_s"))
    outcomes["latency_s"] = [1.0] + [None] * (len(outcomes) - 1)
    data = dataset_from_frame("bare", outcomes, requests)
    swept = frontier(policy.with_value("goals", {}), data, VARY, resamples=50)
    assert not any(len(t.x) for t in figures.tradeoffs_figure(swept).data if t.mode != "lines")
    figures.tradeoffs_figure(swept, "error_rate", "quality")
    figures.worth_figure(swept)
    figures.slices_figure(compare(Policy.single("tool-1"), policy, data).by("category"))
    assert "–" in figures.report(swept)


# --- the report ---


def body(page: str) -> str:
    """What a reader sees: the text of the page's body, without scripts."""
    inner = page.partition("<body>")[2]
    inner = re.sub(r"<script>.*?</script>", "", inner, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", inner))


def test_the_report_holds_question_verdict_numbers_and_where_they_come_from(swept, data):
    """Everything that a reader needs to judge it, and the policy to run it."""
    chosen = swept.best or swept.points[0]
    found = compare(swept.points[0].policy, swept.points[3].policy, data)
    one = replay(swept.points[3].policy, data)
    page = figures.report(swept, found, one.summary(), point=3, on=date(2026, 1, 2))
    text = body(page)
    assert "What is the cheapest way to be good enough?" in text
    for part in (
        swept.verdict,
        found.verdict.replace("tiered is", "This policy is", 1),
        swept.dataset_digest,
        swept.points[3].digest,
        *swept.assumptions,
        *one.summary().assumptions,
        "2026-01-02",
    ):
        assert part in text
    assert swept.points[3].policy.to_yaml() in html.unescape(page)
    for word in ("random mix", "oracle", "large-1", "small-1", "as it stands"):
        assert word in text
    assert "simulated" not in text.lower()
    assert chosen.digest in body(figures.report(swept))


def test_a_report_of_limits_that_were_tried_says_so(swept):
    """Limits have units; the ones that were tried are never called the policy's."""
    tried = Goals.model_validate({"quality": {"min": 0.3}, "cost_usd_per_1k": {"max": 4.0}})
    own = body(figures.report(swept, point=3))
    other = body(figures.report(swept.with_goals(tried), point=3))
    assert "The chosen policy against its goals" in own
    assert "The chosen policy against limits that were tried, not its own goals" in other
    assert "at most $4.00" in other
    for text in (own, other):
        assert f"tiered as it stands, digest {swept.points[0].digest}" in text
        assert f"digest {swept.points[3].digest}" in text
        assert "oracle of 2 models of" in " ".join(text.split()) or "oracle of 2 models" in text
        assert "oracle of 3 models" in text


def test_the_report_tells_how_far_a_pair_of_models_is_bridged(data, policy):
    """With a weak and a strong model their curve is told; without, nothing is."""
    found = frontier(policy, data, VARY, pair=("small", "large"), resamples=50)
    text = body(figures.report(found))
    assert "From small-1 to large-1" in text
    assert re.search(f"{100 * found.pair.apgr.value:.1f} % .*of the gap", text)
    assert "APGR" not in body(figures.report(frontier(policy, data, VARY, resamples=50)))


def test_simulated_data_wears_a_badge(policy):
    """Who prints it still sees that no model gave these answers."""
    made_up = dataset_from_frame("made up", *shop(), simulated=True)
    page = figures.report(frontier(policy, made_up, resamples=50))
    assert '<div class="badge">Simulated data</div>' in page
    assert "made up (simulated data)" in body(page).replace("  ", " ")


def test_the_report_asks_nothing_of_a_network_and_names_stay_text(nasty):
    """No address is loaded, nothing but two scripts may run, and names are escaped."""
    swept, comparison, _ = nasty
    page = figures.report(swept, comparison)
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert page.count("<script>") == 2
    assert page.count("</script>") == 2
    assert not re.search(r"""(src|href|url\()\s*=?\s*["']?https?:""", outside)
    assert "default-src 'none'" in outside
    assert "<img" not in outside
    assert NASTIER in " ".join(body(page).split()) or NASTIER in body(page)
