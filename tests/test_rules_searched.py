"""The rules on what a search does to its run, in the ways that programs are written: helper functions, classes, partials, lambdas."""

from __future__ import annotations

import pytest
from rule_cases import HERE, TRAIN, Case, found_and_marked, name_of

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

SUGGESTED = "        suggested = {name: suggest(trial, name, space) for name, space in cfg.run.optuna.search_space.items()}\n"
FITTED = "        _, scores = fit(cfg, suggested, log_to_wandb=False)\n"
RESULT = "        return scores[cfg.run.optuna.metric]\n"
OPTIMIZE = "    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)\n"
BEST = "    return study.best_params\n"
HEAD = "    def objective(trial: optuna.Trial) -> float:\n"
COPY = "        mine = OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))\n"
IMPORT = Edit("from pathlib import Path\n", "import copy\nimport functools\nfrom pathlib import Path\n")
SEARCH = "    found = search(cfg) if cfg.run.optuna.enabled and not cfg.trial_mode else {}\n"
BEGUN = "    run.config.update("
ROW = 'wandb.log({"epoch": epoch, "train_loss": train_loss, "val_accuracy": val_accuracy, "val_loss": val_loss})'
FIT = "def suggest(trial: optuna.Trial"
AFTER_INIT = (Edit(SEARCH, ""), Edit(BEGUN, SEARCH + BEGUN))
INIT = "    run = wandb.init(\n"


def training(*edits: Edit) -> Tree:
    """The golden experiment with changes to the training."""
    return Tree({TRAIN: edits})


def objective(*lines: str, fitted: str = FITTED, result: str = RESULT) -> Tree:
    """The golden experiment with lines in the objective before the training."""
    return training(IMPORT, Edit(FITTED, "".join(f"        {line}\n" for line in lines) + fitted), Edit(RESULT, result))


def helper(definition: str, *edits: Edit) -> Tree:
    """The golden experiment with one more function, and changes that use it."""
    return training(IMPORT, Edit(FIT, f"{definition}\n\n\n{FIT}"), *edits)


