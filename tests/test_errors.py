"""Errors are read by people, and travel between processes."""

from __future__ import annotations

import copy

from toolkit import PolicyError, Problem
from toolkit.errors import did_you_mean


def test_a_policy_error_survives_a_copy_and_a_pickle():
    """Caches and worker processes hand errors on by pickling them."""
    error = PolicyError([Problem("unknown key", "chains.a", "'x'", "steps", 3)], "p.yaml")
    same = copy.copy(error)  # by the same protocol as pickle
    assert (same.problems, same.file) == (error.problems, error.file)
    assert str(same) == "p.yaml:3: chains.a: unknown key; got 'x'; allowed: steps"


def test_the_likeliest_name_comes_first():
    """A slip of the pen is answered with the name that was meant, then with the others."""
    assert did_you_mean("smal", ["large", "small"]) == "'small' (did you mean this?), 'large'"
    assert did_you_mean("zzz", [str(i) for i in range(30)]).endswith(", …")
