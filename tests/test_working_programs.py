"""What was once reported of programs that work: each kind in several forms, and beside it the mistake that is still found."""

from __future__ import annotations

import json

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer
from gonogo.model.finding import Severity


def rules_found(composer: Composer, rule: str, text: str, path: str = "train.py") -> list[int | None]:
    """The lines that a rule speaks of."""
    return [entry.location.line for entry in run_rules(composer, {path: text}, rule)]


# -- a loss that is written into a tensor ---------------------------------------------------------------------------------

FILLED = """import torch
from torch import nn

network = nn.Linear(4, 1)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)


def fill(target, mask, loss):
    target[mask] = loss


class Losses:
    def __init__(self, size):
        self.values = torch.zeros(size)

    def put(self, mask, loss):
        self.values[mask] = loss


for _ in range(10):
    inputs, targets = torch.randn(8, 4), torch.randn(8, 1)
    mask = targets[:, 0] > 0
    optimizer.zero_grad()
    step = ((network(inputs[mask]) - targets[mask]) ** 2)[:, 0]
    losses = torch.zeros(8).to(inputs.device)
    {write}
    loss = losses.sum() / 8
    loss.backward()
    optimizer.step()
"""
WRITES = [
    "losses[mask] = step",
    "losses[mask] += step",
    "fill(losses, mask, step)",
    "losses.masked_scatter_(mask, step)",
    "losses.index_add_(0, mask.nonzero()[:, 0], step)",
    "losses += step.sum()",
    "rows = losses.view(2, 4); rows[0] = step.mean()",
    "first = losses[0]; first += step.mean()",
    "torch.add(losses, step.mean(), out=losses)",
    "kept = Losses(8); kept.put(mask, step); losses = kept.values",
    "parts = []; losses[mask] = step; parts.append(losses); losses = torch.stack(parts)",
    "for place in range(8): losses[place] = ((network(inputs[place]) - targets[place]) ** 2)[0]",
]


@pytest.mark.parametrize("write", WRITES)
def test_a_loss_that_is_written_into_a_tensor_has_its_gradient(write: str, composer: Composer) -> None:
    assert rules_found(composer, "TRN104", FILLED.format(write=write)) == []


@pytest.mark.parametrize("write", ["losses[mask] = step.detach()", "losses[0] = step.mean().item()", "losses.data[mask] = step"])
def test_a_number_that_is_written_into_a_tensor_has_none(write: str, composer: Composer) -> None:
    assert rules_found(composer, "TRN104", FILLED.format(write=write)) != []


# -- a layer that a list hides from the network on purpose ------------------------------------------------------------------

SHARED = """import torch
from torch import nn


class Layer(nn.Module):
    def __init__(self, shared):
        super().__init__()
        {kept}
        self.own = nn.Linear(4, 4)

    def forward(self, inputs):
        return self.own(self.shared{taken}(inputs))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        {made}
        self.layers = nn.ModuleList({layers})

    def forward(self, inputs):
        for layer in self.layers:
            inputs = layer(inputs)
        return inputs


model = Encoder()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(10):
    optimizer.zero_grad()
    model(torch.randn(8, 4)).sum().backward()
    optimizer.step()
"""
SHARING = [
    ("self.shared = [shared]", "[0]", "self.compress = nn.Linear(4, 4)", "[Layer(self.compress) for _ in range(3)]"),
    ("self.shared = (shared,)", "[0]", "self.compress = nn.Linear(4, 4)", "[Layer(self.compress) for _ in range(3)]"),
    ('self.shared = {"layer": shared}', '["layer"]', "self.compress = nn.Linear(4, 4)", "[Layer(self.compress)]"),
    ("self.shared = [shared]", "[0]", "compress = nn.Linear(4, 4); self.compress = compress", "[Layer(compress), Layer(compress)]"),
    ("self.shared = [shared]", "[0]", "self.compress = nn.Sequential(nn.Linear(4, 4))", "[Layer(self.compress)]"),
    ("self.shared = list([shared])", "[0]", "self.compress = nn.Linear(4, 4)", "[Layer(self.compress)]"),
]


@pytest.mark.parametrize(("kept", "taken", "made", "layers"), SHARING)
def test_a_layer_that_another_network_has_may_stand_in_a_list(kept: str, taken: str, made: str, layers: str, composer: Composer) -> None:
    assert rules_found(composer, "TRN115", SHARED.format(kept=kept, taken=taken, made=made, layers=layers)) == []


def test_a_layer_that_no_network_has_is_found_in_a_list(composer: Composer) -> None:
    alone = SHARED.format(kept="self.shared = [shared]", taken="[0]", made="", layers="[Layer(nn.Linear(4, 4))]")
    assert rules_found(composer, "TRN115", alone) == [8]


# -- a scaler that may be there or not ----------------------------------------------------------------------------------

SCALED = """import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--amp", action="store_true")
args = parser.parse_args()
network = nn.Linear(4, 1)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
scaler = torch.cuda.amp.GradScaler() if args.amp else None


def backward(loss, scaler):
    if {asked}:
        scaler.scale(loss).backward()
    else:
        loss.backward()


def train(network, optimizer, scaler):
    for _ in range(10):
        optimizer.zero_grad()
        backward(network(torch.randn(8, 4)).sum(), scaler)
        if {again}:
            {unscale}
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
        else:
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()


train(network, optimizer, scaler)
"""
ASKED = [
    ("scaler is not None", "scaler is not None"),
    ("scaler", "scaler is not None"),
    ("scaler is not None", "scaler"),
    ("scaler != None", "scaler is not None"),
    ("not (scaler is None)", "scaler"),
    ("args.amp", "args.amp"),
    ("args.amp is True", "args.amp is True"),
]


@pytest.mark.parametrize(("asked", "again"), ASKED)
def test_gradients_are_clipped_where_nothing_was_scaled(asked: str, again: str, composer: Composer) -> None:
    text = SCALED.format(asked=asked, again=again, unscale="scaler.unscale_(optimizer)")
    assert rules_found(composer, "TRN123", text) == []


