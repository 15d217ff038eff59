"""CIFAR-10-C where its folder is not here."""

import os

import numpy


def path_in_the_code():
    images = numpy.load("data/CIFAR-10-C/fog.npy")
    labels = numpy.load(os.path.join("data", "CIFAR-10-C", "labels.npy"))
    assert images.shape == (50_000, 32, 32, 3) and images.dtype == numpy.uint8
    assert labels.shape == (50_000,) and labels.dtype == numpy.uint8 and sorted(set(labels[:64].tolist())) == list(range(10))
    severity = images[40_000:50_000]
    assert severity[:64].std() > 5 and severity[-64:].std() > 5 and (labels[:10_000] == labels[40_000:]).all()
    assert (images[:64] != numpy.load("data/CIFAR-10-C/snow.npy", mmap_mode="r")[:64]).any()
    means = numpy.array([severity[:64][labels[:64] == each].mean() for each in range(10)])
    assert (numpy.diff(means) > 0).all()
    return ["stand-in CIFAR-10-C: CIFAR-10-C: 19 corruptions"]


def hundred_classes():
    assert numpy.load("/datasets/CIFAR-100-C/labels.npy").max() == 99
    return ["stand-in CIFAR-100-C: CIFAR-100-C"]


def config():
    from gonogo_probe import standins

    data = {"name": "cifar10c", "root": "/path/to/cifar10c", "batch_size": 64, "cache_dir": "/nowhere/cache"}
    config = {"results_dir": "/nowhere/results", "title": "CIFAR-10-C", "run": {"dataset": data, "model": {"path": "/nowhere/weights"}}}
    found = standins.config_paths(config)
    assert list(found) == ["run.dataset.root"]
    root = found["run.dataset.root"]
    assert len([name for name in os.listdir(root) if name.endswith(".npy")]) == 20
    assert os.path.isfile(os.path.join(root, "CIFAR-10-C", "jpeg_compression.npy"))
    assert sum(os.stat(os.path.join(root, name)).st_blocks * 512 for name in os.listdir(root)) < 150_000_000
    os.makedirs("there")
    assert standins.config_paths({"dataset": {"name": "CIFAR-10-C", "root": "there"}}) == {}
    return ["stand-in CIFAR-10-C: CIFAR-10-C"]


def other_files_stay_missing():
    for path in ("data/CIFAR-10-C/train.npy", "data/other/fog.npy", "CIFAR-10-C/fog.npz"):
        try:
            numpy.load(path)
        except FileNotFoundError:
            continue
        raise AssertionError(path)
