"""scikit-learn's digits, cached as arrays and split by class."""

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset


def cached_arrays(cache_dir: str) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels from 0 to 1 and labels."""
    file = Path(cache_dir) / "digits.npz"
    if not file.exists():
        digits = load_digits()
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, images=(digits.data / 16).astype(np.float32), labels=digits.target.astype(np.int64))
    with np.load(file) as archive:
        return archive["images"], archive["labels"]


def split(labels: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return the rows of each part."""
    train, rest = train_test_split(np.arange(len(labels)), test_size=0.4, stratify=labels, random_state=seed)
    val, test = train_test_split(rest, test_size=0.5, stratify=labels[rest], random_state=seed)
    return {"train": train, "val": val, "test": test}


def make_loaders(name: str, cache_dir: str, split_seed: int, batch_size: int, trial_mode: bool) -> dict[str, DataLoader]:
    """Return the loaders of the parts; a trial gets two batches of each."""
    if name != "digits":
        raise ValueError(f"unknown dataset {name!r}")
    images, labels = cached_arrays(cache_dir)
    loaders = {}
    for part, rows in split(labels, split_seed).items():
        if trial_mode:
            rows = rows[: 2 * batch_size]
        tensors = TensorDataset(torch.from_numpy(images[rows]), torch.from_numpy(labels[rows]))
        loaders[part] = DataLoader(tensors, batch_size=batch_size, shuffle=part == "train")
    return loaders
