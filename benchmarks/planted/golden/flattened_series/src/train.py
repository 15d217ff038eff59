"""Train one forecaster; the run's sections become sections of the config itself first."""

import sys
from pathlib import Path

import hydra
import optuna
import torch
import wandb
from omegaconf import DictConfig, OmegaConf, open_dict
from torch import nn

from src.model import build_model
from src.preprocess import build_loaders


def flatten(cfg: DictConfig) -> None:
    """Lift the sections of the run to the top level."""
    with open_dict(cfg):
        for key in ["run_id", "method", "model", "dataset", "training", "optuna"]:
            cfg[key] = cfg.run[key]


def build_loss(objective):
    """Return the loss that the run names."""
    if objective == "mean_squared_error":
        return nn.MSELoss()
    raise ValueError(f"unknown objective {objective!r}")


@torch.no_grad()
def absolute_errors(model, loader):
    """Return the absolute error of every window."""
    model.eval()
    return [error for inputs, targets in loader for error in (model(inputs) - targets).abs().tolist()]


def fit(cfg, loaders, settings, log):
    """Train from scratch and return the model and its last validation error."""
    torch.manual_seed(cfg.training.seed)
    model = build_model(cfg.method, cfg.model)
    loss_of = build_loss(cfg.training.objective)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"])
    epochs = 1 if cfg.trial_mode else cfg.training.epochs
    val_error = float("inf")
    for epoch in range(1, epochs + 1):
        model.train()
        for inputs, targets in loaders["train"]:
            optimizer.zero_grad()
            loss = loss_of(model(inputs), targets)
            loss.backward()
            optimizer.step()
        errors = absolute_errors(model, loaders["val"])
        val_error = sum(errors) / len(errors)
        if log:
            wandb.log({"epoch": epoch, "train_loss": loss.item(), "val_error": val_error})
    return model, val_error


def search(cfg, loaders):
    """Ask for settings and tell how they did, as often as the run says."""
    ranges = {
        name: optuna.distributions.FloatDistribution(space.low, space.high, log=space.log)
        for name, space in cfg.optuna.search_space.items()
    }
    study = optuna.create_study(direction=cfg.optuna.direction, sampler=optuna.samplers.TPESampler(seed=cfg.training.seed))
    for _ in range(cfg.optuna.n_trials):
        trial = study.ask(ranges)
        _, val_error = fit(cfg, loaders, trial.params, log=False)
        study.tell(trial, val_error)
    return study.best_params


def work(cfg: DictConfig) -> None:
    """The whole run."""
    flatten(cfg)
    run_dir = Path(cfg.results_dir) / cfg.run_id
    run_dir.mkdir(parents=True, exist_ok=True)
    loaders = build_loaders(cfg.dataset, cfg.trial_mode)
    settings = {"learning_rate": cfg.training.learning_rate, "weight_decay": cfg.training.weight_decay}
    if cfg.optuna.enabled and not cfg.trial_mode:
        settings |= search(cfg, loaders)
    run = wandb.init(
        entity=cfg.wandb.entity,
        project=cfg.wandb.project,
        id=cfg.run_id,
        mode="disabled" if cfg.trial_mode else cfg.wandb.mode,
        dir=str(run_dir),
        config=OmegaConf.to_container(cfg, resolve=True),
    )
    model, _ = fit(cfg, loaders, settings, log=True)
    errors = absolute_errors(model, loaders["test"])
    wandb.log({"test_error": sum(errors) / len(errors)})
    run.summary["test_errors"] = errors
    torch.save(model.state_dict(), run_dir / "model.pt")
    run.finish()
    print(f"finished {cfg.run_id}", file=sys.stderr)


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Train without `src.main`."""
    work(cfg)


if __name__ == "__main__":
    main()
