"""torchvision's data sets: true names, true sizes and true lengths, with images that repeat."""

from __future__ import annotations

import functools
import inspect
import random
from typing import Any

from gonogo_probe import hooks, standins

BLOCK = 200  # images that differ; the rest repeats them
_DIGITS = [
    f"{number} - {name}" for number, name in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
]
_CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
_FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
# Name: side, channels, class names (or how many), rows of the parts.
ARRAYS: dict[str, tuple[int, int, Any, dict[str, int]]] = {
    "CIFAR10": (32, 3, _CIFAR, {"train": 50_000, "test": 10_000}),
    "CIFAR100": (32, 3, 100, {"train": 50_000, "test": 10_000}),
    "MNIST": (28, 1, _DIGITS, {"train": 60_000, "test": 10_000}),
    "FashionMNIST": (28, 1, _FASHION, {"train": 60_000, "test": 10_000}),
    "KMNIST": (28, 1, ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"], {"train": 60_000, "test": 10_000}),
    "SVHN": (32, 3, 10, {"train": 73_257, "test": 26_032, "extra": 531_131}),
    "STL10": (
        96,
        3,
        ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"],
        {"train": 5_000, "test": 8_000, "unlabeled": 100_000},
    ),
}
_TENSORS = ("MNIST", "FashionMNIST", "KMNIST")
_CHANNELS_FIRST = ("SVHN", "STL10")
FOLDERS = ("ImageFolder", "DatasetFolder", "ImageNet")
FOLDER_CLASSES, FOLDER_ROWS = 10, 64


def start() -> None:
    """Stand in for `torchvision.datasets.*`."""
    hooks.when_imported("torchvision.datasets", _watch)


def _watch(module: Any) -> None:
    for name in ARRAYS:
        if hasattr(module, name):
            _replace(getattr(module, name), name, _fill_arrays)
    for name in FOLDERS:
        if hasattr(module, name):
            _replace(getattr(module, name), name, _fill_folder)


def _replace(kind: Any, name: str, fill: Any) -> None:
    """Have a data set made up where it is not there; `__init__` of a subclass comes here too, with its own class's name."""
    original = kind.__init__
    signature = inspect.signature(original)

    @functools.wraps(original)
    def __init__(self: Any, *arguments: Any, **named: Any) -> None:
        if type(self).__init__ is not __init__ and type(self).__name__ in (*ARRAYS, *FOLDERS):
            original(self, *arguments, **named)  # the subclass decides
            return
        given = signature.bind(self, *arguments, **named)
        given.apply_defaults()
        if "download" in given.arguments:
            given.arguments["download"] = False
        try:
            original(*given.args, **given.kwargs)
        except (RuntimeError, FileNotFoundError, OSError) as error:
            values = dict(given.arguments)
            values.update(values.pop("kwargs", None) or {})
            fill(self, name, values, error)

    kind.__init__ = __init__


def _prepare(self: Any, values: dict[str, Any]) -> None:
    from torchvision.datasets import VisionDataset

    root = values.get("root")
    VisionDataset.__init__(
        self, root if root is not None else ".", transform=values.get("transform"), target_transform=values.get("target_transform")
    )


def _fill_arrays(self: Any, name: str, values: dict[str, Any], _: Exception) -> None:
    import numpy

    side, channels, classes, parts = ARRAYS[name]
    part = values.get("split") or ("train" if values.get("train", True) else "test")
    length = parts.get(str(part).partition("+")[0], 1_000)
    names = list(classes) if not isinstance(classes, int) else [str(number) for number in range(classes)]
    source = numpy.random.RandomState(len(name) + length)
    labels = numpy.arange(BLOCK) % len(names)
    levels = (40 + 150 * labels // max(1, len(names) - 1)).astype(numpy.uint8)
    block = source.randint(0, 64, (BLOCK, side, side, channels)).astype(numpy.uint8) + levels[:, None, None, None]
    repeats = -(-length // BLOCK)
    data, targets = numpy.tile(block, (repeats, 1, 1, 1))[:length], numpy.tile(labels, repeats)[:length]
    _prepare(self, values)
    self.train, self.split = part == "train", part
    if name in _TENSORS:
        import torch

        self.data, self.targets = torch.from_numpy(data[..., 0].copy()), torch.from_numpy(targets.astype(numpy.int64))
    elif name in _CHANNELS_FIRST:
        self.data = numpy.ascontiguousarray(data.transpose(0, 3, 1, 2))
        self.labels = numpy.full(length, -1) if part == "unlabeled" else targets.astype(numpy.int64)
    else:
        self.data, self.targets = data, targets.tolist()
    if not hasattr(type(self), "classes") or name not in _TENSORS:
        self.classes = names
    if not isinstance(getattr(type(self), "class_to_idx", None), property):
        self.class_to_idx = {each: number for number, each in enumerate(names)}
    standins.used(f"torchvision.datasets.{name}", f"{name} ({part}): {length} made-up images, of which {BLOCK} differ")


def _fill_folder(self: Any, name: str, values: dict[str, Any], _: Exception) -> None:
    from PIL import Image

    names = [f"class_{number}" for number in range(FOLDER_CLASSES)]
    samples = [(f"{each}/{row:04}.jpg", number) for number, each in enumerate(names) for row in range(FOLDER_ROWS)]

    def load(path: str) -> Any:
        source = random.Random(path)
        level = 40 + 15 * (names.index(path.split("/")[0]) % 10)
        return Image.frombytes(
            "RGB", (64, 64), source.randbytes(64 * 64 * 3).translate(bytes(min(255, level + v // 4) for v in range(256)))
        )

    _prepare(self, values)
    self.loader, self.extensions = load, (".jpg",)
    self.classes, self.class_to_idx = names, {each: number for number, each in enumerate(names)}
    self.samples = self.imgs = samples
    self.targets = [target for _, target in samples]
    standins.used(f"torchvision.datasets.{name}", f"{name}: {len(samples)} made-up images of {FOLDER_CLASSES} classes")
