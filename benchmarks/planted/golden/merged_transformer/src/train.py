"""Fine-tune the language model; the run is merged into the top level of the config first."""

from pathlib import Path

import hydra
import optuna
import torch
import wandb
from omegaconf import DictConfig, OmegaConf

from src.model import build_model, build_objective
from src.preprocess import build_loaders


def lifted(cfg):
    """Return a config that has the keys of the run beside the shared ones."""
    OmegaConf.set_struct(cfg, False)
    return OmegaConf.merge(cfg, cfg.run)


@torch.no_grad()
def right_answers(model, loader):
    """Return for every example of a split whether its answer is right."""
    model.eval()
    right = []
    for batch, labels in loader:
        right.extend((model(**batch).logits.argmax(dim=1) == labels).tolist())
    return right


def fit(cfg, loaders, learning_rate, log):
    """Fine-tune from the checkpoint and return the model and its scores."""
    torch.manual_seed(cfg.training.seed)
    model = build_model(cfg.model)
    objective = build_objective(cfg.method, cfg.training)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    scores = {}
    epochs = cfg.training.epochs if not cfg.trial_mode else 1
    for epoch in range(epochs):
        model.train()
        for batch, labels in loaders["train"]:
            loss = objective(model(**batch).logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        right = right_answers(model, loaders["val"])
        scores = {"val_accuracy": sum(right) / len(right)}
        if log:
            wandb.log({"epoch": epoch, "train_loss": loss.item(), **scores})
    return model, scores


class Objective:
    """Scores a learning rate on the validation texts."""

    def __init__(self, cfg, loaders):
        self.cfg = cfg
        self.loaders = loaders

    def __call__(self, trial):
        space = self.cfg.optuna.search_space.learning_rate
        if space.type != "categorical":
            raise ValueError(f"unknown type {space.type!r}")
        rate = trial.suggest_categorical("learning_rate", list(space.choices))
        return fit(self.cfg, self.loaders, rate, log=False)[1][self.cfg.optuna.metric]


def run_training(cfg: DictConfig) -> None:
    """The whole run."""
    cfg = lifted(cfg)
    run_dir = Path(cfg.results_dir) / cfg.run_id
    run_dir.mkdir(parents=True, exist_ok=True)
    loaders = build_loaders(cfg.dataset, cfg.model, cfg.trial_mode)
    learning_rate = cfg.training.learning_rate
    if cfg.optuna.enabled and not cfg.trial_mode:
        study = optuna.create_study(direction=cfg.optuna.direction, sampler=optuna.samplers.TPESampler(seed=cfg.training.seed))
        study.optimize(Objective(cfg, loaders), n_trials=cfg.optuna.n_trials)
        learning_rate = study.best_params["learning_rate"]
    run = wandb.init(
        entity=cfg.wandb.entity,
        project=cfg.wandb.project,
        id=cfg.run_id,
        mode="disabled" if cfg.trial_mode else cfg.wandb.mode,
        dir=str(run_dir),
        config=OmegaConf.to_container(cfg, resolve=True),
    )
    model, _ = fit(cfg, loaders, learning_rate, log=True)
    right = right_answers(model, loaders["test"])
    wandb.log({"test_accuracy": sum(right) / len(right)})
    run.summary["test_correct"] = "".join("1" if answer else "0" for answer in right)
    model.save_pretrained(run_dir / "model")
    run.finish()


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Train without `src.main`."""
    run_training(cfg)


if __name__ == "__main__":
    main()
