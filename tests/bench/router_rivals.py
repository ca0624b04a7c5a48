"""llmrouter-lib's kNN, SVM and MLP routers, run by an interpreter that has the package.

``python router_rivals.py FOLDER`` reads ``given.npz`` of the folder and writes ``found.npz``. It
imports nothing of this project, as that is not installed there. Each router learns which model
was the best for a request, the first of equal ones; models stand by rising cost, so that is the
cheapest. Its own trainer trains it, with the settings that its configuration files show; it is
given our embeddings in place of the Longformer's, which are to be fetched from the network.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
KINDS = ("kNN", "SVM", "MLP")
SETTINGS: dict[str, dict[str, Any]] = {
    "kNN": {"n_neighbors": 5, "weights": "uniform", "metric": "minkowski", "p": 2},
    "SVM": {"kernel": "rbf", "C": 1.0, "gamma": "scale", "probability": True},
    "MLP": {
        "hidden_layer_sizes": [128, 64],
        "activation": "relu",
        "lr": 0.001,
        "epochs": 100,
        "batch_size": 32,
        "alpha": 0.0001,
    },
}


def theirs(kind: str, folder: Path, vectors: Any, quality: Any) -> tuple[float, Callable[..., Any]]:
    """Processor seconds of training, and what makes P(model is the best) (n, m) of vectors."""
    import torch
    import yaml
    from llmrouter.models.knnrouter import KNNRouter, KNNRouterTrainer
    from llmrouter.models.mlprouter import MLPRouter, MLPTrainer
    from llmrouter.models.svmrouter import SVMRouter, SVMRouterTrainer

    router_of = {"kNN": KNNRouter, "SVM": SVMRouter, "MLP": MLPRouter}[kind]
    trainer_of = {"kNN": KNNRouterTrainer, "SVM": SVMRouterTrainer, "MLP": MLPTrainer}[kind]
    n, m = quality.shape
    rows = [
        {"query": f"{i:06d}", "model_name": str(j), "performance": quality[i, j], "embedding_id": i}
        for i in range(n)
        for j in range(m)
    ]
    log, kept, config = folder / "log.jsonl", folder / "vectors.pt", folder / "config.yaml"
    log.write_text("\n".join(map(json.dumps, rows)))
    torch.save(torch.from_numpy(vectors), kept)
    written = {
        "data_path": {"routing_data_train": str(log), "query_embedding_data": str(kept)},
        "model_path": {"ini_model_path": "", "save_model_path": str(folder / "model.pkl")},
        "hparam": SETTINGS[kind],
    }
    config.write_text(yaml.safe_dump(written))
    torch.manual_seed(0)
    router = router_of(str(config))
    trainer = trainer_of(router, device="cpu")
    start = time.process_time()
    trainer.train()
    seconds = time.process_time() - start
    names = [router.idx_to_model[i] for i in range(router.num_classes)] if kind == "MLP" else None

    def predict(given: Any) -> Any:
        out = np.zeros((len(given), m))
        if names is not None:
            with torch.no_grad():
                shares = torch.softmax(trainer.model(torch.from_numpy(given)), 1).numpy()
            out[:, [int(name) for name in names]] = shares
        else:
            shares = trainer.model.predict_proba(given)
            out[:, [int(name) for name in trainer.model.classes_]] = shares
        return out

    return seconds, predict


def alike(kind: str, folder: Path, vectors: Any, quality: Any) -> tuple[float, Callable[..., Any]]:
    """The same by scikit-learn's own of the same kind, where the package is not installed."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC

    del folder
    settings = SETTINGS[kind]
    best = quality.argmax(axis=1)
    start = time.process_time()
    if kind == "kNN":
        model: Any = KNeighborsClassifier(**settings).fit(vectors, best)
    elif kind == "MLP":
        sizes = {"hidden_layer_sizes": (128, 64), "batch_size": 32, "max_iter": 100}
        model = MLPClassifier(**sizes, random_state=0, n_iter_no_change=100).fit(vectors, best)
    else:
        model = SVC(kernel="rbf", C=1.0, gamma="scale").fit(vectors, best)
        margin = model.decision_function(vectors).reshape(len(vectors), -1)
        scale = LogisticRegression().fit(margin, best)
    seconds = time.process_time() - start

    def predict(given: Any) -> Any:
        out = np.zeros((len(given), quality.shape[1]))
        if kind == "SVM":
            shares = scale.predict_proba(model.decision_function(given).reshape(len(given), -1))
        else:
            shares = model.predict_proba(given)
        out[:, model.classes_] = shares
        return out

    return seconds, predict


def run(
    train: Callable[..., Any],
    folder: Path,
    vectors: Any,
    quality: Any,
    fold: Any,
    judged: list[int],
) -> dict[str, Any]:
    """Out-of-fold P(best) (n, m) per kind; seconds of training, per row of a batch, of one."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        out = np.full(quality.shape, np.nan)
        taken = []
        for k in judged:
            seconds, predict = train(kind, folder, vectors[fold != k], quality[fold != k])
            start = time.perf_counter()
            out[fold == k] = predict(vectors[fold == k])
            batch = (time.perf_counter() - start) / int((fold == k).sum())
            one = []
            for i in np.flatnonzero(fold == k)[:20]:
                start = time.perf_counter()
                predict(vectors[i : i + 1])
                one.append(time.perf_counter() - start)
            taken.append((seconds, batch, float(np.median(one))))
        found[kind] = out
        found[f"{kind} seconds"] = np.median(np.array(taken), axis=0)
    return found


if __name__ == "__main__":
    here = Path(sys.argv[1])
    given = np.load(here / "given.npz")
    what = (given["vectors"], given["quality"], given["fold"], given["judged"].tolist())
    np.savez(here / "found.npz", **run(theirs, here, *what))
