"""The programs of a project, with what training frameworks call by themselves."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gonogo.analysis.dataflow.programs import Program, walk_programs
from gonogo.analysis.python.modules import Module

_TESTS = re.compile(r"^(?:import|from) (?:pytest|unittest)\b|\(unittest\.TestCase\)", re.MULTILINE)


def training_programs(modules: Mapping[str, Module]) -> list[Program]:
    """Every program of a project, scripts first; but for unit tests, whose data and networks are toys."""
    with _no_collection():
        return [walked for walked in walk_programs(modules) if not is_unit_test(walked.module)]


def is_unit_test(module: Module) -> bool:
    """Whether a file holds unit tests, not an experiment's test of a network."""
    return "tests" in module.path.split("/")[:-1] or _TESTS.search(module.text) is not None


@contextmanager
def _no_collection() -> Iterator[None]:
    """Pause the garbage collector during a walk.

    A walk makes many small objects, all needed to its end, and looking for garbage takes most of its time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
