"""What every model does with every request at its time.

That is: right or wrong, tokens, cost, latency, and failures.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.logs.simulate.ability import calibrated, probability
from toolkit.logs.simulate.draws import Draws, Floats
from toolkit.logs.simulate.models import MODELS
from toolkit.logs.simulate.parameters import (
    CATEGORIES,
    DAYS,
    DISCRIMINATION,
    DRIFT,
    FAILURE_LATENCY,
    LATENCY_WEIGHTS,
    N_REQUESTS,
    OUTAGES,
    TIMEOUT_S,
    TRANSIENT_MIX,
)
from toolkit.logs.simulate.traffic import Traffic
from toolkit.schema import ErrorType

ANSWER_SHARED = 0.4
"""Share of the variance of ln output tokens that a request's models have in common (assumed)."""
TOKENIZER_SIGMA = 0.04
"""How much models differ in their tokens of one text (assumed)."""
_TIMEOUT, _LIMITED = int(ErrorType.TIMEOUT), int(ErrorType.RATE_LIMITED)


def make_outcomes(draws: Draws, traffic: Traffic) -> dict[str, NDArray[Any]]:
    """The matrices (n, m) of a dataset, models in the order of MODELS."""
    shape = (len(traffic.time_ms), len(MODELS))
    tokens_in = _tokens_in(draws, traffic, shape)
    answer_z, tokens_out = _answers(draws, traffic, shape)
    latency_s = _latency(draws, traffic, answer_z)
    error = _errors(draws, traffic, shape)
    error = np.where((error == 0) & (latency_s >= TIMEOUT_S), _TIMEOUT, error)
    failed = error != 0
    quality = _right(draws, traffic, shape) & ~failed

    # A provider bills what it worked on: nothing for a call that it refused or dropped, the input
    # for one that nobody waited for.
    price = np.array([[m.input_usd_per_mtok, m.output_usd_per_mtok] for m in MODELS]).T / 1e6
    unread = failed & (error != _TIMEOUT)
    tokens_out = np.where(failed, 0.0, tokens_out)
    cost_usd = np.where(unread, 0.0, tokens_in * price[0] + tokens_out * price[1])
    return {
        "quality": quality.astype(np.float64),
        "cost_usd": np.round(cost_usd, 9),
        "latency_s": np.round(_failure_latency(draws, error, latency_s), 3),
        "input_tokens": np.where(unread, np.nan, tokens_in),
        "output_tokens": np.where(unread, np.nan, tokens_out),
        "error": error.astype(np.int8),
    }


def _right(draws: Draws, traffic: Traffic, shape: tuple[int, int]) -> NDArray[np.bool_]:
    ability = calibrated()[:, traffic.category].T
    start_ms = DRIFT.start_s * 1000
    gone = np.clip((traffic.time_ms - start_ms) / (DAYS * 86_400_000 - start_ms), 0.0, 1.0)
    drifts = np.array([m.name == DRIFT.model for m in MODELS])
    ability = ability - DRIFT.loss * gone[:, None] * drifts
    median, sigma = DISCRIMINATION
    slope = median * np.exp(sigma * draws.normal("discrimination", shape[0]))
    right = probability(ability, slope[:, None], traffic.difficulty[:, None])
    return draws.uniform("right", *shape) < right


def _tokens_in(draws: Draws, traffic: Traffic, shape: tuple[int, int]) -> Floats:
    """Each model's tokens of the request; the mean ratio is the model's."""
    ratio = np.array([m.input_ratio for m in MODELS])
    differs = (ratio != 1.0) * TOKENIZER_SIGMA  # where it is 1, the tokenizer is the same
    z = draws.normal("tokenizer", *shape)
    tokens = traffic.tokens[:, None] * ratio * np.exp(differs * z - differs**2 / 2)
    whole: Floats = np.maximum(np.rint(tokens), 1)
    return whole


