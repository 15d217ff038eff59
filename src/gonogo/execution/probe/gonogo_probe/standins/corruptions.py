"""CIFAR-10-C and CIFAR-100-C as folders of `.npy` files in their official layout.

CIFAR-10 itself is beside them.

Each file has its true shape, 50,000 images in five severities, and takes almost no room: only the first and the last rows of a
severity have content, the others are black and are holes in the file.
"""

from __future__ import annotations

import functools
import inspect
import os
import random
import re
from collections.abc import Iterable, Iterator
from typing import Any

from .. import hooks, settings, standins
from ..standins import pictures

CORRUPTIONS = [
    *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "gaussian_blur", "glass_blur", "defocus_blur", "motion_blur"),
    *("zoom_blur", "snow", "frost", "fog", "brightness", "contrast", "saturate", "jpeg_compression", "pixelate", "elastic_transform"),
    "spatter",
]
COUNT, SEVERITIES, PIXELS = 10_000, 5, 32 * 32 * 3
_NAME = re.compile(r"cifar[-_ ]?(100|10)[-_ ]?c(?:orrupted|orruptions?)?(?![a-z])", re.IGNORECASE)
_KEYS = re.compile(r"(^|_)(root|dir|path|folder|location)$", re.IGNORECASE)
_OTHER = re.compile(r"result|out|save|log|ckpt|checkpoint|cache|model|weight|wandb|figure|tmp|temp", re.IGNORECASE)


def start() -> None:
    """Stand in for files that `numpy.load` does not find, and for what robustbench downloads."""
    hooks.when_imported("numpy", _watch_numpy)
    hooks.when_imported("robustbench.zenodo_download", _watch_robustbench)
    hooks.when_imported("robustbench.utils", _watch_models)


def config_paths(config: Any) -> dict[str, str]:
    """Paths of data that are not there, in a section that speaks of CIFAR-10-C or CIFAR-100-C."""
    found = {}
    for section, where in _sections(config, ""):
        said = " ".join(str(value) for value in section.values() if isinstance(value, str))
        match = _NAME.search(said)
        if match is None:
            continue
        for key, value in section.items():
            is_path = isinstance(value, str) and "${" not in value and _KEYS.search(str(key)) and not _OTHER.search(str(key))
            if is_path and not os.path.exists(value):
                found[f"{where}.{key}" if where else str(key)] = folder(int(match[1]))
    return found


def _sections(node: Any, where: str) -> Iterator[tuple[dict[Any, Any], str]]:
    if isinstance(node, dict):
        yield node, where
        for key, value in node.items():
            yield from _sections(value, f"{where}.{key}" if where else str(key))


def _watch_numpy(module: Any) -> None:
    original = module.load

    @functools.wraps(original)
    def load(file: Any, *more: Any, **named: Any) -> Any:
        try:
            return original(file, *more, **named)
        except FileNotFoundError:
            twin = _twin(file)
            if twin is None:
                raise
        return original(twin, *more, **named)

    module.load = load


def _twin(file: Any) -> str | None:
    """The file of a stand-in for a path that is written in the code."""
    if not isinstance(file, (str, os.PathLike)):
        return None
    place, name = os.path.split(os.fspath(file))
    match = _NAME.search(place)
    if match is None or not name.endswith(".npy") or name[:-4] not in (*CORRUPTIONS, "labels"):
        return None
    return os.path.join(folder(int(match[1])), name)


def _watch_robustbench(module: Any) -> None:
    original = module.zenodo_download

    @functools.wraps(original)
    def zenodo_download(record_id: Any, filenames_to_download: Any, save_dir: Any) -> None:
        match = _NAME.search(" ".join(map(str, filenames_to_download)))
        if match is None:
            standins.unreachable("robustbench.data", ", ".join(sorted(map(str, filenames_to_download))), "no network")
            original(record_id, filenames_to_download, save_dir)
        else:
            os.symlink(folder(int(match[1])), os.path.join(save_dir, f"CIFAR-{match[1]}-C"))

    module.zenodo_download = zenodo_download


def _watch_models(module: Any) -> None:
    original = module.load_model
    signature = inspect.signature(original)

    @functools.wraps(original)
    def load_model(*arguments: Any, **named: Any) -> Any:
        try:
            return original(*arguments, **named)
        except OSError as error:
            given = signature.bind(*arguments, **named)
            given.apply_defaults()
            name, dataset, threat = (given.arguments[each] for each in ("model_name", "dataset", "threat_model"))
            entry = module.all_models[module.BenchmarkDataset(dataset)][module.ThreatModel(threat)].get(name)
            if entry is None or not callable(entry.get("model")):
                standins.unreachable("robustbench.load_model", name, f"{type(error).__name__}: {error}")
                raise
        made = standins.seeded(entry["model"]).eval()
        standins.used("robustbench.load_model", f"{name}: weights at random")
        return made

    module.load_model = load_model


