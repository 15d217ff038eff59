"""Walking every run of an experiment under every documented command."""

from __future__ import annotations

from collections.abc import Iterable

from gonogo.analysis.interpreter.composing import ConfigSource, DocumentedHydra
from gonogo.analysis.interpreter.interpreter import Interpreter
from gonogo.analysis.interpreter.library.registry import load_library
from gonogo.analysis.interpreter.modules import Program
from gonogo.analysis.interpreter.processes import Documented, DocumentedProcesses, GaveUp, Started
from gonogo.analysis.interpreter.state import MAX_STEPS, ExhaustedError
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.interpreter.traces import trace_of
from gonogo.analysis.python.modules import Module
from gonogo.model.contract import Contract
from gonogo.model.experiment import Experiment
from gonogo.model.runs import Run

RESULTS_DIR = "results"


def walk_runs(
    experiment: Experiment,
    contract: Contract,
    modules: dict[str, Module],
    runs: Iterable[Run],
    configs: ConfigSource,
    together: bool = True,
) -> list[Trace]:
    """Walk the runs and return one trace for each run and command, in this order.

    Runs without a config are left out, since there is nothing to walk.

    Args:
        together: walk all runs at once, which costs about as much as walking one; apart, each is walked on its own.
    """
    texts = {run.path: run.text for run in runs if run.path is not None}
    documented = [
        Documented(run.id, name, command.run_option, command.module, tuple(command.arguments(run.id, RESULTS_DIR)))
        for run in runs
        if run.path is not None
        for name, command in contract.commands.items()
    ]
    program = Program(modules.values(), lambda path: experiment.text(path) or texts.get(path))
    walker = _Walker(program, configs, contract)
    if together and len(documented) > 1:
        try:
            return walker.walk(documented)
        except (ExhaustedError, RecursionError):
            pass  # a walk of all runs takes more steps than one of each
    return [trace for run in documented for trace in walker.walk_alone(run)]


class _Walker:
    """Walks runs that a contract documents."""

    def __init__(self, program: Program, configs: ConfigSource, contract: Contract) -> None:
        self._program = program
        self._configs = configs
        self._contract = contract

    def _interpreter(self, runs: list[Documented]) -> tuple[Interpreter, DocumentedProcesses]:
        processes: list[DocumentedProcesses] = []

        def children(walk: Interpreter) -> DocumentedProcesses:
            processes.append(DocumentedProcesses(walk, runs))
            return processes[0]

        def hydra(walk: Interpreter) -> DocumentedHydra:
            folder = self._contract.hydra.config_dir
            return DocumentedHydra(walk, self._configs, DocumentedProcesses(walk, runs), runs, self._program.text, folder)

        walk = Interpreter(self._program, load_library(), len(runs), hydra, children)
        return walk, processes[0]

    def walk(self, runs: list[Documented]) -> list[Trace]:
        """The traces of runs that are walked together.

        Raises:
            ExhaustedError: there are too many steps.
            RecursionError: calls are nested too deeply.
        """
        walk, processes = self._interpreter(runs)
        self._start(walk, processes, runs)
        return [trace_of(walk.state, number, run.run_id, run.command) for number, run in enumerate(runs)]

    def walk_alone(self, run: Documented) -> list[Trace]:
        """The trace of one run, as far as it goes."""
        walk, processes = self._interpreter([run])
        try:
            self._start(walk, processes, [run])
        except ExhaustedError:
            walk.state.record(GaveUp(f"more than {MAX_STEPS} steps"))
        except RecursionError:
            walk.state.record(GaveUp("calls nested too deeply"))
        return [trace_of(walk.state, 0, run.run_id, run.command)]

    def _start(self, walk: Interpreter, processes: DocumentedProcesses, runs: list[Documented]) -> None:
        memory = walk.memory
        for module in dict.fromkeys(run.module for run in runs):
            started = sum(1 << number for number, run in enumerate(runs) if run.module == module)
            memory.each([started], lambda module=module: processes.start(module))  # type: ignore[misc]
        for module, missing in self._unreached(walk):
            memory.each([missing], lambda module=module: processes.start(module, assumed=True))  # type: ignore[misc]
        for ending in walk.library.endings:
            ending(walk)

    def _unreached(self, walk: Interpreter) -> list[tuple[str, int]]:
        """Walk the modules with their own `@hydra.main` that nothing was seen to start.

        They are assumed to be started like the documented one.
        """
        state, everyone = walk.state, walk.memory.everyone
        found = []
        for module in self._program.by_name.values():
            if module.name == self._contract.evaluation.module or "hydra" not in module.text or "__main__" not in module.text:
                continue
            seen = 0
            for runs, event in state.events.entries:
                seen |= runs if isinstance(event, Started) and event.process.module == module.name else 0
            mains = [node for node in module.definitions.values() if "hydra" in _decorators(module, node)]
            entered = [state.entered.get(id(node), 0) for node in mains]
            missing = 0
            for runs in entered:
                missing |= everyone & ~runs
            if missing & ~seen:
                found.append((module.name, missing & ~seen))
        return found


def _decorators(module: Module, function: object) -> str:
    lines = [module.lines[decorator.lineno - 1] for decorator in getattr(function, "decorator_list", [])]
    return " ".join(lines)
