"""The tricky cases of the rules on run configs, search, Hydra entry points, caches and evaluation: what must fire once, and what must not fire."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gonogo import plan as plans
from gonogo.rules.base import MARKER, Edit, Tree
from gonogo.verdict import Verdict

Judge = Callable[..., Verdict]

PROPOSED = "config/run/proposed-mlp-digits.yaml"
COMPARATIVE = "config/run/comparative-1-mlp-digits.yaml"
CONFIG, MAIN, TRAIN, EVALUATE = "config/config.yaml", "src/main.py", "src/train.py", "src/evaluate.py"
PREPROCESS, MODEL, PYPROJECT = "src/preprocess.py", "src/model.py", "pyproject.toml"
HYDRA_MAIN = '@hydra.main(version_base="1.3", config_path="../config", config_name="config")'
CHILD = "    subprocess.run(command, check=True)\n"
SPACE = "      type: loguniform\n      low: 0.001\n      high: 0.1\n"
OPTIMIZE = "    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)\n    return study.best_params\n"
FETCH = "    run = api.run("
KEY_VALUE = '    values = dict(argument.split("=", 1) for argument in arguments if "=" in argument)\n'


def plan_text(**changes: Any) -> str:
    """A plan of the two golden runs, with changes to the first one's entry or, under `design`, to the design."""
    design = changes.pop("design", "")
    first = {"run_id": "proposed-mlp-digits", "method": "label-smoothing", "model": "mlp", "dataset": "digits", **changes}
    second = {"run_id": "comparative-1-mlp-digits", "method": "cross-entropy", "model": "mlp", "dataset": "digits"}
    return json.dumps({"design": design, "runs": [first, second]})


def in_space(*lines: str) -> Tree:
    """The golden experiment with another specification of the searched learning rate."""
    return Tree({PROPOSED: Edit(SPACE, "".join(f"      {line}\n" for line in lines))})


def only_proposed(text: str) -> Tree:
    return Tree({PROPOSED: text})


def with_version_base(value: str, path: str = MAIN) -> Edit:
    return Edit(HYDRA_MAIN, HYDRA_MAIN.replace('version_base="1.3", ', f"version_base={value}, " if value else ""))


def download(call: str, imported: str, *more: tuple[str, Edit]) -> Tree:
    """The golden experiment whose data come from a call of a library."""
    changes: dict[str, Any] = {
        PREPROCESS: (Edit("import torch\n", f"import torch\n{imported}\n"), Edit("    digits = load_digits()\n", f"    digits = {call}\n"))
    }
    changes.update(more)
    return Tree(changes)


RUN_TEXT = """run_id: proposed-mlp-digits
method: label-smoothing
model: {name: mlp}
dataset: {name: digits}
training: {epochs: 15}
optuna: {enabled: false}
"""


def indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())


