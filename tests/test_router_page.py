"""The Router page without a browser: train, turn the knob, read what is wrong, keep it, use it."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from tests.app_home import NASTY, shop
from tests.test_pages import as_read, home, opened, said, texts  # noqa: F401
from toolkit.evaluate.format import (
    number,
    percent_interval,
    points_interval,
    quality_interval,
)
from toolkit.evaluate.routers.confusions import KINDS, confusions
from toolkit.evaluate.routers.settings import by_cost_limit, cost_limits
from toolkit.evaluate.routers.train import train
from toolkit.evaluate.routers.words import table_instead
from toolkit.learn.choose import first
from toolkit.learn.registry import delete_router, list_routers
from toolkit.logs.datasets import dataset_from_frame, load_dataset
from toolkit.logs.exporters import export
from toolkit.policy.loading import load_policy
from toolkit.policy.router_rule import RouterRule
from toolkit.ui import demand, loaders, router_use
from toolkit.ui.router_form import TRAIN
from toolkit.ui.router_setting import Setting

PAGE = "router.py"
QUICK = json.dumps({"head": "logistic", "folds": 2})
"""Settings of a training that is soon through."""


def town(names=("small", "large"), n=240, simulated=False, cost=True):
    """Requests of which the small model can do the sums and the large one all; always the same."""
    rng = np.random.default_rng(3)
    sums = rng.random(n) < 0.5
    rows = []
    for i in range(n):
        for model, right, price in zip(names, (0.95 if sums[i] else 0.1, 0.9), (1, 8), strict=True):
            rows.append(
                {
                    "request_id": f"r{i:03}",
                    "model": model,
                    "quality": float(rng.random() < right),
                    "cost_usd": 1e-4 * price * rng.lognormal(0, 0.1) if cost else None,
                    "latency_s": 0.5,
                }
            )
    requests = pd.DataFrame(
        {
            "request_id": [f"r{i:03}" for i in range(n)],
            "category": np.where(sums, "sums", "essays"),
            "prompt": [
                f"What is {i} plus {i + 3}? {NASTY}" if one else f"Write on topic {i} at length."
                for i, one in enumerate(sums)
            ],
        }
    )
    return dataset_from_frame("town", pd.DataFrame(rows), requests, simulated=simulated)


@pytest.fixture(scope="module")
def data():
    """The dataset of this file."""
    return town()


@pytest.fixture(scope="module")
def trained(data):
    """What Python says of it, with what the page trains."""
    return train(data, text="embedding")


@pytest.fixture
def place(home, data):  # noqa: F811
    """An app with the dataset."""
    export(data, home.bundled / "town")
    loaders.infos.clear()
    demand._kept().clear()
    return home


@pytest.fixture
def kept(place, data, trained):
    """The same, where somebody has trained the usual router before."""
    app = opened(PAGE, dataset="town")
    choice = app.session_state[TRAIN].choice
    digest = load_dataset("town").digest
    demand._kept()["train", (digest, 0, choice)] = trained
    return place


def numbers(app: AppTest) -> list[str]:
    """The tiles."""
    return [re.sub(r"\\(.)", r"\1", metric.value) for metric in app.metric]


def test_before_training_the_page_says_what_it_does_and_how_long(place):
    """No router, no numbers: the settings, what they mean, and the button."""
    app = opened(PAGE, dataset="town")
    assert "Nothing is trained on **town** with these settings yet." in said(app)
    assert "240 requests" in said(app)
    assert "10 seconds" in said(app)
    assert not app.metric
    assert app.button(key="ask-train").label == "Train"
    assert app.multiselect(key="train-models").value == ["large", "small"]
    assert "train" not in app.query_params


def test_training_begins_when_it_is_asked_for_and_answers(place):
    """The first line is the training's verdict, with its n; the settings are out of the way."""
    app = opened(PAGE, dataset="town", train=QUICK)
    app.button(key="ask-train").click().run(timeout=120)
    assert not app.exception, app.exception
    assert "n\u00a0=\u00a0240." in said(app)
    assert len(app.metric) == 4
    again = opened(PAGE, dataset="town", train=QUICK)  # another session finds it
    assert numbers(again) == numbers(app)


