"""Filters: what they find, held against another implementation of MongoDB's, and that none of them takes longer than it may."""

from __future__ import annotations

import json
import operator
import time
from collections.abc import Callable
from typing import Any

import mongomock
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gonogo.tracker import filters
from gonogo.tracker.fields import Document
from gonogo.tracker.filters import order_key, parse
from gonogo.tracker.store.history import MISSING
from gonogo.tracker.store.runs import RefusedError

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, min_value=-3, max_value=3)
    | st.sampled_from(["", "a", "b", "ab"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["x", "y.z"]), inner, max_size=2), max_leaves=4
)
operators = [
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$not",
    "$exists",
    "$regex",
    "$options",
    "$and",
    "$or",
    "$nor",
    "$near",
    "$mod",
    "$all",
    "$size",
    "$elemMatch",
    "$type",
]
fields = ["config.x", "config.x.y", "summary_metrics.x", "tags", "state", "name", "display_name", "createdAt", "group", "nothing", "config"]
filter_like = st.recursive(
    scalars | st.lists(scalars, max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*operators, *fields]), inner, max_size=2),
    max_leaves=6,
)


def document(value: Any = MISSING, **columns: Any) -> Document:
    """A run whose config has a value as `x`, unless it lacks one."""
    config = {} if value is MISSING else {"x": {"value": value}}
    row = {"config": json.dumps(config), "summary": "{}", "tags": "[]", "name": "n", "display_name": None, "run_group": None} | columns
    return Document({"created_at": 0.0, "heartbeat_at": 0.0, **row}, state="finished", username="local")  # type: ignore[arg-type]


def holds(condition: Any, *documents: Document) -> list[bool]:
    """Whether runs fit a condition on `config.x`."""
    test, _ = parse(json.dumps({"config.x": condition}))
    return [test(one) for one in documents]


@given(filter_like, values)
def test_any_filter_is_answered_or_refused_in_words(asked: Any, value: Any) -> None:
    try:
        test, names = parse(json.dumps(asked))
    except RefusedError as error:
        assert str(error).startswith("filter: ")
    else:
        assert test(document(value)) in (True, False)
        filters.columns_of(names)


@given(st.text(max_size=30))
def test_a_filter_that_is_no_json_is_refused_in_words(text: str) -> None:
    try:
        parse(text)
    except RefusedError as error:
        assert str(error).startswith("filter: ")


@given(st.lists(values, max_size=3), values)
def test_in_is_any_equal(choices: list[Any], value: Any) -> None:
    run = document(value)
    assert holds({"$in": choices}, run) == [any(holds({"$eq": choice}, run)[0] for choice in choices)]
    assert holds({"$nin": choices}, run) != holds({"$in": choices}, run)


@given(scalars, values)
def test_not_and_ne_turn_the_answer_around(operand: Any, value: Any) -> None:
    run = document(value)
    assert holds({"$ne": operand}, run) != holds({"$eq": operand}, run)
    assert holds({"$not": {"$eq": operand}}, run) == holds({"$ne": operand}, run)
    assert holds(operand, run) == holds({"$eq": operand}, run)


@pytest.mark.slow
@given(st.integers(-3, 3) | st.floats(-3, 3), st.integers(-3, 3) | st.floats(-3, 3))
def test_numbers_compare_as_numbers(one: float, other: float) -> None:
    signs: dict[str, Callable[[Any, Any], bool]] = {
        "$gt": operator.gt,
        "$gte": operator.ge,
        "$lt": operator.lt,
        "$lte": operator.le,
        "$eq": operator.eq,
    }
    for name, compare in signs.items():
        assert holds({name: other}, document(one)) == [compare(one, other)]


@given(st.lists(st.dictionaries(st.sampled_from(["config.x", "name"]), scalars, max_size=2), min_size=1, max_size=3), values)
def test_and_or_nor_join_filters(parts: list[dict[str, Any]], value: Any) -> None:
    run = document(value)
    each = [parse(json.dumps(part))[0](run) for part in parts]
    found = [parse(json.dumps({name: parts}))[0](run) for name in ("$and", "$or", "$nor")]
    assert found == [all(each), any(each), not any(each)]


def test_a_truth_value_is_no_number() -> None:
    runs = [document(True), document(1), document(False), document(0)]
    assert holds(1, *runs) == [False, True, False, False]
    assert holds({"$gt": -1}, *runs) == [False, True, False, True]


def test_what_is_missing() -> None:
    runs = [document(), document(None), document(1)]
    assert holds(None, *runs) == [True, True, False]
    assert holds({"$exists": True}, *runs) == [False, True, True]
    assert holds({"$exists": False}, *runs) == [True, False, False]
    assert holds({"$ne": 1}, *runs) == [True, True, False]
    assert holds({"$gt": 0}, *runs) == [False, False, True]
    assert holds({"$nin": [1]}, *runs) == [True, True, False]