def _answers(draws: Draws, traffic: Traffic, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """How long each answer is: standardised logarithm, and tokens. The mean is the model's."""
    scale, sigma = np.array([[c.output_scale, c.output_sigma] for c in CATEGORIES]).T
    share = np.array([c.share for c in CATEGORIES])
    common = (0.4 * traffic.text + draws.normal("answer", shape[0])) / math.sqrt(1 + 0.4**2)
    own = draws.normal("answer of a model", *shape)
    z = math.sqrt(ANSWER_SHARED) * common[:, None] + math.sqrt(1 - ANSWER_SHARED) * own
    log = np.log(scale)[traffic.category][:, None] + sigma[traffic.category][:, None] * z
    mean = share @ np.log(scale)
    sd = math.sqrt(share @ ((np.log(scale) - mean) ** 2 + sigma**2))
    unit = np.array([m.output_tokens_mean for m in MODELS])
    unit = unit / (share @ (scale * np.exp(sigma**2 / 2)))
    return (log - mean) / sd, np.maximum(np.rint(unit * np.exp(log)), 1)


def _latency(draws: Draws, traffic: Traffic, answer_z: Floats) -> Floats:
    """Log-normal with the published mean and SD."""
    w = LATENCY_WEIGHTS
    own = math.sqrt(1.0 - sum(v * v for v in w.values()))
    n = len(answer_z)
    z = w["output"] * answer_z + own * draws.normal("latency", *answer_z.shape)
    z += (w["load"] * traffic.load + w["request"] * draws.normal("slow request", n))[:, None]
    mean, sd = np.array([[m.latency_mean_s, m.latency_sd_s] for m in MODELS]).T
    sigma = np.sqrt(np.log1p((sd / mean) ** 2))
    latency_s: Floats = mean * np.exp(sigma * z - sigma**2 / 2)
    return latency_s


def _errors(draws: Draws, traffic: Traffic, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Codes of what goes wrong: an outage before a quota before a transient failure."""
    chance = draws.uniform("failure", *shape)
    kind = draws.uniform("kind of failure", *shape)
    unavailable = np.array([1.0 - m.availability for m in MODELS])
    error = np.where(chance < unavailable, _kinds(TRANSIENT_MIX, kind), 0)
    error = np.where(_over_quota(traffic), _LIMITED, error)
    for outage in OUTAGES:
        since_ms = traffic.time_ms - outage.start_s * 1000
        down = (since_ms >= 0) & (since_ms < outage.minutes * 60_000)
        hit = down[:, None] & np.array([m.name in outage.models for m in MODELS])
        error = np.where(hit & (chance < outage.error_rate), _kinds(outage.mix, kind), error)
    return error


def _over_quota(traffic: Traffic) -> NDArray[np.bool_]:
    """(n, m) whether the tenant has sent more in the last minute than its quota with the model.

    As if all of its traffic went to that model. Quotas are for the usual amount of traffic and
    grow with more of it.
    """
    minute = 60_000
    key = traffic.tenant.astype(np.int64) * (DAYS * 86_400_000 + 2 * minute) + traffic.time_ms
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    recent = np.empty(len(key), np.int64)
    recent[order] = np.arange(len(key)) - np.searchsorted(ordered, ordered - minute, side="right")
    scale = max(1.0, len(key) / N_REQUESTS)
    quota = np.array([m.quota_per_minute for m in MODELS]) * scale
    return recent[:, None] >= quota


def _kinds(mix: dict[str, float], u: Floats) -> NDArray[np.int64]:
    codes = np.array([int(ErrorType[name.upper()]) for name in mix])
    edges = np.cumsum(list(mix.values()))
    return codes[np.searchsorted(edges[:-1] / edges[-1], u, side="right")]


def _failure_latency(draws: Draws, error: NDArray[np.int64], latency_s: Floats) -> Floats:
    """The time until an outcome is known, failed or not."""
    z = draws.normal("latency of failures", *error.shape)
    found = np.where(error == _TIMEOUT, TIMEOUT_S, latency_s)
    for name, (median, sigma) in FAILURE_LATENCY.items():
        failure = np.minimum(median * np.exp(sigma * z), TIMEOUT_S)
        found = np.where(error == int(ErrorType[name.upper()]), failure, found)
    return np.maximum(found, 0.001)
