"""TRN126."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.batches import source_of
from gonogo.analysis.training.loops import acts, applications, outermost
from gonogo.analysis.training.made import loaders_made
from gonogo.analysis.training.objects import each
from gonogo.analysis.training.uses import call_of, scored
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

REDUCES = re.compile(r"reduce|gather|broadcast|sync|monitored_barrier|send|recv")


@rule("TRN126", "metrics-not-reduced", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def metrics_not_reduced(programs: list[Program]) -> Iterator[Violation]:
    """Each process of a distributed evaluation sees a share of the rows, and nothing combines them.

    What it does:
        Speaks where a network is scored in a loop over a loader with a `DistributedSampler`, in which nothing is learned, and the
        program never reduces or gathers anything.

    Why it matters:
        What rank 0 reports is the score on one share of the rows, chosen by the sampler (PyTorch, "Distributed communication package:
        all_reduce").

    Instead:
        Add up counts over all processes with `all_reduce` before the quotient is taken, or evaluate on rank 0 over all rows.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    if not walked.has("init_process_group") or any(REDUCES.search(event.call.short) for event in walked.calls()):
        return
    learning = {loop for done in walked.known(acts) if done.act.does is Does.COMPUTES for loop in done.loops}
    shared = {
        loader
        for loader in walked.gather(loaders_made)
        if (given := loader.argument(None, "sampler")) is not None
        and any(isinstance(made, Call) and made.short == "DistributedSampler" for made in each(given))
    }
    for done in outermost(walked.known(applications)):
        loop = next((entry for entry in done.at.around() if isinstance(entry, Loop)), None)
        if loop is None or loop in learning or call_of(done.at) not in walked.known(scored):
            continue
        if source_of(loop) in shared:
            yield violation(
                loop,
                "each process scores its share of the rows, and nothing puts the shares together",
                "add up counts over all processes with `all_reduce`",
                sure=False,
            )


PROGRAM = """import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler

torch.distributed.init_process_group("nccl")
data = torch.load("data.pt")
model = nn.parallel.DistributedDataParallel(nn.Linear(4, 2).cuda())
loader = DataLoader(data, batch_size=8, sampler=DistributedSampler(data, shuffle=False))
right = torch.zeros(1).cuda()
with torch.no_grad():
    for inputs, labels in loader:{marker}
        right += (model(inputs.cuda()).argmax(1) == labels.cuda()).sum()
{last}
print(right.item())
"""
BAD = program(PROGRAM.format(last="right /= len(loader)", marker="  # <- here"))
GOOD = program(PROGRAM.format(last="torch.distributed.all_reduce(right)", marker=""))
