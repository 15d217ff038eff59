"""The data of the reference experiment: corruptions, layouts of folders, damaged and malicious files, what a search may see."""

from __future__ import annotations

import copy
import functools
import http.server
import io
import itertools
import logging
import os
import pickle
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from src import preprocess as data

CONFIG = Path(data.__file__).parents[1] / "config"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not (SHARED / "cifar10c").is_dir(), reason="the material beside the project, ../shared/data, is not here")
EVERY = (*data.STANDARD, *data.HELD_OUT)


@functools.cache
def composed() -> DictConfig:
    cfg = OmegaConf.load(CONFIG / "config.yaml")
    del cfg["defaults"]
    cfg.run = OmegaConf.load(CONFIG / "run" / "digits-source.yaml")
    return cfg


def config(tmp_path: Path, root: Path | str | None = None, **changes: Any) -> DictConfig:
    """The experiment's own config, with changes by dotted name ("__" for the dot)."""
    cfg = copy.deepcopy(composed())
    cfg.cache_dir = str(tmp_path / "cache")
    if root is not None:
        cfg.run.dataset.name, cfg.run.dataset.root = "cifar10c", str(root)
    for name, value in changes.items():
        OmegaConf.update(cfg, name.replace("__", "."), value)
    return cfg


def pictures(count: int, seed: int = 0) -> np.ndarray:
    """Smooth coloured images, a little like photographs."""
    small = np.random.default_rng(seed).integers(0, 256, (count, 5, 5, 3)).astype(float)
    return np.clip(data.ndimage.zoom(small, (1, 6.4, 6.4, 1), order=1), 0, 255).astype(np.uint8)


def folder(path: Path, count: int = 20, *, full: bool = False, names: tuple[str, ...] = EVERY) -> Path:
    """A folder of CIFAR-10-C files with other pixels in every row: one severity, or all five."""
    path.mkdir(parents=True, exist_ok=True)
    rng, repeats = np.random.default_rng(1), 5 if full else 1
    for name in names:
        np.save(path / f"{name}.npy", rng.integers(0, 256, (repeats * count, 32, 32, 3), np.uint8))
    np.save(path / "labels.npy", np.tile(np.arange(count) % 10, repeats).astype(np.uint8))
    return path


# ----------------------------------------------------------------------------------------------------------------- corruptions


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("severity", range(1, 6))
def test_a_corruption_changes_images_repeatably_and_draws_by_place(name: str, severity: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "BLOCK", 4)  # for speed, and to have two blocks
    images = pictures(5)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    corrupted = data.corrupt(images, name, severity, seed=3)
    assert (np.random.get_state()[1] == before[0]).all() and torch.equal(torch.get_rng_state(), before[1])
    assert corrupted.dtype == np.uint8 and corrupted.shape == images.shape
    assert (corrupted == data.corrupt(images, name, severity, seed=3)).all()
    assert (corrupted[:2] == data.corrupt(images[:2], name, severity, seed=3)).all()
    change = np.abs(corrupted.astype(int) - images).mean()
    # Severity 1 of defocus and glass blur has kernels of one pixel: the published constants change next to nothing there.
    assert change > (0.05 if severity > 1 else -1) and change < 110


def test_blocks_do_not_repeat_and_seeds_differ() -> None:
    images = np.full((data.BLOCK + 1, 8, 8, 3), 128, np.uint8)
    noisy = data.corrupt(images, "gaussian_noise", 5, 0)
    assert (noisy[0] != noisy[-1]).any() and (noisy[0] != data.corrupt(images[:1], "gaussian_noise", 5, 1)[0]).any()


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("name", EVERY)
def test_images_of_one_colour_are_no_problem(name: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "BLOCK", 2)
    for severity in (1, 5):
        with np.errstate(all="raise"):
            data.corrupt(np.full((2, 32, 32, 3), value, np.uint8), name, severity, 0)


def test_known_values_of_the_published_formulas() -> None:
    grey = np.full((1, 32, 32, 3), 100, np.uint8)
    assert (data.corrupt(grey, "brightness", 5, 0) == 176).all()  # 100 + 0.3 · 255, cut off
    assert set(data.corrupt(grey, "contrast", 5, 0).flat) <= {99, 100}  # its mean is a hair below 100, as in the published files
    assert data.corrupt(grey, "saturate", 5, 0)[0, 0, 0].tolist() == [100, 80, 80]  # grey has hue 0
    ramp = np.broadcast_to(np.arange(0, 256, 8, dtype=np.uint8)[None, None, :, None], (1, 32, 32, 3)).copy()
    blurred = data.corrupt(ramp, "defocus_blur", 5, 0)[0, 5, 1:-1, 0].astype(int)
    assert set((blurred - ramp[0, 5, 1:-1, 0]).tolist()) <= {-1, 0}  # a disk keeps a slope, but for a fraction that is cut off
    noise = data.corrupt(np.full((64, 32, 32, 3), 128, np.uint8), "gaussian_noise", 5, 0).astype(float)
    assert abs(noise.std() - 25.5) < 0.3 and abs(noise.mean() - 127.5) < 0.3
    salted = data.corrupt(np.full((64, 32, 32, 3), 128, np.uint8), "impulse_noise", 5, 0)
    assert abs((salted != 128).mean() - 0.07) < 0.003


