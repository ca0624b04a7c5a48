"""The Trade-offs page without a browser: what is varied, what is good enough, what is opened."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from tests.app_home import NASTY, shop
from tests.test_pages import as_read, home, opened, said  # noqa: F401
from toolkit.evaluate.compare import compare
from toolkit.evaluate.format import count, number, usd_interval, usd_per_1k
from toolkit.evaluate.groups import groups
from toolkit.evaluate.search.tunables import suggested, tunables
from toolkit.evaluate.tradeoffs.frontier import frontier
from toolkit.evaluate.tradeoffs.vary import Vary
from toolkit.logs.datasets import dataset_from_frame, load_dataset
from toolkit.logs.exporters import export
from toolkit.policy.loading import load_policy, parse_policy
from toolkit.ui import loaders, tradeoffs_search, tradeoffs_vary
from toolkit.ui.text import literal
from toolkit.ui.tradeoffs_limits import LIMITS, stops

PAGE = "tradeoffs.py"
TIMEOUT = "chains.cheap_first.steps.0.timeout_s"
STEPS = json.dumps([[TIMEOUT, 0.3, 2, 6]])
"""A link that varies one timeout."""


def swept(*vary: Vary, **more):
    """What Python says of the usual policy on the usual data."""
    policy, data = load_policy("tiered"), load_dataset("shop")
    return frontier(policy, data, vary or suggested(policy, data), **more)


def timeouts() -> Vary:
    """What STEPS stands for."""
    return tradeoffs_vary.evenly(places()[TIMEOUT], 0.3, 2, 6)


def places():
    """What can be varied."""
    return {one.path: one for one in tunables(load_policy("tiered"), load_dataset("shop"))}


def draft(app: AppTest):
    """The policy that is being edited."""
    return app.session_state["drafts"]["tiered"].policy


def test_the_first_line_is_the_sweeps_own_verdict(home):  # noqa: F811
    """What moves most is varied unasked, and the answer is the frontier's, with its numbers."""
    app = opened(PAGE)
    found = swept()
    assert f"None of {len(found.points)} policies meets all goals" in said(app)
    assert usd_interval(found.closest.cost_usd_per_1k) in said(app)
    assert app.subheader[0].value == "The one that comes closest"
    assert "vary" not in app.query_params
    assert f"n\u00a0=\u00a0{found.n}." in said(app)
    assert "asked-sweep" not in app.session_state or not app.session_state["asked-sweep"]


def test_a_link_says_what_is_varied_and_the_page_writes_it_back(home):  # noqa: F811
    """Places, axes, slice, limits and the opened point come from the address and stay there."""
    link = {
        "vary": STEPS.replace(" ", ""),
        "across": "latency_p95_s",
        "up": "error_rate",
        "by": "category",
        "part": "sums",
        "good": '{"quality":0.4}',
        "point": "3",
    }
    app = opened(PAGE, **link)
    found = swept(timeouts())
    assert f"Errors against p95 latency: {len(found.points)} policies" in said(app)
    assert "**Point 3 of" in said(app)
    shown = {key: app.query_params[key] for key in link}
    assert json.loads(shown.pop("vary"))[0][0] == TIMEOUT
    assert shown == {key: value for key, value in link.items() if key != "vary"}


def test_another_place_is_swept_when_it_is_chosen(home):  # noqa: F811
    """The places are those that can be tuned; the new one stands in the link with its values."""
    app = opened(PAGE)
    app.multiselect(key="vary-places").set_value([TIMEOUT]).run()
    assert not app.exception
    assert json.loads(app.query_params["vary"])[0][0] == TIMEOUT
    app.number_input(key="vary-0-low").set_value(0.3).run()
    app.number_input(key="vary-0-high").set_value(2.0).run()
    app.number_input(key="vary-0-steps").set_value(6).run()
    assert not app.exception
    found = swept(timeouts())
    assert f"Quality against cost: {len(found.points)} policies" in said(app)
    app.multiselect(key="vary-places").set_value([]).run()
    assert "vary" not in app.query_params  # the page chooses again


def test_choices_are_taken_away_one_by_one(home):  # noqa: F811
    """A place with choices offers them all, and the sweep has those that are left."""
    app = opened(PAGE, vary=json.dumps([["default", ["cheap_first", "strong"]]]))
    assert "Quality against cost: 2 policies" in said(app)
    assert json.loads(app.query_params["vary"]) == [["default", ["cheap_first", "strong"]]]


