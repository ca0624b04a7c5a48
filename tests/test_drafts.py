"""A policy that is being edited: every edit gives a new valid policy or says why not."""

from __future__ import annotations

import io

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.app_home import NASTY, TIERED, shop
from toolkit.errors import PolicyError
from toolkit.evaluate.baselines import baselines
from toolkit.logs.datasets import dataset_from_frame
from toolkit.policy.check import check
from toolkit.policy.conditions import Condition
from toolkit.policy.loading import load_policy, parse_policy
from toolkit.ui import drafts, files, guards, rows
from toolkit.ui.starter import starter
from toolkit.ui.text import csv, file_name, literal


@pytest.fixture
def policy():
    """Two rules, two chains, two models."""
    return parse_policy(TIERED)


def names(policy) -> list[str]:
    """Its rules in order."""
    return [route.name for route in policy.routes]


def test_an_edit_can_be_undone_and_redone_until_another_one(policy):
    """Undo and redo walk along the edits; a new edit ends what could be redone."""
    first, second = drafts.remove_route(policy, 0), drafts.add_chain(policy)
    draft = drafts.Draft(policy, policy)
    assert not draft.changed
    assert draft.undo() == draft == draft.redo()
    draft = draft.to(first).to(second)
    assert draft.changed
    assert draft.undo().policy == first
    assert draft.undo().undo().policy == policy
    assert draft.undo().redo() == draft
    assert not draft.undo().to(policy).future
    assert draft.to(second) is draft


def test_a_rule_moves_one_place_and_stops_at_the_ends(policy):
    """Up at the top and down at the bottom change nothing."""
    assert names(drafts.move_route(policy, 0, up=False)) == ["brief", "sums"]
    assert names(drafts.move_route(policy, 1, up=True)) == ["brief", "sums"]
    assert names(drafts.move_route(policy, 0, up=True)) == ["sums", "brief"]
    assert names(drafts.move_route(policy, 1, up=False)) == ["sums", "brief"]
    assert names(policy) == ["sums", "brief"]


def test_rules_come_and_go(policy):
    """A new rule stands last, has a free name and leads to the default chain."""
    more = drafts.add_route(policy, {"category": {"eq": "tone"}})
    more = drafts.add_route(more, {"category": {"eq": "facts"}})
    assert names(more) == ["sums", "brief", "rule", "rule_2"]
    assert more.routes[-1].use == "cheap_first"
    assert names(drafts.remove_route(more, 1)) == ["sums", "rule", "rule_2"]


def test_a_rule_that_could_never_match_is_refused_with_its_place(policy):
    """The first edit that makes an unreachable rule fails, and the policy is as before."""
    with pytest.raises(PolicyError, match="never reached"):
        drafts.add_route(policy, {"category": {"eq": "sums"}})


def test_a_rule_leads_to_one_chain_or_several_by_weight(policy):
    """One chain is written as use, several as split; the weights are those given."""
    split = drafts.lead_to(policy, 0, {"strong": 90, "cheap_first": 10})
    assert split.routes[0].use is None
    assert drafts.weights(split.routes[0]) == {"strong": 90, "cheap_first": 10}
    back = drafts.lead_to(split, 0, {"strong": 1})
    assert back == policy
    assert drafts.weights(back.routes[0]) == {"strong": 1}


def test_a_rule_leads_where_a_router_says_and_back(policy):
    """A router takes the place of chain and weights; its ways to choose exclude each other."""
    several = drafts.lead_to(policy, 0, {"strong": 3.0, "cheap_first": 1.0})
    routed = drafts.route_by(several, 0, {"name": "easy", "min_quality": 0.8}, "cheap_first")
    assert (routed.routes[0].use, routed.routes[0].split) == ("cheap_first", None)
    assert (
        drafts.weights(drafts.route_by(several, 0, {"name": "e", "min_quality": 1}, None).routes[0])
        == {}
    )
    dear = drafts.set_rule(routed, 0, "max_cost_usd")
    assert dear.routes[0].router.rule == ("max_cost_usd", drafts.START["max_cost_usd"])
    assert drafts.set_rule(dear, 0, "max_cost_usd") == dear
    with pytest.raises(PolicyError, match="does not say how to choose"):
        dear.with_value("routes.0.router.max_cost_usd", None)
    back = drafts.lead_to(dear, 0, {"strong": 1.0})
    assert back.routes[0].router is None
    renamed = drafts.rename_chain(dear, "cheap_first", "quick")
    assert renamed.routes[0].use == "quick"
    with pytest.raises(PolicyError, match="unknown chain"):
        drafts.remove_chain(dear, "cheap_first")