def test_a_run_without_a_title_is_found_by_what_is_shown_as_its_title() -> None:
    test, names = parse('{"display_name": "n"}')
    assert test(document())
    assert not test(document(display_name="other"))
    assert filters.columns_of(names) == {"display_name", "name"}


def test_a_condition_on_a_list_holds_for_an_item_of_it() -> None:
    test, _ = parse('{"tags": {"$regex": "^b"}}')
    assert test(document(tags='["a", "best"]'))
    assert not test(document(tags='["a"]'))
    assert parse('{"tags": "a"}')[0](document(tags='["b", "a"]'))
    assert parse('{"tags": {"$in": ["a", "c"]}}')[0](document(tags='["b", "a"]'))
    assert not parse('{"tags": {"$nin": ["a", "c"]}}')[0](document(tags='["b", "a"]'))


def test_entries_of_configs_are_found_with_and_without_value() -> None:
    run = document({"lr": {"start": 0.1}, "value": 3, "a.b": 4})
    for name in ("config.x.lr.start", "config.x.value.lr.start", "config.x.a.b"):
        test, _ = parse(json.dumps({name: {"$exists": True}}))
        assert test(run), name


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ('{"config.x": {"$regex": "("}}', "not a regular expression"),
        ('{"config.x": {"$regex": "a", "$options": "q"}}', "letters i, m, s and x"),
        ('{"config.x": {"$regex": 1}}', "takes a text"),
        ('{"config.x": {"$where": "1"}}', "$where is not supported"),
        ('{"$where": "1"}', "$where is not supported"),
        ('{"shoe_size": 1}', "runs have no field 'shoe_size'"),
        ('{"$and": {}}', "takes a list"),
        ('{"config.x": {"$in": 1}}', "takes a list"),
        ('{"config.x": {"$mod": [0, 1]}}', "a divisor that is not 0"),
        ('{"config.x": {"$mod": [2]}}', "a list of two numbers"),
        ('{"config.x": {"$all": 1}}', "takes a list"),
        ('{"config.x": {"$size": "1"}}', "takes a whole number"),
        ('{"config.x": {"$type": "date"}}', "$type takes double"),
        ('{"config.x": {"$elemMatch": 1}}', "$elemMatch takes an object"),
        ("[1]", "an object was expected"),
        ("{", "not JSON"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "filter: "),
        ('{"$and":[' * 3000 + "]}" * 3000, "filter: "),
    ],
)
def test_filters_that_are_refused(asked: str, says: str) -> None:
    with pytest.raises(RefusedError, match="filter: ") as caught:
        parse(asked)
    assert says in str(caught.value)


def test_regular_expressions_search_and_take_options() -> None:
    assert holds({"$regex": "ES", "$options": "i"}, document("resnet"), document("vgg"), document(3)) == [True, False, False]
    assert holds({"$regex": "^res", "$ne": "resnet"}, document("resnet"), document("resnext")) == [False, True]


@given(st.lists(st.just(MISSING) | values, max_size=6), st.booleans())
def test_every_order_is_one_with_what_is_missing_last(found: list[Any], down: bool) -> None:
    key, reverse = order_key(("-" if down else "+") + "config.x")
    assert reverse == down
    runs = sorted((document(value) for value in found), key=key, reverse=reverse)
    numbers = [value for run in runs if isinstance(value := run.value("config", "x"), int | float)]
    assert numbers == sorted(numbers, reverse=down)
    lacking = [run.value("config", "x") is MISSING for run in runs]
    ranked = [isinstance(run.value("config", "x"), int | float | str) for run in runs]
    assert ranked == sorted(ranked, reverse=True), lacking


def test_times_are_ordered_within_a_second() -> None:
    key, reverse = order_key("-created_at")
    runs = sorted((document(created_at=time) for time in (5.1, 5.3, 5.2)), key=key, reverse=reverse)
    assert [run.row["created_at"] for run in runs] == [5.3, 5.2, 5.1]


# Held against mongomock, which filters as MongoDB does

plain = st.integers(-3, 3) | st.sampled_from(["", "a", "b", "ab"]) | st.booleans() | st.none()
conditions = st.one_of(
    st.builds(lambda choices: {"$all": choices}, st.lists(plain, min_size=1, max_size=3)),
    st.builds(lambda size: {"$size": size}, st.integers(0, 3)),
    st.builds(lambda kind: {"$type": kind}, st.sampled_from(["string", "object", "array", "bool", "int"])),
    st.builds(lambda name, value: {"$elemMatch": {name: value}}, st.sampled_from(["$gt", "$lt", "$eq", "$ne"]), st.integers(-3, 3)),
    st.builds(lambda key, value: {"$elemMatch": {key: value}}, st.sampled_from(["p", "q"]), plain),
    st.builds(lambda key, value: {"$elemMatch": {key: {"$gte": value}}}, st.sampled_from(["p", "q"]), st.integers(-3, 3)),
)
found_values = st.one_of(
    plain,
    st.floats(-9, 9, allow_nan=False),
    st.lists(plain, max_size=3),
    st.lists(st.dictionaries(st.sampled_from(["p", "q"]), plain, max_size=2), max_size=3),
    st.dictionaries(st.sampled_from(["p", "q"]), plain, max_size=2),
)


