"""Whether what an objective returns can depend on what it samples."""

from __future__ import annotations

import pytest

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.training.objectives import objectives
from gonogo.analysis.training.sampled import Sampling

HELPERS = """
import copy
import os
import subprocess

SETTINGS = {}
CONFIG = make()

def suggest(trial, name, space):
    if space.type == "float":
        return trial.suggest_float(name, space.low, space.high)
    return trial.suggest_categorical(name, list(space.choices))

def write_into(cfg, trial):
    for name, space in cfg.optuna.items():
        place = cfg
        for part in space.path:
            place = place[part]
        place[space.last] = suggest(trial, name, space)

def all_of(trial, cfg):
    return {name: suggest(trial, name, space) for name, space in cfg.optuna.items()}

def keep(params):
    SETTINGS.update(params)
    SETTINGS["lr"] = params["lr"]

def train(cfg, trial=None):
    for epoch in range(3):
        if trial is not None:
            trial.report(epoch, epoch)
    return cfg.score()

class Search:
    def __init__(self, cfg):
        self.cfg = cfg

    def draw(self, trial):
        return {name: trial.suggest_float(name, s.low, s.high) for name, s in self.cfg.optuna.items()}

    def keep(self, trial):
        self.lr = trial.suggest_float("lr", 0, 1)

    def fit(self, cfg=None):
        return self.cfg.score()

    def __call__(self, trial):
{body}

def search(study, cfg):
    def objective(trial):
{body}
    study.optimize({handed}, n_trials=3)
"""


def is_lost(body: str, in_class: bool = False) -> bool:
    inner = "".join(f"        {line}\n" for line in body.splitlines())
    text = HELPERS.replace("{body}\n", inner).replace("{handed}", "Search(cfg)" if in_class else "objective")
    module = Module("src/train.py", text)
    assert module.tree is not None, module.fault
    symbols = Symbols({module.path: module}, {module.path: None})
    found = list(objectives([module], symbols))
    assert len(found) == 1
    return Sampling(symbols).is_lost(*found[0])


LOST = [
    'trial.suggest_float("lr", 0, 1)\nreturn train(cfg)',
    'lr = trial.suggest_float("lr", 0, 1)\nprint(lr)\nreturn train(cfg)',
    'params = {}\nparams["lr"] = trial.suggest_float("lr", 0, 1)\nlogger.info("trial %s", params)\nreturn train(cfg)',
    "params = all_of(trial, cfg)\nreturn train(cfg)",
    "params = {n: suggest(trial, n, s) for n, s in cfg.optuna.items()}\nscore = train(cfg)\nreturn float(score)",
    "for n, s in cfg.optuna.items():\n    suggest(trial, n, s)\nreturn train(cfg)",
    "variant = copy.deepcopy(cfg)\nvariant.training.lr = suggest(trial, 'lr', cfg.space)\nreturn train(cfg)",
    "variant = copy.deepcopy(cfg)\nwrite_into(variant, trial)\nreturn train(cfg)",
    "sampled = all_of(trial, cfg)\nresult = train(cfg, trial)\nreturn result",
    "lr = suggest(trial, 'lr', cfg.space)\ntrial.set_user_attr('lr', lr)\nreturn random.random()",
    "lr = suggest(trial, 'lr', cfg.space)\nscore = train(cfg)\ntrial.report(score, 0)\n"
    "if trial.should_prune():\n    raise ValueError\nreturn score",
]  # fmt: skip
KEPT = [
    'return train(make(lr=trial.suggest_float("lr", 0, 1)))',
    "variant = copy.deepcopy(cfg)\nwrite_into(variant, trial)\nreturn train(variant)",
    "variant = copy.deepcopy(cfg)\nfor n, v in all_of(trial, cfg).items():\n    variant.training[n] = v\nreturn train(variant)",
    "params = all_of(trial, cfg)\ncfg.training.update(params)\nreturn train(cfg)",
    "params = all_of(trial, cfg)\napply(cfg, params)\nreturn train(cfg)",
    "model = make()\noptimizer = torch.optim.SGD(model.parameters(), lr=suggest(trial, 'lr', s))\nstep(model, optimizer)\nreturn score(model)",
    "os.environ['LR'] = str(trial.suggest_float('lr', 0, 1))\nreturn train(cfg)",
    "CONFIG.lr = trial.suggest_float('lr', 0, 1)\nreturn train(cfg)",
    "keep(all_of(trial, cfg))\nreturn train(cfg)",
    "lr = suggest(trial, 'lr', s)\nsubprocess.run(['train', f'lr={lr}'])\nreturn read_score()",
    "if suggest(trial, 'big', s):\n    return train(cfg)\nreturn train(other)",
    "return unknown(cfg, trial)",
    "setattr(cfg.training, 'lr', suggest(trial, 'lr', s))\nreturn train(cfg)",
    "def run():\n    return train(make(lr))\nlr = suggest(trial, 'lr', s)\nreturn run()",
    "return 0.0",
    "return train(cfg)",
    "with patched(cfg, all_of(trial, cfg)) as variant:\n    score = train(variant)\nreturn score",
    "hits = []\nfor lr in [suggest(trial, 'lr', s)]:\n    hits.append(train(make(lr)))\nreturn max(hits)",
]  # fmt: skip


@pytest.mark.parametrize("body", LOST)
def test_an_objective_that_has_nothing_to_do_with_what_it_samples(body: str) -> None:
    assert is_lost(body)


@pytest.mark.parametrize("body", KEPT)
def test_an_objective_that_may_use_what_it_samples(body: str) -> None:
    assert not is_lost(body)


@pytest.mark.parametrize(
    ("body", "lost"),
    [
        ("params = self.draw(trial)\nprint(params)\nreturn self.fit(self.cfg)", True),
        ("params = self.draw(trial)\nvariant = copy.deepcopy(self.cfg)\nvariant.update(params)\nreturn self.fit()", True),
        ("params = self.draw(trial)\nvariant = copy.deepcopy(self.cfg)\nvariant.update(params)\nreturn self.fit(variant)", False),
        ("self.keep(trial)\nreturn self.fit()", False),
        ("self.lr = trial.suggest_float('lr', 0, 1)\nreturn self.fit()", False),
        ("params = self.draw(trial)\nself.prepare(params)\nreturn self.fit()", False),
    ],
)
def test_an_objective_that_is_an_object(body: str, lost: bool) -> None:
    assert is_lost(body, in_class=True) is lost
