"""What a cache saves and gets wrong, per threshold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import wordllama
from typer.testing import CliRunner

from tests.small_logs import log
from toolkit.cli import app
from toolkit.engine.replay import replay
from toolkit.errors import DataError, PolicyError
from toolkit.evaluate.cache_roc import cache_roc
from toolkit.evaluate.intervals import wilson
from toolkit.figures.cache_roc import cache_roc_figure
from toolkit.logs.datasets import dataset_from_frame, load_dataset
from toolkit.policy.guards import Cache
from toolkit.policy.model import Policy

FACTS = [
    ("What is the capital of France?", "Paris"),
    ("How many legs does a spider have?", "8"),
    ("Translate the word bread into German.", "Brot"),
    ("Is this review positive: the shoes fell apart at once", "negative"),
    ("Convert twelve kilometres to miles, please.", "7.46"),
    ("Who wrote the novel Moby-Dick?", "Melville"),
    ("At which temperature does water boil?", "100"),
    ("Name the largest planet of the solar system.", "Jupiter"),
]


def asked(prompts, quality=1.0, *, reference=None, model_cost=0.001, **columns):
    """A log of one model that was asked these prompts, a second apart."""
    quality = np.broadcast_to(np.asarray(quality, float), len(prompts))
    small = log(quality[:, None], cost_usd=model_cost)
    table = small.requests.append_column("prompt", pa.array(prompts, pa.string()))
    if reference is not None:
        table = table.append_column("reference", pa.array(reference, pa.string()))
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values))
    return replace(small, requests=table)


def at(roc, threshold):
    """The point of one threshold."""
    return next(point for point in roc.points if point.threshold == threshold)


@pytest.fixture(scope="module")
def local():
    """The bundled dataset."""
    return load_dataset("local")


@pytest.fixture(scope="module")
def of_local(local):
    """Its curve."""
    return cache_roc(local)


@pytest.mark.parametrize("threshold", [0.6, 0.9, 0.95])
def test_real_prompts_agree_with_an_obvious_loop(local, of_local, threshold):
    """Hits, savings and wrong answers are those of a loop with WordLlama's own vectors."""
    folder = Path(wordllama.__file__).parent
    model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
    frame = local.requests.to_pandas().reset_index(names="row")
    frame["prompt"] = frame.prompt.str.split().str.join(" ")
    vectors = model.embed(frame.prompt.tolist(), norm=True)
    cosine = vectors @ vectors.T
    column = local.models.index(of_local.model)
    assert of_local.model == local.models[np.nanmean(local.quality, axis=0).argmax()]
    quality, cost = local.quality[:, column], local.cost_usd[:, column]

    stored, wrong, other, saved = [], [], [], 0.0
    for row in frame.sort_values(["timestamp", "row"]).row:
        near = [one for one in stored if cosine[row, one] >= threshold]
        if near:
            best = max(near, key=lambda one: cosine[row, one])
            same = frame.reference[best] == frame.reference[row]
            wrong.append(1 - quality[best] if same else 1.0)
            other.append(not same)
            saved += cost[row]
        elif local.error[row, column] == 0:
            stored.append(row)

    point = at(of_local, threshold)
    assert point.hits == len(wrong)
    assert point.hit_rate.value == len(wrong) / 1313
    assert point.wrong_rate.value == pytest.approx(np.mean(wrong))
    assert point.other_answer_rate.value == pytest.approx(np.mean(other))
    assert (point.hit_rate.low, point.hit_rate.high) == wilson(point.hit_rate.value, 1313)
    assert (point.wrong_rate.low, point.wrong_rate.high) == wilson(np.mean(wrong), len(wrong))
    assert point.saved_usd_per_1k.value == pytest.approx(1000 * saved / 1313)
    assert point.saved_share.value == pytest.approx(saved / cost.sum())
    assert point.saved_share.low < point.saved_share.value < point.saved_share.high


