"""REP104."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Called
from gonogo.analysis.dataflow.definitions import Function, Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, is_none, number
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.generators import NUMPY, draws
from gonogo.analysis.training.made import loaders_made
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

OWN = ("numpy.random.RandomState", "numpy.random.default_rng", "random.Random", "numpy.random.Generator")


@rule("REP104", "workers-share-generator", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def workers_share_generator(programs: list[Program]) -> Iterator[Violation]:
    """Worker processes of a loader draw the same random numbers, or read the same data.

    What it does:
        Looks at loaders with workers. Speaks where the dataset keeps a generator of its own (`default_rng`, `RandomState`, `Random`),
        made once, and draws from it for each sample, with no `worker_init_fn`; and where an `IterableDataset` never asks which
        worker it is (an error). NumPy's own generator is a note: PyTorch seeds it in each worker since 1.9.

    Why it matters:
        Each worker gets a copy of the dataset, generator included: all draw the same crops, and draw them again each epoch. With an
        iterable dataset each sample comes once for each worker (PyTorch, "Multi-process data loading"; "Randomness in multi-process
        data loading"; github.com/pytorch/pytorch issue 5059).

    Instead:
        Draw with `torch`, or make the generator in `worker_init_fn`; share an iterable dataset out by `get_worker_info()`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for loader in walked.gather(loaders_made):
        workers = number(loader.argument(None, "num_workers"))
        initial = loader.argument(None, "worker_init_fn")
        if not workers or loader.is_open or (initial is not None and not is_none(initial)):
            continue
        given = loader.argument(0, "dataset")
        dataset = base(given) if given is not None else None
        if not isinstance(dataset, Instance):
            continue
        getter = dataset.cls.member("__getitem__")
        if isinstance(getter, Function):
            own = _own_generator(walked, dataset, getter)
            if own is not None:
                yield violation(
                    loader,
                    "all workers draw the same numbers: each has a copy of the dataset's own generator",
                    "make the generator anew in `worker_init_fn`, or draw with `torch`",
                    related=((own, "the generator is made here, once"),),
                )
                continue
            draw = next((draw for draw in walked.gather(draws) if draw.library == NUMPY and _is_in(draw.at, getter)), None)
            if draw is not None:
                yield violation(
                    loader,
                    "the dataset draws from NumPy's generator: before PyTorch 1.9 all workers draw the same numbers",
                    "ask for `torch>=1.9`, or seed NumPy in `worker_init_fn`",
                    severity=Severity.INFO,
                    sure=False,
                    related=((draw.at, "it draws here"),),
                )
        elif any(name.endswith("IterableDataset") for name in dataset.cls.library_bases()) and not _asks_worker(dataset):
            yield violation(
                loader,
                "every worker goes through the whole iterable dataset: each sample comes once for each worker",
                "share it out by `torch.utils.data.get_worker_info()`",
                severity=Severity.ERROR if _is_plain(dataset) else None,
            )


def _own_generator(walked: Program, dataset: Instance, getter: Function) -> Call | None:
    """The generator that a dataset keeps and draws from for each sample."""
    kept = {
        name: base(value)
        for name, value in walked.fields(dataset).items()
        if isinstance(name, str) and isinstance(base(value), Call) and base(value).name in OWN  # type: ignore[attr-defined]
    }
    made_anew = {node.attr for node in ast.walk(getter.definition) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(getter.definition):
        if (
            isinstance(node, ast.Attribute)
            and node.attr not in made_anew
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
            and node.attr in kept
        ):
            made = kept[node.attr]
            assert isinstance(made, Call)
            return made
    return None


def _is_in(entry: object, getter: Function) -> bool:
    return any(isinstance(around, Called) and around.definition is getter.definition for around in entry.around())  # type: ignore[attr-defined]


def _asks_worker(dataset: Instance) -> bool:
    text = " ".join(ast.unparse(entry.definition) for entry in dataset.cls.ancestors())
    return any(word in text for word in ("worker", "rank", "split_dataset_by_node", "shard"))


def _is_plain(dataset: Instance) -> bool:
    """Whether it goes through something that is the same for all workers: no random stream."""
    method = dataset.cls.member("__iter__")
    text = ast.unparse(method.definition) if isinstance(method, Function) else ""
    return bool(text) and not any(word in text for word in ("random", "rng", "while True", "rand", "next(", "queue", "sample"))


DATASET = """import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset


class Crops(Dataset):
    def __init__(self, images):
        self.images = images
        self.rng = np.random.default_rng(0)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        start = {draw}
        return self.images[index][start : start + 8]


class Lines(IterableDataset):
    def __init__(self, path):
        self.path = path

    def __iter__(self):
        {ask}
        with open(self.path) as file:
            yield from file


loader = {loader}
for batch in loader:
    print(len(batch))
"""
OWN_DRAW, TORCH_DRAW = "self.rng.integers(24)", "int(torch.randint(24, ()))"
CROPS = "DataLoader(Crops(torch.zeros(64, 32)), batch_size=8, num_workers=4)"
LINES = 'DataLoader(Lines("text.txt"), batch_size=8, num_workers=2)'
NO_ASK, ASK = "print(self.path)", "worker = torch.utils.data.get_worker_info()"
BAD = [
    program(DATASET.format(draw=OWN_DRAW, ask=NO_ASK, loader=CROPS + "  # <- here")),
    program(DATASET.format(draw=OWN_DRAW, ask=NO_ASK, loader=LINES + "  # <- here")),
]
GOOD = [
    program(DATASET.format(draw=TORCH_DRAW, ask=NO_ASK, loader=CROPS)),
    program(DATASET.format(draw=OWN_DRAW, ask=NO_ASK, loader=CROPS.replace("4)", "0)"))),
    program(DATASET.format(draw=OWN_DRAW, ask=ASK, loader=LINES)),
    program(
        DATASET.format(draw=OWN_DRAW, ask=ASK, loader=CROPS)
        .replace("self.rng = np.random.default_rng(0)", "self.rng = None")
        .replace(
            "        start =",
            "        if self.rng is None:\n            self.rng = np.random.default_rng(torch.initial_seed())\n        start =",
        )
    ),
]
