"""Targets that are no model: a calculator, deterministic, for what it can parse.

It reads the one arithmetic expression in a text. A minus or a slash counts only between spaces or
brackets, so that dates, telephone numbers and ranges are not taken for arithmetic.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction

_WORDS = (
    (r"\bdivided by\b|÷", "/"),
    (r"\b(?:times|multiplied by)\b|×", "*"),
    (r"\bplus\b", "+"),
    (r"\bminus\b|−", "-"),
    (r"(?<=\d),(?=\d{3}(?!\d))", ""),
    (r"(\d+(?:\.\d+)?) ?% of (\d+(?:\.\d+)?)", r"(\1 / 100 * \2)"),
)
_NUMBER = r"\d+(?:\.\d+)?"
_OPERATOR = r"(?:\s*[+*]\s*|(?:(?<=\))|\s)[-/](?=[\s(])\s*)"
_EXPRESSION = re.compile(
    rf"(?<![\w.])[(\s]*-?{_NUMBER}(?:\s*\))*(?:{_OPERATOR}[(\s]*-?{_NUMBER}(?:\s*\))*)+(?![\w%])"
)
_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
MAX_CHARS = 200
"""A longer expression is refused, which bounds both the depth and the size of its result."""


def calculate(text: str) -> str:
    """Work out the arithmetic in ``text`` exactly and return the number.

    Knows ``+ - * / × ÷ ( )``, plus, minus, times, divided by, and ``15% of 60``. Raises
    ``ValueError`` with the reason when there is no expression, more than one, or no result.

    >>> calculate("How much is 2.5 + 3 times 4?")
    '14.5'
    """
    for pattern, replacement in _WORDS:
        text = re.sub(pattern, replacement, text, flags=re.IGNORECASE)
    found = [match.strip() for match in _EXPRESSION.findall(text)]
    if not found:
        raise ValueError("there is no arithmetic in the prompt")
    if len(found) > 1:
        raise ValueError(f"the prompt holds {len(found)} expressions, not one")
    if len(found[0]) > MAX_CHARS:
        raise ValueError(f"the expression is longer than {MAX_CHARS} characters")
    try:
        value = _value(ast.parse(found[0], mode="eval").body)
    except SyntaxError:
        raise ValueError(f"cannot read the expression {found[0]!r}") from None
    except ZeroDivisionError:
        raise ValueError(f"division by zero in {found[0]!r}") from None
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.12g}"


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left), _value(right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.Constant(value=int() | float() as number):
            return Fraction(str(number))
        case _:
            raise ValueError(f"cannot calculate {ast.unparse(node)!r}")