def test_a_chain_is_renamed_wherever_it_is_used(policy):
    """Rules, splits and the default follow, and what a request meets stays the same."""
    split = drafts.lead_to(policy, 0, {"strong": 1, "cheap_first": 1})
    new = drafts.rename_chain(split, "cheap_first", "thrifty")
    assert list(new.chains) == ["thrifty", "strong"]
    assert new.default == "thrifty"
    assert set(drafts.weights(new.routes[0])) == {"strong", "thrifty"}
    assert drafts.rename_chain(new, "thrifty", "cheap_first") == split


def test_a_name_that_is_taken_is_refused(policy):
    """Renaming to the name of another chain or model would lose one, so it is an error."""
    with pytest.raises(PolicyError, match="taken; got 'cheap_first'"):
        drafts.rename_chain(policy, "strong", "cheap_first")
    with pytest.raises(PolicyError, match="taken; got 'large'"):
        drafts.rename_model(policy, "small", "large")


def test_a_chain_in_use_cannot_go(policy):
    """Removing it names the rule that leads there; an unused one goes."""
    with pytest.raises(PolicyError, match=r"routes\.0\.use"):
        drafts.remove_chain(policy, "strong")
    assert drafts.remove_chain(drafts.add_chain(policy), "chain") == policy


def test_steps_come_go_and_change_places(policy):
    """A model goes before the message, which stays last; a chain keeps at least one step."""
    more = drafts.add_step(policy, "cheap_first")
    kinds = [step.to_data() for step in more.chains["cheap_first"].steps]
    assert [kind.get("model", "message") for kind in kinds] == [
        "small",
        "large",
        "small",
        "message",
    ]
    assert drafts.remove_step(more, "cheap_first", 2) == policy
    swapped = drafts.move_step(policy, "cheap_first", 0, up=False)
    assert swapped.chains["cheap_first"].steps[0].model == "large"
    with pytest.raises(PolicyError, match="degrade"):
        drafts.move_step(policy, "cheap_first", 1, up=False)
    with pytest.raises(PolicyError, match=r"chains\.strong"):
        drafts.remove_step(policy, "strong", 0)
    assert drafts.add_message(policy, "strong").chains["strong"].steps[-1].degrade == "message"


def test_last_resorts_stand_behind_the_models(policy):
    """Older answers go before a last message, further models before both."""
    cached = guards.use_cache(policy, on=True)
    more = drafts.add_step(drafts.add_stale(cached, "cheap_first"), "cheap_first")
    steps = [step.to_data() for step in more.chains["cheap_first"].steps]
    assert [s.get("model") or s["degrade"] for s in steps] == [
        "small",
        "large",
        "small",
        "stale_cache",
        "message",
    ]
    refusal = drafts.add_message(policy, "strong", "refusal").chains["strong"].steps[-1]
    assert refusal.degrade == "refusal"
    with pytest.raises(PolicyError, match="no cache to look into"):
        drafts.add_stale(policy, "strong")


def test_the_cache_goes_with_the_steps_that_look_into_it(policy):
    """Switching it off leaves a valid policy: the one before it was switched on."""
    cached = drafts.add_stale(guards.use_cache(policy, on=True), "cheap_first")
    assert guards.use_cache(cached, on=False) == policy


def test_a_second_call_is_set_renamed_and_taken_out(policy):
    """The step's own model is not written; a renamed or missing model is noticed in it."""
    hedged = guards.set_hedge(policy, "cheap_first", 0, 1.5)
    assert hedged.chains["cheap_first"].steps[0].hedge.to_data() == {"after_s": 1.5}
    other = guards.hedge_with(hedged, "cheap_first", 0, "large")
    renamed = drafts.rename_model(other, "large", "big")
    assert renamed.chains["cheap_first"].steps[0].hedge.model == "big"
    assert guards.set_hedge(other, "cheap_first", 0, 2.0) == other.with_value(
        "chains.cheap_first.steps.0.hedge.after_s", 2
    )
    assert guards.hedge_with(other, "cheap_first", 0, "small") == hedged
    assert guards.set_hedge(other, "cheap_first", 0, None) == policy


