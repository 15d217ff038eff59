"""Train one run: search its settings on the validation split, train once more with the best, test once, log to W&B."""

from pathlib import Path

import hydra
import optuna
import torch
import wandb
from omegaconf import DictConfig, OmegaConf
from sklearn.metrics import confusion_matrix
from transformers import EvalPrediction, Trainer, TrainerCallback, TrainingArguments, set_seed

from src.model import build_model, score, smoothing_of
from src.preprocess import build_splits


def optimizer_settings(cfg: DictConfig, found: dict[str, float]) -> dict[str, float]:
    """Return the run's optimiser settings, with those the search found in place of the configured ones."""
    settings = {
        "learning_rate": cfg.run.training.learning_rate,
        "weight_decay": cfg.run.training.weight_decay,
    }
    unknown = sorted(set(found) - set(settings))
    if unknown:
        raise ValueError(f"search_space names what is no optimiser setting: {unknown}")
    return settings | found


def settings_of(cfg: DictConfig, found: dict[str, float]) -> TrainingArguments:
    """Return the trainer's arguments for a run."""
    settings = optimizer_settings(cfg, found)
    return TrainingArguments(
        output_dir=str(Path(cfg.results_dir) / cfg.run.run_id / "trainer"),
        num_train_epochs=1 if cfg.trial_mode else cfg.run.training.epochs,
        learning_rate=settings["learning_rate"],
        weight_decay=settings["weight_decay"],
        label_smoothing_factor=smoothing_of(cfg.run.method, cfg.run.training),
        per_device_train_batch_size=cfg.run.dataset.batch_size,
        per_device_eval_batch_size=cfg.run.dataset.batch_size,
        seed=cfg.run.training.seed,
        eval_strategy="epoch",
        logging_strategy="epoch",
        save_strategy="no",
        report_to=[],
        use_cpu=True,
    )


def measure(prediction: EvalPrediction) -> dict[str, float]:
    """Return the accuracy over a split."""
    return {"accuracy": float((prediction.predictions.argmax(axis=1) == prediction.label_ids).mean())}


class LogToWandb(TrainerCallback):
    """Log the scores of every epoch as one row."""

    def __init__(self) -> None:
        self.train_loss = float("inf")

    def on_log(self, args, state, control, logs=None, **_) -> None:
        """Keep the training loss until the validation scores are there."""
        if "loss" in logs:
            self.train_loss = logs["loss"]
        if "eval_loss" in logs:
            row = {"train_loss": self.train_loss, "val_accuracy": logs["eval_accuracy"], "val_loss": logs["eval_loss"]}
            wandb.log({"epoch": round(state.epoch), **row})


def fit(cfg: DictConfig, found: dict[str, float], log_to_wandb: bool) -> tuple[Trainer, dict[str, float]]:
    """Train from scratch and return the trainer with its last validation scores; search trials do not log."""
    set_seed(cfg.run.training.seed)
    splits = build_splits(cfg.run.dataset, cfg.trial_mode)
    model = build_model(cfg.run.model)
    trainer = Trainer(
        model=model,
        args=settings_of(cfg, found),
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
        compute_metrics=measure,
        callbacks=[LogToWandb()] if log_to_wandb else [],
    )
    trainer.train()
    scores = [row for row in trainer.state.log_history if "eval_loss" in row][-1]
    return trainer, {"val_accuracy": scores["eval_accuracy"], "val_loss": scores["eval_loss"]}


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
    trainer, _ = fit(cfg, found, log_to_wandb=True)
    torch.save(trainer.model.state_dict(), run_dir / "model.pt")
    output = trainer.predict(build_splits(cfg.run.dataset, cfg.trial_mode)["test"])
    logits, labels = torch.from_numpy(output.predictions), torch.from_numpy(output.label_ids)
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
