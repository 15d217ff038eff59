"""One run from top to bottom: load, search, train, test, log."""

from pathlib import Path

import hydra
import numpy as np
import optuna
import torch
import wandb
from omegaconf import DictConfig, OmegaConf
from torch.nn import functional

from src.model import build_model
from src.preprocess import load_splits


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Everything that makes up a run."""
    run_dir = Path(cfg.results_dir) / cfg.run.run_id
    run_dir.mkdir(parents=True, exist_ok=True)
    training = cfg.run.training
    if training.objective != "cross_entropy":
        raise ValueError(f"unknown objective {training.objective!r}")
    if cfg.run.method not in ("mixup", "erm"):
        raise ValueError(f"unknown method {cfg.run.method!r}")
    if cfg.run.method == "erm" and training.mixup_alpha > 0:
        raise ValueError("plain training takes no mixup")
    data = {split: (torch.from_numpy(x), torch.from_numpy(y)) for split, (x, y) in load_splits(cfg.run.dataset).items()}
    train_x, train_y = data["train"]
    val_x, val_y = data["val"]
    epochs = 1 if cfg.trial_mode else training.epochs

    def fit(learning_rate, log):
        torch.manual_seed(training.seed)
        mixing = np.random.default_rng(training.seed)
        model = build_model(cfg.run.model, train_x.shape[1])
        optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
        val_accuracy = 0.0
        for epoch in range(1, epochs + 1):
            batches = torch.randperm(len(train_x)).split(training.batch_size)
            for batch in batches[:2] if cfg.trial_mode else batches:
                share = float(mixing.beta(training.mixup_alpha, training.mixup_alpha)) if training.mixup_alpha > 0 else 1.0
                partner = batch[torch.randperm(len(batch))]
                logits = model(share * train_x[batch] + (1 - share) * train_x[partner])
                own = functional.cross_entropy(logits, train_y[batch])
                loss = share * own + (1 - share) * functional.cross_entropy(logits, train_y[partner])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            with torch.no_grad():
                val_accuracy = (model(val_x).argmax(dim=1) == val_y).float().mean().item()
            if log:
                wandb.log({"epoch": epoch, "train_loss": loss.item(), "val_accuracy": val_accuracy})
        return model, val_accuracy

    learning_rate = training.learning_rate
    if cfg.run.optuna.enabled and not cfg.trial_mode:
        space = cfg.run.optuna.search_space.learning_rate
        if space.type != "loguniform":
            raise ValueError(f"unknown type {space.type!r}")

        def objective(trial):
            rate = trial.suggest_float("learning_rate", space.low, space.high, log=True)
            _, accuracy = fit(rate, log=False)
            return accuracy

        study = optuna.create_study(direction=cfg.run.optuna.direction, sampler=optuna.samplers.TPESampler(seed=training.seed))
        study.optimize(objective, n_trials=cfg.run.optuna.n_trials)
        learning_rate = study.best_params["learning_rate"]

    run = wandb.init(
        entity=cfg.wandb.entity,
        project=cfg.wandb.project,
        id=cfg.run.run_id,
        mode="disabled" if cfg.trial_mode else cfg.wandb.mode,
        dir=str(run_dir),
        config=OmegaConf.to_container(cfg, resolve=True),
    )
    model, _ = fit(learning_rate, log=True)
    torch.save(model.state_dict(), run_dir / "model.pt")
    test_x, test_y = data["test"]
    with torch.no_grad():
        correct = model(test_x).argmax(dim=1) == test_y
    wandb.log({"test_accuracy": correct.float().mean().item()})
    run.summary["test_correct"] = "".join("1" if right else "0" for right in correct.tolist())
    run.finish()


if __name__ == "__main__":
    main()
