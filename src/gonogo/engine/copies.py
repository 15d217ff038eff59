"""One finding for a fault that stands in several copies of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import PurePosixPath

from gonogo.model.finding import Location, Related
from gonogo.rules.base import Violation

AROUND = 2  # lines before and after the fault that have to be the same


def without_copies(violations: Iterable[Violation], lines_of: Callable[[str], list[str]]) -> list[Violation]:
    """What a rule found, each fault once: those in copies of a file become related places of the first.

    Files are taken for copies where they have the same name in different folders and the lines around the fault are the same.

    Args:
        violations: of one rule.
        lines_of: the lines of a file, by its path.
    """
    found: dict[object, list[Violation]] = {}
    met = Counter[object]()
    for violation in violations:
        likeness = _likeness(violation, lines_of)
        met[likeness, violation.location.path] += 1  # what a file says twice are two faults
        found.setdefault((likeness, met[likeness, violation.location.path]), []).append(violation)
    return [_with_copies(listed) for listed in found.values()]


def _likeness(violation: Violation, lines_of: Callable[[str], list[str]]) -> object:
    place = violation.location
    if place.line is None:
        return violation.location, violation.message, id(violation)
    lines = tuple(line.strip() for line in lines_of(place.path)[max(place.line - 1 - AROUND, 0) : place.line + AROUND])
    name = PurePosixPath(place.path).name
    return name, lines, place.column, violation.message, violation.severity, violation.certainty, violation.runs


def _with_copies(listed: list[Violation]) -> Violation:
    first, *copies = listed
    related = (*first.related, *(_copy(violation.location) for violation in copies))
    return replace(first, related=related) if copies else first


def _copy(place: Location) -> Related:
    return Related(location=place, label="here too, in a copy of the file")