NONSENSE = (
    "",
    "nonsense",
    "3",
    "[[]]",
    "[" * 5_000,
    '[["chains.nowhere.deadline_s", 1, 2, 3]]',
    '[["default", ["nobody"]]]',
    f'[["{TIMEOUT}", 1, null, 3]]',
    f'[["{TIMEOUT}", 1e999, 2, 3]]',
    f'[["{TIMEOUT}", ["a", null, true]]]',
)


@pytest.mark.parametrize("text", NONSENSE)
def test_what_a_link_cannot_vary_is_passed_over(home, text):  # noqa: F811
    """What cannot be read, is not a place of this policy or no value of it, varies nothing."""
    assert tradeoffs_vary.from_link(text, places()) == ()


def test_the_values_of_a_link_are_bounded(home):  # noqa: F811
    """A link cannot ask for endless work: steps are capped, and a grid that is too large is not."""
    (one,) = tradeoffs_vary.from_link(json.dumps([[TIMEOUT, 0.1, 5, 10**9]]), places())
    assert len(one.values) <= tradeoffs_vary.MOST_STEPS
    many = [[TIMEOUT, 0.1, 5, 200], ["chains.cheap_first.deadline_s", 1, 20, 200]]
    app = opened(PAGE, vary=json.dumps(many))
    assert "at most 2,000 are swept here" in said(app)
    assert not app.metric


def test_a_value_that_cannot_be_is_said_in_words(home):  # noqa: F811
    """A policy that would not be valid names its place, and the rest of the app stays."""
    app = opened(PAGE, vary=json.dumps([[TIMEOUT, [-1, 1]]]))
    assert TIMEOUT in said(app)
    assert "Choose other values" in said(app)
    assert not app.metric


def test_a_slice_has_its_own_numbers(home):  # noqa: F811
    """All requests are replayed, and the estimates are over those of one group."""
    app = opened(PAGE, vary=STEPS)
    app.selectbox(key="by").select("category").run()
    app.selectbox(key="part").select("sums").run()
    assert not app.exception
    parts = groups(load_dataset("shop"), "category")
    rows = np.flatnonzero(parts.code == parts.names.index("sums"))
    found = swept(timeouts(), rows=rows)
    assert usd_interval((found.best or found.closest).cost_usd_per_1k) in said(app)
    assert f"the estimates are over {len(rows)} of them" in said(app)
    assert "over the requests whose category is **sums**" in said(app)
    point = found.best or found.closest
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Cost per 1,000 requests"] == literal(usd_per_1k(point.cost_usd_per_1k.value))
    if point.index:
        gain = found.gain(point)
        assert usd_interval(gain.differences["cost_usd_per_1k"], sign=True)[:6] in said(app)


def test_the_sliders_say_what_is_good_enough_until_they_become_the_goals(home):  # noqa: F811
    """The verdict, the count and the link follow a slider; one click makes a draft of the goals."""
    app = opened(PAGE, vary=STEPS)
    found = swept(timeouts())
    slider = app.select_slider(key="good-quality")
    assert slider.value == load_policy("tiered").goals.quality.min
    slider.set_value(float(slider.options[-1])).run()
    assert not app.exception
    limit = json.loads(app.query_params["good"])["quality"]
    assert limit >= max(point.quality.value for point in found.points)
    assert f"None of {len(found.points)} policies** fits" in said(app)
    assert f"None of {len(found.points)} policies meets all goals" in said(app)
    assert f"goal ≥ {number(limit)}: " in said(app)  # the tiles follow, too
    app.select_slider(key="good-quality").set_value(-math.inf).run()
    assert "quality" not in json.loads(app.query_params["good"])
    middle = float(app.select_slider(key="good-quality").options[11])
    app.select_slider(key="good-quality").set_value(middle).run()
    app.button(key="good-keep").click().run()
    assert not app.exception
    assert draft(app).goals.quality.min == pytest.approx(middle)
    assert draft(app).goals.error_rate == load_policy("tiered").goals.error_rate
    assert "good" not in app.query_params
    assert "**Unsaved draft**" in said(app)


