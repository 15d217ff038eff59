"""Attributes and arguments that objects of libraries do not have, however the object comes to its use."""

from __future__ import annotations

import pytest

from gonogo.analysis.dataflow.programs import walk_programs
from gonogo.analysis.libraries.misuses import misuses
from gonogo.analysis.libraries.objects import Objects
from gonogo.analysis.python.modules import Module

HEAD = "import wandb, optuna, torch\nfrom functools import partial\n"


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("run = wandb.init()\nrun.log_metrics({})\n", 1),
        ("with wandb.init() as run:\n    print(run.sumary)\n", 1),
        ("def f(r):\n    r.finish_run()\nf(wandb.init())\n", 1),
        ("run = wandb.init()\nrun.log({}, steps=3)\n", 1),
        ("for run in wandb.Api().runs('a/b'):\n    run.get_history()\n", 1),
        ("make = partial(torch.optim.SGD, learning_rate=0.1)\nmake([torch.zeros(1)])\n", 1),
        ("options = {'lr': 0.1, 'momentun': 0.9}\ntorch.optim.SGD([torch.zeros(1)], **options)\n", 1),
        ("optuna.create_study(samplers=None)\n", 1),
        ("run = wandb.init()\nrun.log({}, step=3)\nrun.summary['a'] = 1\nprint(run.url, run.id)\n", 0),
        ("torch.optim.SGD([torch.zeros(1)], lr=0.1, momentum=0.9)\n", 0),
    ],
)
def test_what_objects_lack(code: str, count: int) -> None:
    programs = walk_programs({"train.py": Module("train.py", HEAD + code)})
    assert len(list(misuses(programs, Objects(programs)))) == count
