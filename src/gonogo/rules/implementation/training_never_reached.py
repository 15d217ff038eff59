"""IMP124."""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from collections.abc import Iterator

from gonogo.analysis.project.console_scripts import console_scripts
from gonogo.analysis.project.documented import documents
from gonogo.analysis.project.liveness import Cut, Liveness, is_without_effect, wrong_name_of_main
from gonogo.analysis.project.work import training_statements
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import enclosing_function, imported_modules
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.training.programs import is_unit_test
from gonogo.model.contract import Contract, Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Tree, Violation, program, rule
from gonogo.rules.grouping import by_place


@rule(
    "IMP124",
    "training-never-reached",
    criterion=1,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    settles=("implementation",),
)
def training_never_reached(modules: dict[str, Module], experiment: Experiment, contract: Contract) -> Iterator[Violation]:
    """A program has code that trains, and it surely never comes to it.

    What it does:
        Follows the names that a program mentions from its top to the statements that compute gradients or fit a model, its own modules
        included. Speaks where all of them stand behind a `return`, a `raise`, an exit, a `break` or an endless loop that is always
        reached; where `__name__` is compared with anything but `"__main__"`; and where a `main` that leads to them is never called.
        Conditions, constant ones too, are how somebody chooses, and so is a module that others import.

    Why it matters:
        The program ends soon and without a message, and nothing was trained.

    Instead:
        Call the main function, and take out what ends the program before it.
    """
    if contract.scope is Scope.RUNS:
        return  # each run is followed there (TRI121)
    found = (violation for module in _programs(modules) for violation in _violations(Liveness(module, modules), modules, experiment))
    yield from by_place(found)


def _programs(modules: dict[str, Module]) -> Iterator[Module]:
    """The modules that somebody may start: no other imports them, and they are no tests and no notebooks."""
    imported = {name for module in modules.values() for name in imported_modules(module, modules)}
    # Whatever folder is searched, a module may be meant by any part of a name that others import.
    parts = {path: {part for dotted in module.imports.values() for part in dotted.split(".")} for path, module in modules.items()}
    users = Counter(part for named in parts.values() for part in named)
    for path, module in modules.items():
        if module.tree is None or not path.endswith(".py") or module.is_package or is_unit_test(module) or module.name in imported:
            continue
        stem = module.name.rpartition(".")[2]
        if users[stem] == (stem in parts[path]):
            yield module


def _violations(liveness: Liveness, modules: dict[str, Module], experiment: Experiment) -> Iterator[Violation]:
    is_called = _calls_main(liveness.program)
    trains = training_statements(liveness.modules) if liveness.has_cuts or not is_called else []
    if not trains or not liveness.reached(past_cuts=False).isdisjoint(trains):
        return
    if not liveness.reached(past_cuts=True).isdisjoint(trains):
        yield from (_cut_off(cut) for cut in itertools.islice(liveness.cuts(trains), 1))
    elif not is_called:
        yield from _main_never_called(liveness, trains, modules, experiment)


def _calls_main(module: Module) -> bool:
    """Whether nothing speaks against it that a program calls its `main`, cheaply."""
    if any(wrong_name_of_main(statement) for statement in (module.tree.body if module.tree else [])):
        return False
    return not isinstance(module.definitions.get("main"), FUNCTIONS) or any(
        node.id == "main" and not (isinstance(parent := module.parents[node], ast.Expr) and is_without_effect(parent))
        for node in module.of(ast.Name)
    )


def _cut_off(cut: Cut) -> Violation:
    message = "the program comes to its end here, or goes on for ever, and never to what trains"
    if isinstance(cut.leaves, (ast.Break, ast.Continue)):
        message = "each turn of this loop ends here, before what trains"
    related = (Related(location=cut.module.location(cut.behind), label="never reached"),)
    return Violation(cut.module.location(cut.leaves), message, "take it out, or put it under its condition", related=related)


def _main_never_called(
    liveness: Liveness, trains: list[ast.stmt], modules: dict[str, Module], experiment: Experiment
) -> Iterator[Violation]:
    module = liveness.program
    for statement in module.tree.body if module.tree else []:
        name = wrong_name_of_main(statement)
        if name and isinstance(statement, ast.If):
            message = f'`__name__` is never "{name}", so that nothing is done when the program is started'
            yield Violation(module.location(statement), message, 'write `if __name__ == "__main__":`')
            return
    main = module.definitions.get("main")
    if not isinstance(main, FUNCTIONS) or any(node.id == "main" for node in module.of(ast.Name)):
        return  # where it is named without effect, IMP125 says it
    if _does_something(module) or any(node.attr == "main" for other in modules.values() for node in other.of(ast.Attribute)):
        return  # `tf.app.run()` finds it by itself; a module that is imported by a computed name has one, too
    if not _is_named_by_a_document(module, modules, experiment) and not liveness.reached_from(module, main).isdisjoint(trains):
        action = 'call it under `if __name__ == "__main__":`'
        yield Violation(module.location(main), "nothing calls `main`, which leads to what trains", action)


def _does_something(module: Module) -> bool:
    """Whether the top of a module calls something for its effect."""
    calls = (node for node in module.of(ast.Expr) if isinstance(node.value, ast.Call))
    return any(not isinstance(enclosing_function(module, node), FUNCTIONS) for node in calls)


def _is_named_by_a_document(module: Module, modules: dict[str, Module], experiment: Experiment) -> bool:
    """Whether a document or a setting says how to call the `main` of a module."""
    if module.path in console_scripts(experiment, modules).values():
        return True
    stem = module.name.rpartition(".")[2]
    if any(f"{stem}.main" in text or f"{stem}:main" in text or f"{stem} import" in text for text in documents(experiment)):
        return True
    settings = (experiment.text(path) or "" for path in experiment.files if path.endswith((".toml", ".cfg", "setup.py")))
    return any(f"{stem}:main" in text for text in settings)


_PROGRAM = """import torch
from torch import nn


def load():
    return [(torch.randn(8, 4), torch.randint(0, 2, (8,))) for _ in range(9)]


def train(model, optimizer):
    for inputs, targets in load():
        {turn}optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()


def main():
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    {first}train(model, torch.optim.SGD(model.parameters(), lr=0.1))
    torch.save(model.state_dict(), "model.pt")


{last}
"""
_GUARD = 'if __name__ == "__main__":\n    main()'


def _tree(first: str = "", turn: str = "", last: str = _GUARD) -> Tree:
    return program(_PROGRAM.format(first=first, turn=turn, last=last))


BAD = [
    _tree(first="return  # <- here\n    "),
    _tree(first='raise SystemExit("done")  # <- here\n    '),
    _tree(turn="break  # <- here\n        "),
    _tree(last='if __name__ == "main":  # <- here\n    main()'),
    program(_PROGRAM.format(first="", turn="", last="").replace("def main():", "def main():  # <- here")),
]
GOOD = [
    Tree(),
    _tree(),
    _tree(first="if not load():\n        return\n    "),
    _tree(turn="if len(inputs) < 8:\n            continue\n        "),
    _tree(last="TRAIN = False\nif TRAIN:\n    main()"),
    _tree(last='if __name__ == "__main__":\n    for step in [main]:\n        step()'),
    program("import tensorflow as tf\n" + _PROGRAM.format(first="", turn="", last="tf.app.run()")),
    Tree({"run.py": "import train\n\ntrain.main()\n", "train.py": _PROGRAM.format(first="", turn="", last="")}, alone=True),
]