def test_settings_of_a_link_are_taken_and_written_back(place):
    """What differs from the usual stands in the address, and nothing else does."""
    own = {"text": "tfidf", "head": "neighbours", "columns": [], "folds": 3}
    app = opened(PAGE, dataset="town", train=json.dumps(own))
    choice = app.session_state[TRAIN].choice
    assert (choice.text, choice.head, choice.columns, choice.folds) == (
        "tfidf",
        "neighbours",
        (),
        3,
    )
    assert json.loads(app.query_params["train"]) == own
    app.number_input(key="train-folds").set_value(4).run()
    assert json.loads(app.query_params["train"]) == own | {"folds": 4}


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[" * 5_000,
        '{"models": ["large", "nobody"]}',
        '{"models": ["large"]}',
        '{"models": 3}',
        '{"head": "guessing"}',
        '{"folds": 1}',
        '{"folds": true}',
        '{"folds": "5"}',
        '{"text": ["a"]}',
        '{"columns": ["nowhere"]}',
        '{"columns": 7}',
        '{"columns": "auto"}',
        '{"else": 1}',
        '["models"]',
    ],
)
def test_settings_of_a_link_that_cannot_be_are_told(place, text):
    """The usual ones hold, and the page says that the link asked in vain."""
    app = opened(PAGE, dataset="town", train=text)
    assert app.session_state[TRAIN].choice.models == ("large", "small")
    assert app.session_state[TRAIN].choice.head == "auto"
    assert "The link asks for the settings of the training" in said(app)


def test_a_log_without_grades_has_nothing_to_learn_from(place, data):
    """It says so instead of offering a training that would fail."""
    place.dataset("bare", *shop(drop=("quality",)))
    loaders.infos.clear()
    app = opened(PAGE, dataset="bare")
    assert "There is nothing to learn from in **bare** yet." in said(app)
    assert not [one for one in app.button if one.key == "ask-train"]


def test_the_slider_moves_all_numbers(kept, trained):
    """Tiles, words and floor are those of the point that the slider is at."""
    app = opened(PAGE, dataset="town", knob="min_quality")
    for at in ("0.1", "0.6", "0.9"):
        app.select_slider(key="at").set_value(at).run()
        assert not app.exception, app.exception
        (point,) = (p for p in trained.thresholds.points if p.value == float(at))
        assert numbers(app)[:2] == [
            quality_interval(point.quality).partition(" [")[0],
            trained.money.interval(point.cost_usd_per_1k).partition(" [")[0],
        ]
        assert f"right with a probability of {at} or more" in said(app)
        assert app.query_params["at"] == at
        held = confusions(trained, RouterRule(name="x", min_quality=float(at)))
        assert f"**{percent_interval(held.share('worse'))}** went to a model" in said(app)


def test_a_link_keeps_the_setting(kept):
    """Which way to choose and its value come from the address."""
    app = opened(PAGE, dataset="town", knob="min_quality", at="0.7")
    assert app.select_slider(key="at").value == "0.7"
    app = opened(PAGE, dataset="town", at="ninety")
    assert "The link asks for the setting **ninety**" in said(app)


def test_the_cost_can_be_limited_instead(kept, trained):
    """The points are those of that rule, out of fold."""
    app = opened(PAGE, dataset="town", knob="max_cost_usd")
    assert app.segmented_control(key="knob").value == "max_cost_usd"
    shown = numbers(app)[0]
    at = float(app.select_slider(key="at").value)
    (point,) = (p for p in by_cost_limit(trained) if p.value == at)
    assert shown == quality_interval(point.quality).partition(" [")[0]


def test_every_rival_stands_in_the_table(kept, trained):
    """Single models, random mix, zero router, neighbours, lookup table and oracle."""
    app = opened(PAGE, dataset="town")
    (table,) = (t.value for t in app.dataframe if "gain" in t.value.columns)
    assert table["name"].tolist() == [one.name for one in trained.rivals]
    for name, field in (("difference", "difference"), ("gain", "gain")):
        held = [points_interval(getattr(one, field)) for one in trained.rivals]
        assert table[name].tolist() == held
    assert table["quality"].tolist() == [quality_interval(one.quality_at) for one in trained.rivals]
    assert table["own"].tolist() == [quality_interval(one.router_at) for one in trained.rivals]


