"""The Resilience page without a browser: every scenario, drawing one, and what is not there."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from tests.test_pages import home, opened, said, shop  # noqa: F401
from toolkit.evaluate.format import percent
from toolkit.evaluate.incident import incident
from toolkit.evaluate.protection import ALL, NO_FALLBACK
from toolkit.logs.datasets import load_dataset
from toolkit.policy.loading import load_policy
from toolkit.scenarios.loading import list_scenarios, load_scenario
from toolkit.scenarios.model import Scenario
from toolkit.ui import loaders, resilience_drawn
from toolkit.ui.text import literal

BUNDLED = {"local": "guarded", "fleet": "small_first"}
PAGE = "resilience.py"


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    """The page on each bundled dataset, with a store of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETOUR_DB", str(tmp_path_factory.mktemp("lab") / "lab.duckdb"))
        loaders.infos.clear()
        yield {
            name: opened(PAGE, dataset=name, policy=policy, scenario="calm")
            for name, policy in BUNDLED.items()
        }
    loaders.infos.clear()


@pytest.mark.parametrize("dataset", BUNDLED)
@pytest.mark.parametrize("scenario", list_scenarios())
def test_every_scenario_is_answered_on_every_dataset(bundled, dataset, scenario):
    """The first line is the incident's own verdict, the picture and the link are there."""
    app: AppTest = bundled[dataset]
    app.selectbox(key="scenario").select(scenario).run()
    assert not app.exception, app.exception
    assert not app.error
    policy, data = load_policy(BUNDLED[dataset]), load_dataset(dataset)
    found = incident(policy, data, load_scenario(scenario))
    assert found.verdict.partition(". ")[0] in said(app)
    assert app.query_params["scenario"] == scenario
    assert "nobody observed this incident" in said(app)
    assert ("Simulated data" in said(app)) == data.simulated


def test_the_tiles_are_those_of_the_requests_that_met_the_faults(bundled):
    """The large numbers are with all protections, the change is against the chosen rung."""
    app: AppTest = bundled["local"]
    app.selectbox(key="scenario").select("provider_outage").run()
    found = incident(
        load_policy("guarded"), load_dataset("local"), load_scenario("provider_outage")
    )
    shown = {metric.label: metric for metric in app.metric}
    assert shown["Answered"].value == literal(percent(found[ALL].during.success_rate.value))
    assert shown["Failed"].value == literal(percent(found[ALL].during.error_rate.value))
    bare = found[NO_FALLBACK].during.error_rate.value
    assert f"With no fallback: {percent(bare)}" in said(app)
    app.session_state["against"] = "fallback and breaker"
    app.run()
    assert "With fallback and breaker:" in said(app)
    assert app.query_params["against"] == "fallback and breaker"
    app.session_state["against"] = "no fallback"
    app.run()


def drawing(app: AppTest) -> Scenario:
    """What the link says was drawn."""
    return Scenario.model_validate_json(app.query_params["drawn"])


def test_a_scenario_is_drawn_fault_by_fault_and_reopened_by_its_link(home):  # noqa: F811
    """Kind, models, strength and time of several faults are in the link, which gives the same."""
    app = opened(PAGE, scenario="drawn")
    assert drawing(app).faults[0].kind == "outage"
    app.button(key="draw-add").click().run()
    app.selectbox(key="draw-1-kind").select("rate_limit").run()
    app.number_input(key="draw-faults.1.rate_limit.requests_per_min").set_value(30.0).run()
    app.multiselect(key="draw-1-models").set_value(["large"]).run()
    app.slider(key="draw-1-when").set_value((10.0, 30.0)).run()
    app.number_input(key="draw-arrivals.per_s").set_value(1.0).run()
    assert not app.exception
    outage, limit = drawing(app).faults
    assert outage.models == ("primary",)
    assert limit.rate_limit.requests_per_min == 30
    assert limit.models == ("large",)
    assert (limit.at_s, limit.for_s) == (600, 1200)
    assert drawing(app).arrivals.per_s == 1
    link = {key: app.query_params[key] for key in ("dataset", "policy", "scenario", "drawn")}
    again = opened(PAGE, **link)
    assert drawing(again) == drawing(app)
    assert [m.value for m in again.metric] == [m.value for m in app.metric]
    app.button(key="draw-0-remove").click().run()
    assert [fault.kind for fault in drawing(app).faults] == ["rate_limit"]
    app.button(key="draw-0-remove").click().run()
    assert not app.exception
    assert drawing(app).faults == ()


@pytest.mark.parametrize("kind", resilience_drawn.DRAWN)
def test_every_kind_of_fault_can_be_drawn(home, kind):  # noqa: F811
    """A fault of each kind as it begins is a valid one, and the page shows its answer."""
    app = opened(PAGE, scenario="drawn")
    app.selectbox(key="draw-0-kind").select(kind).run()
    assert not app.exception
    assert not app.error
    assert drawing(app).faults[0].kind == kind
    assert app.metric


def test_drawing_begins_with_the_scenario_that_was_shown(home):  # noqa: F811
    """Its faults and arrivals are taken over."""
    app = opened(PAGE, scenario="two_waves")
    app.button(key="draw-like").click().run()
    assert app.selectbox(key="scenario").value == "drawn"
    assert drawing(app).faults == load_scenario("two_waves").faults
    assert not app.exception


def test_requests_may_come_as_in_the_log(home):  # noqa: F811
    """Without stated arrivals each request of the log arrives once."""
    app = opened(PAGE, scenario="drawn")
    drawn = json.loads(app.query_params["drawn"])
    del drawn["arrivals"]
    again = opened(PAGE, scenario="drawn", drawn=json.dumps(drawn))
    assert not again.exception
    assert drawing(again).arrivals is None
    length = load_dataset("shop").n_requests - 1  # one a second
    assert again.slider(key="draw-0-when").max == length
    assert drawing(again).faults[0].end_s < length  # it was twenty minutes in


