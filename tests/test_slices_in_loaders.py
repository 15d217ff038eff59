"""LEK101 where the slices that are learned from and scored on go straight into data sets and loaders."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer

PROGRAM = """import pandas as pd
import torch
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, Dataset, TensorDataset


class Windows(Dataset):
    def __init__(self, series, width=24):
        self.series, self.width = torch.as_tensor(series, dtype=torch.float32), width

    def __len__(self):
        return len(self.series) - self.width

    def __getitem__(self, i):
        return self.series[i : i + self.width]


def make(size=32):
    table = pd.read_csv("rows.csv")
    {fit}
    cut = int(0.8 * len(values))
    {split}


make()
"""
ALL = "values = StandardScaler().fit_transform(table.values)"
FIRST = "scaler = StandardScaler().fit(table.values[: int(0.8 * len(table))])\n    values = scaler.transform(table.values)"
SPLITS = {
    "loaders": "train = DataLoader(Windows(values[:cut]), size)\n    test = DataLoader(Windows(values[cut:]), size)\n    return train, test",
    "one line": "train_loader, test_loader = DataLoader(Windows(values[:cut])), DataLoader(Windows(values[cut:]))\n    return train_loader, test_loader",
    "a dict": 'return {"train": DataLoader(Windows(values[:cut]), size), "test": DataLoader(Windows(values[cut:]), size)}',
    "entries of a dict": 'loaders = {}\n    loaders["train"] = DataLoader(Windows(values[:cut]))\n    loaders["test"] = DataLoader(Windows(values[cut:]))\n    return loaders',
    "names of arguments": "train = DataLoader(dataset=Windows(series=values[:cut]), batch_size=size)\n    test = DataLoader(dataset=Windows(series=values[cut:]))\n    return train, test",
    "data sets in a dict": 'parts = {"train": Windows(values[:cut]), "test": Windows(values[cut:])}\n    return {name: DataLoader(part, size) for name, part in parts.items()}',
    "tensors": "train = DataLoader(TensorDataset(torch.tensor(values[:cut])))\n    test = DataLoader(TensorDataset(torch.tensor(values[cut:])))\n    return train, test",
    "validation alone": "train = DataLoader(Windows(values[:cut]), size)\n    val = DataLoader(Windows(values[cut:]), size)\n    return train, val",
}  # fmt: skip


@pytest.mark.parametrize("name", SPLITS)
def test_a_scaler_that_saw_what_the_other_loader_gives_is_found(name: str, composer: Composer) -> None:
    found = run_rules(composer, {"train.py": PROGRAM.format(fit=ALL, split=SPLITS[name])}, "LEK101")
    assert [each.location.line for each in found] == [20]


@pytest.mark.parametrize("name", SPLITS)
def test_a_scaler_of_the_first_rows_alone_is_right(name: str, composer: Composer) -> None:
    assert run_rules(composer, {"train.py": PROGRAM.format(fit=FIRST, split=SPLITS[name])}, "LEK101") == []