def folder(classes: int) -> str:
    """Return a folder with the files.

    A folder of the official name leads back to it, for code that looks for that name below its root.
    """
    name = f"CIFAR-{classes}-C"
    path = standins.made(name, lambda path: _make(path, classes))
    rows = settings.bounds["rows"]
    standins.used(name, f"{name}: 19 corruptions of which the first and last {rows} images a severity are made up, the others black")
    return path


def _make(path: str, classes: int) -> None:
    os.makedirs(path)
    os.symlink(".", os.path.join(path, f"CIFAR-{classes}-C"))
    source = random.Random(classes)
    labels = bytes(source.randrange(classes) if index >= classes else index for index in range(COUNT))
    _write(os.path.join(path, "labels.npy"), (COUNT * SEVERITIES,), [(0, labels * SEVERITIES)])
    rows = min(settings.bounds["rows"], COUNT // 2)
    shape = (COUNT * SEVERITIES, 32, 32, 3)
    for name in CORRUPTIONS:
        noise = random.Random(f"{classes} {name}")
        # Loops that are cut run the first batch and the last.
        parts = [(index, b"".join(_image(noise, labels[index + row], classes) for row in range(rows))) for index in (0, COUNT - rows)]
        starts = range(0, COUNT * SEVERITIES, COUNT)
        _write(os.path.join(path, f"{name}.npy"), shape, [((start + index) * PIXELS, block) for start in starts for index, block in parts])
    if classes == 10:
        _make_clean(os.path.join(path, "cifar-10-batches-py"), labels)


def _image(noise: random.Random, label: int, classes: int) -> bytes:
    return pictures.pixels(noise, label, classes, PIXELS, channels=1)


def _write(path: str, shape: tuple[int, ...], parts: list[tuple[int, bytes]]) -> None:
    """An `.npy` file (format 1.0) of bytes, with content at some offsets and holes between them."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape!r}, }}"
    padding = -(10 + len(header) + 1) % 64
    start = b"\x93NUMPY\x01\x00" + (len(header) + padding + 1).to_bytes(2, "little") + header.encode() + b" " * padding + b"\n"
    size = 1
    for length in shape:
        size *= length
    with open(path, "wb") as file:
        file.write(start)
        for offset, content in parts:
            file.seek(len(start) + offset)
            file.write(content)
        file.truncate(len(start) + size)


def _make_clean(path: str, labels: bytes) -> None:
    """Write CIFAR-10 as its authors publish it for Python.

    The files are dictionaries pickled by Python 2, so that they can be read as bytes and as text.
    """
    os.makedirs(path)
    rows = min(settings.bounds["rows"], COUNT)
    for name in [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]:
        noise = random.Random(name)
        content = b"".join(_image(noise, labels[index], 10) for index in range(rows))
        start = b"\x80\x02}(" + _text(b"batch_label") + _text(name.encode()) + _text(b"labels") + _list(b"K%c" % label for label in labels)
        start += _text(b"filenames") + _list(_text(b"%05d.png" % index) for index in range(COUNT)) + _text(b"data") + _ARRAY
        with open(os.path.join(path, name), "wb") as file:
            file.write(start + content)
            file.seek(len(start) + COUNT * PIXELS)
            file.write(b"tbu.")
    names = (_text(name) for name in b"airplane automobile bird cat deer dog frog horse ship truck".split())
    with open(os.path.join(path, "batches.meta"), "wb") as file:
        file.write(b"\x80\x02}(" + _text(b"num_cases_per_batch") + b"M\x10\x27" + _text(b"label_names") + _list(names))
        file.write(_text(b"num_vis") + b"M\x00\x0cu.")


def _text(value: bytes) -> bytes:
    """A short string of Python 2, pickled."""
    return b"U%c" % len(value) + value


def _list(items: Iterable[bytes]) -> bytes:
    """A list of pickled items, pickled."""
    return b"](" + b"".join(items) + b"e"


# The pickle of an array of COUNT x PIXELS bytes up to where its bytes begin; `tb` ends it after them.
_ARRAY = (
    b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t"
    + _text(b"b")
    + b"tR(K\x01(M\x10\x27M\x00\x0ctcnumpy\ndtype\n("
    + _text(b"u1")
    + b"K\x00K\x01tR(K\x03"
    + _text(b"|")
    + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
    + (COUNT * PIXELS).to_bytes(4, "little")
)
