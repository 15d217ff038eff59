"""TRN141."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value, constant, number
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.names import ancestors
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.batches import loader_of
from gonogo.analysis.training.loops import acts
from gonogo.analysis.training.uses import ancestry, ops
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

IMAGES = re.compile(r"^torchvision\.datasets\.(?:\w+\.)*[A-Z]\w*$")
ORDINARY = frozenset({"TensorDataset"})
CLASSES = frozenset({"cross_entropy", "nll_loss"})
# Code in which the order of the rows may matter.
ORDERED = re.compile(
    r"LSTM|GRU|RNN|series|forecast|window|\blag|sequence|stream|online|continual|curricul|incremental|chronolog|temporal|replay|unshuffled|permut|randperm"
    r"|\bvocab|token|\bbptt|rehears|task_?id|overfit|shuffle\(",
    re.IGNORECASE,
)
SORTED = frozenset({"ImageFolder", "DatasetFolder", "Caltech101", "Caltech256", "Omniglot", "ImageNet", "EuroSAT"})  # class after class


@rule("TRN141", "never-shuffled", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def never_shuffled(programs: list[Program]) -> Iterator[Violation]:
    """A network learns from images in the same order in each epoch.

    What it does:
        Looks at the loader that a training loop goes through. Speaks where it reads a data set of torchvision itself, is told neither to
        shuffle nor given a sampler, and gradients are computed of its batches. Speaks also of a `TensorDataset`, or a random part of any
        data set, that is gone through epoch after epoch to learn classes. Series and texts, whose order may matter, are left alone, and so
        are batches that hold all rows and loaders that are made anew in each epoch.

    Why it matters:
        Each batch holds the same rows each time, in a folder of classes those of one class only: the network forgets one class while
        it learns the next (PyTorch, `torch.utils.data.DataLoader`: `shuffle` is False unless it is given; Bengio, Practical
        recommendations for gradient-based training of deep architectures, 2012).

    Instead:
        Write `DataLoader(…, shuffle=True)` for the training part.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    learning = {loop for done in walked.known(acts) if done.act.does is Does.COMPUTES for loop in done.loops[:1]}
    for loop in walked.all(Loop):
        loader = loader_of(loop) if loop in learning else None
        if not isinstance(loader, Call) or _may_be_told(loader) or not loader.name.startswith("torch.utils.data."):
            continue
        given = loader.argument(2, "shuffle")
        dataset = loader.argument(0, "dataset")
        made = base(dataset) if dataset is not None else None
        if any(loader.argument(None, name) is not None for name in ("sampler", "batch_sampler")) or constant(given) not in (..., False):
            continue
        is_images = isinstance(made, Call) and IMAGES.match(made.name) is not None
        if made is not None and not is_images and _is_ordinary(walked, loop, loader, made):
            yield violation(
                loader,
                "the training rows are never shuffled: each epoch has the same batches",
                "give `shuffle=True`",
                sure=False,
                related=((loop, "the network learns in this loop"),),
            )
        if (given is None or constant(given) is False) and isinstance(made, Call) and IMAGES.match(made.name) and not _is_test(made):
            classes = ": the files are in the order of their classes" if made.short in SORTED else ""
            yield violation(
                loader,
                f"the training rows are never shuffled{classes}",
                "give `shuffle=True`",
                sure=False,
                related=((loop, "the network learns in this loop"),),
            )


def _is_ordinary(walked: Program, loop: Loop, loader: Call, made: Value) -> bool:
    """Whether rows without an order that matters are gone through in several epochs, to learn classes."""
    parts = [entry for entry in ancestry(made) if isinstance(entry, Call)]
    if not (isinstance(made, Call) and made.short in ORDINARY) and not any(call.short == "random_split" for call in parts):
        return False
    outer = [around for around in loop.around() if isinstance(around, Loop)]
    inside = {id(node) for node in ancestors(loader.module, loader.node)}
    if not outer or any(id(around.node) in inside for around in outer):
        return False
    size = loader.argument(1, "batch_size")
    if size is None or any(isinstance(entry, Call) and entry.name == "len" for entry in ancestry(size)) or number(size) == 1:
        return False
    return walked.known(_learns_classes) and not any(module.mentions(ORDERED) for module in (loop.module, loader.module))


def _learns_classes(walked: Program) -> bool:
    return any(op.name in CLASSES and op.library == "torch" for op in walked.gather(ops))


def _may_be_told(loader: Call) -> bool:
    """Whether options come from elsewhere, `**options`, which other lines may add to."""
    return loader.is_open or any(keyword.arg is None for keyword in getattr(loader.node, "keywords", ()))


def _is_test(made: Call) -> bool:
    """Return whether a network learns from a test part, as in adaptation to a stream.

    Such a stream comes in its own order.
    """
    return constant(made.argument(None, "train")) is False or constant(made.argument(None, "split")) in ("test", "val", "valid")


PROGRAM = """import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

torch.manual_seed(0)
images = datasets.CIFAR10("data", transform=transforms.ToTensor())
loader = DataLoader(images, batch_size=64{shuffle}){marker}
network = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for epoch in range(10):
    for inputs, labels in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()
"""
BAD = [
    program(PROGRAM.format(shuffle="", marker="  # <- here")),
    program(PROGRAM.format(shuffle=", shuffle=False", marker="  # <- here")),
]
ROWS = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(0)
train, test = random_split(TensorDataset(*torch.load("rows.pt")), [0.8, 0.2])
loader = DataLoader(train, {given}){marker}
network = nn.Linear(4, 3)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for epoch in range(10):
    for inputs, labels in {through}:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()
"""
BAD += [program(ROWS.format(given="batch_size=32", through="loader", marker="  # <- here"))]
GOOD = [
    program(PROGRAM.format(shuffle=", shuffle=True", marker="")),
    program(ROWS.format(given="batch_size=32, shuffle=True", through="loader", marker="")),
    program(ROWS.format(given="batch_size=len(train)", through="loader", marker="")),
    program(ROWS.format(given="batch_size=32", through="DataLoader(train, batch_size=32, shuffle=epoch > 0)", marker="")),
]