@pytest.mark.parametrize("kind", ["exact", "semantic"])
def test_a_replay_with_instant_models_agrees(local, kind):
    """The engine's own cache has the same hits, costs and qualities when calls take no time."""
    instant = replace(local, latency_s=np.zeros_like(local.latency_s))
    cache = Cache(kind=kind, threshold=0.8, ttl_s=500.0, max_entries=300, key=("category",))
    roc = cache_roc(instant, [0.8], cache=cache)
    point = roc.exact if kind == "exact" else roc.points[0]
    single = Policy.single(roc.model).to_data()
    done = replay(Policy.model_validate(single | {"cache": cache.to_data()}), instant)
    assert point.hits == done.cached.sum() > 100
    alone = local.cost_usd[:, local.models.index(roc.model)].mean()
    assert point.saved_usd_per_1k.value == pytest.approx(1000 * (alone - done.cost_usd.mean()))
    assert point.wrong_rate.value == pytest.approx(1 - np.nanmean(done.quality[done.cached]))


def test_the_bundled_prompts_are_a_trap(of_local):
    """They are alike and differ in one word that decides: no threshold is recommended."""
    assert of_local.exact.hits == 0
    assert of_local.recommended is None
    assert of_local.recommended_alone is None
    assert at(of_local, 0.9).other_answer_rate.low > 0.9
    assert "No threshold can be recommended" in of_local.verdict
    assert "at best, at 0.99" in of_local.reason
    assert any("agree by chance" in line for line in of_local.caveats)


def test_a_log_checked_by_eye():
    """Repeats are hits with the first answer's quality; a failure is not stored."""
    prompts = ["a cat", "a cat", "boats", "a cat", None, None, "boats"]
    dataset = asked(prompts, [0, 1, 1, 1, 1, 1, 1], reference=["1", "1", "2", "1", "3", "3", "9"])
    exact = cache_roc(dataset).exact
    assert (exact.hits, exact.hit_rate.value) == (3, 3 / 7)
    # Twice the wrong answer to the cat, once the right answer to another question on boats.
    assert exact.wrong_rate.value == 1
    assert exact.other_answer_rate.value == pytest.approx(1 / 3)
    assert exact.saved_usd_per_1k.value == pytest.approx(3 / 7)
    failed = replace(dataset, error=np.array([[1], [0], [0], [0], [0], [0], [0]], np.int8))
    again = cache_roc(failed).exact
    assert again.hits == 2
    assert again.wrong_rate.value == 0.5


def test_scope_age_size_and_price_count():
    """A stated cache keeps tenants apart, forgets, and its look-ups are paid."""
    prompts = ["cat", "boat", "cat", "cat", "boat"]
    dataset = asked(prompts, tenant=["x", "x", "y", "x", "x"])

    def hits(**settings):
        return cache_roc(dataset, cache=Cache(**settings)).exact.hits

    assert hits() == 2
    assert hits(scope=()) == 3
    assert hits(ttl_s=2.5) == 0
    assert hits(ttl_s=3) == 2
    assert hits(max_entries=1) == 0
    exact = cache_roc(dataset, cache=Cache(cost_usd=0.0005)).exact
    assert exact.saved_usd_per_1k.value == pytest.approx(1000 * (2 * 0.001 - 5 * 0.0005) / 5)
    assert exact.saved_share.value == pytest.approx(-0.1)


def test_requests_come_in_the_order_of_their_times():
    """The earlier request is answered by the model, wherever its row stands."""
    times = pd.to_datetime(["2026-01-01 10:00", "2026-01-01 09:00"], utc=True)
    dataset = asked(["same", "same"], [1, 0], reference=["1", "1"], timestamp=times)
    assert cache_roc(dataset).exact.wrong_rate.value == 1


def test_without_right_answers_repeats_do_not_speak_for_the_others():
    """500 right repeats are no reason to recommend a threshold whose other hits nobody knows."""
    prompts = ["What is the capital of France?"] * 500 + ["the capital of France", "France capital"]
    roc = cache_roc(asked(prompts), [0.6, 0.9])
    assert roc.exact.wrong_rate.value == 0
    assert roc.exact.wrong_rate.n == 499
    assert at(roc, 0.6).hits > 499
    assert at(roc, 0.6).unknown_share == 1
    assert np.isnan(at(roc, 0.6).wrong_rate.value)
    assert roc.recommended is None
    assert "nobody knows which hits are wrong" in roc.verdict
    assert any("neither right nor wrong" in line for line in roc.caveats)


def paraphrased(times=60):
    """Each fact asked in two ways, many times: alike enough at 0.7, and never alike otherwise."""
    prompts, references = [], []
    for i in range(times):
        for prompt, reference in FACTS:
            prompts.append(prompt if i % 2 else f"Please: {prompt}")
            references.append(reference)
    return asked(prompts, reference=references)


