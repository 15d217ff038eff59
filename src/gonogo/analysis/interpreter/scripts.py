"""Walk the programs of a project that Hydra does not start.

Their words are unknown, or those of a known command line.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gonogo.analysis.interpreter.base import Process
from gonogo.analysis.interpreter.evaluation import NoHydra
from gonogo.analysis.interpreter.interpreter import Interpreter
from gonogo.analysis.interpreter.library.registry import load_library
from gonogo.analysis.interpreter.modules import Program
from gonogo.analysis.interpreter.processes import NoChildren, Started
from gonogo.analysis.interpreter.state import MAX_STEPS, ExhaustedError
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.interpreter.traces import trace_of
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence as SequenceValue
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import main_guard
from gonogo.model.experiment import Experiment

ALL_STEPS, MOST_STEPS, FEWEST_STEPS = 600_000, 150_000, 10_000


def walk_scripts(experiment: Experiment, modules: Mapping[str, Module]) -> list[Trace]:
    """Trace each program that reads its command line itself or through a module that it imports.

    Programs that Hydra starts are left out.
    """
    scripts = programs_with(load_library().options, modules)
    steps = steps_each(len(scripts))
    return [_walk(module, None, experiment, modules.values(), steps) for module in scripts]


def walk_start(path: str, words: Sequence[str], experiment: Experiment, modules: Mapping[str, Module], steps: int) -> Trace:
    """What a program does that is started from the project's root with these words behind its name."""
    return _walk(modules[path], words, experiment, modules.values(), steps)


def steps_each(count: int) -> int:
    """How many steps each of some walks may take."""
    return max(FEWEST_STEPS, min(MOST_STEPS, ALL_STEPS // max(1, count)))


def programs_with(marks: Iterable[str], modules: Mapping[str, Module]) -> list[Module]:
    """Return the programs that have one of some texts in them.

    The text may also stand in a module that they import. Programs that Hydra starts are left out.
    """
    readers = {path for path, module in modules.items() if any(mark in module.text for mark in marks)}
    starts = _importers(readers, modules)
    return [
        module
        for path, module in sorted(modules.items())
        if "hydra" not in module.text
        and module.tree is not None
        and (path in readers or (path in starts and main_guard(module) is not None))
    ]


def _importers(readers: set[str], modules: Mapping[str, Module]) -> set[str]:
    """The paths of the modules that import some of the readers, or what imports them."""
    importers: dict[str, set[str]] = {}
    by_name = {module.name: path for path, module in modules.items()}
    for path, module in modules.items():
        folder = module.name.rpartition(".")[0]
        for dotted in _imported(module):
            for name in (dotted, f"{folder}.{dotted}"):  # Python looks in the folder of the program first
                if name in by_name:
                    importers.setdefault(by_name[name], set()).add(path)
    found, pending = set(readers), list(readers)
    while pending:
        for path in importers.get(pending.pop(), ()):
            if path not in found:
                found.add(path)
                pending.append(path)
    return found


def _imported(module: Module) -> Iterator[str]:
    """The dotted names that a module imports, each with the packages that it is in."""
    for node in module.of(ast.Import, ast.ImportFrom):
        source = "" if isinstance(node, ast.Import) else module.resolve_import(node) + "."
        for alias in node.names:
            parts = f"{source}{alias.name}".split(".")
            yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _walk(module: Module, words: Sequence[str] | None, experiment: Experiment, modules: Iterable[Module], steps: int) -> Trace:
    # Python looks for imports in the folder of the program first.
    folder = module.name.rpartition(".")[0] + "."
    beside = {other.name.removeprefix(folder): other for other in modules if folder != "." and other.name.startswith(folder)}
    program = Program(modules, experiment.text, beside)
    is_open = words is None
    walk = Interpreter(program, load_library(), 1, lambda _: NoHydra(), lambda _: NoChildren(), meets_cases=is_open, reads_data=True)
    argv = SequenceValue(open=True) if words is None else SequenceValue([Scalar(module.path), *map(Scalar, words)])
    process = Process(module.name, argv, open=is_open)
    walk.state.steps = MAX_STEPS - steps
    with contextlib.suppress(ExhaustedError, RecursionError), walk.memory.only(1):  # what was seen until then holds
        walk.state.record(Started(process, tuple(words or ()), open=is_open))
        walk.run_process(module, process)
    return trace_of(walk.state, 0, module.path, "script")
