r"""A twenty-minute outage of the primary, on real outcomes and real arrivals.

The 19,366 arrivals are those of one hour of Azure's LLM service, each asking one of the 1,700
prompts of BFCL, drawn at random. gpt-4o-mini is down from minute 20 to 40; its stand-ins are
claude-3-haiku, then claude-3-5-sonnet. The same table comes from the command line::

    bfcl=../shared/datasets/bfcl_2024_08
    python -m toolkit import $bfcl/bfcl_long.csv.gz --prompts $bfcl/bfcl_prompts.csv.gz --as bfcl
    python -m toolkit break --policy tests/bfcl_guarded.yaml --dataset bfcl \
        --scenario provider_outage \
        --arrivals ../shared/datasets/azure_llm_trace_2023/AzureLLMInferenceTrace_conv.csv

What is expected comes from the two CSV files by pandas alone. What is down answers in 0.3 s, so a
policy without a fallback fails fast and cheaply; the fallback answers nearly all, at haiku's price
and quality and, for each call to what is down, a little later; the breaker saves these calls; the
cache answers what was asked within the last minute, and hedges cut the tail of the primary.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from toolkit.evaluate.incident import incident
from toolkit.evaluate.protection import ALL, BREAKER, FALLBACK, NO_FALLBACK
from toolkit.logs.datasets import dataset_from_frame
from toolkit.policy import load_policy
from toolkit.scenarios import load_scenario

MINI, HAIKU, SONNET = MODELS = (
    "gpt-4o-mini-2024-07-18",
    "claude-3-haiku-20240307",
    "claude-3-5-sonnet-20240620",
)
TIMEOUTS_S = {MINI: 3, HAIKU: 3, SONNET: 6}
DOWN_S, UP_S, REFUSED_S = 1200, 2400, 0.3


@pytest.fixture(scope="module")
def frame(bfcl_dir) -> pd.DataFrame:
    """The outcomes of the three models."""
    long = pd.read_csv(bfcl_dir / "bfcl_long.csv.gz")
    long["latency_s"] = long.latency_ms / 1000
    return long[long.model.isin(MODELS)]


@pytest.fixture(scope="module")
def arrivals_s(shared_datasets) -> np.ndarray:
    """Seconds since the first arrival."""
    file = shared_datasets / "azure_llm_trace_2023" / "AzureLLMInferenceTrace_conv.csv"
    times = pd.to_datetime(pd.read_csv(file).TIMESTAMP)
    return (times - times.min()).dt.total_seconds().sort_values().to_numpy()


@pytest.fixture(scope="module")
def found(frame, bfcl_dir, shared_datasets):
    """The incident under all four protections."""
    names = ["request_id", "category", "model", "quality", "input_tokens", "output_tokens"]
    prompts = pd.read_csv(bfcl_dir / "bfcl_prompts.csv.gz").drop(columns="category")
    data = dataset_from_frame("bfcl", frame[[*names, "cost_usd", "latency_s", "error"]], prompts)
    trace = shared_datasets / "azure_llm_trace_2023" / "AzureLLMInferenceTrace_conv.csv"
    world = load_scenario("provider_outage").with_value("arrivals", {"trace": str(trace)})
    return incident(load_policy(ROOT / "tests" / "bfcl_guarded.yaml"), data, world)


@pytest.fixture(scope="module")
def asked(found, frame, arrivals_s) -> dict[str, pd.DataFrame]:
    """What each model logged for the prompt of each arrival, timeouts applied, by pandas."""
    ids = found[ALL].replay.dataset.requests["request_id"].to_pandas().str.split("#").str[0]
    tables = {}
    for model in MODELS:
        own = frame[frame.model == model].set_index("request_id").loc[ids].reset_index()
        late = own.latency_s > TIMEOUTS_S[model]
        own["failed"] = own.error.notna() | late
        own["latency_s"] = own.latency_s.clip(upper=TIMEOUTS_S[model])
        own["quality"] = own.quality.where(~own.failed, 0)
        own["arrival_s"] = arrivals_s
        tables[model] = own
    return tables


def down(requests: pd.DataFrame, until_s: float = UP_S) -> pd.Series:
    """Those that arrived while the primary was down."""
    return (requests.arrival_s >= DOWN_S) & (requests.arrival_s < until_s)


def test_arrivals_are_those_of_the_trace(found, arrivals_s):
    """Every arrival of the hour is there, at its time, and each prompt is asked several times."""
    one = found[ALL].replay
    assert one.arrival_s == pytest.approx(arrivals_s, abs=1e-6)
    assert len(one.status) == 19_366
    assert len(np.unique(one.arrivals.row)) == 1_700
    for row in found.rows:
        assert row.whole.unobserved == 0
        assert row.during.requests == int(((arrivals_s >= DOWN_S) & (arrivals_s < UP_S)).sum())


def test_without_fallback_an_outage_is_errors(found, asked):
    """Errors: what arrived in the outage, and the primary's own failures outside it."""
    bare, mini = found[NO_FALLBACK], asked[MINI]
    hit = down(mini)
    failed, latency = hit | mini.failed, mini.latency_s.where(~hit, REFUSED_S)
    assert bare.whole.error_rate.value == pytest.approx(failed.mean(), abs=1e-12)
    assert bare.during.error_rate.value == 1
    assert bare.whole.latency_p95_s.value == pytest.approx(latency.quantile(0.95))
    assert bare.whole.cost_usd_per_1k.value == pytest.approx(
        1000 * mini.cost_usd.where(~hit, 0).mean()
    )
    assert bare.whole.quality.value == pytest.approx(mini.quality.where(~hit, 0).mean())
    assert bare.whole.attempts_mean.value == 1


