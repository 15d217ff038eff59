"""Walking the evaluation as its documented command starts it."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Process, Value
from gonogo.analysis.interpreter.interpreter import Interpreter
from gonogo.analysis.interpreter.library.registry import load_library
from gonogo.analysis.interpreter.modules import Program
from gonogo.analysis.interpreter.processes import NoChildren, Started
from gonogo.analysis.interpreter.state import ExhaustedError
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.interpreter.traces import trace_of
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.python.modules import Module
from gonogo.model.contract import Contract, module_path
from gonogo.model.experiment import Experiment
from gonogo.model.runs import Run

RESULTS_DIR = "/results"


class NoHydra:
    """Nothing is composed."""

    def start(self, main: Value, at: ast.AST) -> Value:
        """Call a function under `@hydra.main`."""
        return UNKNOWN

    def compose(self, given: Arguments, at: ast.AST) -> Value:
        """`hydra.compose(config_name, overrides=…)`."""
        return UNKNOWN

    def folder_given(self, given: Arguments) -> str | None:
        """The folder that `hydra.initialize` was given."""
        return None


def walk_evaluation(experiment: Experiment, contract: Contract, modules: dict[str, Module], runs: Iterable[Run]) -> Trace | None:
    """Walk the evaluation as it is called with some runs.

    None where it can't be walked, or where Hydra reads its command line.
    """
    module, uploaded = modules.get(module_path(contract.evaluation.module)), {run.id: run.document.value for run in runs}
    if module is None or module.tree is None or not uploaded or not contract.evaluation.keys() or "hydra" in module.text:
        return None
    values = {"{results_dir}": RESULTS_DIR, "{run_ids}": json.dumps(list(uploaded))}
    words = list(contract.evaluation.arguments)
    for name, value in values.items():
        words = [word.replace(name, value) for word in words]
    program = Program(modules.values(), experiment.text)
    walk = Interpreter(program, load_library(), 1, lambda _: NoHydra(), lambda _: NoChildren(), uploaded=uploaded)
    process = Process(module.name, Sequence([Scalar(module.path), *map(Scalar, words)]))
    try:
        with walk.memory.only(1):
            walk.state.record(Started(process, tuple(words)))
            walk.run_process(module, process)
    except (ExhaustedError, RecursionError):
        return None
    return trace_of(walk.state, 0, "", "evaluation")
