"""The data pipeline: scikit-learn's 8x8 digits, normalised, cached, split by class and batched."""

import os
import zipfile
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import Dataset

TRIAL_BATCHES = 2  # a trial shows that the code runs; it needs no more data than this


def cache_path(dataset_cfg: DictConfig) -> Path:
    """Name the cache after the settings it was made with, so that other settings never read it."""
    mean = dataset_cfg.normalisation.mean
    std = dataset_cfg.normalisation.std
    return Path(dataset_cfg.cache_dir) / f"{dataset_cfg.name}-mean{mean}-std{std}.npz"


def write_cache(cache_file: Path, mean: float, std: float) -> None:
    """Normalise the digits that scikit-learn ships and store them."""
    digits = load_digits()
    images = ((digits.data - mean) / std).astype(np.float32)
    labels = digits.target.astype(np.int64)
    cache_file.parent.mkdir(parents=True, exist_ok=True)
    # Written aside and renamed: a run that starts meanwhile sees the whole file or none.
    partial_file = cache_file.with_name(f"{os.getpid()}-{cache_file.name}")
    np.savez(partial_file, images=images, labels=labels)
    partial_file.replace(cache_file)


def read_cache(cache_file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels of a cache file, or say that the file is no good."""
    try:
        with np.load(cache_file, allow_pickle=False) as archive:
            images = archive["images"]
            labels = archive["labels"]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RuntimeError(f"the cache {cache_file} is corrupt ({error}): delete it and run again") from error
    if len(images) != len(labels):
        raise RuntimeError(f"the cache {cache_file} holds {len(images)} images but {len(labels)} labels: delete it and run again")
    return images, labels


def load_arrays(dataset_cfg: DictConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return the normalised images and their labels, preparing them on first use."""
    if dataset_cfg.name != "digits":
        raise ValueError(f"unknown dataset {dataset_cfg.name!r}: only 'digits' is implemented")
    cache_file = cache_path(dataset_cfg)
    if not cache_file.exists():
        write_cache(cache_file, dataset_cfg.normalisation.mean, dataset_cfg.normalisation.std)
    return read_cache(cache_file)


def split_indices(labels: np.ndarray, dataset_cfg: DictConfig) -> dict[str, np.ndarray]:
    """Split the images by class; the same seed gives every method the same three sets."""
    held_out = dataset_cfg.validation_fraction + dataset_cfg.test_fraction
    everything = np.arange(len(labels))
    train, rest = train_test_split(everything, test_size=held_out, stratify=labels, random_state=dataset_cfg.split_seed)
    test_share = dataset_cfg.test_fraction / held_out
    validation, test = train_test_split(rest, test_size=test_share, stratify=labels[rest], random_state=dataset_cfg.split_seed)
    return {"train": train, "validation": validation, "test": test}


class Digits(Dataset):
    """Images of one channel with their labels, as the trainer wants them."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images = torch.from_numpy(images).reshape(-1, 1, 8, 8)
        self.labels = torch.from_numpy(labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"pixel_values": self.images[index], "labels": self.labels[index]}


def build_splits(dataset_cfg: DictConfig, trial_mode: bool) -> dict[str, Digits]:
    """Return the three splits; a trial gets the first batches of each."""
    images, labels = load_arrays(dataset_cfg)
    splits = {}
    for split, indices in split_indices(labels, dataset_cfg).items():
        chosen = indices[: TRIAL_BATCHES * dataset_cfg.batch_size] if trial_mode else indices
        splits[split] = Digits(images[chosen], labels[chosen])
    return splits
