"""One run: small functions that are given single settings rather than the config."""

from pathlib import Path
from typing import Any

import hydra
import optuna
import torch
import wandb
from omegaconf import DictConfig, OmegaConf
from torch import nn
from torch.utils.data import DataLoader

from src.model import accuracy, create
from src.preprocess import make_loaders

SUGGEST = {
    "float": lambda trial, name, space: trial.suggest_float(name, space["low"], space["high"], log=space["log"]),
    "int": lambda trial, name, space: trial.suggest_int(name, space["low"], space["high"], log=space["log"]),
}


def optimizer_of(method: str, model: nn.Module, learning_rate: float, momentum: float) -> torch.optim.Optimizer:
    """Return the optimiser of a method."""
    if method == "momentum":
        return torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=momentum)
    if method == "descent":
        if momentum != 0:
            raise ValueError("plain descent has no momentum")
        return torch.optim.SGD(model.parameters(), lr=learning_rate)
    raise ValueError(f"unknown method {method!r}")


def one_epoch(model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer) -> float:
    """Pass once over the training digits and return the last loss."""
    model.train()
    for images, labels in loader:
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def fit(cfg: DictConfig, found: dict[str, Any], log: bool) -> tuple[nn.Module, dict[str, float], dict[str, DataLoader]]:
    """Train with the configured settings, or those that the search found."""
    training, data = cfg.run.training, cfg.run.dataset
    torch.manual_seed(training.seed)
    batch_size = found.get("batch_size", data.batch_size)
    loaders = make_loaders(data.name, data.cache_dir, data.split_seed, batch_size, cfg.trial_mode)
    model = create(cfg.run.model.name, cfg.run.model.width, cfg.run.model.num_classes)
    optimizer = optimizer_of(cfg.run.method, model, found.get("learning_rate", training.learning_rate), training.momentum)
    scores: dict[str, float] = {}
    for epoch in range(1, (1 if cfg.trial_mode else training.epochs) + 1):
        loss = one_epoch(model, loaders["train"], optimizer)
        right = accuracy(model, list(loaders["val"]))
        scores = {"train_loss": loss, "val_accuracy": sum(right) / len(right)}
        if log:
            wandb.log({"epoch": epoch} | scores)
    return model, scores, loaders


def search(cfg: DictConfig) -> dict[str, Any]:
    """Return the best settings on the validation digits."""

    def objective(trial: optuna.Trial) -> float:
        found = {name: SUGGEST[space["kind"]](trial, name, space) for name, space in cfg.run.optuna.search_space.items()}
        _, scores, _ = fit(cfg, found, log=False)
        return scores[cfg.run.optuna.metric]

    study = optuna.create_study(direction=cfg.run.optuna.direction, sampler=optuna.samplers.TPESampler(seed=cfg.run.training.seed))
    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)
    return study.best_params


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Search, train, test, log."""
    run_dir = Path(cfg.results_dir) / cfg.run.run_id
    run_dir.mkdir(parents=True, exist_ok=True)
    found = search(cfg) if cfg.run.optuna.enabled and not cfg.trial_mode else {}
    run = wandb.init(
        entity=cfg.wandb.entity,
        project=cfg.wandb.project,
        id=cfg.run.run_id,
        mode=cfg.wandb.mode,
        dir=str(run_dir),
        config=OmegaConf.to_container(cfg, resolve=True),
    )
    model, _, loaders = fit(cfg, found, log=True)
    torch.save(model.state_dict(), run_dir / "model.pt")
    right = accuracy(model, list(loaders["test"]))
    wandb.log({"test_accuracy": sum(right) / len(right)})
    run.summary["test_correct"] = "".join("1" if answer else "0" for answer in right)
    run.finish()


if __name__ == "__main__":
    main()