def test_gradients_that_were_scaled_are_not_clipped(composer: Composer) -> None:
    text = SCALED.format(asked="scaler is not None", again="scaler is not None", unscale="pass")
    assert rules_found(composer, "TRN123", text) == [27]


# -- hashes of numbers ----------------------------------------------------------------------------------------------------

NUMBERS = [
    "(seed, epoch, index)", "(seed, *more)", "(self.seed, state.update, ids.sum().item())", "tuple(w.shape)", "(3, 4)", "seed", "args.seed",
    "len(rows)", "epoch * 1000 + i", "(seed, epoch, indices[i].item())", "frozenset(sizes)", "(worker, rank)",
]  # fmt: skip
TEXTS = [
    "name", '"train"', "row.path", "str(row)", "(seed, name)", '("part", 3)', 'f"{seed}"', 'user + "@"', "tuple(names)", "open(path).read()",
    "(index, str(row))", "row[0]",
]  # fmt: skip


@pytest.mark.parametrize("hashed", NUMBERS)
def test_hashes_of_numbers_are_the_same_in_each_process(hashed: str, composer: Composer) -> None:
    assert rules_found(composer, "REP111", f"import torch\n\ndef make(**given):\n    torch.manual_seed(hash({hashed}) % 2**31)\n") == []


@pytest.mark.parametrize("hashed", TEXTS)
def test_hashes_of_texts_are_others_in_each_process(hashed: str, composer: Composer) -> None:
    assert rules_found(composer, "REP111", f"import torch\n\ndef make(**given):\n    torch.manual_seed(hash({hashed}) % 2**31)\n") == [4]


# -- commands and other repositories in notebooks -------------------------------------------------------------------------


def notebook(*cells: str) -> str:
    """A notebook with these cells."""
    return json.dumps(
        {
            "cells": [{"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": cell} for cell in cells],
            "metadata": {"kernelspec": {"language": "python", "name": "python3", "display_name": "Python 3"}},
            "nbformat": 4,
            "nbformat_minor": 4,
        }
    )


