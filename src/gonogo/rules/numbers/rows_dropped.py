"""NUM114."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import constant
from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import argument, body_nodes, functions, last_name, text_of
from gonogo.analysis.rows.flow import name_of
from gonogo.analysis.rows.parts import Role, role_of_name
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.batches import loader_of
from gonogo.analysis.training.loops import acts
from gonogo.analysis.training.made import loaders_made
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("NUM114", "rows-dropped", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def rows_dropped(programs: list[Program], modules: dict[str, Module]) -> Iterator[Violation]:
    """The loader of the test or validation part drops its last batch, so that some rows are never scored.

    What it does:
        Looks at loaders that are called the test or validation loader. Speaks where one is made with `drop_last=True` and nothing is
        learned from its batches.

    Why it matters:
        Up to a batch of rows is left out: the score is not that of the test part, and changes with the batch size; where rows are
        shuffled, other rows are left out each time (PyTorch, `torch.utils.data.DataLoader`).

    Instead:
        Leave `drop_last` out for loaders that are evaluated.
    """
    written = (found for module in modules.values() for found in _written(module))
    yield from by_place([*(found for walked in programs for found in _found(walked)), *written])


def _written(module: Module) -> Iterator[Violation]:
    """Loaders that a helper or shared options make with `drop_last=True`.

    Under the name or key of a held-out part.
    """
    makers = {entry.name: made for entry in functions(module) if (made := _always_dropping(module, entry)) is not None}
    for node in module.of(ast.Assign, ast.Dict):
        pairs = [(last_name(node.targets[0]), node.value)] if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.Dict):
            pairs = [(text_of(key) or "", value) for key, value in zip(node.keys, node.values, strict=True)]
        for name, value in pairs:
            if not isinstance(value, ast.Call) or role_of_name(name) not in (Role.TEST, Role.VALID) or "train" in name.lower():
                continue
            maker = makers.get(last_name(value.func)) if isinstance(value.func, ast.Name) else None
            if maker is not None or (_drops(module, value) and argument(value, None, "drop_last") is None):
                yield Violation(
                    module.location(maker or value),
                    f"`{name}` drops its last batch: the rows in it are never scored",
                    "leave `drop_last` out where rows are evaluated",
                    related=(Related(location=module.location(value), label="made for a part that is held out"),) if maker else (),
                )


def _always_dropping(module: Module, function: Function) -> ast.Call | None:
    """The loader that a function gives back, whatever it is given, if that drops its last batch."""
    returned = [node.value for node in body_nodes(function) if isinstance(node, ast.Return)]
    made = returned[0] if len(returned) == 1 else None
    return made if isinstance(made, ast.Call) and _drops(module, made) else None


def _drops(module: Module, call: ast.Call) -> bool:
    """Whether a call makes a loader that surely drops its last batch: as it says.

    Or by options that are written down once.
    """
    if last_name(call.func) != "DataLoader":
        return False
    options = [entry.value for entry in call.keywords if entry.arg is None]
    given = [argument(call, None, "drop_last")]
    for name in options:
        values = module.assigned.get(name.id, []) if isinstance(name, ast.Name) else []
        made = values[0] if len(values) == 1 else None
        if isinstance(made, ast.Call) and last_name(made.func) == "dict":
            given.append(argument(made, None, "drop_last"))
        elif isinstance(made, ast.Dict):
            given += [value for key, value in zip(made.keys, made.values, strict=True) if text_of(key) == "drop_last"]
    return any(isinstance(entry, ast.Constant) and entry.value is True for entry in given)


def _found(walked: Program) -> Iterator[Violation]:
    learning = {loop for done in walked.known(acts) if done.act.does is Does.COMPUTES for loop in done.loops}
    learned = {loader_of(loop) for loop in walked.all(Loop) if loop in learning}
    for loader in walked.gather(loaders_made):
        name = name_of(loader)
        if constant(loader.argument(None, "drop_last")) is not True or "train" in name.lower() or loader in learned:
            continue
        if role_of_name(name) in (Role.TEST, Role.VALID):
            yield violation(
                loader, f"`{name}` drops its last batch: the rows in it are never scored", "leave `drop_last` out where rows are evaluated"
            )


PROGRAM = """import torch
from torch.utils.data import DataLoader, TensorDataset

data = TensorDataset(torch.randn(100, 4), torch.randint(2, (100,)))
{name} = DataLoader(data, batch_size=32, drop_last={drop}){marker}
print(sum(len(labels) for _, labels in {name}))
"""
BAD = [program(PROGRAM.format(name="test_loader", drop=True, marker="  # <- here"))]
HELPED = """from torch.utils.data import DataLoader

common = dict(batch_size=8, {shared})


def make(rows, shuffle):
    return DataLoader(rows, batch_size=8, shuffle=shuffle{drop}){marker}


def loaders(first, second):
    {given}
    val_loader = make(second, False)
    return train_loader, val_loader
"""
MADE = "train_loader = make(first, True)"
SHARED = 'train_loader = {"train": DataLoader(first, **common), "test": DataLoader(second, **common)}'
BAD += [
    program(HELPED.format(shared="num_workers=2", drop=", drop_last=True", marker="  # <- here", given=MADE)),
    program(HELPED.format(shared="drop_last=True", drop="", marker="", given=SHARED + "  # <- here")),
]
GOOD = [
    program(HELPED.format(shared="num_workers=2", drop=", drop_last=shuffle", marker="", given=MADE)),
    program(HELPED.format(shared="drop_last=False", drop="", marker="", given=SHARED)),
    program(PROGRAM.format(name="test_loader", drop=False, marker="")),
    program(PROGRAM.format(name="train_loader", drop=True, marker="")),
]
