"""The research plan: the method, the design and the runs that an experiment must implement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from gonogo.documents.json import parse_json
from gonogo.model.errors import UsageError

MAX_BYTES = 5_000_000


class PlannedRun(BaseModel):
    """One run of the plan, with its config if the plan brings it."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)

    run_id: str
    method: str | None = None
    model: str | None = None
    dataset: str | None = None
    config_yaml: str | None = None

    @field_validator("run_id")
    @classmethod
    def _not_empty(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("a run id can't be empty")
        return value


class Rehearsal(BaseModel):
    """What a rehearsal changes, besides the gate's own limits.

    An example is a threshold that no model can reach in two batches.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    overrides: list[str] = []


class Plan(BaseModel):
    """The plan, read from JSON or YAML."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    method: Any = None
    design: str | None = None
    metrics: list[str] = []
    runs: list[PlannedRun]
    rehearsal: Rehearsal = Rehearsal()
    path: str = ""


def parse(text: str, path: str) -> Plan:
    """Read a plan from its text.

    Raises:
        UsageError: not JSON or YAML, or not a plan; says what is missing.
    """
    from gonogo.documents.yaml import parse_yaml

    if not path.endswith(".json"):
        document = parse_yaml(text)
        if document.error is not None:
            raise UsageError(f"The plan {path} is not valid YAML: line {document.error.line}: {document.error.message}.")
        return from_data(document.value, path)
    try:
        data = parse_json(text)
    except ValueError as error:
        raise UsageError(f"The plan {path} is not valid JSON: {error}.") from error
    return from_data(data, path)


def from_data(data: Any, path: str) -> Plan:
    """Make a plan of what its file holds.

    Args:
        data: the file's value.
        path: of the file, for messages.

    Raises:
        UsageError: not a plan; says what is missing.
    """
    if not isinstance(data, dict):
        raise UsageError(f"The plan {path} must be a mapping with the key 'runs', not {_kind(data)}.")
    if not data.get("runs"):
        raise UsageError(f"The plan {path} has no runs: give it a list 'runs' with a run_id each.")
    try:
        plan = Plan.model_validate({**data, "path": path})
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"The plan {path} is not valid at {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
    ids = [run.run_id for run in plan.runs]
    twice = sorted({run_id for run_id in ids if ids.count(run_id) > 1})
    if twice:
        raise UsageError(f"The plan {path} has the run '{twice[0]}' more than once.")
    return plan


def load(path: Path) -> Plan:
    """Read a plan from a file.

    Raises:
        UsageError: the file can't be read or is not a plan.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"The plan {path} is larger than {MAX_BYTES // 1_000_000} MB.")
        text = path.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"The plan {path} can't be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The plan {path} is not UTF-8 text.") from error
    return parse(text, str(path))


def _kind(data: object) -> str:
    names = {list: "a list", str: "a text", type(None): "empty", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(data), f"a {type(data).__name__}")