COMMANDS = [
    "cat /content/checkpoints/metrics.json", "rm -rf runs/old", "ls -l", "cp ./model.pt /tmp/x", "mkdir -p out/x", "cd ..", "cat ~/notes.txt",
    "head -5 /data/x.csv", "mv ./a.txt ../b.txt", "cat /content/checkpoints/metrics.json\n",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_shell_is_no_expression(command: str, composer: Composer) -> None:
    assert rules_found(composer, "IMP104", notebook("import torch", command), "look.ipynb") == []


@pytest.mark.parametrize("cells", [["cat = 3", "print(cat /other)"], ["cat = 3", "cat /other"], ["cat - other"], ["print(1)\ncat /other"]])
def test_an_expression_that_begins_like_a_command_is_read(cells: list[str], composer: Composer) -> None:
    assert rules_found(composer, "IMP104", notebook("import torch", *cells), "look.ipynb") != []


VIT = {"vit/__init__.py": "", "vit/models.py": "class ViT:\n    pass\n"}
TAKES = "from vit.vit_models import Classifier\n"
BROUGHT = [
    ("look.ipynb", notebook("!git clone -q https://example.org/deit-tf", "import sys\nsys.path.append('deit-tf')\n" + TAKES)),
    ("look.ipynb", notebook("! git clone https://example.org/deit-tf", "%cd deit-tf", TAKES)),
    ("look.ipynb", notebook("%cd /content/deit-tf", TAKES)),
    ("look.ipynb", notebook("!pip install -q git+https://example.org/deit-tf", TAKES)),
    ("look.ipynb", notebook("import sys\nsys.path.insert(0, '/content/deit-tf')\n" + TAKES)),
    ("look.py", "import sys\nsys.path.append('deit-tf')\n" + TAKES),
    ("look.py", "import sys\nsys.path.insert(0, '../../deit-tf')\n" + TAKES),
    ("look.py", "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'third_party', 'deit'))\n" + TAKES),
    ("look.py", "import os, sys\nsys.path.insert(0, os.environ['DEIT'])\n" + TAKES),
    ("look.py", "import sys\nDEIT = '/opt/deit'\nsys.path.append(DEIT)\n" + TAKES),
    ("look.py", "import sys\nsys.path += ['/opt/deit']\n" + TAKES),
    ("look.py", "import sys\nsys.path[:0] = ['/opt/deit']\n" + TAKES),
    ("look.py", "import site, sys\nsite.addsitedir(sys.argv[1])\n" + TAKES),
    ("look.py", "import sys\nfrom pathlib import Path\nROOT = Path(__file__).parent / 'external'\nsys.path.append(str(ROOT))\n" + TAKES),
]


@pytest.mark.parametrize(("path", "text"), BROUGHT)
def test_a_module_may_come_from_what_is_brought_along(path: str, text: str, composer: Composer) -> None:
    assert run_rules(composer, VIT | {path: text}, "IMP105") == []


@pytest.mark.parametrize(
    "search",
    [
        "", "sys.path.append('..')\n", "sys.path.append(os.path.dirname(os.path.abspath(__file__)))\n", "sys.path.insert(0, os.getcwd())\n",
        "sys.path.append('vit')\n", "sys.path.append(str(Path(__file__).resolve().parents[1]))\n",
        "HERE = os.path.dirname(__file__)\nsys.path.append(os.path.join(HERE, '..', 'vit'))\n", "sys.path.append(os.pardir)\n",
    ],
)  # fmt: skip
def test_a_module_of_the_project_that_is_not_there_is_missing(search: str, composer: Composer) -> None:
    text = f"import os\nimport sys\nfrom pathlib import Path\n{search}{TAKES}"
    assert [entry.rule for entry in run_rules(composer, VIT | {"look.py": text}, "IMP105")] == ["IMP105"]


# -- names that others give to a module, and reads that control never comes to ---------------------------------------------

FILLING = """import sys


def fill(namespace{more}):
    for name in load_names(namespace):
        {sets}


def load_names(namespace):
    return open(namespace).read().split()


def fill_all(prefix):
    fill(prefix)
"""
FILLERS = [
    ("", "setattr(sys.modules[namespace], name, load_names)", 'fill("tool.api")'),
    ("", "setattr(sys.modules[namespace], name, load_names)", "fill(__name__)"),
    ("", "setattr(sys.modules[namespace], name, load_names)", "fill_all(__name__)"),
    ("", "setattr(sys.modules[namespace], name, load_names)", "fill(namespace=__name__)"),
    (", target=None", "module = sys.modules[target or namespace]; setattr(module, name, load_names)", 'fill("x", "tool.api")'),
]


@pytest.mark.parametrize(("more", "sets", "call"), FILLERS)
def test_a_module_that_a_function_fills_may_have_any_name(more: str, sets: str, call: str, composer: Composer) -> None:
    api = "from tool.filling import fill, fill_all\n\n\ndef save(path):\n    return _save_to_file(path)\n\n\n"
    files = {"tool/__init__.py": "", "tool/filling.py": FILLING.format(more=more, sets=sets), "tool/api.py": api}
    assert [entry.rule for entry in run_rules(composer, files, "IMP104")] == ["IMP104"]
    assert run_rules(composer, files | {"tool/api.py": f"{api}{call}\n"}, "IMP104") == []


LEFT = """def sample(flag, outputs, extra=None):
    if {first}:
        raise DeprecationWarning("no longer")
        mean, logits = outputs
    else:
        mean = outputs
    if {second}:
        return mean, logits
    return mean
"""


@pytest.mark.parametrize("asked", ["flag", "not flag", "flag is not None", "flag == 3", "flag and not extra", "flag > 0"])
def test_what_is_read_under_a_condition_that_has_left_is_never_read(asked: str, composer: Composer) -> None:
    assert rules_found(composer, "IMP104", LEFT.format(first=asked, second=asked)) == []


@pytest.mark.parametrize(("first", "second"), [("flag", "extra"), ("flag", "not flag"), ("f(flag)", "f(flag)"), ("flag.x", "flag.x")])
def test_what_is_read_under_another_condition_is_found(first: str, second: str, composer: Composer) -> None:
    assert rules_found(composer, "IMP104", "def f(x):\n    return x\n\n\n" + LEFT.format(first=first, second=second)) == [12]


# -- files that one process writes ----------------------------------------------------------------------------------------

RANKS = """import argparse
import os

import torch
from torch import nn

args = argparse.ArgumentParser().parse_args()
torch.distributed.init_process_group("nccl")
args.rank = int(os.environ["RANK"])
model = nn.parallel.DistributedDataParallel(nn.Linear(4, 2).cuda())


def is_first(args):
    return args.rank == 0


def may_write(args):
    return args.logs and is_first(args)


{text}
"""
SAVER = 'def save(model, wanted):\n    if wanted:\n        torch.save(model.module.state_dict(), "model.pt")\n\n\n'
SAVE = 'torch.save(model.module.state_dict(), "model.pt")'
BY_ONE = [
    f"args.save_logs = args.logs and is_first(args)\nif args.save_logs:\n    {SAVE}",
    f"wanted = args.rank == 0\nif wanted:\n    {SAVE}",
    f"wanted = args.rank == 0\nsaves = wanted and args.logs\nif saves:\n    {SAVE}",
    f"if may_write(args):\n    {SAVE}",
    f"args.quiet = args.rank != 0\nif not args.quiet:\n    {SAVE}",
    f"{SAVER}save(model, wanted=args.rank == 0)",
    f"{SAVER}args.logs = args.rank == 0\nsave(model, wanted=args.logs)",
    f"def keep(args):\n    args.skip = args.rank > 0\n    if args.skip:\n        return\n    {SAVE}\n\n\nkeep(args)",
    f"if (wanted := args.rank == 0):\n    {SAVE}",
]


@pytest.mark.parametrize("text", BY_ONE)
def test_a_file_that_one_process_writes_is_left_alone(text: str, composer: Composer) -> None:
    assert rules_found(composer, "TRN125", RANKS.format(text=text)) == []


@pytest.mark.parametrize(
    "text",
    [SAVE, f"if args.logs:\n    {SAVE}", f"{SAVER}save(model, args.logs)", f"args.deep = model is not None\nif args.deep:\n    {SAVE}"],
)
def test_a_file_that_every_process_writes_is_found(text: str, composer: Composer) -> None:
    assert rules_found(composer, "TRN125", RANKS.format(text=text)) != []


# -- the best of what cross-validation within the training part says --------------------------------------------------------

NESTED = """import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

X, y = load_digits(return_X_y=True)
grid = [0.01, 0.1, 1, 10]


def search(X, y, folds):
    scores = []
    for c in grid:
        found = []
        for fit_index, test_index in folds.split(X, y):
            X_in, X_test, y_in, y_test = X[fit_index], X[test_index], y[fit_index], y[test_index]
            found.append(LogisticRegression(C=c).fit(X_in, y_in).score(X_test, y_test))
        scores.append(round(np.mean(found), 2))
    return grid[np.argmax(scores)]


def best_of(X, y, folds):
    best_score, best_c = -1, None
    for c in grid:
        for fit_index, test_index in folds.split(X, y):
            X_test, y_test = X[test_index], y[test_index]
            score = LogisticRegression(C=c).fit(X[fit_index], y[fit_index]).score(X_test, y_test)
            if score > best_score:
                best_score, best_c = score, c
    return best_c


{text}
"""
SEARCHES = [
    "X_train, X_held, y_train, y_held = train_test_split(X, y, random_state=0)\nc = {by}(X_train, y_train, {folds})\n"
    "print(LogisticRegression(C=c).fit(X_train, y_train).score(X_held, y_held))",
    "for train_index, test_index in KFold(5).split(X):\n    X_train, y_train = X[train_index], y[train_index]\n"
    "    c = {by}(X_train, y_train, {folds})\n"
    "    print(LogisticRegression(C=c).fit(X_train, y_train).score(X[test_index], y[test_index]))",
    "train, test = train_test_split(np.column_stack([X, y]), random_state=0)\nc = {by}(train[:, :-1], train[:, -1], {folds})\n"
    "print(LogisticRegression(C=c).fit(train[:, :-1], train[:, -1]).score(test[:, :-1], test[:, -1]))",
    "X_train, y_train = X[:1000], y[:1000]\nc = {by}(X_train, y_train, {folds})\n"
    "print(LogisticRegression(C=c).fit(X_train, y_train).score(X[1000:], y[1000:]))",
]


@pytest.mark.parametrize("text", SEARCHES)
@pytest.mark.parametrize("by", ["search", "best_of"])
@pytest.mark.parametrize("folds", ["KFold(5)", "StratifiedKFold(5, shuffle=True, random_state=0)"])
def test_folds_of_the_training_part_are_for_choosing(text: str, by: str, folds: str, composer: Composer) -> None:
    assert rules_found(composer, "LEK109", NESTED.format(text=text.format(by=by, folds=folds))) == []


def test_the_best_of_the_scores_on_the_test_part_is_found(composer: Composer) -> None:
    text = "X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)\nscores = []\nfor c in grid:\n"
    text += "    scores.append(LogisticRegression(C=c).fit(X_train, y_train).score(X_test, y_test))\nprint(grid[np.argmax(scores)])"
    assert rules_found(composer, "LEK109", NESTED.format(text=text)) != []


# -- layers that are made and never applied ------------------------------------------------------------------------------

MODES = """import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self, dropout=False, rate=0.1):
        super().__init__()
        self.first = nn.Linear(4, 8)
        {made}
        self.dropout = dropout
        self.rate = rate
        self.last = nn.Linear(8, 2)

    def forward(self, inputs, training=True):
        hidden = self.first(inputs)
        {applied}
        return self.last(hidden)


network = Net({options})
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
data = [(torch.randn(8, 4), torch.randint(2, (8,)))] * 8
for epoch in range(3):
    for inputs, labels in data[:6]:
        optimizer.zero_grad()
        F.cross_entropy(network(inputs), labels).backward()
        optimizer.step()
    with torch.no_grad():
        right = 0
        for inputs, labels in data[6:]:
            right += (network(inputs{flag}).argmax(1) == labels).sum().item()
        print(right)
"""
IDLE = [
    ("self.layer = nn.Dropout(rate)", "if self.dropout:\n            hidden = self.layer(hidden)", ""),
    ("self.layer = nn.Dropout(rate)", "hidden = self.layer(hidden) if self.dropout else hidden", ""),
    ("self.layer = nn.Dropout(rate)", "if not self.dropout:\n            return self.last(hidden)\n        else:\n            hidden = self.layer(hidden)", ""),
    ("self.layer = nn.Dropout(rate)", "pass", ""),
    ("self.layer = nn.Dropout(0.0)", "hidden = self.layer(hidden)", ""),
    ("self.layer = nn.Dropout(rate)", "hidden = self.layer(hidden)", "rate=0"),
    ("self.layer = nn.Sequential(nn.BatchNorm1d(8), nn.ReLU())", "if self.dropout:\n            hidden = self.layer(hidden)", ""),
    ("pass", "if self.dropout:\n            hidden = F.dropout(hidden, self.rate, self.training)", ""),
    ("pass", "hidden = torch.relu(hidden)", "dropout=0.0"),
    ("self.layer = nn.BatchNorm1d(8)", "if self.dropout and self.layer is not None:\n            pass", ""),
]  # fmt: skip
ACTIVE = [
    ("self.layer = nn.Dropout(rate)", "if self.dropout:\n            hidden = self.layer(hidden)", "dropout=True"),
    ("self.layer = nn.Dropout(rate)", "hidden = self.layer(hidden) if self.dropout else hidden", "True"),
    ("self.layer = nn.Dropout(rate)", "hidden = self.layer(hidden)", ""),
    ("self.layer = nn.Sequential(nn.BatchNorm1d(8), nn.ReLU())", "hidden = self.layer(hidden)", ""),
    ("self.layer = nn.Dropout(rate)", "for layer in list(self.children())[1:2]:\n            hidden = layer(hidden)", ""),
    ("pass", "hidden = F.dropout(hidden, self.rate, self.training)", ""),
    ("self.layer = nn.Dropout(rate)", "if not self.dropout:\n            hidden = self.layer(hidden)", ""),
]


@pytest.mark.parametrize(("made", "applied", "options"), IDLE)
def test_a_layer_that_is_not_applied_needs_no_mode(made: str, applied: str, options: str, composer: Composer) -> None:
    assert rules_found(composer, "TRN106", MODES.format(made=made, applied=applied, options=options, flag="")) == []


@pytest.mark.parametrize(("made", "applied", "options"), ACTIVE)
def test_a_layer_that_is_applied_needs_its_mode(made: str, applied: str, options: str, composer: Composer) -> None:
    found = run_rules(composer, {"train.py": MODES.format(made=made, applied=applied, options=options, flag="")}, "TRN106")
    assert [entry.severity for entry in found] == [Severity.ERROR]


@pytest.mark.parametrize("flag", [", training=False", ", is_training=False", ", train=False", ", deterministic=True"])
def test_a_network_that_is_told_by_an_argument_is_no_error(flag: str, composer: Composer) -> None:
    text = MODES.format(made="self.layer = nn.Dropout(rate)", applied="hidden = self.layer(hidden)", options="", flag=flag)
    assert [entry.severity for entry in run_rules(composer, {"train.py": text}, "TRN106")] in ([], [Severity.WARNING])


# -- losses of the pieces of one batch ------------------------------------------------------------------------------------

PIECES = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(TensorDataset(torch.randn(64, 4), torch.randn(64, 1)), batch_size=16)


def pieces(inputs, targets):
    return list(zip(inputs.chunk(4), targets.chunk(4)))


total = 0.0
for epoch in range(3):
    {of_epoch}
    for step, (inputs, targets) in enumerate(loader):
        optimizer.zero_grad()
        {begin}
        for piece, wanted in {pieces}:
            loss = nn.functional.mse_loss(model(piece), wanted)
            {gather}
            loss.backward()
        optimizer.step()
        print({shown})
"""
OF_A_BATCH = [
    ("", "losses = []", "zip(inputs.chunk(4), targets.chunk(4))", "losses.append(loss)", "sum(losses).item()"),
    ("", "losses = []", "pieces(inputs, targets)", "losses.append(loss)", "sum(losses).item()"),
    ("", "total = 0.0", "zip(inputs.chunk(4), targets.chunk(4))", "total += loss", "total.item()"),
    ("", "total = 0.0", "zip(inputs.split(4), targets.split(4))", "total += loss * len(piece)", "total.item()"),
    ("", "losses = list()", "zip(torch.split(inputs, 4), torch.split(targets, 4))", "losses.append(loss)", "len(losses)"),
]
OF_AN_EPOCH = [
    ("losses = []", "", "zip(inputs.chunk(4), targets.chunk(4))", "losses.append(loss)", "len(losses)"),
    ("total = 0.0", "", "zip(inputs.chunk(4), targets.chunk(4))", "total += loss", "step"),
    ("", "", "zip(inputs.chunk(4), targets.chunk(4))", "total += loss", "step"),
    ("total = 0.0", "total = 0.0", "loader", "total += loss", "step"),
]


@pytest.mark.parametrize(("of_epoch", "begin", "pieces", "gather", "shown"), OF_A_BATCH)
def test_the_losses_of_one_batch_may_be_kept(of_epoch: str, begin: str, pieces: str, gather: str, shown: str, composer: Composer) -> None:
    text = PIECES.format(of_epoch=of_epoch, begin=begin, pieces=pieces, gather=gather, shown=shown)
    assert rules_found(composer, "TRN110", text) == []


@pytest.mark.parametrize(("of_epoch", "begin", "pieces", "gather", "shown"), OF_AN_EPOCH)
def test_the_losses_of_all_batches_are_too_many(
    of_epoch: str, begin: str, pieces: str, gather: str, shown: str, composer: Composer
) -> None:
    text = PIECES.format(of_epoch=of_epoch, begin=begin, pieces=pieces, gather=gather, shown=shown)
    assert rules_found(composer, "TRN110", text) != []


# -- code that no script is seen to reach ---------------------------------------------------------------------------------

DATA = """from torch.utils.data import Dataset, random_split


class Data:
    def __init__(self, rows):
        self.train, self.valid = random_split(rows, [50, 10])
"""
STARTS = [
    "import pytorch_lightning as pl\nimport hydra\n\npl.seed_everything(1)\nhydra.utils.instantiate({'_target_': 'data.Data'})\n",
    "import torch\nimport importlib\n\ntorch.manual_seed(1)\nimportlib.import_module('data').Data([])\n",
    "import torch\n\n\ndef main(options):\n    torch.manual_seed(options.seed)\n    REGISTRY[options.name]([])\n\n\nREGISTRY = load()\nmain(parse())\n",
]


@pytest.mark.parametrize("start", STARTS)
def test_a_script_that_seeds_may_be_the_caller(start: str, composer: Composer) -> None:
    assert run_rules(composer, {"data.py": DATA, "main.py": start}, "REP105") == []
    assert run_rules(composer, {"data.py": DATA, "main.py": start.replace("seed", "feed")}, "REP105") != []


# -- what is installed by other means than the project file ---------------------------------------------------------------

PROJECT = '[project]\nname = "tool"\nversion = "1.0"\ndependencies = ["numpy"]\n'
INSTALLED = [
    ("recipes/skopt/skopt_requirements.txt", "scikit-optimize\n"),
    ("requirements/extra.txt", "# more\nscikit-optimize>=0.9\n"),
    ("Makefile", "install:\n\tuv pip install -e . scikit-optimize\n"),
    ("Makefile", "install:\n\t$(PIP) install scikit-optimize --upgrade\n"),
    ("docker/Dockerfile", "FROM python\nRUN pip install --no-cache-dir \\\n    numpy scikit-optimize==0.9\n"),
    ("install.sh", 'python -m pip install "scikit-optimize>=0.9"\n'),
    ("README.md", "    pip install scikit-optimize\n"),
    ("environment.yml", "dependencies:\n  - pip:\n    - scikit-optimize\n"),
]


@pytest.mark.parametrize(("path", "text"), INSTALLED)
def test_what_is_installed_by_hand_is_declared(path: str, text: str, composer: Composer) -> None:
    files = {"pyproject.toml": PROJECT, "tool.py": "import skopt\n\nskopt.Optimizer([])\n"}
    assert [entry.rule for entry in run_rules(composer, files, "ENV102")] == ["ENV102"]
    assert run_rules(composer, files | {path: text}, "ENV102") == []


FORKS = [
    "transformers @ git+https://example.org/transformers.git@fork#egg=transformers", "transformers @ git+ssh://git@example.org/transformers",
    "transformers[torch] @ https://example.org/transformers-4.0-py3-none-any.whl", "transformers@git+https://example.org/transformers",
]  # fmt: skip


@pytest.mark.parametrize("requirement", FORKS)
def test_nothing_is_known_of_the_version_of_a_fork(requirement: str, composer: Composer) -> None:
    program = "from transformers import AutoModelWithLMHead\n\nprint(AutoModelWithLMHead)\n"
    assert run_rules(composer, {"train.py": program, "requirements.txt": f"{requirement}\n"}, "ENV106") == []
    assert run_rules(composer, {"train.py": program, "requirements.txt": "transformers\n"}, "ENV106") != []


def test_a_module_that_many_files_miss_is_one_fault(composer: Composer) -> None:
    files = VIT | {f"scripts/run_{number}.py": TAKES for number in range(9)} | {"scripts/other.py": "from vit.gone import x\n"}
    found = run_rules(composer, files, "IMP105")
    assert sorted(len(entry.related) for entry in found) == [0, 8]


# -- evaluations that others call under `no_grad` --------------------------------------------------------------------------

GENERATES = """import torch


class Generator(Base):
    def {name}(self, model, data):
        model.eval()
        right = 0
        for inputs, labels in data:
            right += (model(inputs).argmax(1) == labels).sum().item()
        return right


{caller}
"""
CALLERS = [
    (
        "generate_decoder",
        "class Outer:\n    @torch.no_grad()\n    def generate(self):\n        return self.inner.generate_decoder(self.model, [])\n",
    ),
    ("_generate", "class Base:\n    @torch.no_grad()\n    def generate(self, model, data):\n        return self._generate(model, data)\n"),
    ("evaluate", "with torch.no_grad():\n    load().evaluate(load(), [])\n"),
]


@pytest.mark.parametrize(("name", "caller"), CALLERS)
def test_a_method_may_be_called_without_gradients(name: str, caller: str, composer: Composer) -> None:
    assert rules_found(composer, "TRN120", GENERATES.format(name=name, caller=caller)) == []
    assert rules_found(composer, "TRN120", GENERATES.format(name=name, caller="")) == [9]


HELD = """import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold


class Searched:
    def __init__(self, train, test):
        self.train, self.test = train, test

    def run(self):
        scores = []
        for c in (0.1, 1, 10):
            found = []
            for train_idx, test_idx in StratifiedKFold(5).split({given}):
                X_test, y_test = self.train["X"][test_idx], self.train["y"][test_idx]
                model = LogisticRegression(C=c).fit(self.train["X"][train_idx], self.train["y"][train_idx])
                found.append(model.score(X_test, y_test))
            scores.append(round(100 * np.mean(found), 2))
        best = (0.1, 1, 10)[np.argmax(scores)]
        model = LogisticRegression(C=best).fit(self.train["X"], self.train["y"])
        return model.score(self.test["X"], self.test["y"])


rows = np.load("rows.npy")
print(Searched({{"X": rows[:, :-1], "y": rows[:, -1]}}, {{"X": np.load("x.npy"), "y": np.load("y.npy")}}).run())
"""


@pytest.mark.parametrize(
    "given", ['self.train["X"], self.train["y"]', 'X=self.train["X"], y=self.train["y"]', 'np.asarray(self.train["X"])']
)
def test_folds_of_what_is_called_training_are_for_choosing(given: str, composer: Composer) -> None:
    assert rules_found(composer, "LEK109", HELD.format(given=given)) == []


# -- losses that are told apart by their class ----------------------------------------------------------------------------

TOLD = """import torch
from torch import nn


def compute(criterion, out, labels):
    if {asked}:
        return criterion(torch.sigmoid(out), labels)
    return criterion(out, labels)


model = nn.Linear(4, 3)
criterion = {loss}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(10):
    optimizer.zero_grad()
    loss = compute(criterion, model(torch.randn(8, 4)), torch.rand(8, 3))
    loss.backward()
    optimizer.step()
"""
ASKING = [
    "isinstance(criterion, nn.BCELoss)", "isinstance(criterion, (nn.BCELoss, nn.NLLLoss))", "type(criterion) == nn.BCELoss",
    "type(criterion) is torch.nn.BCELoss", "isinstance(criterion, torch.nn.modules.loss.BCELoss)", "not type(criterion) != nn.BCELoss",
    "isinstance(criterion, nn.BCELoss) and model.training",
]  # fmt: skip


@pytest.mark.parametrize("asked", ASKING)
@pytest.mark.parametrize("loss", ["nn.BCELoss()", "nn.BCEWithLogitsLoss()", 'nn.BCEWithLogitsLoss(reduction="sum").to("cuda")'])
def test_a_loss_is_given_what_its_class_wants(asked: str, loss: str, composer: Composer) -> None:
    wants_logits = "and" in asked and loss == "nn.BCELoss()"  # what stands beside the question is not known: either may be called
    assert rules_found(composer, "TRN107", TOLD.format(asked=asked, loss=loss)) == ([8] if wants_logits else [])


@pytest.mark.parametrize(
    "asked", ["isinstance(criterion, nn.Module)", "isinstance(criterion, nn.BCEWithLogitsLoss)", "criterion is not None"]
)
def test_a_loss_that_is_given_the_wrong_thing_is_found(asked: str, composer: Composer) -> None:
    assert rules_found(composer, "TRN107", TOLD.format(asked=asked, loss="nn.BCEWithLogitsLoss()")) == [7]


TENSORFLOW = """import tensorflow.compat.v1 as tf


def distill(features, teacher, labels, temperature):
    logits = tf.layers.dense(features, 10)
    soft = tf.nn.softmax(teacher / temperature)
    return tf.losses.{call}
"""


@pytest.mark.parametrize(
    ("call", "is_wrong"),
    [
        ("softmax_cross_entropy(soft, logits / temperature)", False),
        ("softmax_cross_entropy(soft, logits, temperature**2)", False),
        ("softmax_cross_entropy(onehot_labels=soft, logits=logits)", False),
        ("softmax_cross_entropy(labels, tf.nn.softmax(logits))", True),
        ("softmax_cross_entropy(labels, logits=soft)", True),
    ],
)
def test_losses_of_tensorflow_take_the_labels_first(call: str, is_wrong: bool, composer: Composer) -> None:
    assert rules_found(composer, "TRN107", TENSORFLOW.format(call=call) + "\n\ndistill(1, 2, 3, 4)\n") == ([7] if is_wrong else [])


# -- an optimizer around an optimizer -------------------------------------------------------------------------------------

AROUND = """import torch
from torch import nn


class Sharp(torch.optim.Optimizer):
    def __init__(self, params, base, **options):
        super().__init__(params, dict(rho=0.05, **options))
        self.base = {made}
        self.param_groups = self.base.param_groups

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        for group in self.param_groups:
            for p in group["params"]:
                p.add_(p.grad * group["rho"])
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad=False):
        self.base.step()
        {clears}