def test_settings_are_begun_changed_and_taken_out(policy):
    """An emptied field is the default again, and what has no default is refused with its key."""
    place = ("models", "small", "breaker")
    broken = guards.set_part(policy, (*place, "open_s"), 5)
    assert broken.models["small"].breaker.open_s == 5
    assert guards.set_part(broken, (*place, "open_s"), None) == guards.set_part(policy, place, {})
    assert guards.set_part(broken, place, None) == policy
    with pytest.raises(PolicyError, match=r"models\.small\.breaker\.probes"):
        guards.set_part(broken, (*place, "probes"), 0)
    with pytest.raises(PolicyError, match=r"models\.small\.limits"):
        guards.set_part(policy, ("models", "small", "limits"), {})
    assert policy.with_value("models.small.breaker.open_s", 5) == broken


def test_room_for_some_goes_with_its_column(policy):
    """Another column forgets the values of the one before."""
    shed = guards.set_part(policy, ("shedding",), {"max_in_progress": 9})
    some = guards.set_priority(shed, "category")
    some = guards.set_part(some, ("shedding", "limits", "sums"), 3)
    assert some.shedding.limits == {"sums": 3}
    assert guards.set_priority(some, "prompt").shedding.limits == {}
    assert guards.set_priority(some, guards.NOBODY) == shed


def test_needs_are_known_to_the_models(policy):
    """A need is renamed and removed wherever a model names it; all of them are not written."""
    needy = guards.add_need(policy, {"category": {"eq": "sums"}})
    needy = guards.add_need(needy, {"category": {"eq": "tone"}})
    assert list(needy.requires) == ["tools", "tools_2"]
    only = guards.set_supports(needy, "small", ["tools_2"])
    renamed = guards.rename_need(only, "tools_2", "vision")
    assert renamed.models["small"].supports == ("vision",)
    assert guards.set_supports(only, "small", ["tools_2", "tools"]) == needy
    assert guards.remove_need(renamed, "vision").models["small"].supports == ()
    bare = guards.remove_need(guards.remove_need(renamed, "vision"), "tools")
    assert bare == policy
    with pytest.raises(PolicyError, match="taken"):
        guards.rename_need(needy, "tools_2", "tools")


def test_models_are_added_renamed_and_pointed_elsewhere(policy):
    """A renamed model keeps its name in the log, and steps follow it."""
    more = drafts.add_model(policy, "tool-1")
    assert more.log_name("tool-1") == "tool-1"
    new = drafts.rename_model(more, "tool-1", "tool")
    assert new.log_name("tool") == "tool-1"
    assert drafts.set_log(new, "tool", "large-1").log_name("tool") == "large-1"
    assert drafts.set_log(new, "tool", "tool").models["tool"].log is None
    assert drafts.remove_model(new, "tool") == policy
    assert (
        drafts.rename_model(policy, "small", "tiny").chains["cheap_first"].steps[0].model == "tiny"
    )
    with pytest.raises(PolicyError, match="small"):
        drafts.remove_model(policy, "small")


def test_goals_are_set_and_taken_out(policy):
    """An emptied goal disappears; one that cannot be is refused with its key."""
    assert drafts.set_goal(policy, "latency_p95_s", "max", 2.5).goals.latency_p95_s.max == 2.5
    assert drafts.set_goal(policy, "quality", "min", None).goals.quality is None
    with pytest.raises(PolicyError, match=r"goals\.quality\.min"):
        drafts.set_goal(policy, "quality", "min", 3)


def test_error_lists_that_equal_the_default_are_not_written(policy):
    """What a person would not write does not appear in the file."""
    usual = [error.label for error in policy.chains["strong"].retried_errors]
    assert drafts.set_errors(policy, "strong", "retry_on", usual) == policy
    fewer = drafts.set_errors(policy, "strong", "retry_on", ["timeout"])
    assert fewer.chains["strong"].retry_on == ("timeout",)


CONDITIONS = [
    {"category": {"eq": "sums"}},
    {"category": {"in": ["a", "b"]}, "input_tokens": {"lt": 3, "gte": 1}},
    {"all": [{"a": {"gt": 1}}, {"b": {"exists": False}}]},
    {"any": [{"a": {"matches": "x+"}}, {"b": {"contains": "y"}}]},
]


@pytest.mark.parametrize("data", CONDITIONS)
def test_flat_conditions_become_rows_and_back(data):
    """Rows written back mean the same: they read as the same rows."""
    mode, found = rows.read(Condition.model_validate(data))
    again = Condition.model_validate(rows.write(mode, found))
    assert rows.read(again) == (mode, found)


