"""The simulated dataset ``fleet``: the same bytes every time, and what its README says it is."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.bench.make_fleet_readme import BFCL_NAMES, README, answered, dependence, tables
from toolkit.cli import app
from toolkit.errors import DataError
from toolkit.logs.dataset import Dataset
from toolkit.logs.datasets import dataset_from_frame, load_dataset
from toolkit.logs.files import SIMULATED
from toolkit.logs.prices import list_price, price_list_version
from toolkit.logs.simulate import MOST_SEED, bundled_folder, packed, simulate, write
from toolkit.logs.simulate.ability import accuracies, calibrated, probability
from toolkit.logs.simulate.draws import Draws
from toolkit.logs.simulate.models import MODELS, PRICE_LIST
from toolkit.logs.simulate.parameters import (
    BATCH_S,
    CATEGORIES,
    DAYS,
    DISCRIMINATION,
    DRIFT,
    LANGUAGE_AT,
    LANGUAGES,
    N_REQUESTS,
    OUTAGES,
    TENANTS,
    TIMEOUT_S,
)
from toolkit.logs.simulate.report import correlations, in_outage, realised, seconds
from toolkit.schema import ErrorType

MATRICES = ("quality", "cost_usd", "latency_s", "input_tokens", "output_tokens", "error")
small = settings(max_examples=15)
sizes = st.integers(1, 400)
seeds = st.integers(0, MOST_SEED)


@pytest.fixture(scope="module")
def fleet() -> Dataset:
    """The bundled dataset as everybody loads it."""
    return load_dataset("fleet")


@pytest.fixture(scope="module")
def made() -> Dataset:
    """The same, simulated here."""
    return simulate()


def test_the_shipped_files_are_made_again_to_the_byte(made):
    """The simulation gives exactly the files that are in the project."""
    for name, content in packed(made).items():
        assert (bundled_folder() / name).read_bytes() == content, name


def test_the_files_are_small_and_marked_as_simulated():
    """Both files say that they are simulated, and take less than two megabytes together."""
    files = sorted(bundled_folder().glob("*.parquet"))
    assert sum(f.stat().st_size for f in files) < 2e6
    for file in files:
        assert pq.read_schema(file).metadata[SIMULATED] == b"true"


def test_what_is_loaded_is_what_was_simulated(fleet, made):
    """Loading the files gives every number of the simulation, as complete and simulated."""
    assert fleet.complete
    assert fleet.simulated
    assert (fleet.n_requests, fleet.n_models) == (N_REQUESTS, 8)
    assert fleet.models == made.models
    assert fleet.requests.equals(made.requests)
    for name in MATRICES:
        np.testing.assert_array_equal(getattr(fleet, name), getattr(made, name), err_msg=name)


def test_numbers_in_the_readme(fleet):
    """The page says SIMULATED first, and its tables are those of the parameters and files."""
    text = README.read_text("utf-8")
    assert "SIMULATED" in text.splitlines()[0]
    for table in tables(fleet):
        assert table in text
    assert f"| `fleet` | {dependence(answered(fleet))} |" in text
    assert PRICE_LIST.split()[1] in text


def test_the_real_numbers_in_the_readme(bfcl_dir):
    """The row of the real results is computed from the leaderboard's own outcomes."""
    long = pd.read_csv(bfcl_dir / "bfcl_long.csv.gz", usecols=["request_id", "model", "quality"])
    names = [BFCL_NAMES.get(m.name, m.name) for m in MODELS]
    chosen = long[long["model"].isin(names)]
    wide = chosen.pivot_table(index="request_id", columns="model", values="quality")[names]
    assert len(wide) == 1700
    row = dependence(wide.to_numpy(float))
    assert f"| leaderboard, real | {row} |" in README.read_text("utf-8")


def test_published_parameters_are_the_leaderboards(bfcl_dir):
    """Accuracy, sub-scores, cost and latency are those in the leaderboard's table."""
    path = bfcl_dir / "published_leaderboard_2024-08-14.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["Model"]: row for row in csv.DictReader(file)}
    for model in MODELS:
        row = {key: value.rstrip("%") for key, value in rows[model.row].items()}
        scores = ("Overall Acc", "AST Summary", "Exec Summary", "Relevance Detection")
        assert [float(row[c]) / 100 for c in scores] == pytest.approx(
            [model.accuracy, *model.ast_executed_relevance]
        )
        numbers = ("Cost ($ Per 1k Function Calls)", "Latency Mean (s)")
        numbers += ("Latency Standard Deviation (s)", "Latency 95th Percentile (s)")
        assert [float(row[c]) for c in numbers] == [
            *(model.cost_usd_per_1k, model.latency_mean_s),
            *(model.latency_sd_s, model.latency_p95_s),
        ]


