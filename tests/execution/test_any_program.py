"""`gonogo trial -- PROGRAM` from the command line to the exit code, in the real sandbox, with this Python and its torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli import GONOGO, TRACEBACK

pytestmark = pytest.mark.slow
PYTHON = sys.executable
LEARNS = """\
import argparse

import torch
from helper import Net
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--out", required=True)
args = parser.parse_args()
torch.manual_seed(0)
x = torch.randn(400, 3, 4, 4) * torch.tensor([1.0, 2.0, 3.0])[:, None, None] + 5
data = TensorDataset(x, (torch.arange(400) % 4 == 0).long())
train = DataLoader(Subset(data, range(300)), batch_size=20, shuffle=True)
test = DataLoader(Subset(data, range(290, 400)), batch_size=50)
model = Net()
for parameter in model.body.parameters():
    parameter.requires_grad = False
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(args.epochs):
    for images, labels in train:
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, sum((model(images).argmax(1) == labels).sum().item() for images, labels in test))
torch.save(model.state_dict(), args.out)
with open("log.txt", "w") as file:
    file.write("done")
"""
HELPER = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.ReLU())
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.body(x))
"""


def tried(folder: Path, *options: str, code: int, words: tuple[str, ...] = ("train.py",)) -> dict[str, Any]:
    """The verdict on a program; the machine may have no sandbox."""
    command = [*GONOGO, "trial", "--format", "json", *options, "--", PYTHON, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert TRACEBACK not in done.stderr
    verdict: dict[str, Any] = json.loads(done.stdout)
    if any("no sandbox holds" in reason for reason in verdict["undecided"]):
        pytest.skip("no sandbox holds here")
    assert done.returncode == code, done.stdout + done.stderr
    return verdict


def test_what_a_training_program_does_is_seen_and_judged(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(LEARNS)
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "log.txt").write_text("of the run before")
    (tmp_path / "other.py").write_text("def f(:\n")
    verdict = tried(tmp_path, code=1, words=("train.py", "--epochs", "50", "--out", "model.pt"))
    assert {"TRN134"} <= {finding["rule"] for finding in verdict["findings"]}
    assert {finding["location"]["path"] for finding in verdict["findings"]} == {"train.py"}, "other.py is not loaded"
    seen = verdict["program"]
    train, test = seen["loaders"]
    assert (train["use"], train["batches"], train["rows"], train["seen"]) == ("trains", 15, 300, 8)
    assert (test["use"], test["batches"], test["rows"]) == ("evaluates", 3, 110)
    images, labels = train["tensors"]
    assert images["shapes"] == ["20x3x4x4"]
    assert images["mean"] == pytest.approx([5, 5, 5], abs=0.5)
    assert images["sd"] == pytest.approx([1, 2, 3], rel=0.1)
    assert (labels["dtype"], labels["classes"]) == ("int64", 2)
    assert sum(labels["counts"].values()) == 160
    assert seen["shared_rows"] == [{"one": "train.py:15", "other": "train.py:16", "shared": 10, "rows": [300, 110]}]
    (network,) = seen["networks"]
    assert (network["name"], network["parameters"], network["trainable"]) == ("Net", 48 * 8 + 8 + 8 * 2 + 2, 18)
    (optimizer,) = seen["optimizers"]
    assert (optimizer["steps"], optimizer["rates"]) == (8, [0.1])
    assert {part["name"]: part["with_gradient"] for part in optimizer["parts"]} == {"body.1": 0, "head": 18}
    assert seen["lowered"] == {"epochs": "50 → 2"}
    assert seen["estimate"]["how"].startswith("50 × 15 batches × ")
    assert seen["written"] == ["model.pt", "log.txt"]
    assert seen["units"] == 8
    assert len(seen["losses"]) == 8


@pytest.mark.parametrize(
    ("text", "options", "code", "says"),
    [
        ("raise ValueError('no')\n", (), 1, "train.py:1 [TRI101] it ends with ValueError: no"),
        ("while True:\n    pass\n", ("--run-timeout", "3"), 3, "its time was up at train.py:"),
    ],
)
def test_program_that_comes_to_no_good_end(tmp_path: Path, text: str, options: tuple[str, ...], code: int, says: str) -> None:
    (tmp_path / "train.py").write_text(text)
    verdict = tried(tmp_path, *options, code=code)
    assert says in verdict["code_issue"]
    assert verdict["program"]["loaders"] == []
    assert verdict["program"]["not_seen"]


def test_run_that_fails_behind_a_cut_pass_is_made_again_with_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import torch\n"
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "torch.manual_seed(0)\n"
        "x = torch.randn(200, 3)\n"
        "y = (x[:, 0] > 0).long()\n"
        "net = torch.nn.Linear(3, 2)\n"
        "optimizer = torch.optim.SGD(net.parameters(), lr=0.1)\n"
        "for rows in torch.randperm(200).split(20):\n"
        "    optimizer.zero_grad()\n"
        "    torch.nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()\n"
        "    optimizer.step()\n"
        "with torch.no_grad():\n"
        "    out = torch.cat([net(batch) for batch, _ in DataLoader(TensorDataset(x, y), batch_size=10)])\n"
        "print((out.argmax(1) == y).float().mean().item())\n"
    )
    assert tried(tmp_path, code=0)["findings"] == []


TRAINS = (
    "import torch\n"
    "from torch.utils.data import DataLoader, TensorDataset\n"
    "torch.manual_seed(0)\n"
    "device = {device}\n"
    "x = torch.randn(64, 3)\n"
    "y = (x[:, 0] > 0).long()\n"
    "net = torch.nn.Linear(3, 2).to(device)\n"
    "optimizer = torch.optim.SGD(net.parameters(), lr=0.1)\n"
    "for inputs, labels in DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True):\n"
    "    optimizer.zero_grad()\n"
    "    outputs = net(inputs.to(device))\n"
    "    loss = torch.nn.functional.cross_entropy(outputs, {labels})\n"
    "    loss.backward()\n"
    "    optimizer.step()\n"
    "    print(loss.item())\n"
)
EITHER = "torch.device('cuda' if torch.cuda.is_available() else 'cpu')"


@pytest.mark.parametrize(
    ("device", "labels", "says"),
    [
        (EITHER, "labels.to(device)", ""),
        ("'cuda'", "labels.cuda()", ""),
        (
            EITHER,
            "labels",
            "train.py:12 [TRI126] on a machine with a GPU it ends with RuntimeError: Expected all tensors to be on the same device",
        ),
        (
            "'cuda'",
            "iter(DataLoader([1])).next()",
            "train.py:12 [TRI101] it ends with AttributeError: '_SingleProcessDataLoaderIter' object has no",
        ),
        ("'cuda'", "labels", "train.py:12 [TRI101] it ends with RuntimeError: Expected all tensors to be on the same device"),
    ],
)
def test_program_that_uses_an_accelerator_is_judged_on_a_pretended_one(tmp_path: Path, device: str, labels: str, says: str) -> None:
    (tmp_path / "train.py").write_text(TRAINS.format(device=device, labels=labels))
    verdict = tried(tmp_path, code=1 if says else 0)
    assert says in verdict["code_issue"]
    assert says or any(note.startswith("Run on a pretended CUDA device") for note in verdict["notes"])