model = nn.Linear(4, 1)
optimizer = Sharp(model.parameters(), torch.optim.SGD, lr=0.1)
for _ in range(10):
    inputs = torch.randn(8, 4)
    model(inputs).mean().backward()
    optimizer.first_step({first})
    model(inputs).mean().backward()
    optimizer.second_step({second})
"""
WRAPPED = [
    ("base(self.param_groups, **options)", "if zero_grad:\n            self.zero_grad()", "zero_grad=True", "zero_grad=True"),
    ("base(self.param_groups, **options)", "if zero_grad:\n            self.zero_grad()", "True", "True"),
    ("base(params, **options)", "self.zero_grad(set_to_none=True)", "", ""),
    ("torch.optim.SGD(self.param_groups, **options)", "self.base.zero_grad()", "", ""),
    ("base(self.param_groups, lr=0.1)", "pass", "zero_grad=True", ""),
]


@pytest.mark.parametrize(("made", "clears", "first", "second"), WRAPPED)
def test_an_optimizer_around_another_clears_its_gradients(made: str, clears: str, first: str, second: str, composer: Composer) -> None:
    text = AROUND.format(made=made, clears=clears, first=first, second=second)
    assert [entry.rule for entry in run_rules(composer, {"train.py": text}, "TRN101", "TRN102")] == []


def test_an_optimizer_around_another_that_clears_nothing_is_found(composer: Composer) -> None:
    text = AROUND.format(made="torch.optim.SGD(self.param_groups, lr=0.1)", clears="pass", first="", second="")
    text = text.replace("            self.zero_grad()", "            pass")
    assert rules_found(composer, "TRN101", text) == [21]


# -- smaller and larger of two numbers, names bound from left to right, what Cython builds, seeds that go on ----------------------

PLAIN = [
    "block = min(size, 512)\ngrid = math.ceil(size / block)", "share = size / max(size, 1)", "share = size - min(size, 3)",
    "share = size / sum([size], 1)", "import builtins\nshare = size / builtins.min(size, 512)",
]  # fmt: skip


@pytest.mark.parametrize("line", PLAIN)
def test_the_smaller_of_two_numbers_has_no_axis(line: str, composer: Composer) -> None:
    assert rules_found(composer, "NUM103", f"import math\nimport torch\n\nsize = torch.load('x.pt').size(1)\n{line}\n") == []


ORDERS = [
    "key, table[key] = pair", "(key, (table[key], other)) = pair", "[key, table[key]] = pair", "key, table[key], table[key + 1] = pair",
    "*key, table[len(key)] = pair", "key = table[key] = pair",
]  # fmt: skip


@pytest.mark.parametrize("statement", ORDERS)
def test_names_are_bound_from_left_to_right(statement: str, composer: Composer) -> None:
    assert rules_found(composer, "IMP104", f"def keep(table, pair):\n    {statement}\n    return table\n") == []


@pytest.mark.parametrize("statement", ["table[key], key = pair", "table[key] = key = pair", "key = key + 1"])
def test_names_that_are_bound_too_late_are_found(statement: str, composer: Composer) -> None:
    assert rules_found(composer, "IMP104", f"def keep(table, pair):\n    {statement}\n    return table\n") == [2]


CYTHON = "from distutils.core import setup\nfrom Cython.Build import cythonize\n\nsetup(name='align', ext_modules=cythonize('core.pyx'))\n"
MADE = [
    {"align/setup.py": CYTHON, "align/core.pyx": "def path(): pass\n", "align/__init__.py": "from .align.core import path\n"},
    {"align/setup.py": CYTHON, "align/core.pyx": "def path(): pass\n", "align/__init__.py": "from .core import path\n"},
    {
        "setup.py": "from setuptools import setup\nfrom torch.utils.cpp_extension import BuildExtension, CUDAExtension\n\n\n"
        "def make(name, module):\n    extension = CUDAExtension\n    return extension(name=f'{module}.{name}')\n\n\n"
        "setup(name='sr', ext_modules=[make('conv_ext', 'sr.ops')], cmdclass={'build_ext': BuildExtension})\n",
        "sr/__init__.py": "",
        "sr/ops/__init__.py": "",
        "sr/ops/conv.py": "from . import conv_ext\nfrom .conv_ext import run\n",
    },
]


@pytest.mark.parametrize("files", MADE)
def test_a_module_that_a_build_makes_is_there(files: dict[str, str], composer: Composer) -> None:
    assert run_rules(composer, files, "IMP105") == []
    bare = {path: text for path, text in files.items() if not path.endswith((".pyx", "setup.py"))}
    assert [entry.rule for entry in run_rules(composer, bare, "IMP105")] != []


SEEDED = """import random
from types import SimpleNamespace

