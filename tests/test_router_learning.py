"""Learning curve, importance and slices where the truth is known, by a router of few lines."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from tests.router_data import bfcl, dealt
from toolkit.evaluate.groups import Groups
from toolkit.evaluate.intervals import Estimate
from toolkit.evaluate.routers.arms import Arm
from toolkit.evaluate.routers.importance import Importance, importance, joint, same
from toolkit.evaluate.routers.learning import judge, learning_curve, take
from toolkit.evaluate.routers.net import log_loss, net_quality, prices
from toolkit.evaluate.routers.slices import slices
from toolkit.learn.choose import first
from toolkit.learn.router import QualityRouter
from toolkit.policy.router_rule import RouterRule

COSTS = np.array([1e-4, 1e-3])


class Plain:
    """A logistic regression per model on every column but the id; costs are the means."""

    def fit(self, X, y, sample_weight=None, *, cost_usd):
        x = self._numbers(X)
        self.cost = np.nanmean(cost_usd, axis=0)
        self.heads = []
        for j in range(y.shape[1]):
            rows = ~np.isnan(y[:, j])
            w = None if sample_weight is None else sample_weight[rows, j]
            self.heads.append(LogisticRegression(C=1.0).fit(x[rows], y[rows, j], w))
        return self

    def predict(self, X):
        return np.stack([h.predict_proba(self._numbers(X))[:, 1] for h in self.heads], axis=1)

    def predict_cost(self, X):
        return np.tile(self.cost, (X.num_rows, 1))

    def _numbers(self, X):
        return np.stack(
            [X[c].to_numpy().astype(float) for c in X.column_names if c != "id"], axis=1
        )


def _world(n, weights, seed=0):
    """Requests with standard normal columns, whose sum by ``weights`` tells if small suffices."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, len(weights)))
    small = rng.random(n) < 1 / (1 + np.exp(-(1 + x @ np.asarray(weights))))
    large = rng.random(n) < 0.92
    table = pa.table({f"x{j}": x[:, j] for j in range(x.shape[1])})
    return table, np.stack([small, large], axis=1).astype(float), np.tile(COSTS, (n, 1))


def _loop(p, expected, y, cost, at):
    """Net quality by an obvious loop."""
    total = 0.0
    for price in at:
        worth = [100 * p[j] * price - 1000 * expected[j] for j in range(len(p))]
        j = int(np.argmax(worth))
        total += y[j] - 1000 * cost[j] / (100 * price)
    return total / len(at)


def test_net_quality_is_that_of_a_loop():
    """Quality less cost at each price, of the model that the predictions choose."""
    rng = np.random.default_rng(0)
    p, y = rng.random((50, 3)), rng.random((50, 3))
    cost = rng.random((50, 3)) * 1e-3
    at = np.array([0.001, 0.01, 0.1])
    found = net_quality(p, cost, y, cost, at)
    assert found == pytest.approx([_loop(*row, at) for row in zip(p, cost, y, cost, strict=True)])
    assert net_quality(p, cost, y, cost, at[:0]) == pytest.approx(y[np.arange(50), p.argmax(1)])


def test_prices_span_what_single_models_ask_for_a_point():
    """From half the smallest slope of their hull to twice the largest; none without costs."""
    quality = np.array([[0.7, 0.8, 0.72, 0.85]] * 10)
    cost = np.array([[1.0, 2.0, 3.0, 9.0]] * 10) * 1e-3
    at = prices(quality, cost)
    slopes = [1e-3 * 1000 / 10, 7e-3 * 1000 / 5]  # USD per 1,000 requests and point
    assert at[[0, -1]] == pytest.approx([slopes[0] / 2, slopes[1] * 2])
    assert np.diff(np.log(at)) == pytest.approx(np.diff(np.log(at))[0])
    assert not len(prices(quality, np.full(cost.shape, np.nan)))
    assert not len(prices(quality[:, ::-1], cost))  # the cheapest is the best


def test_at_prices_beyond_all_the_cheapest_or_the_best_is_asked():
    """The curve is covered: at its ends predictions that do not differ choose one model."""
    at = prices(np.array([[0.6, 0.9]]), COSTS[None])
    for price, asked in ((at[0], 0), (at[-1], 1)):
        rule = RouterRule(name="x", tradeoff_usd_per_point=float(price))
        assert first(np.array([[0.6, 0.9]]), COSTS[None], rule)[0] == asked


