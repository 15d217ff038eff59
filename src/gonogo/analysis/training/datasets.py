"""Calls that load a well-known dataset, and which one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, calls, origin, text_of

# Datasets that everybody calls by one name, with all that is no letter or digit left out.
WELL_KNOWN = frozenset(
    [
        "mnist",
        "fashionmnist",
        "kmnist",
        "emnist",
        "cifar10",
        "cifar100",
        "cifar10c",
        "cifar100c",
        "cifar101",
        "svhn",
        "stl10",
        "imagenet",
        "imagenetc",
        "imagenetr",
        "imageneta",
        "tinyimagenet",
        "tinyimagenetc",
        "celeba",
        "food101",
        "flowers102",
        "caltech101",
        "digits",
        "iris",
        "wine",
        "imdb",
        "agnews",
        "sst2",
        "cola",
        "mnli",
        "qnli",
        "qqp",
        "rte",
        "mrpc",
        "stsb",
        "boolq",
        "squad",
        "squadv2",
        "gsm8k",
        "alpaca",
        "dbpedia14",
        "trec",
        "yelppolarity",
        "amazonpolarity",
        "banking77",
        "emotion",
    ]
)
COLLECTIONS = frozenset({"glue", "super_glue", "nyu-mll/glue", "aps/super_glue", "wikitext", "tweet_eval"})
LOADERS = re.compile(r"^(?:robustbench\.data\.load_|sklearn\.datasets\.(?:load|fetch)_)(\w+)$")
NAMED_LOADERS = frozenset({"datasets.load_dataset", "datasets.load.load_dataset", "tensorflow_datasets.load"})
LOCAL = frozenset({"FakeData", "ImageFolder", "DatasetFolder", "VisionDataset"})
# Other ways for data to come in, of which no name tells what they are.
OTHERWISE = re.compile(
    r"^(?:numpy\.(?:load|memmap|fromfile|loadtxt|genfromtxt)|torch\.load|pandas\.read_\w+|tarfile\.\w+|zipfile\.\w+|h5py\.File|requests\.get"
    r"|urllib\.request\.\w+|gdown\.\w+|wget\.\w+|datasets\.load_from_disk|huggingface_hub\.\w+_download|pickle\.load|PIL\.Image\.open"
    r"|torchvision\.datasets\.utils\.\w+|scipy\.io\.loadmat|webdataset\.\w+)$"
)


def plain(name: str) -> str:
    """The name of a dataset as it compares: `CIFAR-10-C` and `cifar10_c` are one."""
    return re.sub(r"[^a-z0-9]", "", name.rpartition("/")[2].lower())


def loads(module: Module) -> Iterator[tuple[ast.Call, str | None]]:
    """Every call that loads a dataset by name, with the plain name; None where no text shows it."""
    for call in calls(module):
        name = origin(module, call.func)
        matched = LOADERS.match(name)
        if matched:
            yield call, plain(matched[1])
        elif name.startswith("torchvision.datasets.") and name.count(".") == 2:
            short = name.rpartition(".")[2]
            if short[:1].isupper():
                yield call, None if short in LOCAL else plain(short)
        elif name in NAMED_LOADERS:
            text = text_of(argument(call, 0, "path", "name"))
            if text in COLLECTIONS:
                text = text_of(argument(call, 1, "name"))
            yield call, plain(text) if text is not None else None


def reads_otherwise(module: Module) -> bool:
    """Return whether data may be loaded in another way than by calls that name a dataset.

    Such ways are files, archives and downloads.
    """
    return any(
        OTHERWISE.match(origin(module, call.func)) and not _is_memory(module, argument(call, 0, "fp", "file")) for call in calls(module)
    )


def _is_memory(module: Module, node: ast.expr | None) -> bool:
    """Whether an argument is a buffer: `buffer = io.BytesIO()`, as an image is compressed and read back."""
    if not isinstance(node, ast.Name):
        return False
    made = module.assigned.get(node.id, [])
    return bool(made) and all(isinstance(value, ast.Call) and origin(module, value.func) == "io.BytesIO" for value in made)