def test_sliders_go_back_to_the_policys_goals(home):  # noqa: F811
    """What was tried is forgotten, and the goals were never touched."""
    app = opened(PAGE, vary=STEPS, good='{"quality":0.1}')
    app.button(key="good-back").click().run()
    assert app.select_slider(key="good-quality").value == load_policy("tiered").goals.quality.min
    assert "good" not in app.query_params


MEASURED = st.just(0.0) | st.floats(1e-6, 1e4)
AMOUNTS = st.lists(MEASURED, min_size=1, max_size=5)


@settings(max_examples=40)
@given(values=AMOUNTS, now=st.none() | MEASURED, limit=st.sampled_from(LIMITS))
def test_a_slider_has_room_for_every_value_and_no_two_stops_alike(values, now, limit):
    """Its stops are fractions in order, read apart, and begin and end around what was measured."""
    found = stops(values, limit, now)
    assert all(type(one) is float for one in found)
    assert found == sorted(found)
    assert (found[0] if limit.end == "min" else found[-1]) == limit.none
    assert now is None or now in found
    bounds = [one for one in found if math.isfinite(one)]
    assert len(bounds) <= 210
    assert len({limit.show(one) for one in bounds}) == len(bounds)
    assert bounds[-1] >= max(values) - 0.001


def test_the_slider_of_errors_is_fine_where_goals_are():
    """With up to 88 % errors there are still many stops below 1 %."""
    found = stops([0.0, 0.885], next(one for one in LIMITS if one.name == "error_rate"))
    assert sum(one < 0.01 for one in found) >= 10
    assert len(found) < 100


def test_a_slice_where_every_answer_is_wrong_has_its_page(home):  # noqa: F811
    """A quality of 0 from end to end is a number like another, written with three decimals."""
    outcomes, requests = shop()
    wrong = requests[requests.category == "sums"].request_id
    outcomes.loc[outcomes.request_id.isin(wrong), "quality"] = 0.0
    home.dataset("wrong", outcomes, requests)
    loaders.infos.clear()
    app = opened(PAGE, dataset="wrong", vary=STEPS, by="category", part="sums")
    assert "quality 0.000 [0.000, " in said(app)
    assert "n\u00a0=\u00a040." in said(app)


def test_goals_against_a_baseline_are_judged_by_the_one_that_is_compared_with(home):  # noqa: F811
    """The policies that meet the other goals are held against it; the first line counts that in."""
    goals = {"quality": {"min_change": 0.2}}
    policy = load_policy("tiered").with_value("goals", goals)
    (home.policies / "tiered.yaml").write_text(policy.to_yaml(), "utf-8")
    app = opened(PAGE, vary=STEPS, baseline="model:small-1")
    data = load_dataset("shop")
    point = swept(timeouts()).points[0]
    base = load_policy("tiered").single("small-1")
    change = compare(base, point.policy, data).quality
    assert change.value < 0.2
    assert "policies meets all goals; the closest misses change of quality" in said(app)
    assert "judged against small-1 alone" in said(app)
    assert "A goal" not in said(app)
    assert "Goals that are relative to a baseline are left out" not in said(app)
    # Where only some meet the others, all are held against it to find the closest.
    half = sorted(one.quality.value for one in swept(timeouts()).points)[3]
    app = opened(PAGE, vary=STEPS, baseline="model:small-1", good=f'{{"quality":{half}}}')
    assert "policies meets all goals; the closest misses" in said(app)
    policy = policy.with_value("goals.quality", {"min_change": -1})
    (home.policies / "tiered.yaml").write_text(policy.to_yaml(), "utf-8")
    app = opened(PAGE, vary=STEPS, baseline="model:small-1")
    assert "that meets the goals" in app.markdown[1].value or "that meets the goals" in said(app)
    assert "change ≥ " in said(app)  # the tile's badge


def test_a_link_that_asks_in_vain_is_answered(home):  # noqa: F811
    """What it says of point, limits, slice, seed and baseline is named, until that was read."""
    link = {"good": "[", "point": "9999", "by": "prompt", "seed": "x", "vary": NONSENSE[1]}
    app = opened(PAGE, across="nothing", baseline="model:nobody", **link)
    told = as_read("\n".join(one.value for one in app.warning))
    for one in ("point **9999", "limits **[", "column **prompt", "sweep **nonsense", "seed **x"):
        assert f"the {one}**" in told
    assert "the axis **nothing**" in told
    assert "the baseline **nobody**" in told
    assert f"None of {len(swept().points)} policies meets all goals" in said(app)
    app.button(key="read-page").click().run()
    app.button(key="read-sidebar").click().run()
    assert not app.warning


