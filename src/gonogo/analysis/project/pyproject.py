"""`pyproject.toml`: the parsed table, its faults, and where its keys stand."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from gonogo.documents.toml import TomlError, parse_toml
from gonogo.model.finding import Location

PATH = "pyproject.toml"
MOST_FORGIVEN = 500  # characters of a requirement in which an oversight may be forgiven
OLDEST_MINOR, NEWEST_MINOR = 8, 30

# What uv forgives in a requirement although the standard does not: the pattern, and what uv reads instead.
_FORGIVEN = (
    (re.compile(r"(\d)([<>=~^!])"), r"\1,\2"),
    (re.compile(r"!=~((?:\d\.)*\d)"), r"!=\1.*"),
    (re.compile(r"(<=|>=|<|>)\s*(\d+(\.\d+)*)\.\*"), r"\1\2"),
    (re.compile(r"(\d\.\d)+\*"), r"\1.*"),
    (re.compile(r",\s*(?=$|;|\))"), ""),
    (re.compile(r"""['"]([*\d])|([*\d])['"](?=\s*($|,))"""), r"\1\2"),
)

# Written so that no text can be matched in two ways: the time is in proportion to its length.
_HEADER = re.compile(r"\s*+\[++([^\]]++)\]++\s*+(?:#.*)?$")
_PART = r"""(?:[\w-]++|"[^"]*+"|'[^']*+')"""
_KEY = re.compile(rf"\s*+({_PART}(?:\s*+\.\s*+{_PART})*+)\s*+=")
_KEY_PART = re.compile(r"""("[^"]*+"|'[^']*+'|[^.\s"']++)""")
_QUOTED = re.compile(r"""#.*|"(?P<double>(?:[^"\\]++|\\.)*+)(?:"|$)|'(?P<single>[^']*+)(?:'|$)""")


@dataclass
class Pyproject:
    """The file's table; `fault` says why it is none."""

    text: str
    table: dict[str, Any] = field(default_factory=dict)
    fault: TomlError | None = None

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text, as TOML counts them."""
        return self.text.replace("\r\n", "\n").split("\n")

    @property
    def project(self) -> dict[str, Any]:
        """The `[project]` table, empty if absent or not a table."""
        return self.section("project")

    def section(self, *keys: str) -> dict[str, Any]:
        """The table at a path, empty if absent or not a table."""
        value: Any = self.table
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    @property
    def python(self) -> tuple[int, int] | None:
        """The oldest Python 3 that `requires-python` admits, None if it does not say."""
        try:
            admitted = SpecifierSet(str(self.project["requires-python"]))
        except (KeyError, InvalidSpecifier):
            return None
        return next(((3, minor) for minor in range(OLDEST_MINOR, NEWEST_MINOR) if f"3.{minor}.99" in admitted), None)

    @property
    def is_built(self) -> bool:
        """Whether uv builds the project itself before it runs anything in it."""
        package = self.section("tool", "uv").get("package")
        return package if isinstance(package, bool) else bool(self.project) and "build-system" in self.table

    def locate(self, *keys: str) -> Location:
        """Return the line of a key, given as table path and key (`"project", "dependencies"`).

        It is the nearest enclosing table if the key is absent.
        """
        for length in range(len(keys), 0, -1):
            line = self._line(keys[:length])
            if line:
                return Location(path=PATH, line=line, column=1, end_line=line, end_column=len(self.lines[line - 1]) + 1)
        return Location(path=PATH)

    def locate_text(self, text: str, *keys: str) -> Location:
        """The place of a text in quotes at or after a key; the key itself if it is not found."""
        start = self.locate(*keys)
        first = start.line or 1
        found = next((place for place in self._quoted.get(text, ()) if place[0] >= first), None)
        if found is None:
            return start
        line, begin, end = found
        return Location(path=PATH, line=line, column=begin + 1, end_line=line, end_column=end + 1)

    @cached_property
    def _quoted(self) -> dict[str, list[tuple[int, int, int]]]:
        """Every text in quotes, with its line and the columns it stands between, counted from 0."""
        found: dict[str, list[tuple[int, int, int]]] = {}
        for number, line in enumerate(self.lines, 1):
            for quoted in _QUOTED.finditer(line):
                if quoted.lastgroup:
                    group = quoted.lastgroup
                    found.setdefault(quoted[group], []).append((number, quoted.start(group), quoted.end(group)))
        return found

    def _line(self, keys: tuple[str, ...]) -> int | None:
        """Return the line of a table's header or of a key in it.

        The key may also be dotted or stand below its own header.
        """
        return self._named.get(keys) or self._enclosing.get(keys)

    @cached_property
    def _lines_of_keys(self) -> tuple[dict[tuple[str, ...], int], dict[tuple[str, ...], int]]:
        """The line where each table or key stands, and that of the first header below each table."""
        named: dict[tuple[str, ...], int] = {}
        enclosing: dict[tuple[str, ...], int] = {}
        current: tuple[str, ...] = ()
        for number, text in enumerate(self.lines, 1):
            header = _HEADER.match(text)
            if header:
                current = _split_key(header[1].strip())
                named.setdefault(current, number)
                for length in range(1, len(current)):
                    enclosing.setdefault(current[:length], number)
                continue
            key = _KEY.match(text)
            if key:
                path = (*current, *_split_key(key[1]))
                for length in range(len(current) + 1, len(path) + 1):
                    named.setdefault(path[:length], number)
        return named, enclosing

    @property
    def _named(self) -> dict[tuple[str, ...], int]:
        return self._lines_of_keys[0]

    @property
    def _enclosing(self) -> dict[tuple[str, ...], int]:
        return self._lines_of_keys[1]


def _split_key(text: str) -> tuple[str, ...]:
    """The parts of a dotted TOML key."""
    return tuple(part.strip("\"'") for part in _KEY_PART.findall(text))


def load_pyproject(text: str | None) -> Pyproject | None:
    """Parse the text of `pyproject.toml`; None for None."""
    if text is None:
        return None
    document = parse_toml(text)
    return Pyproject(text, document.table, document.error)


def parse_requirement(text: object) -> Requirement | None:
    """A requirement as uv reads it, forgiving what uv forgives; None where uv would refuse it."""
    if not isinstance(text, str):
        return None
    forgiven = text.strip()
    for attempt in range(len(_FORGIVEN) + 1):
        if attempt:
            if len(forgiven) > MOST_FORGIVEN:
                break
            pattern, replacement = _FORGIVEN[attempt - 1]
            forgiven = pattern.sub(replacement, forgiven)
        try:
            requirement = Requirement(forgiven)
        except InvalidRequirement:
            continue
        has_scheme = requirement.url is None or re.match(r"[A-Za-z][\w+.-]*:|\$\{", requirement.url)
        return requirement if has_scheme and requirement.name[-1].isalnum() else None
    return None
