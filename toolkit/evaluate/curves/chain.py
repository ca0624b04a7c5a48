"""The hull's compiled loops, for the thousands of draws of a bootstrap.

All stand in one file: the compiler notices a change in a function's own file only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.engine.compiled import callable_inlined, compiled


@callable_inlined
def vertices_into(order: Any, cost: Any, quality: Any, vertices: Any) -> int:
    """Write the hull's indices into ``vertices`` (p,) and return how many there are.

    ``order`` (p,) sorts the points by cost. Andrew's monotone chain over the points that are
    better than all cheaper ones.
    """
    m = 0
    for i in order:
        if np.isnan(cost[i]) or np.isnan(quality[i]):
            continue
        if m and quality[i] <= quality[vertices[m - 1]]:
            continue
        if m and cost[i] == cost[vertices[m - 1]]:
            m -= 1
        while m > 1:
            a, b = vertices[m - 2], vertices[m - 1]
            before = (quality[b] - quality[a]) * (cost[i] - cost[b])
            after = (quality[i] - quality[b]) * (cost[b] - cost[a])
            if after < before:
                break
            m -= 1
        vertices[m] = i
        m += 1
    return m


@compiled
def areas_into(
    order: Any, cost: Any, quality: Any, low: Any, high: Any, vertices: Any, area: Any
) -> None:
    """Write the area under each draw's hull between ``low`` and ``high`` into ``area`` (r,).

    ``order`` (r, p) sorts each draw by ``cost`` (r, p); ``vertices`` (p,) is scratch.
    """
    for r in range(len(area)):
        c, q = cost[r], quality[r]
        m = vertices_into(order[r], c, q, vertices)
        area[r] = 0.0 if m else np.nan
        for k in range(m):
            a = vertices[k]
            right = high[r] if k + 1 == m else min(c[vertices[k + 1]], high[r])
            left = max(c[a], low[r])
            if left >= right:
                continue
            slope = 0.0
            if k + 1 < m:
                b = vertices[k + 1]
                slope = (q[b] - q[a]) / (c[b] - c[a])
            area[r] += (right - left) * (q[a] + slope * ((left + right) / 2 - c[a]))


@compiled
def heights_into(order: Any, cost: Any, quality: Any, at: Any, vertices: Any, out: Any) -> None:
    """Write the quality of each draw's hull at its costs ``at`` (r, a) into ``out`` (r, a).

    ``order``, ``cost``, ``quality`` and ``vertices`` as above; NaN left of a hull, flat on its
    right.
    """
    for r in range(len(out)):
        c, q = cost[r], quality[r]
        m = vertices_into(order[r], c, q, vertices)
        for i in range(out.shape[1]):
            x = at[r, i]
            k = 0  # vertices at or below x
            while k < m and c[vertices[k]] <= x:
                k += 1
            if k == 0:
                out[r, i] = np.nan
            elif k == m:
                out[r, i] = q[vertices[m - 1]]
            else:
                a, b = vertices[k - 1], vertices[k]
                out[r, i] = q[a] + (q[b] - q[a]) / (c[b] - c[a]) * (x - c[a])