FIT_MINE = FITTED.replace("fit(cfg", "fit(mine")
LEFT: list[Case] = [
    ("OPT121", "an attribute", objective(f"cfg.run.training.epochs = 2{HERE}")),
    ("OPT121", "an item", objective(f'cfg["run"]["training"]["epochs"] = 2{HERE}')),
    ("OPT121", "an alias", objective("settings = cfg.run.training", f"settings.epochs = 2{HERE}")),
    ("OPT121", "OmegaConf.update", objective(f'OmegaConf.update(cfg, "run.training.epochs", 2){HERE}')),
    ("OPT121", "setattr", objective(f'setattr(cfg.run.training, "epochs", 2){HERE}')),
    ("OPT121", "a method of the node", objective(f'cfg.run.training.update({{"epochs": 2}}){HERE}')),
    ("OPT121", "a minimum with a number", objective(f"cfg.run.training.epochs = min(cfg.run.training.epochs, 2){HERE}")),
    (
        "OPT121",
        "a helper function",
        helper(
            f"def shorten(settings, epochs=1):\n    settings.epochs = epochs{HERE}",
            Edit(FITTED, f"        shorten(cfg.run.training)\n{FITTED}"),
        ),
    ),
    (
        "OPT121",
        "a lambda around a function",
        helper(
            f"def scored(trial, settings):\n    settings.run.training.epochs = 1{HERE}\n"
            '    lr = trial.suggest_float("learning_rate", 0.001, 0.1)\n'
            '    return fit(settings, {"learning_rate": lr}, log_to_wandb=False)[1]["val_accuracy"]',
            Edit(OPTIMIZE, OPTIMIZE.replace("objective,", "lambda t: scored(t, cfg),")),
        ),
    ),
    (
        "OPT121",
        "a partial",
        helper(
            f"def scored(settings, trial):\n    settings.run.training.epochs = 1{HERE}\n"
            '    lr = trial.suggest_float("learning_rate", 0.001, 0.1)\n'
            '    return fit(settings, {"learning_rate": lr}, log_to_wandb=False)[1]["val_accuracy"]',
            Edit(OPTIMIZE, OPTIMIZE.replace("objective,", "functools.partial(scored, cfg),")),
        ),
    ),
    (
        "OPT121",
        "an object that is called",
        helper(
            "class Scored:\n    def __init__(self, settings):\n        self.settings = settings\n\n"
            f"    def __call__(self, trial):\n        self.settings.run.training.epochs = 1{HERE}\n"
            '        lr = trial.suggest_float("learning_rate", 0.001, 0.1)\n'
            '        return fit(self.settings, {"learning_rate": lr}, log_to_wandb=False)[1]["val_accuracy"]',
            Edit(OPTIMIZE, OPTIMIZE.replace("objective,", "Scored(cfg),")),
        ),
    ),
    (
        "OPT121",
        "a method",
        helper(
            "class Tuner:\n    def __init__(self, settings):\n        self.settings = settings\n\n"
            f'    def score(self, trial):\n        self.settings.wandb.mode = "disabled"{HERE}\n'
            '        lr = trial.suggest_float("learning_rate", 0.001, 0.1)\n'
            '        return fit(self.settings, {"learning_rate": lr}, log_to_wandb=False)[1]["val_accuracy"]',
            Edit(OPTIMIZE, OPTIMIZE.replace("objective,", "Tuner(cfg).score,")),
        ),
    ),
]
IN_TRIAL_MODE: list[Case] = [
    ("OPT122", "a deep copy", objective("mine = copy.deepcopy(cfg)", f"mine.trial_mode = True{HERE}", fitted=FIT_MINE)),
    ("OPT122", "a merge", objective(f'mine = OmegaConf.merge(cfg, {{"trial_mode": True}}){HERE}', fitted=FIT_MINE)),
    ("OPT122", "a merged list", objective(f'mine = OmegaConf.merge(cfg, OmegaConf.create({{"trial_mode": True}})){HERE}', fitted=FIT_MINE)),
    (
        "OPT122",
        "OmegaConf.update",
        objective("mine = copy.deepcopy(cfg)", f'OmegaConf.update(mine, "trial_mode", True){HERE}', fitted=FIT_MINE),
    ),
    (
        "OPT122",
        "a plain dict",
        objective(
            "plain = OmegaConf.to_container(cfg, resolve=True)",
            f'plain["trial_mode"] = True{HERE}',
            "mine = OmegaConf.create(plain)",
            fitted=FIT_MINE,
        ),
    ),
    (
        "OPT122",
        "a helper function",
        helper(
            f"def quick(settings):\n    mine = copy.deepcopy(settings)\n    mine.trial_mode = True{HERE}\n    return mine",
            Edit(FITTED, FITTED.replace("fit(cfg", "fit(quick(cfg)")),
        ),
    ),
]
CONSTANT: list[Case] = [
    ("OPT123", "a number", training(Edit(HEAD, HEAD.replace("\n", f"{HERE}\n")), Edit(RESULT, "        return 0.0\n"))),
    (
        "OPT123",
        "a default that nothing sets",
        training(
            Edit(HEAD, HEAD.replace("\n", f"{HERE}\n")),
            Edit(RESULT, '        return float(cfg.run.get("best", {}).get("accuracy", 0.0))\n'),
        ),
    ),
    (
        "OPT123",
        "a setting",
        training(Edit(HEAD, HEAD.replace("\n", f"{HERE}\n")), Edit(RESULT, "        return cfg.run.training.label_smoothing\n")),
    ),
    (
        "OPT123",
        "a helper function",
        helper(
            'def value_of(results):\n    return float(results.get("best_metric", -1.0))',
            Edit(HEAD, HEAD.replace("\n", f"{HERE}\n")),
            Edit(RESULT, '        return value_of({"trial": trial.number})\n'),
        ),
    ),
    (
        "OPT123",
        "a lambda",
        training(Edit(OPTIMIZE, OPTIMIZE.replace("objective,", "lambda trial: 1.0,").replace("\n", f"{HERE}\n"))),
    ),
]
ASIDE: list[Case] = [
    (
        "OPT124",
        "a loop",
        training(
            Edit(
                FITTED,
                f"{COPY}        for name, value in suggested.items():\n            mine.run[name] = value{HERE}\n"
                + FIT_MINE.replace("suggested", "{}"),
            )
        ),
    ),
    (
        "OPT124",
        "a loop over the space",
        training(
            Edit(
                FITTED,
                f"{COPY}        for name, space in cfg.run.optuna.search_space.items():\n"
                f"            mine.run.optuna[name] = suggest(trial, name, space){HERE}\n" + FIT_MINE.replace("suggested", "{}"),
            )
        ),
    ),
    (
        "OPT124",
        "OmegaConf.update",
        training(
            Edit(
                FITTED,
                f"{COPY}        for name, value in suggested.items():\n"
                f'            OmegaConf.update(mine, f"run.{{name}}", value, force_add=True){HERE}\n' + FIT_MINE.replace("suggested", "{}"),
            )
        ),
    ),
]
INTO_RUN: list[Case] = [
    (
        "WDB121",
        "the library's own log",
        training(*AFTER_INIT, Edit(FITTED, FITTED.replace("False", "True")), Edit(ROW, f"{ROW}{HERE}")),
    ),
    (
        "WDB121",
        "the current run",
        training(*AFTER_INIT, Edit(FITTED, FITTED.replace("False", "True")), Edit(ROW, f"wandb.run{ROW.removeprefix('wandb')}{HERE}")),
    ),
    (
        "WDB121",
        "asked whether there is a run",
        training(
            *AFTER_INIT,
            Edit(f"        if log_to_wandb:\n            {ROW}", f"        if wandb.run is not None:\n            {ROW}{HERE}"),
        ),
    ),
    (
        "WDB121",
        "a function that logs",
        helper(
            f'def report(epoch, loss):\n    wandb.log({{"epoch": epoch, "val_loss": loss}}){HERE}',
            *AFTER_INIT,
            Edit(f"        if log_to_wandb:\n            {ROW}", "        report(epoch, val_loss)"),
        ),
    ),
]
SILENT: list[Case] = [
    ("OPT121", "a deep copy", objective("mine = copy.deepcopy(cfg)", "mine.run.training.epochs = 1", fitted=FIT_MINE)),
    ("OPT121", "the node's own copy", objective("mine = cfg.copy()", "mine.run.training.epochs = 1", fitted=FIT_MINE)),
    ("OPT121", "a merge", objective('mine = OmegaConf.merge(cfg, {"run": {"training": {"epochs": 1}}})', fitted=FIT_MINE)),
    ("OPT121", "a sampled value, and the best applied", training(
        Edit(FITTED, f'        cfg.run.training.momentum = trial.suggest_float("momentum", 0.5, 0.9)\n{FITTED}'),
        Edit(BEST, '    cfg.run.training.momentum = study.best_params["momentum"]\n    return {}\n'),
    )),
    ("OPT121", "put back after the search", training(
        Edit(FITTED, f"        cfg.run.training.epochs = 1\n{FITTED}"),
        Edit(SUGGESTED, SUGGESTED),
        Edit(OPTIMIZE, f"    epochs = cfg.run.training.epochs\n{OPTIMIZE}    cfg.run.training.epochs = epochs\n"),
    )),
    ("OPT121", "a copy from before the search", training(
        IMPORT,
        Edit(HEAD, f"    kept = cfg\n    cfg = copy.deepcopy(kept)\n\n{HEAD}"),
        Edit(FITTED, f"        cfg.run.training.epochs = 1\n{FITTED}"),
    )),
    ("OPT122", "a flag that is off", objective("mine = copy.deepcopy(cfg)", "mine.trial_mode = False", fitted=FIT_MINE)),
    ("OPT122", "another flag", objective("mine = copy.deepcopy(cfg)", "mine.run.optuna.enabled = False", fitted=FIT_MINE)),
    ("OPT123", "the best of all epochs", helper(
        "def best_of(results):\n    best = 0.0\n    for value in results:\n        if value > best:\n            best = value\n    return best",
        Edit(RESULT, "        return best_of(scores.values())\n"),
    )),
    ("OPT123", "a number only where the training fails", training(
        Edit(FITTED + RESULT, "        try:\n    " + FITTED + "        except RuntimeError:\n            return 0.0\n" + RESULT)
    )),
    ("OPT123", "what an object keeps", helper(
        "class Best:\n    def __init__(self):\n        self.value = 0.0\n\n"
        "    def see(self, value):\n        if value > self.value:\n            self.value = value",
        Edit(RESULT, "        best = Best()\n        for name in scores:\n            best.see(scores[name])\n        return best.value\n"),
    )),
    ("OPT124", "where the training reads it", training(
        Edit(FITTED, f"{COPY}        for name, value in suggested.items():\n            mine.run.training[name] = value\n" + FIT_MINE.replace("suggested", "{}"))
    )),
    ("OPT124", "a copy for the record, read as a whole", training(
        Edit(FITTED, f"{COPY}        mine.run.momentum = trial.suggest_float('momentum', 0.5, 0.9)\n        print(dict(**mine.run))\n" + FITTED)
    )),
    ("WDB121", "before the run is begun", training(Edit(FITTED, FITTED.replace("False", "True")))),
    ("WDB121", "only outside trials", training(
        *AFTER_INIT,
        Edit("log_to_wandb: bool)", "log_to_wandb: bool, trial=None)"),
        Edit("        if log_to_wandb:\n", "        if trial is None:\n"),
        Edit(FITTED, FITTED.replace("log_to_wandb=False", "log_to_wandb=True, trial=trial")),
    )),
    ("WDB121", "keys of the search alone", training(
        *AFTER_INIT, Edit(RESULT, '        wandb.log({"search/value": scores[cfg.run.optuna.metric]})\n' + RESULT)
    )),
]  # fmt: skip


@pytest.mark.parametrize("case", [*LEFT, *IN_TRIAL_MODE, *CONSTANT, *ASIDE, *INTO_RUN], ids=name_of)
def test_is_found_on_the_marked_line(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(case, golden, composer)
    assert found == marked


@pytest.mark.parametrize("case", SILENT, ids=name_of)
def test_is_left_alone(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, _ = found_and_marked(case, golden, composer)
    assert found == []
