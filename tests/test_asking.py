"""Ways to ask: votes, passages, completion prompts, the order, and tools."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.engine.provider import complete
from toolkit.errors import DataError
from toolkit.logs.collect import collect
from toolkit.logs.collect.answers import Answer
from toolkit.logs.collect.asking import vote
from toolkit.logs.collect.cputime import CpuMeter
from toolkit.logs.collect.passages import Passage, Retriever, load_passages
from toolkit.logs.collect.targets import Example, ModelTarget, load_targets
from toolkit.logs.collect.units import convert
from toolkit.schema import ErrorType

TIMEOUT = ErrorType.TIMEOUT
TOWNS = [
    {"passage_id": "a", "text": "Velmora lies on the river Ammel."},
    {"passage_id": "b", "text": "Karsk is known for its wooden clocks."},
    {"passage_id": "c", "text": "In Tinderby the mayor keeps three goats."},
]
VOTING = "votes: 3, temperature: 0.4, seed: 5"
LOOKING = "passages: {file: towns.jsonl, min_similarity: 0.1}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for runs, with a store of its own; it holds two prompts and passages."""
    monkeypatch.setenv("DETOUR_DB", str(tmp_path / "lab.duckdb"))
    monkeypatch.setenv("DETOUR_RUNS", str(tmp_path / "runs"))
    prompts = [
        {"request_id": "karsk", "prompt": "What is Karsk known for?", "reference": "clocks"},
        {"request_id": "sea", "prompt": "How deep is the sea?", "reference": "deep"},
    ]
    shared = {"category": "towns", "grader": "contains"}
    lines(tmp_path / "prompts.jsonl", [{**prompt, **shared} for prompt in prompts])
    lines(tmp_path / "towns.jsonl", TOWNS)
    return tmp_path


def lines(path: Path, rows: list[dict[str, str]]) -> Path:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def model(settings: str, name: str = "m") -> str:
    """A targets file with one model that nobody reaches."""
    return f"targets: {{{name}: {{kind: model, model: openai/none, {settings}}}}}"


def run(folder: Path, targets: str, call=None, name: str = "mine") -> list[dict[str, object]]:
    """Collect and return the log's outcomes."""
    (folder / "targets.yaml").write_text(targets)
    collect(folder / "prompts.jsonl", folder / "targets.yaml", name, call or Recorder())
    rows = (folder / "runs" / f"{name}.jsonl").read_text().splitlines()[1:]
    return [json.loads(row) for row in rows]


