"""Tests of what experiments/demo.py asks the runs for: of how many images, which source models, which data."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo", EXPERIMENTS / "demo.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def composed(demo: ModuleType, **given: object) -> dict[str, DictConfig]:
    """Return what each run composes to with the demo's overrides, by run id."""
    settings: dict[str, object] = {"full": False, "cifar10c": None, "checkpoint": None, **given}
    names, overrides = demo.chosen(argparse.Namespace(**settings))
    with initialize_config_dir(str(EXPERIMENTS / "cw_tent/config"), version_base="1.3"):
        return {name: compose("config", [f"run={name}", *overrides]) for name in names}


@pytest.mark.slow
def test_demo_is_of_few_images_and_the_full_one_of_all(demo: ModuleType) -> None:
    runs, full = composed(demo), composed(demo, full=True)
    assert {cfg.stream.images for cfg in runs.values()} == {demo.IMAGES} and {cfg.source.seeds for cfg in runs.values()} == {None}
    assert {cfg.stream.images for cfg in full.values()} == {None} and {tuple(cfg.source.seeds) for cfg in full.values()} == {(0, 1, 2)}
    assert {cfg.run.dataset.name for cfg in full.values()} == {"digitsc"} and set(runs) < set(full)


@pytest.mark.slow
def test_cifar10c_takes_the_folder_and_the_checkpoint_that_are_given(demo: ModuleType, tmp_path: Path) -> None:
    data, checkpoint = tmp_path / "CIFAR-10-C, regenerated", tmp_path / "source model.safetensors"
    runs = composed(demo, cifar10c=data, checkpoint=checkpoint)
    assert len({cfg.run.method + str(cfg.run.training.inner_steps) for cfg in runs.values()}) == len(runs) == 7
    assert {cfg.run.dataset.root for cfg in runs.values()} == {str(data)}
    assert {cfg.run.model.pretrained_checkpoint for cfg in runs.values()} == {str(checkpoint)}
    assert {cfg.run.dataset.name for cfg in runs.values()} == {"cifar10c"} and {cfg.stream.images for cfg in runs.values()} == {None}
