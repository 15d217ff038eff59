"""Rules on programs of other shapes than the golden one: results thrown away, settings of libraries, runs in objects, downloads by a setting."""

from __future__ import annotations

import pytest
from rule_cases import COMPARATIVE, CONFIG, EVALUATE, HERE, MODEL, PROPOSED, TRAIN, Case, found_and_marked, name_of

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

OPTIMIZE = "    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)\n"
OPTIMIZED = Edit(OPTIMIZE, OPTIMIZE.replace("\n", f"{HERE}\n"))
FOUND = "    found = search(cfg) if cfg.run.optuna.enabled and not cfg.trial_mode else {}\n"
BEST = "    return study.best_params\n"
CRITERION = "    criterion = build_criterion(cfg.run.method, cfg.run.training)\n"
METHOD = Edit("method: cross-entropy", f"method: cross-entropy{HERE}")
PLAIN = "    criterion = nn.CrossEntropyLoss()\n"
FINISH = "    run.finish()"
UPLOAD = "OmegaConf.to_container(cfg, resolve=True)"
INIT = "    run = wandb.init("
NAME = "  name: mlp\n"
FETCHED = '    run = api.run(f"{project_path}/{run_id}")\n'
LOADERS = "from transformers import AutoModel, AutoTokenizer\nfrom torchvision.models import ResNet18_Weights, resnet18\n"
IMPORTED = Edit("import torch\n", f"import torch\n{LOADERS}")
MLP = "    return MultiLayerPerceptron(\n"


def thrown(calls: str, returned: str = BEST, marked: bool = True) -> Tree:
    return Tree({TRAIN: (*([OPTIMIZED] if marked else []), Edit(FOUND, calls), *([Edit(BEST, returned)] if returned != BEST else []))})


def trained(loss: str, here: bool = True, **edits: Edit) -> Tree:
    more = {PROPOSED: edits["proposed"]} if "proposed" in edits else {}
    return Tree({TRAIN: Edit(CRITERION, loss), **({COMPARATIVE: METHOD} if here else {}), **more})


def composed(read: str) -> Tree:
    """Runs that take their settings from other files, by defaults lists of their own."""
    changes = {TRAIN: Edit(CRITERION, read + PLAIN)}
    for path, run_id, name, steps in ((PROPOSED, "proposed-mlp-digits", "long", 3), (COMPARATIVE, "comparative-1-mlp-digits", "short", 0)):
        changes[path] = Edit(f"run_id: {run_id}\n", f"defaults:\n  - /warm: {name}\n  - _self_\n\nrun_id: {run_id}\n")
        changes[f"config/warm/{name}.yaml"] = f"# @package run.training\nwarm: {steps}\n"
    return Tree(changes)


def made(name: str, *keys: str, call: str = "hydra.utils.instantiate(cfg.optimizer, params=model.parameters())") -> Tree:
    lines = "".join(f"\n  {key}" for key in keys)
    section = f"trial_mode: false\noptimizer:\n  _target_: {name}{lines}"
    return Tree({CONFIG: Edit("trial_mode: false", section), TRAIN: Edit(FINISH, f"    print({call})\n{FINISH}")})


def kept(text: str) -> Tree:
    return Tree({TRAIN: Edit(FINISH, f"    print({text})\n{FINISH}")})


def uploaded(config: str, before: str = "", here: bool = True) -> Tree:
    return Tree({TRAIN: (Edit(INIT, f"{before}{INIT}{HERE if here else ''}"), Edit(UPLOAD, config))})


def loading(text: str, value: str = "") -> Tree:
    more = {path: Edit(NAME, f"{NAME}  {value}\n") for path in (PROPOSED, COMPARATIVE)} if value else {}
    return Tree(
        {
            MODEL: (
                IMPORTED,
                Edit(MLP, f"    print({text})\n{MLP}" if "#" not in text else f"    print({text.replace('#', ')')}{HERE}\n{MLP}"),
            ),
            **more,
        }
    )


