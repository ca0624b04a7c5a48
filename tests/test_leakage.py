"""Columns that know the answer are named; random labels and honest columns are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.router_data import bfcl
from toolkit.evaluate.routers.leakage import determining, leaks, named_afterwards
from toolkit.evaluate.routers.train import train
from toolkit.logs.datasets import dataset_from_frame, load_dataset

MODELS = ("large", "small")
WORDS = np.array(["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota"])


def _requests(n, seed=0):
    """Requests with honest columns."""
    rng = np.random.default_rng(seed)
    return {
        "request_id": [f"r{i}" for i in range(n)],
        "prompt": [" ".join(rng.choice(WORDS, 6)) + f" {i}" for i in range(n)],
        "category": rng.choice(["math", "chat", "code"], n).tolist(),
        "size": rng.integers(0, 1_000, n),
        "user_ref": [f"u{i}" for i in rng.integers(0, 60, n)],
    }


def _labels(n, seed=0):
    """Grades by chance alone."""
    return (np.random.default_rng(seed).random((n, 2)) < [0.8, 0.6]).astype(float)


@pytest.mark.parametrize("seed", range(10))
def test_random_labels_warn_of_nothing(seed):
    """Nothing tells what is chance."""
    n = 500
    fold = np.arange(n) % 5
    table = pa.table(_requests(n, seed))
    read = ["prompt", "category", "size", "user_ref"]
    assert leaks(table, _labels(n, seed + 50), MODELS, read=read, fold=fold) == ()


def _marks(y, rng):
    """Ways in which a column can know the grade of the small model."""
    n = len(y)
    good = y[:, 1] > 0
    return {
        "flag": good,
        "word": np.where(good, "fine", "bad").tolist(),
        "number": np.where(good, 1.0, 0.0) * 5 + rng.normal(0, 0.5, n),
        "text": [
            f"note {i}: it was {'fine indeed' if g else 'quite bad'}" for i, g in enumerate(good)
        ],
        "nearly": np.where(rng.random(n) < 0.005, ~good, good),
    }


@pytest.mark.parametrize("kind", ["flag", "word", "number", "text", "nearly"])
def test_a_column_made_from_the_grades_is_named(kind):
    """Whatever it holds: flags, words, numbers with noise, a text of its own for each request."""
    n = 600
    y = _labels(n)
    table = pa.table(_requests(n) | {"hint": _marks(y, np.random.default_rng(1))[kind]})
    found = leaks(table, y, MODELS, read=["prompt", "hint"])
    assert len(found) == 1
    assert found[0].startswith("Column 'hint' by itself all but tells whether small is right (AUC")
    assert "does not read it" not in found[0]


def test_two_such_columns_do_not_hide_each_other():
    """A margin is kept over columns that are not suspicious themselves."""
    y = _labels(600)
    mark = _marks(y, np.random.default_rng(1))
    table = pa.table(_requests(600) | {"one": mark["flag"], "two": mark["word"]})
    assert [name for name, *_ in determining(table, y, MODELS)] == ["one", "two"]


def test_a_good_column_is_no_leak():
    """One that tells much, as a length may, is not all but sure."""
    rng = np.random.default_rng(2)
    n = 800
    size = rng.normal(0, 1, n)
    y = np.stack([size + rng.normal(0, 0.6, n) > 0] * 2, axis=1).astype(float)
    assert leaks(pa.table(_requests(n) | {"size": size}), y, MODELS, read=["size"]) == ()


def test_a_model_for_one_category_is_no_leak():
    """A converter of units answers what it is made for, and nothing else."""
    requests = _requests(600)
    y = np.stack([np.array(requests["category"]) == "math"] * 2, axis=1).astype(float)
    assert leaks(pa.table(requests), y, MODELS, read=["category"]) == ()


def test_too_few_failures_to_tell_warn_of_nothing():
    """A model that fails ten times of 600 shows no column up."""
    y = np.ones((600, 2))
    y[:10] = 0
    table = pa.table(_requests(600) | {"hint": y[:, 0]})
    assert determining(table, y, MODELS) == []


@pytest.mark.parametrize(
    ("name", "afterwards"),
    [
        ("answer", True),
        ("expected_output", True),
        ("judge.score", True),
        ("Labels", True),
        ("ground-truth", True),
        ("category", False),
        ("input_tokens", False),
        ("underscore_count", False),
        ("n_functions", False),
        ("target_language", False),
        ("quality_tier", False),
    ],
)
def test_names_say_what_is_known_only_afterwards(name, afterwards):
    """The last word of the name counts, and it as a whole."""
    assert named_afterwards(name) is afterwards


def test_a_column_read_against_its_name_is_warned_of():
    """Whoever asks for such a column is told; one that is not read is no matter."""
    table = pa.table(_requests(200) | {"expected": ["x"] * 200})
    y = _labels(200)
    assert leaks(table, y, MODELS, read=["prompt"]) == ()
    (found,) = leaks(table, y, MODELS, read=["prompt", "expected"])
    assert "'expected' is read by the router" in found


def test_a_text_that_holds_the_answers_is_named():
    """A context that contains what the model said, in most requests."""
    said = [f"It is number {i} of many" for i in range(200)]
    table = pa.table(_requests(200) | {"context": [f"Known: {t.upper()}!" for t in said]})
    answers = {"small": said, "large": [None] * 200}
    found = leaks(table, _labels(200), MODELS, read=["prompt", "context"], answers=answers)
    assert [text[:44] for text in found] == ["Column 'context' holds the answer of small in"[:44]]
    short = {"small": ["yes"] * 200, "large": [None] * 200}
    assert leaks(table, _labels(200), MODELS, read=["context"], answers=short) == ()


def test_an_answer_that_stands_in_the_prompt_is_no_leak():
    """Which of two is asked for stands in the question."""
    requests = _requests(200)
    answers = {"small": requests["prompt"], "large": [None] * 200}
    assert leaks(pa.table(requests), _labels(200), MODELS, read=["prompt"], answers=answers) == ()


def test_a_column_that_is_not_read_is_told_of_only_where_it_is_certain():
    """Made from the grades word for word, yes; a little less sure, no."""
    y = _labels(600)
    exact = pa.table(_requests(600) | {"hint": y[:, 1]})
    (found,) = leaks(exact, y, MODELS, read=["prompt"])
    assert found.endswith("The router does not read it.")
    mark = np.where(np.arange(600) % 80 == 0, 1 - y[:, 1], y[:, 1])
    nearly = pa.table(_requests(600) | {"hint": mark})
    assert leaks(nearly, y, MODELS, read=["prompt"]) == ()
    assert len(leaks(nearly, y, MODELS, read=["hint"])) == 1


def test_prompts_on_both_sides_of_a_split_are_counted():
    """By the groups that are given, or the same prompt word for word."""
    requests = _requests(100)
    requests["prompt"][1] = requests["prompt"][0]
    table, y = pa.table(requests), _labels(100)
    together = np.arange(100) // 2 % 5
    assert leaks(table, y, MODELS, fold=together) == ()
    (found,) = leaks(table, y, MODELS, fold=np.arange(100) % 5)
    assert found.startswith("2 requests (2.0 %) say nearly the same as one in another fold")
    (found,) = leaks(table, y, MODELS, fold=np.arange(100) % 5, group=np.arange(100) // 10)
    assert found.startswith("100 requests (100 %)")


def test_real_requests_warn_of_nothing(bfcl_dir):
    """The columns of BFCL are known beforehand."""
    data = bfcl(bfcl_dir)
    assert (
        leaks(data.requests, data.quality, data.models, read=data.requests.column_names[1:]) == ()
    )


def _dataset(requests, y):
    """Two models on these requests."""
    frame = pd.DataFrame(requests)
    parts = [
        pd.DataFrame({"request_id": frame.request_id, "model": name, "quality": y[:, j]}).assign(
            cost_usd=(1e-3, 1e-4)[j]
        )
        for j, name in enumerate(MODELS)
    ]
    return dataset_from_frame("made up", pd.concat(parts, ignore_index=True), frame)


def test_training_on_random_labels_finds_nothing_and_warns_of_no_leak():
    """The router says that there was nothing to learn."""
    trained = train(_dataset(_requests(400), _labels(400)))
    assert trained.leaks == ()
    assert "nothing to learn" in trained.verdict
    assert trained.aiq.gain.low <= 0
    assert all(one.brier_gain.low <= 0 for one in trained.calibration)


def test_training_on_a_leaked_column_warns_of_it_by_name():
    """However well the router does, the first doubt is the column."""
    y = _labels(400)
    hint = np.where(y[:, 1] > 0, "fine", "bad").tolist()
    trained = train(_dataset(_requests(400) | {"hint": hint}, y), text=None)
    assert any("'hint'" in text for text in trained.leaks)
    assert any("'hint'" in text for text in trained.warnings)


@pytest.mark.parametrize("graded", ["word", "sentence", "number"])
def test_a_column_of_the_correct_answers(graded):
    """It tells nothing of a model by itself, but a model is right where it says what it holds."""
    rng = np.random.default_rng(5)
    n = 400
    key = rng.choice(["A", "B", "C", "D"], n) if graded != "number" else rng.integers(0, 90, n)
    requests = _requests(n) | {"choice": key.tolist()}
    requests["hint"] = np.where(rng.random(n) < 0.6, key, key[::-1]).tolist()
    wrong = key[rng.permutation(n)]
    said = np.where(rng.random((2, n)) < [[0.8], [0.5]], key, wrong)
    y = (said == key).T.astype(float)
    how = {"sentence": "It is {}, as\nI think.", "number": "x = {}"}.get(graded, " {}\n")
    answers = {m: [how.format(one) for one in of] for m, of in zip(MODELS, said, strict=True)}
    read = ["category", "size", "hint", "choice"]
    (found,) = leaks(pa.table(requests), y, MODELS, read=read, answers=answers)
    assert found == (
        "Column 'choice' holds the correct answers: large is right where its answer is what stands"
        " there. A live request does not have it."
    )
    assert leaks(pa.table(requests), y, MODELS, read=read[:3], answers=answers) == ()


@pytest.mark.parametrize("details", [True, False], ids=["details", "quick"])
def test_a_training_on_real_correct_answers_warns(details):
    """Quick or not: the reference is known by its name, and by what models said."""
    models = ["gemma3-few-shot", "calculator"]
    how = {"models": models, "columns": ["reference", "grader", "category"], "text": None}
    found = train(load_dataset("local"), head="neighbours", folds=2, details=details, **how)
    text = "\n".join(found.warnings)
    assert "Column 'reference' is read by the router, and by its name it is known only" in text
    assert "Column 'reference' holds the correct answers: " in text
    assert "Column 'grader' is read by the router" in text
