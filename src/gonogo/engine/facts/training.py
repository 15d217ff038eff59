"""Facts about what training programs do."""

from __future__ import annotations

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.numbers.listing import list_numbers
from gonogo.analysis.python.modules import Module
from gonogo.analysis.training.programs import training_programs
from gonogo.engine.facts import fact
from gonogo.model.verdict import Number


@fact
def programs(modules: dict[str, Module]) -> list[Program]:
    """What the project's scripts, functions and classes do, in order."""
    return training_programs(modules)


@fact
def numbers(programs: list[Program]) -> list[Number]:
    """What the project's scripts report, and where it comes from."""
    return list_numbers(programs)
