"""Every page, run without a browser: what it says, what it does with odd data and odd names."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from tests.app_home import NASTY, TIERED, make_home, shop
from toolkit.evaluate.format import number, percent, seconds, usd_per_1k
from toolkit.logs.datasets import dataset_from_frame, load_dataset
from toolkit.logs.exporters import export
from toolkit.policy.guards import Breaker
from toolkit.policy.loading import load_policy, parse_policy
from toolkit.ui import desk, loaders
from toolkit.ui.text import literal
from toolkit.ui.tiles import quality

ROOT = Path(__file__).parents[1]
# Whenever an app starts, Streamlit reads about every installed package for components in it, which
# takes longer than most pages: once is enough.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
PAGES = {path.name: path for path in sorted((ROOT / "pages").glob("*.py"))}
REPLAYED = sorted(PAGES.keys() - {"data.py", "router.py"})
"""Pages that show a policy on the data."""
TILED = [page for page in REPLAYED if page not in {"resilience.py", "tradeoffs.py"}]
"""Those with the four numbers of its summary; under a scenario, or of another policy that is looked
at, they are others."""
QUESTIONS = {
    "overview.py": "Where do we stand?",
    "data.py": "What is in this log, and can I trust it?",
    "policy.py": "Who goes where, and what if it fails?",
    "replay.py": "What would it have cost and scored?",
    "tradeoffs.py": "What is the cheapest way to be good enough?",
    "resilience.py": "What happens when a model fails?",
    "router.py": "Does a router that learned from the log beat the rules?",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The app's folders, of this test alone."""
    made = make_home(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    loaders.infos.clear()
    return made


def opened(page: str = "overview.py", **link: str) -> AppTest:
    """The app at a page, as a link opens it."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for key, value in link.items():
        app.query_params[key] = value
    if page != "overview.py":
        app.switch_page(f"pages/{page}")
    app.run()
    assert not app.exception, app.exception
    return app


def texts(app: AppTest) -> list[str]:
    """Everything that a page says in Markdown."""
    kinds = ("title", "subheader", "markdown", "caption", "warning", "error", "info")
    return [element.value for kind in kinds for element in app.get(kind)]


def as_read(markdown: str) -> str:
    """Markdown as a reader sees it."""
    return re.sub(r"\\(.)", r"\1", markdown).replace("\u2060", "")


def said(app: AppTest) -> str:
    """The page's Markdown as a reader sees it."""
    return as_read("\n".join(texts(app)))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_and_asks_its_question(home, page):
    """Each page runs without an exception and is short; its title is its question."""
    app = opened(page)
    assert app.title[0].value == QUESTIONS[page]
    assert len(PAGES[page].read_text("utf-8").splitlines()) <= 80


@pytest.mark.parametrize("page", TILED)
def test_the_tiles_show_the_toolkits_own_numbers(home, page):
    """Cost, quality, latency and errors are those of the summary, formatted as everywhere."""
    summary = load_replay("tiered", "shop").summary()
    shown = [re.sub(r"\\(.)", r"\1", metric.value) for metric in opened(page).metric]
    assert shown == [
        usd_per_1k(summary.cost_usd_per_1k.value),
        quality(summary.quality.value),
        seconds(summary.latency_p95_s.value),
        percent(summary.error_rate.value),
    ]


def load_replay(policy: str, dataset: str, seed: int = 0):
    """What Python gives for the same names."""
    return loaders.played(load_policy(policy), load_dataset(dataset), seed)


def test_the_first_line_of_the_overview_is_the_verdict(home):
    """The goals are answered in words, for this policy on this data; the data says what it is."""
    verdict = load_replay("tiered", "shop").summary().verdict
    text = said(opened())
    assert "Does **tiered** on **shop** meet its goals?" in text
    assert verdict[1:] in text  # its first letter follows the sentence around it
    assert "Made up to show shop." in text


def test_a_policy_whose_rules_ask_for_other_columns_does_not_fit(home):
    """It is not opened by itself, not offered, and not what it is held against."""
    data = load_policy("tiered").with_value("routes.0.when", {"has_code": {"eq": True}})
    (home.policies / "tiered.yaml").write_text(data.to_yaml(), "utf-8")
    app = opened()
    assert app.selectbox(key="policy").value == "plain"
    assert "policy:tiered" not in app.selectbox(key="baseline").options
    app = opened(policy="tiered")
    assert "asks for a column that the requests do not have: 'has_code'" in said(app)
    offered = [button.label for button in app.button if button.key and button.key[:3] == "fit"]
    assert [as_read(label) for label in offered] == ["plain", "A suggestion for this data"]
    assert not [button for button in app.button if button.key and button.key[:4] == "data"]


def test_a_link_opens_what_it_names_and_the_app_writes_it_back(home):
    """Dataset, policy, baseline and seed come from the address and stay there."""
    link = {"dataset": "shop", "policy": "plain", "baseline": "model:tool-1", "seed": "3"}
    app = opened("replay.py", **link)
    assert app.selectbox(key="policy").value == "plain"
    assert app.selectbox(key="baseline").value == "model:tool-1"
    assert app.number_input(key="seed").value == 3
    assert {key: app.query_params[key] for key in link} == link


@pytest.mark.parametrize(
    ("key", "name"), [("dataset", "nowhere"), ("policy", "nobody"), ("policy", NASTY)]
)
def test_a_link_to_what_is_not_here_says_so(home, key, name):
    """An unknown name in the address gives a sentence with the name, and something else to see."""
    app = opened(**{key: name})
    assert f"The link asks for the {key} **{' '.join(name.split())}**" in said(app)
    assert app.metric


def test_a_link_with_nonsense_opens_the_usual_view(home):
    """A seed that is no number and a baseline that is none are passed over."""
    app = opened(seed="many", baseline="model:unheard-of")
    assert app.number_input(key="seed").value == 0
    assert app.selectbox(key="baseline").value == "model:large-1"


def test_without_any_dataset_the_page_says_how_to_begin(home, monkeypatch, tmp_path):
    """An empty app offers the import instead of a picture."""
    monkeypatch.setenv("DETOUR_BUNDLED", str(tmp_path / "empty"))
    loaders.infos.clear()
    for page in PAGES:
        app = opened(page)
        assert app.subheader[0].value == "No dataset yet"
        assert not app.metric


def test_a_policy_for_other_models_says_which_and_offers_others(home):
    """The missing model is named, and one click chooses a policy that fits."""
    app = opened("replay.py", policy="elsewhere")
    assert "The dataset has no such model: 'unheard-of'; allowed: " in said(app)
    assert not app.metric
    app.button(key="fit0").click().run()
    assert app.selectbox(key="policy").value == "plain"
    assert app.metric


def test_a_policy_that_does_not_fit_can_be_mended_on_its_page(home):
    """The form is there, and pointing the model at the log brings the numbers back."""
    app = opened("policy.py", policy="elsewhere")
    app.session_state["editor"] = "Models"
    app.run()
    app.selectbox(key="models.unheard-of.log").select("small-1").run()
    assert not app.exception
    assert app.metric


def test_a_broken_policy_file_shows_its_line(home):
    """A file that does not parse names the line and leaves the rest of the app alone."""
    (home.policies / "broken.yaml").write_text("policy: broken\nchain: {}\n", "utf-8")
    app = opened("policy.py", policy="broken")
    assert "**Line 2**" in said(app)
    app.selectbox(key="policy").select("tiered").run()
    assert app.metric


def test_what_was_not_measured_says_so(home):
    """A log without cost or latency has tiles that read «not measured», never 0."""
    home.dataset("bare", *shop(drop=("cost_usd", "latency_s")))
    loaders.infos.clear()
    for page in REPLAYED:
        app = opened(page, dataset="bare")
        shown = [metric.value for metric in app.metric]
        assert shown.count("not measured") == 2


def test_simulated_data_wears_a_badge(home):
    """Every page says that no model gave these answers."""
    made_up = dataset_from_frame("made-up", *shop(), simulated=True)
    export(made_up, home.bundled / "made-up")
    loaders.infos.clear()
    for page in PAGES:
        assert "Simulated data" in said(opened(page, dataset="made-up"))


def test_filters_that_nothing_passes_leave_a_sentence(home):
    """An empty table is replaced by what to do about it."""
    app = opened("replay.py")
    app.text_input(key="filter-prompt").set_value("zebra").run()
    assert "No request passes these filters" in said(app)
    app.text_input(key="filter-prompt").set_value("question 11").run()
    assert len(app.dataframe[0].value) == 11


def test_a_link_filters_the_requests(home):
    """A category in the address is the table's filter."""
    app = opened("replay.py", category="sums")
    assert set(app.dataframe[0].value["category"]) == {"sums"}


def edited(home) -> AppTest:
    """The policy page after one change: the rule «sums» leads to the cheap chain."""
    app = opened("policy.py")
    app.selectbox(key="routes.0.use").select("cheap_first").run()
    assert not app.exception
    return app


def test_a_change_in_the_form_changes_the_numbers_at_once(home):
    """The tiles are those of the changed policy, and undo brings the old ones back."""
    before = [metric.value for metric in opened("policy.py").metric]
    app = edited(home)
    draft = load_policy("tiered").with_value("routes.0.use", "cheap_first")
    summary = loaders.played(draft, load_dataset("shop"), 0).summary()
    assert app.metric[1].value == literal(number(summary.quality.value))
    assert [metric.value for metric in app.metric] != before
    app.button(key="undo").click().run()
    assert [metric.value for metric in app.metric] == before
    app.button(key="redo").click().run()
    assert app.metric[1].value == literal(number(summary.quality.value))


def test_a_draft_survives_page_changes_and_says_that_it_is_one(home):
    """The sidebar tells of it on every page until it is discarded."""
    app = edited(home)
    numbers = [metric.value for metric in app.metric]
    app.switch_page("pages/replay.py").run()
    assert [metric.value for metric in app.metric] == numbers
    assert "**Unsaved draft**" in said(app)
    assert app.selectbox(key="baseline").options[0] == "tiered as saved"
    next(b for b in app.button if b.label == "Discard the draft").click().run()
    assert "**Unsaved draft**" not in said(app)
    assert [metric.value for metric in app.metric] != numbers


def test_a_link_to_a_draft_opens_it_in_another_session(home):
    """A reload is a new session: the draft's mark in the address brings its content back."""
    app = edited(home)
    link = {key: app.query_params[key] for key in ("dataset", "policy", "draft")}
    again = opened("policy.py", **link)
    assert [m.value for m in again.metric] == [m.value for m in app.metric]
    assert "**Unsaved draft**" in said(again)
    lost = opened("policy.py", **{**link, "draft": "0" * 16})
    assert "no longer on this server" in said(lost)


def test_a_value_that_cannot_be_stays_in_its_field_with_the_reason(home):
    """A taken name is refused below the field; the policy and its picture stay as they were."""
    app = opened("policy.py")
    app.text_input(key="routes.0.name").set_value("brief").run()
    assert app.text_input(key="routes.0.name").value == "brief"
    assert ":orange[:material/error:]" in "\n".join(texts(app))
    assert "**Unsaved draft**" not in said(app)
    app.text_input(key="routes.0.name").set_value("additions").run()
    assert ":orange[:material/error:]" not in "\n".join(texts(app))
    assert "**Unsaved draft**" in said(app)


def at_tab(name: str) -> AppTest:
    """The policy page with one tab of its editor open."""
    app = opened("policy.py")
    app.session_state["editor"] = name
    return app.run()


def draft(app: AppTest):
    """The policy that is being edited."""
    return app.session_state["drafts"]["tiered"].policy


def test_a_breaker_is_switched_on_with_good_defaults_and_shown_in_words(home):
    """The switch makes its fields appear, and every value that fits is in the policy at once."""
    app = at_tab("Protection")
    assert not [n for n in app.number_input if n.key and n.key.startswith("models.")]
    app.toggle(key="models.small.breaker.switch").set_value(True).run()
    assert not app.exception
    assert draft(app).models["small"].breaker == Breaker()
    told = "paused for 30 s once 50 % of at least 10 calls in 1 min fail"
    assert any(told in as_read(expander.label) for expander in app.expander)
    app.number_input(key="models.small.breaker.open_s").set_value(90.0).run()
    assert draft(app).models["small"].breaker.open_s == 90
    app.button(key="undo").click().run()
    app.button(key="undo").click().run()
    assert draft(app).models["small"].breaker is None


def test_weak_places_stand_where_they_can_be_mended(home):
    """A chain that may end without an answer is named beside the switches."""
    app = at_tab("Protection")
    assert any(e.label.startswith("What a bad day would find weak") for e in app.expander)
    assert "can end without an answer" in said(app)


def test_a_wrong_setting_stays_in_its_field_and_loses_nothing(home):
    """The reason stands below the field, and the other settings stay as they were."""
    app = at_tab("Protection")
    app.toggle(key="models.small.limits.switch").set_value(True).run()
    app.number_input(key="models.small.limits.concurrency").set_value(4).run()
    app.number_input(key="models.small.limits.burst_s").set_value(0.0).run()
    assert "is out of range" in said(app)
    assert app.number_input(key="models.small.limits.burst_s").value == 0
    assert draft(app).models["small"].limits.concurrency == 4
    app.number_input(key="models.small.limits.burst_s").set_value(2.0).run()
    assert "is out of range" not in said(app)
    assert draft(app).models["small"].limits.burst_s == 2


def test_everything_that_guards_a_policy_can_be_set_in_the_form(home):
    """Budget, room by category, spending and a cache end up in the policy, as written in YAML."""
    app = at_tab("Protection")
    app.button(key="recommended").click().run()
    app.toggle(key="shedding.switch").set_value(True).run()
    app.selectbox(key="shedding.priority_by").select("category").run()
    app.number_input(key="shedding.limits.tone").set_value(0).run()
    app.number_input(key="daily_cost_usd").set_value(25.0).run()
    app.toggle(key="cache.switch").set_value(True).run()
    app.selectbox(key="cache.kind").select("semantic").run()
    app.number_input(key="cache.threshold").set_value(0.95).run()
    app.multiselect(key="cache.scope").select("category").run()
    assert not app.exception
    assert draft(app) == parse_policy(
        TIERED.replace("{log: small-1}", "{log: small-1, breaker: {}}")
        .replace("{log: large-1}", "{log: large-1, breaker: {}}")
        .replace(
            "routes:",
            """retry_budget: {}
shedding: {max_in_progress: 100, priority_by: category, limits: {tone: 0}}
daily_cost_usd: 25
cache: {kind: semantic, threshold: 0.95, stale_if_error_s: 86400, scope: [category]}
routes:""",
        )
    )
    assert "Requests at least 0.95 alike get the same answer for 1 h" in said(app)


def test_steps_of_every_kind_are_added_in_the_form(home):
    """A second call, an older answer and a refusal; the diagram and the tiles follow."""
    app = at_tab("Chains")
    assert app.button(key="chains.strong.stale").disabled
    app.number_input(key="chains.strong.steps.0.hedge.after_s").set_value(0.5).run()
    app.selectbox(key="chains.strong.steps.0.hedge.model").select("small").run()
    app.button(key="chains.strong.refusal").click().run()
    app.text_input(key="chains.strong.steps.1.text").set_value("Not **now**.").run()
    assert not app.exception
    assert [step.to_data() for step in draft(app).chains["strong"].steps] == [
        {"model": "large", "timeout_s": 10, "hedge": {"after_s": 0.5, "model": "small"}},
        {"degrade": "refusal", "text": "Not **now**."},
    ]
    app.session_state["editor"] = "Protection"
    app.run()
    app.toggle(key="cache.switch").set_value(True).run()
    app.session_state["editor"] = "Chains"
    app.run()
    app.button(key="chains.strong.stale").click().run()
    app.toggle(key="chains.cheap_first.cache").set_value(False).run()
    assert draft(app).chains["strong"].steps[1].degrade == "stale_cache"
    assert not draft(app).chains["cheap_first"].cache
    assert app.metric
    assert not app.exception


def test_what_requests_need_is_asked_of_the_models(home):
    """A need has conditions as a rule has, and a model that cannot do it is told so."""
    app = at_tab("Models")
    app.number_input(key="models.small.context_window_tokens").set_value(250.0).run()
    app.text_input(key="models.small.provider").set_value("us").run()
    app.button(key="add-need").click().run()
    app.text_input(key="requires.tools.name").set_value("arithmetic").run()
    app.multiselect(key="requires.arithmetic.when.0.values").set_value(["sums"]).run()
    pills = next(g for g in app.get("button_group") if g.key == "models.small.supports")
    pills.set_value([]).run()
    assert not app.exception
    policy = draft(app)
    assert policy.requires["arithmetic"].to_data() == {"category": {"in": ["sums"]}}
    assert policy.models["small"].to_data() == {
        "log": "small-1",
        "provider": "us",
        "context_window_tokens": 250,
        "supports": [],
    }
    app.text_input(key="models.small.provider").set_value("").run()
    assert draft(app).models["small"].provider is None


def test_broken_yaml_shows_line_and_message_and_keeps_the_last_good_picture(home):
    """What was typed stays; the numbers are those of the policy before."""
    app = opened("policy.py")
    before = [metric.value for metric in app.metric]
    app.session_state["editor"] = "YAML"
    app.run()
    text = app.text_area(key="yaml").value
    broken = text.replace("use: strong", "use: stronk")
    app.text_area(key="yaml").set_value(broken).run()
    line = broken[: broken.index("stronk")].count("\n") + 1
    assert f"**Line {line}**" in said(app)
    assert "'strong' (did you mean this?)" in said(app)
    assert app.text_area(key="yaml").value == broken
    assert [metric.value for metric in app.metric] == before
    app.text_area(key="yaml").set_value(text.replace("use: strong", "use: cheap_first")).run()
    assert "**Line" not in said(app)
    assert [metric.value for metric in app.metric] != before


def test_saving_makes_a_new_file_and_asks_before_it_replaces_one(home):
    """The dialog suggests a free name; a taken one needs a tick."""
    app = edited(home)
    app.button(key="save-as").click().run()
    assert app.text_input(key="save-name").value == "tiered_2"
    assert not (home.policies / "tiered_2.yaml").exists()


@pytest.mark.parametrize("page", REPLAYED)
def test_names_show_as_they_are_written(home, page):
    """Dataset, policy, rules, chains, models and categories cannot act, wherever they stand."""
    nasty = " ".join(NASTY.split())
    outcomes, requests = shop((f"a {nasty}", f"b {nasty}", "c"), (nasty, "plain"))
    home.dataset("odd", outcomes, requests)
    data = parse_policy(TIERED).to_data()
    data |= {"policy": nasty, "default": nasty, "description": nasty}
    data["models"] = {f"{m} {nasty}": {"log": f"{m} {nasty}"} for m in "ab"}
    data["routes"] = [{"name": nasty, "when": {"category": {"eq": nasty}}, "use": nasty}]
    data["chains"] = {nasty: {"steps": [{"model": name} for name in data["models"]]}}
    policy = parse_policy(TIERED).model_validate(data)
    (home.policies / "odd.yaml").write_text(policy.to_yaml(), "utf-8")
    loaders.infos.clear()
    app = opened(page, dataset="odd", policy="odd")
    assert nasty in said(app)
    for text in texts(app) + [e.label for e in app.expander]:
        bare = re.sub(r"\\.", "", text)
        assert "<script" not in bare
        assert "$" not in bare
        assert ":red[" not in bare
        assert "**bold**" not in bare
        assert ":material/home:" not in bare
        assert "](" not in bare


def test_drafts_on_the_shelf_are_bounded(home, monkeypatch):
    """The oldest drafts make room, so that a long-running server does not grow without end."""
    monkeypatch.setattr(desk, "MOST_SHELVED", 1)
    app = edited(home)
    app.selectbox(key="routes.1.use").select("strong").run()
    assert len(desk._shelf()) == 1