def test_prompts_and_names_show_as_they_are_written(place, monkeypatch):
    """Names of models and prompts cannot act, wherever they stand."""
    nasty = " ".join(NASTY.split())
    data = town((f"a {nasty}", f"b {nasty}"), n=120)
    export(data, place.bundled / "odd")
    loaders.infos.clear()
    app = opened(PAGE, dataset="odd", train=QUICK)
    app.button(key="ask-train").click().run(timeout=120)
    assert not app.exception, app.exception
    assert nasty in said(app)
    for text in texts(app) + [e.label for e in app.expander]:
        bare = re.sub(r"\\.", "", text)
        assert "<script" not in bare
        assert ":red[" not in bare
        assert "**bold**" not in bare
        assert "](" not in bare


def test_one_request_is_explained(kept, trained):
    """Where it goes, with its probability out of fold, what it needs, and what is like it."""
    app = opened(PAGE, dataset="town", knob="min_quality", at="0.7")
    rule = RouterRule(name="x", min_quality=0.7)
    chosen = app.selectbox(key="one-id").value
    i = trained.dataset.requests.column("request_id").to_pylist().index(chosen)
    j = first(trained.predicted[[i]], trained.predicted_cost[[i]], rule)[0]
    model, p = trained.models[j], number(trained.predicted[i, j])
    assert f"Sent to **{model}**: P = {p}, needs 0.7" in said(app)
    (like,) = (t.value for t in app.dataframe if "similar" in t.value.columns)
    assert chosen not in like["request"].tolist()
    assert len(like) == 5


def test_ones_own_request_is_explained(kept, trained):
    """What is typed is read as a live request would be; what is left empty is not known."""
    app = opened(PAGE, dataset="town", knob="min_quality", at="0.7")
    app.segmented_control(key="one-how").set_value("my own").run()
    assert "Write something, and it is told where it goes." in said(app)
    prompt = "What is 31 plus 34?"
    app.text_area(key="one-prompt").set_value(prompt).run()
    assert not app.exception, app.exception
    quality = trained.router.predict({"request_id": ["me"], "prompt": [prompt]})
    cost = trained.router.predict_cost({"request_id": ["me"], "prompt": [prompt]})
    j = first(quality, cost, RouterRule(name="x", min_quality=0.7))[0]
    assert f"Sent to **{trained.models[j]}**: P = {number(quality[0, j])}" in said(app)
    app.selectbox(key="one-category").select("essays").run()
    assert not app.exception, app.exception


def test_a_router_is_kept_promoted_compared_and_deleted(kept, trained):
    """The registry on the page; what stands against it is a sentence."""
    app = opened(PAGE, dataset="town")
    app.text_input(key="router-name-page").set_value("../no")
    save(app)
    assert "this cannot be the name of a router" in said(app)
    app.text_input(key="router-name-page").set_value("easy")
    save(app)
    assert not app.exception, app.exception
    (entry,) = list_routers()
    assert (entry.reference, entry.current) == ("easy@1", True)
    assert "This router is saved as **easy**" in " ".join(as_read(s.value) for s in app.success)
    trained.save("easy")
    app = opened(PAGE, dataset="town")
    (table,) = (t.value for t in app.dataframe if "router" in t.value.columns)
    assert table["router"].tolist() == ["easy@2", "easy@1"]
    assert table["current"].tolist() == [False, True]
    assert "1 router in 2 versions" in said(app)


def save(app: AppTest) -> None:
    """Press the button on the page."""
    app.button(key="router-keep-page").click().run()


def test_it_becomes_a_rule_of_the_policy(kept, trained):
    """For every request or behind the own rules; the draft runs and does what the page says."""
    trained.save("easy")
    policy = load_policy("tiered")
    point = next(p for p in trained.thresholds.points if p.value == 0.7)
    at = Setting("min_quality", point)
    models = trained.models
    every = router_use.with_router(policy, models, at, "easy", router_use.EVERY)
    (route,) = every.routes
    assert route.router.rule == ("min_quality", 0.7)
    assert {every.log_name(step.model) for step in every.chains[route.use].steps[:2]} == set(models)
    assert every.chains[route.use].deadline_s == policy.chains[policy.default].deadline_s
    rest = router_use.with_router(policy, models, at, "easy", router_use.REST)
    assert [one.name for one in rest.routes] == ["sums", "brief", "learned"]