def test_log_loss_leaves_out_what_was_not_graded():
    """The mean over the models with a grade; weights of 0 are as no grade."""
    p, y = np.array([[0.8, 0.4], [0.5, 0.5]]), np.array([[1.0, np.nan], [np.nan, np.nan]])
    found = log_loss(p, y)
    assert found[0] == pytest.approx(-math.log(0.8))
    assert math.isnan(found[1])
    both = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert log_loss(p, both, np.array([[0.0, 1.0]] * 2))[0] == pytest.approx(-math.log(0.6))


def test_where_much_is_to_learn_more_data_would_help():
    """Forty columns that matter and few requests: every doubling gains."""
    x, y, cost = _world(1_200, [0.35] * 40)
    done: list[tuple[int, int]] = []
    told = lambda *at: done.append(at)  # noqa: E731
    found = learning_curve(Plain, x, y, cost, dealt(1_200), progress=told)
    assert found.more_helps is True
    assert found.measure == "net_quality"
    assert found.sizes == (60, 120, 240, 480, 960)
    assert [e.value for e in found.score] == sorted(e.value for e in found.score)
    assert found.words.startswith("More data would help: from 480 to 960 requests")
    gained = 100 * found.steps[-1].value
    assert f"(1,920) should bring some more, up to about {gained:.1f} points." in found.words
    assert done == [(i + 1, 15) for i in range(15)]


def test_where_little_is_to_learn_more_data_would_not_help():
    """One column that matters: the last doubling surely gains less than a fifth of a point."""
    x, y, cost = _world(20_000, [2.0])
    found = learning_curve(Plain, x, y, cost, dealt(20_000))
    assert found.more_helps is False
    assert found.words.startswith("More data would hardly help: from 8,000 to 16,000 requests")
    most = 100 * max(found.steps[-1].high, 0.0)
    assert found.words.endswith(
        f"twice as many again (32,000) should bring no more than about {most:.1f} points."
    )


def test_a_step_is_paired_and_judged_by_its_interval():
    """Unless the last step is surely a gain or surely a trifle, nobody can tell."""
    rng = np.random.default_rng(0)
    base, loss = rng.random(400), np.full((3, 400), 0.5)
    noise = rng.normal(0, 0.3, 400)
    cases = ((0.05 + noise * 0.1, True), (noise * 0.001, False), (0.002 + noise, None))
    for gain, answer in cases:
        net = np.stack([base - 0.1, base, base + gain])
        found = judge([10, 20, 40], net, loss)
        assert found.more_helps is answer
        assert found.steps[-1].value == pytest.approx(gain.mean())
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [row["n"] for row in told["sizes"]] == [10, 20, 40]
    assert told["more_helps"] is None


def test_predictions_that_improve_without_better_choices_are_told_of():
    """Whoever sees flat choices learns that the probabilities still came nearer the truth."""
    rng = np.random.default_rng(1)
    net = rng.random(500) + rng.normal(0, 0.4, (2, 500))
    loss = np.stack([np.full(500, 0.5), np.full(500, 0.45) + rng.normal(0, 0.05, 500)])
    found = judge([100, 200], net, loss)
    assert found.more_helps is None
    assert "came nearer the truth (log loss lower by 0.0463 [" in found.words


def test_a_log_of_one_outcome_per_request_is_judged_by_log_loss():
    """What other choices would have earned is not known there."""
    x, y, cost = _world(2_000, [0.3] * 20)
    served = np.random.default_rng(0).integers(0, 2, 2_000)
    hidden = np.arange(2) != served[:, None]
    y, cost = np.where(hidden, np.nan, y), np.where(hidden, np.nan, cost)
    weight = np.where(hidden, 0.0, 1.0)
    found = learning_curve(Plain, x, y, cost, dealt(2_000), weight=weight)
    assert found.measure == "log_loss"
    assert found.steps[0].low > 0
    assert "the log loss of its predictions fell by" in found.words


def test_too_few_requests_give_no_curve():
    """Two sizes of thirty requests are the least."""
    x, y, cost = _world(40, [1.0])
    assert learning_curve(Plain, x, y, cost, dealt(40)) is None


def test_learning_on_real_requests_goes_down_in_log_loss(bfcl_dir):
    """The learned router itself on BFCL: predictions improve over the whole curve."""
    data = bfcl(bfcl_dir)

    def make():
        return QualityRouter(text=None, columns=["category", "n_functions", "input_tokens"])

    x, folds = data.requests, dealt(data.n_requests)
    found = learning_curve(make, x, data.quality, data.cost_usd, folds, most_folds=2)
    loss = [e.value for e in found.log_loss]
    assert loss[-1] < loss[0] - 0.02
    assert found.sizes[-1] == 1_360


