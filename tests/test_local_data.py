"""The bundled dataset ``local``: its prompts, its outcomes and its README agree."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.bench.make_local_data import FOLDER, PROMPTS, ROOT, TARGETS, readme_tables
from toolkit.logs.collect.grade import grade
from toolkit.logs.collect.prompts import Prompt, load_prompts
from toolkit.logs.collect.targets import ModelTarget, load_targets
from toolkit.logs.collect.tools import calculate
from toolkit.logs.dataset import Dataset
from toolkit.logs.datasets import load_dataset

CATEGORIES = {
    "arithmetic",
    "extraction",
    "facts",
    "json_output",
    "passage_facts",
    "sentiment",
    "topic",
}


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
    """There are at least 55 prompts in each of seven categories, and no text is there twice."""
    counts = Counter(prompt.category for prompt in prompts.values())
    assert set(counts) == CATEGORIES
    assert min(counts.values()) >= 55
    assert counts.total() >= 420
    texts = {" ".join(prompt.prompt.lower().split()) for prompt in prompts.values()}
    assert len(texts) == len(prompts)


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
    models = [i for i, name in enumerate(dataset.models) if name != "calculator"]
    assert (dataset.cost_usd[:, models] > 0).all()
    assert (dataset.input_tokens[:, models] > 0).all()


def test_grades_follow_from_the_answers(prompts, rows):
    """Grading the shipped answers anew gives the shipped quality, error and detail."""
    for row in rows:
        prompt = prompts[row["request_id"]]
        if row["error"] not in {None, "invalid_output"}:
            assert (row["quality"], row["answer"], row["model"]) == (0.0, "", "calculator")
            assert row["error"] == "bad_request"
            continue
        found = grade(prompt.grader, prompt.options, prompt.reference, row["answer"])
        assert row["quality"] == found.quality, row
        assert row["error"] == (found.error.label if found.error else None)
        assert row["error_detail"] == (found.detail or None)


def test_calculator_answers_are_its_own(prompts, rows):
    """The calculator's shipped answers are what it works out today, and they are right."""
    answers = {row["request_id"]: row for row in rows if row["model"] == "calculator"}
    for request_id, prompt in prompts.items():
        shipped = answers[request_id]
        if shipped["error"]:
            with pytest.raises(ValueError, match=re.escape(shipped["error_detail"])):
                calculate(prompt.prompt)
        else:
            assert prompt.category == "arithmetic"
            assert shipped["quality"] == 1
            assert shipped["answer"] == calculate(prompt.prompt)


@pytest.mark.parametrize("readme", ["data/local/README.md"])
def test_numbers_in_the_readme(dataset, readme):
    """The tables of the README are computed from the shipped files."""
    assert "\n".join(readme_tables(dataset)) in (ROOT / Path(readme)).read_text()
