"""LEK111."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Item, Value, constant
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.rows.flow import name_of
from gonogo.analysis.rows.parts import Role, role_of_loader
from gonogo.analysis.training.made import loaders_made
from gonogo.analysis.training.uses import ancestry
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

RANDOM = re.compile(r"^(?:torchvision\.transforms\.(?:v2\.)?(?:Random\w+|ColorJitter|AutoAugment|TrivialAugmentWide|AugMix))$")

# Words of programs that score several random views of each row, or measure how a network stands them.
VIEWS = re.compile(r"\btta\b|test[_ -]?time|n_aug|num_aug|n_views|num_views|robust|perturb|contrastive|simclr|byol|moco", re.I)


@rule("LEK111", "evaluated-on-augmented", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def evaluated_on_augmented(programs: list[Program]) -> Iterator[Violation]:
    """The rows that a network is scored on are augmented at random, as those that it learns from are.

    What it does:
        Looks at `random_split` and `Subset` of a data set with random transforms (crops, flips, colours), at the loaders of its parts,
        and at data sets of torchvision that are made for a loader of their own. Speaks where the loader of the validation or test part
        gets one, and nothing gives that part transforms of its own.

    Why it matters:
        Both parts share one data set, and with it the transforms: the score is that of crops drawn at random, lower than it should be and
        another one in each epoch, so that the best epoch is chosen by chance (torchvision, "Transforming images").

    Instead:
        Make the data set twice, with random transforms for training and plain ones for evaluation, and split both by the same indices.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for loader in walked.gather(loaders_made):
        dataset = loader.argument(0, "dataset")
        if dataset is None or role_of_loader(loader) not in (Role.VALID, Role.TEST) or "train" in name_of(loader).lower():
            continue
        whole = _whole(base(dataset)) or _of_its_own(base(dataset))
        transform = whole.argument(None, "transform") if whole is not None else None
        random = _random_in(transform) if transform is not None else None
        if whole is None or random is None or constant(random.argument(None, "p")) in (0, 0.0) or _is_changed(loader):
            continue
        yield violation(
            loader,
            f"`{random.short}` changes the rows of this part at random, too"
            + (": it shares the data set of the training part" if whole is not base(dataset) else ", as those that are learned from"),
            "make a data set with plain transforms for it",
            related=((whole, "the data set"), (random, "a random transform")),
        )


def _random_in(transform: Value) -> Call | None:
    """The random transform among some, if there is one."""
    return next((entry for entry in ancestry(transform) if isinstance(entry, Call) and RANDOM.match(entry.name)), None)


def _whole(part: Value) -> Call | None:
    """The data set that a part was taken of at random or by indices."""
    if isinstance(part, Item):
        part = base(part.owner)
    if isinstance(part, Call) and part.short in ("random_split", "Subset") and part.arguments:
        whole = base(part.arguments[0])
        return whole if isinstance(whole, Call) else None
    return None


def _of_its_own(dataset: Value) -> Call | None:
    """A data set of torchvision that the part alone has.

    None where predictions over several random views are averaged.
    """
    is_known = isinstance(dataset, Call) and dataset.name.startswith("torchvision.datasets.")
    return dataset if is_known and not VIEWS.search(dataset.module.text) else None  # type: ignore[return-value]


def _is_changed(loader: Call) -> bool:
    """Whether the file gives a part other transforms afterwards: `val_set.dataset.transform = …`."""
    return any(
        isinstance(target, ast.Attribute) and target.attr in ("transform", "transforms") and ast.unparse(target.value) != "self"
        for node in loader.module.of(ast.Assign)
        for target in node.targets
    )


PROGRAM = """import torch
from torch.utils.data import DataLoader, Subset, random_split
from torchvision import datasets, transforms

plain = transforms.Compose([transforms.Resize(64), transforms.ToTensor()])
varied = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor()])
images = datasets.ImageFolder("pets", transform={first})
train_set, val_set = random_split(images, [0.8, 0.2], generator=torch.Generator().manual_seed(0))
{second}
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
val_loader = DataLoader(val_set, batch_size=32){marker}
print(len(train_loader), len(val_loader))
"""
BAD = [program(PROGRAM.format(first="varied", second="print(len(val_set))", marker="  # <- here"))]
OWN = """from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def varied(size):
    return transforms.Compose([transforms.RandomResizedCrop(size), transforms.ToTensor()])


def plain(size):
    return transforms.Compose([transforms.Resize(size), transforms.ToTensor()])


def loaders(size=64):
    train_set = datasets.ImageFolder("pets/train", transform=varied(size))
    test_set = datasets.ImageFolder("pets/test", transform={second}(size))
    return DataLoader(train_set, batch_size=32, shuffle=True), DataLoader(test_set, batch_size=32){marker}


print(loaders())
"""
BAD += [program(OWN.format(second="varied", marker="  # <- here"))]
GOOD = [
    program(OWN.format(second="plain", marker="")),
    program(OWN.format(second="varied", marker="").replace("def loaders", "# averaged over n_views views at test time\ndef loaders")),
    program(PROGRAM.format(first="plain", second="print(len(val_set))", marker="")),
    program(
        PROGRAM.format(first="varied", second='val_set = Subset(datasets.ImageFolder("pets", transform=plain), val_set.indices)', marker="")
    ),
]