def test_the_lowest_threshold_that_is_surely_tolerable_is_recommended():
    """Enough hits without a mistake recommend the lowest threshold, too few recommend none."""
    roc = cache_roc(paraphrased(), [0.5, 0.6, 0.7, 0.9])
    assert roc.recommended == 0.5
    assert roc.recommended == roc.recommended_alone
    assert at(roc, 0.5).wrong_rate.high <= 0.01
    assert at(roc, 0.5).hits == 60 * 8 - 8
    assert "a semantic cache needs a similarity of 0.5" in roc.verdict
    few = cache_roc(paraphrased(20), [0.5, 0.6])
    assert few.recommended is None
    assert "too few to be sure: it takes 381 hits without a mistake" in few.reason
    assert cache_roc(paraphrased(20), [0.5, 0.6], tolerance=0.05).recommended == 0.5


def test_a_models_own_mistakes_are_not_the_caches():
    """With a model that is often wrong only what the cache adds is recommended on."""
    dataset = paraphrased()
    wrong = np.zeros((dataset.n_requests, 1))
    wrong[::3] = 1
    roc = cache_roc(replace(dataset, quality=wrong), [0.5, 0.7])
    assert roc.recommended is None
    assert roc.recommended_alone == 0.5
    assert "(without a cache the model is wrong on 66.7 % of requests)" in roc.reason
    assert "Of what is wrong through the cache alone, 0.5 keeps within that" in roc.verdict


def test_luck_recommends_nothing():
    """A threshold that passes is not recommended where a higher one is surely worse."""
    first = "How many legs does a spider have?"
    second = "How many legs does a spider really have?"
    third = "How many legs does a spider have, really?"
    # At 0.99 the second is served from the first and never stored, so it cannot mislead the third.
    dataset = asked([first, second] + [third] * 500, reference=["8", "9"] + ["8"] * 500)
    roc = cache_roc(dataset, [0.99, 0.997])
    assert [point.wrong_rate.value for point in roc.points] == pytest.approx([1 / 501, 1.0])
    assert roc.points[0].wrong_rate.high < 0.02
    assert cache_roc(dataset, [0.99], tolerance=0.02).recommended == 0.99
    roc = cache_roc(dataset, [0.99, 0.997], tolerance=0.02)
    assert roc.recommended is None
    assert roc.points[1].pairs == 1
    assert any("500 hits" in line and "1 pair" in line for line in roc.caveats)


def test_nothing_alike_is_said():
    """Where no request is like another the verdict says so, and the figure too."""
    roc = cache_roc(asked([prompt for prompt, _ in FACTS]), [0.9])
    assert "repeats an earlier one or is like it (similarity 0.9 or more)" in roc.verdict
    assert "would save nothing" in roc.verdict
    assert [a.text for a in roc.figure().layout.annotations] != []
    assert cache_roc(asked([]), [0.9]).exact.hits == 0


def test_only_observed_requests_take_part():
    """What the model was not asked is left out, and said."""
    dataset = asked(["a", "a", "a"], reference=["1", "1", "1"])
    observed = np.array([[False], [True], [True]])
    roc = cache_roc(replace(dataset, observed=observed))
    assert (roc.requests, roc.exact.hits) == (2, 1)
    assert roc.exact.hit_rate.value == 0.5
    assert any("1 requests without an outcome" in line for line in roc.caveats)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "z"}, "has no model 'z'; allowed: 'a'"),
        ({"thresholds": [0.4]}, r"thresholds: got \[0.4\]; allowed: numbers from 0.5 to 1"),
        ({"thresholds": []}, "thresholds"),
        ({"tolerance": 0}, "tolerance: got 0"),
        ({"cache": Cache(scope=("nope",))}, r"cache\.scope"),
    ],
)
def test_wrong_options_are_errors(options, message):
    """What cannot be tried is named."""
    with pytest.raises((DataError, PolicyError), match=message):
        cache_roc(asked(["a"]), **options)


def test_a_dataset_without_prompts_is_an_error():
    """A cache has nothing to compare there."""
    with pytest.raises(DataError, match="a cache compares prompts, and its requests have none"):
        cache_roc(log([[1.0]]))


