"""Learned routers on real outcomes: quality at equal cost, calibration, and time.

MMLU (two models, 14,037 prompts) and BFCL (six models with costs, 1,700 prompts), five folds, every
figure out of fold. The references are learned in the same run on the same folds: scikit-learn's
logistic regression and random forest, and llmrouter-lib's kNN, SVM and MLP routers on the same
embeddings. The package stands in an environment of its own, whose interpreter
``DETOUR_LLMROUTER_PYTHON`` names; without it scikit-learn's own of the same kind stand in.

``python tests/bench/bench_router.py [mmlu] [bfcl] [rivals] [time]`` prints some parts alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tests.bench import router_rivals
from tests.router_data import SIX, bfcl
from tests.test_router_bfcl import cost_for, with_fallback
from tests.test_router_mmlu import (
    STRONG,
    WEAK,
    area,
    as_dataset,
    by_subject,
    by_words,
    gap,
    read_mmlu,
    unseen,
)
from toolkit.embeddings import embed
from toolkit.evaluate.routers.floor import floors
from toolkit.evaluate.routers.train import train
from toolkit.evaluate.routers.training import Training
from toolkit.learn.choose import orders
from toolkit.learn.router import QualityRouter
from toolkit.policy.router_rule import RouterRule

SHARED = Path(__file__).parents[3] / "shared" / "datasets"
PAIR = [WEAK, STRONG]
HEADS = (("logistic", "auto"), ("logistic", "both"), ("stack", "both"))
SPLITS = 200
WANTED_FLOOR = 0.75


def mmlu() -> None:
    """APGR beside the references, calibration, and the floor on 200 random halves."""
    table = read_mmlu(SHARED / "routellm_mmlu")
    vectors = embed(table.prompt.tolist())
    found = {kind: trained(table, *kind) for kind in HEADS}
    fold = next(iter(found.values())).folds.code
    print(f"MMLU, {len(table):,} prompts, five folds; APGR of the references:")
    for name, features in references(table, vectors):
        right = unseen(table, fold, features)
        print(f"  {name}: {area(right[:, 1] - right[:, 0], table):.4f}")
    for (head, text), training in found.items():
        pair, apgr = training.pair, training.pair.apgr
        predicted = in_order(training)
        print(
            f"  {head}, text {text}: APGR {apgr.value:.4f} [{apgr.low:.4f}, {apgr.high:.4f}]"
            f" (wanted 0.71), CPT50 {pair.cpt50.value:.3f}, CPT80 {pair.cpt80.value:.3f};"
            f" {training.seconds:.0f} s for five folds, neighbours, and the router"
        )
        for j, model in enumerate(PAIR):
            right = table[model].to_numpy()
            brier = np.mean((predicted[:, j] - right) ** 2)
            print(
                f"    {model}: ECE {gap(predicted[:, j], right):.4f} (wanted at most 0.03), Brier"
                f" {brier:.4f}, of the base rate {right.var():.4f}"
            )
    kept, promised = floors_held(table, in_order(found[HEADS[-1]]))
    print(
        f"  a floor of {WANTED_FLOOR} promised by one half ({promised} of {SPLITS} splits) held"
        f" on the other in {kept:.1%} (wanted at least 95 %)"
    )


def trained(table: pd.DataFrame, head: str, text: str) -> Training:
    """Five folds request by request."""
    return train(as_dataset(table), head=head, text=text, split="random", details=False)


def in_order(training: Training) -> Any:
    """P(right) out of fold, the weak model first."""
    return training.predicted[:, [training.models.index(name) for name in PAIR]]


def references(table: pd.DataFrame, vectors: Any) -> list[tuple[str, Callable[..., Any]]]:
    """What is usually done, by scikit-learn alone."""
    from scipy.sparse import csr_matrix, hstack

    words, subject = by_words(table), by_subject(table)

    def meaning(inner: Any, outer: Any) -> Any:
        known, unknown = subject(inner, outer)
        return np.hstack([4 * vectors[inner], known]), np.hstack([4 * vectors[outer], unknown])

    def all_three(inner: Any, outer: Any) -> Any:
        return [
            hstack([a, csr_matrix(b)]).tocsr()
            for a, b in zip(words(inner, outer), meaning(inner, outer), strict=True)
        ]

    return [
        ("subject alone (published 0.678)", subject),
        ("TF-IDF (0.685)", words),
        ("embedding and subject (0.686)", meaning),
        ("all three (0.696)", all_three),
    ]


def floors_held(table: pd.DataFrame, predicted: Any) -> tuple[float, int]:
    """How often the mean of the other half keeps what one half promises, of those that promise."""
    values = [round(0.5 + 0.02 * i, 2) for i in range(25)]
    chosen = np.where(predicted[:, [0]] >= values, 0, 1).T
    quality, rng = table[PAIR].to_numpy(), np.random.default_rng(0)
    cost = np.tile([0.0, 1.0], (len(table), 1))
    kept, half = [], len(table) // 2
    for _ in range(SPLITS):
        order = rng.permutation(len(table))
        one, other = order[:half], order[half : 2 * half]
        found = floors(values, chosen[:, one], quality[one], cost[one], next_n=half)
        point = found.at(WANTED_FLOOR)
        if point is not None:
            at = values.index(point.value)
            kept.append(quality[other, chosen[at, other]].mean() >= WANTED_FLOOR)
    return float(np.mean(kept)), len(kept)


def curves() -> None:
    """The cost-quality curve on BFCL, with and without near-duplicates on both sides."""
    dataset = bfcl(SHARED / "bfcl_2024_08")
    relevance = np.array(dataset.requests["category"].to_pylist()) == "relevance"
    for split in ("random", "grouped"):
        training = train(dataset, models=list(SIX), head="stack", split=split, details=False)
        aiq = training.aiq
        print(
            f"BFCL, {split} folds: AIQ {aiq.value.value:.4f}, zero router"
            f" {aiq.zero_router.value:.4f}, gain {aiq.gain.value:+.4f} [{aiq.gain.low:+.4f},"
            f" {aiq.gain.high:+.4f}], {training.seconds:.0f} s"
        )
        print("  USD a point   USD per 1k   quality [95 %]            above zero router")
        for p in training.curve.points:
            q, gain = p.quality, p.gain
            print(
                f"  {p.value:11.5f}   {p.cost_usd_per_1k.value:10.4f}   {q.value:.4f}"
                f" [{q.low:.4f}, {q.high:.4f}]   {gain.value:+.4f}"
            )
        print("  " + costs("router", training_points(training)))
        if split == "random":
            print("  " + costs("random forest", forest_points(dataset, training)))
            alone = pd.DataFrame({"cost": 1000 * training.cost_usd.mean(0)})
            print("  " + costs("zero router", alone.assign(quality=training.quality.mean(0))))
        fallbacks(training, ~relevance)


def costs(name: str, points: pd.DataFrame) -> str:
    """What three qualities cost."""
    wanted = {0.88: 0.09, 0.89: 0.50, 0.905: 1.80}
    told = [f"{q} for ${cost_for(points, q):.3f} (wanted ${w:.2f})" for q, w in wanted.items()]
    return f"{name}: {', '.join(told)}; best {points.quality.max():.4f}"


def training_points(training: Training) -> pd.DataFrame:
    """Cost and quality of the curve."""
    points = training.curve.points
    return pd.DataFrame(
        {
            "cost": [p.cost_usd_per_1k.value for p in points],
            "quality": [p.quality.value for p in points],
        }
    )


def forest_points(dataset: Any, training: Training) -> pd.DataFrame:
    """A plain random forest per model on embedding, category and counts, the same folds."""
    from sklearn.ensemble import RandomForestClassifier

    table = dataset.requests.to_pandas()
    x = np.hstack(
        [
            embed(table.prompt.tolist()),
            pd.get_dummies(table.category).to_numpy(float),
            table[["n_functions", "functions_chars"]].to_numpy(float),
        ]
    )
    right = np.zeros(training.quality.shape)
    for k in range(training.folds.count):
        inner, outer = training.folds.training(k), training.folds.judged(k)
        for j in range(len(SIX)):
            forest = RandomForestClassifier(100, min_samples_leaf=3, random_state=0)
            forest.fit(x[inner], training.quality[inner, j] > 0.5)
            right[outer, j] = forest.predict_proba(x[outer])[:, 1]
    row = np.arange(len(x))
    rows = []
    for point in training.curve.points:
        asked = (100 * right * point.value - 1000 * training.predicted_cost).argmax(1)
        rows.append(
            (1000 * training.cost_usd[row, asked].mean(), training.quality[row, asked].mean())
        )
    return pd.DataFrame(rows, columns=["cost", "quality"])


def fallbacks(training: Training, fair: Any) -> None:
    """With up to two further models where an answer does not parse, outside ``relevance``."""
    at = np.flatnonzero(fair)
    failed = invalid_output(training)[at]
    quality, cost = training.quality[at], training.cost_usd[at]
    points: dict[str, list[tuple[float, float]]] = {"alone": [], "with fallbacks": []}
    for point in training.curve.points:
        rule = RouterRule(name="r", tradeoff_usd_per_point=point.value)
        order = orders(training.predicted[at], training.predicted_cost[at], rule)
        points["alone"].append(with_fallback(order[:, :1], quality, cost, failed)[::-1])
        points["with fallbacks"].append(with_fallback(order[:, :3], quality, cost, failed)[::-1])
    best = quality.max(axis=1).mean()
    for name, rows in points.items():
        table = pd.DataFrame(rows, columns=["cost", "quality"])
        top = table.quality.idxmax()
        told = ", ".join(
            f"{c:g}: {table.quality[table.cost <= c].max():.4f}" for c in (0.1, 0.5, 1, 2)
        )
        print(
            f"  {len(at):,} prompts, {name}: best {table.quality[top]:.4f} for"
            f" ${table.cost[top]:.2f}; quality for at most USD per 1k {told}; oracle {best:.4f}"
        )


def invalid_output(training: Training) -> Any:
    """(n, m) whether an answer did not parse, from the file."""
    long = pd.read_csv(SHARED / "bfcl_2024_08" / "bfcl_long.csv.gz")
    ids = training.dataset.requests["request_id"].to_pylist()
    table = long.pivot(index="request_id", columns="model", values="error")
    return (table.loc[ids, list(training.models)] == "invalid_output").to_numpy()


def rivals() -> None:
    """llmrouter-lib's routers on one fold of MMLU: quality at their share of strong calls."""
    table = read_mmlu(SHARED / "routellm_mmlu")
    vectors = embed(table.prompt.tolist())
    quality, fold = table[PAIR].to_numpy(), np.arange(len(table)) % 5
    fold = np.random.default_rng(0).permutation(fold)
    judged = fold == 0
    python = os.environ.get("DETOUR_LLMROUTER_PYTHON")
    given = {"vectors": vectors, "quality": quality, "fold": fold}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if python:
            np.savez(folder / "given.npz", **given, judged=np.array([0]))
            script = str(Path(router_rivals.__file__))
            with (folder / "log").open("w") as log:
                subprocess.run([python, script, name], check=True, stdout=log, stderr=log)
            found = dict(np.load(folder / "found.npz"))
        else:
            found = router_rivals.run(router_rivals.alike, folder, *given.values(), [0])
    whose = "llmrouter-lib's" if python else "scikit-learn's in place of llmrouter-lib's"
    requests = pa.Table.from_pandas(table[["prompt", "subject"]], preserve_index=False)
    start = time.process_time()
    router = QualityRouter(PAIR, text="both")
    router.fit(requests.take(np.flatnonzero(~judged)), quality[~judged])
    seconds = time.process_time() - start
    predicted = router.predict(requests.take(np.flatnonzero(judged)))
    score, sides = predicted[:, 1] - predicted[:, 0], table[judged].reset_index(drop=True)
    ranked = quality[judged][np.argsort(-score, kind="stable")]
    print(f"{whose} routers on {int(judged.sum()):,} prompts of MMLU, learned from the others:")
    for kind in router_rivals.KINDS:
        right = found[kind][judged]
        strong = right[:, 1] > right[:, 0]
        share, got = strong.mean(), np.where(strong, quality[judged, 1], quality[judged, 0]).mean()
        sent = int(strong.sum())
        ours = (ranked[:sent, 1].sum() + ranked[sent:, 0].sum()) / len(ranked)
        fit, batch, one = found[f"{kind} seconds"]
        print(
            f"  {kind}: quality {got:.4f} with {share:.1%} strong calls, ours {ours:.4f} with as"
            f" many; APGR by its probabilities {area(right[:, 1] - right[:, 0], sides):.4f};"
            f" training {fit:.1f} processor s, {1 / batch:,.0f} rows/s, {1000 * one:.2f} ms for one"
        )
    print(
        f"  ours (logistic, words and embedding): APGR {area(score, sides):.4f}; training"
        f" {seconds:.1f} processor s, embedding included, which theirs are given"
    )


