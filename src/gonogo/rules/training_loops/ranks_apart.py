"""TRN180."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import Process, RunSeen, SessionSeen
from gonogo.execution.probe.gonogo_probe.events import Place
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, rule
from gonogo.rules.observed import judged, located
from gonogo.rules.watched import beside

FEWEST = 2  # batches
Told = tuple[Place | None, str, str, Severity | None, str]


@rule("TRN180", "ranks-apart", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def ranks_apart(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, processes that train together do not train one network on shares of the data.

    What it does:
        Compares the processes that a launcher starts as ranks. Reported are a network that was wrapped in `DistributedDataParallel` and is
        then trained past the wrapper (`ddp.module(x)`, the network itself), while no gradient is summed up by hand; networks whose
        gradients are all summed up by hand although their parameters differ from rank to rank at the first step; and, as a warning,
        loaders that give all ranks the same batches to train such a network on.

    Why it matters:
        Each rank then trains a network of its own, and only that of rank 0 is saved; or gradients of one network move another; or all
        processors but one compute the same once more.

    Instead:
        Call the wrapper. Seed all ranks alike or broadcast the parameters. Give the loader a `DistributedSampler` with the rank.
    """
    for run in judged(trial):
        ranks = _ranks(run)
        if len(ranks) > 1:
            for place, message, action, severity, evidence in _found(ranks):
                where = located(place, modules, contract)
                yield Violation(where, message, action, runs=(run.label,), severity=severity, evidence=evidence)


def _ranks(run: RunSeen) -> list[Process]:
    """The processes that are ranks of one training, one for each rank, where none is missing."""
    found = [process for process in run.processes.values() if process.rank is not None and process.optimizers]
    numbers = {process.rank.rank for process in found if process.rank is not None}
    worlds = {process.rank.world for process in found if process.rank is not None}
    return found if len(found) == len(numbers) and worlds == {len(found)} else []


def _found(ranks: list[Process]) -> Iterator[Told]:
    seen = [process.rank for process in ranks if process.rank is not None]
    if all(rank.around and not rank.through and not rank.reduced for rank in seen):
        yield (
            seen[0].place,
            "the network is trained past its `DistributedDataParallel`: nothing averages the gradients, and each process trains its own",
            "call the wrapper, not what it holds",
            None,
            f"training calls past it: {seen[0].around}, through it: 0; processes: {len(seen)}",
        )
    first = [process.optimizers[min(process.optimizers)] for process in ranks]
    by_hand = all(not rank.through and rank.reduced >= made.parameters > 0 for rank, made in zip(seen, first, strict=True))
    if by_hand and len({made.start for made in first}) > 1:
        yield (
            first[0].place,
            "the parameters differ from process to process at the first step, although the gradients are summed up over all of them",
            "seed all processes alike before the network is made, or broadcast the parameters of the first",
            None,
            f"sums over the parameters: {', '.join(str(made.start) for made in first[:4])}",
        )
    if all(rank.through or rank.reduced for rank in seen):
        yield from _same_batches(ranks)


def _same_batches(ranks: list[Process]) -> Iterator[Told]:
    for number, loader in ranks[0].loaders.items():
        others = [process.loaders.get(number) for process in ranks[1:]]
        looked = [each.digests[:] for each in (loader, *others) if each is not None and each.backwards and not each.alike]
        if len(looked) < len(ranks) or len(looked[0]) < FEWEST or None in looked[0]:
            continue
        if all(digests == looked[0] for digests in looked[1:]):
            yield (
                loader.used[0] if loader.used else loader.place,
                "every process trains on the same batches: nothing shares the data out among them",
                "give the loader a `DistributedSampler` with the number of the process",
                Severity.WARNING,
                f"batches compared: {len(looked[0])}, equal in {len(ranks)} processes",
            )


_RANK = """import os

import torch
import torch.distributed as dist
from torch import nn

dist.init_process_group("gloo")
torch.manual_seed(dist.get_rank()MORE)
network = nn.Linear(4, 2)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)HERE
for _ in range(2):
    optimizer.zero_grad()
    network(torch.ones(3, 4)).pow(2).mean().backward()
    for parameter in network.parameters():
        dist.all_reduce(parameter.grad)
    optimizer.step()
"""
_CODE = """
import os, subprocess, sys
ranks = [dict(os.environ, RANK=str(number), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT="29513") for number in range(2)]
started = [subprocess.Popen([sys.executable, "src/ranks.py"], env=env) for env in ranks]
assert not any(each.wait() for each in started)
"""
BAD = beside(_CODE, files={"src/ranks.py": _RANK.replace("MORE", "").replace("HERE", "  # <- here")})
GOOD = [Tree(), beside(_CODE, files={"src/ranks.py": _RANK.replace("MORE", " * 0").replace("HERE", "")})]