@pytest.mark.parametrize(
    "data",
    [
        {"not": {"a": {"eq": 1}}},
        {"all": [{"any": [{"a": {"eq": 1}}, {"b": {"eq": 2}}]}, {"c": {"eq": 3}}]},
        {"all": [{"a": {"eq": 1}}], "b": {"eq": 2}},
        {"any": [{"a": {"gt": 1, "lt": 3}}, {"b": {"eq": 2}}]},
    ],
)
def test_nested_conditions_stay_for_the_yaml(data):
    """What rows cannot say is not shown as rows."""
    assert rows.read(Condition.model_validate(data)) is None


def test_every_column_offers_a_row_that_is_valid_with_every_operator():
    """A fresh row, turned to any operator of its column, is a condition on these requests."""
    requests = pa.table(
        {
            "request_id": ["a", "b"],
            "prompt": ["x", "y"],
            "category": ["c", None],
            "n": [1, 2],
            "beta": [True, False],
            "when": pa.array([0, 1], pa.timestamp("s")),
        }
    )
    found = {column.name: column for column in rows.columns(requests)}
    assert set(found) == {"prompt", "category", "n", "beta"}
    assert found["category"].values == ("c",)
    for column in found.values():
        for operator in rows.OPERATORS[column.kind]:
            row = rows.with_operator(rows.fresh(column), operator, column)
            assert row.operator == operator
            Condition.model_validate(rows.write("all", [row]))
            back = rows.with_operator(row, rows.fresh(column).operator, column)
            Condition.model_validate(rows.write("all", [back]))


def test_a_saved_policy_loads_by_its_name_and_is_never_overwritten_unasked(
    policy, tmp_path, monkeypatch
):
    """The file holds the policy under its new name; a second save of the name is refused."""
    monkeypatch.setenv("DETOUR_POLICIES", str(tmp_path / "new" / "folder"))
    files.save(policy, "mine")
    assert load_policy("mine") == policy.with_value("policy", "mine")
    other = drafts.remove_route(policy, 0)
    for name in ("mine", "MINE"):
        with pytest.raises(PolicyError, match="there already"):
            files.save(other, name)
    assert len(load_policy("mine").routes) == 2
    files.save(other, "mine", overwrite=True)
    assert len(load_policy("mine").routes) == 1
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize(
    "name",
    ["", "../x", "a/b", "a\\b", "/etc/x", ".hidden", "x.yaml", "a b", "x\n", "ä", "-x", "a" * 65],
)
def test_a_name_that_could_lead_elsewhere_is_refused(policy, name, tmp_path, monkeypatch):
    """Only plain names become files, and nothing is written otherwise."""
    monkeypatch.setenv("DETOUR_POLICIES", str(tmp_path))
    with pytest.raises(PolicyError, match="cannot be the name of a file"):
        files.save(policy, name, overwrite=True)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_said(policy, tmp_path, monkeypatch):
    """A file in the place of the folder gives a readable error."""
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("DETOUR_POLICIES", str(tmp_path / "taken"))
    with pytest.raises(PolicyError, match="cannot be written"):
        files.save(policy, "mine")


@pytest.mark.parametrize("drop", [(), ("quality",), ("cost_usd",), ("latency_s",)])
def test_any_log_gets_a_first_policy_that_fits_it(drop):
    """The suggestion has no errors on the log it was made from, whatever was measured."""
    data = dataset_from_frame("shop", *shop(drop=drop))
    policy = starter(baselines(data))
    assert not check(policy, data.requests, dict.fromkeys(data.models, 1.0)).errors
    if not drop:
        assert list(policy.models) == ["small-1", "large-1"] or list(policy.models) == ["large-1"]


@given(st.text())
def test_literal_text_keeps_every_letter(text):
    """Taking the marks away gives the text again, on one line."""
    shown = literal(text).replace("\u2060", "")
    plain, i = "", 0
    while i < len(shown):
        i += shown[i] == "\\" and i + 1 < len(shown)
        plain += shown[i]
        i += 1
    assert plain == " ".join(text.replace("\u2060", "").split())


def test_file_names_are_plain():
    """No name leads out of a folder or into a shell."""
    assert file_name("../../etc", NASTY).count("/") == 0
    assert file_name("") == "detour"


def test_no_cell_of_a_csv_is_a_formula():
    """Text that a spreadsheet would compute is quoted; numbers stay numbers."""
    table = pd.DataFrame({"=x": ["=1+1", " @a", "\tb", "-c", "plain", None], "n": [-1.5] * 6})
    back = pd.read_csv(io.BytesIO(csv(table)))
    assert back.columns[0] == "'=x"
    assert back.iloc[:, 0].tolist()[:5] == ["'=1+1", "' @a", "'\tb", "'-c", "plain"]
    assert back["n"].tolist() == [-1.5] * 6
