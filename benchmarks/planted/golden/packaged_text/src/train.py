"""Train one run of the text classifier."""

from pathlib import Path

import hydra
import optuna
import torch
import wandb
from omegaconf import DictConfig, OmegaConf
from torch.nn import functional

from src.model import build_model
from src.preprocess import build_loaders


def accuracy_of(model, loader):
    """Return the list of right answers of a split."""
    model.eval()
    right = []
    with torch.no_grad():
        for words, offsets, labels in loader:
            right.extend((model(words, offsets).argmax(dim=1) == labels).tolist())
    return right


def fit(cfg, loaders, learning_rate, momentum, log):
    """Train with these settings and return the model and its last validation accuracy."""
    torch.manual_seed(cfg.training.seed)
    model = build_model(cfg.method, cfg.model)
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=momentum)
    val_accuracy = 0.0
    for epoch in range(cfg.training.epochs):
        model.train()
        for words, offsets, labels in loaders["train"]:
            loss = functional.cross_entropy(model(words, offsets), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        right = accuracy_of(model, loaders["val"])
        val_accuracy = sum(right) / len(right)
        if log:
            wandb.log({"epoch": epoch, "train_loss": loss.item(), "val_accuracy": val_accuracy})
    return model, val_accuracy


def search(cfg, loaders):
    """Return the best learning rate and momentum."""
    space = cfg.optuna.search_space

    def objective(trial):
        rate = trial.suggest_float("learning_rate", space.learning_rate.low, space.learning_rate.high, log=space.learning_rate.type == "loguniform")
        if space.momentum.type != "categorical":
            raise ValueError("the momentum is searched among choices")
        momentum = trial.suggest_categorical("momentum", list(space.momentum.choices))
        _, val_accuracy = fit(cfg, loaders, rate, momentum, log=False)
        return val_accuracy

    study = optuna.create_study(direction=cfg.optuna.direction, sampler=optuna.samplers.RandomSampler(seed=cfg.training.seed))
    study.optimize(objective, n_trials=cfg.optuna.n_trials)
    return study.best_trial.params


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Load, search, train, test, log."""
    run_dir = Path(cfg.results_dir) / cfg.run_id
    run_dir.mkdir(parents=True, exist_ok=True)
    loaders = build_loaders(cfg.dataset, cfg.model.buckets, cfg.training.seed, cfg.trial_mode)
    best = {"learning_rate": cfg.training.learning_rate, "momentum": cfg.training.momentum}
    if cfg.optuna.enabled:
        best.update(search(cfg, loaders))
    run = wandb.init(
        entity=cfg.wandb.entity,
        project=cfg.wandb.project,
        id=cfg.run_id,
        mode=cfg.wandb.mode,
        dir=str(run_dir),
        config=OmegaConf.to_container(cfg, resolve=True),
    )
    model, _ = fit(cfg, loaders, best["learning_rate"], best["momentum"], log=True)
    right = accuracy_of(model, loaders["test"])
    wandb.log({"test_accuracy": sum(right) / len(right)})
    run.summary["test_correct"] = "".join("1" if answer else "0" for answer in right)
    torch.save(model.state_dict(), run_dir / "model.pt")
    run.finish()


if __name__ == "__main__":
    main()
