"""`pyproject.toml`: the parsed table, its faults, and where its keys stand."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from gonogo.model.finding import Location

PATH = "pyproject.toml"
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


@dataclass
class Pyproject:
    """The file's table; `fault` is the parser's message and line where it is not TOML."""

    text: str
    table: dict[str, Any] = field(default_factory=dict)
    fault: tuple[str, int] | None = None

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
        """The line of a key, given as table path and key (`"project", "dependencies"`); the nearest enclosing table if absent."""
        for length in range(len(keys), 0, -1):
            line = self._line(keys[:length])
            if line:
                return Location(path=PATH, line=line, column=1, end_line=line, end_column=len(self.lines[line - 1]) + 1)
        return Location(path=PATH)

    def locate_text(self, text: str, *keys: str) -> Location:
        """The place of a text at or after a key, in quotes rather than as part of something else; the key itself if it is not found."""
        start = self.locate(*keys)
        first = (start.line or 1) - 1
        for pattern in (rf"""(?<=["']){re.escape(text)}(?=["'])""", re.escape(text)):
            for number, line in enumerate(self.lines[first:], first + 1):
                found = re.search(pattern, line.split("#")[0] if "#" not in text else line)
                if found and text:
                    return Location(path=PATH, line=number, column=found.start() + 1, end_line=number, end_column=found.end() + 1)
        return start

    def _line(self, keys: tuple[str, ...]) -> int | None:
        """The line of a table's header or of a key in it, also where the key is dotted or stands below its own header."""
        current: tuple[str, ...] = ()
        below = None
        for number, text in enumerate(self.lines, 1):
            header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+\s*(#.*)?$", text)
            if header:
                current = _split_key(header[1])
                if current == keys:
                    return number
                if below is None and current[: len(keys)] == keys:
                    below = number
                continue
            key = re.match(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""", text)
            if key and (*current, *_split_key(key[1]))[: len(keys)] == keys and len(current) < len(keys):
                return number
        return below


def _split_key(text: str) -> tuple[str, ...]:
    """The parts of a dotted TOML key."""
    return tuple(part.strip().strip("\"'") for part in re.findall(r"""\s*("[^"]*"|'[^']*'|[^.]+)\s*(?:\.|$)""", text))


def load_pyproject(text: str | None) -> Pyproject | None:
    """Parse the text of `pyproject.toml`; None for None."""
    if text is None:
        return None
    try:
        return Pyproject(text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        message, line = toml_fault(error, text)
        return Pyproject(text, fault=(message, line))
    except (RecursionError, ValueError) as error:  # ValueError: an integer of thousands of digits
        return Pyproject(text, fault=(str(error) if isinstance(error, ValueError) else "nested too deeply", 1))


def toml_fault(error: tomllib.TOMLDecodeError, text: str) -> tuple[str, int]:
    """The parser's message without the place, and the line."""
    place = re.search(r"at line (\d+)", str(error))
    return re.sub(r"\s*\(at .*\)$", "", str(error)), int(place[1]) if place else max(len(text.rstrip().split("\n")), 1)


def parse_requirement(text: object) -> Requirement | None:
    """A requirement as uv reads it, forgiving what uv forgives; None where uv would refuse it."""
    if not isinstance(text, str):
        return None
    forgiven = text.strip()
    for attempt in range(len(_FORGIVEN) + 1):
        if attempt:
            pattern, replacement = _FORGIVEN[attempt - 1]
            forgiven = pattern.sub(replacement, forgiven)
        try:
            requirement = Requirement(forgiven)
        except InvalidRequirement:
            continue
        has_scheme = requirement.url is None or re.match(r"[A-Za-z][\w+.-]*:|\$\{", requirement.url)
        return requirement if has_scheme and requirement.name[-1].isalnum() else None
    return None
