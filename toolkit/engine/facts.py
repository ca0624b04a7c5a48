"""What the machine has to know about each request before it arrives: columns, made once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from toolkit.errors import PolicyError, Problem, did_you_mean
from toolkit.policy.conditions import Condition, mask
from toolkit.policy.model import Policy
from toolkit.policy.plan import NO_LIMIT
from toolkit.schema import INPUT_TOKENS

if TYPE_CHECKING:
    from toolkit.policy.guards import Shedding


class Facts(NamedTuple):
    """n requests, each array of shape (n,); see ``machine.Request``."""

    needs: NDArray[np.int64]
    tokens: NDArray[np.float64]
    room: NDArray[np.int64]


NO_FACTS = Facts(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))
"""For a policy that asks about nothing."""


def facts(policy: Policy, requests: pa.Table, tokens: NDArray[np.float64]) -> Facts:
    """Read what the policy's capabilities, limits and shedding ask about.

    ``tokens`` is what `request_tokens` returns.

    Raises:
        PolicyError: A condition or the shedding asks for a column that there is not.
    """
    n = requests.num_rows
    needs = np.zeros(n, np.int64)
    for r, (name, condition) in enumerate(policy.requires.items()):
        needs |= mask(condition, requests, f"requires.{name}", name).astype(np.int64) << r
    room = np.full(n, NO_LIMIT, np.int64)
    if policy.shedding:
        room = _room(policy.shedding, requests)
    return Facts(needs, tokens, room)


def request_tokens(requests: pa.Table) -> NDArray[np.float64]:
    """Input tokens of each request, (n,); 0 where not known."""
    tokens = np.zeros(requests.num_rows)
    if INPUT_TOKENS in requests.column_names:
        column = requests.column(INPUT_TOKENS)
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            known = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            tokens[:] = np.where(np.isnan(known), 0.0, known)
    return tokens


def _room(shedding: Shedding, requests: pa.Table) -> NDArray[np.int64]:
    room = np.full(requests.num_rows, shedding.max_in_progress, np.int64)
    column = shedding.priority_by
    if column is None:
        return room
    if column not in requests.column_names:
        problem = Problem(
            "the data has no such column to take priorities from",
            "shedding.priority_by",
            repr(column),
            did_you_mean(column, requests.column_names),
        )
        raise PolicyError([problem])
    values = requests.column(column)
    text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    for value, limit in shedding.limits.items():
        if text:  # as a rule would test it: equal texts once, and remembered
            rows = mask(Condition.model_validate({column: {"eq": value}}), requests)
        else:
            rows = pc.fill_null(pc.equal(pc.cast(values, pa.string()), value), False).to_numpy()
        room[rows] = limit
    return room