def test_the_draft_is_made_by_the_dialog(kept, trained):
    """From the button to the draft, which names the saved router."""
    app = opened(PAGE, dataset="town")
    app.button(key="router-use").click().run()
    assert not app.exception, app.exception
    assert "A policy knows a router by its name" in said(app)


def test_simulated_data_says_so(place):
    """Before and after a training."""
    export(town(simulated=True), place.bundled / "made-up")
    loaders.infos.clear()
    assert "Simulated data" in said(opened(PAGE, dataset="made-up"))


def test_without_costs_quality_alone_is_shown(place):
    """No cost is never 0: tiles and knobs that would need one are not there."""
    export(town(n=120, cost=False), place.bundled / "free")
    loaders.infos.clear()
    app = opened(PAGE, dataset="free", train=QUICK)
    app.button(key="ask-train").click().run(timeout=120)
    assert not app.exception, app.exception
    assert not [metric.label for metric in app.metric if metric.label.startswith("Cost")]
    assert "$0" not in said(app)
    assert app.segmented_control(key="knob").options == ["Quality"]


def test_the_first_look_does_not_load_scikit_learn(place):
    """Nothing is learned before somebody asks."""
    import subprocess
    import sys

    code = (
        "import sys, toolkit.ui.router_parts, toolkit.ui.router_saved, toolkit.ui.router_trust, "
        "toolkit.ui.router_view, toolkit.ui.router_rivals; "
        "sys.exit(int(any(m.startswith(('sklearn', 'skops', 'scipy.stats')) for m in sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_confusions_are_those_of_a_loop(trained):
    """Kinds and pairs, counted by hand from the same predictions."""
    rule = RouterRule(name="x", min_quality=0.8)
    held = confusions(trained, rule)
    chosen = first(trained.predicted, trained.predicted_cost, rule)
    counts = dict.fromkeys(KINDS, 0)
    for i in np.flatnonzero(trained.judged):
        got = trained.quality[i, chosen[i]]
        best = [j for j in range(2) if trained.quality[i, j] == trained.quality[i].max()]
        cheapest = min(best, key=lambda j: trained.cost_usd[i, j])
        if trained.quality[i].max() == 0:
            counts["nobody"] += 1
        elif got < trained.quality[i].max():
            counts["worse"] += 1
        else:
            counts["right" if cheapest == chosen[i] else "dearer"] += 1
    assert {kind: round(held.share(kind).value * held.n) for kind in KINDS} == counts
    assert sum(pair.requests for pair in held.pairs) == counts["worse"] + counts["dearer"]
    assert len(held.to_pandas("worse")) == counts["worse"]


def test_limits_of_the_cost_buy_no_less_quality(trained):
    """More may be spent: the expected quality of those that are asked never falls."""
    limits = cost_limits(trained)
    assert list(limits) == sorted(limits)
    expected = [
        trained.predicted[
            np.arange(240),
            first(
                trained.predicted,
                trained.predicted_cost,
                RouterRule(name="x", max_cost_usd=limit),
            ),
        ].mean()
        for limit in limits
    ]
    assert all(b >= a - 1e-12 for a, b in pairwise(expected))


def test_a_router_that_is_deleted_is_no_longer_said_to_be_saved(kept, trained):
    """The page does not offer a name that is gone."""
    app = opened(PAGE, dataset="town")
    app.text_input(key="router-name-page").set_value("easy")
    save(app)
    assert "This router is saved as **easy**" in " ".join(as_read(s.value) for s in app.success)
    delete_router("easy")
    app.run()
    assert not app.exception, app.exception
    assert not app.success
    assert app.text_input(key="router-name-page")


def test_where_the_lookup_table_is_advised_it_is_the_first_button(kept, trained):
    """The router's own button stands behind it, and says which of the two it means."""
    app = opened(PAGE, dataset="town")
    advised = table_instead(trained) is not None
    keys = [one.key for one in app.button]
    assert ("table-use" in keys) == advised
    assert app.button(key="router-use").label == (
        "Use the router" if advised else "Use in my policy"
    )
