"""Which share of random routing lets tomorrow's log tell policies apart, and what that costs.

A log of one policy alone says nothing of what another one would have done. If chance serves a small
share of the requests, it does, at the price of those requests. The plan weighs the two: for each
share the standard error that the doubly robust difference of the policies will have (``noise``),
and the change of quality and cost against the policy that serves otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from toolkit.engine.decide import check_seed
from toolkit.errors import DataError, did_you_mean
from toolkit.evaluate.compare import METRICS
from toolkit.evaluate.intervals import RESAMPLES, Estimate
from toolkit.evaluate.offpolicy.apart import apart
from toolkit.evaluate.offpolicy.branches import branches
from toolkit.evaluate.offpolicy.exploration import Exploration, Pair, Share
from toolkit.evaluate.offpolicy.exploration_words import assumptions
from toolkit.evaluate.offpolicy.explored import models_asked, models_drawn, one_at_random
from toolkit.evaluate.offpolicy.given import a_dataset, a_number, every_policy, maybe_policy
from toolkit.evaluate.offpolicy.noise import ERRORS, Curve, Noise
from toolkit.evaluate.offpolicy.residuals import noise
from toolkit.evaluate.offpolicy.sampling import logging_chances
from toolkit.evaluate.routed import seen_by
from toolkit.policy.model import Policy

if TYPE_CHECKING:
    from toolkit.logs.dataset import Dataset

SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


def explore(
    policies: Policy | Sequence[Policy],
    dataset: Dataset,
    *,
    serving: Policy | None = None,
    requests: int | None = None,
    shares: Sequence[float] | float = SHARES,
    metric: str = "quality",
    detect: float | None = None,
    models: Sequence[str] | str | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Exploration:
    """Plan which share of requests chance has to serve for tomorrow's log to tell policies apart.

    Args:
        policies: Each is held against the first; one alone against ``serving``.
        dataset: What tomorrow's requests will be like. Where it has each model's outcome on every
            request the spreads are known, else they are predicted from what was logged.
        serving: Who serves the requests that chance does not; None: the first policy.
        requests: How many tomorrow's log will have; None: as many as the dataset.
        shares: Shares of requests, 0..1, that chance may serve; 0: none.
        metric: What the policies shall be told apart by, one of ``compare.METRICS``.
        detect: The difference that would matter, in the metric's unit (quality 0.01, cost in USD
            per 1,000 requests, seconds); None: the one that the data suggests.
        models: Names in the log that chance draws from, evenly; None: all that the chains of the
            policies and of ``serving`` may ask.
        resamples: Of the bootstrap behind the intervals.
        seed: Of these draws, and of what a replay imputes.
        progress: Called with how many steps are done, of how many.

    Raises:
        DataError: An argument is out of range, or the data cannot hold such a log.
        PolicyError: A policy does not fit the dataset.
    """
    given = every_policy(policies)
    maybe_policy(serving, "serving")
    a_dataset(dataset)
    check_seed(seed)
    tried = tuple(shares) if isinstance(shares, Sequence | np.ndarray) else (shares,)
    models = (models,) if isinstance(models, str) else models
    wanted = dataset.n_requests if requests is None else requests
    _check(dataset, given, serving, tried, metric, detect, wanted)
    serving = serving or given[0]
    compared = given if len(given) > 1 else (serving, *given)
    asked = models_asked((*compared, serving), dataset)
    drawn = models_drawn(dataset, models) or asked
    arms = np.array([i for i, m in enumerate(dataset.models) if m in {*asked, *drawn}], np.intp)
    played = []
    for done, policy in enumerate(compared):
        if progress:
            progress(done, len(compared) + 1)
        played.append(branches(policy, dataset, seed))
    noises = [noise(dataset, played[0], other, METRICS.index(metric), arms) for other in played[1:]]
    pairs = [
        _pair(dataset, compared[0], policy, spread, metric, detect, resamples, seed)
        for policy, spread in zip(compared[1:], noises, strict=True)
    ]
    if progress:
        progress(len(compared), len(compared) + 1)
    price = apart(dataset, serving, one_at_random(drawn), resamples, seed)
    evenly = dict.fromkeys(drawn, 1.0)
    planned = []
    for share in sorted(set(tried)):
        chances = logging_chances(dataset, serving, share, evenly)[:, arms]
        curves = [spread.under(chances) for spread in noises]
        planned.append(_share(share, curves, pairs, wanted, price))
    found = Exploration(
        policies=tuple(policy.policy for policy in compared),
        serving=serving.policy,
        dataset=dataset.name,
        dataset_digest=dataset.digest,
        simulated=dataset.simulated,
        predicted=not dataset.complete,
        requests=wanted,
        metric=metric,
        models=drawn,
        pairs=tuple(pairs),
        shares=tuple(planned),
        assumptions=(),
        seen=seen_by((*compared, serving), dataset),
    )
    if progress:
        progress(len(compared) + 1, len(compared) + 1)
    return replace(found, assumptions=assumptions(found, dataset, (*compared, serving)))


def _check(
    dataset: Dataset,
    policies: Sequence[Policy],
    serving: Policy | None,
    shares: Sequence[float],
    metric: str,
    detect: float | None,
    requests: int,
) -> None:
    """Raise DataError for an argument that cannot be meant."""
    if not policies or (len(policies) == 1 and serving is None):
        raise DataError(
            f"policies: nothing to tell apart; got {len(policies)}; allowed: two or more, or one"
            " and the policy that is serving"
        )
    if metric not in METRICS:
        raise DataError(
            f"metric: unknown; got {metric!r}; allowed: {did_you_mean(metric, METRICS)}"
        )
    for share in shares:
        if not 0 <= a_number(share, "shares", "0 to 1") <= 1:
            raise DataError(f"shares: not a share of requests; got {share!r}; allowed: 0 to 1")
    if not shares:
        raise DataError("shares: none to choose from; allowed: at least one from 0 to 1")
    if detect is not None and not 0 < a_number(detect, "detect", "above 0") < math.inf:
        raise DataError(f"detect: no difference; got {detect!r}; allowed: a number above 0")
    if a_number(requests, "requests", "1 or more") < 1:
        raise DataError(f"requests: too few; got {requests!r}; allowed: 1 or more")
    if requests != int(requests):
        raise DataError(f"requests: not a whole number; got {requests!r}; allowed: 1 or more")
    if not dataset.n_requests:
        raise DataError(f"dataset {dataset.name!r}: it has no requests to plan with")


def _pair(
    dataset: Dataset,
    a: Policy,
    b: Policy,
    spread: Noise,
    metric: str,
    detect: float | None,
    resamples: int,
    seed: int,
) -> Pair:
    difference = apart(dataset, a, b, resamples, seed)[metric]
    same = not spread.used.any() and not spread.fixed
    wanted = abs(difference.value) if detect is None else detect
    return Pair(b.policy, a.policy, difference, wanted, same)


def _share(
    share: float,
    curves: Sequence[Curve],
    pairs: Sequence[Pair],
    requests: int,
    price: dict[str, Estimate],
) -> Share:
    """The share as the pair sees it that takes the most requests."""
    both = [(c, p.detect) for c, p in zip(curves, pairs, strict=True) if not p.same]
    error, needed, found, rarest = np.full(4, math.nan)
    if both:
        error = max(c.standard_error(requests) for c, _ in both)
        needed = max(c.needed(detect) for c, detect in both)
        found = min(c.power(detect, requests) for c, detect in both)
        rarest = min(c.rarest for c, _ in both) * requests
    return Share(
        explore=share,
        standard_error=float(error),
        detectable=float(ERRORS * error),
        power=float(found),
        requests_needed=float(needed),
        rarest=float(rarest),
        decides=bool(needed <= requests),
        quality=_part(price["quality"], share),
        cost_usd_per_1k=_part(price["cost_usd_per_1k"], share),
    )


def _part(change: Estimate, share: float) -> Estimate:
    """What a change for all requests comes to for a share of them."""
    return change.scaled(share) if share else Estimate(0.0, 0.0, 0.0, change.n, change.share)
