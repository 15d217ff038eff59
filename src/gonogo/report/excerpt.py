"""A few lines of a file with numbers and a caret under the range in question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len

from gonogo.model.finding import Location
from gonogo.report import plain

BEFORE = 1
MOST_LINES = 4
WIDTH = 120
KEPT_LEFT = 30


@dataclass(frozen=True)
class Row:
    """A printed line: the number's column, what follows, and whether it is the caret's."""

    gutter: str
    text: str
    is_caret: bool = False


def rows(location: Location, lines: list[str]) -> Iterator[Row]:
    """The excerpt for a place; nothing where there is no such line.

    Args:
        location: the place.
        lines: the file's lines.
    """
    if location.line is None or not 1 <= location.line <= len(lines):
        return
    first = max(1, location.line - BEFORE)
    last = min(len(lines), max(location.line, location.end_line or location.line), location.line + MOST_LINES - 1)
    digits = len(str(last))
    start = _window(location, lines[location.line - 1])
    for number in range(first, last + 1):
        if number != location.line and not lines[number - 1].strip():
            continue
        yield Row(f"{number:>{digits}}", _cut(lines[number - 1], start))
        if number == location.line:
            caret = _caret(location, lines[number - 1], start)
            if caret:
                yield Row(" " * digits, caret, is_caret=True)


def _window(location: Location, text: str) -> int:
    """How many characters to leave out on the left so that a range far right in a long line is seen."""
    column = (location.column or 1) - 1
    return max(0, column - KEPT_LEFT) if len(text) > WIDTH and column > WIDTH - KEPT_LEFT else 0


def _cut(text: str, start: int) -> str:
    shown = plain.line(text[start : start + WIDTH].rstrip())
    return ("…" if start else "") + shown + ("…" if len(text) > start + WIDTH else "")


def _caret(location: Location, text: str, start: int) -> str:
    if location.column is None:
        return ""
    begin = min(location.column - 1, len(text))
    one_line = location.end_line in (None, location.line)
    end = location.end_column - 1 if location.end_column is not None and one_line else len(text.rstrip())
    end = min(max(end, begin + 1), start + WIDTH)
    indent = cell_len(plain.line(text[start:begin])) + (1 if start else 0)
    return " " * indent + "^" * max(1, cell_len(plain.line(text[begin:end])))
