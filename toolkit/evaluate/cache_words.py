"""A cache's trial in words: where to stand, why, and what the numbers rest on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.cache.similar import MOST_NEIGHBOURS
from toolkit.evaluate.assumptions import SIMULATED
from toolkit.evaluate.format import count, number, percent, percent_interval, usd_per_1k
from toolkit.evaluate.intervals import Estimate, Z
from toolkit.schema import TIMESTAMP

if TYPE_CHECKING:
    from toolkit.evaluate.cache_point import CachePoint
    from toolkit.evaluate.cache_roc import CacheRoc
    from toolkit.logs.datasets import Dataset
    from toolkit.policy.guards import Cache


def recommendation(
    points: Sequence[CachePoint],
    rate: Literal["wrong_rate", "other_answer_rate"],
    tolerance: float,
    model_wrong: float = math.nan,
) -> tuple[float | None, str]:
    """The lowest threshold whose ``rate`` is surely within the tolerance, and why it or none.

    A higher threshold that is surely beyond it rules out those below: they were lucky in which
    answer happened to be there first.
    """
    rates: dict[float, Estimate] = {point.threshold: getattr(point, rate) for point in points}
    known = {threshold: e for threshold, e in rates.items() if e.n}
    if not known:
        hits = any(point.hits for point in points)
        if not hits:
            return None, "there are no hits"
        return None, (
            "nobody knows which hits are wrong, as that takes right answers (column reference)"
            " and grades"
        )
    beyond = max((threshold for threshold, e in known.items() if e.low > tolerance), default=0.0)
    for threshold, e in known.items():
        if threshold > beyond and e.high <= tolerance:
            return threshold, f"{_of_hits(e)} wrong there"
    known = {threshold: e for threshold, e in known.items() if threshold >= beyond}
    threshold, e = min(known.items(), key=lambda item: item[1].high)
    if e.value <= tolerance:
        enough = math.ceil(Z * Z * (1 - tolerance) / tolerance)
        return None, (
            f"at {number(threshold)} {_of_hits(e)} wrong, too few to be sure: it takes"
            f" {count(enough)} hits without a mistake"
        )
    reason = f"at best, at {number(threshold)}, {_of_hits(e)} wrong"
    if model_wrong > tolerance:
        reason += f" (without a cache the model is wrong on {percent(model_wrong)} of requests)"
    return None, reason


def _of_hits(e: Estimate) -> str:
    return f"{percent_interval(e)} of {count(e.n)} hits {'is' if e.n == 1 else 'are'}"


def verdict(r: CacheRoc) -> str:
    """Whether prompts repeat, how far a semantic cache may go, and what either saves."""
    if not any(point.hits for point in (*r.points, r.exact)):
        lowest = number(r.points[0].threshold)
        return (
            f"No request of {r.dataset} repeats an earlier one or is like it (similarity {lowest}"
            " or more): a cache would save nothing here."
        )
    said = "No request repeats an earlier one: an exact cache would never answer."
    if r.exact.hits:
        said = f"An exact cache answers {_gain(r.exact)}"
        if r.exact.wrong_rate.n:
            said += f"; {_of_hits(r.exact.wrong_rate)} wrong"
        said += "."
    tolerated = percent(r.tolerance)
    if r.recommended is not None:
        at = next(point for point in r.points if point.threshold == r.recommended)
        return (
            f"{said} For at most {tolerated} of hits wrong, a semantic cache needs a similarity of"
            f" {number(r.recommended)}: it answers {_gain(at)}; {r.reason}."
        )
    said += f" No threshold can be recommended for at most {tolerated} of hits wrong: {r.reason}."
    if r.recommended_alone is not None:
        at = next(point for point in r.points if point.threshold == r.recommended_alone)
        said += (
            f" Of what is wrong through the cache alone, {number(r.recommended_alone)} keeps within"
            f" that: {r.reason_alone}; it answers {_gain(at)}."
        )
    return said


def _gain(point: CachePoint) -> str:
    gain = f"{percent(point.hit_rate.value)} of requests"
    if not math.isnan(point.saved_usd_per_1k.value):
        share = percent(point.saved_share.value)
        gain += f" and saves {share} of the cost, {usd_per_1k(point.saved_usd_per_1k.value)}"
    return gain


def caveats(
    dataset: Dataset, model: int, points: Sequence[CachePoint], cache: Cache | None
) -> tuple[str, ...]:
    """What the numbers rest on, the most weighty first; only what applies is said."""
    lines = [SIMULATED] if dataset.simulated else []
    hits = [point for point in points if point.hits]
    unknown = [point for point in hits if point.unknown_share > 0]
    if unknown:
        most = max(unknown, key=lambda point: point.unknown_share)
        lines.append(
            f"At {number(most.threshold)} {percent(most.unknown_share)} of hits are neither right"
            " nor wrong, as a right answer (column reference) or a grade is missing. They are left"
            " out of the shares of wrong hits."
        )
    lucky = [point for point in hits if point.by_chance > 0]
    if lucky:
        at = min(lucky, key=lambda point: abs(point.threshold - 0.9))
        lines.append(
            f"Right answers may agree by chance: at {number(at.threshold)}"
            f" {percent(1 - at.other_answer_rate.value)} of hits have the right answer of the"
            f" request they were served from; drawn at random within their category"
            f" {percent(at.by_chance)} would (yes or no, small numbers)."
        )
    if hits:
        lines.append(
            "Prompts are compared by the mean of their words' vectors, which hardly tells numbers,"
            " word order and negations apart."
        )
    seen = dataset.observed[:, model]
    if missing := int(np.count_nonzero(~seen)):
        lines.append(f"{count(missing)} requests without an outcome of the model are left out.")
    quality = dataset.quality[seen, model]
    if np.any((quality > 0) & (quality < 1)):
        lines.append("An answer that is right in part counts as wrong in the other part.")
    busy = min(hits, key=lambda point: point.pairs / point.hits, default=None)
    if busy and busy.pairs < busy.hits / 2:
        lines.append(
            f"The {count(busy.hits)} hits at {number(busy.threshold)} are of {count(busy.pairs)}"
            f" pair{'' if busy.pairs == 1 else 's'} of different requests. Hits of one pair are"
            " right or wrong together, so that intervals hold for traffic that asks the same"
            " questions."
        )
    crowded = [point.threshold for point in points if point.cut]
    if crowded:
        lines.append(
            f"Up to a threshold of {number(max(crowded))} some requests have more than"
            f" {MOST_NEIGHBOURS} similar ones, of which the most similar alone are looked at."
        )
    order = "timestamps" if TIMESTAMP in dataset.requests.column_names else "rows"
    size = "nothing ever leaves the cache" if cache is None else "age and size are limited"
    lines.append(
        f"Requests come in the order of their {order}; an answer is kept from then on, and {size}."
    )
    lines.append(
        "Intervals are 95 %: Wilson's for shares of requests and hits, bootstrap over requests for"
        f" what is saved. A threshold chosen among {count(len(points))} on these requests looks"
        " better here than it will elsewhere."
    )
    return tuple(lines)