@pytest.mark.parametrize("images", [np.zeros((2, 32, 32), np.uint8), np.zeros((2, 32, 32, 3)), np.zeros((2, 4, 4, 3), np.uint8)])
def test_other_arrays_are_refused(images: np.ndarray) -> None:
    with pytest.raises(data.DataError, match="can be corrupted"):
        data.corrupt(images, "fog", 5, 0)


def test_no_image_is_no_problem() -> None:
    assert data.corrupt(np.zeros((0, 32, 32, 3), np.uint8), "snow", 5, 0).shape == (0, 32, 32, 3)


@needs_shared
@pytest.mark.parametrize(
    "name", ["defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression", "gaussian_blur", "saturate"]
)
def test_what_draws_nothing_equals_the_official_generator(name: str, clean_shared: np.ndarray) -> None:
    theirs = np.load(SHARED / "cifar10c" / f"{name}.npy")[: len(clean_shared)].astype(int)
    difference = np.abs(data.corrupt(clean_shared, name, 5, 0) - theirs)
    assert (difference <= 1).mean() > 0.999 and difference.mean() < 0.1


@needs_shared
@pytest.mark.parametrize("name", sorted({*EVERY}))
def test_statistics_are_those_of_the_official_generator(name: str, clean_shared: np.ndarray) -> None:
    theirs = np.load(SHARED / "cifar10c" / f"{name}.npy")[: len(clean_shared)].astype(float)
    ours = data.corrupt(clean_shared, name, 5, 0).astype(float)
    slack = 4 if name == "frost" else 2 if name in ("snow", "fog") else 0.8  # frost: synthetic textures
    for measure in (np.mean, lambda x: x.std((1, 2)).mean(), lambda x: np.abs(x - clean_shared).mean()):
        assert abs(measure(ours) - measure(theirs)) < slack


@pytest.fixture(scope="session")
def clean_shared() -> np.ndarray:
    """The first 256 clean images that those in ../shared were made from."""
    archive = np.load(SHARED / "cifar10_jpeg.npz", allow_pickle=False)
    blob, offsets = archive["test_blob"], archive["test_offsets"]
    pieces = (blob[start:stop].tobytes() for start, stop in itertools.pairwise(offsets[:257]))
    return np.stack([np.asarray(data.Image.open(io.BytesIO(piece)).convert("RGB")) for piece in pieces])


# --------------------------------------------------------------------------------------------------------------------- CIFAR-10-C


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("severity", [1, 3, 5])
def test_every_layout_gives_the_rows_of_its_severity(tmp_path: Path, full: bool, severity: int, caplog: pytest.LogCaptureFixture) -> None:
    root = folder(tmp_path / "c", 12, full=full)
    data.say_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        loaded = data.load_corruption(config(tmp_path, root, run__dataset__corruption_severity=severity), "fog")
    start = (severity - 1) * 12 if full else 0
    assert (loaded.images.permute(0, 2, 3, 1).numpy() == np.load(root / "fog.npy")[start : start + 12]).all()
    assert loaded.images.is_contiguous() and loaded.images.dtype == torch.uint8 and loaded.labels.dtype == torch.int64
    assert loaded.labels.tolist() == [i % 10 for i in range(12)] and loaded.origin == data.REGENERATED
    assert "not the published CIFAR-10-C" in caplog.text
    assert ("without saying which: taken for severity" in caplog.text) is not full