def test_an_opened_point_is_compared_and_becomes_the_draft(home):  # noqa: F811
    """Its numbers and its difference stand there; taken, it is the draft, with the same name."""
    app = opened(PAGE, vary=STEPS)
    found = swept(timeouts())
    point = found.points[1]
    app.session_state["point"] = 1
    app.run()
    assert not app.exception
    assert app.subheader[0].value == "The policy that you opened"
    assert f"2 s → **{number(point.values[TIMEOUT])} s**" in said(app)
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Cost per 1,000 requests"] == literal(usd_per_1k(point.cost_usd_per_1k.value))
    assert "This policy is" in said(app)
    assert app.query_params["point"] == "1"
    app.button(key="point-take").click().run()
    assert not app.exception
    assert draft(app) == point.policy
    assert "**Unsaved draft**" in said(app)
    assert json.loads(app.query_params["vary"])[0][0] == TIMEOUT  # varied on, around the new one
    assert "point" not in app.query_params


def test_one_walks_along_the_frontier(home):  # noqa: F811
    """Cheaper and better lead to the neighbours, and end where it ends."""
    app = opened(PAGE, vary=STEPS)
    line = swept(timeouts()).frontier
    app.session_state["point"] = line[0]
    app.run()
    assert app.button(key="point-cheaper").disabled
    app.button(key="point-better").click().run()
    assert app.session_state["point"] == line[1]
    app.session_state["point"] = line[-1]
    app.run()
    assert app.button(key="point-better").disabled
    app.button(key="point-cheaper").click().run()
    assert app.session_state["point"] == line[-2]


def test_another_sweep_forgets_which_point_was_open(home):  # noqa: F811
    """The number of a point says nothing about another sweep."""
    app = opened(PAGE, vary=STEPS, point="2")
    assert "**Point 2 of" in said(app)
    app.multiselect(key="vary-places").set_value(["default"]).run()
    assert "point" not in app.query_params


def test_the_table_shows_what_nothing_beats_and_what_fits(home):  # noqa: F811
    """Its rows are the frontier's, those that meet the limits, or all."""
    app = opened(PAGE, vary=STEPS, good='{"quality":0.7}')
    found = swept(timeouts())

    def rows() -> list[int]:
        return next(list(f.value["point"]) for f in app.dataframe if "point" in f.value)

    assert rows() == list(found.frontier)
    app.session_state["points-shown"] = "fit"
    app.run()
    assert rows() == [point.index for point in found.points if point.quality.value >= 0.7]
    app.session_state["points-shown"] = "all"
    app.run()
    assert rows() == list(range(len(found.points)))


def test_slices_and_requests_say_where_an_opened_policy_gains_and_loses(home):  # noqa: F811
    """The verdict by category, then the requests that it wins and loses with what happened."""
    app = opened(PAGE, vary=json.dumps([["default", ["strong"]]]), point="1")
    assert "By category, " in said(app)
    app.selectbox(key="slices-by").select("input_tokens").run()
    assert "By input_tokens, " in said(app)
    policy, data = load_policy("tiered"), load_dataset("shop")
    found = compare(policy, policy.with_value("default", "strong"), data)
    label = f"Requests that it wins ({len(found.winners)}) and loses ({len(found.losers)})"
    assert label in [expander.label for expander in app.expander]
    app.session_state["examples"] = True
    app.run()
    assert not app.exception
    shown = next(list(f.value["request"]) for f in app.dataframe if "after" in f.value)
    assert shown == [one.request_id for one in found.examples(5)]


def test_a_search_is_made_when_asked_for_and_its_finds_can_be_taken(home, monkeypatch):  # noqa: F811
    """Held-out numbers stand beside the tuned ones, and a candidate becomes the draft."""
    monkeypatch.setattr(tradeoffs_search, "BUDGETS", {1: "a second"})
    app = opened(PAGE, policy="tiered", vary=STEPS)
    app.button(key="ask-search").click().run()
    assert not app.exception
    assert "Tuned against held out" in said(app)
    shown = next(list(f.value.columns) for f in app.dataframe if "Held out" in f.value)
    assert shown == ["", "Held out", "Where it was tuned"]
    app.button(key="search-take-0").click().run()
    assert not app.exception
    assert draft(app).policy == "tiered"


