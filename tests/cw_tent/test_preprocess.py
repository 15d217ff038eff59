"""The data of the reference experiment: corruptions, layouts, downloads, damaged and malicious files, indices, orders and batches."""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
import http.server
import io
import itertools
import logging
import os
import pickle
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from src import preprocess as data

CONFIG = Path(data.__file__).parents[1] / "config"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not (SHARED / "cifar10c").is_dir(), reason="the material beside the project, ../shared/data, is not here")
EVERY = (*data.STANDARD, *data.HELD_OUT)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@functools.cache
def composed() -> DictConfig:
    cfg = OmegaConf.load(CONFIG / "config.yaml")
    del cfg["defaults"]
    cfg.run = OmegaConf.load(CONFIG / "run" / "digits-cw-tent.yaml")
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


def folder(path: Path, count: int = 20, *, full: bool = False, repeat_labels: bool = False, names: tuple[str, ...] = EVERY) -> Path:
    """A folder of CIFAR-10-C files with other pixels in every row."""
    path.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    labels = np.arange(count) % 10
    rows = 5 * count if full else count
    for name in names:
        np.save(path / f"{name}.npy", rng.integers(0, 256, (rows, 32, 32, 3), np.uint8))
    np.save(path / "labels.npy", np.tile(labels, 5 if repeat_labels else 1).astype(np.uint8))
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


# --------------------------------------------------------------------------------------------------------------------- layouts


@quick
@given(count=st.integers(2, 12), full=st.booleans(), repeat=st.booleans(), severity=st.integers(1, 5))
def test_every_layout_gives_the_rows_of_its_severity(
    tmp_path_factory: pytest.TempPathFactory, count: int, full: bool, repeat: bool, severity: int
) -> None:
    tmp = tmp_path_factory.mktemp("layout")
    root = folder(tmp / "c", count, full=full, repeat_labels=full and repeat, names=("fog",))
    cfg = config(tmp, root, run__dataset__corruption_types=["fog"], run__dataset__corruption_severity=severity)
    loaded = data.load_corruption(cfg, "fog")
    start = (severity - 1) * count if full else 0
    wanted = np.load(root / "fog.npy")[start : start + count]
    assert (loaded.images.permute(0, 2, 3, 1).numpy() == wanted).all() and loaded.images.is_contiguous()
    assert loaded.labels.tolist() == [i % 10 for i in range(count)] and loaded.origin == data.REGENERATED


def test_one_severity_without_a_name_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        data.load_corruption(config(tmp_path, folder(tmp_path / "c")), "fog")
    assert "without saying which: taken for severity 5" in caplog.text and "not the published CIFAR-10-C" in caplog.text


def damage(name: str) -> Callable[[Path], object]:
    def write(array: np.ndarray, file: str = "fog.npy", **options: Any) -> Callable[[Path], object]:
        return lambda root: np.save(root / file, array, **options)

    return {
        "truncated": lambda root: os.truncate(root / "fog.npy", 5000),
        "empty": lambda root: os.truncate(root / "fog.npy", 0),
        "a web page": lambda root: (root / "fog.npy").write_text("<html>"),
        "missing": lambda root: (root / "fog.npy").unlink(),
        "another missing": lambda root: (root / "snow.npy").unlink(),
        "floats": write(np.zeros((20, 32, 32, 3))),
        "small": write(np.zeros((20, 28, 28, 3), np.uint8)),
        "planes first": write(np.zeros((20, 3, 32, 32), np.uint8)),
        "no rows": write(np.zeros((0, 32, 32, 3), np.uint8)),
        "too few rows": write(np.zeros((19, 32, 32, 3), np.uint8)),
        "five times as many as the others": write(np.zeros((100, 32, 32, 3), np.uint8)),
        "objects": write(np.array([object]), allow_pickle=True),
        "no labels": lambda root: (root / "labels.npy").unlink(),
        "labels out of range": write(np.full(20, 10), "labels.npy"),
        "negative labels": write(np.full(20, -1), "labels.npy"),
        "labels that are no numbers": write(np.array(["cat"] * 20), "labels.npy"),
        "labels with an axis too much": write(np.zeros((20, 1), int), "labels.npy"),
        "more labels": write(np.arange(21) % 10, "labels.npy"),
        "one class": write(np.zeros(20, int), "labels.npy"),
    }[name]


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("truncated", r"fog\.npy can't be read"),
        ("empty", r"fog\.npy can't be read"),
        ("a web page", r"fog\.npy can't be read"),
        ("missing", r"fog\.npy is missing"),
        ("another missing", r"snow\.npy is missing"),
        ("floats", r"fog\.npy holds float64"),
        ("small", r"fog\.npy holds uint8 \(20, 28"),
        ("planes first", r"fog\.npy holds"),
        ("no rows", r"fog\.npy holds"),
        ("too few rows", r"fog\.npy has 19 images"),
        ("five times as many as the others", r"has 20 images where the folder's others have 100"),
        ("objects", r"fog\.npy can't be read"),
        ("no labels", r"labels\.npy is missing"),
        ("labels out of range", r"labels\.npy holds labels from 10"),
        ("negative labels", r"labels\.npy holds labels from -1"),
        ("labels that are no numbers", r"labels\.npy holds <U3"),
        ("labels with an axis too much", r"labels\.npy holds int64 \(20, 1\)"),
        ("more labels", "20 images but .* 21 labels"),
        ("one class", "one class alone"),
    ],
)
def test_damaged_folders(tmp_path: Path, what: str, says: str) -> None:
    root = folder(tmp_path / "c", names=data.STANDARD)
    damage(what)(root)
    with pytest.raises(data.DataError, match=says):
        data.load_corruption(config(tmp_path, root), "fog")


