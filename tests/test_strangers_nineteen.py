"""Nineteen projects of strangers: what was said of them wrongly, by kind, in many variants."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer


def rules_of(composer: Composer, text: str, *rules: str) -> list[str]:
    """The rules that speak of one program."""
    compile(text, "train.py", "exec")
    return [entry.rule for entry in run_rules(composer, {"train.py": text}, *rules)]


# -- gradients that are read, and not stepped -----------------------------------------------------------------------------

FISHER = """import torch
from torch import nn


class Learner:
    def __init__(self):
        self.network = nn.Linear(4, 2)
        self.sums = {{}}

    def keep(self):
        {helper}

    def fisher(self, loader):
        found = {{name: torch.zeros_like(weights) for name, weights in self.network.named_parameters()}}
        optimizer = torch.optim.SGD(self.network.parameters(), lr=0.1)
        for inputs, targets in loader:
            loss = nn.functional.cross_entropy(self.network(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            {inside}
        {after}
        return found


loader = [(torch.randn(8, 4), torch.randint(0, 2, (8,)))] * 3
print(Learner().fisher(loader))
"""
EACH = "for name, weights in self.network.named_parameters():\n            "
READS = {
    "in the loop": {"inside": f"{EACH}        found[name] += weights.grad.pow(2)"},
    "where there is any": {
        "inside": f"{EACH}        if weights.grad is not None:\n                        found[name] += weights.grad.data.clone() ** 2"
    },
    "behind the loop": {"after": f"{EACH}    found[name] = weights.grad / len(loader)"},
    "one layer's": {"inside": "found['weight'] += self.network.weight.grad.abs()"},
    "in a comprehension": {"inside": "found = {name: w.grad.detach().clone() for name, w in self.network.named_parameters()}"},
    "all at once": {"inside": "found['all'] = torch.cat([w.grad.view(-1) for w in self.network.parameters()])"},
    "in a method": {"helper": f"{EACH}self.sums[name] = weights.grad.clone()", "inside": "self.keep()"},
    "in a method, behind": {
        "helper": f"{EACH}self.sums[name] = weights.grad.clone()",
        "inside": "self.keep()",
        "after": "print(self.sums)",
    },
    "by hand": {
        "inside": "with torch.no_grad():\n                for w in self.network.parameters():\n                    w -= 0.1 * w.grad"
    },
    "saliency": {"inside": f"{EACH}        found[name] += (weights * weights.grad).abs()"},
}
NOT_READ = {
    "nothing": {},
    "asked for": {"inside": f"{EACH}        if weights.grad is None:\n                        print(name)"},
    "cleared": {"inside": "print(float(loss))", "after": f"{EACH}    weights.grad.zero_()"},
    "of autograd": {"helper": "print(torch.autograd.grad)", "inside": "print(float(loss))"},
}


def fisher(parts: dict[str, str]) -> str:
    """The program with its parts."""
    return FISHER.format(**{"helper": "print(self.sums)", "inside": "print(float(loss))", "after": "print(len(found))", **parts})


@pytest.mark.parametrize("kind", READS)
def test_gradients_that_are_read_need_no_step(composer: Composer, kind: str) -> None:
    assert rules_of(composer, fisher(READS[kind]), "TRN103") == []


@pytest.mark.parametrize("kind", NOT_READ)
def test_gradients_that_nobody_reads_need_one(composer: Composer, kind: str) -> None:
    assert rules_of(composer, fisher(NOT_READ[kind]), "TRN103") == ["TRN103"]


# -- dataclasses of others ------------------------------------------------------------------------------------------------

METRICS = """{imports}


{decorator}
class Metrics:
    total: float = 0.0
    count: int = 0

    def update(self, value):
        return self.replace(total=self.total + value, count=self.count + 1)


print(Metrics().update(1.0))
"""
OTHERS = [
    ("import chex", "@chex.dataclass"),
    ("import chex", "@chex.dataclass(frozen=True)"),
    ("import chex as c", "@c.dataclass(frozen=True, mappable_dataclass=True)"),
    ("from chex import dataclass", "@dataclass"),
    ("from flax.struct import dataclass", "@dataclass"),
    ("from flax import struct", "@struct.dataclass"),
    ("import flax", "@flax.struct.dataclass"),
    ("from tjax.dataclasses import dataclass", "@dataclass(eq=False)"),
    ("from pydantic.dataclasses import dataclass", "@dataclass"),
    ("from torchrl.data import tensorclass as dataclass", "@dataclass"),
]
OWN = [
    ("from dataclasses import dataclass", "@dataclass"),
    ("from dataclasses import dataclass as record", "@record(frozen=True)"),
    ("import dataclasses", "@dataclasses.dataclass(frozen=True)"),
    ("import dataclasses as dc", "@dc.dataclass"),
]


@pytest.mark.parametrize(("imports", "decorator"), OTHERS)
def test_a_dataclass_of_others_has_more_methods(composer: Composer, imports: str, decorator: str) -> None:
    assert rules_of(composer, METRICS.format(imports=imports, decorator=decorator), "IMP111") == []


@pytest.mark.parametrize(("imports", "decorator"), OWN)
def test_a_dataclass_of_python_has_no_more(composer: Composer, imports: str, decorator: str) -> None:
    assert rules_of(composer, METRICS.format(imports=imports, decorator=decorator), "IMP111") == ["IMP111"]


# -- options of another program that uses the same code -------------------------------------------------------------------

RUN = """import argparse

from options import add


def handle():
    parser = argparse.ArgumentParser()
    add(parser, main=True)
    return parser.parse_args()


def run(args):
    {read}


if __name__ == "__main__":
    run(handle())
"""
ADD = """def add(parser, main=False):
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mode", default="buffer")
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--steps", type=int, nargs="*")
    if main:
        parser.add_argument("--sample-n", type=int, default=64)
"""
COMPARE = """import argparse

import main
from options import add

parser = argparse.ArgumentParser()
add(parser)
args = parser.parse_args()
args.seed = 1
main.run(args)
"""
CONDITIONS = [
    "if args.draw:\n        print(args.sample_n)",
    "if args.mode == 'generate':\n        print(args.sample_n)",
    "print(args.sample_n if args.draw else 0)",
    "print(args.draw and args.sample_n)",
    "size = 0 if not args.draw else args.sample_n\n    print(size)",
    "for step in args.steps or ():\n        print(step, args.sample_n)",
    "while args.draw:\n        print(args.sample_n)\n        break",
    "if not args.draw:\n        return\n    print(args.sample_n)",
    "if args.draw:\n        size = args.sample_n\n    else:\n        size = 1\n    print(size)",
    "print(not args.draw or args.sample_n)",
    "if args.draw and args.mode != 'buffer':\n        print(f'{args.sample_n}')",
]


@pytest.mark.parametrize("read", CONDITIONS)
def test_an_option_of_another_program_behind_a_condition(composer: Composer, read: str) -> None:
    files = {"main.py": RUN.format(read=read), "options.py": ADD, "compare.py": COMPARE}
    assert run_rules(composer, files, "CLI101") == []


@pytest.mark.parametrize("read", ["print(args.sample_n)", "size = args.sample_n\n    print(size)", "print(f'{args.sample_n}')"])
def test_an_option_of_another_program_that_is_surely_read(composer: Composer, read: str) -> None:
    files = {"main.py": RUN.format(read=read), "options.py": ADD, "compare.py": COMPARE}
    assert [entry.rule for entry in run_rules(composer, files, "CLI101")] == ["CLI101"]


@pytest.mark.parametrize("read", CONDITIONS[:4])
def test_an_option_that_no_program_defines(composer: Composer, read: str) -> None:
    files = {"main.py": RUN.format(read=read.replace("sample_n", "sample_m")), "options.py": ADD, "compare.py": COMPARE}
    assert {entry.rule for entry in run_rules(composer, files, "CLI101")} == {"CLI101"}


# -- rows that are no held-out rows ---------------------------------------------------------------------------------------

ROWS = """import numpy as np
import os
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, train_test_split
from torch.utils.data import random_split

X, y = np.load("x.npy"), np.load("y.npy")
X = (X - X.mean(axis=0)) / X.std(axis=0)
{split}
Ridge().fit(X, y)
"""
SUBSAMPLES = [
    "X, _, y, _ = train_test_split(X, y, train_size=1000, random_state=0)",
    "X, _rest, y, _more = train_test_split(X, y, train_size=1000, random_state=0)",
    "_, X, _, y = train_test_split(X, y, test_size=1000, random_state=0)",
    "split = train_test_split(X, y, train_size=1000, random_state=0)\nX, y = split[0], split[2]",
    "split = train_test_split(X, y, train_size=1000, random_state=0)\nX = split[0]\ny = split[2]",
    "split = train_test_split(X, y, test_size=1000, random_state=0)\nX = split[1]\ny = split[3]",
    "X, y = train_test_split(X, y, train_size=1000, random_state=0)[::2]",
    "X, y = train_test_split(X, y, train_size=1000, random_state=0)[1::2]",
    "def few(X, y):\n    if len(X) > 10:\n        X, _, y, _ = train_test_split(X, y, train_size=10)\n    return X, y\n\n\nX, y = few(X, y)",
    "def few(X, y):\n    split = train_test_split(X, y, train_size=10)\n    return split[0], split[2]\n\n\nX, y = few(X, y)",
    "rows = train_test_split(np.arange(len(X)), train_size=10)[0]\nX, y = X[rows], y[rows]",
]
SPLITS = [
    "X, X_test, y, y_test = train_test_split(X, y, random_state=0)\nprint(X_test)",
    "split = train_test_split(X, y, random_state=0)\nX, y = split[0], split[2]\nprint(split[1])",
    "split = train_test_split(X, y, random_state=0)\nX, X_test, y, y_test = split\nprint(X_test)",
]


@pytest.mark.parametrize("split", SUBSAMPLES)
def test_a_split_whose_other_side_is_thrown_away_holds_nothing_out(composer: Composer, split: str) -> None:
    assert rules_of(composer, ROWS.format(split=split), "LEK104") == []


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_whose_sides_are_used_does(composer: Composer, split: str) -> None:
    assert rules_of(composer, ROWS.format(split=split), "LEK104") == ["LEK104"]


PATHS = [
    '"data/" + name + "_TRAIN.tsv"',
    'os.path.join("data", name, name + "_TRAIN.tsv")',
    'os.path.join("data", name, "train.csv")',
    'f"data/{name}/{name}_TRAIN.tsv"',
    'f"{name}/train.csv"',
    '"data/%s_TRAIN.tsv" % name',
    '"data/{}_TRAIN.tsv".format(name)',
    'Path("data") / name / "train.csv"',
    'Path("data", name, "train.csv")',
    'str(Path("data") / f"{name}_train.csv")',
]
SEARCHED = """import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

name = sys.argv[1]
table = pd.read_csv({path})
X, y = table.iloc[:, 1:].to_numpy(), table["y"].to_numpy()
X = (X - X.mean(axis=0)) / X.std(axis=0)
print(GridSearchCV(Ridge(), {{"alpha": [0.1, 1]}}).fit(X, y).best_params_)
"""


@pytest.mark.parametrize("path", PATHS)
def test_the_end_of_a_path_says_what_part_it_is(composer: Composer, path: str) -> None:
    assert rules_of(composer, SEARCHED.format(path=path), "LEK104") == []


@pytest.mark.parametrize("path", ['f"data/{name}.csv"', 'os.path.join("data", name)', '"rows.csv"', 'Path("data") / name'])
def test_a_path_that_says_nothing(composer: Composer, path: str) -> None:
    assert rules_of(composer, SEARCHED.format(path=path), "LEK104") == ["LEK104"]


PAIRS = """import numpy as np
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

users, items, y = np.load("users.npy"), np.load("items.npy"), np.load("y.npy")
{make}
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
print(Ridge().fit(X_train, y_train).score(X_test, y_test))
"""
BESIDE = [
    "X = np.concatenate([np.repeat(users, len(items), axis=0), items], axis=1)",
    "X = np.concatenate([np.repeat(users, len(items), axis=0), items], axis=-1)",
    "X = np.concatenate((items, np.repeat(users, 8, axis=0)), -1)",
    "X = np.hstack([np.repeat(users, len(items), axis=0), items])",
    "X = np.column_stack((np.repeat(users, len(items), axis=0), items))",
    "many = np.repeat(users, len(items), axis=0)\nX = np.hstack([many, items])",
    "many = np.repeat(users, len(items), axis=0)\nmore = np.load('more.npy')\nX = np.concatenate([more, many], axis=1)",
    "def pairs(users, items):\n    return np.hstack((np.repeat(users, 8, axis=0), items))\n\n\nX = pairs(users, items)",
    "X = np.hstack([np.repeat(users, len(items), axis=0), items])[:, :4].astype(float)",
    "X = np.stack([np.repeat(users, 8, axis=0), items], axis=1)",
]
COPIED = [
    "X = np.repeat(users, 8, axis=0)",
    "X = np.concatenate([np.repeat(users, 8, axis=0), items], axis=0)",
    "X = np.repeat(np.hstack([users, items]), 8, axis=0)",
    "X = np.repeat(users, 8, axis=0)\nX = np.hstack([X, X ** 2])",
]


@pytest.mark.parametrize("make", BESIDE)
def test_copies_beside_other_columns_are_rows_of_their_own(composer: Composer, make: str) -> None:
    assert rules_of(composer, PAIRS.format(make=make), "LEK103") == []


@pytest.mark.parametrize("make", COPIED)
def test_copies_of_rows_land_on_both_sides(composer: Composer, make: str) -> None:
    assert rules_of(composer, PAIRS.format(make=make), "LEK103") == ["LEK103"]


NARROWED = """import numpy as np
import torch
from torch import nn

table = np.load("series.npy")
table = (table - np.nanmean(table)) / np.nanstd(table)


def fit(train_data):
    {narrow}
    return torch.utils.data.DataLoader(torch.from_numpy(train_data), batch_size=8, shuffle=True)


print(fit(table))
"""
NARROWS = [
    "train_data = train_data[~np.isnan(train_data).any(axis=1)]",
    "train_data = train_data[train_data[:, 0] > 0]",
    "train_data = train_data[(train_data[:, 0] > 0) & (train_data[:, 1] < 3)]",
    "train_data = train_data[train_data.sum(axis=1) != 0]",
    "keep = ~np.isnan(train_data).all(axis=1)\n    train_data = train_data[keep]",
]


@pytest.mark.parametrize("narrow", NARROWS)
def test_rows_left_out_of_the_training_part_are_no_split(composer: Composer, narrow: str) -> None:
    assert rules_of(composer, NARROWED.format(narrow=narrow), "LEK104") == []


# -- first weights that nothing uses --------------------------------------------------------------------------------------

EARLY = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.name = f"net-{{width}}"
        self.body = nn.Sequential(nn.Linear(4, width), nn.ReLU())
        self.head = nn.Linear(width, 2)

    def forward(self, rows):
        return self.head(self.body(rows))


def stamp():
    return Net().name


def load(net, path):
    net.load_state_dict(torch.load(path)["model"])


{before}
torch.manual_seed(0)
{after}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for rows, labels in torch.load("batches.pt"):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(rows), labels).backward()
    optimizer.step()
"""
UNUSED = {
    "for its name": ("print(stamp())", "model = Net()"),
    "for its size": ("size = sum(p.numel() for p in Net().parameters())\nprint(size)", "model = Net()"),
    "printed": ("print(Net())", "model = Net()"),
    "asked for its width": ("width = Net(16).head.in_features", "model = Net(width)"),
    "overwritten": ("model = Net()\nprint(model.name)", "model = Net()"),
    "loaded": ('model = Net()\nmodel.load_state_dict(torch.load("net.pt"))', "print(model)"),
    "loaded by a function": ('model = Net()\nload(model, "net.pt")', "print(model)"),
    "loaded later": ("model = Net()", 'load(model, "net.pt")'),
    "on the meta device": ('with torch.device("meta"):\n    model = Net()', 'model = model.to_empty(device="cpu")'),
    "empty": ("from accelerate import init_empty_weights\n\nwith init_empty_weights():\n    model = Net()", "print(model)"),
    "of Hugging Face": (
        "from transformers.modeling_utils import no_init_weights\n\nwith no_init_weights():\n    model = Net()",
        "print(1)",
    ),
}
USED = {
    "trained": ("model = Net()", "print(model)"),
    "loaded in part": (
        'model = Net()\nmissing = model.load_state_dict(torch.load("net.pt"), strict=False)\nprint(missing)',
        "print(model)",
    ),
    "loaded perhaps": ('import sys\n\nmodel = Net()\nif len(sys.argv) > 1:\n    load(model, "net.pt")', "print(model)"),
    "teaches": ("teacher = Net()", "print(teacher(torch.ones(1, 4)))\nmodel = Net()"),
    "handed on": ("from others import fit\n\nother = Net()", "fit(other)\nmodel = Net()"),
    "copied": ("model = Net()", "for _ in range(3):\n    print(model(torch.ones(1, 4)))\nload(model, 'net.pt')"),
    "a head of it": ("head = nn.Linear(8, 2)", "model = Net()\nmodel.head = head"),
}


@pytest.mark.parametrize("kind", UNUSED)
def test_first_weights_that_nothing_uses_are_drawn_in_vain(composer: Composer, kind: str) -> None:
    before, after = UNUSED[kind]
    assert rules_of(composer, EARLY.format(before=before, after=after), "REP102") == []


def test_the_best_state_comes_from_the_first_weights(composer: Composer) -> None:
    text = EARLY.format(before="model = Net()", after="print(model)") + 'load(model, "best.pt")\nprint(model(torch.ones(1, 4)))\n'
    assert rules_of(composer, text, "REP102") == ["REP102"]


@pytest.mark.parametrize("kind", USED)
def test_first_weights_that_are_used_are_drawn_too_early(composer: Composer, kind: str) -> None:
    before, after = USED[kind]
    assert rules_of(composer, EARLY.format(before=before, after=after), "REP102") == ["REP102"]


# -- names of weights that are compared by hand ---------------------------------------------------------------------------

LOADED = """import logging

import torch
from torch import nn

logger = logging.getLogger(__name__)


def load(model, path):
    state = torch.load(path)
    {before}
    model.load_state_dict(state, strict=False)
    return model


print(load(nn.Linear(4, 2), "net.pt")(torch.ones(1, 4)))
"""
TOLD = [
    "for key in state.keys():\n        if key not in model.state_dict().keys():\n            print(key)",
    "for key in state:\n        if key not in model.state_dict():\n            logger.warning('%s is unknown', key)",
    "own = model.state_dict()\n    for key in own:\n        if key not in state:\n            print('missing', key)",
    "missing = set(model.state_dict()) - set(state)\n    print('missing', missing)",
    "missing = set(model.state_dict()).difference(state)\n    logger.info('missing %s', missing)",
    "missing = [key for key in model.state_dict() if key not in state]\n    if missing:\n        logger.warning(missing)",
    "own = model.state_dict()\n    missing = [key for key in own if key not in state]\n    print(f'{missing}')",
    "assert set(state) == set(model.state_dict())",
    "assert not set(model.state_dict()) ^ set(state), 'other names'",
    "if set(state) != set(model.state_dict()):\n        raise ValueError('other names')",
    "print(set(state.keys()).symmetric_difference(model.state_dict().keys()))",
    "own = model.state_dict()\n    if not any(key in own for key in state):\n        raise KeyError(path)",
]
UNTOLD = [
    "print(path)",
    "state = {key: value for key, value in state.items() if key in model.state_dict()}",
    "own = model.state_dict()\n    state = {key: value for key, value in state.items() if key in own}\n    print('loaded')",
    "if 'model' in state:\n        print('found a model')\n        state = state['model']",
    "print(len(state), len(model.state_dict()))",
]


@pytest.mark.parametrize("before", TOLD)
def test_names_that_are_compared_are_looked_at(composer: Composer, before: str) -> None:
    assert rules_of(composer, LOADED.format(before=before), "TRN119") == []


@pytest.mark.parametrize("before", UNTOLD)
def test_names_that_nobody_looks_at(composer: Composer, before: str) -> None:
    assert rules_of(composer, LOADED.format(before=before), "TRN119") == ["TRN119"]


# -- dependencies that stand elsewhere ------------------------------------------------------------------------------------

TABLE = """[project]
name = "reader"
version = "1.0"
{more}
"""
LISTS = {
    "requirements.txt": "torch>=2\nnumpy\n",
    "requirements/core.txt": "torch==2.2.0\n",
    "requirements/core.in": "torch\n",
    "requirements-gpu.txt": "--extra-index-url https://example.org\ntorch\n",
    "environment.yml": "name: reader\ndependencies:\n  - python=3.11\n  - pytorch\n  - pip:\n    - torch\n",
    "conda.yaml": "dependencies:\n  - numpy=1.26\n",
    "setup.py": "from setuptools import setup\n\nsetup(name='reader', install_requires=['torch>=2.0', 'numpy>=1'])\n",
    "dev_requirements.txt": "torch\n",
    "docs/requirements.txt": "torch\n",
    "train/requirements.txt": "torch  # any\n",
}


@pytest.mark.parametrize("path", LISTS)
def test_dependencies_that_stand_elsewhere(composer: Composer, path: str) -> None:
    files = {"train.py": "import torch\n\nprint(torch.ones(1))\n", "pyproject.toml": TABLE.format(more=""), path: LISTS[path]}
    assert run_rules(composer, files, "ENV101") == []


NONE = [
    ({}, ""),
    ({"requirements.txt": "# nothing yet\n"}, ""),
    ({"requirements.txt": "torch\n"}, "dependencies = {torch = '*'}"),
    ({"requirements.txt": "torch\n"}, "dependencies = ['torch^2.1']"),
    ({"requirements.txt": "torch\n"}, "\n[tool.poetry.dependencies]\ntorch = '^2.1'"),
]


@pytest.mark.parametrize(("more_files", "more"), NONE)
def test_dependencies_that_stand_nowhere_or_wrongly(composer: Composer, more_files: dict[str, str], more: str) -> None:
    files = {"train.py": "import torch\n\nprint(torch.ones(1))\n", "pyproject.toml": TABLE.format(more=more), **more_files}
    assert [entry.rule for entry in run_rules(composer, files, "ENV101")] == ["ENV101"]


# -- a network of several, and one whose forward is called by name --------------------------------------------------------

SEVERAL = """import sys

import torch
from torch import nn
{classes}

def make(name, width):
    models = {{{table}}}
    return models[name](width)


def train_epoch(model, optimizer, loader):
    model.train()
    for rows, wanted in loader:
        optimizer.zero_grad()
        {learn}
        loss.backward()
        optimizer.step()


def evaluate(model, loader):
    {mode}
    total = 0
    with torch.no_grad():
        for rows, wanted in loader:
            {score}
            total += loss.item()
    return total / len(loader)


torch.manual_seed(0)
model = make(sys.argv[1], 8)
optimizer = torch.optim.Adam(model.parameters())
train, val = torch.load("train.pt"), torch.load("val.pt")
for epoch in range(10):
    train_epoch(model, optimizer, train)
    print(evaluate(model, val))
"""
NETWORK = """

class Net{number}(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, width), nn.Dropout(0.5), nn.Linear(width, {number} + 1))

    def forward(self, rows):
        out = self.body(rows)
        return {gives}

    def loss(self, out, wanted):
        return nn.functional.l1_loss(out, wanted)
"""
APPLIED = {
    "called": ("out", "out = model(rows)", "l1_loss"),
    "by name": ("out", "out = model.forward(rows)", "l1_loss"),
    "of two": ("out, rows", "out, _ = model(rows)", "l1_loss"),
    "of two, by name": ("out, rows", "out, _ = model.forward(rows)", "l1_loss"),
    "of two, by place": ("out, rows", "out = model(rows)[0]", "l1_loss"),
    "of a dict": ('{"out": out, "rows": rows}', 'out = model(rows)["out"]', "l1_loss"),
    "its own loss": ("out, rows", "out, _ = model.forward(rows)", "own"),
    "its own loss, one": ("out", "out = model(rows)", "own"),
}


def several(kind: str, count: int, mode: str) -> str:
    """A program that trains and scores one of several networks."""
    gives, applied, loss = APPLIED[kind]
    computed = "loss = model.loss(out, wanted)" if loss == "own" else "loss = nn.functional.l1_loss(out, wanted)"
    classes = "".join(NETWORK.format(number=number, gives=gives) for number in range(count))
    table = ", ".join(f'"net{number}": Net{number}' for number in range(count))
    return SEVERAL.format(
        classes=classes, table=table, learn=f"{applied}\n        {computed}", score=f"{applied}\n            {computed}", mode=mode
    )


@pytest.mark.parametrize("count", [1, 3, 6])
@pytest.mark.parametrize("kind", APPLIED)
def test_one_of_several_networks_that_is_scored_in_train_mode(composer: Composer, kind: str, count: int) -> None:
    assert rules_of(composer, several(kind, count, "print(len(loader))"), "TRN106") == ["TRN106"]
    assert rules_of(composer, several(kind, count, "model.eval()"), "TRN", "NUM", "IMP") == []


# -- clipped under a condition --------------------------------------------------------------------------------------------

CLIPPED = """import sys

import torch
from torch import nn

limit = float(sys.argv[1])
torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for turn, (rows, wanted) in enumerate(torch.load("batches.pt")):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(rows), wanted)
    {before}
    loss.backward()
    {between}
    optimizer.step()
    {after}
"""
CLIP = "nn.utils.clip_grad_norm_(model.parameters(), limit)"
CLIPS = [f"if limit:\n        {CLIP}", f"if limit > 0:\n        {CLIP}", f"if turn > 10:\n        {CLIP}\n    else:\n        print(turn)"]
SAID = "print(float(loss))"


@pytest.mark.parametrize("clip", CLIPS)
def test_clipping_under_a_condition_has_its_place_too(composer: Composer, clip: str) -> None:
    for before, between, after, found in (
        (clip, SAID, SAID, ["TRN138"]),
        (SAID, SAID, clip, ["TRN138"]),
        (SAID, clip, SAID, []),
    ):
        assert rules_of(composer, CLIPPED.format(before=before, between=between, after=after), "TRN138") == found


ACCUMULATED = [
    f"if turn % 4 == 3:\n        {CLIP}\n        optimizer.step()",
    f"if turn % 4 == 3:\n        {CLIP}\n    if turn % 4 == 3:\n        optimizer.step()",
    f"if limit and turn % 4 == 3:\n        {CLIP}\n    if turn % 4 == 3:\n        optimizer.step()",
]


@pytest.mark.parametrize("step", ACCUMULATED)
def test_clipping_once_in_several_turns(composer: Composer, step: str) -> None:
    assert (
        rules_of(
            composer,
            CLIPPED.format(before=SAID, between=step, after=SAID).replace("    optimizer.step()\n    print(float", "    print(float"),
            "TRN138",
        )
        == []
    )


# -- chosen by the test loader, beside one for validation -----------------------------------------------------------------

CHOSEN = """import torch
from data import splits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
first, second, third = splits("data")
train_loader = DataLoader(first, batch_size=8, shuffle=True)
val_loader = DataLoader(second, batch_size=8)
test_loader = DataLoader(third, batch_size=8)
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)


def evaluate(loader):
    model.eval()
    right = count = loss = 0
    with torch.no_grad():
        for rows, labels in loader:
            out = model(rows)
            loss += nn.functional.cross_entropy(out, labels, reduction="sum").item()
            right += (out.argmax(1) == labels).sum().item()
            count += len(labels)
    model.train()
    return loss / count, right / count


best = 0
log = {{"best": 0}}
for epoch in range(30):
    for rows, labels in train_loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(rows), labels).backward()
        optimizer.step()
    val_loss, val_acc = evaluate(val_loader)
    test_loss, test_acc = evaluate(test_loader)
    print(val_loss, val_acc, test_loss, test_acc)
    {choose}
"""
SAVE = 'torch.save(model.state_dict(), "best.pt")'
CHOICES = [
    f"if {{acc}} > best:\n        best = {{acc}}\n        {SAVE}",
    f"if best < {{acc}}:\n        best = {{acc}}\n        {SAVE}",
    f"if {{acc}} >= best:\n        {SAVE}\n        best = {{acc}}",
    f"is_best = {{acc}} > best\n    best = max({{acc}}, best)\n    if is_best:\n        {SAVE}",
    f"if {{acc}} > log['best']:\n        log['best'] = {{acc}}\n        {SAVE}",
    "if {acc} > best:\n        best, kept = {acc}, {{k: v.clone() for k, v in model.state_dict().items()}}\n        print(kept)",
    "scheduler.step({loss})",
    "scheduler.step(metrics={loss})",
    "if epoch > 3:\n        scheduler.step({loss})",
    "scheduler.step(round({loss}, 3))",
]


@pytest.mark.parametrize("choose", CHOICES)
def test_what_is_chosen_by_the_test_loader(composer: Composer, choose: str) -> None:
    wrong, right = (CHOSEN.format(choose=choose.format(acc=f"{part}_acc", loss=f"{part}_loss")) for part in ("test", "val"))
    assert rules_of(composer, wrong, "LEK109") == ["LEK109"]
    assert rules_of(composer, right, "LEK109") == []


TOLD_ONLY = [
    "if test_acc > best:\n        best = test_acc\n        print(best)",
    f"if val_acc > best:\n        best = val_acc\n        {SAVE}\n    if test_acc > log['best']:\n        log['best'] = test_acc\n        {SAVE}",
    f"if val_acc + 0 * test_acc > best:\n        best = val_acc\n        {SAVE}",
    f"if epoch > 20:\n        {SAVE}",
]


@pytest.mark.parametrize("choose", TOLD_ONLY)
def test_what_is_only_told_of_the_test_loader(composer: Composer, choose: str) -> None:
    assert rules_of(composer, CHOSEN.format(choose=choose), "LEK109") == []


# -- a plateau that is told the epoch -------------------------------------------------------------------------------------

PLATEAU = """from itertools import count

import torch
from torch import nn
from tqdm import tqdm, trange

torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.{made}
batches = torch.load("batches.pt")


def train(epoch):
    total = 0
    for rows, wanted in batches:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(rows), wanted)
        loss.backward()
        optimizer.step()
        total += loss.item()
    {inside}
    return total


for {head}:
    total = train(epoch)
    {outside}
"""
HEADS = [
    "epoch in range(10)",
    "epoch in range(1, 11)",
    "epoch in tqdm(range(10))",
    "epoch in trange(10)",
    "epoch in count()",
    "epoch, _ in enumerate(range(10))",
]
STEPS = [
    ("print(total)", "scheduler.step(epoch)"),
    ("print(total)", "scheduler.step(epoch + 1)"),
    ("print(total)", "scheduler.step(metrics=epoch)"),
    ("scheduler.step(epoch)", "print(total)"),
]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("step", STEPS)
def test_a_plateau_that_is_told_the_epoch(composer: Composer, head: str, step: tuple[str, str]) -> None:
    text = PLATEAU.format(made="ReduceLROnPlateau(optimizer)", head=head, inside=step[0], outside=step[1])
    assert rules_of(composer, text, "TRN117") == ["TRN117"]


TOLD_RIGHT = [
    ("ReduceLROnPlateau(optimizer)", "scheduler.step(total)"),
    ("ReduceLROnPlateau(optimizer)", "scheduler.step(total, epoch)"),
    ("ReduceLROnPlateau(optimizer)", "scheduler.step(total / (epoch + 1))"),
    ("ReduceLROnPlateau(optimizer)", "scheduler.step([total, epoch][0])"),
    ("StepLR(optimizer, 3)", "scheduler.step(epoch)"),
    ("StepLR(optimizer, 3)", "scheduler.step()"),
]


@pytest.mark.parametrize(("made", "step"), TOLD_RIGHT)
def test_a_scheduler_that_is_told_what_it_wants(composer: Composer, made: str, step: str) -> None:
    assert rules_of(composer, PLATEAU.format(made=made, head=HEADS[0], inside="print(total)", outside=step), "TRN117") == []


# -- averages that keep the graph -----------------------------------------------------------------------------------------

AVERAGED = """import torch
from torch import nn


class Average:
    def __init__(self):
        self.count = 0
        self.mean = 0.0

    def add(self, value):
        {add}
        self.count += 1


class Trainer:
    def __init__(self, model):
        self.model = model
        self.losses = Average()
        self.smooth = 0.0
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def train(self, batches):
        for rows, wanted in batches:
            self.optimizer.zero_grad()
            loss = nn.functional.mse_loss(self.model(rows), wanted)
            loss.backward()
            self.optimizer.step()
            {tell}


torch.manual_seed(0)
Trainer(nn.Linear(4, 1)).train(torch.load("batches.pt"))
"""
MEAN = "self.mean = (self.mean * self.count + value) / (self.count + 1)"
AVERAGES = [
    (MEAN, "self.losses.add(loss)"),
    ("self.mean = self.mean + (value - self.mean) / (self.count + 1)", "self.losses.add(loss)"),
    ("self.mean = self.mean + value", "self.losses.add(loss)"),
    ("self.mean = value + self.mean", "self.losses.add(loss)"),
    ("self.mean = 0.9 * self.mean + 0.1 * value", "self.losses.add(loss)"),
    (MEAN, "self.smooth = 0.9 * self.smooth + 0.1 * loss"),
    (MEAN, "self.smooth = self.smooth + loss"),
]
AVERAGES_OF_NUMBERS = [
    (MEAN, "self.losses.add(loss.item())"),
    (MEAN, "self.losses.add(loss.detach())"),
    (MEAN.replace("value", "float(value)"), "self.losses.add(loss)"),
    ("self.mean = value", "self.losses.add(loss)"),
    ("self.mean = (value + self.count) / 2", "self.losses.add(loss)"),
    (MEAN, "self.smooth = 0.9 * self.smooth + 0.1 * loss.item()"),
    (MEAN, "with torch.no_grad():\n                self.losses.add(loss)"),
]


@pytest.mark.parametrize(("add", "tell"), AVERAGES)
def test_averages_that_keep_the_graph(composer: Composer, add: str, tell: str) -> None:
    assert rules_of(composer, AVERAGED.format(add=add, tell=tell), "TRN110") == ["TRN110"]


@pytest.mark.parametrize(("add", "tell"), AVERAGES_OF_NUMBERS)
def test_averages_of_numbers(composer: Composer, add: str, tell: str) -> None:
    assert rules_of(composer, AVERAGED.format(add=add, tell=tell), "TRN110") == []


# -- a scheduler that counts batches and epochs ---------------------------------------------------------------------------

BOTH = """import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.{made}
other = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
batches = torch.load("batches.pt")


def train(scheduler):
    for rows, wanted in batches:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(rows), wanted).backward()
        optimizer.step()
        {batch}


if len(batches) > 3:
    for epoch in range(90):
        train(scheduler)
        {epoch}
    other.step()
"""
SCHEDULES = ["StepLR(optimizer, 30)", "MultiStepLR(optimizer, [30, 60])", "ExponentialLR(optimizer, 0.99)", "LambdaLR(optimizer, abs)"]
WARM = "if epoch < 5:\n            scheduler.step()"


@pytest.mark.parametrize("made", SCHEDULES)
def test_a_scheduler_that_counts_batches_and_epochs(composer: Composer, made: str) -> None:
    for batch, epoch, found in (
        ("scheduler.step()", "scheduler.step()", ["TRN118"]),
        ("scheduler.step()", "print(epoch)", []),
        ("scheduler.step()", "if epoch > 80:\n            scheduler.step()", []),
        ("print(float(rows.sum()))", "scheduler.step()", []),
        ("other.step()", "scheduler.step()", []),
        (WARM, "scheduler.step()", []),
        (WARM, "if epoch >= 5:\n            scheduler.step()", []),
    ):
        assert rules_of(composer, BOTH.format(made=made, batch=batch, epoch=epoch), "TRN118") == found
