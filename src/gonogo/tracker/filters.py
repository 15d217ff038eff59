"""Which runs are meant, and in which order: the filters of `wandb.Api().runs()`, which are those of MongoDB.

Source: the W&B documentation of `Api.runs` (operators and names of fields), and MongoDB's manual for what the operators mean.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from gonogo.tracker.store.history import MISSING, lookup
from gonogo.tracker.store.runs import RefusedError

Test = Callable[["Document"], bool]

LIMIT_OF_PATTERNS = 1000
# Names of fields as clients write them, and what they are of a run.
FIELDS = {
    "name": "name",
    "displayName": "display_name",
    "display_name": "display_name",
    "state": "state",
    "tags": "tags",
    "group": "run_group",
    "jobType": "job_type",
    "job_type": "job_type",
    "notes": "notes",
    "description": "description",
    "host": "host",
    "commit": "commit_hash",
    "program": "program",
    "createdAt": "created_at",
    "created_at": "created_at",
    "heartbeatAt": "heartbeat_at",
    "heartbeat_at": "heartbeat_at",
    "updatedAt": "heartbeat_at",
    "updated_at": "heartbeat_at",
    "username": "username",
    "user.username": "username",
}
TIMES = ("created_at", "heartbeat_at")
OBJECTS = {"config": "config", "summary_metrics": "summary", "summaryMetrics": "summary", "summary": "summary"}


class Document:
    """A run as filters see it."""

    def __init__(self, row: sqlite3.Row, state: str, username: str) -> None:
        self.row = row
        self._fixed = {"state": state, "username": username}
        self._objects: dict[str, dict[str, Any]] = {}

    def value(self, column: str, path: str) -> Any:
        """The value of a column, or of an entry of a column that is an object; MISSING where there is none."""
        if column in self._fixed:
            return self._fixed[column]
        if column in ("config", "summary"):
            return self._entry(column, path)
        value = self.row[column]
        if value is None and column == "display_name":
            return self.row["name"]  # as it is shown
        if value is None:
            return MISSING
        if column == "tags":
            return json.loads(value)
        return timestamp(value) if column in TIMES else value

    def _entry(self, column: str, path: str) -> Any:
        if column not in self._objects:
            self._objects[column] = json.loads(self.row[column])
        found = lookup(self._objects[column], path)
        if found is MISSING and column == "config":  # {"optimizer": {"value": {"lr": 1}}} is asked for as optimizer.lr
            key, _, rest = path.partition(".")
            entry = self._objects[column].get(key)
            value = entry.get("value", MISSING) if isinstance(entry, dict) else MISSING
            found = lookup(value, rest) if rest and isinstance(value, dict) else MISSING if rest else value
        if column == "config" and isinstance(found, dict) and "value" in found:
            return found["value"]
        return found


def timestamp(seconds: float) -> str:
    """A time as W&B writes it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def field_of(name: str) -> tuple[str, str]:
    """The column that a name means, and the path inside it.

    Raises:
        RefusedError: No run has such a field.
    """
    if name in FIELDS:
        return FIELDS[name], ""
    head, _, path = name.partition(".")
    if head in OBJECTS and path:
        return OBJECTS[head], path
    raise RefusedError(f"filter: runs have no field {name!r}; there are {', '.join(sorted(FIELDS))}, config.* and summary_metrics.*")


def columns_of(names: set[str]) -> set[str]:
    """The columns that must be read for some names of fields."""
    columns = {field_of(name)[0] for name in names} - {"username"}
    return columns | {"name"} if "display_name" in columns else columns


def parse(text: str | None) -> tuple[Test, set[str]]:
    """What a filter says, as a test of a run, and the names of the fields that it looks at.

    Raises:
        RefusedError: It is not JSON, or asks for a field or an operator that is not known here.
    """
    try:
        filters = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"filter: not JSON ({error})") from error
    names: set[str] = set()
    try:
        return _object(filters or {}, names), names
    except RecursionError as error:
        raise RefusedError("filter: nested too deeply") from error


