"""The numbers that the scripts of a project report, as a verdict lists them."""

from __future__ import annotations

from collections.abc import Iterable

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.numbers.origins import Origins, sources_of
from gonogo.analysis.numbers.reported import Reported, reported
from gonogo.model.verdict import Number, NumberSource

MOST_NUMBERS = 300
MOST_SOURCES = 3  # of one kind


def list_numbers(programs: Iterable[Program]) -> list[Number]:
    """Every number that a script reports, each place once."""
    found: dict[tuple[str, str, str, int], Number] = {}
    for program in programs:
        if not program.is_script:
            continue
        for number in program.known(reported):
            listed = _listed(number, sources_of(program).of(number.value))
            found.setdefault((listed.key, listed.how, listed.path, listed.line), listed)
            if len(found) >= MOST_NUMBERS:
                return list(found.values())
    return list(found.values())


def _listed(number: Reported, origins: Origins) -> Number:
    sources: dict[tuple[str, str, int], NumberSource] = {}
    for origin, values in origins.sources.items():
        for value in values[:MOST_SOURCES]:
            line = getattr(value.node, "lineno", 1)
            sources.setdefault((origin, value.module.path, line), NumberSource(origin=origin, path=value.module.path, line=line))
    return Number(
        key=number.key,
        how=number.how,
        path=number.at.module.path,
        line=getattr(number.at.node, "lineno", 1),
        origins=sorted(origins.kinds),
        decided_by=sorted(origins.decided - origins.kinds),
        complete=origins.complete,
        sources=list(sources.values()),
    )
