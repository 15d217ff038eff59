"""WDB110."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.config_places import ConfigPlaces, value_at
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, calls, statement_of
from gonogo.analysis.tracking.wandb_runs import begins_elsewhere, is_init, training_modules
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message

MODE = ("wandb", "mode")


@rule("WDB110", "tracking-off", criterion=6, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("tracking",))
def tracking_off(traces: list[Trace], modules: dict[str, Module], contract: Contract, config_places: ConfigPlaces) -> Iterator[Violation]:
    """W&B is switched off in a full run.

    What it does:
        Follows each run of the full command to `wandb.init`: it is an error where the mode there surely is `disabled`, or
        where a condition on the config, which surely does not hold, keeps the run from getting there.

    Why it matters:
        The run burns its hours and leaves nothing behind: evaluation reads everything from W&B.

    Instead:
        Switch W&B off in trials alone; `online` is the mode of the shared config.
    """
    training = training_modules(modules, contract)
    if any(begins_elsewhere(module) for module in training):
        return
    inits = [(module, call) for module in training for call in calls(module) if is_init(module, call)]
    full = [trace for trace in traces if trace.command == "full"]
    yield from by_message(replace(fault, related=_mode(trace, config_places)) for trace in full for fault in _of_run(trace, inits))


def _mode(trace: Trace, config_places: ConfigPlaces) -> tuple[Related, ...]:
    """Where the config switches W&B off, if it is the config that does."""
    composition = trace.composition
    if composition is None or value_at(composition.config, MODE) != "disabled":
        return ()
    place = config_places.locate(MODE, config_places.runs.get(trace.run_id), composition)
    return (Related(location=place, label="switched off here"),) if place is not None else ()


def _of_run(trace: Trace, inits: list[tuple[Module, ast.Call]]) -> Iterator[Violation]:
    if not trace.complete or trace.composition is None or not inits:
        return
    reached = [call for call in trace.calls if call.name == "wandb.init"]
    if reached:
        if all(call.constant("mode") == "disabled" for call in reached):
            place = reached[-1].site
            yield Violation(
                place.module.location(place.node),
                "a full run begins with W&B switched off: `mode` is 'disabled'",
                "switch it off in trials alone",
                runs=(trace.run_id,),
            )
        return
    gates = [_closed_gate(module, call, trace) for module, call in inits]
    if any(gate is None for gate in gates):
        return
    for (module, _), gate in zip(inits, gates, strict=True):
        assert gate is not None
        yield Violation(
            module.location(gate.test),
            "a full run never begins at W&B: this condition does not hold",
            "switch W&B off in trials alone, with `mode: online` in the shared config",
            runs=(trace.run_id,),
        )


def _closed_gate(module: Module, call: ast.Call, trace: Trace) -> ast.If | None:
    """Return the condition at which the run surely skipped a `wandb.init`.

    None if it may have skipped it elsewhere.
    """
    inner = statement_of(module, call)
    for parent in ancestors(module, inner) if inner is not None else ():
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) or id(inner) in trace.executed:
            return None
        if isinstance(parent, ast.stmt):
            if id(parent) in trace.executed:
                branch = _branch(parent, inner) if isinstance(parent, ast.If) else None
                return parent if isinstance(parent, ast.If) and branch and id(branch[0]) not in trace.executed else None
            inner = parent
    return None


def _branch(gate: ast.If, inner: ast.stmt | None) -> list[ast.stmt]:
    """The branch that holds a statement; empty if none does."""
    return next((branch for branch in (gate.body, gate.orelse) if inner in branch), [])


BAD = [
    Tree(
        {
            "config/config.yaml": Edit("  mode: online", "  mode: disabled"),
            "src/train.py": Edit("    run = wandb.init(", "    run = wandb.init(  # <- here"),
        }
    ),
    Tree(
        {
            "config/config.yaml": Edit("  mode: online", "  mode: disabled"),
            "src/train.py": (
                Edit("    run = wandb.init(\n", '    if cfg.wandb.mode != "disabled":  # <- here\n      run = wandb.init(\n'),
                Edit("    run.config.update(", "    run = wandb.run\n    run.config.update("),
            ),
        }
    ),
]
GOOD = [
    Tree({"config/config.yaml": Edit("  mode: online", "  mode: offline")}),
    Tree(
        {
            "src/train.py": (
                Edit("    run = wandb.init(\n", "    if not cfg.trial_mode:\n      run = wandb.init(\n"),
                Edit("    run.config.update(", "    run = wandb.run\n    run.config.update("),
            ),
        }
    ),
]
