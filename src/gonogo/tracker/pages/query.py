"""The filter box above a table of runs.

`lr>0.01 state:finished "two words"` is turned into the filters of `wandb.Api().runs()`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from gonogo.tracker.store.runs import RefusedError

_TERM = re.compile(
    r"""\s*(?:
        (?P<field>"[^"]*"|[^\s"<>=!:~]+) (?P<operator>>=|<=|!=|==|[=<>:~]) (?P<value>"[^"]*"(?=\s|$)|[^\s"]*)
        | (?P<word>"[^"]*"(?=\s|$)|[^\s"<>=!:~]+(?=\s|$))
    )""",
    re.VERBOSE,
)
_COMPARISONS = {">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}
# What people write, and which fields of a run it means.
_FIELDS = {
    "name": ("display_name", "name"),
    "id": ("name",),
    "state": ("state",),
    "tag": ("tags",),
    "tags": ("tags",),
    "group": ("group",),
    "sweep": ("sweep",),
    "job": ("job_type",),
    "job_type": ("job_type",),
    "host": ("host",),
    "notes": ("notes",),
    "program": ("program",),
    "commit": ("commit",),
    "created": ("created_at",),
}
_WORDS = ("display_name", "name", "tags", "group")
LIMIT = 2000


def mongo(text: str) -> dict[str, Any]:
    """The filter that a text means; every term must hold.

    Raises:
        RefusedError: A term can't be read; the sentence says which and what would do.
    """
    if len(text) > LIMIT:
        raise RefusedError(f"The filter is longer than the {LIMIT} characters allowed.")
    terms: list[dict[str, Any]] = []
    place, text = 0, text.rstrip()
    while place < len(text):
        match = _TERM.match(text, place)
        if match is None:
            rest = text[place:].strip()
            raise RefusedError(f"The filter can't be read from “{rest[:60]}” on: {_advice(rest)}")
        terms.append(_term(match))
        place = match.end()
    return {"$and": terms} if terms else {}


def _advice(rest: str) -> str:
    if rest.count('"') % 2:
        return "a quotation mark is not closed."
    return "write words, or terms such as config.lr>0.01, state:finished or acc>=0.9."


def _term(match: re.Match[str]) -> dict[str, Any]:
    if match["word"] is not None:
        return _any(_WORDS, _contains(_unquoted(match["word"])))
    field, operator, value = _unquoted(match["field"]), match["operator"], match["value"]
    if not value:
        raise RefusedError(f"The filter term “{field}{operator}” lacks a value; write for example {field}{operator}1.")
    condition = _condition(operator, value)
    names = _FIELDS.get(field.lower()) or _paths(field)
    if operator == "!=":
        return {"$and": [{name: condition} for name in names]}
    return _any(names, condition)


def _paths(field: str) -> tuple[str, ...]:
    head, dot, path = field.partition(".")
    if dot and path and head in ("config", "summary", "summary_metrics"):
        return (f"{'config' if head == 'config' else 'summary_metrics'}.{path}",)
    return (f"summary_metrics.{field}", f"config.{field}")


def _condition(operator: str, text: str) -> dict[str, Any]:
    value = _unquoted(text) if text.startswith('"') else _value(text)
    if operator == "~":
        return _contains(_unquoted(text))
    if operator in _COMPARISONS:
        return {_COMPARISONS[operator]: value}
    # Configs hold numbers as texts, too.
    return {"$nin" if operator == "!=" else "$in": [value] if isinstance(value, str) else [value, text]}


def _value(text: str) -> Any:
    try:
        value = json.loads({"True": "true", "False": "false", "None": "null"}.get(text, text))
    except (ValueError, RecursionError):
        pass
    else:
        return value if isinstance(value, int | float | None) else text
    try:
        return float(text)  # .5, 1.
    except ValueError:
        return text


def _contains(text: str) -> dict[str, Any]:
    return {"$regex": re.escape(text), "$options": "i"}


def _any(names: tuple[str, ...], condition: dict[str, Any]) -> dict[str, Any]:
    return {"$or": [{name: condition} for name in names]}


def _unquoted(text: str) -> str:
    return text[1:-1] if text.startswith('"') and text.endswith('"') and len(text) > 1 else text