def test_prices_are_the_price_lists():
    """The frozen prices are those of the installed list; else this says what moved."""
    moved = {}
    for model in MODELS:
        listed = list_price(model.name, model.provider)
        assert listed, f"{model.name} is in the price list no more"
        now = (listed.input_usd_per_token * 1e6, listed.output_usd_per_token * 1e6)
        if now != pytest.approx((model.input_usd_per_mtok, model.output_usd_per_mtok)):
            moved[model.name] = now
    assert not moved, f"litellm {price_list_version()} has other prices than {PRICE_LIST}: {moved}"


@pytest.mark.parametrize("k", range(8), ids=[m.name for m in MODELS])
def test_models_come_out_as_published(fleet, k):
    """Accuracy, cost, latency and availability in the files are near the parameters."""
    model, found = MODELS[k], realised(fleet)[k]
    assert found.accuracy == pytest.approx(model.accuracy, abs=0.01)
    assert found.cost_usd_per_1k == pytest.approx(model.expected_cost_usd_per_1k, rel=0.03)
    assert found.latency_mean_s == pytest.approx(model.latency_mean_s, rel=0.03)
    assert found.latency_sd_s == pytest.approx(model.latency_sd_s, rel=0.06)
    assert found.latency_p95_s == pytest.approx(model.latency_p95_s, rel=0.12)
    assert found.availability == pytest.approx(model.availability, abs=0.001)
    assert 0.001 < found.rate_limited < 0.03


def test_another_seed_comes_out_as_published_too():
    """The calibration belongs to the parameters, not to the seed that was chosen."""
    found = realised(simulate(seed=7))
    assert [r.accuracy for r in found] == pytest.approx([m.accuracy for m in MODELS], abs=0.015)
    means = [m.latency_mean_s for m in MODELS]
    assert [r.latency_mean_s for r in found] == pytest.approx(means, rel=0.05)


def test_categories_come_out_as_derived(fleet):
    """The mix of tasks, and each model's accuracy in each, are near what was meant."""
    category = np.asarray(fleet.column("category").to_pylist())
    steady = seconds(fleet) < DRIFT.start_s
    for c, kind in enumerate(CATEGORIES):
        rows = category == kind.name
        assert rows.mean() == pytest.approx(kind.share, abs=0.015)
        for k in range(8):
            use = rows & steady & (fleet.error[:, k] == 0)
            assert fleet.quality[use, k].mean() == pytest.approx(accuracies()[k, c], abs=0.04)


def test_models_are_right_and_wrong_together(fleet):
    """Correlations and the gap between the best model and the best answer are near real ones."""
    quality = answered(fleet)
    pairs = correlations(quality)
    assert len(pairs) == 28
    assert 0.38 < np.median(pairs) < 0.50  # the leaderboard's eight rows: 0.437
    assert pairs[0] > 0.25
    gap = quality.max(axis=1).mean() - quality.mean(axis=0).max()
    assert 0.03 < gap < 0.09  # the leaderboard's eight rows: 0.050


def test_difficulty_is_partly_visible(fleet):
    """Longer texts, longer conversations and other languages are harder, but do not tell all."""
    right = fleet.quality.mean(axis=1)
    category = np.asarray(fleet.column("category").to_pylist())
    for name in ("input_tokens", "turns"):
        values = np.log(fleet.column(name).to_numpy())
        within = [
            np.corrcoef(values[category == c.name], right[category == c.name])[0, 1]
            for c in CATEGORIES
        ]
        assert -0.5 < np.mean(within) < -0.15
    english = np.asarray(fleet.column("language").to_pylist()) == LANGUAGES[0]
    assert right[english].mean() - right[~english].mean() > 0.02


def test_traffic_has_a_daily_and_a_weekly_rhythm(fleet):
    """Afternoons see several times the requests of nights, and weekends less than half of days."""
    when = seconds(fleet)
    assert when[0] >= 0
    assert when[-1] < DAYS * 86_400
    assert (np.diff(when) >= 0).all()
    day, hour = (when // 86_400).astype(int), (when // 3600 % 24).astype(int)
    weekend = np.isin(day % 7, (5, 6))
    by_hour = np.bincount(hour[~weekend], minlength=24)
    assert by_hour[13:17].mean() > 5 * by_hour[1:5].mean()
    assert np.bincount(day)[[5, 6, 12, 13]].max() < 0.6 * np.bincount(day)[[0, 4, 7, 11]].min()
    assert np.bincount(day, minlength=DAYS).min() > 300


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda o: f"{o.minutes:g} minutes")
def test_outages_are_seen(fleet, outage):
    """Inside an outage nearly all calls to its models fail, before and after nearly none do."""
    assert 55 <= outage.minutes <= 77
    since = seconds(fleet) - outage.start_s
    columns = np.isin(fleet.models, outage.models)
    broken = np.isin(fleet.error, (ErrorType.SERVER_ERROR, ErrorType.TIMEOUT, ErrorType.CONNECTION))
    inside = (since >= 0) & (since < 60 * outage.minutes)
    assert inside.sum() > 50
    assert broken[inside][:, columns].mean() > 0.88
    assert broken[inside][:, ~columns].mean() < 0.02
    near = ~inside & (abs(since) < 3 * 3600)
    assert broken[near].mean() < 0.02


