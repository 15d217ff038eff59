"""Facts about what training programs do."""

from __future__ import annotations

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.python.modules import Module
from gonogo.analysis.training.programs import training_programs
from gonogo.engine.facts import fact


@fact
def programs(modules: dict[str, Module]) -> list[Program]:
    """What the project's scripts, functions and classes do, in order."""
    return training_programs(modules)
