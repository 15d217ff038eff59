"""Follow every run of an experiment under every documented command."""

from __future__ import annotations

from collections.abc import Iterable

from gonogo.analysis.interpreter.interpreter import ConfigSource, Machine
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.python.modules import Module
from gonogo.model.contract import Contract
from gonogo.model.experiment import Experiment
from gonogo.model.runs import Run

RESULTS_DIR = "results"


def follow(
    experiment: Experiment, contract: Contract, modules: dict[str, Module], runs: Iterable[Run], configs: ConfigSource
) -> list[Trace]:
    """One trace for each run and command, in this order. Runs without a config are left out: there is nothing to follow."""
    texts = {run.path: run.text for run in runs if run.path is not None}

    def text(path: str) -> str | None:
        return experiment.text(path) or texts.get(path)

    traces = []
    for run in runs:
        if run.path is None:
            continue
        for name, command in contract.commands.items():
            machine = Machine(modules, text, configs, run.id, name, command.run_option, contract.hydra.config_dir)
            arguments = command.arguments(run.id, RESULTS_DIR)
            machine.run(command.module, arguments)
            for module in _unreached(machine, modules, contract):
                machine.run(module, arguments, assumed=True)
            traces.append(machine.trace)
    return traces


def _unreached(machine: Machine, modules: dict[str, Module], contract: Contract) -> list[str]:
    """Modules with an own `@hydra.main` that nothing was seen to start: they are taken to be started like the documented one."""
    seen = {process.module for process in machine.trace.processes} | {contract.evaluation.module}
    found = []
    for module in modules.values():
        if module.name in seen or "hydra" not in module.text or "__main__" not in module.text:
            continue
        mains = [function for function in module.definitions.values() if getattr(function, "decorator_list", None)]
        if any("hydra" in _decorators(module, function) and id(function) not in machine.entered for function in mains):
            found.append(module.name)
    return found


def _decorators(module: Module, function: object) -> str:
    lines = [module.lines[decorator.lineno - 1] for decorator in getattr(function, "decorator_list", [])]
    return " ".join(lines)