def test_the_drift_is_seen_and_is_slow(fleet):
    """One model is worse on each of the last days than on the one before; the others stay."""
    day = (seconds(fleet) // 86_400).astype(int)
    first = int(DRIFT.start_s // 86_400)

    def accuracy(k: int, days: range) -> float:
        rows = np.isin(day, days) & (fleet.error[:, k] == 0)
        return float(fleet.quality[rows, k].mean())

    k = fleet.models.index(DRIFT.model)
    last = [accuracy(k, range(d, d + 1)) for d in range(first, DAYS)]
    assert last == sorted(last, reverse=True)
    assert accuracy(k, range(first)) - last[0] < 0.03
    assert accuracy(k, range(first)) - last[-1] > 0.08
    for other in set(range(8)) - {k}:
        change = accuracy(other, range(first, DAYS)) - accuracy(other, range(first))
        assert abs(change) < 0.025


def test_latency_knows_the_answer_and_the_hour(fleet):
    """Longer answers and busier hours are slower, mildly."""
    k = fleet.models.index("claude-3-5-sonnet-20240620")
    fine = fleet.error[:, k] == 0
    slow = np.log(fleet.latency_s[fine, k])
    assert 0.3 < np.corrcoef(slow, np.log(fleet.output_tokens[fine, k]))[0, 1] < 0.7
    hour = seconds(fleet)[fine] // 3600 % 24
    assert slow[(hour > 12) & (hour < 17)].mean() > slow[(hour > 0) & (hour < 5)].mean() + 0.05


def test_quotas_are_counted_as_stated(fleet):
    """A call is over the quota when its tenant sent that many in the minute before it."""
    when, tenant = seconds(fleet), np.asarray(fleet.column("tenant").to_pylist())
    limited = fleet.error == ErrorType.RATE_LIMITED
    rows = [*np.flatnonzero(limited.any(axis=1)), *range(0, fleet.n_requests, 97)]
    down = in_outage(fleet)
    for i in rows:
        recent = (tenant[:i] == tenant[i]) & (when[:i] > when[i] - 60)
        for k, model in enumerate(MODELS):
            if not down[i, k]:
                assert limited[i, k] == (recent.sum() >= model.quota_per_minute)
    senders = {t.name for t in TENANTS if t.batches}
    assert set(tenant[limited.any(axis=1)]) == senders
    assert BATCH_S > 60


def _check_failures(log: Dataset) -> None:
    """A failure has quality 0 and is billed by its kind; an answer is measured throughout."""
    failed, timeout = log.error != 0, log.error == ErrorType.TIMEOUT
    assert set(np.unique(log.quality)) <= {0.0, 1.0}
    assert (log.quality[failed] == 0).all()
    assert (log.cost_usd[failed & ~timeout] == 0).all()
    assert (log.cost_usd[timeout] > 0).all()
    assert (log.latency_s[timeout] == TIMEOUT_S).all()
    assert ((log.latency_s > 0) & (log.latency_s <= TIMEOUT_S)).all()
    assert (np.isnan(log.output_tokens) == (failed & ~timeout)).all()
    assert (log.output_tokens[~failed] >= 1).all()
    price = np.array([[m.input_usd_per_mtok, m.output_usd_per_mtok] for m in MODELS]) / 1e6
    billed = log.input_tokens * price[:, 0] + log.output_tokens * price[:, 1]
    known = ~np.isnan(billed)
    np.testing.assert_allclose(log.cost_usd[known], billed[known], atol=1e-9)


def test_failures_are_billed_as_stated(fleet):
    """The bundled dataset holds to the rules of what a failure costs and lasts."""
    _check_failures(fleet)
    assert set(np.unique(fleet.error)) == {0, 1, 2, 3, 4}


@small
@given(seeds, sizes)
def test_any_seed_and_size_gives_a_valid_dataset(seed, n):
    """What is simulated passes the checks of an import unchanged, and the same again."""
    log = simulate(seed, n)
    assert (log.n_requests, log.n_models, log.complete, log.simulated) == (n, 8, True, True)
    _check_failures(log)
    read = dataset_from_frame("fleet", log.to_arrow(), log.requests, simulated=True)
    assert read.requests.equals(log.requests)
    again = simulate(seed, n)
    for name in MATRICES:
        np.testing.assert_array_equal(getattr(read, name), getattr(log, name), err_msg=name)
        np.testing.assert_array_equal(getattr(again, name), getattr(log, name), err_msg=name)
    assert packed(again) == packed(log)
    assert len(realised(log)) == 8
    assert log.column("request_id").to_pylist() == sorted(log.column("request_id").to_pylist())
    assert pa.types.is_timestamp(log.column("timestamp").type)


@pytest.mark.parametrize(
    ("seed", "n", "match"),
    [
        (-1, 10, "seed: out of range; got -1; allowed: 0 to"),
        (2**63, 10, "seed: out of range"),
        (0, 0, "requests: out of range; got 0; allowed: 1 to 2000000"),
        (0, 10**9, "requests: out of range"),
    ],
)
def test_out_of_range(seed, n, match):
    """A seed or a size that cannot be simulated is said to be so."""
    with pytest.raises(DataError, match=match):
        simulate(seed, n)


def test_random_numbers_are_those_of_every_machine():
    """The first numbers of a stream never change, and streams do not depend on each other."""
    draws, first = Draws(2024), [0.03804516723659679, 0.003722037113351173]
    assert draws.uniform("a", 2).tolist() == first
    assert draws.uniform("a", 5)[:2].tolist() == first
    assert not set(draws.uniform("b", 1000)) & set(draws.uniform("a", 1000))
    assert draws.uniform("a", 3, 2).shape == (3, 2)


def test_random_numbers_have_their_distributions():
    """Normals are normal, and choices follow their weights."""
    z = Draws(1).normal("z", 200_000)
    assert z.mean() == pytest.approx(0, abs=0.01)
    assert z.std() == pytest.approx(1, abs=0.01)
    assert np.mean(z > 1.6449) == pytest.approx(0.05, abs=0.003)
    shares = np.bincount(Draws(1).choice("c", [3, 0, 1], 100_000), minlength=3) / 1e5
    assert shares == pytest.approx([0.75, 0, 0.25], abs=0.005)
    edges = np.searchsorted(LANGUAGE_AT, z)
    assert np.bincount(edges) / len(z) == pytest.approx([0.69, 0.15, 0.07, 0.05, 0.04], abs=0.006)


def test_abilities_give_the_accuracies():
    """Over many requests, each model is right as often as it should be, and as is published."""
    draws = Draws(3)
    median, sigma = DISCRIMINATION
    slope = median * np.exp(sigma * draws.normal("slope", 20_000))
    difficulty = draws.normal("difficulty", 20_000)
    mean = probability(calibrated()[..., None], slope, difficulty).mean(axis=-1)
    assert mean == pytest.approx(accuracies(), abs=0.008)
    mix = accuracies() @ [c.share for c in CATEGORIES]
    assert mix == pytest.approx([m.accuracy for m in MODELS], abs=1e-6)
    assert sum(c.share for c in CATEGORIES) == pytest.approx(1)
    assert sum(t.share for t in TENANTS) == pytest.approx(1)


def test_other_data_is_not_overwritten(tmp_path):
    """The same files are left alone, other ones are replaced only when that is asked for."""
    folder = tmp_path / "new" / "fleet"
    files, others = packed(simulate(1, 20)), packed(simulate(2, 20))
    assert write(files, folder)
    assert not write(files, folder)
    with pytest.raises(DataError, match=r"outcomes\.parquet would be overwritten"):
        write(others, folder)
    assert (folder / "outcomes.parquet").read_bytes() == files["outcomes.parquet"]
    assert write(others, folder, replace=True)
    assert sorted(f.name for f in folder.iterdir()) == ["outcomes.parquet", "requests.parquet"]
    with pytest.raises(DataError, match=r"requests\.parquet: cannot be written"):
        write(files, folder / "requests.parquet")


def test_command(tmp_path, monkeypatch):
    """The command writes a folder, finds it again to the byte, and says that it is simulated."""
    monkeypatch.setenv("DETOUR_BUNDLED", str(tmp_path))

    def run(*args: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["simulate", "--requests", "300", *args])
        assert done.exit_code == code, done.output
        return done.output

    first = json.loads(run("--json"))
    assert first["simulated"] is True
    assert first["written"] is True
    assert (first["requests"], first["outcomes"], len(first["models"])) == (300, 2400, 8)
    assert load_dataset("fleet").n_requests == 300
    again = run()
    assert re.search(r"^fleet was in .*, to the byte  \[SIMULATED DATA\]$", again, re.MULTILINE)
    assert all(m.name in again for m in MODELS)
    assert "would be overwritten" in run("--seed", "5", code=2)
    assert json.loads(run("--seed", "5", "--out", str(tmp_path / "b"), "--json"))["seed"] == 5
    assert "fleet is in" in run("--seed", "5", "--replace")
