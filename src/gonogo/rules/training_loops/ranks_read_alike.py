"""TRN162."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, last_name, origin
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

# Anything that may share the data out among the ranks.
SHARES = re.compile(
    r"sampler|shard|split_dataset_by_node|world_size|get_rank\(\)\s*::|rank\s*::|prepare\(|setup_dataloaders|Iterable|seed\s*\+|\+\s*(?:local_)?rank|rank\s*\+",
    re.IGNORECASE,
)


@rule("TRN162", "ranks-read-alike", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def ranks_read_alike(modules: dict[str, Module]) -> Iterator[Violation]:
    """All processes of a distributed training go through the whole data set.

    What it does:
        Looks at programs of one file that wrap a network in `DistributedDataParallel`. Speaks about a loader that shuffles, where nothing
        in the file shares the data out: no sampler, no shards, no use of the rank for the seed or the rows.

    Why it matters:
        With one seed every rank has the same batches: four GPUs compute one gradient four times. With different ones an epoch is four.

    Instead:
        Give the loader a `DistributedSampler`, and call its `set_epoch`.
    """
    if len(modules) != 1:
        return
    for module in modules.values():
        if any(SHARES.search(line) and not line.lstrip().startswith(("import ", "from ")) for line in module.lines):
            continue
        wrapped = next(
            (
                call
                for call in module.of(ast.Call)
                if origin(module, call.func).startswith("torch.") and last_name(call.func) in _names(module)
            ),
            None,
        )
        if wrapped is None or not any(last_name(call.func) == "init_process_group" for call in module.of(ast.Call)):
            continue
        for call in module.of(ast.Call):
            shuffles = argument(call, 2, "shuffle")
            if origin(module, call.func) == "torch.utils.data.DataLoader" and isinstance(shuffles, ast.Constant) and shuffles.value is True:
                yield Violation(
                    module.location(call),
                    "every process goes through the whole data set: nothing shares it out among them",
                    "give the loader a `DistributedSampler`",
                    related=(Related(location=module.location(wrapped), label="the network is distributed here"),),
                )


def _names(module: Module) -> set[str]:
    """The names under which a module has `DistributedDataParallel`."""
    return {"DistributedDataParallel"} | {name for name, dotted in module.imports.items() if dotted.endswith(".DistributedDataParallel")}


PROGRAM = """import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, TensorDataset
{more}

dist.init_process_group("gloo")
torch.manual_seed(0)
data = TensorDataset(torch.randn(100, 4), torch.randint(2, (100,)))
loader = DataLoader(data, batch_size=8, {how}){marker}
model = {model}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for inputs, labels in loader:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(inputs), labels).backward()
    optimizer.step()
"""
NET = "DDP(nn.Linear(4, 2))"
BAD = program(PROGRAM.format(more="", how="shuffle=True", model=NET, marker="  # <- here"))
GOOD = [
    program(
        PROGRAM.format(more="from torch.utils.data import DistributedSampler", how="sampler=DistributedSampler(data)", model=NET, marker="")
    ),
    program(PROGRAM.format(more="", how="shuffle=True", model="nn.Linear(4, 2)", marker="")),
    program(
        PROGRAM.format(more="", how="shuffle=True", model=NET, marker="")
        .replace("manual_seed(0)", "manual_seed(dist.get_rank())")
        .replace("data = Ten", "rank = dist.get_rank()\ntorch.manual_seed(rank + 1)\ndata = Ten")
    ),
]
