"""TRN122."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Event
from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Element, Item, Parameter, Ref, Unknown, Value, constant, plain, text
from gonogo.analysis.dataflow.wrapping import PREPARES, base
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.loops import applications, outermost
from gonogo.analysis.training.objects import each
from gonogo.analysis.training.order import Order
from gonogo.analysis.training.uses import call_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

MOVING = ("DataParallel", "DistributedDataParallel", "DDP", "FSDP", *PREPARES)


@rule("TRN122", "left-on-cpu", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def left_on_cpu(programs: list[Program]) -> Iterator[Violation]:
    """A network on the GPU is given batches that a loader left on the CPU.

    What it does:
        Speaks where a network is moved by `.cuda()`, `.to("cuda")` or `.to(device)`, and is applied to an entry of a `DataLoader` as it
        comes, with nothing that moves it: no `.to`, no `.cuda()`, no wrapper such as DataParallel or Accelerate, no collate function,
        no `.to` in the network's own `forward`. Where the device depends on the machine, it is a fault on a machine with a GPU.

    Why it matters:
        The first step fails with "Expected all tensors to be on the same device", after the wait for the machine; on the laptop
        where it was tried all went well (PyTorch, "CUDA semantics").

    Instead:
        Move each batch: `inputs = inputs.to(device)`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    if walked.has(*MOVING) or walked.has("set_default_device", "set_default_tensor_type"):
        return
    moved, order = _moved(walked), walked.known(Order)
    for done in outermost(walked.known(applications)) if moved else ():
        call = call_of(done.at)
        if done.act.does is not Does.APPLIES or call is None or not call.arguments:
            continue
        targets = each(done.act.on)
        where = [moved[network] for network in targets if network in moved]
        if len(targets) > 1 or not where or order.place(where[0]) > order.place(done.at):
            continue
        if _from_loader(call.arguments[0]) and not any(map(_moves_itself, targets)):
            yield violation(
                done.at,
                "the network is on the GPU, and the batch is still on the CPU",
                "move the batch to the network's device",
                related=((where[0], "the network is moved here"),),
            )


def _moved(walked: Program) -> dict[Value, Event]:
    """Networks that are moved to a GPU, or to a device that may be one."""
    found: dict[Value, Event] = {}
    for event in walked.calls("cuda", "to"):
        call = event.call
        if call.receiver is None or kind_of(call.receiver) is not Kind.MODEL:
            continue
        if call.method == "cuda" or (call.arguments and _may_be_gpu(call.arguments[0])):
            for network in each(call.receiver):
                found.setdefault(network, event)
    for event in walked.calls("cpu"):
        if event.call.receiver is not None:
            for network in each(event.call.receiver):
                found.pop(network, None)
    return found


def _may_be_gpu(value: Value) -> bool:
    """Whether a device is a GPU on a machine that has one."""
    pending, depth = [value], 0
    while pending and depth < 30:
        depth += 1
        entry = plain(pending.pop())
        known = text(entry) if constant(entry) is not ... else None
        if known is not None and known.startswith("cuda"):
            return True
        pending += list(entry.inputs())
    return False


def _from_loader(value: Value) -> bool:
    """Whether a value is an entry of a plain loader as it comes."""
    for _ in range(6):
        value = plain(value)
        if isinstance(value, Item):
            value = value.owner
        elif isinstance(value, Element):
            owner = plain(value.owner)
            if isinstance(owner, Item):
                value = owner
                continue
            if isinstance(owner, Element):
                value = owner
                continue
            return _is_plain_loader(owner)
        else:
            return False
    return False


def _is_plain_loader(value: Value) -> bool:
    loader = plain(value)
    if not isinstance(loader, Call) or not loader.name.startswith("torch.utils.data.") or "collate_fn" in loader.keywords or loader.is_open:
        return False
    given = loader.argument(0, "dataset")
    dataset = base(given) if given is not None else None
    while (
        isinstance(dataset, Item) and isinstance(split := plain(dataset.owner), Call) and split.short == "random_split" and split.arguments
    ):
        dataset = base(split.arguments[0])
    if isinstance(dataset, Instance):
        return not any(_speaks_of_devices(entry.definition) for entry in dataset.cls.ancestors())
    if isinstance(dataset, Call):
        return dataset.name.startswith(("torchvision.datasets.", "torch.utils.data.random_split")) or (
            dataset.short == "TensorDataset" and not any(map(_may_be_elsewhere, dataset.arguments))
        )
    return False


def _may_be_elsewhere(tensor: Value) -> bool:
    """Return whether a tensor may have been made on another device or moved there.

    The code says so, or a caller passes the tensor.
    """
    pending, seen = [tensor], set[Value]()
    while pending:
        entry = plain(pending.pop())
        if entry in seen or isinstance(entry, (Function, Class, Instance, Ref)):
            continue
        seen.add(entry)
        if isinstance(entry, Call) and (entry.method in ("to", "cuda") or "device" in entry.keywords or not _is_familiar(entry)):
            return True
        if isinstance(entry, Call) and entry.short == "from_numpy":
            continue
        if isinstance(entry, (Parameter, Unknown)):
            return True
        pending += entry.inputs()
    return False


def _is_familiar(call: Call) -> bool:
    """Whether a call is a method, or a function of a library that leaves tensors where they are."""
    is_known = bool(call.method) or call.name.startswith(("torch.", "numpy.")) or hasattr(builtins, call.name)
    return is_known and not call.is_open


def _speaks_of_devices(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Attribute) and inner.attr in ("to", "cuda", "device", "transform") for inner in ast.walk(node))


def _moves_itself(network: Value) -> bool:
    if not isinstance(network, Instance):
        return False
    member = network.cls.member("forward")
    return not isinstance(member, Function) or _speaks_of_devices(member.definition) or network.cls.has_unknown_base()


PROGRAM = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = nn.Linear(4, 2).to(device)
optimizer = torch.optim.Adam(model.parameters())
loader = DataLoader(TensorDataset(torch.randn(64, 4), torch.randint(2, (64,))), batch_size=8)
for inputs, labels in loader:
    optimizer.zero_grad()
    outputs = model({inputs}){marker}
    nn.functional.cross_entropy(outputs, labels.to(device)).backward()
    optimizer.step()
"""
BAD = program(PROGRAM.format(inputs="inputs", marker="  # <- here"))
GOOD = [
    program(PROGRAM.format(inputs="inputs.to(device, non_blocking=True)", marker="")),
    program(PROGRAM.format(inputs="inputs", marker="").replace('"cuda" if torch.cuda.is_available() else "cpu"', '"cpu"')),
]
