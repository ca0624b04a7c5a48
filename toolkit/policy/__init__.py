"""What people write: the policy file, its conditions, its plan for compiled code, its proofs."""

from toolkit.policy.conditions import Condition, mask, route_masks
from toolkit.policy.loading import list_policies, load_policy, parse_policy, policies_dir
from toolkit.policy.model import Chain, Goal, Goals, Model, Policy, Route, Share, json_schema
from toolkit.policy.orders import with_orders
from toolkit.policy.plan import Plan, chain_names, compile_plan
from toolkit.policy.proofs import WorstCase, worst_case
from toolkit.policy.router_rule import RouterRule
from toolkit.policy.steps import DegradeStep, ModelStep
from toolkit.policy.words import (
    condition_in_words,
    goals_in_words,
    route_in_words,
    step_in_words,
)

__all__ = [
    "Chain",
    "Condition",
    "DegradeStep",
    "Goal",
    "Goals",
    "Model",
    "ModelStep",
    "Plan",
    "Policy",
    "Route",
    "RouterRule",
    "Share",
    "WorstCase",
    "chain_names",
    "compile_plan",
    "condition_in_words",
    "goals_in_words",
    "json_schema",
    "list_policies",
    "load_policy",
    "mask",
    "parse_policy",
    "policies_dir",
    "route_in_words",
    "route_masks",
    "step_in_words",
    "with_orders",
    "worst_case",
]
