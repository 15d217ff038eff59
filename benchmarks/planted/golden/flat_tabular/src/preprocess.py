"""The table: scikit-learn's breast-cancer measurements, standardised by the training part and cached."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

SPLITS = ("train", "val", "test")


def load_splits(dataset_cfg):
    """Return {split: (features, labels)} of float32 and int64 arrays."""
    if dataset_cfg.name != "breast_cancer":
        raise ValueError(f"unknown dataset {dataset_cfg.name!r}")
    cache_file = Path(dataset_cfg.cache_dir) / f"breast_cancer-{dataset_cfg.split_seed}-{dataset_cfg.test_share}.npz"
    if not cache_file.exists():
        build_cache(cache_file, dataset_cfg.split_seed, dataset_cfg.test_share)
    with np.load(cache_file) as archive:
        return {split: (archive[f"x_{split}"], archive[f"y_{split}"]) for split in SPLITS}


def build_cache(cache_file, seed, share):
    """Split by class, standardise with the mean and deviation of the training part, and store."""
    table = load_breast_cancer()
    rest_x, test_x, rest_y, test_y = train_test_split(table.data, table.target, test_size=share, stratify=table.target, random_state=seed)
    train_x, val_x, train_y, val_y = train_test_split(rest_x, rest_y, test_size=share, stratify=rest_y, random_state=seed)
    mean, deviation = train_x.mean(axis=0), train_x.std(axis=0)
    cache_file.parent.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for split, x, y in (("train", train_x, train_y), ("val", val_x, val_y), ("test", test_x, test_y)):
        arrays[f"x_{split}"] = ((x - mean) / deviation).astype(np.float32)
        arrays[f"y_{split}"] = y.astype(np.int64)
    np.savez(cache_file, **arrays)
