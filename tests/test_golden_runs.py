"""The golden experiment is not only clean on paper: it runs, with the real torch, hydra, optuna and wandb client."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
RUNS = sorted(path.stem for path in (GOLDEN / "config" / "run").glob("*.yaml"))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the golden experiment with its own environment, made by uv from its own pyproject.toml."""
    tree = tmp_path_factory.mktemp("golden") / "experiment"
    shutil.copytree(GOLDEN, tree, ignore=shutil.ignore_patterns("__pycache__", ".cache", ".venv"))
    _uv(tree, "sync", "--quiet")
    return tree


def _uv(tree: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")}
    process = subprocess.run(["uv", *arguments], cwd=tree, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    return process.stdout


@pytest.mark.parametrize("run", RUNS)
def test_a_trial_of_each_run_ends_well(installed: Path, run: str) -> None:
    _uv(installed, "run", "python", "-u", "-m", "src.main", f"run={run}", "results_dir=results", "trial_mode=true")


def test_a_full_run_learns(installed: Path) -> None:
    """In full mode, search and all, with W&B offline: the test accuracy is far from the chance level of 10 %."""
    output = _uv(installed, "run", "python", "-u", "-m", "src.main", f"run={RUNS[-1]}", "results_dir=results", "wandb.mode=offline")
    accuracy = float(output.rpartition("test accuracy ")[2].split()[0])
    assert accuracy > 0.9
    assert list((installed / "results").rglob("run-*.wandb"))
