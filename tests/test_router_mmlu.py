"""A router between two models on real outcomes: MMLU as RouteLLM asked it.

Mixtral 8x7B is the weak and GPT-4 the strong model. Every expected value is made here by pandas,
NumPy and scikit-learn from the files and from what was predicted out of fold. All 14,037 prompts
are judged by ``tests/bench/bench_router.py``; here it is some of them, to be quick.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from toolkit.evaluate.routers.floor import floors
from toolkit.evaluate.routers.train import train
from toolkit.evaluate.routers.training import Training
from toolkit.logs.datasets import Dataset, dataset_from_frame

WEAK, STRONG = "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"
FEW = 4_000
"""Prompts that the tests learn from."""


def read_mmlu(folder: Path) -> pd.DataFrame:
    """All prompts but the contaminated: prompt, subject, and 1.0 where a model was right."""
    lines = (folder / "contaminated_prompts.jsonl").read_text().splitlines()
    contaminated = {json.loads(line)["eval_prompt"] for line in lines}
    files = sorted((folder / "responses").glob("mmlu_*.csv"))
    parts = [pd.read_csv(f).assign(subject=f.stem.removeprefix("mmlu_")) for f in files]
    table = pd.concat(parts, ignore_index=True)
    table = table[~table.prompt.isin(contaminated)].reset_index(drop=True)
    return table.astype({WEAK: float, STRONG: float})


def as_dataset(table: pd.DataFrame) -> Dataset:
    """The table as a log of two models, without costs."""
    ids = [f"q{i:05d}" for i in range(len(table))]
    requests = table[["prompt", "subject"]].assign(request_id=ids)
    outcomes = [
        pd.DataFrame({"request_id": ids, "model": model, "quality": table[model]})
        for model in (WEAK, STRONG)
    ]
    return dataset_from_frame("mmlu", pd.concat(outcomes, ignore_index=True), requests)


def area(score: Any, table: pd.DataFrame) -> float:
    """APGR of a score, the strong model asked by falling score; equal scores move together."""
    ranked = pd.DataFrame({"score": score, "gain": table[STRONG] - table[WEAK]})
    steps = ranked.groupby("score").gain.agg(["size", "sum"]).sort_index(ascending=False).cumsum()
    share = np.append(0, steps["size"] / len(table))
    recovered = np.append(0, steps["sum"] / ranked.gain.sum())
    return float(((recovered[1:] + recovered[:-1]) / 2 * np.diff(share)).sum())


def first_crossing(score: Any, table: pd.DataFrame, part: float) -> float:
    """The least share of strong calls, in steps of one request, that recovers ``part``."""
    gain = (table[STRONG] - table[WEAK]).to_numpy()[np.argsort(-np.asarray(score), kind="stable")]
    return float((np.argmax(np.cumsum(gain) >= part * gain.sum()) + 1) / len(gain))


def gap(predicted: Any, right: Any, bins: int = 15) -> float:
    """ECE over bins of equal mass; equal predictions share one."""
    table = pd.DataFrame({"predicted": predicted, "right": np.asarray(right)})
    middle = (table.predicted.rank(method="average") - 0.5) / len(table)
    means = table.groupby((middle * bins).astype(int)).agg(["mean", "size"])
    off = (means["predicted"]["mean"] - means["right"]["mean"]).abs()
    return float((off * means["right"]["size"]).sum() / len(table))


def unseen(table: pd.DataFrame, fold: Any, features: Any) -> Any:
    """P(right) (n, 2) by one logistic regression per model, on ``features(training, judged)``."""
    out = np.zeros((len(table), 2))
    for k in np.unique(fold):
        inner, outer = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        x, unknown = features(inner, outer)
        for j, model in enumerate((WEAK, STRONG)):
            right = table[model].to_numpy()[inner]
            fitted = LogisticRegression(C=1, solver="liblinear").fit(x, right)
            out[outer, j] = fitted.predict_proba(unknown)[:, 1]
    return out


def by_words(table: pd.DataFrame) -> Any:
    """Words and pairs of words, learned from the training folds."""

    def features(inner: Any, outer: Any) -> Any:
        tfidf = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True)
        return tfidf.fit_transform(table.prompt.iloc[inner]), tfidf.transform(
            table.prompt.iloc[outer]
        )

    return features


def by_subject(table: pd.DataFrame) -> Any:
    """A 0/1 number per subject."""
    subject = pd.get_dummies(table.subject).to_numpy(float)
    return lambda inner, outer: (subject[inner], subject[outer])


@pytest.fixture(scope="module")
def mmlu(shared_datasets: Path) -> pd.DataFrame:
    """All prompts."""
    folder = shared_datasets / "routellm_mmlu"
    if not folder.is_dir():
        pytest.skip("RouteLLM's MMLU is not there: ../shared/datasets/routellm_mmlu")
    return read_mmlu(folder)


@pytest.fixture(scope="module")
def some(mmlu: pd.DataFrame) -> pd.DataFrame:
    """Some of them, of all subjects."""
    return mmlu.sample(FEW, random_state=0).reset_index(drop=True)


@pytest.fixture(scope="module")
def training(some: pd.DataFrame) -> Training:
    """What is learned of them, request by request, from words and embedding."""
    # With the head that "auto" is on all of them.
    data = as_dataset(some)
    return train(data, text="both", head="logistic", split="random", folds=3, details=False)


@pytest.fixture(scope="module")
def score(training: Training) -> Any:
    """By how much the strong model is wanted, (n,)."""
    weak, strong = training.models.index(WEAK), training.models.index(STRONG)
    return training.predicted[:, strong] - training.predicted[:, weak]


def test_the_files_hold_what_was_published(mmlu):
    """14,037 prompts of 57 subjects, and the accuracies of both models."""
    assert (len(mmlu), mmlu.subject.nunique()) == (14_037, 57)
    assert mmlu[WEAK].mean() == pytest.approx(0.6809, abs=5e-5)
    assert mmlu[STRONG].mean() == pytest.approx(0.8059, abs=5e-5)
    assert mmlu[[WEAK, STRONG]].max(axis=1).mean() == pytest.approx(0.8587, abs=5e-5)


def test_the_subject_alone_reaches_what_is_known(mmlu):
    """The reference needs no text: 0.678 on all prompts in five folds."""
    fold = np.zeros(len(mmlu), int)
    for k, (_, judged) in enumerate(KFold(5, shuffle=True, random_state=0).split(mmlu)):
        fold[judged] = k
    right = unseen(mmlu, fold, by_subject(mmlu))
    assert area(right[:, 1] - right[:, 0], mmlu) == pytest.approx(0.678, abs=0.002)


def test_weak_and_strong_are_told_apart_by_the_data(training, some):
    """The strong model is the one that is more often right; both as pandas counts."""
    pair = training.pair
    assert (pair.weak, pair.strong) == (WEAK, STRONG)
    assert pair.weak_quality.value == pytest.approx(some[WEAK].mean())
    assert pair.strong_quality.value == pytest.approx(some[STRONG].mean())
    assert training.n_judged == pair.apgr.n == len(some)


def test_figures_of_the_pair_agree_with_pandas(training, some, score):
    """APGR and both CPT, from the predictions out of fold."""
    pair = training.pair
    assert pair.apgr.value == pytest.approx(area(score, some), abs=1e-9)
    assert pair.apgr.low < pair.apgr.value < pair.apgr.high
    steps = np.unique(score).size / len(some)
    for part, got in ((0.5, pair.cpt50), (0.8, pair.cpt80)):
        slack = 0.002 if steps > 0.9 else 0.02  # equal scores move together in ours
        assert got.value == pytest.approx(first_crossing(score, some, part), abs=slack)


def test_the_router_beats_the_references_on_the_same_folds(training, some, score):
    """More than the words of the prompt, or its subject, tell by themselves."""
    fold = training.folds.code
    by = {f.__name__: unseen(some, fold, f(some)) for f in (by_words, by_subject)}
    told = {name: area(right[:, 1] - right[:, 0], some) for name, right in by.items()}
    assert area(score, some) > told["by_words"] + 0.01  # 0.674 and 0.659
    assert area(score, some) > told["by_subject"]  # 0.671, which the test above has of all: 0.678


def test_probabilities_come_true(training, some):
    """ECE and Brier score per model as pandas has them, better than the base rate's."""
    for trusted in training.calibration:
        predicted = training.predicted[:, training.models.index(trusted.model)]
        right = some[trusted.model].to_numpy()
        brier = float(np.mean((predicted - right) ** 2))
        assert trusted.ece.value == pytest.approx(gap(predicted, right), abs=1e-9)
        assert trusted.brier.value == pytest.approx(brier)
        assert trusted.brier_base.value == pytest.approx(right.mean() * (1 - right.mean()))
        assert trusted.ece.value <= 0.04  # 0.03 on all prompts, which are three times as many
        assert brier < trusted.brier_base.value - 0.015
        assert trusted.brier_gain.low > 0


def test_a_promised_floor_holds_on_the_other_half(training, some):
    """On 25 random halves, the floor that the one promises is kept by the mean of the other."""
    weak, strong = training.models.index(WEAK), training.models.index(STRONG)
    values = [round(0.5 + 0.05 * i, 2) for i in range(10)]
    enough = training.predicted[:, [weak]] >= values
    chosen = np.where(enough, weak, strong).T
    rng = np.random.default_rng(0)
    quality = some[list(training.models)].to_numpy()
    cost = np.zeros_like(quality)
    cost[:, strong] = 1
    kept, half = [], len(some) // 2
    for _ in range(25):
        order = rng.permutation(len(some))
        one, other = order[:half], order[half:]
        found = floors(values, chosen[:, one], quality[one], cost[one], next_n=half)
        point = found.at(0.75)
        assert point is not None
        at = values.index(point.value)
        kept.append(quality[other, chosen[at, other]].mean() >= 0.75)
    assert np.mean(kept) >= 0.92  # 0.95, of which 25 allow for one mistake more
