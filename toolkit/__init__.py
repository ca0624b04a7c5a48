"""Detour: a flight simulator for LLM routing and fallbacks.

The public names are imported from where they are defined when they are first used, so that
``import toolkit`` costs nothing::

    from toolkit import load_dataset, load_policy, replay

    replay(load_policy("tiered"), load_dataset("local")).summary()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from toolkit.errors import DataError, DetourError, PolicyError, Problem, ProviderError
from toolkit.schema import ErrorType, Status

if TYPE_CHECKING:
    from toolkit.engine.live import Service, serve, through_litellm
    from toolkit.engine.replay import Replay, replay
    from toolkit.engine.trace import Trace
    from toolkit.evaluate.baselines import baselines
    from toolkit.evaluate.cache_roc import cache_roc
    from toolkit.evaluate.compare import Comparison, compare
    from toolkit.evaluate.gate import Gate, gate
    from toolkit.evaluate.goodput import goodput
    from toolkit.evaluate.incident import incident
    from toolkit.evaluate.offpolicy.difference import OffPolicyDifference, estimate_difference
    from toolkit.evaluate.offpolicy.estimate import estimate
    from toolkit.evaluate.offpolicy.explore import explore
    from toolkit.evaluate.offpolicy.result import OffPolicy
    from toolkit.evaluate.offpolicy.sampling import sample_log
    from toolkit.evaluate.routers.train import train
    from toolkit.evaluate.routers.training import Training
    from toolkit.evaluate.search.result import Search
    from toolkit.evaluate.search.search import search
    from toolkit.evaluate.summary import Summary, summarize
    from toolkit.evaluate.timeline import timeline
    from toolkit.evaluate.tradeoffs.frontier import frontier
    from toolkit.evaluate.tradeoffs.result import Frontier
    from toolkit.learn.checks import check
    from toolkit.learn.registry import list_routers, load_router, save_router
    from toolkit.learn.router import QualityRouter
    from toolkit.logs.dataset import Dataset
    from toolkit.logs.datasets import dataset_from_frame, list_datasets, load_dataset
    from toolkit.logs.exporters import export
    from toolkit.logs.importers import import_file, preview
    from toolkit.logs.livelog import LiveLog
    from toolkit.policy.loading import list_policies, load_policy, parse_policy
    from toolkit.policy.model import Policy
    from toolkit.scenarios.loading import list_scenarios, load_scenario
    from toolkit.scenarios.model import Scenario

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "DataError",
    "Dataset",
    "DetourError",
    "ErrorType",
    "Frontier",
    "Gate",
    "LiveLog",
    "OffPolicy",
    "OffPolicyDifference",
    "Policy",
    "PolicyError",
    "Problem",
    "ProviderError",
    "QualityRouter",
    "Replay",
    "Scenario",
    "Search",
    "Service",
    "Status",
    "Summary",
    "Trace",
    "Training",
    "baselines",
    "cache_roc",
    "check",
    "compare",
    "dataset_from_frame",
    "estimate",
    "estimate_difference",
    "explore",
    "export",
    "frontier",
    "gate",
    "goodput",
    "import_file",
    "incident",
    "list_datasets",
    "list_policies",
    "list_routers",
    "list_scenarios",
    "load_dataset",
    "load_policy",
    "load_router",
    "load_scenario",
    "parse_policy",
    "preview",
    "replay",
    "sample_log",
    "save_router",
    "search",
    "serve",
    "summarize",
    "through_litellm",
    "timeline",
    "train",
]

_HOMES = {
    "toolkit.engine.live": ("Service", "serve", "through_litellm"),
    "toolkit.engine.replay": ("Replay", "replay"),
    "toolkit.engine.trace": ("Trace",),
    "toolkit.evaluate.baselines": ("baselines",),
    "toolkit.evaluate.cache_roc": ("cache_roc",),
    "toolkit.evaluate.compare": ("Comparison", "compare"),
    "toolkit.evaluate.gate": ("Gate", "gate"),
    "toolkit.evaluate.goodput": ("goodput",),
    "toolkit.evaluate.incident": ("incident",),
    "toolkit.evaluate.offpolicy.difference": ("OffPolicyDifference", "estimate_difference"),
    "toolkit.evaluate.offpolicy.estimate": ("estimate",),
    "toolkit.evaluate.offpolicy.explore": ("explore",),
    "toolkit.evaluate.offpolicy.result": ("OffPolicy",),
    "toolkit.evaluate.offpolicy.sampling": ("sample_log",),
    "toolkit.evaluate.routers.train": ("train",),
    "toolkit.evaluate.routers.training": ("Training",),
    "toolkit.evaluate.search.result": ("Search",),
    "toolkit.evaluate.search.search": ("search",),
    "toolkit.evaluate.summary": ("Summary", "summarize"),
    "toolkit.evaluate.timeline": ("timeline",),
    "toolkit.evaluate.tradeoffs.frontier": ("frontier",),
    "toolkit.evaluate.tradeoffs.result": ("Frontier",),
    "toolkit.learn.checks": ("check",),
    "toolkit.learn.registry": ("list_routers", "load_router", "save_router"),
    "toolkit.learn.router": ("QualityRouter",),
    "toolkit.logs.dataset": ("Dataset",),
    "toolkit.logs.datasets": ("dataset_from_frame", "list_datasets", "load_dataset"),
    "toolkit.logs.exporters": ("export",),
    "toolkit.logs.importers": ("import_file", "preview"),
    "toolkit.logs.livelog": ("LiveLog",),
    "toolkit.policy.loading": ("list_policies", "load_policy", "parse_policy"),
    "toolkit.policy.model": ("Policy",),
    "toolkit.scenarios.loading": ("list_scenarios", "load_scenario"),
    "toolkit.scenarios.model": ("Scenario",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name from its module, once."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
