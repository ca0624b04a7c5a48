"""What people write: the policy file, its conditions, its plan for compiled code, its proofs."""

from toolkit.policy.conditions import Condition, mask, route_masks
from toolkit.policy.loading import list_policies, load_policy, parse_policy
from toolkit.policy.model import (
    Chain,
    DegradeStep,
    Goal,
    Goals,
    Model,
    ModelStep,
    Policy,
    Route,
    Share,
    json_schema,
)
from toolkit.policy.plan import Plan, chain_names, compile_plan

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
    "Share",
    "chain_names",
    "compile_plan",
    "json_schema",
    "list_policies",
    "load_policy",
    "mask",
    "parse_policy",
    "route_masks",
]
