"""Comments that suppress a finding on their line.

An example is `# gonogo: ignore[HYD104] the key comes from the launcher`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from gonogo.analysis.python.modules import comments_of
from gonogo.model.finding import Location

HINT = re.compile(r"#\s*gonogo:\s*ignore\b")
_COMMENT = re.compile(r"#\s*gonogo:\s*ignore\b(?:\s*\[(?P<rules>[^\]]*)\])?[\s:-]*(?P<reason>.*)")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Texts of a TOML file, in which a `#` begins no comment.
_TOML_TEXT = re.compile(
    r"\"\"\"(?:[^\"\\]++|\\.|\"(?!\"\"))*+(?:\"\"\"|\Z)|'''(?:[^']++|'(?!''))*+(?:'''|\Z)"
    r"|\"(?:[^\"\\\n]++|\\.)*+\"?|'[^'\n]*+'?|(?P<comment>#[^\n]*+)",
    re.DOTALL,
)


@dataclass(frozen=True)
class InlineIgnore:
    """One comment.

    Attributes:
        location: of the comment; it speaks of findings that begin on this line.
        rules: what it names, as written.
        reason: why; empty where none is given.
    """

    location: Location
    rules: tuple[str, ...]
    reason: str

    def problem(self, known: set[str]) -> str | None:
        """Why it can't be used; None if it can.

        Args:
            known: the ids and slugs of all rules.
        """
        if not self.rules:
            return "it names no rule"
        unknown = [name for name in self.rules if name not in known]
        if unknown:
            return f"there is no rule `{unknown[0]}`"
        return None if self.reason else "it gives no reason"


def find_ignores(path: str, text: str) -> list[InlineIgnore]:
    """The comments of one Python, YAML or TOML file that ask for it."""
    if not HINT.search(text):
        return []
    if path.endswith((".py", ".pyi")):
        comments = comments_of(path, text)
    elif path.endswith((".yaml", ".yml")):
        comments = list(_yaml_comments(path, text))
    elif path.endswith(".toml"):
        comments = list(_toml_comments(path, text))
    else:
        return []
    found = []
    for location, comment in comments:
        match = _COMMENT.search(comment)
        if match is not None:
            names = (name.strip() for name in (match["rules"] or "").split(","))
            found.append(InlineIgnore(location, tuple(name for name in names if name), match["reason"].strip()))
    return found


def _yaml_comments(path: str, text: str) -> Iterator[tuple[Location, str]]:
    """Comments that may be meant for the gate: a `#` after a blank, outside of every scalar."""
    starts, ends = list[int](), list[int]()
    try:
        for token in yaml.scan(text, Loader=_LOADER):
            if isinstance(token, yaml.ScalarToken):
                starts.append(token.start_mark.index)
                ends.append(token.end_mark.index)
    except yaml.YAMLError:
        return  # IMP103 speaks of the file, and what is a comment in it no one knows
    for found in HINT.finditer(text):
        index = found.start()
        before = bisect_right(starts, index) - 1
        if (index == 0 or text[index - 1] in " \t\r\n") and (before < 0 or index >= ends[before]):
            yield _located(path, text, index, text[index:].split("\n", 1)[0].rstrip("\r"))


def _toml_comments(path: str, text: str) -> Iterator[tuple[Location, str]]:
    for found in _TOML_TEXT.finditer(text):
        if found["comment"] is not None:
            yield _located(path, text, found.start(), found["comment"].rstrip("\r"))


def _located(path: str, text: str, index: int, comment: str) -> tuple[Location, str]:
    line = text.count("\n", 0, index) + 1
    column = index - (text.rfind("\n", 0, index) + 1) + 1
    return Location(path=path, line=line, column=column, end_line=line, end_column=column + len(comment)), comment
