"""Train one regressor; the sections of the run become dataclasses, so that a key too many is an error."""

from dataclasses import dataclass, replace
from pathlib import Path

import hydra
import optuna
import torch
import wandb
from omegaconf import DictConfig, OmegaConf

from src.model import Regressor, build_loss
from src.preprocess import DataSettings, load_tensors


@dataclass(frozen=True)
class TrainingSettings:
    """The section `training` of a run."""

    loss: str
    delta: float
    epochs: int
    learning_rate: float
    weight_decay: float
    seed: int


@dataclass(frozen=True)
class ModelSettings:
    """The section `model` of a run."""

    hidden: int
    depth: int


def errors_of(model, inputs, values):
    """Return the absolute error of every example."""
    model.eval()
    with torch.no_grad():
        return (model(inputs) - values).abs()


def fit(tensors, data, architecture, settings, trial_mode, log):
    """Train from scratch and return the model and its last validation error."""
    torch.manual_seed(settings.seed)
    inputs, values = tensors["train"]
    model = Regressor(inputs.shape[1], architecture.hidden, architecture.depth)
    criterion = build_loss(settings.loss, settings.delta)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    val_error = float("inf")
    for epoch in range(1 if trial_mode else settings.epochs):
        model.train()
        for number, rows in enumerate(torch.randperm(len(inputs)).split(data.batch_size)):
            if trial_mode and number == 2:
                break
            loss = criterion(model(inputs[rows]), values[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        val_error = errors_of(model, *tensors["val"]).mean().item()
        if log:
            wandb.log({"epoch": epoch, "train_loss": loss.item(), "val_error": val_error})
    return model, val_error


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """The whole run."""
    data = DataSettings(**OmegaConf.to_container(cfg.run.dataset, resolve=True))
    architecture = ModelSettings(**OmegaConf.to_container(cfg.run.model, resolve=True))
    settings = TrainingSettings(**OmegaConf.to_container(cfg.run.training, resolve=True))
    if cfg.run.method != settings.loss:
        raise ValueError("the method of these runs is their loss")
    run_dir = Path(cfg.results_dir) / cfg.run.run_id
    run_dir.mkdir(parents=True, exist_ok=True)
    tensors = load_tensors(data, settings.seed)
    if cfg.run.optuna.enabled and not cfg.trial_mode:
        space = cfg.run.optuna.search_space.learning_rate

        def objective(trial: optuna.Trial) -> float:
            rate = trial.suggest_float("learning_rate", space.low, space.high, log=True)
            return fit(tensors, data, architecture, replace(settings, learning_rate=rate), False, log=False)[1]

        study = optuna.create_study(direction=cfg.run.optuna.direction, sampler=optuna.samplers.TPESampler(seed=settings.seed))
        study.optimize(objective, n_trials=cfg.run.optuna.n_trials)
        settings = replace(settings, learning_rate=study.best_params["learning_rate"])
    run = wandb.init(
        entity=cfg.wandb.entity,
        project=cfg.wandb.project,
        id=cfg.run.run_id,
        mode=cfg.wandb.mode,
        dir=str(run_dir),
        config=OmegaConf.to_container(cfg, resolve=True),
    )
    model, _ = fit(tensors, data, architecture, settings, cfg.trial_mode, log=True)
    errors = errors_of(model, *tensors["test"])
    wandb.log({"test_error": errors.mean().item()})
    run.summary["test_errors"] = errors[:500].tolist()
    torch.save(model.state_dict(), run_dir / "model.pt")
    run.finish()


if __name__ == "__main__":
    main()
