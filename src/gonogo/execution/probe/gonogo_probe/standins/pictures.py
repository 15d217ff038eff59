"""Pictures on disk, for data sets whose code opens files.

Few of them differ, each under as many names as needed.
"""

from __future__ import annotations

import os
import random

from .. import standins

DIFFERENT = 200  # pictures that are drawn for one data set, unless it has more classes than that
COARSE = 8  # noise of so many spots a side, enlarged: quick to write and to read


def files(classes: int, side: tuple[int, int] = (256, 256)) -> list[list[str]]:
    """Paths of pictures for each class, all of one size."""
    each = max(1, DIFFERENT // classes)
    width, height = side

    def make(path: str) -> None:
        os.makedirs(path)
        for label in range(classes):
            for number in range(each):
                draw(os.path.join(path, f"{label}_{number}.jpg"), label, classes, side, number)

    path = standins.made(f"pictures-{classes}-{width}x{height}", make)
    return [[os.path.join(path, f"{label}_{number}.jpg") for number in range(each)] for label in range(classes)]


def draw(path: str, label: int, classes: int, side: tuple[int, int], number: int) -> None:
    """Write one picture: a colour of its class, and spots."""
    from PIL import Image

    Image.frombytes("RGB", (COARSE, COARSE), pixels(random.Random(f"{label} {number}"), label, classes, COARSE * COARSE)).resize(
        side, Image.Resampling.BILINEAR
    ).save(path, quality=80)


def pixels(noise: random.Random, label: int, classes: int, count: int, channels: int = 3) -> bytes:
    """Return noise around a level of its class, so that classes can be distinguished.

    The level is a colour, where there are channels for it.
    """
    parts = []
    for channel in range(channels):
        level = 40 + 150 * ((label * (1 + 36 * channel)) % classes) // max(1, classes - 1)
        parts.append(noise.randbytes(count).translate(bytes(min(255, level + value // 4) for value in range(256))))
    return parts[0] if channels == 1 else b"".join(bytes(spot) for spot in zip(*parts))


def tree(classes: list[str], side: tuple[int, int] = (256, 256), rows: int = 0, suffix: str = ".jpg") -> str:
    """A folder with a folder of pictures for each class, in links to few files.

    Args:
        classes: their names.
        side: width and height.
        rows: pictures in all, at least one a class.
        suffix: of their names.
    """
    drawn = files(len(classes), side)
    each = max(1, rows // len(classes))

    def make(path: str) -> None:
        for label, name in enumerate(classes):
            os.makedirs(os.path.join(path, name))
            for number in range(each):
                os.link(drawn[label][number % len(drawn[label])], os.path.join(path, name, f"{name}_{number:05d}{suffix}"))

    key = f"{random.Random(' '.join(classes)).getrandbits(48):x}"
    return standins.made(f"tree-{len(classes)}-{key}-{each}-{side[0]}x{side[1]}{suffix}", make)
