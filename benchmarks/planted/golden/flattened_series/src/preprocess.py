"""Windows of a time series, read from `.npy` files that lie in the folder of the dataset."""

from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

SPLITS = ("train", "val", "test")


def read_split(root, split):
    """Return windows (examples, steps) and the value that follows each."""
    inputs_file, targets_file = Path(root) / f"{split}_inputs.npy", Path(root) / f"{split}_targets.npy"
    for file in (inputs_file, targets_file):
        if not file.is_file():
            raise FileNotFoundError(f"{file} is missing: put the arrays of the dataset into {root}")
    inputs = np.load(inputs_file).astype(np.float32)
    targets = np.load(targets_file).astype(np.float32)
    if inputs.ndim != 2 or len(inputs) != len(targets):
        raise ValueError(f"{inputs_file} and {targets_file} do not fit together")
    return torch.from_numpy(inputs), torch.from_numpy(targets)


def build_loaders(dataset, trial_mode):
    """Return one loader for each split; a trial gets two batches of each."""
    if dataset.name != "waves":
        raise ValueError(f"unknown dataset {dataset.name!r}")
    loaders = {}
    for split in SPLITS:
        inputs, targets = read_split(dataset.root, split)
        if trial_mode:
            inputs, targets = inputs[: 2 * dataset.batch_size], targets[: 2 * dataset.batch_size]
        loaders[split] = DataLoader(TensorDataset(inputs, targets), batch_size=dataset.batch_size, shuffle=split == "train")
    return loaders
