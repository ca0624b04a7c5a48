"""What the sidebar has chosen, and its results, which pages ask for and which come from a cache."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from toolkit.evaluate.breakdown import model_costs
from toolkit.evaluate.summary import Summary
from toolkit.figures import theme
from toolkit.policy.model import Policy
from toolkit.ui import loaders

if TYPE_CHECKING:
    from toolkit.engine.replay import Replay
    from toolkit.evaluate.baselines import Baselines
    from toolkit.evaluate.compare import Comparison
    from toolkit.evaluate.flows import Flows
    from toolkit.logs.dataset import Dataset
    from toolkit.policy.check import Check


@dataclass(frozen=True)
class View:
    """A policy on a dataset, beside a baseline."""

    dataset: Dataset
    about: str
    """the dataset in a sentence"""
    policy: Policy
    is_draft: bool
    baseline: Policy
    baseline_name: str
    """as people read it"""
    seed: int

    @property
    def name(self) -> str:
        """The policy's own name, and that it is a draft where it is one."""
        return f"{self.policy.policy} (draft)" if self.is_draft else self.policy.policy

    @cached_property
    def check(self) -> Check:
        """Whether the policy fits the data, and its worst cases."""
        return loaders.checked(self.policy, self.dataset)

    @cached_property
    def replay(self) -> Replay:
        """The policy on the data."""
        return loaders.played(self.policy, self.dataset, self.seed)

    @cached_property
    def summary(self) -> Summary:
        """Its numbers."""
        return loaders.summary(self.replay)

    @cached_property
    def base_replay(self) -> Replay:
        """The baseline on the data."""
        return loaders.played(self.baseline, self.dataset, self.seed)

    @cached_property
    def base_summary(self) -> Summary:
        """The baseline's numbers."""
        return loaders.summary(self.base_replay)

    @cached_property
    def comparison(self) -> Comparison:
        """The policy minus the baseline."""
        return loaders.comparison(self.base_replay, self.replay)

    @cached_property
    def baselines(self) -> Baselines:
        """Every single model of the data, the random mix, the oracle."""
        return loaders.bases(self.dataset)

    @cached_property
    def flows(self) -> Flows:
        """Where the requests go."""
        return loaders.traffic(self.replay)

    @cached_property
    def costs(self) -> dict[str, float]:
        """What each model adds to the cost of 1,000 requests, USD."""
        return model_costs(self.summary)

    @property
    def logs(self) -> tuple[str, ...]:
        """The models of the log that the policy uses."""
        return tuple(dict.fromkeys(self.policy.log_name(name) for name in self.policy.models))

    @cached_property
    def log_colours(self) -> dict[str, str]:
        """The colour of every model of the log."""
        return theme.colours(self.dataset.models, self.logs)

    @cached_property
    def colours(self) -> dict[str, str]:
        """The colour of every model by the policy's name for it."""
        return {
            name: self.log_colours.get(self.policy.log_name(name), theme.NEUTRAL)
            for name in self.policy.models
        }