@given(conditions, found_values)
def test_operators_find_what_mongodb_finds(condition: dict[str, Any], value: Any) -> None:
    # Where mongomock differs from MongoDB: truth values are numbers to it, and single values have a size.
    assume("true" not in json.dumps([value, condition]) and "false" not in json.dumps([value, condition]))
    assume("$size" not in condition or isinstance(value, list))
    table = mongomock.MongoClient().db.table
    table.insert_one({"x": value})
    assert holds(condition, document(value)) == [table.count_documents({"x": condition}) == 1]


@pytest.mark.parametrize(
    ("condition", "value", "fits"),
    [
        ({"$mod": [4, 0]}, 8, True),
        ({"$mod": [4, 0]}, 9, False),
        ({"$mod": [4, 1]}, 9.7, True),
        ({"$mod": [4, -1]}, -9, True),
        ({"$mod": [4, 0]}, "8", False),
        ({"$mod": [4, 0]}, True, False),
        ({"$mod": [4, 0]}, [1, 8], True),
        ({"$all": ["a", "b"]}, ["b", "c", "a"], True),
        ({"$all": ["a", "b"]}, ["a"], False),
        ({"$all": ["a"]}, "a", True),
        ({"$all": []}, ["a"], False),
        ({"$all": [{"$elemMatch": {"p": 1}}, {"$elemMatch": {"p": 2}}]}, [{"p": 1}, {"p": 2}], True),
        ({"$all": [{"$elemMatch": {"p": 1}}, {"$elemMatch": {"p": 2}}]}, [{"p": 1}], False),
        ({"$size": 2}, [1, 2], True),
        ({"$size": 2}, [1], False),
        ({"$size": 0}, MISSING, False),
        ({"$elemMatch": {"$gte": 80, "$lt": 85}}, [82, 90], True),
        ({"$elemMatch": {"$gte": 80, "$lt": 85}}, [75, 88], False),
        ({"$elemMatch": {"p": 1, "q": {"$gt": 2}}}, [{"p": 1, "q": 1}, {"p": 1, "q": 3}], True),
        ({"$elemMatch": {"p": 1, "q": {"$gt": 2}}}, [{"p": 1, "q": 1}, {"p": 2, "q": 3}], False),
        ({"$elemMatch": {"$or": [{"p": 1}, {"q": 1}]}}, [{"q": 1}], True),
        ({"$elemMatch": {"p": 1}}, {"p": 1}, False),
        ({"$not": {"$elemMatch": {"p": 1}}}, [{"p": 2}], True),
        ({"$type": "string"}, "a", True),
        ({"$type": "number"}, True, False),
        ({"$type": "bool"}, True, True),
        ({"$type": ["int", "string"]}, 1, True),
        ({"$type": "int"}, 1 << 40, False),
        ({"$type": "long"}, 1 << 40, True),
        ({"$type": 2}, ["a"], True),
        ({"$type": "array"}, ["a"], True),
        ({"$type": "null"}, MISSING, False),
    ],
)
def test_more_operators(condition: dict[str, Any], value: Any, fits: bool) -> None:
    assert holds(condition, document(value)) == [fits]


# Time

CATASTROPHES = ["^(a+)+$", "(a|aa)+$", "(a|a)*b", "(.*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y", "(?=(a+)+b)a", "(a?){60}a{60}"]


@pytest.mark.slow
@pytest.mark.parametrize("pattern", CATASTROPHES)
def test_no_regular_expression_takes_longer_than_it_may(pattern: str) -> None:
    test, _ = parse(json.dumps({"$or": [{"config.x": {"$regex": pattern}}, {"config.x": {"$regex": f"{pattern}c"}}]}))
    runs = [document("a" * length + "!") for length in range(30, 300, 9)]
    started = time.process_time()
    try:
        assert not any(test(run) for run in runs if "a{60}" not in pattern)
    except RefusedError as error:
        assert "takes longer than 1 s; make it simpler" in str(error)
    assert time.process_time() - started < 3 * filters.LIMIT_OF_SEARCH


@pytest.mark.slow
def test_all_regular_expressions_of_a_filter_share_their_time() -> None:
    condition = {"config.x": {"$elemMatch": {"$or": [{"p": {"$regex": "(a|aa)+$"}}, {"q": {"$regex": "(a|aa)+$"}}]}}}
    test, _ = parse(json.dumps({"$or": [condition] * 20}))
    started = time.process_time()
    with pytest.raises(RefusedError, match="takes longer"):
        test(document([{"p": "a" * 99 + "!", "q": "a" * 99 + "!"}] * 20))
    assert time.process_time() - started < 3 * filters.LIMIT_OF_SEARCH
