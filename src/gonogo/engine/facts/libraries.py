"""Facts about objects of libraries."""

from __future__ import annotations

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.libraries.objects import Objects
from gonogo.engine.facts import fact


@fact
def library_objects(programs: list[Program]) -> Objects:
    """Which values of the programs are objects of libraries."""
    return Objects(programs)