class Recorder:
    """A call that gives the next of its answers, and keeps what it was asked."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts or ("wooden clocks",)
        self.asked: list[tuple[str, list[dict[str, str]], dict[str, object]]] = []

    def __call__(self, model, messages, **settings):
        text = self.texts[len(self.asked) % len(self.texts)]
        self.asked.append((model, list(messages), settings))
        return Answer(text, 10.0, 2.0, 0.25, 0.5)


def said(text: str = "", error: ErrorType = ErrorType.NONE, usd: float = 1.0) -> Answer:
    """An answer with round numbers."""
    return Answer(text, 10.0, 2.0, usd, 0.5, error)


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        (["a", "b", "b"], "b"),
        (["a", "b", "c"], "a"),
        (["b", "A.", ' "a" ', "b"], "b"),
        (["c", "A.", "b", ' "a" '], "A."),
        (["", "", "x"], ""),
    ],
)
def test_vote(answers, text):
    """The most frequent answer wins, the earliest among equals; case, quotes, full stop aside."""
    assert vote([said(answer) for answer in answers]).text == text


def test_vote_sums():
    """A vote costs, takes and counts as much as its calls together, failed ones too."""
    found = vote([said("", TIMEOUT), said("a"), said("b"), said("b")])
    assert (found.text, found.error) == ("b", ErrorType.NONE)
    assert (found.input_tokens, found.output_tokens) == (40.0, 8.0)
    assert (found.cost_usd, found.latency_s) == (4.0, 2.0)
    assert math.isnan(vote([said("a"), said("a", usd=math.nan)]).cost_usd)


def test_vote_of_failures():
    """When every call failed, the vote has the first error."""
    found = vote([said("", TIMEOUT), said("", ErrorType.RATE_LIMITED)])
    assert (found.error, found.text, found.cost_usd) == (TIMEOUT, "", 2.0)


def test_collected_vote(folder):
    """Votes are separate calls with seeds that follow one another."""
    call = Recorder("no idea", "wooden clocks", "Wooden clocks.")
    rows = run(folder, model(VOTING), call)
    assert [settings["seed"] for _, _, settings in call.asked] == [5, 6, 7, 5, 6, 7]
    assert {settings["temperature"] for _, _, settings in call.asked} == {0.4}
    assert rows[0]["answer"] == "wooden clocks"
    assert (rows[0]["quality"], rows[0]["cost_usd"], rows[0]["latency_s"]) == (1.0, 0.75, 1.5)
    assert (rows[0]["input_tokens"], rows[0]["output_tokens"]) == (30.0, 6.0)


def test_vote_priced_by_tokens(folder):
    """A price per token counts the tokens of every call."""
    price = "price: {input_usd_per_mtok: 1, output_usd_per_mtok: 100}"
    rows = run(folder, model(f"{VOTING}, {price}"))
    assert rows[0]["cost_usd"] == pytest.approx(3 * (10 * 1 + 2 * 100) / 1e6)


def test_passages_are_shown(folder):
    """The passage that fits stands before the prompt, and none where nothing fits."""
    call = Recorder()
    rows = run(folder, model(LOOKING), call)
    assert [messages for _, messages, _ in call.asked] == [
        [{"role": "user", "content": f"{TOWNS[1]['text']}\n\nWhat is Karsk known for?"}],
        [{"role": "user", "content": "How deep is the sea?"}],
    ]
    assert rows[0]["latency_s"] > 0.5  # looking up takes time too


def test_examples_are_shown_with_their_passages(folder):
    """An example looks like the prompt: with the passage that is found for it."""
    call = Recorder()
    example = "{towns: [{prompt: 'Who keeps goats in Tinderby?', answer: the mayor}]}"
    run(folder, model(f"{LOOKING}, examples: {example}"), call)
    chat = call.asked[0][1]
    assert [message["role"] for message in chat] == ["user", "assistant", "user"]
    assert chat[0]["content"] == f"{TOWNS[2]['text']}\n\nWho keeps goats in Tinderby?"


def test_other_passages_under_the_same_name(folder):
    """A run cannot go on with other passages than it began with."""
    run(folder, model(LOOKING))
    lines(folder / "towns.jsonl", TOWNS[:2])
    with pytest.raises(DataError, match="begun with other prompts or targets"):
        run(folder, model(LOOKING))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "towns.jsonl: there are no passages in it"),
        ("{", "towns.jsonl:1: not a JSON object"),
        ("[1]", "towns.jsonl:1: "),
        ('{"passage_id": "a"}', "towns.jsonl:1: text: Field required"),
        ('{"passage_id": "a", "text": ""}', "towns.jsonl:1: text: String should have at least 1"),
        ('{"passage_id": "a", "text": "?"}', "towns.jsonl: there are no passages in it"),
        ('{"passage_id": "a", "text": "the"}', "no word of the passages can be searched for"),
        ('{"passage_id": "a", "text": "cat"}\n' * 2, "towns.jsonl: a passage_id is there twice"),
    ],
)
def test_wrong_passages(folder, text, message):
    """A passages file that cannot be used is refused before any call, with its line."""
    (folder / "towns.jsonl").write_text(text)
    call = Recorder()
    with pytest.raises(DataError, match=message):
        run(folder, model(LOOKING), call)
    assert call.asked == []


def test_passages_that_are_not_there(folder):
    """A missing passages file is named."""
    with pytest.raises(DataError, match=r"cannot read the passages .*nowhere\.jsonl"):
        run(folder, model("passages: {file: nowhere.jsonl}"))


def test_retriever():
    """Of equals the earlier passage comes first, and nothing is found without a common word."""
    cats = [Passage(passage_id=str(i), text="One cat sleeps.") for i in range(3)]
    retriever = Retriever([*cats, Passage(passage_id="dog", text="A dog barks.")], 2, 0.0)
    assert [passage.passage_id for passage in retriever.find("Where is the cat?")] == ["0", "1"]
    assert retriever.find("Where is the fish?") == ()
    assert retriever.before("fish") == "fish"


@given(st.text(max_size=60), st.floats(0, 1))
def test_retriever_keeps_the_prompt(text, least):
    """Whatever is asked, the prompt stays as it is at the end."""
    retriever = Retriever([Passage(**town) for town in TOWNS], 2, least)
    assert retriever.before(text).endswith(text)
    assert len(retriever.find(text)) <= 2


def test_completion_form():
    """A model without chat form gets one text: system, examples and the prompt, ready to go on."""
    target = ModelTarget(
        kind="model",
        model="x",
        form="completion",
        system="Capitals.",
        examples={"towns": (Example(prompt="Spain?", answer="Madrid"),)},
    )
    text = "Capitals.\n\nQ: Spain?\nA: Madrid\n\nQ: Peru?\nA:"
    assert target.messages("towns", "Peru?") == [{"role": "user", "content": text}]
    assert target.messages("other", "Peru?")[0]["content"] == "Capitals.\n\nQ: Peru?\nA:"


def test_stop_is_passed_on(folder):
    """Where an answer is to end goes to the model as it is."""
    call = Recorder()
    run(folder, model(r'stop: ["\n", "Q:"]'), call)
    assert call.asked[0][2]["stop"] == ("\n", "Q:")
    assert call.asked[0][2]["seed"] is None


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ("", ["karsk a", "karsk b", "sea a", "sea b"]),
        ("order: by_prompt", ["karsk a", "karsk b", "sea a", "sea b"]),
        ("order: by_target", ["karsk a", "sea a", "karsk b", "sea b"]),
    ],
)
def test_order(folder, order, wanted):
    """Prompt by prompt, or target by target where the file says so; the dataset is the same."""
    targets = "targets: {a: {kind: tool, tool: calculator}, b: {kind: tool, tool: unit_converter}}"
    rows = run(folder, f"{targets}\n{order}")
    assert [f"{row['request_id']} {row['target']}" for row in rows] == wanted


def test_shared_examples(folder):
    """Targets can name a set of examples that the file holds once."""
    (folder / "targets.yaml").write_text(
        """
