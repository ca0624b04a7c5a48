"""What a result rests on, in sentences about what happened in this replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.circumstances import circumstances
from toolkit.evaluate.differences import LEVEL, Paired
from toolkit.evaluate.format import count, percent
from toolkit.evaluate.intervals import Bootstrap, bootstrap_of
from toolkit.evaluate.routed import routed
from toolkit.schema import ErrorType, Status

if TYPE_CHECKING:
    from toolkit.engine.replay import Replay

SIMULATED = "The data is simulated: no model gave these answers."

LOGS = {
    "complete": "The log is complete: every model was observed on every request.",
    "logged": "The log is of live traffic: each request was seen under one model only.",
    "partial": "The log is partial: not every model was observed on every request.",
}

UNREADABLE = (
    "The policy goes on after answers that could not be read (invalid_output). Where a log marks "
    "these only among wrong answers, live traffic will hold more of them, and some of those were "
    "right."
)


def assumptions(replay: Replay, resamples: int) -> tuple[str, ...]:
    """Sentences, the most weighty first; only what applies is said."""
    n = len(replay.status)
    if not n:
        return ("There are no requests.",)
    seen = replay.status != Status.UNOBSERVED
    n_seen = int(seen.sum())
    lines = [SIMULATED] if replay.dataset.simulated else []
    lines.append(LOGS[replay.dataset.kind])
    lines += routed([replay.policy], replay.dataset, [replay.routers])
    lines += circumstances(replay)
    if share := replay.dataset.estimated_share:
        lines.append(f"The cost of {percent(share)} of the outcomes is estimated from list prices.")
    if n_seen < n:
        lines.append(
            f"{count(n - n_seen)} of {_requests(n)} {_are(n - n_seen)} unobserved: the log holds "
            "no outcome of a model that the policy asks there. They are left out of every estimate."
        )
    for what, values in (
        ("Quality", replay.quality),
        ("Cost", replay.cost_usd),
        ("Latency", replay.latency_s),
    ):
        lines += _measured(what, values[seen])
    lines += _graded_in_part(replay)
    imputed = int(replay.imputed[seen].sum())
    if imputed:
        lines.append(
            f"{percent(imputed / n_seen)} of requests rest on an imputed attempt: a log holds one "
            "outcome per model and request, so a further call's error and latency are drawn from "
            "that model's log, and its quality, where unknown, is that model's mean in the "
            "category."
        )
    errors = int((replay.status == Status.ERROR).sum())
    if errors:
        lines.append(f"{_requests(errors)} ended in an error and {_count(errors)} as quality 0.")
    degraded = int((replay.status == Status.DEGRADED).sum())
    if degraded:
        lines.append(
            f"{_requests(degraded)} ended in a degrade step and {_count(degraded)} with the "
            f"quality that the step states{_or_stale(replay)}."
        )
    lines += _timeouts(replay) + _unreadable(replay)
    return (*lines, intervals_in_words(bootstrap_of(replay.arrivals, resamples, replay.seed)))


def intervals_in_words(boot: Bootstrap) -> str:
    """How the intervals of a result were made."""
    return (
        f"{_method(boot)}; Wilson's for shares near 0 or 1, order statistics for latency "
        "percentiles."
    )


def _method(boot: Bootstrap) -> str:
    resamples, units = boot.weights.shape
    by = boot.clustered_by
    what = "requests" if boot.row is None else "rows of the log"
    if by:
        what = f"the {count(boot.drawn)} clusters of requests by {by}"
    method = f"bootstrap over {what}, {count(resamples)} resamples"
    if units < boot.drawn:
        method += f" of {count(units)} groups of {'them' if by else what}, drawn at random"
    if by:
        method += f", so that those of one {by} count together"
    return f"Intervals are 95 %: {method}"


def of_a_comparison(a: Replay, b: Replay, pairs: Paired) -> tuple[str, ...]:
    """What the differences of two replays rest on."""
    n, k = len(a.status), len(pairs.request)
    if not k:
        return ("No request was observed under both.",)
    lines = [SIMULATED] if a.dataset.simulated else []
    lines += routed([a.policy, b.policy], a.dataset, [a.routers, b.routers])
    if a.scenario is not None:
        lines.append(f"Both met the scenario {a.scenario.scenario}: its faults are injected.")
    if k < n:
        lines.append(
            f"{count(n - k)} of {_requests(n)} {_are(n - k)} unobserved under one of them or both, "
            "and left out."
        )
    for what, name in (
        ("Quality", "quality"),
        ("Cost", "cost_usd_per_1k"),
        ("Latency", "latency_mean_s"),
    ):
        lines += _measured(what, pairs.a[name] + pairs.b[name], " under both")
    shares = [float(r.imputed[pairs.request].mean()) for r in (a, b)]
    if any(shares):
        of_a, of_b = map(percent, shares)
        lines.append(
            f"{of_a} of requests under {a.policy.policy} and {of_b} under {b.policy.policy} rest "
            "on an imputed attempt."
        )
    lines.append(f"{_method(pairs.boot)}, of the difference on each request.")
    lines.append(
        f"Equals would be said to differ, on any of the four metrics, in at most {percent(LEVEL)} "
        "of comparisons (Holm's method)."
    )
    return tuple(lines)


def _measured(what: str, values: NDArray[np.float64], where: str = "") -> list[str]:
    known = int((~np.isnan(values)).sum())
    if known == len(values):
        return []
    if not known:
        return [f"{what} was not measured{where}."]
    share = percent(known / len(values))
    return [f"{what} was measured{where} on {share} of requests; its estimates are over these."]


def _graded_in_part(replay: Replay) -> list[str]:
    """Say so where failures, whose quality is always known, outweigh answers that are not."""
    accepted = replay.status == Status.ACCEPTED
    graded = int((accepted & ~np.isnan(replay.quality)).sum())
    failed = int((replay.status == Status.ERROR).sum())
    if not graded or not failed or graded == int(accepted.sum()):
        return []
    share = percent(graded / int(accepted.sum()))
    text = f"Every failure counts as quality 0, but only {share} of the answers were graded: the"
    return [f"{text} mean quality is lower than that of all requests."]


def _or_stale(replay: Replay) -> str:
    stale = replay.cached & (replay.status == Status.DEGRADED)
    return " or, from the cache, that of the stale answer" if stale.any() else ""


def _timeouts(replay: Replay) -> list[str]:
    calls = replay.attempt_table
    late = calls.column("error").to_numpy() == ErrorType.TIMEOUT
    if not late.any():
        return []
    models = np.unique(calls.column("model").to_numpy()[late])
    names = replay.model_names
    rules = {replay.policy.models[names[i]].bill_timeouts for i in models}
    words = {"full": "in full", "input_only": "for their input only", "none": "with nothing"}
    if len(rules) == 1:
        return [f"Calls that timed out are billed {words[rules.pop()]}."]
    each = ", ".join(
        f"{names[i]} {words[replay.policy.models[names[i]].bill_timeouts]}" for i in models
    )
    return [f"Calls that timed out are billed as each model states: {each}."]


def _unreadable(replay: Replay) -> list[str]:
    """Say so where the policy acts on an answer that the log calls unreadable."""
    calls = replay.attempt_table
    unreadable = calls.column("error").to_numpy() == ErrorType.INVALID_OUTPUT
    acted = replay.fallback[calls.column("request_ix").to_numpy()[unreadable]]
    if not acted.any():
        return []
    return [UNREADABLE]


def _requests(n: int) -> str:
    return f"{count(n)} request{'' if n == 1 else 's'}"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _count(n: int) -> str:
    return "counts" if n == 1 else "count"