def test_a_policy_of_one_model_has_its_page(home):  # noqa: F811
    """What can be varied is little, and the page is there all the same."""
    app = opened(PAGE, policy="plain")
    assert app.metric
    assert "Quality against cost" in said(app)


def test_a_log_of_one_model_each_is_sent_to_the_estimate(home):  # noqa: F811
    """The page says what such a log cannot show, and the command that can say something."""
    outcomes, requests = shop()
    served = outcomes.groupby("request_id").sample(1, random_state=1)
    home.dataset("served", served, requests)
    loaders.infos.clear()
    app = opened(PAGE, dataset="served")
    assert "each request was seen under one model only" in said(app)
    assert app.code[0].value == "python -m toolkit estimate --policy tiered --dataset served"
    assert not app.metric
    app.button(key="ask-estimate").click().run()
    assert not app.exception
    assert "tiered would have had quality" in said(app) or "cannot be estimated" in said(app)


def test_what_was_not_measured_has_no_slider(home):  # noqa: F811
    """A log without cost and latency still has quality and errors."""
    home.dataset("bare", *shop(drop=("cost_usd", "latency_s")))
    loaders.infos.clear()
    app = opened(PAGE, dataset="bare")
    assert "Cost of 1,000: not measured." in said(app)
    shown = [slider.key for slider in app.select_slider]
    assert shown == ["good-quality", "good-error_rate"]


def test_holes_in_the_log_are_counted(home):  # noqa: F811
    """Where not every model was observed, the page says how many requests that leaves out."""
    outcomes, requests = shop()
    home.dataset("holes", outcomes.sample(frac=0.6, random_state=1), requests)
    loaders.infos.clear()
    app = opened(PAGE, dataset="holes")
    assert "were not observed under a policy" in said(app)


def test_a_policy_that_is_bound_to_others_is_replayed_in_order(home):  # noqa: F811
    """Breakers and a cache make requests depend on each other; the sweep still has its answer."""
    policy = parse_policy(load_policy("tiered").to_yaml())
    policy = policy.with_value("models.small.breaker", {"min_calls": 5, "open_s": 20})
    policy = policy.with_value("cache", {"kind": "exact"}).with_value("policy", "bound")
    (home.policies / "bound.yaml").write_text(policy.to_yaml(), "utf-8")
    app = opened(PAGE, policy="bound")
    assert app.metric
    assert "cache" in said(app)


def test_the_overview_leads_here(home):  # noqa: F811
    """Advice on goals that are met, or missed, has a link to the trade-offs."""
    links = [link.proto.label for link in opened().get("page_link")]
    assert "Look for a policy that meets them" in links
    links = [link.proto.label for link in opened(policy="plain").get("page_link")]
    assert "Look for a policy that meets them" not in links


def test_names_stay_text_in_what_is_varied_and_opened(home):  # noqa: F811
    """A policy, a chain and a model with a name like markup are shown as they are written."""
    nasty = " ".join(NASTY.split())
    outcomes, requests = shop((f"a {nasty}", f"b {nasty}", "c"))
    export(dataset_from_frame("odd", outcomes, requests), home.bundled / "odd")
    data = load_policy("tiered").to_data() | {"policy": nasty, "default": nasty}
    data["models"] = {f"{m} {nasty}": {} for m in "ab"}
    steps = [{"model": name, "timeout_s": 3} for name in data["models"]]
    data["chains"] = {nasty: {"steps": steps}, "other": {"steps": steps[::-1]}}
    data["routes"] = []
    (home.policies / "odd.yaml").write_text(
        load_policy("tiered").model_validate(data).to_yaml(), "utf-8"
    )
    loaders.infos.clear()
    app = opened(PAGE, dataset="odd", policy="odd", point="1")
    assert nasty in said(app)
    assert count(1) in said(app)
    app.multiselect(key="vary-places").set_value([f"chains.{nasty}.steps.0.model"]).run()
    assert not app.exception
    assert app.metric