def times() -> None:
    """Seconds of training and prediction on all of MMLU."""
    table = read_mmlu(SHARED / "routellm_mmlu")
    requests = pa.Table.from_pandas(table[["prompt", "subject"]], preserve_index=False)
    quality = table[PAIR].to_numpy()
    few = requests.slice(0, 300)
    QualityRouter(PAIR).fit(few, quality[:300]).forecast(few)  # compile once
    embedding, work = best(lambda: embed(table.prompt.tolist()), 2)
    print(f"embedding of {len(table):,} prompts: {embedding:.2f} s ({work:.2f} s of a processor)")
    for head, text in HEADS:
        router = QualityRouter(PAIR, head=head, text=text)
        clock, work = best(lambda router=router: router.fit(requests, quality), 1)
        print(
            f"{head}, text {text}: training {clock:.1f} s ({work:.1f} s of a processor), embedding"
            " included (wanted at most 20 s with the default head)"
        )
        batch, work = best(lambda router=router: router.predict(requests), 3)
        known = router._features(requests)
        without, _ = best(lambda router=router, known=known: router._quality(known), 3)
        rows = [few.slice(i, 1) for i in range(100)]
        alone = [best(lambda router=router, row=row: router.forecast(row), 1)[0] for row in rows]
        print(
            f"  batch {len(table) / batch:,.0f} prompts/s (wanted 20,000;"
            f" {len(table) / work:,.0f} per processor second),"
            f" {len(table) / without:,.0f} with the features made;"
            f" one {1000 * float(np.median(alone)):.2f} ms (wanted 2)"
        )


def best(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """The shortest of some rounds, by the clock, and its processor seconds."""
    taken = []
    for _ in range(rounds):
        clock, spent = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - clock, time.process_time() - spent))
    return min(taken)


PARTS = {"mmlu": mmlu, "bfcl": curves, "rivals": rivals, "time": times}


def main(asked: list[str]) -> None:
    """Print the parts that were asked for, all if none."""
    if not (SHARED / "routellm_mmlu").is_dir():
        print(f"the real outcome data is not there: {SHARED}")
        return
    for name in asked or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
