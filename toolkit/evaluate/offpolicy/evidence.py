"""A log made ready for estimates, and what it holds about one policy: arrays over the requests.

All policies that are estimated from one log share its propensities, folds and outcome models, so
that their differences are taken request by request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.clusters import clusters
from toolkit.evaluate.offpolicy.actions import LIVE_ONLY, Target, logged_actions, target
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


def read_log(
    dataset: Dataset, logged_by: Policy | None = None, folds: int = FOLDS, seed: int = 0
) -> Log:
    """Find out who served what and how likely that was.

    Raises:
        DataError: The dataset is not a log of one outcome per request, or its propensities are
            wrong.
    """
    action = logged_actions(dataset)
    known = design(dataset, folds, seed)
    together = clusters(dataset)
    return Log(
        dataset=dataset,
        action=action,
        design=known,
        propensities=propensities(dataset, action, known, logged_by),
        outcomes=Outcomes(known, action, dataset.n_models),
        cluster=None if together is None else together.code,
        clustered_by=None if together is None else together.column,
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
        weight = self.episodes.target / self.log.propensities.logged
        if metric is None:
            return weight
        measured = ~np.isnan(self.episodes.reward[:, metric])
        kind = 2 * self.log.action + self.episodes.failed
        asked = self.episodes.target > 0
        of, known = (np.bincount(kind[some]) for some in (asked, asked & measured))
        share = np.append(known, np.zeros(len(of) - len(known))) / np.maximum(of, 1)
        return np.where(measured & asked, weight / np.maximum(share[kind * asked], 1e-300), 0.0)

    def undefined(self, rows: NDArray[np.intp]) -> Mapping[str, tuple[str, ...]]:
        """Each metric that cannot be estimated, and the models that lack it."""
        calls = self._calls(rows)
        answered = self.log.dataset.observed & (self.log.dataset.error == 0)
        out = {}
        matrices = ("quality", "cost_usd", "latency_s")
        for metric, name in zip(METRICS, (*matrices, None), strict=True):
            there = answered
            if name is not None:
                there = answered & ~np.isnan(getattr(self.log.dataset, name))
            seen = there if name is not None else self.log.dataset.observed
            lacks = np.append(~seen.any(axis=0), True)
            if calls[lacks].sum() > UNMEASURED:
                models = (*self.log.dataset.models, "a model that the log does not have")
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
            weight, error = rest.weight[rows], rest.error[rows, metric]
            total += np.where((weight <= tau) & ~np.isnan(error), weight * error, 0.0)
        return total


def _plus(one: Estimated, known: Floats) -> Estimated:
    return Estimated(one.value + float(known.mean()), one.influence + known)


def gather(log: Log, policy: Policy) -> Evidence:
    """Follow a policy through a log. Raises ``PolicyError`` where it does not fit the data."""
    aim = target(policy, log.dataset)
    return Evidence(
        log=log,
        target=aim,
        support=support(aim, log.action, log.propensities),
        episodes=episodes(aim, log.action, log.propensities.logged, log.outcomes),
    )
