"""When a finding is about the defect that a label describes: by rule, by place, and by cause.

*Rule*: one of the label kind's rules speaks at one of the label's files. *Place*: it speaks within a few lines of where the label says.
*Cause*: its words, or the line it points at, share a name with what the label names. A label is found strictly where rule and (place or
cause) agree; labels that name nothing in particular (`entire file`) are found by rule alone, and what a label says of the whole file is
found by what a finding says of the file, at no line of it.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

NEAR = 3  # lines
# Words of labels that name nothing in the code.
COMMON = frozenset(
    [
        "the",
        "and",
        "for",
        "not",
        "with",
        "from",
        "file",
        "files",
        "line",
        "lines",
        "code",
        "section",
        "whole",
        "entire",
        "empty",
        "run",
        "runs",
        "config",
        "configs",
        "value",
        "values",
        "key",
        "keys",
        "none",
        "all",
        "per",
        "call",
        "function",
        "method",
        "model",
        "train",
        "test",
        "data",
        "src",
        "main",
        "args",
        "self",
        "return",
        "import",
        "class",
        "def",
        "path",
        "name",
        "names",
        "true",
        "false",
        "text",
        "text",
        "script",
        "module",
        "missing",
        "block",
        "top",
        "level",
        "body",
        "loop",
        "default",
        "usage",
        "used",
        "instead",
        "cfg",
        "wandb",
        "optuna",
        "hydra",
        "torch",
    ]
)
WHOLE = re.compile(r"\b(?:whole|entire)\b[\w\s]*\bfile\b", re.IGNORECASE)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[.\-/][A-Za-z0-9_]+)*")


def files_of(label: dict[str, Any]) -> list[str]:
    """The files a label names: patterns are allowed, several are parted by commas."""
    return [part.strip() for part in re.split(r"[,;]| and ", label["file"]) if part.strip()]


def at_its_files(label: dict[str, Any], rules: Iterable[str], verdict: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The findings, as error or warning, of these rules at one of the label's files, or related to it."""
    wanted = files_of(label)
    for finding in verdict["findings"]:
        if finding["rule"] not in rules or finding["severity"] == "info":
            continue
        places = [finding["location"]["path"], *(related["location"]["path"] for related in finding["related"])]
        if any(fnmatch.fnmatch(place, pattern) or place.endswith("/" + pattern) for place in places for pattern in wanted):
            yield finding


def names_in(text: str) -> set[str]:
    """The names that a text speaks of, each also by its last part, without words that name nothing."""
    found = {match.lower() for match in NAME.findall(text)}
    found |= {part for name in found for part in re.split(r"[.\-/]", name)}
    return {name for name in found if len(name) > 2 and name not in COMMON}


def is_about(label: dict[str, Any], finding: dict[str, Any], tree: Path) -> bool:
    """Whether a finding stands where the label's symbol stands, or speaks of what the label and its description name."""
    names = names_in(label.get("line_or_symbol", "")) | names_in(label.get("description", ""))
    if not names:
        return True
    if WHOLE.search(label.get("line_or_symbol", "")) and finding["location"]["line"] is None:
        return True  # both speak of the file as a whole, which is the place
    places = [finding["location"], *(related["location"] for related in finding["related"])]
    lines = [line for place in places for line in _lines_at(tree, place)]
    said = names_in(
        " ".join([finding["message"], finding["action"], finding["evidence"], finding["slug"].replace("-", " "), *finding["runs"]])
    )
    if names & (said | {name for _, text in lines for name in names_in(text)}):
        return True
    numbers = {int(number) for number in re.findall(r"\bL?(\d+)\b", label.get("line_or_symbol", ""))}
    return any(abs(number - place["line"]) <= NEAR for number in numbers for place in places if place["line"])


def _lines_at(tree: Path, place: dict[str, Any]) -> Iterator[tuple[int, str]]:
    path = tree / place["path"]
    if not place["line"] or not path.is_file():
        return
    lines = path.read_text("utf-8", "replace").splitlines()
    last = place.get("end_line") or place["line"]
    for number in range(place["line"], min(len(lines), last) + 1):
        yield number, lines[number - 1]


def defect_of(case: dict[str, Any], label: dict[str, Any]) -> tuple[str, str, str, str]:
    """What makes two labels the same defect: versions of one experiment carry a defect along until it is mended."""
    symbol = " ".join(sorted(names_in(label.get("line_or_symbol", "")))) or label.get("line_or_symbol", "")
    return case.get("repo", case["case_id"]), label["file"], label["kind"], symbol
