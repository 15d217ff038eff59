"""The tricky cases of the rules on run configs and the search: what must fire once, and what must not fire."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rule_cases import (
    COMPARATIVE,
    CONFIG,
    HERE,
    MODEL,
    PROPOSED,
    TRAIN,
    Case,
    findings_of,
    found_and_marked,
    name_of,
)

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

SPACE = "      type: loguniform\n      low: 0.001\n      high: 0.1\n"
OPTIMIZE = "    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)\n    return study.best_params\n"
OPTIMIZE_HERE = OPTIMIZE.replace("n_trials)\n", f"n_trials){HERE}\n")
ENTRY = Edit("def main(cfg: DictConfig) -> None:", f"def main(cfg: DictConfig) -> None:{HERE}")
STUDY = "    study = optuna.create_study(direction=cfg.run.optuna.direction, sampler=sampler)\n"
RUN_TEXT = """run_id: proposed-mlp-digits
method: label-smoothing
model: {name: mlp}
dataset: {name: digits}
training: {epochs: 15}
optuna: {enabled: false}
"""
NO_MODEL = RUN_TEXT.replace("model: {name: mlp}\n", "")


def plan_text(**changes: Any) -> str:
    """A plan of the two golden runs, with changes to the first one's entry or, under `design`, to the design."""
    design = changes.pop("design", "")
    first = {"run_id": "proposed-mlp-digits", "method": "label-smoothing", "model": "mlp", "dataset": "digits", **changes}
    second = {"run_id": "comparative-1-mlp-digits", "method": "cross-entropy", "model": "mlp", "dataset": "digits"}
    return json.dumps({"design": design, "runs": [first, second]})


def proposed(text: str, at: bool = False, **more: Any) -> Tree:
    """The golden experiment with another run config."""
    return Tree({PROPOSED: text, **more}, at=PROPOSED if at else None)


def proposed_with(old: str, new: str, **plan: Any) -> Tree:
    """The golden experiment with a change to a run config, and one to the plan."""
    return Tree({PROPOSED: Edit(old, new)}, plan=plan_text(**plan) if plan else None)


def in_space(*lines: str) -> Tree:
    """The golden experiment with another specification of the searched learning rate."""
    return proposed_with(SPACE, "".join(f"      {line}\n" for line in lines))


def wrapped(text: str) -> str:
    """A run config under one key."""
    return "run:\n" + "".join(f"  {line}\n" for line in text.splitlines())


def train(*edits: Edit, **more: Any) -> Tree:
    """The golden experiment with changes to training."""
    return Tree({TRAIN: edits, **more})


def optimizers(choice: str, after: str = "") -> Tree:
    """The golden experiment with a table of optimizers, which is asked for `SGD` thus, and what follows the table."""
    table = f'OPTIMIZERS = {{"sgd": torch.optim.SGD, "adam": torch.optim.Adam}}\n{after}\n\n'
    checks = '    if name != "sgd":\n        raise ValueError(f"unknown optimizer {name!r}: only \'sgd\' is implemented")\n'
    return Tree(
        {
            PROPOSED: Edit("  optimizer: sgd", "  optimizer: SGD"),
            MODEL: (
                Edit("def build_optimizer(", f"{table}def build_optimizer("),
                Edit(checks, choice),
                Edit("    return torch.optim.SGD(\n", "    return kind(\n"),
            ),
        }
    )


