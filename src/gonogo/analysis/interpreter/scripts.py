"""Walking the programs of a project that read a command line, with words that nobody knows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from gonogo.analysis.interpreter.base import Process
from gonogo.analysis.interpreter.evaluation import NoHydra
from gonogo.analysis.interpreter.interpreter import Interpreter
from gonogo.analysis.interpreter.library.registry import load_library
from gonogo.analysis.interpreter.modules import Program
from gonogo.analysis.interpreter.processes import NoChildren, Started
from gonogo.analysis.interpreter.state import MAX_STEPS, ExhaustedError
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.interpreter.traces import trace_of
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import main_guard
from gonogo.model.experiment import Experiment

ALL_STEPS, MOST_STEPS, FEWEST_STEPS = 600_000, 150_000, 10_000


def walk_scripts(experiment: Experiment, modules: Mapping[str, Module]) -> list[Trace]:
    """What each program does that reads its command line itself, or by a module that it imports; those that Hydra starts are left out."""
    library = load_library()
    readers = {path for path, module in modules.items() if any(mark in module.text for mark in library.options)}
    names = {modules[path].name.rpartition(".")[2] for path in readers}
    scripts = [
        module
        for path, module in sorted(modules.items())
        if "hydra" not in module.text and module.tree is not None and (path in readers or _starts(module, names))
    ]
    steps = max(FEWEST_STEPS, min(MOST_STEPS, ALL_STEPS // max(1, len(scripts))))
    return [_walk(module, experiment, modules.values(), steps) for module in scripts]


def _starts(module: Module, readers: set[str]) -> bool:
    """Whether a file is a program that imports a module which reads a command line."""
    return main_guard(module) is not None and bool(readers & {part for dotted in module.imports.values() for part in dotted.split(".")})


def _walk(module: Module, experiment: Experiment, modules: Iterable[Module], steps: int) -> Trace:
    # Python looks for imports in the folder of the program first.
    folder = module.name.rpartition(".")[0] + "."
    beside = {other.name.removeprefix(folder): other for other in modules if folder != "." and other.name.startswith(folder)}
    program = Program(modules, experiment.text, beside)
    walk = Interpreter(program, load_library(), 1, lambda _: NoHydra(), lambda _: NoChildren())
    process = Process(module.name, Sequence(open=True), open=True)
    walk.state.steps = MAX_STEPS - steps
    with contextlib.suppress(ExhaustedError, RecursionError), walk.memory.only(1):  # what was seen until then holds
        walk.state.record(Started(process, (), open=True))
        walk.run_process(module, process)
    return trace_of(walk.state, 0, module.path, "script")
