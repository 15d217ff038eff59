"""California's house values from scikit-learn, standardised by the training part."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import fetch_california_housing
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


@dataclass(frozen=True)
class DataSettings:
    """The section `dataset` of a run."""

    name: str
    data_home: str
    test_share: float
    batch_size: int


def load_tensors(settings: DataSettings, seed: int):
    """Return {part: (features, values)}; the scaler knows the training part only."""
    if settings.name != "california_housing":
        raise ValueError(f"unknown dataset {settings.name!r}")
    table = fetch_california_housing(data_home=settings.data_home)
    rest_x, test_x, rest_y, test_y = train_test_split(table.data, table.target, test_size=settings.test_share, random_state=seed)
    train_x, val_x, train_y, val_y = train_test_split(rest_x, rest_y, test_size=settings.test_share, random_state=seed)
    scaler = StandardScaler().fit(train_x)
    parts = {"train": (train_x, train_y), "val": (val_x, val_y), "test": (test_x, test_y)}
    return {
        part: (torch.from_numpy(scaler.transform(x).astype(np.float32)), torch.from_numpy(y.astype(np.float32)))
        for part, (x, y) in parts.items()
    }
