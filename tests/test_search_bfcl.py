"""A search on real outcomes: the held-out numbers are those that pandas gives.

The expected values come from the CSV by pandas alone; of the toolkit's result only the policy and
the rows of the halves are read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.evaluate.search.search import Search, search
from toolkit.logs.datasets import Dataset, dataset_from_frame
from toolkit.policy import load_policy
from toolkit.policy.model import Policy

SONNET = "claude-3-5-sonnet-20240620"
ROUTES = str(Path(__file__).with_name("bfcl_routes.yaml"))


@pytest.fixture(scope="module")
def frame(bfcl_dir: Path) -> pd.DataFrame:
    """The file as it is."""
    return pd.read_csv(bfcl_dir / "bfcl_long.csv.gz")


@pytest.fixture(scope="module")
def bfcl(frame: pd.DataFrame) -> Dataset:
    """The file as a dataset."""
    long = frame.assign(latency_s=frame.latency_ms / 1000)
    columns = ["request_id", "category", "model", "quality", "input_tokens", "output_tokens"]
    return dataset_from_frame("bfcl", long[[*columns, "cost_usd", "latency_s", "error"]])


@pytest.fixture(scope="module")
def found(bfcl) -> Search:
    """Which model each step asks; limits of time and the rest stay as they are."""
    policy = load_policy(ROUTES)
    models = [f"chains.{name}.steps.{i}.model" for name in policy.chains for i in (0, 1)]
    return search(policy, bfcl, trials=700, only=models)


def played(policy: Policy, frame: pd.DataFrame) -> pd.DataFrame:
    """Quality and cost of each request, one model after the other."""
    category = frame.groupby("request_id", sort=False).category.first()
    total = pd.DataFrame({"quality": 0.0, "cost": 0.0}, index=category.index)
    chain = pd.Series(policy.default, index=category.index)
    for route in reversed(policy.routes):
        test = route.when.columns["category"]
        chain[category.isin(test.in_ or (test.eq,))] = route.use
    for name, written in policy.chains.items():
        waiting = chain.index[chain == name]
        follow = ("api_error",) if written.fallback_on else ("api_error", "invalid_output")
        for step in written.steps:
            of = frame[frame.model == policy.models[step.model].log].set_index("request_id")
            row = of.loc[waiting]
            total.loc[waiting, "cost"] += row.cost_usd
            total.loc[waiting, "quality"] = row.quality.where(row.error.isna(), 0.0)
            waiting = waiting[row.error.isin(follow)]
    return total


def test_tuned_and_held_out_agree_with_pandas(found, bfcl, frame):
    """Quality and cost of every candidate on either half."""
    ids = np.array(bfcl.requests["request_id"].to_pylist())
    for one in found.candidates:
        requests = played(one.policy, frame)
        for rows, part in ((found.split.tuning, one.tuned), (found.split.held_out, one.held_out)):
            mine = requests.loc[ids[rows]]
            assert part.quality.value == pytest.approx(mine.quality.mean())
            assert part.cost_usd_per_1k.value == pytest.approx(1000 * mine.cost.mean())
            assert part.quality.n == len(rows) == 850


def test_the_halves_have_the_same_categories(found, bfcl, frame):
    """Drawn within each category, as no request has a timestamp."""
    category = frame.groupby("request_id").category.first()
    ids = np.array(bfcl.requests["request_id"].to_pylist())
    assert not set(found.split.tuning) & set(found.split.held_out)
    sizes = [category[ids[r]].value_counts() for r in (found.split.tuning, found.split.held_out)]
    assert (sizes[0] - sizes[1]).abs().max() <= 1


def test_less_than_half_the_cost_of_the_best_single_model_and_no_telling_them_apart(
    found, bfcl, frame
):
    """On held-out requests the best candidate is about as good as the dear model.

    Which of the two is ahead by value depends on the halves: over many it is about even.
    """
    ids = np.array(bfcl.requests["request_id"].to_pylist())[found.split.held_out]
    alone = frame[frame.model == SONNET].set_index("request_id").loc[ids]
    quality = alone.quality.where(alone.error.isna(), 0)
    assert found.single.policy.policy == SONNET
    assert found.single.held_out.quality.value == pytest.approx(quality.mean())
    best = found.candidates[-1]
    mine = played(best.policy, frame).loc[ids]
    assert mine.cost.mean() < 0.5 * alone.cost_usd.mean()
    gain = mine.quality - quality
    assert best.against_single.quality.value == pytest.approx(gain.mean())
    assert not best.against_single.quality.distinguishable
    assert abs(gain.mean()) < 0.015
    assert best.against_single.cost_usd_per_1k.high < 0


def test_where_unreadable_answers_say_nothing_nothing_follows_from_them(found):
    """Requests without a fitting function keep a chain that does not go on after them."""
    for one in found.candidates:
        first = one.policy.routes[0]
        assert first.use == "abstain"
        assert "invalid_output" not in (one.policy.chains["abstain"].fallback_on or ())
