"""Results as JSON values: NaN becomes null, an estimate its value with the interval beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from toolkit.evaluate.intervals import Estimate


def plain(value: float) -> float | None:
    """A finite number, else None."""
    return value if math.isfinite(value) else None


def estimates(named: Mapping[str, Estimate], nest_latency: bool = True) -> dict[str, Any]:
    """``{"quality": …}`` as ``quality, quality_ci95, quality_n, quality_measured_share``.

    Unless told otherwise, the parts of the latency stand together: ``latency_s {mean, p50, …}``,
    ``latency_s_ci95 {mean: [low, high], …}`` and one ``n`` and share, which they have in common.
    """
    out: dict[str, Any] = {}
    for name, e in named.items():
        value, interval = plain(e.value), [plain(e.low), plain(e.high)]
        if nest_latency and name.startswith("latency_"):
            part = name.removeprefix("latency_").removesuffix("_s")
            out.setdefault("latency_s", {})[part] = value
            out.setdefault("latency_s_ci95", {})[part] = interval
            stem = "latency_s"
        else:
            out[name], out[f"{name}_ci95"] = value, interval
            stem = name
        out[f"{stem}_n"], out[f"{stem}_measured_share"] = e.n, plain(e.share)
    return out
