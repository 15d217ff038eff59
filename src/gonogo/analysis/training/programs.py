"""The programs of a project, with what training frameworks call by themselves."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gonogo.analysis.dataflow.programs import Program, walk_programs
from gonogo.analysis.python.modules import Module


def training_programs(modules: Mapping[str, Module]) -> list[Program]:
    """Every program of a project, scripts first."""
    with _no_collection():
        return walk_programs(modules)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let the collector wait: a walk makes many small objects, all needed to its end; looking for waste takes most of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