BAD: list[Case] = [
    (
        "RUN105",
        "a metric that the scores do not have",
        Tree(
            {
                PROPOSED: Edit("metric: val_accuracy", "metric: accuracy"),
                TRAIN: Edit("        return scores[cfg.run.optuna.metric]\n", f"        return scores[cfg.run.optuna.metric]{HERE}\n"),
            }
        ),
    ),
    ("RUN105", "a table of classes", optimizers(f"    kind = OPTIMIZERS[name]{HERE}\n")),
    ("RUN101", "both files missing is one finding", Tree({PROPOSED: None, COMPARATIVE: None}, at=PROPOSED)),
    ("RUN102", "the file has another name", Tree({PROPOSED: None, "config/run/proposed.yaml": RUN_TEXT.replace("\n", f"{HERE}\n", 1)})),
    ("RUN102", "wrapped", proposed(wrapped(RUN_TEXT.replace("proposed-mlp-digits", f"other{HERE}")))),
    ("RUN103", "empty", proposed("", at=True)),
    ("RUN103", "a text", proposed("proposed-mlp-digits\n", at=True)),
    ("RUN103", "only comments", proposed("# to be written\n", at=True)),
    ("RUN103", "wrapped", proposed(wrapped(NO_MODEL), at=True)),
    ("RUN103", "a placeholder is no section", proposed(NO_MODEL, at=True, **{CONFIG: Edit("wandb:\n", "model: {}\nwandb:\n")})),
    ("RUN103", "defaults that name only the file itself", proposed("# @package _global_\ndefaults:\n  - _self_\n" + NO_MODEL, at=True)),
    (
        "RUN104",
        "severity of the planned dataset",
        proposed_with("  name: digits\n", f"  name: digits\n  corruption_severity: 3{HERE}\n", dataset="Digits-C (severity 5)"),
    ),
    (
        "RUN104",
        "severity of the design",
        proposed_with("  name: digits\n", f"  name: digits\n  severity: 3{HERE}\n", design="The stream has severity-5 noise."),
    ),
    ("RUN104", "another model", proposed_with("  name: mlp\n", f"  name: resnet50{HERE}\n", model="ResNet-18 (11M)")),
    ("RUN104", "another dataset", proposed_with("  name: digits\n", f"  name: cifar10{HERE}\n", dataset="CIFAR-100")),
    ("RUN104", "adaptation steps", proposed_with("  epochs: 15\n", f"  epochs: 15\n  inner_steps: 10{HERE}\n", method="TENT (1 step)")),
    (
        "OPT101",
        "the study is in a function that nothing calls",
        train(Edit("    found = search(cfg) if cfg.run.optuna.enabled and not cfg.trial_mode else {}\n", "    found = {}\n"), ENTRY),
    ),
    (
        "OPT101",
        "trials and a space, without enabled",
        train(Edit(STUDY, "    study = Searcher()\n"), ENTRY, **{PROPOSED: Edit("  enabled: true\n", "")}),
    ),
    ("OPT102", "low above high", in_space("type: uniform", f"low: 0.2{HERE}", "high: 0.1")),
    ("OPT102", "low is high", in_space("type: int", f"low: 3{HERE}", "high: 3")),
    ("OPT102", "log flag from zero", in_space("type: float", f"low: 0.0{HERE}", "high: 0.1", "log: true")),
    ("OPT102", "log_uniform from zero", in_space("type: log_uniform", f"low: 0.0{HERE}", "high: 1e-1")),
    ("OPT102", "min and max", in_space("type: float", f"min: 2{HERE}", "max: 1")),
    ("OPT102", "no choices", in_space("type: categorical", f"choices: []{HERE}")),
    ("OPT102", "a number in quotes", in_space("type: loguniform", "low: 1e-4", f"high: '1e-1'{HERE}")),
    ("OPT102", "unknown type", in_space(f"type: normal{HERE}", "low: 1e-4", "high: 1e-1")),
    (
        "OPT102",
        "suggest_categorical without choices",
        proposed_with(f"    learning_rate:\n{SPACE}", f"    learning_rate:{HERE}\n      type: suggest_categorical\n"),
    ),
    (
        "OPT102",
        "no upper bound",
        proposed_with(f"    learning_rate:\n{SPACE}", f"    learning_rate:{HERE}\n      type: float\n      low: 1.0\n"),
    ),
    (
        "OPT104",
        "a dotted name",
        proposed_with("    momentum:\n      type: uniform", f"    training.warmup_share:{HERE}\n      type: uniform"),
    ),
    ("OPT105", "nothing reads them", train(Edit(OPTIMIZE, OPTIMIZE_HERE.replace("study.best_params", "{}")))),
    (
        "OPT105",
        "only a logger does",
        train(Edit(OPTIMIZE, OPTIMIZE_HERE.replace("return study.best_params", "logger.info(study.best_trial.params)\n    return {}"))),
    ),
]

