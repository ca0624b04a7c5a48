"""Numbers as people read them: ``$0.192``, ``0.96 s``, ``1.2 %``, ``0.805 [0.786, 0.823]``.

Three significant digits, never fewer than the whole part, no scientific notation, and the same
number of decimals within one interval. What is undefined reads ``–``. The minus is a true minus.
Where that would not tell two numbers apart, ``more`` decimals are written.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Sequence

from toolkit.evaluate.intervals import Estimate

UNDEFINED = "–"
MINUS = "−"


def _decimals(*values: float, digits: int = 3) -> int:
    """Decimals that show ``digits`` significant digits of the largest of ``values``."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    if not largest:
        return 0
    # Rounded first: 0.9996 has its three digits at 1.00.
    exponent = int(f"{largest:.{digits - 1}e}".split("e")[1])
    return max(0, digits - 1 - exponent)


def _fixed(value: float, decimals: int, prefix: str = "", sign: bool = False) -> str:
    if not math.isfinite(value):
        return UNDEFINED
    text = f"{abs(value):,.{decimals}f}"
    zero = not any(c in "123456789" for c in text)
    lead = "" if zero else MINUS if value < 0 else "+" if sign else ""
    return f"{lead}{prefix}{text}"


def count(value: int) -> str:
    """``1,700``."""
    return f"{value:,}"


def counted(n: int, noun: str) -> str:
    """``1 request``, ``1,700 requests``."""
    return f"{count(n)} {noun}{'' if n == 1 else 's'}"


def number(value: float, more: int = 0) -> str:
    """``0.805``, ``1.07``, ``12.3``, ``1,234``; trailing zeros are dropped."""
    text = _fixed(value, _decimals(value) + more)
    return text.rstrip("0").rstrip(".") if "." in text else text


def usd(value: float, more: int = 0) -> str:
    """``$0.192``, ``$2.20``, ``$1,234``: two decimals at least below 100 dollars."""
    decimals = _decimals(value) + more
    text = _fixed(value, max(decimals, 2) if abs(value) < 99.995 else decimals, "$")
    whole, dot, cents = text.partition(".")
    return whole + dot + cents[:2] + cents[2:].rstrip("0")


def usd_per_1k(value: float) -> str:
    """``$0.192 /1k``."""
    return f"{usd(value)} /1k" if math.isfinite(value) else UNDEFINED


def seconds(value: float, more: int = 0) -> str:
    """``0.96 s``."""
    return f"{number(value, more)} s" if math.isfinite(value) else UNDEFINED


def percent(value: float, more: int = 0) -> str:
    """A share of 1 as ``1.2 %``; only 0 and 1 themselves read ``0 %`` and ``100 %``."""
    if not math.isfinite(value):
        return UNDEFINED
    return f"{_fixed(100 * value, _percent_decimals(value) + more)} %"


def _percent_decimals(*values: float) -> int:
    if all(v in (0.0, 1.0) for v in values):
        return 0
    inner = [100 * abs(v) for v in values if v not in (0.0, 1.0) and math.isfinite(v)]
    decimals = 1
    while decimals < 6 and any(round(v, decimals) in (0.0, 100.0) for v in inner):
        decimals += 1
    return decimals


def points(value: float) -> str:
    """A difference of shares as percentage points, ``+1.2 points``."""
    return f"{_fixed(100 * value, 1, sign=True)} points" if math.isfinite(value) else UNDEFINED


def _interval(e: Estimate, show: Callable[[float], str]) -> str:
    bounds = f" [{show(e.low)}, {show(e.high)}]" if math.isfinite(e.low + e.high) else ""
    return show(e.value) + bounds


def number_interval(e: Estimate, *, more: int = 0) -> str:
    """``0.805 [0.786, 0.823]``."""
    decimals = _decimals(e.value, e.low, e.high) + more
    return _interval(e, lambda v: _fixed(v, decimals))


def quality_interval(e: Estimate) -> str:
    """``0.805 [0.786, 0.823]``, always with three decimals, so that 0 reads ``0.000``."""
    return _interval(e, lambda v: _fixed(v, 3))


def usd_interval(e: Estimate, sign: bool = False, *, more: int = 0) -> str:
    """``$0.310 [0.272, 0.348]``; ``sign`` writes a plus too, for differences."""
    decimals = max(2, _decimals(e.value, e.low, e.high)) + more
    if math.isnan(e.value):
        return UNDEFINED
    plain = _interval(e, lambda v: _fixed(v, decimals, sign=sign))
    lead = plain[0] if plain[0] in f"+{MINUS}" else ""
    return f"{lead}${plain[len(lead) :]}"


def seconds_interval(e: Estimate, sign: bool = False, *, more: int = 0) -> str:
    """``0.960 s [0.931, 0.990]``."""
    decimals = _decimals(e.value, e.low, e.high) + more
    return _with_unit(e, lambda v: _fixed(v, decimals, sign=sign), "s")


def percent_interval(e: Estimate, *, more: int = 0) -> str:
    """``1.2 % [0.8, 1.7]``."""
    decimals = max(1, _percent_decimals(e.value)) + more
    return _with_unit(e, lambda v: _fixed(100 * v, decimals), "%")


def points_interval(e: Estimate, sign: bool = True, *, more: int = 0) -> str:
    """``−0.4 points [−1.1, +0.3]``, a difference of shares."""
    return _with_unit(e, lambda v: _fixed(100 * v, 1 + more, sign=sign), "points")


def _with_unit(e: Estimate, show: Callable[[float], str], unit: str) -> str:
    if math.isnan(e.value):
        return UNDEFINED
    value, space, bounds = _interval(e, show).partition(" ")
    return f"{value} {unit}{space}{bounds}"


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """An HTML table of escaped text: no colours of its own, so it reads in light and dark."""

    def row(cells: Sequence[str], tag: str) -> str:
        # The first column names the row, the others are numbers.
        align = ("left", *["right"] * (len(cells) - 1))
        return "".join(
            f'<{tag} style="text-align:{a};padding:2px 10px 2px 0">{html.escape(c)}</{tag}>'
            for a, c in zip(align, cells, strict=True)
        )

    title = f'<caption style="text-align:left">{html.escape(caption)}</caption>' if caption else ""
    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in rows)
    return f"<table>{title}<thead><tr>{row(head, 'th')}</tr></thead><tbody>{body}</tbody></table>"


def html_list(lines: Iterable[str]) -> str:
    """An HTML list of escaped text."""
    return f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>"