def order_key(order: str) -> tuple[Callable[[Document], Any], bool]:
    """How runs are sorted by one field: the key of a run, and whether it goes downward. Numbers come before texts, what lacks it last."""
    column, path = field_of(order.lstrip("+-"))
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


def _object(filters: Any, names: set[str]) -> Test:
    if not isinstance(filters, dict):
        raise RefusedError(f"filter: an object was expected, not {filters!r:.80}")
    tests = [_entry(name, value, names) for name, value in filters.items()]
    return lambda document: all(test(document) for test in tests)


def _entry(name: str, value: Any, names: set[str]) -> Test:
    if name in ("$and", "$or", "$nor"):
        if not isinstance(value, list):
            raise RefusedError(f"filter: {name} takes a list")
        tests = [_object(item, names) for item in value]
        if name == "$and":
            return lambda document: all(test(document) for test in tests)
        wanted = name == "$or"
        return lambda document: any(test(document) for test in tests) is wanted
    if name.startswith("$"):
        raise RefusedError(f"filter: {name} is not supported here; use $and, $or, $nor or a field")
    column, path = field_of(name)
    names.add(name)
    check = _condition(value)
    return lambda document: check(document.value(column, path))


def _condition(value: Any) -> Callable[[Any], bool]:
    if not isinstance(value, dict) or not any(key.startswith("$") for key in value):
        return lambda found: _equal(found, value)
    if "$regex" in value:
        pattern = _pattern(value["$regex"], value.get("$options", ""))
        value = {key: operand for key, operand in value.items() if key not in ("$regex", "$options")}
        rest = _condition(value) if value else lambda found: True
        return lambda found: any(isinstance(item, str) and pattern.search(item) for item in _items(found)) and rest(found)
    checks = [_operator(name, operand) for name, operand in value.items()]
    return lambda found: all(check(found) for check in checks)


def _operator(name: str, operand: Any) -> Callable[[Any], bool]:
    if name in ("$in", "$nin"):
        if not isinstance(operand, list):
            raise RefusedError(f"filter: {name} takes a list")
        return lambda found: any(_equal(found, item) for item in operand) is (name == "$in")
    if name == "$not":
        inner = _condition(operand)
        return lambda found: not inner(found)
    match name:
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
    raise RefusedError(
        f"filter: {name} is not supported here; use $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $not, $exists or $regex with $options"
    )


def _items(found: Any) -> list[Any]:
    """What a condition may hold for: a list's items, or the value itself."""
    return found if isinstance(found, list) else [found]


def _equal(found: Any, value: Any) -> bool:
    if found is MISSING:
        return value is None
    if isinstance(found, list) and not isinstance(value, list):
        return any(_same(item, value) for item in found)
    return _same(found, value)


def _same(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _compare(found: Any, operand: Any, holds: Callable[[Any, Any], bool]) -> bool:
    def fits(item: Any) -> bool:
        both_numbers = all(isinstance(side, int | float) and not isinstance(side, bool) for side in (item, operand))
        return both_numbers or (isinstance(item, str) and isinstance(operand, str))

    return any(fits(item) and holds(item, operand) for item in _items(found))


def _pattern(text: Any, options: Any) -> re.Pattern[str]:
    if not isinstance(text, str) or len(text) > LIMIT_OF_PATTERNS:
        raise RefusedError(f"filter: $regex takes a text of at most {LIMIT_OF_PATTERNS} characters")
    letters = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}
    if not isinstance(options, str) or set(options) - letters.keys():
        raise RefusedError(f"filter: $options takes the letters i, m, s and x, not {options!r}")
    flags = sum(letters[letter] for letter in set(options))
    try:
        return re.compile(text, flags)
    except re.error as error:
        raise RefusedError(f"filter: $regex {text!r} is not a regular expression: {error}") from error
