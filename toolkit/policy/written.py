"""What every part of a policy file has in common: it is frozen, strict and known by its content.

Two policies are equal when their content is: the order of models, chains and columns does not
matter, but ``true`` is not ``1``. Equality, hash and digest all come from one canonical JSON text.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from toolkit.errors import PolicyError, Problem

MAX_DEPTH = 50
"""Deepest nesting of lists and mappings in a policy."""
MAX_NAME = 200
"""Longest name of a policy, route, chain or model, in characters."""

Name = Annotated[str, Field(strict=True, min_length=1, max_length=MAX_NAME)]
Text = Annotated[str, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Amount = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
FractionChange = Annotated[float, Field(strict=True, ge=-1, le=1, allow_inf_nan=False)]


def _scalar(value: object) -> str | float | bool:
    """Text, a finite number (always as float, so that 1 and 1.0 are one value) or true/false."""
    if isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number + 0.0  # -0.0 becomes 0.0
        raise PydanticCustomError("finite_number", "must be a finite number")
    raise PydanticCustomError(
        "scalar", "must be a single value", {"allowed": "text, a number, true or false"}
    )


Scalar = Annotated[
    str | float | bool,
    PlainValidator(_scalar),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
"""A value that a condition compares with."""


def _given(value: object) -> object:
    if value is None:
        raise PydanticCustomError("no_value", "needs a value")
    return value


GIVEN = BeforeValidator(_given)
"""Marks a key that may be left out but, once written, needs a value."""


class Written(BaseModel):
    """Base of everything that people write in a policy file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_data(self) -> dict[str, Any]:
        """The compact form as dicts, lists and scalars: what equals its default is left out."""
        data: dict[str, Any] = plain(
            self.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True)
        )
        return data

    @property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) of the content, the same for every order of keys."""
        return hashlib.sha256(self._canonical().encode("utf-8", "surrogatepass")).hexdigest()

    def _canonical(self) -> str:
        return json.dumps(self.to_data(), sort_keys=True, ensure_ascii=False, allow_nan=False)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, Written):
            return NotImplemented
        return self._canonical() == other._canonical()

    def __hash__(self) -> int:
        return hash(self._canonical())


def plain(value: Any, level: int = 1) -> Any:
    """Turn models and tuples into fresh dicts and lists, and whole floats into ints.

    >>> plain({"timeout_s": 4.0, "use": ("a", 0.5)})
    {'timeout_s': 4, 'use': ['a', 0.5]}

    Raises:
        PolicyError: Lists and mappings are nested deeper than `MAX_DEPTH`.
    """
    if isinstance(value, Written):
        return value.to_data()
    if isinstance(value, (dict, list, tuple)):
        if level > MAX_DEPTH:
            raise PolicyError([Problem("is nested too deeply", allowed=f"{MAX_DEPTH} levels")])
        if isinstance(value, dict):
            return {key: plain(item, level + 1) for key, item in value.items()}
        return [plain(item, level + 1) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
