"""Which things are selected, and in which order.

The filters are those of `wandb.Api()`, which are those of MongoDB.

Source: MongoDB's manual for what the operators mean. Libraries that filter like MongoDB keep the data in a database of their own; these
filters work on rows of ours.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import regex

from gonogo.tracker.fields import RUNS, TIMES, Document, Fields
from gonogo.tracker.store.history import MISSING, lookup
from gonogo.tracker.store.runs import RefusedError


class Thing(Protocol):
    """What a filter tests."""

    def value(self, column: str, path: str) -> Any:
        """The value of a column, or of an entry of a column that is an object; MISSING where there is none."""


Test = Callable[[Thing], bool]
Check = Callable[[Any], bool]

LIMIT_OF_PATTERNS = 1000
# Seconds that the regular expressions of one filter may take in all: some need longer than anybody lives.
LIMIT_OF_SEARCH = 1.0
# What MongoDB calls the types of values, by name and by number.
TYPES: dict[str | int, Check] = {
    "double": lambda found: isinstance(found, float),
    "string": lambda found: isinstance(found, str),
    "object": lambda found: isinstance(found, dict),
    "array": lambda found: isinstance(found, list),
    "bool": lambda found: isinstance(found, bool),
    "null": lambda found: found is None,
    "int": lambda found: _whole(found) and -(1 << 31) <= found < 1 << 31,
    "long": lambda found: _whole(found) and not -(1 << 31) <= found < 1 << 31,
    "number": lambda found: isinstance(found, int | float) and not isinstance(found, bool),
}
TYPES |= {number: TYPES[name] for name, number in (("double", 1), ("string", 2), ("object", 3), ("array", 4), ("bool", 8), ("null", 10))}
TYPES |= {16: TYPES["int"], 18: TYPES["long"]}


def columns_of(names: set[str], fields: Fields = RUNS) -> set[str]:
    """The columns that must be read for some names of fields."""
    columns = {fields.find(name)[0] for name in names} - {"username"}
    return columns | {"name"} if "display_name" in columns else columns


def parse(text: str | None, fields: Fields = RUNS) -> tuple[Test, set[str]]:
    """What a filter says, as a test of a thing, and the names of the fields that it looks at.

    Raises:
        RefusedError: It is not JSON, or asks for a field or an operator that is not known here. The test raises it when a regular
            expression takes too long.
    """
    try:
        filters = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"filter: not JSON ({error})") from error
    parser = _Parser(fields, _Clock())
    try:
        return parser.object(filters or {}), parser.names
    except RecursionError as error:
        raise RefusedError("filter: nested too deeply") from error


def order_key(order: str, fields: Fields = RUNS) -> tuple[Callable[[Document], Any], bool]:
    """Return the sort key for one field, and whether the order is descending.

    Numbers come before texts, and things that lack the field last.
    """
    column, path = fields.find(order.lstrip("+-"))
    down = order.startswith("-")

    def key(document: Document) -> tuple[int, Any]:
        # Times are compared as they are stored: runs that begin within one second are usual.
        value = document.row[column] if column in TIMES else document.value(column, path)
        if isinstance(value, bool | int | float) and value == value:
            return (1, value) if down else (0, value)
        if isinstance(value, str):
            return (0, value) if down else (1, value)
        return (-1, 0) if down else (2, 0)

    return key, down


def select(documents: Sequence[Document], text: str | None, order: str | None, fields: Fields) -> list[Document]:
    """The things that fit a filter, in an order: as they come, if none is given.

    Raises:
        RefusedError: The filter or the order can't be read.
    """
    test, _ = parse(text, fields)
    found = [document for document in documents if test(document)]
    if not order:
        return found
    key, down = order_key(order, fields)
    return sorted(found, key=key, reverse=down)


class _Parser:
    """Turns one filter into tests; its regular expressions share a time limit."""

    def __init__(self, fields: Fields, clock: _Clock) -> None:
        self.names: set[str] = set()
        self._fields = fields
        self._clock = clock

    def object(self, filters: Any) -> Test:
        """What an object says: all of its entries."""
        if not isinstance(filters, dict):
            raise RefusedError(f"filter: an object was expected, not {filters!r:.80}")
        tests = [self._entry(name, value) for name, value in filters.items()]
        return lambda document: all(test(document) for test in tests)

    def _entry(self, name: str, value: Any) -> Test:
        if name in ("$and", "$or", "$nor"):
            if not isinstance(value, list):
                raise RefusedError(f"filter: {name} takes a list")
            tests = [self.object(item) for item in value]
            if name == "$and":
                return lambda document: all(test(document) for test in tests)
            wanted = name == "$or"
            return lambda document: any(test(document) for test in tests) is wanted
        if name.startswith("$"):
            raise RefusedError(f"filter: {name} is not supported here; use $and, $or, $nor or a field")
        column, path = self._fields.find(name)
        self.names.add(name)
        check = self._condition(value)
        return lambda document: check(document.value(column, path))

    def _condition(self, value: Any) -> Check:
        if not isinstance(value, dict) or not any(key.startswith("$") for key in value):
            return lambda found: _equal(found, value)
        if "$regex" in value:
            search = self._search(value["$regex"], value.get("$options", ""))
            value = {key: operand for key, operand in value.items() if key not in ("$regex", "$options")}
            rest = self._condition(value) if value else lambda found: True
            return lambda found: any(isinstance(item, str) and search(item) for item in _items(found)) and rest(found)
        checks = [self._operator(name, operand) for name, operand in value.items()]
        return lambda found: all(check(found) for check in checks)

    def _operator(self, name: str, operand: Any) -> Check:
        if name == "$not":
            inner = self._condition(operand)
            return lambda found: not inner(found)
        if name == "$elemMatch":
            return self._element(operand)
        if name == "$all":
            parts = [
                self._element(part["$elemMatch"]) if isinstance(part, dict) and part.keys() == {"$elemMatch"} else self._condition(part)
                for part in _list(name, operand)
            ]
            return lambda found: bool(parts) and found is not MISSING and all(part(found) for part in parts)
        return _simple(name, operand)

    def _element(self, operand: Any) -> Check:
        """What an item of a list must be: it fits operators, or, if it is an object, its entries fit."""
        if not isinstance(operand, dict):
            raise RefusedError("filter: $elemMatch takes an object")
        if any(key.startswith("$") and key not in ("$and", "$or", "$nor") for key in operand):
            check = self._condition(operand)
            return lambda found: isinstance(found, list) and any(check(item) for item in found)
        test = _Parser(_ANY, self._clock).object(operand)
        return lambda found: isinstance(found, list) and any(isinstance(item, dict) and test(_Item(item)) for item in found)

    def _search(self, text: Any, options: Any) -> Callable[[str], bool]:
        pattern, clock = _pattern(text, options), self._clock

        def search(item: str) -> bool:
            started = time.monotonic()
            try:
                return pattern.search(item, timeout=clock.left, concurrent=True) is not None
            except TimeoutError:
                raise RefusedError(f"filter: $regex {text!r} takes longer than {LIMIT_OF_SEARCH:.0f} s; make it simpler") from None
            finally:
                clock.left = max(0.001, clock.left - (time.monotonic() - started))

        return search


class _Clock:
    """How many seconds the regular expressions of a filter may still take."""

    def __init__(self) -> None:
        self.left = LIMIT_OF_SEARCH


class _Item:
    """An object in a list, as the filter inside of `$elemMatch` sees it."""

    def __init__(self, item: dict[str, Any]) -> None:
        self._item = item

    def value(self, column: str, path: str) -> Any:
        """The value under a path."""
        return lookup(self._item, path)


class _AnyFields(Fields):
    """The fields of an object of which nothing is known."""

    def find(self, name: str) -> tuple[str, str]:
        """The name itself is the path."""
        return "", name


_ANY = _AnyFields("items", {})


def _simple(name: str, operand: Any) -> Check:
    match name:
        case "$in" | "$nin":
            choices = _list(name, operand)
            return lambda found: any(_equal(found, item) for item in choices) is (name == "$in")
        case "$eq":
            return lambda found: _equal(found, operand)
        case "$ne":
            return lambda found: not _equal(found, operand)
        case "$exists":
            return lambda found: (found is not MISSING) is bool(operand)
        case "$gt":
            return lambda found: _compare(found, operand, lambda one, other: one > other)
        case "$gte":
            return lambda found: _compare(found, operand, lambda one, other: one >= other)
        case "$lt":
            return lambda found: _compare(found, operand, lambda one, other: one < other)
        case "$lte":
            return lambda found: _compare(found, operand, lambda one, other: one <= other)
        case "$size":
            if not _whole(operand):
                raise RefusedError("filter: $size takes a whole number")
            return lambda found: isinstance(found, list) and len(found) == operand
        case "$mod":
            divisor, rest = _mod(operand)
            return lambda found: any(_remainder(item, divisor) == rest for item in _items(found))
        case "$type":
            return _type(operand)
    raise RefusedError(
        f"filter: {name} is not supported here; use $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $not, $exists, $mod, $all, $size, "
        "$elemMatch, $type or $regex with $options"
    )


def _type(operand: Any) -> Check:
    names = operand if isinstance(operand, list) else [operand]
    if not names or not all(isinstance(name, str | int) and not isinstance(name, bool) and name in TYPES for name in names):
        raise RefusedError(f"filter: $type takes {', '.join(str(name) for name in TYPES)}, or a list of these, not {operand!r:.80}")
    checks = [TYPES[name] for name in names]

    def check(found: Any) -> bool:
        items = [found, *(found if isinstance(found, list) else [])]
        return found is not MISSING and any(check(item) for check in checks for item in items)

    return check


def _mod(operand: Any) -> tuple[int, int]:
    if not (isinstance(operand, list) and len(operand) == 2 and all(_number(part) and abs(part) < 1 << 63 for part in operand)):
        raise RefusedError("filter: $mod takes a list of two numbers, the divisor and the remainder")
    divisor, rest = (int(part) for part in operand)
    if divisor == 0:
        raise RefusedError("filter: $mod takes a divisor that is not 0")
    return divisor, rest


def _remainder(item: Any, divisor: int) -> int | None:
    """Return the remainder of a number's whole part, with the sign of the number, as in C.

    None for anything else.
    """
    if not _number(item) or not abs(item) < 1 << 63:
        return None
    whole = int(item)
    return -(-whole % abs(divisor)) if whole < 0 else whole % abs(divisor)


def _list(name: str, operand: Any) -> list[Any]:
    if not isinstance(operand, list):
        raise RefusedError(f"filter: {name} takes a list")
    return operand


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _items(found: Any) -> list[Any]:
    """What a condition may hold for: a list's items, or the value itself."""
    return found if isinstance(found, list) else [found]


