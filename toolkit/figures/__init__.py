"""Results as Plotly figures: functions of a result, without arithmetic of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.evaluate.baselines import baselines
from toolkit.figures import theme
from toolkit.figures.bars import cost_figure, endings_figure
from toolkit.figures.categories import category_figure
from toolkit.figures.diagram import policy_figure
from toolkit.figures.differences import slices_figure
from toolkit.figures.exploration import exploration_figure
from toolkit.figures.frontier import frontier_figure
from toolkit.figures.goodput import goodput_figure
from toolkit.figures.intervals import comparison_figure, summary_figure
from toolkit.figures.latency import latency_figure
from toolkit.figures.offpolicy import estimates_figure, overlap_figure
from toolkit.figures.pulse import pulse_figure
from toolkit.figures.reliability import reliability_figure
from toolkit.figures.report import report
from toolkit.figures.router_curve import router_figure
from toolkit.figures.router_importance import importance_figure
from toolkit.figures.router_learning import learning_figure
from toolkit.figures.router_pair import pair_figure
from toolkit.figures.router_rivals import rivals_figure
from toolkit.figures.search import search_figure
from toolkit.figures.timeline import timeline_figure
from toolkit.figures.tradeoffs import tradeoffs_figure
from toolkit.figures.waterfall import waterfall_figure
from toolkit.figures.worth import worth_figure

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from toolkit.engine.replay import Replay

__all__ = [
    "category_figure",
    "comparison_figure",
    "cost_figure",
    "endings_figure",
    "estimates_figure",
    "exploration_figure",
    "frontier_figure",
    "goodput_figure",
    "importance_figure",
    "latency_figure",
    "learning_figure",
    "overlap_figure",
    "pair_figure",
    "policy_figure",
    "pulse_figure",
    "reliability_figure",
    "replay_figure",
    "report",
    "rivals_figure",
    "router_figure",
    "search_figure",
    "slices_figure",
    "summary_figure",
    "timeline_figure",
    "tradeoffs_figure",
    "waterfall_figure",
    "worth_figure",
]


def replay_figure(replay: Replay) -> go.Figure:
    """The policy among its models alone, a random mix of them and the oracle."""
    policy, dataset = replay.policy, replay.dataset
    logs = tuple(dict.fromkeys(policy.log_name(name) for name in policy.models))
    known = tuple(name for name in logs if name in dataset.models)
    return frontier_figure(
        replay.summary(),
        baselines(dataset, known),
        policy.goals,
        theme.colours(dataset.models, known),
        known,
    )