def test_results_in_all_forms(of_local):
    """JSON, a frame and HTML hold the same points."""
    data = json.loads(json.dumps(of_local.to_dict(), allow_nan=False))
    first = of_local.points[0]
    assert [one["threshold"] for one in data["points"]] == [p.threshold for p in of_local.points]
    assert data["recommended"] is None
    assert data["exact"]["threshold"] is None
    assert data["points"][0]["hit_rate_ci95"] == [first.hit_rate.low, first.hit_rate.high]
    frame = of_local.to_pandas()
    assert frame.kind.tolist() == ["semantic"] * len(of_local.points) + ["exact"]
    assert frame.hit_rate[0] == first.hit_rate.value
    assert frame.wrong_rate_high[0] == first.wrong_rate.high
    assert of_local.verdict in of_local._repr_html_()
    alone = cache_roc(load_dataset("local"), [0.9]).points[0]
    assert (alone.hits, alone.wrong_rate) == (at(of_local, 0.9).hits, at(of_local, 0.9).wrong_rate)


def test_the_figure_shows_each_point(of_local):
    """Hit rate and saved share over wrong hits, with intervals; the recommended point is ringed."""
    saved, hits = of_local.figure().data
    assert list(hits.x) == [point.wrong_rate.value for point in of_local.points]
    assert list(hits.y) == [point.hit_rate.value for point in of_local.points]
    assert list(saved.y) == [point.saved_share.value for point in of_local.points]
    assert hits.error_x.array[0] == pytest.approx(
        of_local.points[0].wrong_rate.high - of_local.points[0].wrong_rate.value
    )
    alone = cache_roc_figure(of_local, alone=True)
    assert list(alone.data[0].x) == [point.other_answer_rate.value for point in of_local.points]
    names = [trace.name for trace in cache_roc(paraphrased(), [0.5, 0.9]).figure().data]
    assert names == [
        "saved share of the cost",
        "hit rate, by threshold",
        "recommended: 0.5",
        "exact cache",
    ]
    unknown = cache_roc(asked(["the boat", "a boat", "boats"]), [0.5, 0.6]).figure()
    assert list(unknown.data[0].x) == [0.5, 0.6]


def test_bfcl_repeats_agree_with_pandas(bfcl_dir):
    """Exact hits are the repeated prompts, and their mistakes those of the first answer."""
    model = "gpt-4o-mini-2024-07-18"
    frame = pd.read_csv(bfcl_dir / "bfcl_long.csv.gz")
    frame = frame[frame.model == model]
    prompts = pd.read_csv(bfcl_dir / "bfcl_prompts.csv.gz")[["request_id", "prompt"]]
    frame = frame.merge(prompts, on="request_id")
    columns = ["request_id", "category", "prompt", "model", "quality", "cost_usd"]
    dataset = dataset_from_frame("bfcl", frame[columns])
    frame = frame.set_index("request_id").loc[dataset.requests["request_id"].to_pylist()]
    key = frame.prompt.str.split().str.join(" ")
    repeated = key.duplicated()
    first = frame.quality.groupby(key).transform("first")
    roc = cache_roc(dataset, [0.9])
    assert roc.distinct == key.nunique()
    assert roc.exact.hits == repeated.sum() > 90
    assert roc.exact.wrong_rate.value == pytest.approx(1 - first[repeated].mean())
    assert roc.exact.saved_share.value == pytest.approx(
        frame.cost_usd[repeated].sum() / frame.cost_usd.sum()
    )
    assert at(roc, 0.9).unknown_share == 1


def test_the_command(lab):
    """It prints the verdict and the table, or one JSON object; a mistake ends in a message."""
    run = CliRunner().invoke
    shown = run(app, ["cache-roc", "--dataset", "local", "--model", "gemma3-few-shot"])
    assert shown.exit_code == 0
    assert "gemma3-few-shot behind a cache, 1,313 requests of local" in shown.stdout
    assert "exact" in shown.stdout
    result = run(app, ["cache-roc", "--dataset", "local", "--tolerance", "0.05", "--json"])
    data = json.loads(result.stdout)
    assert data["tolerance"] == 0.05
    assert len(data["points"]) == 14
    failed = run(app, ["cache-roc", "--dataset", "fleet"])
    assert failed.exit_code == 2
    assert "a cache compares prompts" in failed.stderr
