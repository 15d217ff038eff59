"""Train one run: search its settings on the validation split, train once more with the best, test once, log to W&B."""

from pathlib import Path

import hydra
import lightning
import optuna
import torch
import wandb
from omegaconf import DictConfig, OmegaConf
from sklearn.metrics import confusion_matrix
from torch import nn
from torch.utils.data import DataLoader

from src.model import Classifier, score
from src.preprocess import build_loaders


def optimizer_settings(cfg: DictConfig, found: dict[str, float]) -> dict[str, float]:
    """Return the run's optimiser settings, with those the search found in place of the configured ones."""
    settings = {
        "learning_rate": cfg.run.training.learning_rate,
        "momentum": cfg.run.training.momentum,
        "weight_decay": cfg.run.training.weight_decay,
    }
    unknown = sorted(set(found) - set(settings))
    if unknown:
        raise ValueError(f"search_space names what is no optimiser setting: {unknown}")
    return settings | found


@torch.no_grad()
def predict(model: nn.Module, loader: DataLoader) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits and the labels of a whole split."""
    model.eval()
    batches = [(model(images), labels) for images, labels in loader]
    all_logits = torch.cat([batch_logits for batch_logits, _ in batches])
    all_labels = torch.cat([batch_labels for _, batch_labels in batches])
    return all_logits, all_labels


def fit(cfg: DictConfig, found: dict[str, float], log_to_wandb: bool) -> tuple[nn.Module, dict[str, float]]:
    """Train from scratch and return the network with its last validation scores; search trials do not log."""
    lightning.seed_everything(cfg.run.training.seed)
    loaders = build_loaders(cfg.run.dataset, cfg.trial_mode)
    module = Classifier(cfg.run, optimizer_settings(cfg, found), log_to_wandb)
    trainer = lightning.Trainer(
        max_epochs=1 if cfg.trial_mode else cfg.run.training.epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, loaders["train"], loaders["validation"])
    return module.network, module.scores


def suggest(trial: optuna.Trial, name: str, space: DictConfig) -> float | int | str:
    """Translate one entry of the search space into Optuna's call for it."""
    if space.type == "loguniform":
        return trial.suggest_float(name, space.low, space.high, log=True)
    if space.type == "uniform":
        return trial.suggest_float(name, space.low, space.high)
    if space.type == "int":
        return trial.suggest_int(name, space.low, space.high)
    if space.type == "categorical":
        return trial.suggest_categorical(name, list(space.choices))
    raise ValueError(f"search_space.{name}: unknown type {space.type!r}")


def search(cfg: DictConfig) -> dict[str, float]:
    """Return the best settings that Optuna finds on the validation split; the test split is never read here."""

    def objective(trial: optuna.Trial) -> float:
        suggested = {name: suggest(trial, name, space) for name, space in cfg.run.optuna.search_space.items()}
        _, scores = fit(cfg, suggested, log_to_wandb=False)
        return scores[cfg.run.optuna.metric]

    sampler = optuna.samplers.TPESampler(seed=cfg.run.training.seed)
    study = optuna.create_study(direction=cfg.run.optuna.direction, sampler=sampler)
    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)
    return study.best_params


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Search, train, test and log the selected run."""
    run_dir = Path(cfg.results_dir) / cfg.run.run_id
    run_dir.mkdir(parents=True, exist_ok=True)
    found = search(cfg) if cfg.run.optuna.enabled and not cfg.trial_mode else {}
    run = wandb.init(
        entity=cfg.wandb.entity,
        project=cfg.wandb.project,
        id=cfg.run.run_id,
        resume="allow",
        mode="disabled" if cfg.trial_mode else cfg.wandb.mode,
        dir=run_dir,
        config=OmegaConf.to_container(cfg, resolve=True),
    )
    run.config.update({"optimizer_settings": optimizer_settings(cfg, found)}, allow_val_change=True)
    model, _ = fit(cfg, found, log_to_wandb=True)
    torch.save(model.state_dict(), run_dir / "model.pt")
    test_loader = build_loaders(cfg.run.dataset, cfg.trial_mode)["test"]
    logits, labels = predict(model, test_loader)
    test_accuracy, test_loss = score(logits, labels)
    wandb.log({"test_accuracy": test_accuracy, "test_loss": test_loss})
    predicted = logits.argmax(dim=1)
    counts = confusion_matrix(labels.numpy(), predicted.numpy(), labels=list(range(cfg.run.model.num_classes)))
    run.summary["confusion_matrix"] = counts.tolist()
    # One character per test image: the paired test of the comparison needs to know which images were right.
    run.summary["test_correct"] = "".join("1" if right else "0" for right in (predicted == labels).tolist())
    run.finish()
    print(f"{cfg.run.run_id}: test accuracy {test_accuracy:.4f}")


if __name__ == "__main__":
    main()
