"""What a reviewer says, as data: claims, each with the line that it is about."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MOST_CLAIMS = 40

Kind = Literal[
    "syntax",
    "undefined-name",
    "import",
    "missing-file",
    "config-key",
    "composition",
    "signature",
    "dependency",
    "crash",
    "method",
    "data",
    "model",
    "tracking",
    "search",
    "evaluation",
    "trial",
    "instructions",
    "other",
]


class Claim(BaseModel):
    """One thing that a reviewer says is wrong."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_max_length=4000)

    kind: Kind = Field(description="what it is about; method: the plan's method is not what the code does")
    criterion: int | None = Field(default=None, ge=1, le=9, description="number of the contract's criterion")
    path: str = Field(description="the file")
    line: int = Field(ge=1, description="the line of the file that the quote begins on")
    quote: str = Field(min_length=1, description="that line, copied letter by letter without its number")
    subject: str = Field(default="", description="the name, config key, module or file that the claim is about, alone")
    what: str = Field(min_length=1, description="what is wrong, one sentence")
    why: str = Field(default="", description="why it matters, one sentence")
    severity: Literal["error", "warning"] = Field(
        default="warning", description="error: a run would fail, or its result would mean nothing"
    )
    fix: str = Field(default="", description="what to do, one sentence")

    def texts(self) -> list[str]:
        """Every text of the claim."""
        return [value for _, value in self if isinstance(value, str)]


class Answer(BaseModel):
    """A reviewer's whole answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    claims: list[Claim] = Field(max_length=MOST_CLAIMS)


@dataclass(frozen=True)
class Invalid:
    """An answer that is none, and why."""

    reason: str


def schema() -> dict[str, Any]:
    """The JSON schema of an answer, as strict servers want it: every property required, none besides."""
    made = Answer.model_json_schema()

    def strict(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "object":
                node["additionalProperties"] = False
                node["required"] = list(node.get("properties", {}))
            for key in ("default", "maxLength", "minLength", "maxItems", "minimum", "maximum", "title"):
                node.pop(key, None)
            for value in node.values():
                strict(value)
        elif isinstance(node, list):
            for value in node:
                strict(value)

    strict(made)
    return made


def parse(text: str) -> Answer | Invalid:
    """Read an answer; also one with words around its JSON."""
    found = _object(text)
    if found is None:
        return Invalid("there is no JSON object in it")
    try:
        return Answer.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        return Invalid(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


def _object(text: str) -> Any:
    """The first JSON object in a text that has claims, else the first one at all."""
    decoder = json.JSONDecoder()
    first = None
    for match in re.finditer(r"\{", text):
        try:
            value, _ = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and "claims" in value:
            return value
        first = first if first is not None else value
        if match.start() > 200_000:
            break
    return first
