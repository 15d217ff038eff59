"""torchvision's data sets of photographs, with true classes and lengths.

The files that they list exist, but few of them differ.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Callable
from typing import Any

from .. import settings, standins
from ..standins import pictures

FOLDER_CLASSES, FOLDER_ROWS = 10, 640
# Names in a path that say how many classes a folder has.
HINTS = (
    (r"tiny[-_]?imagenet", 200),
    (r"image(nette|woof)", 10),
    (r"imagenet[-_]?100|imagenet[-_]?r(?![a-z])|imagenet[-_]?a(?![a-z])", 0),
    (r"imagenet|ilsvrc", 1000),
)
# Name: how many classes, rows of the parts.
LISTED: dict[str, tuple[int, dict[str, int]]] = {
    "Food101": (101, {"train": 75_750, "test": 25_250}),
    "Flowers102": (102, {"train": 1_020, "val": 1_020, "test": 6_149}),
    "DTD": (47, {"train": 1_880, "val": 1_880, "test": 1_880}),
    "FGVCAircraft": (100, {"train": 3_334, "val": 3_333, "trainval": 6_667, "test": 3_333}),
    "SUN397": (397, {"": 108_754}),
    "OxfordIIITPet": (37, {"trainval": 3_680, "test": 3_669}),
    "StanfordCars": (196, {"train": 8_144, "test": 8_041}),
    "GTSRB": (43, {"train": 26_640, "test": 12_630}),
    "Imagenette": (10, {"train": 9_469, "val": 3_925}),
    "Country211": (211, {"train": 31_650, "valid": 10_550, "test": 21_100}),
    "EuroSAT": (10, {"": 27_000}),
    "ImageNet": (1000, {"train": 1_281_167, "val": 50_000}),
    "Places365": (365, {"train-standard": 1_803_460, "train-challenge": 8_026_628, "val": 36_500}),
}
MOST_ROWS = 200_000
SIDES = {"GTSRB": (48, 48), "EuroSAT": (64, 64)}
CELEBRITIES = {"train": 162_770, "valid": 19_867, "test": 19_962, "all": 202_599}
ATTRIBUTES = re.findall(
    r"\w+",
    """
    5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair Blond_Hair Blurry Brown_Hair
    Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones Male Mouth_Slightly_Open Mustache
    Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair
    Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young
    """,
)


def _fill_listed(self: Any, name: str, values: dict[str, Any]) -> str:
    """What lists its files and labels: each class of torchvision has names of its own for that."""
    count, parts = LISTED[name]
    part = str(values.get("split", ""))
    length = min(parts[part], MOST_ROWS)
    names = _names(name, count)
    paths, labels = _rows(count, length, SIDES.get(name, (256, 256)))
    self.classes, self.class_to_idx = names, {each: number for number, each in enumerate(names)}
    self.loader = values.get("loader") or _default_loader()
    self._split = part
    _keep(self, name, paths, labels)
    return f"{name}{f' ({part})' if part else ''}: {length} made-up photographs of {count} classes, of which {len(set(paths))} differ"


def _keep(self: Any, name: str, paths: list[str], labels: list[int]) -> None:
    if name == "OxfordIIITPet":
        self._target_types = [self._target_types] if isinstance(self._target_types, str) else self._target_types
        self._images, self._labels = [pathlib.Path(path) for path in paths], labels
        self._bin_labels, self.bin_classes = [label % 2 for label in labels], ["Cat", "Dog"]
        self.bin_class_to_idx = {"Cat": 0, "Dog": 1}
        self._segs = [_trimap()] * len(labels)
    elif name in ("StanfordCars", "GTSRB", "Imagenette"):
        self._samples = list(zip(paths, labels))
    elif name == "Places365":
        self.imgs, self.targets = list(zip(paths, labels)), labels
    elif name in ("Country211", "EuroSAT", "ImageNet"):
        self.samples = self.imgs = list(zip(paths, labels))
        self.targets, self.extensions = labels, (".jpg",)
    else:
        self._image_files, self._labels = [pathlib.Path(path) for path in paths], labels
    if name == "ImageNet":
        self.split = self._split
        self.wnids = [f"n{number:08d}" for number in range(len(self.classes))]
        self.wnid_to_idx = {each: number for number, each in enumerate(self.wnids)}
        self.classes = [(each,) for each in self.classes]
    if name == "Places365":
        self.split = self._split


def _default_loader() -> Any:
    from torchvision.datasets.folder import default_loader

    return default_loader


def _names(name: str, count: int) -> list[str]:
    if name == "ImageNet":
        from torchvision.models._meta import _IMAGENET_CATEGORIES

        return list(_IMAGENET_CATEGORIES)
    return [f"class_{number:03d}" for number in range(count)]


def _rows(count: int, length: int, side: tuple[int, int]) -> tuple[list[str], list[int]]:
    """Paths and labels, classes in turn, so that the first batches have many."""
    drawn = pictures.files(count, side)
    paths = [drawn[row % count][(row // count) % len(drawn[row % count])] for row in range(min(length, count * len(drawn[0])))]
    times = -(-length // len(paths))
    labels = [row % count for row in range(len(paths))]
    return (paths * times)[:length], (labels * times)[:length]


def _trimap() -> pathlib.Path:
    def make(path: str) -> None:
        from PIL import Image

        os.makedirs(path)
        Image.frombytes("L", (256, 256), bytes(1 + 2 * row // 256 for row in range(256) for _ in range(256))).save(f"{path}/trimap.png")

    return pathlib.Path(standins.made("trimap", make)) / "trimap.png"


def _fill_folder(self: Any, name: str, values: dict[str, Any]) -> str:
    """A folder of classes, read by the class's own code from a folder that we made."""
    root = str(values["root"])
    count = _folder_classes(root)
    extensions = values.get("extensions")
    suffix = ".jpg" if not extensions or ".jpg" in extensions else (extensions if isinstance(extensions, str) else extensions[0])
    path = pictures.tree(_names(name, count), rows=max(FOLDER_ROWS, settings.bounds["rows"], 4 * count), suffix=suffix)
    wanted = {key: value for key, value in values.items() if key not in ("self", "root")}
    _original_init(name)(self, path, **wanted)
    self.root = values["root"]
    return f"{name}({root}): {len(self.samples)} made-up photographs of {count} classes"