examples: {few: {towns: [{prompt: 'Spain?', answer: Madrid}]}}
targets:
  a: {kind: model, model: x, examples: few}
  b: {kind: model, model: x, examples: {towns: [{prompt: 'Peru?', answer: Lima}]}}
"""
    )
    a, b = load_targets(folder / "targets.yaml").targets.values()
    assert [a.examples["towns"][0].answer, b.examples["towns"][0].answer] == ["Madrid", "Lima"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (model("votes: 5"), r"votes at temperature 0 are all the same"),
        (model("votes: 1, temperature: 1"), r"votes: Input should be greater than or equal to 2"),
        (model("examples: few"), r"targets\.m\.examples: no examples 'few'; allowed: none"),
        (
            f"{model('examples: feew')}\nexamples: {{few: {{}}}}",
            r"no examples 'feew'; allowed: 'few' .did you mean",
        ),
        (f"{model('examples: few')}\nexamples: 3", "examples: Input should be a valid dictionary"),
        (model("passages: {}"), r"passages\.file: Field required"),
        (model("passages: {file: a, count: 0}"), r"passages\.count: .* greater than 0"),
        (model("passages: {file: a, min_similarity: 2}"), "less than or equal to 1"),
        (model("form: poem"), r"form: Input should be 'chat' or 'completion'"),
        (model("stop: [a, b, c, d, e]"), "stop: Tuple should have at most 4 items"),
        (f"{model('seed: 1')}\norder: random", "order: Input should be 'by_prompt' or 'by_target'"),
    ],
)
def test_wrong_ways_to_ask(folder, text, message):
    """What is wrong in a targets file is named with its key and what is allowed."""
    (folder / "targets.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        load_targets(folder / "targets.yaml")


@pytest.mark.parametrize(
    ("prompt", "number"),
    [
        ("How many grams are 2.5 kilograms?", "2500"),
        ("Convert 3 miles to kilometres.", "4.828032"),
        ("What is 25 degrees Celsius in degrees Fahrenheit?", "77"),
        ("How many degrees Celsius are 50 degrees Fahrenheit?", "10"),
        ("Express 1,500 meters in kilometers.", "1.5"),
        ("How many inches are there in 4 feet? Number only.", "48"),
        ("change 90 MINUTES into hours", "1.5"),
    ],
)
def test_unit_converter(prompt, number):
    """It works out what is plainly asked for."""
    assert convert(prompt) == number


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("How many minutes are in one hour?", "no conversion of units"),
        ("The film lasts 96 minutes.", "no conversion of units"),
        ("Convert 3 miles to litres.", "miles are length, litres are volume"),
        ("Convert 3 m to centimetres.", "'m' is not a unit that is known here"),
        ("Convert 3 grams to parsecs.", "'parsecs' is not a unit"),
        ("", "no conversion of units"),
    ],
)
def test_unit_converter_refuses(prompt, message):
    """It says why there is nothing for it to work out."""
    with pytest.raises(ValueError, match=message):
        convert(prompt)


@given(st.integers(1, 10**6), st.sampled_from(["millimetres", "inches", "yards", "miles"]))
def test_units_there_and_back(amount, unit):
    """Metres and back is the number that it was, to twelve digits."""
    metres = convert(f"Convert {amount} {unit} to metres.")
    if "e" not in metres:
        back = Fraction(convert(f"Convert {metres} metres to {unit}."))
        assert float(back) == pytest.approx(amount, rel=1e-10)


@pytest.mark.model
def test_seeds_and_stop_reach_the_model():
    """Through LiteLLM a seed repeats a drawn answer, and an answer ends where it is told to."""
    from tests.local_model import MODEL, shared_model

    chat = [{"role": "user", "content": "Name three animals."}]
    base = shared_model().api_base
    settings = {"api_base": base, "temperature": 1.0, "max_tokens": 16, "seed": 11}
    first, again = (complete(MODEL, chat, **settings) for _ in range(2))
    assert first.text == again.text != ""
    word = first.text.split()[1]
    cut = complete(MODEL, chat, **settings, stop=[word])
    assert cut.text == first.text[: first.text.index(word)]


@pytest.mark.model
def test_completion_of_a_real_model():
    """A completion prompt goes through LiteLLM's text form, and comes back as an answer."""
    from tests.local_model import shared_model

    text = "Q: What is 1 + 1?\nA: 2\n\nQ: What is 2 + 2?\nA:"
    answer = complete(
        "text-completion-openai/smollm2",
        [{"role": "user", "content": text}],
        api_base=shared_model().api_base,
        max_tokens=8,
        stop=["\n"],
    )
    assert answer.error is ErrorType.NONE
    assert answer.text.strip()
    assert "\n" not in answer.text
    assert 20 < answer.input_tokens < 60


@pytest.mark.model
def test_kept_beginnings_are_not_computed_again():
    """A server that keeps beginnings answers as one that does not, with less CPU time."""
    from tests.local_model import MODEL, running_model

    long = "The ferry leaves at nine. " * 40
    chats = [[{"role": "user", "content": f"{long}When does it leave{end}"}] for end in "?!"]
    texts, seconds = [], []
    for kept in (0, 2):
        with running_model(kept=kept) as model:
            meter = CpuMeter(model.pid)
            settings = {"api_base": model.api_base, "max_tokens": 8}
            complete(MODEL, chats[0], **settings)
            before = meter.read_s()
            texts.append(complete(MODEL, chats[1], **settings).text)
            seconds.append(meter.read_s() - before)
    assert texts[0] == texts[1] != ""
    assert seconds[1] < seconds[0] / 2


def test_load_passages(folder):
    """Passages are read in their order."""
    assert [p.passage_id for p in load_passages(folder / "towns.jsonl")] == ["a", "b", "c"]