@pytest.mark.parametrize(
    "drawn",
    [
        "",
        "nonsense",
        "[]",
        "[" * 5_000,
        '{"scenario": "drawn", "faults": [{"outage": {}}]}',
        '{"scenario": "drawn", "faults": 3}',
    ],
)
def test_a_link_that_draws_nonsense_opens_the_usual_drawing(home, drawn):  # noqa: F811
    """What cannot be read is passed over."""
    app = opened(PAGE, scenario="drawn", drawn=drawn)
    assert drawing(app) == Scenario.model_validate(resilience_drawn.first())


def test_a_link_reads_no_file_and_asks_for_no_endless_work():
    """A trace is a file of this machine, so a drawing has none; arrivals and faults are bounded."""
    trace = {"scenario": "x", "arrivals": {"trace": "/etc/passwd"}, "faults": []}
    found = resilience_drawn.from_link(json.dumps(trace))
    assert found["arrivals"] == resilience_drawn.first()["arrivals"]
    many = {"scenario": "x", "arrivals": {"per_s": 1e6, "for_s": 1e9}}
    arrivals = resilience_drawn.from_link(json.dumps(many))["arrivals"]
    assert arrivals["per_s"] * arrivals["for_s"] <= 1.001 * resilience_drawn.MOST_REQUESTS
    fault = {"outage": {}, "models": "all"}
    faults = {"scenario": "x", "faults": [fault] * (resilience_drawn.MOST_FAULTS + 1)}
    assert resilience_drawn.from_link(json.dumps(faults)) is None


def test_a_fault_that_hits_nobody_here_is_said_in_words(home):  # noqa: F811
    """A drawn fault may name a model of another policy; the page says which are known."""
    fault = {"outage": {}, "models": ["unheard-of"], "at_s": 10}
    drawn = json.dumps({"scenario": "drawn", "faults": [fault]})
    app = opened(PAGE, scenario="drawn", drawn=drawn)
    assert "'unheard-of'" in said(app)
    assert not app.metric


def test_a_broken_scenario_file_shows_its_line(home, monkeypatch, tmp_path):  # noqa: F811
    """The file is listed, and what is wrong stands where the answer would."""
    (tmp_path / "broken.yaml").write_text("scenario: broken\nfaults: 3\n", "utf-8")
    monkeypatch.setenv("DETOUR_SCENARIOS", str(tmp_path))
    app = opened(PAGE)
    assert "**Line 2**" in said(app)
    app.selectbox(key="scenario").select("drawn").run()
    assert not app.exception
    assert app.metric


def test_without_scenario_files_one_can_be_drawn(home, monkeypatch, tmp_path):  # noqa: F811
    """An empty folder leaves the drawing."""
    monkeypatch.setenv("DETOUR_SCENARIOS", str(tmp_path / "none"))
    app = opened(PAGE)
    assert app.selectbox(key="scenario").value == "drawn"
    assert app.metric


def test_the_recommended_protection_becomes_a_draft(home):  # noqa: F811
    """One click adds breakers and a budget, the offer goes, and the sidebar tells of the draft."""
    app = opened(PAGE)
    assert "no model has a breaker" in said(app)
    app.button(key="recommend").click().run()
    assert not app.exception
    assert "**Unsaved draft**" in said(app)
    assert "can be better protected" not in said(app)
    assert app.query_params["draft"]


def test_a_log_without_prompts_has_no_cache_curve(home):  # noqa: F811
    """The reason stands where the curve would; the rest of the page is there."""
    outcomes, requests = shop()
    home.dataset("mute", outcomes, requests.drop(columns="prompt"))
    loaders.infos.clear()
    app = opened(PAGE, dataset="mute")
    assert "This log has no prompts" in said(app)
    assert app.metric


def test_what_was_not_observed_is_grey_and_counted(home):  # noqa: F811
    """A log with holes, or without cost and latency, has its page all the same."""
    outcomes, requests = shop()
    home.dataset("holes", outcomes.sample(frac=0.6, random_state=1), requests)
    home.dataset("bare", *shop(drop=("cost_usd", "latency_s")))
    loaders.infos.clear()
    app = opened(PAGE, dataset="holes")
    assert app.metric
    app = opened(PAGE, dataset="bare")
    assert [metric.value for metric in app.metric].count("not measured") == 2


def test_goodput_and_the_cache_curve_are_worked_out_when_asked_for(home):  # noqa: F811
    """A button each; afterwards the verdict in words stands there."""
    app = opened(PAGE, scenario="overload")
    assert not [b for b in app.button if b.key == "stop-goodput"]
    app.button(key="ask-goodput").click().run()
    assert not app.exception
    assert "retry budget" in said(app)
    assert "ask-goodput" not in [b.key for b in app.button]
    app.button(key="ask-cache").click().run()
    assert not app.exception
    assert "ask-cache" not in [b.key for b in app.button]


def test_requests_that_met_the_faults_are_listed_with_their_trace(home):  # noqa: F811
    """Only those that arrived meanwhile, under either rung; a trace stands beside them."""
    app = opened(PAGE, scenario="everything_down")
    found = incident(load_policy("tiered"), load_dataset("shop"), load_scenario("everything_down"))
    hit = found[ALL].during.requests
    assert f"{hit:,} of {hit:,} requests" in said(app)
    assert "What happened to" in said(app)
    app.session_state["hit-rung"] = NO_FALLBACK
    app.run()
    assert set(app.dataframe[1].value["status"]) == {"error"}