def _equal(found: Any, value: Any) -> bool:
    if found is MISSING:
        return value is None
    if isinstance(found, list) and any(_same(item, value) for item in found):
        return True
    return _same(found, value)


def _same(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _compare(found: Any, operand: Any, holds: Callable[[Any, Any], bool]) -> bool:
    def fits(item: Any) -> bool:
        both_numbers = _number(item) and _number(operand)
        return both_numbers or (isinstance(item, str) and isinstance(operand, str))

    return any(fits(item) and holds(item, operand) for item in _items(found))


def _pattern(text: Any, options: Any) -> regex.Pattern[str]:
    if not isinstance(text, str) or len(text) > LIMIT_OF_PATTERNS:
        raise RefusedError(f"filter: $regex takes a text of at most {LIMIT_OF_PATTERNS} characters")
    letters = {"i": regex.IGNORECASE, "m": regex.MULTILINE, "s": regex.DOTALL, "x": regex.VERBOSE}
    if not isinstance(options, str) or set(options) - letters.keys():
        raise RefusedError(f"filter: $options takes the letters i, m, s and x, not {options!r}")
    flags = regex.VERSION0
    for letter in set(options):
        flags |= letters[letter]
    try:
        return regex.compile(text, flags, cache_pattern=False)
    except (regex.error, RecursionError, OverflowError) as error:
        raise RefusedError(f"filter: $regex {text!r} is not a regular expression: {error}") from error
