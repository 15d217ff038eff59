"""Edits of texts: from the changes of fixes to new texts, and from a new text to the smallest change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gonogo.model.finding import Change, Location

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")


def edited(text: str, changes: Iterable[Change]) -> str:
    """A text with changes that do not overlap.

    Raises:
        ValueError: two changes overlap, or one is of a place that is not there.
    """
    starts = _line_starts(text)
    spans = sorted((*_span(starts, len(text), change.location), change.text) for change in set(changes))
    parts: list[str] = []
    end = 0
    for start, stop, new in spans:
        if start < end or (parts and start == stop == end):
            raise ValueError(f"two edits meet at character {start}")
        parts += [text[end:start], new]
        end = stop
    return "".join([*parts, text[end:]])


def overlap(one: Change, other: Change) -> bool:
    """Whether two different changes concern the same text, or insert at the same place."""
    left, right = one.location, other.location
    if one == other or left.path != right.path:
        return False
    (start, stop), (other_start, other_stop) = _ends(left), _ends(right)
    return start <= other_stop and other_start <= stop


def change_between(path: str, old: str, new: str) -> Change | None:
    """The smallest range of whole lines that makes one text of another; None if they are the same."""
    if old == new:
        return None
    before, after = list(_lines(old)), list(_lines(new))
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    last = len(before) - tail
    place = Location(path=path, line=head + 1, column=1, end_line=last + 1, end_column=1)
    return Change(location=place, text="".join(after[head : len(after) - tail]))


def insertion(path: str, line: int, text: str) -> Change:
    """A new line before a line."""
    return Change(location=Location(path=path, line=line, column=1, end_line=line, end_column=1), text=f"{text}\n")


def _lines(text: str) -> Iterator[str]:
    """The lines with their ends, as editors count them."""
    return (match[0] for match in _LINE.finditer(text) if match[0])


def _line_starts(text: str) -> list[int]:
    starts = [0]
    for line in _lines(text):
        starts.append(starts[-1] + len(line))
    return starts


def _span(starts: list[int], length: int, place: Location) -> tuple[int, int]:
    (line, column), (end_line, end_column) = _ends(place)
    if not 1 <= line <= end_line <= len(starts):
        raise ValueError(f"there is no line {line} to {end_line}")
    start, stop = starts[line - 1] + column - 1, starts[end_line - 1] + end_column - 1
    if not 0 <= start <= stop <= length:
        raise ValueError(f"there is no character {column} in line {line}")
    return start, stop


def _ends(place: Location) -> tuple[tuple[int, int], tuple[int, int]]:
    line = place.line or 1
    start = (line, place.column or 1)
    return start, (place.end_line or line, place.end_column or start[1])
