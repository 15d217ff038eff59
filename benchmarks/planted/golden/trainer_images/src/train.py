"""The trainer: one object holds everything of a run."""

from pathlib import Path

import hydra
import optuna
import torch
import wandb
from omegaconf import OmegaConf
from torch import nn

from src.model import build_model, build_optimizer
from src.preprocess import build_loaders

TRIAL_BATCHES = 2


class Trainer:
    """Searches, trains, tests and logs one run."""

    def __init__(self, cfg):
        self.root = cfg
        self.cfg = cfg.run
        self.trial_mode = cfg.trial_mode
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.criterion = nn.CrossEntropyLoss()
        self.run_dir = Path(cfg.results_dir) / self.cfg.run_id
        self.run_dir.mkdir(parents=True, exist_ok=True)
        max_batches = TRIAL_BATCHES if self.trial_mode else None
        self.loaders = build_loaders(self.cfg.dataset, self.cfg.training.seed, max_batches)
        if self.cfg.method != self.cfg.training.optimizer:
            raise ValueError("the method of these runs is their optimizer")

    def settings(self, found):
        """The configured settings with those that the search found in their place."""
        configured = {"learning_rate": self.cfg.training.learning_rate, "weight_decay": self.cfg.training.weight_decay}
        return {**configured, **found}

    def train_epoch(self, model, optimizer):
        """Pass once over the training images."""
        model.train()
        total, seen = 0.0, 0
        for images, labels in self.loaders["train"]:
            images, labels = images.to(self.device), labels.to(self.device)
            optimizer.zero_grad()
            loss = self.criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
            seen += len(labels)
        return total / seen

    @torch.no_grad()
    def assess(self, model, split):
        """Return mean loss and the list of right answers of a split."""
        model.eval()
        total, right = 0.0, []
        for images, labels in self.loaders[split]:
            images, labels = images.to(self.device), labels.to(self.device)
            logits = model(images)
            total += self.criterion(logits, labels).item() * len(labels)
            right.extend((logits.argmax(dim=1) == labels).tolist())
        return total / len(right), right

    def fit(self, found, log):
        """Train from scratch; the scores are those after the last epoch."""
        torch.manual_seed(self.cfg.training.seed)
        model = build_model(self.cfg.model).to(self.device)
        optimizer = build_optimizer(self.cfg.training.optimizer, model, self.settings(found))
        epochs = 1 if self.trial_mode else self.cfg.training.epochs
        scores = {}
        for epoch in range(1, epochs + 1):
            train_loss = self.train_epoch(model, optimizer)
            val_loss, right = self.assess(model, "val")
            scores = {"val_loss": val_loss, "val_accuracy": sum(right) / len(right)}
            if log:
                wandb.log({"epoch": epoch, "train_loss": train_loss, **scores})
        return model, scores

    def objective(self, trial):
        """Score one sample of the search space on the validation images."""
        found = {}
        for name, space in self.cfg.optuna.search_space.items():
            if space.type == "loguniform":
                found[name] = trial.suggest_float(name, space.low, space.high, log=True)
            elif space.type == "uniform":
                found[name] = trial.suggest_float(name, space.low, space.high)
            else:
                raise ValueError(f"{name}: unknown type {space.type!r}")
        _, scores = self.fit(found, log=False)
        return scores[self.cfg.optuna.metric]

    def search(self):
        """Return the best settings of the search."""
        sampler = optuna.samplers.TPESampler(seed=self.cfg.training.seed)
        study = optuna.create_study(direction=self.cfg.optuna.direction, sampler=sampler)
        study.optimize(self.objective, n_trials=self.cfg.optuna.n_trials)
        return study.best_params

    def run(self):
        """The whole run."""
        found = self.search() if self.cfg.optuna.enabled and not self.trial_mode else {}
        run = wandb.init(
            entity=self.root.wandb.entity,
            project=self.root.wandb.project,
            id=self.cfg.run_id,
            mode="disabled" if self.trial_mode else self.root.wandb.mode,
            dir=str(self.run_dir),
            config=OmegaConf.to_container(self.root, resolve=True),
        )
        model, _ = self.fit(found, log=True)
        torch.save(model.state_dict(), self.run_dir / "model.pt")
        test_loss, right = self.assess(model, "test")
        wandb.log({"test_loss": test_loss, "test_accuracy": sum(right) / len(right)})
        run.summary["test_correct"] = "".join("1" if answer else "0" for answer in right)
        run.finish()


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg):
    """Train without `src.main`, for work on this file."""
    Trainer(cfg).run()


if __name__ == "__main__":
    main()