BAD: list[tuple[str, str, Tree]] = [
    ("RUN101", "both files missing is one finding", Tree({PROPOSED: None, COMPARATIVE: None}, at=PROPOSED)),
    ("RUN102", "the file has another name", Tree({PROPOSED: None, "config/run/proposed.yaml": RUN_TEXT.replace("\n", f"{MARKER}\n", 1)})),
    ("RUN102", "wrapped", only_proposed("run:\n" + indented(RUN_TEXT.replace("proposed-mlp-digits", f"other{MARKER}")))),
    ("RUN103", "empty", Tree({PROPOSED: ""}, at=PROPOSED)),
    ("RUN103", "a text", Tree({PROPOSED: "proposed-mlp-digits\n"}, at=PROPOSED)),
    ("RUN103", "only comments", Tree({PROPOSED: "# to be written\n"}, at=PROPOSED)),
    ("RUN103", "wrapped", Tree({PROPOSED: "run:\n" + indented(RUN_TEXT.replace("model: {name: mlp}\n", ""))}, at=PROPOSED)),
    ("RUN103", "a placeholder in the shared config is no section", Tree(
        {PROPOSED: RUN_TEXT.replace("model: {name: mlp}\n", ""), CONFIG: Edit("wandb:\n", "model: {}\nwandb:\n")}, at=PROPOSED)),
    ("RUN103", "a defaults list that only names itself", Tree(
        {PROPOSED: "# @package _global_\ndefaults:\n  - _self_\n" + RUN_TEXT.replace("model: {name: mlp}\n", "")}, at=PROPOSED)),
    ("RUN104", "severity of the planned dataset", Tree(
        {PROPOSED: Edit("  name: digits\n", f"  name: digits\n  corruption_severity: 3{MARKER}\n")}, plan=plan_text(dataset="Digits-C (severity 5)"))),
    ("RUN104", "severity of the design", Tree(
        {PROPOSED: Edit("  name: digits\n", f"  name: digits\n  severity: 3{MARKER}\n")}, plan=plan_text(design="The stream has severity-5 noise."))),
    ("RUN104", "another model", Tree({PROPOSED: Edit("  name: mlp\n", f"  name: resnet50{MARKER}\n")}, plan=plan_text(model="ResNet-18 (11M)"))),
    ("RUN104", "another dataset", Tree({PROPOSED: Edit("  name: digits\n", f"  name: cifar10{MARKER}\n")}, plan=plan_text(dataset="CIFAR-100"))),
    ("RUN104", "adaptation steps", Tree(
        {PROPOSED: Edit("  epochs: 15\n", f"  epochs: 15\n  inner_steps: 10{MARKER}\n")}, plan=plan_text(method="TENT (1 step)"))),
    ("OPT101", "the study is in a function that nothing calls", Tree({TRAIN: (
        Edit("    found = search(cfg) if cfg.run.optuna.enabled and not cfg.trial_mode else {}\n", "    found = {}\n"),
        Edit("def main(cfg: DictConfig) -> None:", f"def main(cfg: DictConfig) -> None:{MARKER}"))})),
    ("OPT101", "trials and a space, without enabled", Tree({
        COMPARATIVE: Edit("  enabled: true\n", "  enabled: false\n"), PROPOSED: Edit("  enabled: true\n", ""),
        TRAIN: (
            Edit("optuna.create_study(direction=cfg.run.optuna.direction, sampler=sampler)", "Searcher()"),
            Edit("def main(cfg: DictConfig) -> None:", f"def main(cfg: DictConfig) -> None:{MARKER}"))})),
    ("OPT102", "low above high", in_space("type: uniform", f"low: 0.2{MARKER}", "high: 0.1")),
    ("OPT102", "low is high", in_space("type: int", f"low: 3{MARKER}", "high: 3")),
    ("OPT102", "log flag from zero", in_space("type: float", f"low: 0.0{MARKER}", "high: 0.1", "log: true")),
    ("OPT102", "log_uniform from zero", in_space("type: log_uniform", f"low: 0.0{MARKER}", "high: 1e-1")),
    ("OPT102", "no choices", in_space("type: categorical", f"choices: []{MARKER}")),
    ("OPT102", "suggest_categorical without choices", Tree({PROPOSED: Edit(
        f"    learning_rate:\n{SPACE}", f"    learning_rate:{MARKER}\n      type: suggest_categorical\n")})),
    ("OPT102", "no upper bound", Tree({PROPOSED: Edit(f"    learning_rate:\n{SPACE}", f"    learning_rate:{MARKER}\n      type: float\n      low: 1.0\n")})),
    ("OPT102", "a number in quotes", in_space("type: loguniform", "low: 1e-4", f"high: '1e-1'{MARKER}")),
    ("OPT102", "unknown type", in_space(f"type: normal{MARKER}", "low: 1e-4", "high: 1e-1")),
    ("OPT102", "the same fault in both runs is one finding", Tree({
        PROPOSED: Edit("low: 0.001", f"low: 0{MARKER}"), COMPARATIVE: Edit("low: 0.001", "low: 0")})),
    ("OPT104", "a dotted name", Tree({PROPOSED: Edit("    momentum:\n      type: uniform", f"    training.warmup_share:{MARKER}\n      type: uniform")})),
    ("OPT105", "nothing at all", Tree({TRAIN: Edit(OPTIMIZE, OPTIMIZE.replace("n_trials)\n", f"n_trials){MARKER}\n").replace("study.best_params", "{}"))})),
    ("OPT105", "only logged", Tree({TRAIN: Edit(OPTIMIZE, OPTIMIZE.replace("n_trials)\n", f"n_trials){MARKER}\n").replace(
        "    return study.best_params", '    logger.info("best: %s", study.best_trial.params)\n    return {}'))})),
    ("HYD101", "no config name", Tree({TRAIN: Edit(HYDRA_MAIN, f'@hydra.main(version_base="1.3", config_path="../config"){MARKER}')})),
    ("HYD101", "no config path", Tree({TRAIN: Edit(HYDRA_MAIN, f'@hydra.main(version_base="1.3", config_name="config"){MARKER}')})),
    ("HYD101", "bare", Tree({TRAIN: Edit(HYDRA_MAIN, f"@hydra.main(version_base=None, config_path=FOLDER, config_name='config'){MARKER}\n"
        "# FOLDER is below").__class__(HYDRA_MAIN, f"@hydra.main(version_base=None, config_path='conf', config_name='config'){MARKER}")})),
    ("HYD108", "the optimiser's rate by place", Tree({MODEL: Edit(
        "        model.parameters(),\n        lr=settings[\"learning_rate\"],\n", f"        model.parameters(),\n        0.05,{MARKER}\n")})),
    ("HYD108", "the batch size", Tree({PREPROCESS: Edit("            batch_size=dataset_cfg.batch_size,", f"            batch_size=64,{MARKER}")})),
    ("HYD108", "epochs of a function", Tree({TRAIN: Edit(
        "    epochs = TRIAL_EPOCHS if cfg.trial_mode else cfg.run.training.epochs\n", f"    epochs = 15{MARKER}\n")})),
    ("HYD109", "no version_base", Tree({MAIN: (with_version_base(""), Edit(CHILD, CHILD.replace("\n", f"{MARKER}\n")))})),
    ("HYD109", "chdir in the config", Tree({
        CONFIG: Edit("wandb:\n", "hydra: {job: {chdir: true}}\nwandb:\n"), MAIN: Edit(CHILD, CHILD.replace("\n", f"{MARKER}\n"))})),
    ("DAT101", "no cache folder for a tokenizer", download(
        f'AutoTokenizer.from_pretrained("bert-base-uncased"){MARKER}', "from transformers import AutoTokenizer")),
    ("DAT101", "torchvision elsewhere", download(
        f'torchvision.datasets.MNIST("./data", download=True){MARKER}', "import torchvision")),
    ("DAT101", "timm needs Hugging Face's variable", download(
        f'timm.create_model("resnet18", pretrained=True){MARKER}', "import timm\nimport os\nos.environ['TORCH_HOME'] = '.cache'")),
    ("EVA101", "os.system", Tree({MAIN: Edit(CHILD, f'{CHILD}    __import__("os")\n').__class__(
        CHILD, f'{CHILD}    subprocess.call("python -m src.evaluate results_dir=x", shell=True){MARKER}\n')})),
    ("EVA102", "weights of a run", Tree({EVALUATE: Edit(FETCH, f'    Path(results_dir, run_id, "model.pt").read_bytes(){MARKER}\n{FETCH}')})),
    ("EVA102", "guarded, but a run writes it", Tree({EVALUATE: Edit(
        FETCH, f'    local = results_dir / "model.pt"\n    if local.exists():\n        local.read_bytes(){MARKER}\n{FETCH}')})),
    ("EVA102", "the config that a run left behind", Tree({EVALUATE: Edit(
        "    config = OmegaConf.load(CONFIG_FILE)\n", f'    config = OmegaConf.load(results_dir / "config.yaml"){MARKER}\n')})),
    ("EVA103", "options", Tree({EVALUATE: (
        Edit("import json\nimport sys\n", "import argparse\nimport json\n"),
        Edit(KEY_VALUE, f'    parser = argparse.ArgumentParser()\n    parser.add_argument("--results_dir", required=True){MARKER}\n'
             '    parser.add_argument("--run_ids", required=True)\n    values = vars(parser.parse_args())\n'),
        Edit("parse_arguments(sys.argv[1:])", "parse_arguments([])"))})),
    ("EVA107", "within a function of a module that training imports", Tree({MODEL: Edit(
        '    if name != "sgd":\n', f'    import matplotlib.pyplot as plt{MARKER}\n\n    if name != "sgd":\n')})),
    ("EVA108", "with keys", Tree({EVALUATE: Edit("pd.DataFrame(list(run.scan_history()))", f"run.history(keys=HISTORY_KEYS, pandas=True){MARKER}")})),
]