def test_a_fallback_answers_at_the_price_of_the_fallback(found, asked):
    """During the outage: two calls in vain, then haiku, and sonnet where haiku fails."""
    replay = found[FALLBACK].replay
    haiku, sonnet = asked[HAIKU], asked[SONNET]
    # A retry after the very end of the outage is answered, so the last seconds are left out.
    hit = down(haiku, UP_S - 2)
    on = haiku.failed
    cost = haiku.cost_usd + sonnet.cost_usd.where(on, 0)
    assert replay.cost_usd[hit] == pytest.approx(cost[hit].to_numpy())
    assert replay.quality[hit].mean() == pytest.approx(
        haiku.quality.where(~on, sonnet.quality)[hit].mean()
    )
    assert (replay.attempts[hit] == (3 + on[hit])).all()
    assert ((replay.status[hit] == 2) == (on & sonnet.failed)[hit]).all()
    answering = haiku.latency_s + sonnet.latency_s.where(on, 0)
    in_vain = replay.latency_s[hit] - answering[hit]
    assert (in_vain >= 2 * REFUSED_S + 0.25 - 1e-9).all()
    assert (in_vain <= 2 * REFUSED_S + 0.5 + 1e-9).all()


def test_a_breaker_saves_the_calls_in_vain(found, asked):
    """The same answers at the same price, with fewer calls to what is down, and sooner."""
    fallback, breaker = found[FALLBACK].replay, found[BREAKER].replay
    hit = down(asked[MINI], UP_S - 2)
    assert breaker.cost_usd[hit] == pytest.approx(fallback.cost_usd[hit])
    assert (breaker.quality[hit] == fallback.quality[hit]).all()
    assert (breaker.latency_s[hit] <= fallback.latency_s[hit] + 1e-9).all()
    calls = breaker.attempt_table.to_pandas()
    start = breaker.arrival_s[calls.request_ix] + calls.start_s
    mine = calls[(calls.model == 0) & (start >= DOWN_S) & (start < UP_S)]
    opened = breaker.changes.time_s[0]
    assert DOWN_S < opened < DOWN_S + 30
    # After that, only probes: three at most in each of its half-open states.
    half_open = (breaker.changes.state == 2) & (breaker.changes.time_s < UP_S)
    late = int((start[mine.index] > opened).sum())
    assert half_open.sum() <= late <= 3 * half_open.sum()
    assert (mine.error != 0).all()


def test_the_protections_are_ordered_as_they_should_be(found):
    """Errors fall, attempts and the tail fall with breaker and cache, and safety has a price."""
    bare, fallback, breaker, full = found.rows
    assert bare.whole.error_rate.value > 0.4
    for row in (fallback, breaker, full):
        assert row.whole.error_rate.value < 0.002
        assert row.whole.quality.value > bare.whole.quality.value + 0.3
        assert row.whole.cost_usd_per_1k.value > 2 * bare.whole.cost_usd_per_1k.value
    assert found[ALL].whole.error_rate.value == 0
    attempts = [row.during.attempts_mean.value for row in (fallback, breaker, full)]
    tails = [row.during.latency_p95_s.value for row in (fallback, breaker, full)]
    assert attempts == sorted(attempts, reverse=True)
    assert tails == sorted(tails, reverse=True)
    assert full.whole.cost_usd_per_1k.value < breaker.whole.cost_usd_per_1k.value
    assert found.extra_cost_usd_per_1k.low > 0


def test_the_cache_hits_as_often_as_the_drawing_repeats(found, asked):
    """A hit: the same question with the same functions, answered less than a minute before."""
    one = found[ALL].replay
    requests = one.dataset.requests.select(["prompt", "function_names"]).to_pandas()
    key = requests.fillna("").agg("\n".join, axis=1)
    before = pd.Series(one.arrival_s).groupby(key.to_numpy()).diff()
    # An entry lives for a minute from its storing and not from its last use.
    assert before.lt(60).mean() * 0.8 < one.cached.mean() < before.lt(60).mean()
    fresh = one.cached & (one.status == 0)
    assert (one.attempts[fresh] == 0).all()
    assert (one.latency_s[fresh] == 0).all()
    assert (one.cost_usd[fresh] == 0).all()


def test_the_timeline_shows_the_outage(found, asked):
    """Every minute adds up, nothing but errors while bare, and the breaker follows the fault."""
    bare = found[NO_FALLBACK].timeline()
    assert int(bare.requests.sum()) == 19_366
    assert (bare.accepted[20:40] == 0).all()
    assert (bare.failed[20:40] == bare.requests[20:40]).all()
    assert bare.failed[:20].sum() == asked[MINI].failed[asked[MINI].arrival_s < DOWN_S].sum()
    bands = [band for band in found[BREAKER].timeline().bands if band.model == "mini"]
    broken = sum(band.end_s - band.start_s for band in bands if band.state != "closed")
    assert 0.95 * (UP_S - DOWN_S) < broken < 1.1 * (UP_S - DOWN_S)


def test_the_intervals_are_those_of_1700_prompts(found, asked):
    """Eleven repeats of each prompt do not make quality surer than the prompts do."""
    quality = found[FALLBACK].whole.quality
    haiku = asked[HAIKU]
    of_prompts = 1.96 * haiku.groupby("request_id").quality.mean().std() / np.sqrt(1_700)
    assert 0.7 * of_prompts < (quality.high - quality.low) / 2 < 1.1 * of_prompts
    assert "treat repeats as one" in " ".join(found.assumptions)