GOOD: list[Case] = [
    (
        "OPT103",
        "a table of types that grows where nobody looks",
        train(
            Edit("def suggest(", 'KINDS = {"loguniform": float}\n\n\ndef register(name, kind):\n    KINDS[name] = kind\n\n\ndef suggest('),
            Edit('    if space.type == "loguniform":\n', '    KINDS[space.type]\n    if space.type == "loguniform":\n'),
        ),
    ),
    ("RUN105", "a table that is asked first", optimizers('    kind = OPTIMIZERS[name] if name in OPTIMIZERS else OPTIMIZERS["sgd"]\n')),
    ("RUN105", "a table with a default", optimizers('    kind = OPTIMIZERS.get(name, OPTIMIZERS["sgd"])\n')),
    (
        "RUN105",
        "a failure that is dealt with",
        optimizers('    try:\n        kind = OPTIMIZERS[name]\n    except KeyError:\n        kind = OPTIMIZERS["sgd"]\n'),
    ),
    (
        "RUN105",
        "a table that grows where nobody looks",
        optimizers("    kind = OPTIMIZERS[name]\n", "\n\ndef register(name, kind):\n    OPTIMIZERS[name] = kind\n"),
    ),
    (
        "RUN105",
        "a table that a library fills",
        optimizers("    kind = OPTIMIZERS[name]\n", "\nimport more_optimizers\nmore_optimizers.add_to(OPTIMIZERS)\n"),
    ),
    (
        "RUN105",
        "a table with another inside",
        optimizers("    kind = OPTIMIZERS[name]\n", "\nOPTIMIZERS = {**OPTIMIZERS, **vars(torch.optim)}\n"),
    ),
    (
        "RUN105",
        "a table that is another one by now",
        optimizers(
            "    kind = OPTIMIZERS[name]\n", "\nfor _name, _kind in list(OPTIMIZERS.items()):\n    OPTIMIZERS |= {_name.upper(): _kind}\n"
        ),
    ),
    ("RUN101", "the file only has the wrong name", Tree({PROPOSED: None, "config/run/proposed.yaml": RUN_TEXT})),
    ("RUN101", "the plan brings the config", Tree({PROPOSED: None}, plan=plan_text(config_yaml=RUN_TEXT))),
    ("RUN102", "an interpolation", proposed(RUN_TEXT.replace("proposed-mlp-digits", "${hydra:runtime.choices.run}"))),
    ("RUN102", "a file that is no YAML", proposed("run_id: [other\n")),
    ("RUN103", "a file that is no YAML", proposed("model: [\n")),
    ("RUN103", "wrapped", proposed(wrapped(RUN_TEXT))),
    ("RUN103", "wrapped beside a defaults list", proposed("# @package _global_\ndefaults:\n  - _self_\n" + wrapped(RUN_TEXT))),
    ("RUN103", "sections from a defaults list", proposed("defaults:\n  - /model: mlp\n  - _self_\n" + NO_MODEL)),
    ("RUN103", "an empty section is there", proposed(RUN_TEXT.replace("{enabled: false}", "{}"))),
    ("RUN103", "the shared config has the section", proposed(NO_MODEL, **{CONFIG: Edit("wandb:\n", "model: {name: mlp}\nwandb:\n")})),
    ("RUN104", "the same severity", proposed_with("  name: digits\n", "  name: digits\n  severity: 5\n", dataset="Digits-C (severity 5)")),
    ("RUN104", "several severities", proposed_with("  name: digits\n", "  name: digits\n  severity: 3\n", design="Severities 1 to 5.")),
    ("RUN104", "the same model", proposed_with("  name: mlp\n", "  name: timm/resnet18.a1_in1k\n", model="ResNet-18 (11.7M)")),
    ("RUN104", "a corruption of the same dataset", proposed_with("  name: digits\n", "  name: cifar10\n", dataset="CIFAR-10-C")),
    ("RUN104", "another way to write a model", proposed_with("  name: mlp\n", "  name: vit_base_patch16_224\n", model="ViT-B/16")),
    ("RUN104", "a part of the training only", proposed_with("  epochs: 15\n", "  epochs: 3\n", design="Warm-up takes 5 epochs.")),
    ("RUN104", "several numbers", proposed_with("  epochs: 15\n", "  epochs: 3\n", design="5 epochs. 10 epochs.")),
    (
        "RUN104",
        "what the search samples",
        Tree(
            {PROPOSED: (Edit("  epochs: 15\n", "  epochs: 15\n  inner_steps: 10\n"), Edit("    momentum:\n", "    inner_steps:\n"))},
            plan=plan_text(method="TENT (1 step)"),
        ),
    ),
    ("RUN104", "an effective batch size", proposed_with("  epochs: 15\n", "  epochs: 15\n", design="An effective batch size of 512.")),
    (
        "OPT101",
        "switched off",
        train(
            Edit(STUDY, ""),
            **{PROPOSED: Edit("  enabled: true\n", "  enabled: false\n"), COMPARATIVE: Edit("  n_trials: 6\n", "  n_trials: 0\n")},
        ),
    ),
    (
        "OPT101",
        "under another name",
        train(Edit("import optuna\n", "import optuna\nfrom optuna import create_study as cs\n"), Edit("optuna.create_study(", "cs(")),
    ),
    ("OPT101", "asked and told", train(Edit(STUDY, "    study = make()\n    trial = study.ask()\n"))),
    (
        "OPT101",
        "by Hydra's sweeper",
        train(Edit(STUDY, ""), **{CONFIG: Edit("  - _self_\n", "  - _self_\n  - override hydra/sweeper: optuna\n")}),
    ),
    ("OPT101", "a file that does not parse", train(Edit(STUDY, ""), **{MODEL: "def broken(:\n"})),
    ("OPT102", "suggest_float", in_space("type: suggest_float", "low: 1e-4", "high: 1e-2", "log: true")),
    ("OPT102", "values", in_space("type: choice", "values: [1e-4, 1e-3]")),
    ("OPT102", "log_float", in_space("type: log_float", "low: 1e-4", "high: 1e-2")),
    ("OPT102", "discrete_uniform", in_space("type: discrete_uniform", "low: 0.1", "high: 0.5", "q: 0.1")),
    ("OPT102", "no type", in_space("low: 1e-4", "high: 1e-2")),
    ("OPT102", "a class", in_space("type: optuna.distributions.FloatDistribution", "low: 1e-4", "high: 1e-2")),
    ("OPT102", "FloatDistribution", in_space("type: FloatDistribution", "low: 1e-4", "high: 1e-2")),
    ("OPT102", "bounds of exponents", in_space("type: loguniform", "low: -4", "high: -2")),
    (
        "OPT102",
        "a type that the code knows",
        Tree(
            {
                PROPOSED: Edit(SPACE, "      type: fixed\n      value: 1\n"),
                TRAIN: Edit(
                    '    if space.type == "uniform":',
                    '    if space.type == "fixed":\n        return space.value\n    if space.type == "uniform":',
                ),
            }
        ),
    ),
    (
        "OPT102",
        "quotes that the code provides for",
        Tree(
            {
                PROPOSED: Edit("low: 0.001", 'low: "1e-3"'),
                TRAIN: Edit("(name, space.low, space.high, log", "(name, float(space.low), space.high, log"),
            }
        ),
    ),
    ("OPT102", "bounds", in_space("type: float", "bounds: [0.1, 0.5]")),
    ("OPT102", "an interpolation", in_space("type: float", "low: ${run.low}", "high: 1")),
    ("OPT102", "a list", proposed_with(f"    learning_rate:\n{SPACE}", "    learning_rate: [1e-4, 1e-3]\n")),
    ("OPT102", "bool", in_space("type: bool")),
    (
        "OPT104",
        "a setting of the run",
        proposed_with("    momentum:\n      type: uniform", "    optimizer.weight_decay:\n      type: uniform"),
    ),
    (
        "OPT104",
        "a name that only the code knows",
        proposed_with("    momentum:\n      type: uniform", "    everything:\n      type: uniform"),
    ),
    (
        "OPT104",
        "dicts are handed on as keywords",
        Tree(
            {
                PROPOSED: Edit("    momentum:\n      type: uniform", "    nesterov:\n      type: uniform"),
                MODEL: Edit('        weight_decay=settings["weight_decay"],\n', "        **settings,\n"),
            }
        ),
    ),
    ("OPT105", "the study is returned", train(Edit(OPTIMIZE, OPTIMIZE.replace("study.best_params", "study")))),
    ("OPT105", "the best trial", train(Edit(OPTIMIZE, OPTIMIZE.replace("study.best_params", "study.best_trial.params")))),
    ("OPT105", "getattr", train(Edit(OPTIMIZE, OPTIMIZE.replace("study.best_params", 'getattr(study, "best_params")')))),
    ("OPT105", "trials one by one", train(Edit(OPTIMIZE, OPTIMIZE.replace("study.best_params", "max(study.trials).params")))),
    (
        "OPT105",
        "the objective keeps the best",
        train(
            Edit(OPTIMIZE, OPTIMIZE.replace("study.best_params", "best_found")),
            Edit("        _, scores = fit(", "        best_found['x'] = 1\n        _, scores = fit("),
        ),
    ),
]


