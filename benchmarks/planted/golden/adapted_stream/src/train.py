"""Train the source model once, then predict a stream with the method of the run."""

import copy
from pathlib import Path

import hydra
import optuna
import torch
import wandb
from omegaconf import DictConfig, OmegaConf
from torch.nn import functional

from src.model import build_method, build_source
from src.preprocess import build_source_loader, build_stream

TRIAL_BATCHES = 2


def train_source(cfg, max_batches):
    """Fit the new head and everything below it to clean images."""
    torch.manual_seed(cfg.run.training.seed)
    model = build_source(cfg.run.model, ".cache/timm")
    optimizer = torch.optim.SGD(model.parameters(), lr=cfg.run.training.source_learning_rate, momentum=0.9)
    loader = build_source_loader(cfg.run.dataset, max_batches)
    for epoch in range(1 if cfg.trial_mode else cfg.run.training.source_epochs):
        model.train()
        for images, labels in loader:
            loss = functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"source epoch {epoch}: loss {loss.item():.3f}")
    return model


def predict_stream(cfg, source, split, learning_rate, max_batches, log):
    """Return the list of right answers over a stream that is heard once, in order."""
    method = build_method(cfg.run.method, copy.deepcopy(source), cfg.run.training, learning_rate)
    right = []
    for number, (images, labels) in enumerate(build_stream(cfg.run.dataset, split, max_batches)):
        answers = method.predict(images).argmax(dim=1) == labels
        right.extend(answers.tolist())
        if log:
            wandb.log({"epoch": number, "batch_accuracy": answers.float().mean().item()})
    return right


def search(cfg, source):
    """Return the best learning rate on the held-out stream."""
    space = cfg.run.optuna.search_space.learning_rate

    def objective(trial):
        if space.type != "loguniform":
            raise ValueError(f"unknown type {space.type!r}")
        rate = trial.suggest_float("learning_rate", space.low, space.high, log=True)
        heard = predict_stream(cfg, source, "val", rate, None, log=False)
        return sum(heard) / len(heard)

    study = optuna.create_study(direction=cfg.run.optuna.direction, sampler=optuna.samplers.TPESampler(seed=cfg.run.training.seed))
    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)
    return study.best_params["learning_rate"]


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """The whole run."""
    if cfg.run.training.stream_mode != "sequential":
        raise ValueError("only sequential streams are implemented")
    run_dir = Path(cfg.results_dir) / cfg.run.run_id
    run_dir.mkdir(parents=True, exist_ok=True)
    max_batches = TRIAL_BATCHES if cfg.trial_mode else None
    source = train_source(cfg, max_batches)
    learning_rate = cfg.run.training.learning_rate
    if cfg.run.optuna.enabled and not cfg.trial_mode:
        learning_rate = search(cfg, source)
    run = wandb.init(
        entity=cfg.wandb.entity,
        project=cfg.wandb.project,
        id=cfg.run.run_id,
        mode="disabled" if cfg.trial_mode else cfg.wandb.mode,
        dir=str(run_dir),
        config=OmegaConf.to_container(cfg, resolve=True),
    )
    right = predict_stream(cfg, source, "test", learning_rate, max_batches, log=True)
    wandb.log({"test_accuracy": sum(right) / len(right)})
    run.summary["test_correct"] = "".join("1" if answer else "0" for answer in right)
    run.finish()


if __name__ == "__main__":
    main()
