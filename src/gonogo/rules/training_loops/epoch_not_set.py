"""TRN124."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, constant
from gonogo.analysis.training.batches import source_of
from gonogo.analysis.training.loops import training_loops
from gonogo.analysis.training.made import loaders_made
from gonogo.analysis.training.objects import each
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("TRN124", "epoch-not-set", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def epoch_not_set(programs: list[Program]) -> Iterator[Violation]:
    """A distributed sampler is never told the epoch: every epoch has the same order of batches.

    What it does:
        Speaks where a `DistributedSampler` that shuffles is the sampler of a loader which a training loop goes through several times, and
        nothing in the program calls `set_epoch`. Lightning, Accelerate and the HF Trainer do that themselves.

    Why it matters:
        The order is drawn from the seed and the epoch; without `set_epoch` the epoch stays 0, and the shuffle is the same each time
        (PyTorch, `torch.utils.data.distributed.DistributedSampler`: the warning on `set_epoch`).

    Instead:
        Call `sampler.set_epoch(epoch)` at the start of each epoch.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    if walked.has("set_epoch", "prepare", "setup_dataloaders", "Trainer"):
        return
    for loader in walked.gather(loaders_made):
        given = loader.argument(None, "sampler")
        for made in each(given) if given is not None else ():
            if not isinstance(made, Call) or made.short != "DistributedSampler" or constant(made.argument(None, "shuffle")) is False:
                continue
            if any(_goes_through(loop.loop, loader) for loop in walked.known(training_loops)):
                yield violation(
                    made,
                    "nothing tells this sampler the epoch: every epoch has the same order of batches",
                    "call `set_epoch(epoch)` at the start of each epoch",
                )


def _goes_through(loop: Loop, loader: Call) -> bool:
    """Whether a loop in a loop goes through a loader."""
    return source_of(loop) is loader and any(isinstance(around, Loop) for around in loop.around())


PROGRAM = """import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler

torch.distributed.init_process_group("nccl")
data = torch.load("data.pt")
model = nn.parallel.DistributedDataParallel(nn.Linear(4, 2).cuda())
optimizer = torch.optim.Adam(model.parameters())
sampler = DistributedSampler(data){marker}
loader = DataLoader(data, batch_size=8, sampler=sampler)
for epoch in range(10):
    {first}
    for inputs, labels in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs.cuda()), labels.cuda()).backward()
        optimizer.step()
"""
BAD = program(PROGRAM.format(first="print(epoch)", marker="  # <- here"))
GOOD = [
    program(PROGRAM.format(first="sampler.set_epoch(epoch)", marker="")),
    program(PROGRAM.format(first="loader.sampler.set_epoch(epoch)", marker="")),
]
