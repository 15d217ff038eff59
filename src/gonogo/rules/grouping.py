"""One fault for what is wrong in the same way in several run configs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from gonogo.model.finding import Related
from gonogo.rules.base import Violation

MOST_RELATED = 3


def by_message(faults: Iterable[Violation]) -> Iterator[Violation]:
    """Put faults with the same message together: the first one's place, the others as related places, the runs of all."""
    groups: dict[str, list[Violation]] = {}
    for fault in faults:
        groups.setdefault(fault.message, []).append(fault)
    for first, *others in groups.values():
        related = tuple(Related(location=other.location, label="here too") for other in others[:MOST_RELATED])
        runs = tuple(dict.fromkeys(run for fault in (first, *others) for run in fault.runs))
        evidence = "\n".join(dict.fromkeys(fault.evidence for fault in (first, *others[:MOST_RELATED]) if fault.evidence))
        yield replace(first, related=(*first.related, *related), runs=runs, evidence=evidence)
