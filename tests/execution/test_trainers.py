"""A rehearsal bounds trainers that have loops of their own: transformers.Trainer, Lightning and Ignite, the real ones, in the sandbox."""

from __future__ import annotations

import pytest

from gonogo.engine.running import CUTS
from gonogo.execution.environment import Environment, prepare
from gonogo.execution.observations import RunSeen
from gonogo.execution.session import carry_out
from gonogo.execution.session_plan import Session
from gonogo.model import contract as contracts
from gonogo.model import plan as plans
from gonogo.model.errors import StageError
from gonogo.model.experiment import Experiment, SourceFile
from gonogo.model.options import ExecutionOptions
from gonogo.model.runs import collect_runs

pytestmark = pytest.mark.slow
PYPROJECT = """\
[project]
name = "trainers"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["torch>=2.4", "hydra-core>=1.3", "transformers>=4.44", "accelerate>=0.34", "lightning>=2.4",
    "pytorch-ignite>=0.5"]
[tool.uv]
package = false
"""
MAIN = """\
import hydra
import torch
from torch import nn


class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 4000

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        return {"x": torch.randn(8, generator=generator), "labels": torch.tensor(index % 3)}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 3)

    def forward(self, x, labels=None):
        logits = self.layer(x)
        loss = nn.functional.cross_entropy(logits, labels) if labels is not None else None
        return {"loss": loss, "logits": logits}


def with_trainer(cfg):
    from transformers import Trainer, TrainingArguments

    arguments = TrainingArguments(cfg.results_dir, num_train_epochs=50, per_device_train_batch_size=4, report_to=[], use_cpu=True, save_strategy="no")
    trainer = Trainer(model=Net(), args=arguments, train_dataset=Rows(), eval_dataset=Rows())
    trainer.train()
    print("evaluated", trainer.evaluate()["eval_loss"] > 0)


def with_lightning(cfg):
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = Net()

        def training_step(self, batch, _):
            return self.net(**batch)["loss"]

        def validation_step(self, batch, _):
            self.log("val_loss", self.net(**batch)["loss"])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    loader = torch.utils.data.DataLoader(Rows(), batch_size=4)
    trainer = lightning.Trainer(max_epochs=50, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.fit(Module(), loader, torch.utils.data.DataLoader(Rows(), batch_size=4))


def with_ignite(cfg):
    from ignite.engine import Engine, Events

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def learn(engine, batch):
        optimizer.zero_grad()
        loss = net(**batch)["loss"]
        loss.backward()
        optimizer.step()
        return loss.item()

    batches = list(torch.utils.data.DataLoader(Rows(), batch_size=400))
    trainer = Engine(learn)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: print("epoch", engine.state.epoch))
    trainer.run(batches, max_epochs=50)


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg):
    {"trainer": with_trainer, "lightning": with_lightning, "ignite": with_ignite}[cfg.run.run_id](cfg)


if __name__ == "__main__":
    main()
"""
FILES = {
    "pyproject.toml": PYPROJECT,
    "src/main.py": MAIN,
    "config/config.yaml": "defaults:\n  - _self_\n  - run: ???\ntrial_mode: false\nresults_dir: results\n",
    "config/run/trainer.yaml": "run_id: trainer\n",
    "config/run/lightning.yaml": "run_id: lightning\n",
    "config/run/ignite.yaml": "run_id: ignite\n",
}


@pytest.fixture(scope="module")
def seen() -> dict[str, RunSeen]:
    """What was seen of both, rehearsed without any change to their config."""
    try:
        environment = prepare({"pyproject.toml": PYPROJECT})
    except StageError as error:
        pytest.skip(f"the environment can't be made here: {error}")
    assert isinstance(environment, Environment)
    contract = contracts.load("trial-mode")
    plan = plans.parse("runs: [{run_id: trainer}, {run_id: lightning}, {run_id: ignite}]", "plan.yaml")
    experiment = Experiment("trainers", {path: SourceFile(path, text) for path, text in FILES.items()}, plan)
    stage = Session("rehearsal", contract.commands["full"], CUTS)
    session = carry_out(
        stage, experiment, collect_runs(experiment, contract), contract, environment.interpreter, ExecutionOptions(run_timeout=150)
    )
    assert session.problem == ""
    return session.runs


@pytest.mark.parametrize("name", ["trainer", "lightning", "ignite"])
def test_two_batches_of_one_epoch_are_trained(seen: dict[str, RunSeen], name: str) -> None:
    run = seen[name]
    assert run.ok, run.last_lines()
    assert 1 <= run.total("steps") <= 2
    assert all(max(loader.batches) <= 2 for process in run.processes.values() for loader in process.loaders.values() if loader.batches)
    (optimizer,) = [each for process in run.processes.values() for each in process.optimizers.values() if each.steps]
    assert {kind for _, kind in optimizer.changed} == {"Linear.weight", "Linear.bias"}
    bounded = {key.rpartition(".")[2] for process in run.processes.values() for key in process.bounded}
    assert bounded & {"num_train_epochs", "max_epochs"}