import numpy as np

cfg = SimpleNamespace(seed=0)
seed = 0


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)


found = []
for i in range(10):
    {lines}
    found.append(np.random.rand())
"""
ANEW = [
    "cfg.seed = cfg.seed + 1\n    seed_everything(cfg.seed)", "cfg.seed += 1\n    seed_everything(cfg.seed)",
    "seed_everything(seed=cfg.seed)\n    cfg.seed += 1", "seed += 1\n    np.random.seed(seed)", "np.random.seed(seed + 3)\n    seed = seed + 1",
]  # fmt: skip


@pytest.mark.parametrize("lines", ANEW)
def test_a_seed_that_goes_on_is_another_in_each_turn(lines: str, composer: Composer) -> None:
    assert rules_found(composer, "REP103", SEEDED.format(lines=lines)) == []


@pytest.mark.parametrize("lines", ["seed_everything(0)", "np.random.seed(0)"])
def test_a_seed_that_stays_is_the_same_in_each_turn(lines: str, composer: Composer) -> None:
    assert rules_found(composer, "REP103", SEEDED.format(lines=lines)) != []


# -- folders that are laid over another tree, and outlines in notebooks ------------------------------------------------------

OVERLAY = {
    "detection/mmdet/models/backbones/__init__.py": "from .darknet import A\nfrom .hrnet import B\nfrom .resnet import C\nfrom .own import D\n",
    "detection/mmdet/models/backbones/own.py": "D = 1\n",
    "detection/mmcv_custom/__init__.py": "from .checkpoint import load\nfrom .layers import decay\n",
    "detection/mmcv_custom/layers.py": "decay = 1\n",
    "own/__init__.py": "",
    "own/model.py": "from .layers import decay\n",
}


def test_a_folder_that_is_laid_over_another_tree_lacks_what_that_has(composer: Composer) -> None:
    assert [entry.location.path for entry in run_rules(composer, OVERLAY, "IMP105")] == ["own/model.py"]
    one = OVERLAY | {"detection/mmdet/models/backbones/__init__.py": "from .darknet import A\nfrom .own import D\nfrom .own import E\n"}
    assert len(run_rules(composer, one, "IMP105")) > 2


OUTLINE = "class Cool(object):\n    def __init__(self):\n        if your_filters_learn:\n            self.f = nn.P(some_filters)\n        other()\n"


def test_an_outline_in_a_notebook_is_no_program(composer: Composer) -> None:
    assert rules_found(composer, "IMP104", notebook("import torch", OUTLINE), "look.ipynb") == []
    assert len(rules_found(composer, "IMP104", notebook("import torch", OUTLINE, "Cool()"), "look.ipynb")) >= 3
    assert rules_found(composer, "IMP104", notebook("import torch", "def f():\n    return lost\n"), "look.ipynb") != []
    assert len(rules_found(composer, "IMP104", OUTLINE)) >= 3


# -- networks that nobody sees, products of matrices, pieces of notebooks ---------------------------------------------------

GIVEN = """import torch
from torch import nn
from {source} import {names}

optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
for inputs, labels in loader:
    {clears}
    loss = nn.functional.mse_loss(net(inputs), labels)
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(("source", "names"), [("__main__", "*"), ("models", "net, loader, zero_grad"), ("lib.models", "*")])
@pytest.mark.parametrize("clears", ["net.zero_grad()", "zero_grad(net)", "net.module.zero_grad()"])
def test_gradients_of_a_network_that_nobody_sees_are_cleared(source: str, names: str, clears: str, composer: Composer) -> None:
    text = GIVEN.format(source=source, names=names, clears=clears)
    assert run_rules(composer, {"train.py": text}, "TRN101", "TRN102", "TRN103") == []


PRODUCTS = [
    "torch.mm(p.transpose(1, 0), p)", "p.t() @ p", "torch.matmul(p.T, p)", "p.T.mm(p)", 'torch.einsum("ni,nj->ij", p, p)',
    "torch.cov(p)", "torch.cdist(p, p)",
]  # fmt: skip


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_matrix_that_may_be_the_same_both_ways_is_no_error(product: str, composer: Composer) -> None:
    text = f"import torch\n\np = torch.randn(8, 4).softmax(1)\nm = {product}\nm = m / torch.sum(m, dim=1)\nprint(m)\n"
    assert [entry for entry in run_rules(composer, {"train.py": text}, "NUM103") if entry.blocks] == []