def test_an_npz_under_the_name_of_an_npy(tmp_path: Path) -> None:
    root = folder(tmp_path / "c", names=data.STANDARD)
    with (root / "fog.npy").open("wb") as file:
        np.savez(file, x=np.zeros(3))
    with pytest.raises(data.DataError, match="archive of arrays"):
        data.load_corruption(config(tmp_path, root), "fog")


def test_official_files_are_known_by_their_sums_and_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "c"
    root.mkdir()
    labels = np.tile(np.arange(10_000) % 10, 5).astype(np.uint8)
    np.save(root / "labels.npy", labels)
    for name, value in (("fog", 1), ("snow", 2)):  # sparse on the disk would do; the header and the length are what counts
        np.lib.format.open_memmap(root / f"{name}.npy", "w+", np.uint8, (50_000, 32, 32, 3))[0, 0, 0, 0] = value
    sums = dict.fromkeys(("fog.npy", "snow.npy", "labels.npy"), "official")
    asked: list[str] = []

    def md5(path: Path) -> str:
        asked.append(path.name)
        return sums[path.name]

    monkeypatch.setattr(data, "_md5", md5)
    monkeypatch.setattr(data, "OFFICIAL_MD5", dict.fromkeys(data.OFFICIAL_MD5, "official"))
    cfg = config(tmp_path, root, run__dataset__corruption_types=["fog", "snow"])
    assert data.load_corruption(cfg, "fog").origin == data.OFFICIAL
    assert data.load_corruption(cfg, "snow").origin == data.OFFICIAL and asked == ["fog.npy", "snow.npy", "labels.npy"]  # once each
    (tmp_path / "cache" / "md5.json").write_text("damaged")
    sums["snow.npy"] = "other"
    with pytest.raises(data.DataError, match=r"mixes published files with others \(snow\)"):
        data.load_corruption(cfg, "fog")
    (tmp_path / "cache" / "md5.json").unlink()
    sums.update({"snow.npy": "official", "labels.npy": "other"})
    with pytest.raises(data.DataError, match=r"labels\.npy is not the published one"):
        data.load_corruption(cfg, "fog")


