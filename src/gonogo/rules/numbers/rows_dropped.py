"""NUM114."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import constant
from gonogo.analysis.rows.flow import name_of
from gonogo.analysis.rows.parts import Role, role_of_name
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.batches import loader_of
from gonogo.analysis.training.loops import acts
from gonogo.analysis.training.made import loaders_made
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("NUM114", "rows-dropped", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def rows_dropped(programs: list[Program]) -> Iterator[Violation]:
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
    yield from by_place(found for walked in programs for found in _found(walked))


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
BAD = program(PROGRAM.format(name="test_loader", drop=True, marker="  # <- here"))
GOOD = [
    program(PROGRAM.format(name="test_loader", drop=False, marker="")),
    program(PROGRAM.format(name="train_loader", drop=True, marker="")),
]
