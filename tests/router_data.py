"""Real outcomes for routers, and what a router predicts of requests that it has not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from toolkit.evaluate.routers.folds import Folds
from toolkit.evaluate.routers.learning import take
from toolkit.learn.router import QualityRouter
from toolkit.logs.datasets import Dataset, dataset_from_frame

SIX = (
    "claude-3-5-sonnet-20240620",
    "claude-3-haiku-20240307",
    "gemini-1.5-flash-preview-0514",
    "gpt-4-turbo-2024-04-09",
    "gpt-4o-mini-2024-07-18",
    "open-mixtral-8x22b",
)


def bfcl(folder: Path, models: tuple[str, ...] = SIX) -> Dataset:
    """1,700 requests with prompts, some models."""
    long = pd.read_csv(folder / "bfcl_long.csv.gz")
    long = long[long.model.isin(models)]
    prompts = pd.read_csv(folder / "bfcl_prompts.csv.gz").drop(columns="category")
    columns = ["request_id", "category", "model", "quality", "input_tokens", "output_tokens"]
    return dataset_from_frame("bfcl", long[[*columns, "cost_usd", "error"]], prompts)


def mmlu(folder: Path, n: int, seed: int = 0) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """Some of the prompts with the grades of a weak and a strong model; made-up prices."""
    frames = []
    for file in sorted((folder / "routellm_mmlu" / "responses").glob("*.csv")):
        frame = pd.read_csv(file)
        frame["subject"] = file.stem
        frames.append(frame)
    every = pd.concat(frames, ignore_index=True)
    every.columns = ["prompt", "weak", "strong", "subject"]
    some = every.sample(n, random_state=seed)
    quality = some[["weak", "strong"]].to_numpy(np.float64)
    length = some.prompt.str.len().to_numpy()[:, None]
    table = pa.table({name: some[name].tolist() for name in ("prompt", "subject")})
    return table, quality, length * np.array([1e-7, 2e-6])


def dealt(n: int, folds: int = 5, seed: int = 0) -> Folds:
    """Folds at random."""
    code = np.random.default_rng(seed).permutation(n) % folds
    return Folds("random", code, n, 1, "")


def out_of_fold(
    requests: pa.Table, quality: np.ndarray, cost_usd: np.ndarray, folds: Folds
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and expected costs (n, m) by routers that did not see the request."""
    predicted, cost = np.full(quality.shape, np.nan), np.full(quality.shape, np.nan)
    for fold in range(folds.count):
        rows, judged = folds.training(fold), folds.judged(fold)
        router = QualityRouter(head="logistic")
        router.fit(take(requests, rows), quality[rows], cost_usd=cost_usd[rows])
        here = take(requests, judged)
        predicted[judged], cost[judged] = router.predict(here), router.predict_cost(here)
    return predicted, cost
