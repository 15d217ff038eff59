"""torchvision's data sets: true names, true sizes and true lengths, with images that repeat."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .. import hooks, standins
from ..standins import photos

BLOCK = 200  # images that differ; the rest repeats them
MOST_BYTES = 500_000_000  # beyond that what lies between the first and the last images is black
_DIGITS = [
    f"{number} - {name}" for number, name in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
]
_CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
_FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
_STL = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]
_SIXTY = {"train": 60_000, "test": 10_000}
# Name: side, channels, class names (or how many), rows of the parts.
ARRAYS: dict[str, tuple[int, int, Any, dict[str, int]]] = {
    "CIFAR10": (32, 3, _CIFAR, {"train": 50_000, "test": 10_000}),
    "CIFAR100": (32, 3, 100, {"train": 50_000, "test": 10_000}),
    "MNIST": (28, 1, _DIGITS, _SIXTY),
    "FashionMNIST": (28, 1, _FASHION, _SIXTY),
    "KMNIST": (28, 1, ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"], _SIXTY),
    "EMNIST": (28, 1, 47, {"train": 112_800, "test": 18_800}),
    "SVHN": (32, 3, 10, {"train": 73_257, "test": 26_032, "extra": 531_131}),
    "STL10": (96, 3, _STL, {"train": 5_000, "test": 8_000, "unlabeled": 100_000}),
    "USPS": (16, 1, 10, {"train": 7_291, "test": 2_007}),
}
# Where it differs from the balanced split: rows of the parts.
EMNIST_ROWS = {
    "byclass": {"train": 697_932, "test": 116_323},
    "bymerge": {"train": 697_932, "test": 116_323},
    "letters": {"train": 124_800, "test": 20_800},
    "digits": {"train": 240_000, "test": 40_000},
    "mnist": {"train": 60_000, "test": 10_000},
}
_TENSORS = ("MNIST", "FashionMNIST", "KMNIST", "EMNIST")
_CHANNELS_FIRST = ("SVHN", "STL10")
_NOT_DOWNLOADED = ("FakeData", "VisionDataset")
_ours: set[type] = set()


def start() -> None:
    """Stand in for `torchvision.datasets.*`."""
    hooks.when_imported("torchvision.datasets", _watch)


def _watch(module: Any) -> None:
    for name in module.__all__:
        kind = getattr(module, name, None)
        if not (isinstance(kind, type) and issubclass(kind, module.VisionDataset)) or name in _NOT_DOWNLOADED:
            continue
        _replace(kind, name, _fill_arrays if name in ARRAYS else photos.FILLS.get(name))


def _replace(kind: Any, name: str, fill: Callable[[Any, str, dict[str, Any]], str] | None) -> None:
    """Have a data set made up where it is not there; said not to be there, where nothing fills it."""
    original = kind.__init__
    signature = inspect.signature(original)
    _ours.add(kind)

    @functools.wraps(original)
    def __init__(self: Any, *arguments: Any, **named: Any) -> None:
        if _decides_later(type(self), kind):
            original(self, *arguments, **named)
            return
        given = signature.bind(self, *arguments, **named)
        given.apply_defaults()
        values = dict(given.arguments)
        values.update(values.pop("kwargs", None) or {})
        if fill is not None:
            _forbid_download(given.arguments)
        try:
            original(*given.args, **given.kwargs)
        except (RuntimeError, OSError) as error:
            if fill is None:
                standins.unreachable(f"torchvision.datasets.{name}", name, f"{type(error).__name__}: {error}")
                raise
            _prepare(self, values)
            standins.used(f"torchvision.datasets.{name}", fill(self, name, values))

    kind.__init__ = __init__


def _decides_later(made: type, kind: type) -> bool:
    """Whether a class of torchvision between that of the object and this one has the last word."""
    return any(between in _ours for between in made.__mro__[: made.__mro__.index(kind)])


def _forbid_download(arguments: dict[str, Any]) -> None:
    """What is there is used; what is not would only be waited for."""
    if "download" in arguments:
        arguments["download"] = False
    if "download" in (arguments.get("kwargs") or {}):
        arguments["kwargs"] = {**arguments["kwargs"], "download": False}


def _prepare(self: Any, values: dict[str, Any]) -> None:
    from torchvision.datasets import VisionDataset

    given = {name: values.get(name) for name in ("transforms", "transform", "target_transform")}
    VisionDataset.__init__(self, values["root"] if values.get("root") is not None else ".", **given)


def _fill_arrays(self: Any, name: str, values: dict[str, Any]) -> str:
    import numpy

    side, channels, classes, parts = ARRAYS[name]
    part = str(values["split"] if name in _CHANNELS_FIRST else "train" if values.get("train", True) else "test")
    if name == "EMNIST":
        parts = EMNIST_ROWS.get(values["split"], parts)
        classes = self.classes_split_dict[values["split"]]
    length = sum(parts[each] for each in part.split("+"))
    if name == "STL10" and values.get("folds") is not None:
        length = 1_000
    names = list(classes) if not isinstance(classes, int) else [str(number) for number in range(classes)]
    first = 1 if names[0] == "N/A" else 0
    labels = first + numpy.arange(BLOCK) % (len(names) - first)
    levels = (40 + 150 * labels // max(1, len(names) - 1)).astype(numpy.uint8)
    source = numpy.random.RandomState(len(name) + length)
    block = source.randint(0, 64, (BLOCK, side, side, channels)).astype(numpy.uint8) + levels[:, None, None, None]
    if name in _CHANNELS_FIRST:
        block = block.transpose(0, 3, 1, 2)
    elif channels == 1:
        block = block[..., 0]
    data, targets = _repeated(block, length), numpy.resize(labels, length)
    if name != "EMNIST":
        self.train, self.split = part == "train", part
    else:
        self.train, self.split = values.get("train", True), values["split"]
    _keep(self, name, data, numpy.full(length, -1) if part == "unlabeled" else targets.astype(numpy.int64))
    if "classes" not in vars(type(self)) and name not in ("MNIST", "USPS"):
        self.classes = names
    if not isinstance(getattr(type(self), "class_to_idx", None), property) and name != "USPS":
        self.class_to_idx = {each: number for number, each in enumerate(names)}
    return f"{name} ({part}): {length} made-up images, of which {BLOCK} differ"


def _keep(self: Any, name: str, data: Any, targets: Any) -> None:
    """Data and labels in the form that the data set's own class has them."""
    if name in _TENSORS:
        import torch

        self.data, self.targets = torch.from_numpy(data), torch.from_numpy(targets)
    elif name in _CHANNELS_FIRST:
        self.data, self.labels = data, targets
    else:
        self.data, self.targets = data, targets.tolist()


def _repeated(block: Any, length: int) -> Any:
    import numpy

    data = numpy.zeros((length, *block.shape[1:]), block.dtype)
    fits = data.nbytes <= MOST_BYTES
    for start in range(0, length, len(block)) if fits else (0, length - len(block)):
        data[start : start + len(block)] = block[: length - start]
    return data
