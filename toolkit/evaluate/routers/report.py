"""A training as JSON values, and as the card of a saved router."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.evaluate.routers.training import Training


def as_dict(t: Training) -> dict[str, Any]:
    """All of it, but for the arrays."""
    of_kind = {kind: [r for r in t.rivals if r.kind == kind] for kind in KINDS}
    pair = t.pair.to_dict() if t.pair else None
    areas = t.aiq.to_dict() if t.aiq else None
    found: dict[str, Any] = {
        "dataset": t.dataset.name,
        "dataset_digest": t.dataset_digest,
        "simulated": t.simulated,
        "requests": t.dataset.n_requests,
        "n": t.n,
        "n_judged": t.n_judged,
        "estimated": t.estimated,
        "models": list(t.models),
        **{key: t.settings[key] for key in ("head", "text", "columns", "calibration", "seed")},
        "columns_read": [column["name"] for column in t.router.columns_],
        "text_read": t.router.features_.get("text"),
        "split": t.folds.to_dict(),
        "pair": pair,
        **{
            key: pair[key] if pair else None
            for name in ("apgr", "cpt50", "cpt80")
            for key in (name, f"{name}_ci95")
        },
        **{
            key: areas[key] if areas else None
            for name in ("aiq", "aiq_zero_router", "aiq_oracle", "aiq_gain", "aiq_gain_to_best")
            for key in (name, f"{name}_ci95")
        },
        **{
            key: areas[key] if areas else None
            for key in (f"aiq_{end}_cost_usd_per_1k" for end in ("low", "high", "best"))
        },
        "curve": t.curve.to_dict(),
        "thresholds": t.thresholds.to_dict(),
        "singles": [r.to_dict() for r in of_kind["single"]],
        **{
            key: of_kind[kind][0].to_dict() if of_kind[kind] else None
            for kind, key in KINDS.items()
            if kind != "single"
        },
        "calibration": [one.to_dict() for one in t.calibration],
        "floor": t.floor.to_dict() if t.floor else None,
        "learning_curve": t.learning.to_dict() if t.learning else None,
        "importance": [one.to_dict() for one in t.importance],
        "slices": t.slices.to_dict() if t.slices else None,
        "later": t.later.to_dict() if t.later else None,
        "weights": t.logged.to_dict() if t.logged else None,
        "weighing": t.weighing.to_dict() if t.weighing else None,
        "leaks": list(t.leaks),
        "warnings": list(t.warnings),
        "verdict": t.verdict,
        "assumptions": list(t.assumptions),
        "seconds": t.seconds,
    }
    return found


KINDS = {
    "single": "singles",
    "random": "random_mix",
    "zero": "zero_router",
    "neighbours": "knn",
    "lookup": "lookup",
    "oracle": "oracle",
}
"""Kinds of rivals, and how JSON calls them."""


def card(t: Training) -> dict[str, Any]:
    """What a training adds to the card of a saved router: made of what, and what it is worth."""
    return {
        **as_dict(t),
        "details": t.settings["details"],
        "left_out": dict(t.router.left_out_),
        "training_seconds": t.seconds,
    }