@pytest.mark.parametrize("case", BAD, ids=name_of)
def test_fires_once_where_marked(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(case, golden, composer)
    assert found == marked


@pytest.mark.parametrize("case", GOOD, ids=name_of)
def test_stays_silent(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, _ = found_and_marked(case, golden, composer)
    assert found == []


def test_the_same_fault_in_two_runs_is_one_finding(golden: dict[str, str], composer: Composer) -> None:
    change = Edit("low: 0.001", "low: 0")
    findings = findings_of(Tree({PROPOSED: change, COMPARATIVE: change}).apply(golden), "OPT102", composer)
    assert [sorted(finding.runs) for finding in findings] == [["comparative-1-mlp-digits", "proposed-mlp-digits"]]
    assert [related.location.path for related in findings[0].related] == [COMPARATIVE]


def test_a_run_config_that_the_plan_does_not_know_is_a_warning(golden: dict[str, str], composer: Composer) -> None:
    findings = findings_of({**golden, "config/run/extra.yaml": RUN_TEXT.replace("proposed-mlp-digits", "extra")}, "RUN101", composer)
    assert [finding.severity for finding in findings] == ["warning"]


def test_a_search_for_one_value_is_a_warning(golden: dict[str, str], composer: Composer) -> None:
    findings = findings_of(Tree({PROPOSED: Edit("high: 0.95", "high: 0.5")}).apply(golden), "OPT102", composer)
    assert [finding.severity for finding in findings] == ["warning"]


def test_without_a_plan_no_run_is_missing(golden: dict[str, str], composer: Composer) -> None:
    assert findings_of(Tree({PROPOSED: None}).apply(golden), "RUN101", composer, plan=None) == []


def test_an_empty_value_is_no_key_of_a_table_either(golden: dict[str, str], composer: Composer) -> None:
    files = optimizers("    kind = OPTIMIZERS[name]\n").apply(golden)
    files[PROPOSED] = files[PROPOSED].replace("  optimizer: SGD", '  optimizer: ""')
    (finding,) = findings_of(files, "RUN105", composer)
    assert "the run config says ``" in finding.message