def damage(name: str) -> Callable[[Path], object]:
    def write(array: np.ndarray, file: str = "fog.npy", **options: Any) -> Callable[[Path], object]:
        return lambda root: np.save(root / file, array, **options)

    return {
        "truncated": lambda root: os.truncate(root / "fog.npy", 5000),
        "empty": lambda root: os.truncate(root / "fog.npy", 0),
        "a web page": lambda root: (root / "fog.npy").write_text("<html>"),
        "missing": lambda root: (root / "fog.npy").unlink(),
        "floats": write(np.zeros((20, 32, 32, 3))),
        "small": write(np.zeros((20, 28, 28, 3), np.uint8)),
        "planes first": write(np.zeros((20, 3, 32, 32), np.uint8)),
        "no rows": write(np.zeros((0, 32, 32, 3), np.uint8)),
        "too few rows": write(np.zeros((19, 32, 32, 3), np.uint8)),
        "objects": write(np.array([object]), allow_pickle=True),
        "labels out of range": write(np.full(20, 10), "labels.npy"),
        "negative labels": write(np.full(20, -1), "labels.npy"),
        "more labels": write(np.arange(21) % 10, "labels.npy"),
    }[name]


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("truncated", r"fog\.npy can't be read"),
        ("empty", r"fog\.npy can't be read"),
        ("a web page", r"fog\.npy can't be read"),
        ("missing", r"fog\.npy is missing"),
        ("floats", r"fog\.npy holds float64"),
        ("small", r"fog\.npy holds uint8 \(20, 28"),
        ("planes first", r"fog\.npy holds"),
        ("no rows", r"fog\.npy holds"),
        ("too few rows", r"fog\.npy holds uint8 \(19, .*and labels\.npy \(20,\)"),
        ("objects", r"fog\.npy can't be read"),
        ("labels out of range", r"labels\.npy holds labels from 10"),
        ("negative labels", r"labels\.npy holds labels from -1"),
        ("more labels", r"labels\.npy \(21,\)"),
    ],
)
def test_damaged_folders(tmp_path: Path, what: str, says: str) -> None:
    root = folder(tmp_path / "c", names=data.STANDARD)
    damage(what)(root)
    with pytest.raises(data.DataError, match=says):
        data.load_corruption(config(tmp_path, root), "fog")


def test_official_files_are_known_by_their_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(tmp_path / "c", names=("fog", "snow"))
    sums = {name: pooch.file_hash(str(root / f"{name}.npy"), alg="md5") for name in ("fog", "labels")}
    monkeypatch.setattr(data, "OFFICIAL_MD5", data.OFFICIAL_MD5 | sums)
    cfg = config(tmp_path, root)
    assert data.load_corruption(cfg, "fog").origin == data.OFFICIAL
    assert data.load_corruption(cfg, "snow").origin == data.REGENERATED
    assert len({*data.OFFICIAL_MD5.values()}) == 20 and set(data.OFFICIAL_MD5) == {*EVERY, "labels"}


def test_what_can_not_be_downloaded_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "ARCHIVE", "http://127.0.0.1:9/CIFAR-10-C.tar")  # nothing listens there
    with pytest.raises(data.DataError, match=r"CIFAR-10-C is not in dataset\.root, .*/nowhere, and can't be downloaded"):
        data.load_corruption(config(tmp_path, tmp_path / "nowhere"), "fog")
    monkeypatch.setattr(data.CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")
    with pytest.raises(data.DataError, match=r"CIFAR-10 is neither in .*/nowhere, .* nor could it be downloaded"):
        data.load_clean(config(tmp_path, tmp_path / "nowhere"), "train")


@pytest.mark.slow
def test_the_archive_is_downloaded_checked_and_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path / "made" / "CIFAR-10-C", names=("fog",))
    archive = tmp_path / "CIFAR-10-C.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(tmp_path / "made" / "CIFAR-10-C", "CIFAR-10-C")
    with serving(tmp_path) as url:
        monkeypatch.setattr(data, "ARCHIVE", f"{url}/CIFAR-10-C.tar")
        cfg = config(tmp_path, tmp_path / "nowhere")
        with pytest.raises(data.DataError, match="hash"):
            data.load_corruption(cfg, "fog")
        monkeypatch.setattr(data, "ARCHIVE_MD5", pooch.file_hash(str(archive), alg="md5"))
        assert len(data.load_corruption(cfg, "fog")) == 20
    assert len(data.load_corruption(cfg, "fog")) == 20  # from the cache, with nobody to ask


@contextmanager
def serving(root: Path) -> Iterator[str]:
    """A web server for the files of a folder."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(root))
    handler.func.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


# -------------------------------------------------------------------------------------------------------------------- CIFAR-10


@pytest.mark.parametrize("place", ["root", ".", "cache"])
def test_plain_arrays_are_found_and_read(tmp_path: Path, place: str) -> None:
    home = tmp_path / place
    home.mkdir(exist_ok=True)
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
    np.save(home / "train_images.npy", images)
    np.save(home / "train_labels.npy", np.arange(6))
    loaded = data.load_clean(config(tmp_path, tmp_path / "root"), "train")
    assert (loaded.images.permute(0, 2, 3, 1).numpy() == images).all() and loaded.labels.tolist() == list(range(6))
    assert loaded.origin == data.COPY


class Bomb:
    """A pickle that leaves a file behind when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("exploded").touch, ())


