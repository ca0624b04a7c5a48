"""Conditions over whole columns agree with the same conditions row by row."""

from __future__ import annotations

import datetime
import pickle
import weakref

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given

from tests import reference_conditions
from tests.reference_conditions import conditions, tables
from toolkit.errors import PolicyError
from toolkit.policy import Condition, condition_in_words, mask, parse_policy, route_masks

TABLE = pa.table(
    {
        "category": ["facts", None, "topic"],
        "input_tokens": [10.0, None, float("nan")],
        "paid": [True, False, None],
        "at": [datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), None, None],
        "blank": pa.nulls(3),
    }
)


def found(**when):
    """The mask of a condition over the small table, as a list."""
    return mask(Condition.model_validate(when), TABLE).tolist()


@given(conditions, tables())
def test_mask_agrees_with_a_loop_over_rows(condition, table):
    """The mask of a table is what an obvious loop finds for each row."""
    expected = [reference_conditions.holds(condition, row) for row in table.to_pylist()]
    result = mask(condition, table)
    assert result.dtype == np.bool_
    assert result.tolist() == expected


@given(conditions, tables())
def test_repeated_texts_are_found_like_others(condition, table):
    """A long table, whose texts repeat, gives the rows of the short one again and again."""
    short = mask(condition, table)
    times = 200 // max(table.num_rows, 1)
    long = pa.concat_tables([table] * times)
    assert np.array_equal(mask(condition, long), np.tile(short, times))
    assert np.array_equal(mask(condition, long), np.tile(short, times))  # from what was kept


def test_texts_that_never_repeat():
    """A long column of different texts, which threads share, is tested row by row."""
    prompts = [None if i % 7 == 0 else f"prompt {i}" for i in range(30_000)]
    table = pa.table({"prompt": pa.chunked_array([prompts[:11_000], prompts[11_000:]])})
    for tests, expected in (
        ({"matches": "1$"}, [p is not None and p.endswith("1") for p in prompts]),
        ({"contains": "99"}, [p is not None and "99" in p for p in prompts]),
        ({"ne": "prompt 5"}, [p != "prompt 5" for p in prompts]),
        ({"exists": False}, [p is None for p in prompts]),
    ):
        found = mask(Condition.model_validate({"prompt": tests}), table)
        assert found.tolist() == expected


def test_a_mask_may_be_written_to():
    """What a caller does with a mask does not change the next one, and a table is let go."""
    table = pa.table({"prompt": ["a", "b"] * 100})
    condition = Condition.model_validate({"prompt": {"eq": "a"}})
    mask(condition, table)[:] = False
    assert mask(condition, table).sum() == 100
    gone = weakref.ref(table)
    del table
    assert gone() is None


@given(conditions)
def test_condition_is_a_value(condition):
    """A condition read back from what it writes is equal, hashes alike and survives pickling."""
    again = Condition.model_validate(condition.to_data())
    assert again == condition
    assert hash(again) == hash(condition)
    assert pickle.loads(pickle.dumps(condition)) == condition  # noqa: S301
    assert condition_in_words(condition)


def test_missing_is_different_from_every_value():
    """Null and NaN fulfil ne, not_in and exists: false, and nothing else."""
    assert found(input_tokens={"ne": 10}) == [False, True, True]
    assert found(input_tokens={"not_in": [10, 11]}) == [False, True, True]
    assert found(input_tokens={"exists": False}) == [False, True, True]
    assert found(input_tokens={"gte": 0}) == [True, False, False]
    assert found(category={"matches": ""}) == [True, False, True]


def test_everything_in_one_mapping_must_hold():
    """Several columns, several operators and a group beside them are joined by and."""
    assert found(category={"in": ["facts", "topic"]}, paid={"eq": True}) == [True, False, False]
    assert found(input_tokens={"gt": 5, "lt": 10}) == [False, False, False]
    either = [{"category": {"eq": "facts"}}, {"category": {"eq": "topic"}}]
    assert found(any=either, paid={"exists": False}) == [False, False, True]


def test_matches_searches_anywhere_and_in_linear_time():
    """A pattern is searched as RE2 does, also one that would make backtracking explode."""
    table = pa.table({"prompt": ["my IBAN is", "a" * 5000, None]})
    condition = Condition.model_validate({"prompt": {"matches": "(?i)iban"}})
    assert mask(condition, table).tolist() == [True, False, False]
    condition = Condition.model_validate({"prompt": {"matches": "(a+)+$|b"}})
    assert mask(condition, table).tolist() == [False, True, False]


def test_true_is_not_one():
    """True and 1 are different values, 1 and 1.0 the same."""
    true, one, float_one = (
        Condition.model_validate({"x": {"eq": value}}) for value in (True, 1, 1.0)
    )
    assert true != one
    assert one == float_one
    assert one.digest == float_one.digest


def test_order_of_keys_does_not_matter():
    """Two spellings of one condition are equal."""
    a = Condition.model_validate({"x": {"gt": 1, "lt": 2}, "y": {"eq": "z"}})
    b = Condition.model_validate({"y": {"eq": "z"}, "x": {"lt": 2, "gt": 1}})
    assert a == b
    assert hash(a) == hash(b)


def test_column_without_any_value_fits_every_test():
    """A column that is blank throughout has no kind, so that no test is a mistake."""
    assert found(blank={"lt": 4}) == [False] * 3
    assert found(blank={"ne": "x"}) == [True] * 3
    assert found(at={"exists": True}) == [True, False, False]


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ({"categroy": {"eq": "x"}}, r"column that the requests do not have; got 'categroy'; allo"),
        (
            {"category": {"lt": 4}},
            r"when\.category\.lt: .* number value, but the column holds text",
        ),
        ({"input_tokens": {"eq": "4"}}, r"a text value, but the column holds number; got '4'"),
        ({"paid": {"eq": 1}}, r"a number value, but the column holds boolean"),
        ({"any": [{"paid": {"matches": "t"}}]}, r"when\.any\.0\.paid\.matches: "),
        ({"at": {"eq": "2024"}}, r"the column holds timestamp.*; allowed: only exists"),
    ],
)
def test_column_that_does_not_fit(when, message):
    """An unknown column or one of another kind is named with its place in the condition."""
    with pytest.raises(PolicyError, match=message):
        mask(Condition.model_validate(when), TABLE)


def test_route_masks_report_all_rules():
    """The masks of all rules come as one matrix, or with the problems of every rule by name."""
    text = """
policy: p
models: {m: {}}
routes:
  - {name: facts, when: {category: {eq: facts}}, use: c}
  - {name: paid, when: {paid: {eq: true}}, use: c}
default: c
chains: {c: {steps: [{model: m}]}}
"""
    masks = route_masks(parse_policy(text), TABLE)
    assert masks.tolist() == [[True, False, False], [True, False, False]]
    with pytest.raises(PolicyError) as raised:
        route_masks(parse_policy(text), pa.table({"prompt": ["x"]}))
    assert [p.where for p in raised.value.problems] == [
        "routes.0.when.category",
        "routes.1.when.paid",
    ]
    assert "rule 'paid'" in str(raised.value)