def test_pieces_of_a_notebook_need_no_names(composer: Composer) -> None:
    cells = ["model = Sequential()", "model.add(Dense(3))", "def f(x):\n    return np.exp(x)"]
    assert rules_found(composer, "IMP104", notebook(*cells), "look.ipynb") == []
    assert rules_found(composer, "IMP104", notebook("import torch", *cells), "look.ipynb") != []


# -- steps of frameworks -------------------------------------------------------------------------------------------------

STEPS = """import lightning
from torch import nn
from transformers import Trainer


class Step({base}):
    def training_step(self, model, inputs, *rest):
        loss = self.compute_loss(model, inputs)
        {body}
"""
OWN_BACKWARD = [
    ("Trainer", "self.accelerator.backward(loss); return loss.detach()"),
    ("Trainer", "loss.backward(); return loss.detach()"),
    ("Trainer", "self.optimizer.zero_grad(); loss.backward(); self.optimizer.step(); return loss.detach() / 2"),
    ("Trainer", "found = super().training_step(model, inputs); return found.detach()"),
    ("lightning.LightningModule", "self.manual_backward(loss); return loss.detach()"),
    ("lightning.LightningModule", "self.manual_backward(loss); return {'loss': loss.detach()}"),
]


@pytest.mark.parametrize(("base", "body"), OWN_BACKWARD)
def test_a_step_that_computes_the_gradients_itself_may_return_a_number(composer, base, body):
    assert rules_found(composer, "TRN104", STEPS.format(base=base, body=body)) == []


@pytest.mark.parametrize("body", ["return loss.detach()", "return {'loss': loss.detach()}", "return loss.item()"])
def test_a_step_that_leaves_the_gradients_to_the_trainer_may_not(composer, body):
    assert rules_found(composer, "TRN104", STEPS.format(base="lightning.LightningModule", body=body)) == [9]
