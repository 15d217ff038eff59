"""Which numbers of a config a rehearsal lowers, and where the code has them from."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gonogo.engine.running import CAPS

INJECTED = Path(__file__).parents[2] / "src" / "gonogo" / "execution" / "probe"
sys.path.append(str(INJECTED))

from gonogo_probe import amounts, channel, settings  # noqa: E402


@pytest.fixture(autouse=True)
def lowering(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    said: list[Any] = []
    monkeypatch.setattr(channel, "emit_items", lambda event, name: said.extend(getattr(event, name)))
    monkeypatch.setattr(settings, "caps", list(CAPS.items()))
    monkeypatch.setattr(settings, "tree", str(Path(__file__).parent) + "/")
    amounts.cap.cache_clear()
    yield said
    amounts.cap.cache_clear()


@pytest.mark.parametrize(
    ("name", "most"),
    [
        *[(name, 1) for name in ("epochs", "num_epochs", "max_epochs", "num_train_epochs", "pretrain_epochs", "Epochs", "n_epoch")],
        *[(name, 1) for name in ("n_trials", "num_trials", "max_trials", "n_optuna_trials", "bo_steps")],
        *[(name, 2) for name in ("max_steps", "total_steps", "num_training_steps", "train_steps", "max_train_steps", "update_steps")],
        *[(name, 2) for name in ("num_updates", "ppo_updates", "max_iterations", "max_iters", "num_iterations", "pretraining_steps")],
        *[(name, 16) for name in ("batch_size", "train_batch_size", "per_device_eval_batch_size", "batchsize", "mini_batch_size")],
    ],
)
def test_amounts_of_work_are_lowered(name: str, most: int) -> None:
    assert amounts.lowered(name, 1000) == most
    assert amounts.lowered(name, most) is None
    assert amounts.lowered(name, True) is None and amounts.lowered(name, "1000") is None and amounts.lowered(name, None) is None
    assert type(amounts.lowered(name, 1000.0)) is float


@pytest.mark.parametrize(
    "name",
    [
        *("warmup_steps", "num_warmup_steps", "warmup_epochs", "logging_steps", "eval_steps", "save_steps", "inner_steps", "adapt_steps"),
        *("steps", "num_steps", "timesteps", "num_train_timesteps", "gradient_accumulation_steps", "eval_every_n_epochs", "epoch"),
        *("decay_steps", "max_length", "n_iter", "max_iter", "patience_epochs", "freeze_epochs", "hidden_size", "num_classes", "n_splits"),
    ],
)
def test_other_numbers_stay(name: str) -> None:
    assert amounts.lowered(name, 1000) is None


def test_yaml_that_the_code_loads_is_lowered(lowering: list[Any]) -> None:
    module = SimpleNamespace(load=yaml.load, safe_load=yaml.safe_load)
    amounts._watch_yaml(module)
    text = "training: {epochs: 30, lr: 0.1, stages: [{max_steps: 500}, 7]}\nbatch_size: 8\n"
    assert module.safe_load(text) == {"training": {"epochs": 1, "lr": 0.1, "stages": [{"max_steps": 2}, 7]}, "batch_size": 8}
    assert lowering == [("training.epochs", 30, 1), ("training.stages.0.max_steps", 500, 2)]
    assert module.safe_load("just text") == "just text" and module.safe_load("") is None


def test_yaml_that_a_library_loads_stays(lowering: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "tree", "/experiment/")
    module = SimpleNamespace(safe_load=yaml.safe_load)
    amounts._watch_yaml(module)
    assert module.safe_load("epochs: 30") == {"epochs": 30} and lowering == []


@pytest.mark.parametrize("line", [[], ["--epochs", "50"], ["--epochs=50"]])
def test_options_of_the_command_line_are_lowered(line: list[str], lowering: list[Any]) -> None:
    class Parser(argparse.ArgumentParser):
        pass

    amounts._watch_arguments(SimpleNamespace(ArgumentParser=Parser))  # type: ignore[arg-type]
    parser = Parser()
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--lr", type=float, default=30.0)
    found = parser.parse_args(line)
    assert (found.epochs, found.lr) == (1, 30.0)
    assert len(lowering) == 1


def test_config_that_omegaconf_loads_is_lowered(tmp_path: Path, lowering: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from gonogo_probe.watchers import config
    from omegaconf import OmegaConf

    monkeypatch.setattr(settings, "standins", ())
    (tmp_path / "run.yaml").write_text("training:\n  max_steps: 900\n  name: ${oc.env:HOME}\n  rest: ???\n")
    load = config._lowering_load(OmegaConf.load)
    found = load(tmp_path / "run.yaml")
    assert found.training.max_steps == 2 and OmegaConf.is_missing(found.training, "rest")
    assert lowering == [("training.max_steps", 900, 2)]


_NODES = st.recursive(
    st.integers() | st.text() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["epochs", "lr", "max_steps", "a"]), inner, max_size=4),
)


@pytest.mark.slow
@given(_NODES)
def test_lowering_twice_is_lowering_once(node: Any) -> None:
    amounts.lower(node, "", [])
    changed: list[list[Any]] = []
    amounts.lower(node, "", changed)
    assert changed == []