def _fitted(x, y, cost, folds):
    """A router of each fold."""
    return [
        Plain().fit(take(x, rows), y[rows], cost_usd=cost[rows])
        for rows in map(folds.training, range(folds.count))
    ]


def test_what_matters_is_important_and_what_does_not_is_not():
    """The column that decides comes first; noise has an interval around 0."""
    x, y, cost = _world(2_000, [2.0, 0.0, 0.7])
    folds = dealt(2_000)
    routers = _fitted(x, y, cost, folds)
    found = importance(routers, x, y, cost, folds, x.column_names)
    assert [one.name for one in found] == ["x0", "x2", "x1"]
    big, some, none = found
    assert big.drop.low > 0.02
    assert big.log_loss_rise.low > some.log_loss_rise.high
    assert none.drop.low < 0.002
    assert abs(none.log_loss_rise.value) < 0.005
    assert all(one.spread > 0 for one in found)
    assert json.loads(json.dumps(big.to_dict(), allow_nan=False))["columns"] == ["x0"]


def test_a_loss_that_may_be_chance_is_not_told_as_a_fact():
    """An interval that leaves out 0 is needed to say that quality is lost."""
    lost = Importance(("a",), Estimate(0.02, 0.01, 0.03), 0.0, Estimate(0.1, 0.05, 0.2), ())
    chance = Importance(("b",), Estimate(0.006, -0.001, 0.01), 0.0, Estimate(-0.1, -0.2, 0.1), ())
    assert lost.words.startswith("Without a: −2.0 points [−3.0, −1.0] of quality at equal cost, ")
    assert chance.words == (
        "Without b the choices are not surely worse (−0.6 points [−1.0, +0.1] of quality at equal"
        " cost, log loss −0.100 [−0.200, 0.100])."
    )


def test_a_prompt_that_is_not_read_is_not_shuffled():
    """Of a router without text, that it reads nothing of the prompt is known beforehand."""
    x, y, cost = _world(600, [2.0])
    x = x.append_column("prompt", pa.array([f"say {i}" for i in range(600)]))
    folds = dealt(600)
    routers = [
        QualityRouter(text=None, columns=["x0"]).fit(take(x, rows), y[rows], cost_usd=cost[rows])
        for rows in map(folds.training, range(folds.count))
    ]
    found = importance(routers, x, y, cost, folds, x.column_names, repeats=1)
    assert [one.name for one in found] == ["x0"]


def test_columns_that_say_the_same_are_named_and_shuffled_together():
    """Each of two copies looks half as important; together they do not."""
    x, y, cost = _world(1_500, [2.0])
    x = x.append_column("copy", x["x0"])
    folds = dealt(1_500)
    found = {
        one.name: one
        for one in importance(_fitted(x, y, cost, folds), x, y, cost, folds, x.column_names)
    }
    assert found["x0"].same_as == ("copy",)
    assert found["copy"].same_as == ("x0",)
    assert "understates" in found["x0"].words
    assert found["x0 + copy"].same_as == ()
    assert found["x0 + copy"].log_loss_rise.low > found["x0"].log_loss_rise.high


def test_alike_are_numbers_that_rise_together_and_texts_that_go_together():
    """A prompt stands for its length in what follows from it, and has a row of its own."""
    rng = np.random.default_rng(0)
    words = rng.integers(1, 200, 500)
    table = pa.table(
        {
            "prompt": ["a " * k for k in words],
            "prompt_chars": words * 2,
            "tenant": [f"t{k % 5}" for k in range(500)],
            "plan": [f"p{k % 5}" for k in range(500)],
            "other": rng.integers(0, 5, 500),
        }
    )
    alike = same(table, table.column_names)
    assert alike["prompt_chars"] == {"prompt"}
    assert alike["prompt"] == set()
    assert alike["tenant"] == {"plan"}
    assert alike["other"] == set()
    assert joint(table.column_names, alike) == [("tenant", "plan")]


def _slices(effect, n=4_000, seed=0):
    """A router that is worse by ``effect`` in group g0 of twenty, and no different elsewhere."""
    rng = np.random.default_rng(seed)
    code = rng.integers(0, 20, n)
    by = Groups("group", code, tuple(f"g{j}" for j in range(20)))
    rival = (rng.random(n) < 0.8).astype(float)
    own = np.where(rng.random(n) < 0.9, rival, (rng.random(n) < 0.8).astype(float))
    own = np.where((code == 0) & (rng.random(n) < effect), 0.0, own)
    cost = np.full(n, 1e-3)
    return code, slices([by], Arm("learned", own, cost), [Arm("large", rival, 2 * cost)])


