"""Faults that are reported once instead of several times.

They are the same in several run configs, or occur again and again at one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from gonogo.model.finding import Certainty, Related
from gonogo.rules.base import Violation

MOST_RELATED = 3


def by_message(faults: Iterable[Violation], most: int = MOST_RELATED) -> Iterator[Violation]:
    """Group faults with the same message.

    The first one's place is kept, the others are related places, and the runs are those of all.

    Args:
        faults: of one rule.
        most: related places of one fault.
    """
    groups: dict[str, list[Violation]] = {}
    for fault in faults:
        groups.setdefault(fault.message, []).append(fault)
    for first, *others in groups.values():
        related = tuple(Related(location=other.location, label="here too") for other in others[:most])
        runs = tuple(dict.fromkeys(run for fault in (first, *others) for run in fault.runs))
        evidence = "\n".join(dict.fromkeys(fault.evidence for fault in (first, *others[:MOST_RELATED]) if fault.evidence))
        yield replace(first, related=(*first.related, *related), runs=runs, evidence=evidence)


def by_cause(faults: Iterable[Violation], most: int = MOST_RELATED) -> Iterator[Violation]:
    """Group faults by place, and those in a file that have the same message and the same cause.

    The cause is their first related place.

    Args:
        faults: of one rule.
        most: related places of one fault that are added.
    """
    groups: dict[object, list[Violation]] = {}
    for fault in by_place(faults):
        cause = fault.related[0].location if fault.related else fault.location
        groups.setdefault((fault.location.path, fault.message, fault.severity, fault.certainty, cause), []).append(fault)
    for listed in groups.values():
        first, *others = sorted(listed, key=lambda fault: (fault.location.line or 0, fault.location.column or 0))
        yield replace(first, related=(*first.related, *(Related(location=other.location, label="here too") for other in others[:most])))


def by_place(faults: Iterable[Violation]) -> Iterator[Violation]:
    """Yield one fault for each place.

    It is the most certain one, where a function that several programs call was looked at more than once.
    """
    best: dict[tuple[str, int | None, int | None], Violation] = {}
    for fault in faults:
        place = (fault.location.path, fault.location.line, fault.location.column)
        if place not in best or _weight(fault) > _weight(best[place]):
            best[place] = fault
    yield from best.values()


def _weight(fault: Violation) -> int:
    return {Certainty.LIKELY: 0, Certainty.DERIVED: 1, Certainty.PROVEN: 2}.get(fault.certainty or Certainty.DERIVED, 0)
