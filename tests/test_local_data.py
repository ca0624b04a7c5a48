"""The bundled dataset ``local``: its prompts, its outcomes and its README agree."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.bench.make_local_data import FOLDER, PROMPTS, ROOT, TARGETS, readme_tables
from toolkit.logs.collect.grade import grade
from toolkit.logs.collect.passages import load_passages, load_retrievers
from toolkit.logs.collect.prompts import Prompt, load_prompts
from toolkit.logs.collect.targets import ModelTarget, load_targets
from toolkit.logs.collect.tools import calculate
from toolkit.logs.collect.units import convert
from toolkit.logs.dataset import Dataset
from toolkit.logs.datasets import load_dataset

CATEGORIES = {
    "arithmetic": 60,
    "comparison": 60,
    "dates": 80,
    "extraction": 60,
    "facts": 150,
    "intent": 60,
    "json_output": 60,
    "lookup": 190,
    "passage_facts": 60,
    "sentiment": 60,
    "sequence": 30,
    "topic": 60,
    "translation": 80,
    "unit_conversion": 90,
    "words": 80,
    "yes_no": 60,
}
"""The categories, and at least how many prompts each has."""
TOOLS = {"calculator": (calculate, "arithmetic"), "unit-converter": (convert, "unit_conversion")}
"""What works out a tool's answers, and the one category that it is for."""
MAX_BYTES = 2_000_000
"""The most that both files may take together, as they are in the repository."""


@pytest.fixture(scope="module")
def prompts() -> dict[str, Prompt]:
    """The prompts by their request_id."""
    return {prompt.request_id: prompt for prompt in load_prompts(PROMPTS)}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """The bundled dataset."""
    return load_dataset("local")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, object]]:
    """The outcomes as they are shipped."""
    return pq.read_table(FOLDER / "outcomes.parquet").to_pylist()


def test_prompts(prompts):
    """There are 1,200 prompts and more, in sixteen categories, and no text is there twice."""
    counts = Counter(prompt.category for prompt in prompts.values())
    assert set(counts) == set(CATEGORIES)
    assert all(counts[category] >= least for category, least in CATEGORIES.items())
    assert counts.total() >= 1200
    texts = {re.sub(r"\W+", " ", prompt.prompt.lower()) for prompt in prompts.values()}
    assert len(texts) == len(prompts)


def test_references_are_right_answers(prompts):
    """Each reference gets full marks as an answer."""
    for prompt in prompts.values():
        answer = prompt.reference
        if prompt.grader == "json_field":
            wanted = json.loads(answer)
            first = {k: v[0] if isinstance(v, list) else v for k, v in wanted.items()}
            answer = json.dumps(first)
        assert grade(prompt.grader, prompt.options, prompt.reference, answer).quality == 1, prompt


def test_a_prompt_is_no_right_answer(prompts):
    """Who only repeats the prompt gets no marks, where the answer does not stand in it."""
    given = {"extraction", "passage_facts", "json_output", "sentiment", "topic", "intent"}
    for prompt in prompts.values():
        if prompt.category not in given | {"arithmetic", "yes_no"}:
            found = grade(prompt.grader, prompt.options, prompt.reference, prompt.prompt)
            assert found.quality == 0, prompt


def test_computed_references(prompts):
    """References that can be worked out are worked out again: units, and days before and after."""
    asked = re.compile(r"Which date is (\d+) days? (before|after) (\d+ \w+ \d{4})\?")
    dates = 0
    for prompt in prompts.values():
        if prompt.category == "unit_conversion":
            assert convert(prompt.prompt) == prompt.reference
        elif match := asked.match(prompt.prompt):
            days = timedelta(int(match[1]) * (1 if match[2] == "after" else -1))
            day = datetime.strptime(match[3], "%d %B %Y").replace(tzinfo=UTC) + days
            assert prompt.reference == f"{day:%Y-%m-%d}", prompt
            dates += 1
    assert dates >= 15


