"""A verdict as JSON, and the schema of that JSON."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from gonogo.model.verdict import Verdict
from gonogo.report import plain

# What a reader looks for first comes first.
LEADING = ("is_code_ready", "code_issue", "schema_version", "experiment", "outcome")
SCHEMA_FILE = "verdict.schema.json"


def as_dict(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON data, the contract's two fields first."""
    return _ordered(plain.data(verdict.model_dump(mode="json")))


def document(verdicts: Sequence[Verdict]) -> str:
    """Indented JSON: an object for one verdict, an array for several."""
    data = [as_dict(verdict) for verdict in verdicts]
    return plain.to_json(data[0] if len(data) == 1 else data, indent=2)


def line(verdict: Verdict) -> str:
    """The verdict as one line of JSON."""
    return plain.to_json(as_dict(verdict))


def make_schema() -> dict[str, Any]:
    """Make the JSON schema of a verdict from the model.

    `shipped_schema` is the copy that comes with the package.
    """
    schema = Verdict.model_json_schema(mode="serialization")
    schema["properties"] = _ordered(schema["properties"])
    schema["required"] = list(schema["properties"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "gonogo verdict"}


def shipped_schema() -> str:
    """The text of the schema file in the package."""
    return (resources.files("gonogo.report") / SCHEMA_FILE).read_text("utf-8")


def print_schema() -> int:
    """Print the schema as shipped; for `gonogo schema`."""
    print(shipped_schema(), end="")
    return 0


def _ordered(data: dict[str, Any]) -> dict[str, Any]:
    return {key: data[key] for key in [*LEADING, *(key for key in data if key not in LEADING)]}