def test_other_batches_than_the_published_ones_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "cache" / data.CIFAR10.base_folder
    home.mkdir(parents=True)
    for name, _ in (*data.CIFAR10.train_list, *data.CIFAR10.test_list):
        (home / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(data.DataError, match="CIFAR-10 is neither in"):
        data.load_clean(config(tmp_path, tmp_path / "root"), "train", download=False)
    assert not Path("exploded").exists()


# --------------------------------------------------------------------------------------------------------- what a run asks for


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"run__dataset__corruption_severity": 0}, "must be a whole number, 1 or more, at most 5"),
        ({"run__dataset__corruption_severity": 6}, "must be a whole number, 1 or more, at most 5"),
        ({"run__dataset__corruption_severity": True}, "must be a whole number"),
        ({"run__dataset__corruption_severity": "5"}, "must be a whole number"),
        ({"run__dataset__split": "train"}, "it must be 'test'"),
        ({"run__dataset__name": "cifar100c"}, "dataset.name is 'cifar100c'"),
    ],
)
def test_settings_that_can_not_be(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(data.DataError, match=says):
        data.load_corruption(config(tmp_path, **changes), "fog")


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (["fogg"], "Unknown corruption 'fogg'; near it: fog"),
        ("fog", "'all' or a list"),
        ([], "'all' or a list"),
        (None, "'all' or a list"),
        (["fog", "fog"], "twice"),
        ([3], "Unknown corruption 3"),
    ],
)
def test_corruption_types_that_can_not_be(tmp_path: Path, wanted: Any, says: str) -> None:
    with pytest.raises(data.DataError, match=says):
        data.evaluation_corruptions(config(tmp_path, run__dataset__corruption_types=wanted))


def test_which_corruptions(tmp_path: Path) -> None:
    assert data.evaluation_corruptions(config(tmp_path)) == list(data.STANDARD) and len({*EVERY}) == 19
    assert set(data.CORRUPTIONS) == {*EVERY}
    held_out = config(tmp_path, run__dataset__corruption_types=["saturate", "fog"])
    assert data.evaluation_corruptions(held_out) == ["saturate", "fog"]
    held_out.run.optuna.enabled = True
    with pytest.raises(data.DataError, match="which the search uses"):
        data.evaluation_corruptions(held_out)


@pytest.mark.slow
def test_the_search_sees_training_images_or_reserved_ones(tmp_path: Path) -> None:
    searched = data.load_search(config(tmp_path, search__images_per_corruption=30), "spatter")
    train, test = (data.load_clean(config(tmp_path), split) for split in ("train", "test"))
    assert len(searched) == 30 and searched.origin == data.DIGITS
    again = data.load_search(config(tmp_path, search__images_per_corruption=10), "spatter")
    assert torch.equal(again.images, searched.images[:10])
    assert torch.bincount(searched.labels, minlength=10).min() >= 0 and len(train) == 1000
    reserved = config(tmp_path, search__images=40, search__images_per_corruption=None)
    assert torch.equal(data.load_search(reserved, "spatter").images, data.load_corruption(reserved, "spatter").images[-40:])
    for changes in ({"search__images": len(test)}, {"search__images_per_corruption": 0}):
        with pytest.raises(data.DataError, match="must be a whole number, 1 or more"):
            data.load_search(config(tmp_path, **changes), "spatter")


def test_normalise() -> None:
    images = torch.randint(0, 256, (2, 3, 8, 6), dtype=torch.uint8)
    mean, std = [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]
    wanted = (images.double() / 255 - torch.tensor(mean).double().view(1, 3, 1, 1)) / torch.tensor(std).double().view(1, 3, 1, 1)
    found = data.normalise(images, OmegaConf.create(mean), OmegaConf.create(std))
    assert found.dtype == torch.float32 and (found - wanted).abs().max() < 2e-6


def test_digits(tmp_path: Path) -> None:
    cfg = config(tmp_path)
    train, test = data.load_clean(cfg, "train"), data.load_clean(cfg, "test")
    assert train.images.shape == (1000, 3, 32, 32) and test.images.shape == (797, 3, 32, 32)
    assert train.images.dtype == torch.uint8 and train.labels.dtype == torch.int64 and train.origin == data.DIGITS
    assert set(train.labels.tolist()) == set(test.labels.tolist()) == set(range(10))
    foggy = data.load_corruption(cfg, "fog")
    assert torch.equal(foggy.labels, test.labels) and not torch.equal(foggy.images, test.images)
    assert torch.equal(foggy.images, data.load_corruption(config(tmp_path, run__seed=7), "fog").images)  # part of the data, not of the run
    assert data.class_names(cfg) == [str(i) for i in range(10)]
    assert not (tmp_path / "cache").exists()


@needs_shared
def test_real_data(tmp_path: Path) -> None:
    cfg = config(tmp_path, SHARED / "cifar10c")
    assert data.class_names(cfg)[0] == "airplane"
    for name in EVERY:
        loaded = data.load_corruption(cfg, name)
        assert loaded.images.shape == (2000, 3, 32, 32) and loaded.origin == data.REGENERATED
        assert int(torch.bincount(loaded.labels).min()) > 150
