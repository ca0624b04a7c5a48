"""A log made ready for estimates, and what it holds about one policy: arrays over the requests.

All policies that are estimated from one log share its propensities, folds and outcome models, so
that their differences are taken request by request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.clusters import clusters
from toolkit.evaluate.offpolicy.actions import (
    LIVE_ONLY,
    Target,
    logged_actions,
    never_seen,
    target,
)
from toolkit.evaluate.offpolicy.episodes import METRICS, Episodes, episodes
from toolkit.evaluate.offpolicy.estimators import (
    TAU,
    Estimated,
    dm,
    dr,
    ips,
    snips,
    switch_dr,
)
from toolkit.evaluate.offpolicy.nuisance import FOLDS, Design, Outcomes, design
from toolkit.evaluate.offpolicy.propensities import Propensities, propensities
from toolkit.evaluate.offpolicy.support import Support, support
from toolkit.logs.dataset import Dataset
from toolkit.policy.model import Policy

Floats = NDArray[np.float64]

UNMEASURED = 0.01
"""A metric is undefined where more of a policy's calls than this go to models of which the log
has no measured answer."""


@dataclass(frozen=True, eq=False)
class Log:
    """A logged dataset of n requests. Make it with :func:`read_log`."""

    dataset: Dataset
    action: NDArray[np.intp]
    """(n,) column of the model that served each request"""
    design: Design
    propensities: Propensities
    outcomes: Outcomes
    cluster: NDArray[np.intp] | None
    """(n,) user or session of each request, where a column says so"""
    clustered_by: str | None
    sticky: tuple[str, ...]
    """other columns by which the policy that served the log kept its splits sticky"""


def read_log(
    dataset: Dataset,
    logged_by: Policy | None = None,
    folds: int = FOLDS,
    seed: int = 0,
    policies: Sequence[Policy] = (),
) -> Log:
    """Find out who served what and how likely that was; ``policies`` are to be estimated from it.

    Raises:
        DataError: The dataset is not a log of one outcome per request, or its propensities are
            wrong.
    """
    action = logged_actions(dataset, policies)
    known = design(dataset, folds, seed)
    together = clusters(dataset)
    column = None if together is None else together.column
    routes = logged_by.routes if logged_by else ()
    sticky = {route.sticky_by for route in routes if route.split and route.sticky_by} - {column}
    return Log(
        dataset=dataset,
        action=action,
        design=known,
        propensities=propensities(dataset, action, known, logged_by),
        outcomes=Outcomes(known, action, dataset.n_models),
        cluster=None if together is None else together.code,
        clustered_by=column,
        sticky=tuple(sorted(filter(None, sticky))),
    )


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a log holds about one policy."""

    log: Log
    target: Target
    support: Support
    episodes: Episodes

    def weight(self, metric: int | None = None) -> Floats:
        """(n,) weight of each logged request; for a metric, of those where it was measured.

        Within the answers of a model, and within its failures, those that were measured stand for
        the others.
        """
        e = self.episodes
        weight = e.target / self.log.propensities.logged
        return weight if metric is None else self._measured(weight, e.reward[:, metric], e.failed)

    def _measured(self, weight: Floats, values: Floats, failed: NDArray[np.bool_]) -> Floats:
        """(n,) weights of the requests whose ``values`` are known, raised for those that are not.

        ``failed`` (n,) tells failures from answers.
        """
        known, asked = ~np.isnan(values), weight > 0
        kind, kinds = 2 * self.log.action + failed, 2 * self.log.dataset.n_models
        of, told = (np.bincount(kind[some], minlength=kinds) for some in (asked, asked & known))
        return np.where(known & asked, weight * (of / np.maximum(told, 1))[kind], 0.0)

    def undefined(self, rows: NDArray[np.intp]) -> Mapping[str, tuple[str, ...]]:
        """Each metric that cannot be estimated, and the models that lack it."""
        calls = self._calls(rows)
        data = self.log.dataset
        answered = data.observed & (data.error == 0)
        # That a failure counts as quality 0 is no measurement, unless there is nothing else.
        telling = answered | (data.observed & ~answered.any(axis=0))
        known = (data.quality, data.cost_usd, data.latency_s, data.error.astype(np.float64))
        out = {}
        for metric, values in zip(METRICS, known, strict=True):
            lacks = np.append(~(telling & ~np.isnan(values)).any(axis=0), True)
            if calls[lacks].sum() > UNMEASURED:
                models = (*data.models, "a model that the log does not have")
                out[metric] = tuple(models[j] for j in np.flatnonzero(lacks & (calls > 0)))
        return out

    def _calls(self, rows: NDArray[np.intp]) -> Floats:
        """(m + 1,) expected calls of a request to each model; the last is any that is live only."""
        m = self.log.dataset.n_models
        first = [
            self.target.weight_on(j)[rows].mean() if len(rows) else 0.0
            for j in (*range(m), LIVE_ONLY)
        ]
        later = self.episodes.later[rows].mean(axis=0) if len(rows) else 0.0
        return np.asarray(np.array(first) + later)

    def estimated(
        self, metric: int, rows: NDArray[np.intp], tau: float = TAU
    ) -> dict[str, tuple[Estimated, Floats, Floats]]:
        """Each estimator of a metric over some rows, with the weights and rewards behind it."""
        e = self.episodes
        weight = self.weight(metric)[rows]
        reward = np.where(weight > 0, e.reward[rows, metric], 0.0)
        q_logged = np.where(weight > 0, e.q_logged[rows, metric], 0.0)
        q_target, stated = e.q_target[rows, metric], e.stated[rows, metric]
        asked = 1 - float(e.silent[rows].mean()) if len(rows) else 1.0
        alone = snips(weight, reward)
        found = {
            "ips": _plus(ips(weight, reward), stated),
            "snips": _plus(Estimated(asked * alone.value, asked * alone.influence), stated),
            "dm": dm(q_target),
            "dr": dr(weight, reward, q_logged, q_target + self._later(metric, rows)),
            "switch_dr": switch_dr(
                weight, reward, q_logged, q_target + self._later(metric, rows, tau), tau
            ),
        }
        everywhere = np.ones(len(rows))
        behind = dict.fromkeys(found, (weight, reward)) | {"dm": (everywhere, q_target)}
        return {name: (one, *behind[name]) for name, one in found.items()}

    def matched(self, metric: int, rows: NDArray[np.intp]) -> tuple[Estimated, Floats, Floats]:
        """The plain mean over rows that the policy sends where they went."""
        weight = (self.weight(metric) * self.log.propensities.logged)[rows]
        reward = np.where(weight > 0, self.episodes.reward[rows, metric], 0.0)
        return snips(weight, reward), weight, reward

    def _later(self, metric: int, rows: NDArray[np.intp], tau: float = np.inf) -> Floats:
        """(rows,) what the logged calls of later steps correct."""
        total = np.zeros(len(rows))
        for rest in self.episodes.rests:
            weight = self._measured(rest.weight, rest.error[:, metric], rest.failed)[rows]
            told = (weight > 0) & (rest.weight[rows] <= tau)
            total += np.where(told, weight * rest.error[rows, metric], 0.0)
        return total


def _plus(one: Estimated, known: Floats) -> Estimated:
    return Estimated(one.value + float(known.mean()), one.influence + known)


def gather(log: Log, policy: Policy) -> Evidence:
    """Follow a policy through a log. Raises ``PolicyError`` where it does not fit the data."""
    aim = target(policy, log.dataset, never_seen(policy, log.dataset))
    return Evidence(
        log=log,
        target=aim,
        support=support(aim, log.action, log.propensities),
        episodes=episodes(aim, log.action, log.propensities.logged, log.outcomes),
    )
