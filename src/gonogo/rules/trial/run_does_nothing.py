"""TRI121."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Exited, Trace
from gonogo.analysis.project.child_processes import starts
from gonogo.analysis.project.work import logging_statements, reached, training_statements
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import main_guard, statement_of
from gonogo.analysis.tracking.logged_keys import LoggedKeys
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.model.contract import Contract
from gonogo.model.finding import Location, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message
from gonogo.rules.places import training_place


@rule("TRI121", "run-does-nothing", criterion=1, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("implementation",))
def run_does_nothing(traces: list[Trace], modules: dict[str, Module], contract: Contract, logged_keys: LoggedKeys) -> Iterator[Violation]:
    """A run comes to its end and never to the code that trains or logs.

    What it does:
        Follows each run's full command through all its processes to the end, and asks whether it comes to any statement that logs a number
        or computes a gradient. Speaks where the experiment has such statements and the run surely comes to none: a `main` that is named and
        not called, that returns, exits or loops before it does anything, whose body is empty. Silent where a run could not be followed, or
        where a library may log for it.

    Why it matters:
        The run ends with exit code 0 at once, and nothing was measured.

    Instead:
        Call the main function, and take out what ends it early.
    """
    training = training_modules(modules, contract)
    logs, trains = logging_statements(logged_keys, training), training_statements(training)
    unseen = bool(logged_keys.unknown)
    yield from by_message(found for trace in traces for found in _found(trace, modules, contract, logs, trains, may_log_elsewhere=unseen))


def _found(
    trace: Trace,
    modules: dict[str, Module],
    contract: Contract,
    logs: list[ast.stmt],
    trains: list[ast.stmt],
    *,
    may_log_elsewhere: bool,
) -> Iterator[Violation]:
    if trace.command != "full" or not trace.complete or trace.raised:
        return
    if any(process.assumed for process in trace.processes):
        yield from _starts_nothing(trace, modules)
        return
    if any(process.failing or process.run_lost for process in trace.processes):
        return  # HYD103 and HYD106 come first
    if may_log_elsewhere and not logs:
        return  # a library logs: a run that only evaluates, such as a zero-shot baseline, comes to no statement that shows it
    missing = [what for what, statements in (("logs", logs), ("trains", trains)) if statements and not reached(trace, statements)]
    if not trace.processes or not missing or ("logs" not in missing and logs) or len(missing) < bool(logs) + bool(trains):
        return
    names = "nor ".join(["neither trains ", "logs a number"]) if len(missing) == 2 else f"never {missing[0]} anything"
    yield Violation(
        _where_it_ends(trace, modules, contract),
        f"the run comes to its end here and {names}",
        "call what does the work, and take out what ends the program before it",
        runs=(trace.run_id,),
    )


def _starts_nothing(trace: Trace, modules: dict[str, Module]) -> Iterator[Violation]:
    """A main process that has calls which start the training in a child, and surely comes to none of them."""
    module = next((module for module in modules.values() if module.name == trace.processes[0].module), None)
    if module is None or trace.processes[0].assumed:
        return
    starting = [statement for call, _ in starts(module) if (statement := statement_of(module, call)) is not None]
    if starting and not reached(trace, starting):
        yield Violation(
            module.location(starting[0]),
            "the run's main process surely never comes to this, which starts the training",
            "take out what ends the program before it",
            runs=(trace.run_id,),
        )


def _where_it_ends(trace: Trace, modules: dict[str, Module], contract: Contract) -> Location:
    """The statement that ends the run's last process early, else the place where nothing is called."""
    for event in trace.of(Exited):
        return event.site.module.location(event.site.node)
    by_name = {module.name: module for module in modules.values()}
    for process in reversed(trace.processes):
        module = by_name.get(process.module)
        if module is None or module.tree is None:
            continue
        main = module.definitions.get("main")
        body = main.body if isinstance(main, (ast.FunctionDef, ast.AsyncFunctionDef)) else []
        walked = [statement for statement in body if id(statement) in trace.executed]
        if walked:
            return module.location(walked[-1])
        guard = main_guard(module)
        if guard is not None:
            return module.location(guard.body[0])
    return training_place(modules, contract)


_GUARD = 'if __name__ == "__main__":\n    main()\n'
_FIRST = '    """Search, train, test and log the selected run."""\n'


def _first(statement: str) -> Tree:
    return Tree({"src/train.py": Edit(_FIRST, f"{_FIRST}    {statement}  # <- here\n")})


BAD = [
    Tree({"src/train.py": Edit(_GUARD, 'if __name__ == "__main__":\n    main  # <- here\n')}),
    _first("return"),
    Tree({"src/train.py": (Edit("import hydra\n", "import sys\n\nimport hydra\n"), Edit(_FIRST, f"{_FIRST}    sys.exit(0)  # <- here\n"))}),
]
_EPOCH = '        train_loss = train_epoch(model, loaders["train"], criterion, optimizer)\n'
_ZERO_SHOT = _EPOCH.replace("= train", '= 0.0 if cfg.run.method == "cross-entropy" else train')
GOOD = [
    Tree({"src/train.py": (Edit("import hydra\n", "import hydra\nimport lightning\n"), Edit(_EPOCH, _ZERO_SHOT))}),
    Tree({"src/train.py": Edit(_FIRST, f"{_FIRST}    if cfg.run.training.epochs == 0:\n        return\n")}),
    Tree({"src/train.py": Edit(_GUARD, 'if __name__ == "__main__":\n    for step in [main]:\n        step()\n')}),
]
