"""`pyproject.toml`: the parsed table, its faults, and where its keys stand."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from gonogo.finding import Location

PATH = "pyproject.toml"
OLDEST_MINOR, NEWEST_MINOR = 8, 30


@dataclass
class Pyproject:
    """The file's table; `fault` is the parser's message and line where it is not TOML."""

    text: str
    table: dict[str, Any] = field(default_factory=dict)
    fault: tuple[str, int] | None = None

    @property
    def project(self) -> dict[str, Any]:
        """The `[project]` table, empty if absent or not a table."""
        value = self.table.get("project")
        return value if isinstance(value, dict) else {}

    @property
    def python(self) -> tuple[int, int] | None:
        """The oldest Python 3 that `requires-python` admits, None if it does not say."""
        try:
            admitted = SpecifierSet(str(self.project["requires-python"]))
        except (KeyError, InvalidSpecifier):
            return None
        return next(((3, minor) for minor in range(OLDEST_MINOR, NEWEST_MINOR) if f"3.{minor}.99" in admitted), None)

    def locate(self, *keys: str) -> Location:
        """The line of a key, given as table path and key (`"project", "dependencies"`); the nearest enclosing table if absent."""
        for length in range(len(keys), 0, -1):
            line = self._line(keys[:length])
            if line:
                text = self.text.splitlines()[line - 1]
                return Location(path=PATH, line=line, column=1, end_line=line, end_column=len(text) + 1)
        return Location(path=PATH)

    def locate_text(self, text: str, *keys: str) -> Location:
        """The place of a quoted text at or after a key; the key itself if it is not found."""
        start = self.locate(*keys)
        lines = self.text.splitlines()
        for number in range(start.line or 1, len(lines) + 1):
            column = lines[number - 1].find(text)
            if column >= 0:
                return Location(path=PATH, line=number, column=column + 1, end_line=number, end_column=column + 1 + len(text))
        return start

    def _line(self, keys: tuple[str, ...]) -> int | None:
        table, key = ".".join(keys[:-1]), keys[-1]
        current = ""
        for number, text in enumerate(self.text.splitlines(), 1):
            header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+\s*(#.*)?$", text)
            if header:
                current = header[1].replace('"', "").replace("'", "").replace(" ", "")
                if current == ".".join(keys):
                    return number
            elif current == table and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", text):
                return number
        return None


def load_pyproject(text: str | None) -> Pyproject | None:
    """Parse the text of `pyproject.toml`; None for None."""
    if text is None:
        return None
    try:
        return Pyproject(text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        return Pyproject(text, fault=(re.sub(r"\s*\(at .*\)$", "", str(error)), line))
    except RecursionError:
        return Pyproject(text, fault=("nested too deeply", 1))