# -------------------------------------------------------------------------------------------------------------- what a run asks


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"run__dataset__corruption_severity": 0}, "must be a whole number from 1 to 5"),
        ({"run__dataset__corruption_severity": 6}, "must be a whole number from 1 to 5"),
        ({"run__dataset__corruption_severity": True}, "must be a whole number from 1 to 5"),
        ({"run__dataset__corruption_severity": "5"}, "must be a whole number from 1 to 5"),
        ({"run__dataset__split": "train"}, "it must be 'test'"),
        ({"run__dataset__name": "cifar100c"}, "Unknown dataset.name"),
    ],
)
def test_settings_that_can_not_be(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(data.DataError, match=says):
        data.load_corruption(config(tmp_path, **changes), "fog")


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (["fogg"], "did you mean 'fog'"),
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
    cfg = config(tmp_path)
    assert data.evaluation_corruptions(cfg) == list(data.STANDARD) and data.search_corruptions(cfg) == list(data.HELD_OUT)
    assert len({*EVERY}) == 19
    held_out = config(tmp_path, run__dataset__corruption_types=["saturate", "fog"])
    assert data.evaluation_corruptions(held_out) == ["saturate", "fog"]
    held_out.run.optuna.enabled = True
    with pytest.raises(data.DataError, match="saturate, which the search uses"):
        data.evaluation_corruptions(held_out)


@quick
@given(count=st.integers(2, 500), reserved=st.integers(0, 499), images=st.none() | st.integers(1, 600), few=st.none() | st.integers(1, 600))
def test_search_and_evaluation_share_no_image(tmp_path: Path, count: int, reserved: int, images: int | None, few: int | None) -> None:
    cfg = config(tmp_path, search__images=reserved, stream__images=images, search__images_per_corruption=few)
    if reserved >= count:
        with pytest.raises(data.DataError, match="leaves none"):
            data.evaluation_indices(cfg, count)
        return
    scored, searched = data.evaluation_indices(cfg, count), data.search_indices(cfg, count)
    assert scored.tolist() == list(range(min(count - reserved, images or count)))
    assert len(searched) == min(reserved or count, few or count) and len(set(searched.tolist())) == len(searched)
    assert searched.dtype == torch.int64 and set(searched.tolist()) <= set(range(count))
    if reserved:
        assert not set(scored.tolist()) & set(searched.tolist())


@pytest.mark.parametrize("name", ["search__images", "stream__images", "search__images_per_corruption"])
@pytest.mark.parametrize("value", [-1, 1.5, "all", True])
def test_sizes_that_can_not_be(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(data.DataError, match=name.replace("__", ".")):
        cfg = config(tmp_path, **{name: value})
        data.evaluation_indices(cfg, 100)
        data.search_indices(cfg, 100)


def test_the_search_sees_training_images_or_reserved_ones(tmp_path: Path) -> None:
    few = config(tmp_path, search__images_per_corruption=30)
    searched = data.load_search(few, "spatter")
    train = data.load_clean(few, "train")
    assert len(searched) == 30 and searched.origin == data.DIGITS
    assert torch.equal(searched.labels, train.labels[data.search_indices(few, len(train))])
    reserved = config(tmp_path, search__images=40, search__images_per_corruption=None)
    test = data.load_corruption(reserved, "spatter")
    assert torch.equal(data.load_search(reserved, "spatter").images, test.images[-40:])
    assert len(data.evaluation_indices(reserved, len(test))) == len(test) - 40


# ---------------------------------------------------------------------------------------------------------------------- stream


@given(count=st.integers(1, 3000), size=st.integers(1, 400), policy=st.sampled_from(["keep", "skip_update", "drop"]))
@settings(deadline=None)
def test_batches_cover_the_stream_once(count: int, size: int, policy: str) -> None:
    if policy == "drop" and count < size:
        with pytest.raises(data.DataError, match="make no batch"):
            data.batches(count, size, policy)
        return
    cut = data.batches(count, size, policy)
    seen = [i for part, _ in cut for i in range(count)[part]]
    whole = count - count % size
    assert seen == list(range(whole if policy == "drop" else count))
    assert all(part.stop - part.start == size and update for part, update in cut[: count // size])
    if policy != "drop" and count % size:
        assert cut[-1] == (slice(whole, count), policy == "keep")


@pytest.mark.parametrize(("size", "policy"), [(0, "keep"), (-1, "keep"), (1.5, "keep"), (True, "keep"), (8, "borrow")])
def test_batches_that_can_not_be(size: Any, policy: str) -> None:
    with pytest.raises(data.DataError):
        data.batches(10, size, policy)


def test_no_images_make_no_batch() -> None:
    with pytest.raises(data.DataError, match="make no batch"):
        data.batches(0, 4, "keep")


def test_a_batch_of_one_is_allowed_and_said(caplog: pytest.LogCaptureFixture) -> None:
    data._say_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert len(data.batches(3, 1, "keep")) == 3
    assert "a single image" in caplog.text


@quick
@given(seed=st.integers(0, 2**63), corruption=st.sampled_from(EVERY), count=st.integers(1, 200))
def test_orders(tmp_path: Path, seed: int, corruption: str, count: int) -> None:
    assert data.order(config(tmp_path), seed, corruption, count).tolist() == list(range(count))
    shuffled = config(tmp_path, stream__order="shuffled")
    mixed = data.order(shuffled, seed, corruption, count)
    assert sorted(mixed.tolist()) == list(range(count))
    other_method = config(tmp_path, stream__order="shuffled", run__method="source", run__training__inner_steps=10)
    assert torch.equal(mixed, data.order(other_method, seed, corruption, count))


def test_orders_differ_by_seed_and_corruption(tmp_path: Path) -> None:
    cfg = config(tmp_path, stream__order="shuffled")
    orders = {tuple(data.order(cfg, seed, name, 50).tolist()) for seed in (0, 1) for name in ("fog", "snow")}
    assert len(orders) == 4
    with pytest.raises(data.DataError, match=r"Unknown stream\.order"):
        data.order(config(tmp_path, stream__order="sorted"), 0, "fog", 5)
    with pytest.raises(data.DataError, match="seed is -1"):
        data.order(cfg, -1, "fog", 5)


@given(st.integers(1, 4), st.sampled_from([torch.channels_last, torch.contiguous_format]))
@settings(deadline=None, max_examples=10)
def test_normalise(count: int, memory_format: torch.memory_format) -> None:
    images = torch.randint(0, 256, (count, 3, 8, 6), dtype=torch.uint8)
    before = images.clone()
    mean, std = [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]
    got = data.normalise(images, OmegaConf.create(mean), std, torch.float32, memory_format)
    wanted = (images.double() / 255 - torch.tensor(mean).double().view(1, 3, 1, 1)) / torch.tensor(std).double().view(1, 3, 1, 1)
    assert got.dtype == torch.float32 and got.is_contiguous(memory_format=memory_format) and torch.equal(images, before)
    assert (got - wanted).abs().max() < 2e-6
    assert data.normalise(images, mean, std, torch.bfloat16).dtype == torch.bfloat16


@pytest.mark.parametrize(("mean", "std"), [([0.5] * 3, [0.2, 0.0, 0.2]), ([0.5], [0.5]), ([float("nan")] * 3, [0.5] * 3)])
def test_normalisation_that_can_not_be(mean: list[float], std: list[float]) -> None:
    with pytest.raises(data.DataError, match="normalize"):
        data.normalise(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), mean, std)


# ---------------------------------------------------------------------------------------------------------------------- digits


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
    with pytest.raises(data.DataError, match="Unknown split"):
        data.load_clean(cfg, "validation")


# -------------------------------------------------------------------------------------------------------------------- CIFAR-10


def python2_batch(images: np.ndarray, labels: list[int]) -> bytes:
    """A batch as Python 2 wrote the published ones: protocol 2, byte strings, NumPy's old module name."""

    def short(text: bytes) -> bytes:
        return b"U" + bytes([len(text)]) + text

    def integer(value: int) -> bytes:
        return b"J" + value.to_bytes(4, "little", signed=True)

    raw = images.tobytes()
    dtype = b"cnumpy\ndtype\n(" + short(b"u1") + integer(0) + integer(1) + b"tR("
    dtype += integer(3) + short(b"|") + b"NNN" + integer(-1) + integer(-1) + integer(0) + b"tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + integer(0) + b"t" + short(b"b") + b"tR("
    array += integer(1) + b"(" + integer(images.shape[0]) + integer(images.shape[1]) + b"t" + dtype
    array += b"\x89" + b"T" + len(raw).to_bytes(4, "little") + raw + b"tb"
    numbers = b"](" + b"".join(integer(label) for label in labels) + b"e"
    return b"\x80\x02}(" + short(b"data") + array + short(b"labels") + numbers + b"u."


def batches_folder(path: Path, count: int = 4) -> np.ndarray:
    path.mkdir(parents=True)
    rng = np.random.default_rng(2)
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    images = rng.integers(0, 256, (len(names), count, 3072), np.uint8)
    for name, part in zip(names, images, strict=True):
        (path / name).write_bytes(python2_batch(part, list(range(count))))
    return images


@pytest.mark.parametrize("place", ["root/cifar-10-batches-py", "cifar-10-batches-py", "cache/cifar10/cifar-10-batches-py", "root"])
def test_published_batches_are_found_and_read(tmp_path: Path, place: str) -> None:
    images = batches_folder(tmp_path / place)
    cfg = config(tmp_path, tmp_path / "root")
    train = data.load_clean(cfg, "train")
    assert (train.images.numpy() == images[:5].reshape(20, 3, 32, 32)).all() and train.labels.tolist() == [0, 1, 2, 3] * 5
    assert train.origin == data.COPY  # these are not the published pixels
    assert len(data.load_clean(cfg, "test")) == 4


@pytest.mark.parametrize("place", ["root", ".", "cache/cifar10"])
def test_plain_arrays_are_found_and_read(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    path.mkdir(parents=True, exist_ok=True)
    images = pictures(6)
    np.save(path / "test_images.npy", images)
    np.save(path / "test_labels.npy", np.arange(6, dtype=np.uint8))
    loaded = data.load_clean(config(tmp_path, tmp_path / "root"), "test")
    assert (loaded.images.permute(0, 2, 3, 1).numpy() == images).all() and loaded.origin == data.COPY
    np.save(path / "test_labels.npy", np.arange(5, dtype=np.uint8))
    with pytest.raises(data.DataError, match=r"6 images but .*test_labels\.npy 5 labels"):
        data.load_clean(config(tmp_path, tmp_path / "root"), "test")


class Malicious:
    """What pickles as a call."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("kind", ["system", "eval", "nested"])
def test_a_malicious_pickle_is_refused_and_not_executed(tmp_path: Path, protocol: int, kind: str) -> None:
    batches_folder(tmp_path / "root")
    trace = tmp_path / "trace"
    attack = {"system": Malicious(os.system, f"touch {trace}"), "eval": Malicious(eval, f"open({str(trace)!r}, 'w').close()")}
    payload: Any = {b"data": attack["eval"], b"labels": []} if kind == "nested" else attack[kind]
    (tmp_path / "root" / "test_batch").write_bytes(pickle.dumps(payload, protocol=protocol))
    with pytest.raises(data.DataError, match=r"test_batch is no batch of CIFAR-10 .*nothing of it was executed"):
        data.load_clean(config(tmp_path, tmp_path / "root"), "test")
    assert not trace.exists()
    pickle.loads((tmp_path / "root" / "test_batch").read_bytes())  # the attack would have worked
    assert trace.exists()


@quick
@given(cut=st.integers(0, 12_000), flip=st.integers(0, 400), value=st.integers(0, 255))
def test_a_damaged_batch_is_an_error_or_other_pixels(tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int, value: int) -> None:
    root = tmp_path_factory.mktemp("root")
    content = bytearray(python2_batch(np.zeros((4, 3072), np.uint8), [0, 1, 2, 3]))
    content[flip] = value
    (root / "test_batch").write_bytes(content[: len(content) - cut])
    try:
        loaded = data.load_clean(config(root, root), "test")
    except data.DataError as error:
        assert "test_batch" in str(error)
    else:
        assert loaded.images.shape[1:] == (3, 32, 32) and len(loaded.labels) == len(loaded.images) and cut == 0


@pytest.mark.parametrize(
    "batch",
    [
        {b"labels": [0]},
        {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]},
        {b"data": np.zeros((2, 3072), np.float32), b"labels": [0, 1]},
        {b"data": np.zeros((2, 100), np.uint8), b"labels": [0, 1]},
        {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 10]},
        {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0.5, 1]},
        {b"data": "text", b"labels": [0]},
        [1, 2],
    ],
)
def test_a_batch_with_other_content(tmp_path: Path, batch: object) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "test_batch").write_bytes(pickle.dumps(batch, protocol=4))
    with pytest.raises(data.DataError, match="test_batch"):
        data.load_clean(config(tmp_path, tmp_path / "root"), "test")


# ------------------------------------------------------------------------------------------------------------------- downloads


class Server:
    """A web server that sends one file, whole or cut off, with or without ranges."""

    def __init__(self) -> None:
        self.content, self.cuts, self.ranges, self.status = b"", 0, True, 200
        self.asked: list[str | None] = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append(self.headers.get("Range"))
                if owner.status != 200:
                    self.send_error(owner.status)
                    return
                start = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if owner.ranges else 0
                if start >= len(owner.content):
                    self.send_error(416)
                    return
                body = owner.content[start:]
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(owner.content) - 1}/{len(owner.content)}")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if owner.cuts:
                    owner.cuts -= 1
                    body = body[: len(body) // 2]
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/CIFAR-10-C.tar"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(data, "PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


def packed(tmp_path: Path, *extra: tarfile.TarInfo, names: tuple[str, ...] = EVERY) -> bytes:
    """A small archive in the published form."""
    root = folder(tmp_path / "made", 10, full=True, repeat_labels=True, names=names)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for member in extra:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
        for file in sorted(root.iterdir()):
            tar.add(file, f"CIFAR-10-C/{file.name}")
    return stream.getvalue()


def serve(server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    server.content = content
    md5 = hashlib.md5(content).hexdigest()
    archive = dataclasses.replace(data.CIFAR10C_ARCHIVE, url=server.url, md5=md5, size=len(content))
    monkeypatch.setattr(data, "CIFAR10C_ARCHIVE", dataclasses.replace(archive, **changes))


def left(tmp_path: Path) -> set[str]:
    """What a download left in the cache, locks aside."""
    return {path.name for path in (tmp_path / "cache").glob("*") if not path.name.endswith(".lock")}


def test_a_download_is_unpacked_once(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(server, packed(tmp_path), monkeypatch)
    cfg = config(tmp_path, tmp_path / "nowhere", run__dataset__corruption_severity=3)
    loaded = data.load_corruption(cfg, "fog")
    assert (loaded.images.permute(0, 2, 3, 1).numpy() == np.load(tmp_path / "made" / "fog.npy")[20:30]).all()
    data.load_corruption(cfg, "snow")
    assert server.asked == [None] and left(tmp_path) == {"CIFAR-10-C"}


def test_an_interrupted_download_goes_on(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed(tmp_path)
    serve(server, content, monkeypatch)
    server.cuts = 3
    monkeypatch.setattr(data, "CHUNK", 4096)
    data.load_corruption(config(tmp_path, "nowhere"), "fog")
    assert len(server.asked) == 4 and all(server.asked[1:])


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_of_an_earlier_run_goes_on(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, ranges: bool) -> None:
    content = packed(tmp_path)
    serve(server, content, monkeypatch)
    server.ranges = ranges
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "CIFAR-10-C.tar.part").write_bytes(content[:1000])
    (tmp_path / "cache" / ".CIFAR-10-C.unpacking").mkdir()  # of a run that was killed while it unpacked
    data.load_corruption(config(tmp_path, "nowhere"), "fog")
    assert server.asked == ["bytes=1000-"] and left(tmp_path) == {"CIFAR-10-C"}


@pytest.mark.parametrize("present", ["whole", "too long"])
def test_a_part_that_has_all_or_too_much(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, present: str) -> None:
    content = packed(tmp_path)
    serve(server, content, monkeypatch)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "CIFAR-10-C.tar.part").write_bytes(content + b"x" * (present == "too long"))
    data.load_corruption(config(tmp_path, "nowhere"), "fog")
    assert server.asked == ([] if present == "whole" else [None])


def test_a_wrong_checksum(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(server, packed(tmp_path), monkeypatch, md5="0" * 32)
    with pytest.raises(data.DataError, match="has not the checksum"):
        data.load_corruption(config(tmp_path, "nowhere"), "fog")
    assert left(tmp_path) == set()


@pytest.mark.parametrize("status", [404, 503])
def test_a_server_that_refuses(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    serve(server, packed(tmp_path), monkeypatch)
    server.status = status
    with pytest.raises(data.DataError, match=rf"{status}.*set dataset\.root"):
        data.load_corruption(config(tmp_path, "nowhere"), "fog")
    assert len(server.asked) == data.ATTEMPTS


def test_no_network(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(server, packed(tmp_path), monkeypatch, url="http://127.0.0.1:1/CIFAR-10-C.tar")
    with pytest.raises(data.DataError, match=r"CIFAR-10-C is not here and http://127.* can't be had .*connect and run again, or"):
        data.load_corruption(config(tmp_path, "nowhere"), "fog")


def test_a_server_that_never_stops(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(server, packed(tmp_path), monkeypatch)
    server.content += b"x" * 5000
    with pytest.raises(data.DataError, match="sends more than"):
        data.load_corruption(config(tmp_path, "nowhere"), "fog")


def member(name: str, size: int = 3, **changes: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in changes.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    "evil",
    [
        member("../escaped.npy"),
        member("CIFAR-10-C/../../../escaped.npy"),
        member("CIFAR-10-C/fog.npy", 0, type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("CIFAR-10-C/fog.npy", 0, type=tarfile.LNKTYPE, linkname="../../secret"),
        member("CIFAR-10-C/fog.npy", 0, type=tarfile.SYMTYPE, linkname="snow.npy"),
        member("CIFAR-10-C/fifo", 0, type=tarfile.FIFOTYPE),
        member("CIFAR-10-C/fog.npy", 300_000),
    ],
    ids=lambda info: f"{info.name}-{info.type!r}",
)
def test_an_archive_that_leads_outside(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, evil: tarfile.TarInfo) -> None:
    serve(server, packed(tmp_path, evil, names=("snow",)), monkeypatch)
    monkeypatch.setattr(data, "LARGEST_MEMBER", 200_000)
    with pytest.raises(data.DataError, match="can't be unpacked safely"):
        data.load_corruption(config(tmp_path, "nowhere"), "fog")
    assert not list(tmp_path.rglob("escaped*")) and "CIFAR-10-C" not in left(tmp_path)


def test_members_that_nobody_asked_for_are_left_out(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(server, packed(tmp_path, member("CIFAR-10-C/extra.py"), member("/absolute.npy")), monkeypatch)
    data.load_corruption(config(tmp_path, "nowhere"), "fog")
    assert {path.name for path in (tmp_path / "cache" / "CIFAR-10-C").iterdir()} == {f"{name}.npy" for name in (*EVERY, "labels")}


def test_an_archive_that_lacks_a_file(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(server, packed(tmp_path, names=EVERY[1:]), monkeypatch)
    with pytest.raises(data.DataError, match=r"lacks CIFAR-10-C/gaussian_noise\.npy"):
        data.load_corruption(config(tmp_path, "nowhere"), "fog")


def test_something_else_with_the_right_checksum(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(server, b"<html>not an archive</html>", monkeypatch)
    with pytest.raises(data.DataError, match="can't be unpacked safely"):
        data.load_corruption(config(tmp_path, "nowhere"), "fog")


def test_no_room_is_said_before_the_download(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(server, packed(tmp_path), monkeypatch, size=10**16)
    with pytest.raises(data.DataError, match="GB are free: make room or set cache_dir"):
        data.load_corruption(config(tmp_path, "nowhere"), "fog")
    assert not server.asked


def test_a_full_disk(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full, a device without room, is Linux's")
    serve(server, packed(tmp_path), monkeypatch)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "CIFAR-10-C.tar.part").symlink_to("/dev/full")
    with pytest.raises(data.DataError, match=r"can't be stored in .*No space left"):
        data.load_corruption(config(tmp_path, "nowhere"), "fog")


def test_two_processes_download_once(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(server, packed(tmp_path), monkeypatch)
    threads = [threading.Thread(target=data.fetch, args=(data.CIFAR10C_ARCHIVE, tmp_path / "cache")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.asked == [None] and left(tmp_path) == {"CIFAR-10-C"}


def test_a_root_that_is_a_file_or_has_some_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(data.DataError, match="is not a folder"):
        data.load_corruption(config(tmp_path, tmp_path / "file"), "fog")
    root = folder(tmp_path / "c", names=("fog",))  # what is missing is neither made nor downloaded
    with pytest.raises(data.DataError, match=r"gaussian_noise\.npy is missing"):
        data.load_corruption(config(tmp_path, root), "fog")


# ------------------------------------------------------------------------------------------------------------------- real data


@needs_shared
def test_real_data(tmp_path: Path) -> None:
    cfg = config(tmp_path, SHARED / "cifar10c")
    assert data.class_names(cfg)[0] == "airplane"
    for name in (*data.evaluation_corruptions(cfg), *data.search_corruptions(cfg)):
        loaded = data.load_corruption(cfg, name)
        assert loaded.images.shape == (2000, 3, 32, 32) and loaded.origin == data.REGENERATED
        assert int(torch.bincount(loaded.labels).min()) > 150
