"""An off-policy estimate in words: the answer, and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from toolkit.evaluate.assumptions import SIMULATED
from toolkit.evaluate.format import count, counted, number, percent
from toolkit.evaluate.goals import WORDS
from toolkit.evaluate.offpolicy.phrases import listed, some
from toolkit.evaluate.offpolicy.propensities import PREDICTABLE
from toolkit.evaluate.routed import routed
from toolkit.policy.model import Policy
from toolkit.policy.steps import ModelStep

if TYPE_CHECKING:
    from toolkit.evaluate.offpolicy.evidence import Log
    from toolkit.evaluate.offpolicy.result import OffPolicy
    from toolkit.evaluate.offpolicy.weights import Weights

ESTIMATORS: Mapping[str, str] = {
    "dr": "doubly robust",
    "switch_dr": "Switch-DR",
    "snips": "self-normalised weighing",
    "ips": "weighing",
    "dm": "outcome models alone",
    "matched": "matched requests alone",
}
"""How each estimator is called, in the order in which they are shown."""


def verdict(found: OffPolicy) -> str:
    """What the policy would have done, how surely, and beside what."""
    shown = [
        f"{WORDS[m][0]} {WORDS[m][1](e)}" for m, e in found.best.items() if not math.isnan(e.value)
    ]
    if not shown:
        return f"The log measured nothing that would say what {found.policy} would have done."
    values = listed(shown)
    if found.extrapolated:
        return (
            f"Not an estimate but an extrapolation: the outcome models expect {values} of"
            f" {found.policy}. No request of the log has to bear this out."
        )
    where = f"On {counted(found.n, 'logged request')}"
    if found.where_supported and found.n < found.requests:
        share = percent(found.n / found.requests)
        where = f"On the {share} of the logged requests that the log can speak for"
    text = doubt(found.weights) if found.recommended == "dr" else ""
    text += f"{where}, {found.policy} would have had {values}"
    if found.recommended == "matched":
        text += ": there it sends each request where it went"
    else:
        text += (
            f" ({ESTIMATORS[found.recommended]}; they tell as much as"
            f" {count(round(found.effective_sample_size))} that it had served itself)"
        )
    logged = found.logged["quality"]
    if not math.isnan(logged.value):
        cost = found.logged["cost_usd_per_1k"]
        text += f". What was logged had {WORDS['quality'][0]} {WORDS['quality'][1](logged)}"
        if not math.isnan(cost.value):
            text += f" at {WORDS['cost_usd_per_1k'][1](cost)} per 1k"
    return text + "."


def assumptions(
    log: Log,
    policies: tuple[Policy, ...],
    found: OffPolicy | None,
    lacks: Mapping[str, tuple[str, ...]],
) -> tuple[str, ...]:
    """Sentences, the most weighty first. ``lacks``: what cannot be estimated, and why."""
    lines = [SIMULATED] if log.dataset.simulated else []
    lines += routed(policies, log.dataset)
    if found is not None and found.extrapolated:
        lines.append(
            "This is an extrapolation: the log does not overlap with the policy, so the outcome"
            " models speak for requests unlike those that they learned from. No interval could say"
            " how wrong they are."
        )
    else:
        lines.append(_propensities(log))
    if found is not None:
        lines += _about(found)
    lines += [
        f"{WORDS[metric][0].capitalize()} cannot be estimated: the log never measured it for"
        f" {listed(some(models, 3))}."
        for metric, models in lacks.items()
    ]
    if found is not None and found.extrapolated_share > 0:
        lines.append(
            f"{percent(found.extrapolated_share)} of the weight rests on predictions of what"
            " follows a logged call that did not end its chain: a log holds one call of each"
            " request. They take the next call's outcome to depend on the first one's failure only"
            " through what is known of the request, so an answer after a failure may come out too"
            " good."
        )
    for policy in policies:
        if ignored := _ignored(policy):
            lines.append(
                f"What requests share is not played: of {policy.policy}, {listed(ignored)}"
                f" {'is' if len(ignored) == 1 else 'are'} left out."
            )
    names = log.design.names
    lines.append(
        f"Outcome models are ridge regressions on {count(len(names))} features of the requests"
        f" ({', '.join(names[:6])}{', …' if len(names) > 6 else ''}), each asked only about"
        f" requests that it did not learn from ({log.design.folds} folds)."
        if names
        else "The requests have no features that could foretell an outcome: each model's is its"
        " mean."
    )
    if found is not None and not found.extrapolated and found.recommended != "matched":
        lines.append(
            "The outcome models alone get no interval: it would have to say how wrong they are,"
            " which only the other estimators look at."
        )
    if found is None or not found.extrapolated:
        unit = f"clusters by {log.clustered_by}" if log.clustered_by else "requests"
        lines.append(
            "Intervals are 95 %: from the spread of what each request adds to the estimate, over"
            f" {unit}, by Student's t; Wilson's where few are on one side of a share."
        )
        if log.sticky:
            lines.append(
                f"The policy that served the log kept splits sticky by {listed([*log.sticky])}:"
                " requests that went one way together tell less than their number, so that the"
                " intervals are too narrow."
            )
    if share := log.dataset.estimated_share:
        lines.append(f"The cost of {percent(share)} of the outcomes is estimated from list prices.")
    return tuple(lines)


def _propensities(log: Log) -> str:
    known = log.propensities
    if known.deterministic and known.source == "estimated" and len(np.unique(log.action)) == 1:
        return (
            "One model served every request of the log: there is nothing to weigh. Only requests"
            " that the policy sends there, too, are counted, each once."
        )
    if known.deterministic:
        how = {
            "policy": "The policy that served the log leaves nothing to chance",
            "stated": "The log states a propensity of 1 for every request",
            "estimated": "What served a request can be foretold from the request in more than"
            f" {percent(PREDICTABLE)} of cases",
        }[known.source]
        return (
            f"{how}: there is nothing to weigh. Only requests that the policy sends where they"
            " went are counted, each once."
        )
    return {
        "policy": "Propensities are those of the policy that served the log, exactly.",
        "stated": "Propensities are those that the log states.",
        "estimated": "Propensities are estimated, by a logistic regression on what is known of"
        " each request and on the leaves of a small tree: whatever else decided both where a"
        " request went and how it fared would bias every estimate. State them in a column"
        " 'propensity' where you can.",
    }[known.source]


def _about(found: OffPolicy) -> list[str]:
    lines = []
    left = found.requests - found.n
    if found.where_supported and left:
        lines.append(
            f"{counted(left, 'request')} {'is' if left == 1 else 'are'} left out, as the log cannot"
            " speak there: the numbers are those of the other"
            f" {percent(found.n / found.requests)} and not of all traffic."
        )
    elif not found.extrapolated and (few := [s for s in found.overlap if not s.supported]):
        share = sum(s.lacking_share * s.requests for s in few) / max(found.requests, 1)
        lines.append(
            f"In {counted(len(few), 'slice')} the log hardly overlaps with the"
            f" policy; as this concerns {percent(share)} of its calls, it is counted all the same."
        )
    w = found.weights
    if found.recommended == "dr":
        if w.doubtful:
            lines.append(
                f"The weights have {w.words}: the propensities are wrong, and so is every number"
                " that rests on them."
            )
        if w.share_below_1pct > 0:
            lines.append(
                f"{percent(w.share_below_1pct)} of the logged models had a propensity below 1 %;"
                f" the heaviest request stands for {number(w.max)}."
            )
        if w.share_above_tau > 0:
            lines.append(
                f"Switch-DR leaves the {percent(w.share_above_tau)} of the requests that stand for"
                f" more than {number(found.tau)} each to the outcome models. What these are wrong"
                " about there is a bias that its interval does not hold: the truth is outside of it"
                " more often than in 5 of 100 logs."
            )
    return lines


def doubt(*weights: Weights) -> str:
    """What has to come first where the propensities are surely wrong, else nothing."""
    wrong = [w for w in weights if w.doubtful]
    if not wrong:
        return ""
    return (
        f"The propensities are wrong, and what follows rests on them: the weights have"
        f" {' and '.join(w.words for w in wrong)}. "
    )


def _ignored(policy: Policy) -> list[str]:
    """What a policy has that requests share."""
    steps = [step for chain in policy.chains.values() for step in chain.steps]
    there = {
        "breakers": any(model.breaker for model in policy.models.values()),
        "limits": any(model.limits for model in policy.models.values()),
        "hedges": any(isinstance(step, ModelStep) and step.hedge for step in steps),
        "the retry budget": policy.retry_budget is not None,
        "the cache": policy.cache is not None,
        "shedding": policy.shedding is not None,
        "the daily budget": policy.daily_cost_usd is not None,
    }
    return [word for word, used in there.items() if used]