def test_the_slice_where_the_router_is_worse_is_found():
    """And differences and costs are plain means of the group."""
    code, found = _slices(0.4)
    part, against = found.found[0]
    assert (part.column, part.name, against.rival) == ("group", "g0", "large")
    assert against.quality.high < 0
    assert against.cost_usd_per_1k.value == pytest.approx(-1.0)
    assert part.requests == (code == 0).sum()
    assert "worse in 1 of 20 groups (in group = g0" in found.words[0]
    frame = found.to_pandas()
    assert len(frame) == 20
    assert json.dumps(found.to_dict(), allow_nan=False)


def test_all_are_held_against_each_other_at_one_cost():
    """In each group the setting that costs there what the rival does, as an obvious loop finds."""
    rng = np.random.default_rng(3)
    code = np.repeat([0, 1], 300)
    by = Groups("group", code, ("a", "b"))
    rival = Arm("large", rng.random(600), np.where(code == 0, 1e-3, 5e-3))
    price = np.array([0.0, 0.9e-3, 2e-3, 4.8e-3])
    router = Arm("set", rng.random((4, 600)), np.repeat(price[:, None], 600, axis=1))
    table = Arm("table", rng.random((2, 600)), np.array([[0.5e-3] * 600, [5e-3] * 600]))
    found = slices([by], router, [rival, table])
    for part, j, mine, theirs in ((found.parts[0], 0, 1, 0), (found.parts[1], 1, 3, 1)):
        rows = code == j
        own = router.quality[mine, rows].mean()
        assert part.quality.value == pytest.approx(own)
        assert part.cost_usd_per_1k.value == pytest.approx(1_000 * price[mine])
        large, looked = part.against
        assert large.quality.value == pytest.approx(own - rival.quality[rows].mean())
        assert looked.quality.value == pytest.approx(own - table.quality[theirs, rows].mean())


def test_a_difference_of_costs_is_told_only_where_there_is_one():
    """A rival at half the price, or at twice, is named with what it costs more or less."""
    assert " at −$1.00 [" in _slices(0.4)[1].words[0]
    rng = np.random.default_rng(0)
    quality, cost = rng.random(200), np.full(200, 1e-3)
    by = Groups("group", np.zeros(200, int), ("all",))
    found = slices([by], Arm("set", quality, cost), [Arm("large", quality - 0.2, 1.05 * cost)])
    assert found.words == (
        (
            "Against large at about equal cost the router is better in 1 of 1 group (in group ="
            " all, +20.0 points [+20.0, +20.0])."
        ),
    )


def test_where_nothing_differs_nearly_nothing_is_called():
    """Of 40 tables of twenty equal groups hardly one has a call."""
    called = [len(_slices(0.0, seed=seed)[1].found) for seed in range(40)]
    assert np.mean(np.array(called) > 0) <= 0.125


def test_sizes_double():
    """Each size is twice the one before, so that steps can be compared."""
    x, y, cost = _world(960, [1.0, 1.0])
    found = learning_curve(Plain, x, y, cost, dealt(960))
    assert all(b == pytest.approx(2 * a, abs=1) for a, b in pairwise(found.sizes))


def test_what_was_trained_before_need_not_be_trained_again():
    """The out-of-fold predictions of routers on all requests are the last size."""
    x, y, cost = _world(600, [1.0, 1.0])
    folds = dealt(600)
    full = np.full(y.shape, np.nan), np.full(y.shape, np.nan)
    for fold, router in enumerate(_fitted(x, y, cost, folds)):
        here = take(x, folds.judged(fold))
        full[0][folds.judged(fold)] = router.predict(here)
        full[1][folds.judged(fold)] = router.predict_cost(here)
    made = []

    def make():
        made.append(1)
        return Plain()

    short = learning_curve(make, x, y, cost, folds, full=full)
    assert len(made) == 3 * (len(short.sizes) - 1)
    whole = learning_curve(Plain, x, y, cost, folds)
    assert [e.value for e in short.score] == pytest.approx([e.value for e in whole.score])


def test_of_many_requests_some_are_dealt_out(monkeypatch):
    """Importance is judged on as many as the limit says, evenly from all folds."""
    monkeypatch.setattr("toolkit.evaluate.routers.importance.MOST_ROWS", 400)
    x, y, cost = _world(2_000, [2.0, 0.0])
    folds = dealt(2_000)
    found = importance(_fitted(x, y, cost, folds), x, y, cost, folds, x.column_names)
    assert [one.drop.n for one in found] == [400, 400]
    assert found[0].name == "x0"