def _original_init(name: str) -> Callable[..., None]:
    import torchvision.datasets

    made: Callable[..., None] = getattr(torchvision.datasets, name).__init__.__wrapped__
    return made


def _folder_classes(root: str) -> int:
    """Return the number of classes from the config or the path.

    Where neither says it, it is a number that any network accepts.
    """
    said = standins.classes()
    if said is not None:
        return said
    found = next((count for pattern, count in HINTS if re.search(pattern, root, re.IGNORECASE)), 0)
    return found or FOLDER_CLASSES


def _fill_caltech(self: Any, name: str, values: dict[str, Any]) -> str:
    """Fill a Caltech data set.

    File names are composed of class and number: each class has one picture, under the names that are asked for.
    """
    count, length, sub = (101, 8_677, "101_ObjectCategories") if name == "Caltech101" else (257, 30_607, "256_ObjectCategories")
    names = [f"{number + 1:03d}.class" for number in range(count)]
    drawn = pictures.files(count)

    def make(path: str) -> None:
        for number, each in enumerate(names):
            os.makedirs(os.path.join(path, sub, each))
            shown = "image_0001.jpg" if name == "Caltech101" else f"{number + 1:03d}_0001.jpg"
            os.link(drawn[number][0], os.path.join(path, sub, each, shown))

    self.root = standins.made(name, make)
    self.categories, self.y, self.index = names, [row % count for row in range(length)], [1] * length
    if name == "Caltech101":
        self.annotation_categories = names
        given = values.get("target_type", "category")
        self.target_type = [given] if isinstance(given, str) else list(given)
    return f"{name}: {length} made-up photographs of {count} classes, of which {count} differ"


def _fill_celebrities(self: Any, name: str, values: dict[str, Any]) -> str:
    import torch

    different, length = 64, CELEBRITIES[str(values["split"]).lower()]
    drawn = pictures.files(different, (178, 218))

    def make(path: str) -> None:
        os.makedirs(f"{path}/celeba/img_align_celeba")
        for number in range(different):
            os.link(drawn[number][0], f"{path}/celeba/img_align_celeba/{number + 1:06d}.jpg")

    self.root = standins.made(name, make)
    self.filename = [f"{row % different + 1:06d}.jpg" for row in range(length)]
    rows = torch.arange(length) % different
    self.attr = (rows[:, None] >> torch.arange(len(ATTRIBUTES)) % 6) & 1
    self.attr_names = [*ATTRIBUTES, ""]
    self.identity = rows[:, None] + 1
    self.bbox = torch.tensor([[40, 60, 100, 120]]).repeat(length, 1)
    self.landmarks_align = torch.tensor([[69, 109, 106, 113, 77, 142, 73, 152, 108, 154]]).repeat(length, 1)
    return f"{name} ({values['split']}): {length} made-up photographs, of which {different} differ"


#: By the name of torchvision's class: makes an object of it up, and says what it made.
FILLS: dict[str, Callable[[Any, str, dict[str, Any]], str]] = {
    **dict.fromkeys(LISTED, _fill_listed),
    **dict.fromkeys(("ImageFolder", "DatasetFolder"), _fill_folder),
    **dict.fromkeys(("Caltech101", "Caltech256"), _fill_caltech),
    "CelebA": _fill_celebrities,
}