def test_corpus(prompts):
    """What a lookup asks for stands in a passage, and nearly always the retriever finds it."""
    passages = load_passages(PROMPTS.parent / "corpus.jsonl")
    assert 150 <= len(passages) <= 300
    retriever = load_retrievers(load_targets(TARGETS).targets, TARGETS.parent)["smollm2-retrieval"]
    lookups = [prompt for prompt in prompts.values() if prompt.category == "lookup"]
    found = 0
    for prompt in lookups:
        assert any(prompt.reference in passage.text for passage in passages), prompt
        found += any(prompt.reference in passage.text for passage in retriever.find(prompt.prompt))
    assert 0.8 * len(lookups) < found < len(lookups)


def test_examples_are_no_prompts(prompts):
    """No example that a target shows the model is one of the prompts."""
    asked = {prompt.prompt for prompt in prompts.values()}
    for target in load_targets(TARGETS).targets.values():
        if isinstance(target, ModelTarget):
            for examples in target.examples.values():
                assert not asked & {example.prompt for example in examples}


def test_every_target_saw_every_prompt(dataset, prompts):
    """The dataset is complete, measured throughout, and of exactly the prompts in the file."""
    assert dataset.complete
    assert not dataset.simulated
    assert dataset.models == tuple(sorted(load_targets(TARGETS).targets))
    assert dataset.column("request_id").to_pylist() == list(prompts)
    assert dataset.column("prompt").to_pylist() == [p.prompt for p in prompts.values()]
    assert dataset.column("input_tokens").null_count == 0
    assert (dataset.cost_usd >= 0).all()
    assert (dataset.latency_s > 0).all()
    models = [i for i, name in enumerate(dataset.models) if name not in TOOLS]
    assert len(models) >= 5
    assert (dataset.cost_usd[:, models] > 0).all()
    assert (dataset.input_tokens[:, models] > 0).all()


def test_votes_are_five_calls(dataset):
    """Five votes take in five times the tokens of one call with the same prompt."""
    once, five = (dataset.models.index(f"smollm2-{kind}") for kind in ("few-shot", "vote-5"))
    assert (dataset.input_tokens[:, five] == 5 * dataset.input_tokens[:, once]).all()
    assert dataset.cost_usd[:, five].sum() > dataset.cost_usd[:, once].sum()


def test_small():
    """The dataset is small enough for a repository."""
    assert sum(path.stat().st_size for path in FOLDER.glob("*.parquet")) < MAX_BYTES


def test_grades_follow_from_the_answers(prompts, rows):
    """Grading the shipped answers anew gives the shipped quality, error and detail."""
    for row in rows:
        prompt = prompts[row["request_id"]]
        if row["error"] not in {None, "invalid_output"}:
            assert (row["quality"], row["answer"], row["error"]) == (0.0, "", "bad_request")
            assert row["model"] in TOOLS
            continue
        found = grade(prompt.grader, prompt.options, prompt.reference, row["answer"])
        assert row["quality"] == found.quality, row
        assert row["error"] == (found.error.label if found.error else None)
        assert row["error_detail"] == (found.detail or None)


@pytest.mark.parametrize("tool", TOOLS)
def test_tool_answers_are_its_own(prompts, rows, tool):
    """A tool's shipped answers are what it works out today; it answers its category, rightly."""
    work_out, category = TOOLS[tool]
    answers = {row["request_id"]: row for row in rows if row["model"] == tool}
    for request_id, prompt in prompts.items():
        shipped = answers[request_id]
        if shipped["error"]:
            with pytest.raises(ValueError, match=re.escape(shipped["error_detail"])):
                work_out(prompt.prompt)
        else:
            assert prompt.category == category
            assert shipped["quality"] == 1
            assert shipped["answer"] == work_out(prompt.prompt)


@pytest.mark.parametrize("readme", ["data/local/README.md"])
def test_numbers_in_the_readme(dataset, readme):
    """The tables of the README are computed from the shipped files."""
    assert "\n".join(readme_tables(dataset)) in (ROOT / Path(readme)).read_text()