RECORD = """class Record:
    def __init__(self, api, path, run_id):
        self.run = api.run(f"{path}/{run_id}")
        self.numbers = dict(self.run.summary)

    @property
    def accuracy(self):
        return self.numbers["KEY"]


def fetch_run("""


def recorded(key: str, here: bool) -> Tree:
    record = RECORD.replace('["KEY"]', f'["{key}"]{HERE if here else ""}')
    return Tree(
        {EVALUATE: (Edit("def fetch_run(", record), Edit(FETCHED, FETCHED + "    print(Record(api, project_path, run_id).accuracy)\n"))}
    )


def asked(path: str, id_: str = "        id=cfg.run.run_id,\n") -> Tree:
    begun = Edit(INIT, INIT + (HERE if id_ != "        id=cfg.run.run_id,\n" else ""))
    return Tree({TRAIN: (begun, Edit("        id=cfg.run.run_id,\n", id_)), EVALUATE: Edit(FETCHED, path)})


JOINED = "    where = [*project_path.split('/'), run_id]\n    run = api.run('/'.join(where))\n"
CASES: list[Case] = [
    ("OPT105", "the caller drops it", thrown("    search(cfg)\n    found = {}\n")),
    ("OPT105", "two callers drop it", thrown("    search(cfg)\n    if cfg.trial_mode:\n        search(cfg)\n    found = {}\n")),
    ("OPT105", "merged into nothing", thrown("    OmegaConf.merge(cfg.run.training, search(cfg))\n    found = {}\n")),
    ("OPT105", "a copy is returned and dropped", thrown("    search(cfg)\n    found = {}\n", "    return dict(study.best_params)\n")),
    ("OPT105", "a dict of it is dropped", thrown("    dict(search(cfg))\n    found = {}\n")),
    ("OPT105", "kept", thrown("    found = search(cfg)\n", marked=False)),
    ("OPT105", "kept by one of two callers", thrown("    search(cfg)\n    found = search(cfg)\n", marked=False)),
    ("OPT105", "handed on", thrown("    chosen = []\n    chosen.append(search(cfg))\n    found = chosen[0]\n", marked=False)),
    ("OPT105", "the function is handed on", thrown("    found = call(search, cfg)\n\n\ndef call(f, x):\n    return f(x)\n\n\ndef rest(cfg, run_dir, found):\n", marked=False)),
    ("OPT105", "applied where it is found", thrown("    search(cfg)\n    found = {}\n", f"    cfg.run.training.update(study.best_params)\n{BEST}", marked=False)),
    ("HYD112", "one loss for all", trained(PLAIN)),
    ("HYD112", "a literal", trained("    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)\n")),
    ("HYD112", "the same settings are read", trained("    print(cfg.run.training.epochs)\n" + PLAIN)),
    ("HYD112", "the method is printed nowhere", trained("    torch.manual_seed(cfg.run.training.seed)\n" + PLAIN)),
    ("HYD112", "a docstring names them", trained('    def loss():\n        """Of the proposed method."""\n        return nn.CrossEntropyLoss()\n\n    criterion = loss()\n')),
    ("HYD112", "a setting is read", trained("    criterion = nn.CrossEntropyLoss(label_smoothing=cfg.run.training.label_smoothing)\n", here=False)),
    ("HYD112", "the method is read", trained('    criterion = nn.CrossEntropyLoss(label_smoothing=0.1 if cfg.run.method == "label-smoothing" else 0.0)\n', here=False)),
    ("HYD112", "by a loop over keys", trained('    values = {key: cfg.run.training[key] for key in cfg.run.training}\n    criterion = nn.CrossEntropyLoss(label_smoothing=values["label_smoothing"])\n', here=False)),
    ("HYD112", "the whole section is handed on", trained("    criterion = helpers.loss(**cfg.run.training)\n", here=False)),
    ("HYD112", "by the run's name", trained('    criterion = nn.CrossEntropyLoss(label_smoothing=0.1 * ("proposed" in cfg.run.run_id))\n', here=False)),
    ("HYD112", "a setting from another file is read", composed("    print(cfg.run.training.warm)\n")),
    ("HYD112", "another difference is read", trained(PLAIN, here=False, proposed=Edit("  epochs: 15", "  epochs: 20"))),
    ("HYD116", "no such optimizer", made(f"torch.optim.AdamWW{HERE}", "lr: 0.1")),
    ("HYD116", "another case", made(f"torch.optim.Adamw{HERE}", "lr: 0.1")),
    ("HYD116", "no such key", made("torch.optim.AdamW", f"learning_rate: 0.1{HERE}")),
    ("HYD116", "a key of another optimizer", made("torch.optim.AdamW", f"momentum: 0.9{HERE}", "lr: 0.1")),
    ("HYD116", "no such scheduler", made(f"torch.optim.lr_scheduler.CosineAnealingLR{HERE}", "T_max: 3")),
    ("HYD116", "a layer's key", made("torch.nn.Dropout", f"rate: 0.1{HERE}", call="hydra.utils.instantiate(cfg.optimizer)")),
    ("HYD116", "right", made("torch.optim.AdamW", "lr: 0.1", "weight_decay: 0.1")),
    ("HYD116", "right layer", made("torch.nn.Dropout", "p: 0.1", call="hydra.utils.instantiate(cfg.optimizer)")),
    ("HYD116", "an unknown name that is like no other", made("torch.optim.Lookahead2000", "lr: 0.1")),
    ("HYD116", "keywords of any name", made("functools.partial", "anything: 1", call="hydra.utils.instantiate(cfg.optimizer)")),
    ("HYD116", "a library nobody knows", made("prodigyopt.Prodigy", "lr: 1.0")),
    ("HYD110", "vars", kept(f"vars(cfg.run)){HERE}\n    print(1")),
    ("HYD110", "vars of all", kept(f"sorted(vars(cfg))){HERE}\n    print(1")),
    ("HYD110", "vars of an object", kept("vars(run)")),
    ("HYD110", "vars of a plain dict's owner", kept("vars(OmegaConf.to_container(cfg).__class__)")),
    ("HYD110", "a dict of sections", uploaded("dict(cfg)")),
    ("HYD110", "a dict of sections in a variable", uploaded("whole", "    whole = dict(cfg.run)\n")),
    ("HYD110", "a section without sections", uploaded("dict(cfg.run.training)", here=False)),
    ("HYD110", "a container", uploaded("dict(OmegaConf.to_container(cfg))", here=False)),
    ("DAT101", "a key of any name", loading("AutoModel.from_pretrained(model_cfg.source)#", "source: distilbert-base-uncased")),
    ("DAT101", "with its publisher", loading("AutoTokenizer.from_pretrained(model_cfg['source'])", "source: FacebookAI/roberta-base")),
    ("DAT101", "weights of torchvision", loading('resnet18(weights="DEFAULT")#')),
    ("DAT101", "weights by their enum", loading("resnet18(weights=ResNet18_Weights.IMAGENET1K_V1)#")),
    ("DAT101", "pretrained", loading("resnet18(pretrained=True)#")),
    ("DAT101", "a folder", loading("AutoModel.from_pretrained(model_cfg.source)", "source: .cache/distilbert")),
    ("DAT101", "a name that is no family's", loading("AutoModel.from_pretrained(model_cfg.source)", "source: teacher")),
    ("DAT101", "with a folder of its own", loading("AutoModel.from_pretrained(model_cfg.source, cache_dir='.cache')", "source: distilbert-base-uncased")),
    ("DAT101", "no weights", loading("resnet18(weights=None)")),
    ("DAT101", "weights of a variable", loading("resnet18(weights=model_cfg.name)")),
    ("EVA109", "in an object", recorded("accuracy_of_test", True)),
    ("EVA109", "in an object, as it is logged", recorded("test_accuracy", False)),
    ("WDB108", "joined", asked(JOINED, '        id=f"{cfg.run.run_id}-1",\n')),
    ("WDB108", "joined, by its name only", asked(JOINED, "        name=cfg.run.run_id,\n")),
    ("WDB108", "joined, as it was begun", asked(JOINED)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_rule_speaks_where_the_marker_is_and_nowhere_else(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(case, golden, composer)
    assert found == marked
