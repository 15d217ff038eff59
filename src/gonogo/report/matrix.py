"""The matrix of a challenge as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.model.verdict import ChallengeReport, NumberReport
from gonogo.report import plain

MOST_ROWS = 14  # of one subject
_WIDTH = 44
_SIGNS = {"moved": "moved", "same": "same", "not tried": "-"}


def matrix(report: ChallengeReport) -> Iterator[str]:
    """A line for each number, those of one run together; then why a column has no entry."""
    subjects = dict.fromkeys(number.subject for number in report.numbers)
    for subject in subjects:
        rows = [number for number in report.numbers if number.subject == subject]
        columns = list(dict.fromkeys(name for number in rows for name in number.cells))
        yield f"  {plain.line(subject):<{_WIDTH}}" + "".join(f"{name:>9}" for name in columns)
        rows.sort(key=lambda number: -sum(cell.state == "moved" for cell in number.cells.values()))  # settings that are echoed come last
        for number in rows[:MOST_ROWS]:
            yield f"    {_cut(plain.line(_named(number))):<{_WIDTH - 2}}" + "".join(f"{_sign(number, name):>9}" for name in columns)
        if len(rows) > MOST_ROWS:
            yield f"    and {len(rows) - MOST_ROWS} more (--format json)"
    yield from _reasons(report)


def _named(number: NumberReport) -> str:
    return number.name if number.value is None else f"{number.name} {number.value:.5g}"


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH - 3 else f"…{text[4 - _WIDTH :]}"


def _sign(number: NumberReport, name: str) -> str:
    cell = number.cells.get(name)
    return _SIGNS.get(cell.state, cell.state) if cell is not None else "-"


def _reasons(report: ChallengeReport) -> Iterator[str]:
    """Each reason for which something was not tried, once for each alteration."""
    found = dict.fromkeys((name, reason) for name, reason in report.not_tried.items())
    for number in report.numbers:
        found |= dict.fromkeys((name, cell.reason) for name, cell in number.cells.items() if cell.state == "not tried")
    for name, reason in found:
        yield f"    {name} not tried: {plain.line(reason)}"
