"""Tests of the reference experiment, experiments/cw_tent. They need what it needs, torch above all, and skip where that is not installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

EXPERIMENT = Path(__file__).resolve().parents[2] / "experiments" / "cw_tent"
# The experiment imports its modules as `src.…`, from its own folder; `src` has no __init__.py, by contract.
sys.path.insert(0, str(EXPERIMENT))

TORCH = importlib.util.find_spec("torch") is not None


class WithoutTorch(pytest.Module):
    """A test file that is not even imported."""

    def collect(self) -> Iterator[pytest.Item]:
        pytest.skip("torch is not installed: these tests need the environment of experiments/cw_tent", allow_module_level=True)


# pytest.importorskip here would be an error, not a skip, where a file of this folder is named on the command line.
def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    return None if TORCH else WithoutTorch.from_parent(parent, path=module_path)


if TORCH:
    import torch

    torch.set_num_threads(1)  # the tests are small, and machines that run them are busy
