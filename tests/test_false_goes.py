"""Kinds of experiments that end well and lie: each in many spellings, and beside them what looks alike and is right."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules
from rule_cases import COMPARATIVE, EVALUATE, PROPOSED, TRAIN, findings_of

from gonogo.analysis.dataflow.programs import walk_programs
from gonogo.analysis.libraries.misuses import misuses
from gonogo.analysis.libraries.objects import Objects
from gonogo.analysis.python.modules import Module
from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree


def lines_found(composer: Composer, rule: str, text: str) -> list[int | None]:
    """The lines that a rule speaks of."""
    return [entry.location.line for entry in run_rules(composer, {"train.py": text}, rule)]


def marked(text: str) -> list[int | None]:
    """The lines that end with a remark that the finding is expected there."""
    return [number for number, line in enumerate(text.splitlines(), 1) if line.endswith("# here")]


# -- right answers, divided by what they are not out of -------------------------------------------------------------------

COUNTED = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

BATCH = 32
train_set = TensorDataset(torch.randn(600, 4), torch.randint(2, (600,)))
test_set = TensorDataset(torch.randn(100, 4), torch.randint(2, (100,)))
train_loader = DataLoader(train_set, BATCH, shuffle=True)
test_loader = DataLoader(test_set, batch_size=BATCH)
single_loader = DataLoader(test_set)


class Evaluator:
    def __init__(self, network, loader):
        self.network, self.loader = network, loader

    @torch.inference_mode()
    def run(self):
        right, seen, other = 0, 0, 0.0
        for inputs, labels in {loop}:
            outputs = self.network(inputs)
            right += {counted}
            seen += labels.size(0)
            other += nn.functional.cross_entropy(outputs, labels).item()
        return {score}


print(Evaluator(nn.Linear(4, 2), {loader}).run())
"""
SUM = "(outputs.argmax(1) == labels).sum().item()"
DIVIDED = [
    ("self.loader", SUM, "right / len(self.loader)  # here", "test_loader"),
    ("self.loader", SUM, "100 * right / len(self.loader)  # here", "test_loader"),
    ("self.loader", SUM, "100.0 * (right / len(self.loader))  # here", "test_loader"),
    ("tqdm(self.loader)", SUM, "right / len(self.loader)  # here", "test_loader"),
    ("self.loader", "int((outputs.argmax(dim=-1) == labels).sum())", "right / len(self.loader)  # here", "test_loader"),
    ("self.loader", "outputs.argmax(1).eq(labels).sum().item()", "right / len(self.loader)  # here", "test_loader"),
    ("self.loader", "torch.sum(outputs.argmax(1) == labels).item()", "right / len(self.loader)  # here", "test_loader"),
    ("self.loader", "(outputs.argmax(1) == labels).float().sum().item()", "float(right) / len(self.loader)  # here", "test_loader"),
    ("self.loader", SUM, "right / len(train_loader.dataset)  # here", "test_loader"),
    ("self.loader", SUM, "100 * right / len(train_loader.dataset)  # here", "test_loader"),
]
DIVIDED_RIGHTLY = [
    ("self.loader", SUM, "right / seen", "test_loader"),
    ("self.loader", SUM, "100 * right / len(self.loader.dataset)", "test_loader"),
    ("self.loader", SUM, "right / len(self.loader)", "single_loader"),
    ("self.loader", SUM, "right / (len(self.loader) * BATCH)", "test_loader"),
    ("self.loader", SUM, "right / len(test_loader.dataset)", "test_loader"),
    ("self.loader", "(outputs.argmax(1) == labels).float().mean().item()", "right / len(self.loader)", "test_loader"),
    ("self.loader", SUM + " / len(labels)", "right / len(self.loader)", "test_loader"),
    ("self.loader", SUM, "(right / seen, other / len(self.loader))", "test_loader"),
    ("self.loader", SUM, "right", "test_loader"),
    ("test_set", "int(outputs.argmax(-1) == labels)", "right / len(self.loader)", "test_set"),
]


@pytest.mark.parametrize(("loop", "counted", "score", "loader"), DIVIDED)
def test_wrong_denominators_are_found(loop: str, counted: str, score: str, loader: str, composer: Composer) -> None:
    text = COUNTED.format(loop=loop, counted=counted, score=score, loader=loader)
    assert lines_found(composer, "NUM115", text) == marked(text)


@pytest.mark.parametrize(("loop", "counted", "score", "loader"), DIVIDED_RIGHTLY)
def test_right_denominators_are_left_alone(loop: str, counted: str, score: str, loader: str, composer: Composer) -> None:
    assert lines_found(composer, "NUM115", COUNTED.format(loop=loop, counted=counted, score=score, loader=loader)) == []


# -- what PyTorch's objects lack ------------------------------------------------------------------------------------------

OBJECTS = """import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader

network = nn.Linear(3, 2)


class Setup:
    def __init__(self, rate=0.1):
        self.optimizer = optim.AdamW(network.parameters(), lr=rate)
        self.schedule = CosineAnnealingLR(self.optimizer, T_max=10)
        self.loader = DataLoader([1, 2, 3], batch_size=2)
        self.criterion = nn.CrossEntropyLoss()


def loss_of(setup, outputs, labels):
    return setup.criterion(outputs, labels)


setup = Setup()
outputs, labels = network(torch.randn(4, 3)), torch.zeros(4).long()
for epoch in range(100):
    if epoch == 99:
        print({asked})
"""
LACKING = [
    "setup.optimizer.learning_rate",
    "setup.optimizer.get_lr()",
    "setup.schedule.current_lr",
    "setup.schedule.get_rates()",
]
THERE = [
    "setup.optimizer.param_groups[0]['lr']",
    "setup.optimizer.first_step() if hasattr(setup.optimizer, 'first_step') else 0",
    "setup.optimizer.rho if isinstance(setup.optimizer, optim.LBFGS) else 0",
    "setup.optimizer.state_dict().learning_rate",
    "setup.schedule.get_last_lr()",
    "setup.schedule.optimizer.defaults",
    "setup.loader.dataset, len(setup.loader)",
    "setup.loader.sampler.anything",
    "loss_of(setup, outputs, labels).item()",
    "F.softmax(outputs, dim=1).max(1).values",
    "torch.stack([outputs, outputs]).mean(0).tolist()",
    "network.whatever_was_registered",
    "torch.cat([outputs, outputs]).norm().is_cuda",
]


@pytest.mark.parametrize("asked", [*LACKING, *THERE])
def test_what_objects_of_pytorch_lack(asked: str) -> None:
    programs = walk_programs({"train.py": Module("train.py", OBJECTS.format(asked=asked))})
    assert len(list(misuses(programs, Objects(programs)))) == (asked in LACKING)


# -- schedules, averages: with the numbers of the runs ---------------------------------------------------------------------

OPTIMIZER = "    optimizer = build_optimizer(cfg.run.training.optimizer, model, optimizer_settings(cfg, found))\n"
TRAINED = '        train_loss = train_epoch(model, loaders["train"], criterion, optimizer)\n'


def changed(golden: dict[str, str], made: str, moved: str, settings: str = "", head: str = "") -> dict[str, str]:
    """The golden experiment with something made before the first epoch, and something done after each."""
    edits = [Edit(OPTIMIZER, OPTIMIZER + made), Edit(TRAINED, TRAINED + moved)]
    edits += [Edit("def train_epoch(", f"{head}\n\n\ndef train_epoch(")] if head else []
    configs = {path: Edit("  epochs: 15\n", f"  epochs: 15\n{settings}") for path in (PROPOSED, COMPARATIVE)}
    return Tree({**(configs if settings else {}), TRAIN: tuple(edits)}).apply(golden)


RATE = "torch.optim.lr_scheduler."
HELPER = "def schedule(optimizer, settings):\n    return torch.optim.lr_scheduler.StepLR(optimizer, settings.every)"
FACTOR = "def factor(epoch):\n    return (10 - epoch) / 10"
SCHEDULES = [
    (f"scheduler = {RATE}MultiStepLR(optimizer, [20, 40])", "", "", True),
    (f"scheduler = {RATE}MultiStepLR(optimizer, milestones=[15])", "", "", True),
    (f"scheduler = {RATE}StepLR(optimizer, step_size=2 * cfg.run.training.epochs)", "", "", True),
    ("scheduler = schedule(optimizer, cfg.run.training)", "  every: 50\n", HELPER, True),
    (
        f"milestones = cfg.run.training.milestones\n    scheduler = {RATE}MultiStepLR(optimizer, milestones)",
        "  milestones: [60]\n",
        "",
        True,
    ),
    (f"scheduler = {RATE}LambdaLR(optimizer, factor)", "", FACTOR, True),
    (f"scheduler = {RATE}LambdaLR(optimizer, lr_lambda=lambda step: 0.5 - step * 0.1 if step > 3 else 1.0)", "", "", True),
    (f"scheduler = {RATE}LambdaLR(optimizer, lambda _: 0)", "", "", True),
    (f"scheduler = {RATE}ConstantLR(optimizer, factor=0.1, total_iters=40)", "", "", True),
    (f"scheduler = {RATE}LinearLR(optimizer, 0.001, total_iters=10 * cfg.run.training.epochs)", "", "", True),
    (f"scheduler = {RATE}MultiStepLR(optimizer, [14, 40])", "", "", False),
    (f"scheduler = {RATE}StepLR(optimizer, step_size=max(1, cfg.run.training.epochs // 3))", "", "", False),
    ("scheduler = schedule(optimizer, cfg.run.training)", "  every: 5\n", HELPER, False),
    (
        f"milestones = cfg.run.training.milestones\n    scheduler = {RATE}MultiStepLR(optimizer, milestones)",
        "  milestones: [6, 60]\n",
        "",
        False,
    ),
    (f"scheduler = {RATE}LambdaLR(optimizer, factor)", "", FACTOR.replace("10", "20"), False),
    (f"scheduler = {RATE}LambdaLR(optimizer, lambda step: max(0.0, 0.5 - step * 0.1))", "", "", False),
    (f"scheduler = {RATE}LambdaLR(optimizer, lambda _: 1.0)", "", "", False),
    (f"scheduler = {RATE}LambdaLR(optimizer, lambda step: 0.95 ** step)", "", "", False),
    (f"scheduler = {RATE}CosineAnnealingLR(optimizer, T_max=100)", "", "", False),
    (f"scheduler = {RATE}LinearLR(optimizer, 0.1, total_iters=cfg.run.training.epochs)", "", "", False),
]


@pytest.mark.parametrize(("made", "settings", "head", "wrong"), SCHEDULES)
def test_schedules_act_within_the_run(made: str, settings: str, head: str, wrong: bool, golden: dict[str, str], composer: Composer) -> None:
    files = changed(golden, f"    {made}\n", "        scheduler.step()\n", settings, head)
    assert len(findings_of(files, "TRN155", composer)) == wrong


COPY = "    average = build_model(cfg.run.model)\n    average.load_state_dict(model.state_dict())\n"
ZIPPED = "        for old, new in zip(average.parameters(), model.parameters(), strict=True):\n            {}\n"
CLASS = """class Ema:
    def __init__(self, model, decay=0.99):
        self.decay = decay
        self.shadow = [entry.detach().clone() for entry in model.parameters()]

    def update(self, model):
        for old, new in zip(self.shadow, model.parameters(), strict=True):
            old.mul_(self.decay).add_(new.data, alpha=1 - self.decay)"""
FUNCTION = """def follow(old, new, momentum):
    for one, other in zip(old.parameters(), new.parameters(), strict=True):
        one.data = momentum * one.data + (1 - momentum) * other.data"""
SWA = "    average = torch.optim.swa_utils.AveragedModel(model, {}=torch.optim.swa_utils.{}({}))\n"
UPDATE = "        average.update_parameters(model)\n"
EMA = "cfg.run.training.ema"
AVERAGES = [
    (COPY, ZIPPED.format(f"old.data.mul_({EMA}).add_(new.data, alpha=1 - {EMA})"), "1.0", "", True),
    (COPY, ZIPPED.format(f"old.data.lerp_(new.data, 1 - {EMA})"), "1", "", True),
    (COPY + f"    decay = float({EMA})\n", ZIPPED.format("old.data.mul_(decay).add_(new.data, alpha=1.0 - decay)"), "1.0", "", True),
    (f"    average = Ema(model, {EMA})\n", "        average.update(model)\n", "1.0", CLASS, True),
    ("    average = Ema(model, decay=1.0)\n", "        average.update(model)\n", "0.9", CLASS, True),
    (COPY, f"        follow(average, model, momentum={EMA})\n", "1.0", FUNCTION, True),
    (SWA.format("multi_avg_fn", "get_ema_multi_avg_fn", EMA), UPDATE, "1.0", "", True),
    (SWA.format("avg_fn", "get_ema_avg_fn", "decay=1"), UPDATE, "0.9", "", True),
    (f"    averaged = 1.0\n{SWA.format('avg_fn', 'get_ema_avg_fn', 'averaged')}", UPDATE, "0.9", "", True),
    (COPY, ZIPPED.format(f"old.data.mul_({EMA}).add_(new.data, alpha=1 - {EMA})"), "0.9", "", False),
    (COPY, ZIPPED.format(f"old.data.lerp_(new.data, 1 - {EMA})"), "0", "", False),
    (f"    average = Ema(model, {EMA})\n", "        average.update(model)\n", "0.5", CLASS, False),
    ("    average = Ema(model)\n", "        average.update(model)\n", "1.0", CLASS, False),
    (COPY, f"        follow(average, model, min({EMA}, epoch / (epoch + 10)))\n", "1.0", FUNCTION, False),
    (SWA.format("multi_avg_fn", "get_ema_multi_avg_fn", EMA), UPDATE, "0.999", "", False),
    ("    weight = cfg.run.training.ema\n", "        print(weight * train_loss + (1 - weight) * epoch)\n", "1.0", "", False),
    (COPY, ZIPPED.format("old.data.add_(new.data, alpha=1 - cfg.run.training.ema)"), "1.0", "", False),
    (COPY, ZIPPED.format("old.data.copy_(new.data)"), "1.0", "", False),
]


@pytest.mark.parametrize(("made", "moved", "ema", "head", "wrong"), AVERAGES)
def test_averages_move(made: str, moved: str, ema: str, head: str, wrong: bool, golden: dict[str, str], composer: Composer) -> None:
    files = changed(golden, made, moved, f"  ema: {ema}\n", head)
    assert len(findings_of(files, "TRN157", composer)) == wrong


# -- the best epoch of the test split -------------------------------------------------------------------------------------

SCORED = "        val_accuracy, val_loss = score(val_logits, val_labels)\n"
TESTED = '        test_score, _ = score(*predict(model, loaders["test"]))\n'
ENTRY = '        "test_accuracy": float(run.summary["test_accuracy"]),\n'
READ = [
    ('"test_accuracy": history["test_acc"].max(),', True),
    ('"test_accuracy": float(history["test_acc"].dropna().max()),', True),
    ('"test_accuracy": round(float(max(history["test_acc"].dropna())), 4),', True),
    ('"test_accuracy": float(np.nanmax(history["test_acc"])),', True),
    ('"test_accuracy": float(history["test_acc"].astype(float).max()),', True),
    ('"test_accuracy": history["test_acc"].to_numpy().max(),', True),
    ('"test_accuracy": max(row["test_acc"] for row in run.scan_history()),', True),
    ('"test_accuracy": max([float(row["test_acc"]) for row in run.scan_history(keys=["test_acc"])]),', True),
    ('"test_accuracy": float(history["test_acc"].iloc[-1]),', False),
    ('"test_accuracy": float(history["test_acc"].mean()),', False),
    ('"test_accuracy": float(history["test_acc"].min()),', False),
    ('"val_accuracy": float(history["val_accuracy"].max()),', False),
    ('"test_accuracy": float(run.summary["test_acc"]),', False),
    ('"epochs": int(history["epoch"].max()),', False),
    ('"test_accuracy": max(0.0, float(history["test_acc"].iloc[-1])),', False),
    ('"test_accuracy": max(run.summary["test_acc"], 0.0),', False),
]


@pytest.mark.parametrize(("entry", "wrong"), READ)
def test_the_best_epoch_of_the_test_split(entry: str, wrong: bool, golden: dict[str, str], composer: Composer) -> None:
    logged = Edit('"val_loss": val_loss})', '"val_loss": val_loss, "test_acc": test_score})')
    imports = Edit("import pandas as pd\n", "import numpy as np\nimport pandas as pd\n")
    tree = Tree({TRAIN: (Edit(SCORED, SCORED + TESTED), logged), EVALUATE: (imports, Edit(ENTRY, f"        {entry}\n"))})
    found = findings_of(tree.apply(golden), "EVA124", composer)
    assert [finding.severity.value for finding in found] == ["error"] * wrong


# -- ensembles and teachers that are one network --------------------------------------------------------------------------

MEMBERS = """import copy

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, inputs):
        return self.layer(inputs)


def build():
    return Net()


model = build()
inputs = torch.randn(4, 3)
{made}
print(torch.stack([member(inputs) for member in members]).mean(0))
"""
SAME = [
    ("members = [model] * 5", True),
    ("members = [model for _ in range(5)]", True),
    ("members = 3 * [model]", True),
    ("members = [model, model, model]", True),
    ("size = 4\nmembers = [model] * size", True),
    ("members = [build() for _ in range(5)]", False),
    ("members = [copy.deepcopy(model) for _ in range(5)]", False),
    ("members = [Net() for _ in range(5)]", False),
    ("members = [model] * 1", False),
    ("members = [model, build()]", False),
]


@pytest.mark.parametrize(("made", "wrong"), SAME)
def test_ensembles_of_one_network(made: str, wrong: bool, composer: Composer) -> None:
    assert len(lines_found(composer, "MOD124", MEMBERS.format(made=made))) == wrong


# -- a folder that nothing makes ------------------------------------------------------------------------------------------

SAVING = """import os
import sys
from pathlib import Path

import numpy as np
import torch

out = Path(sys.argv[1])
out.mkdir(exist_ok=True)
network = torch.nn.Linear(4, 2)
{before}
for epoch in range(10):
    rows = network(torch.ones(3, 4)).detach().numpy()
    {save}
"""
SAVES = [
    ("torch.save(network, out / 'weights' / f'{epoch}.pt')  # here", ""),
    ("torch.save(network.state_dict(), os.path.join(out, 'weights', 'last.pt'))  # here", ""),
    ("torch.save(network, f'{out}/weights/{epoch}.pt')  # here", ""),
    ("torch.save(network, str(out / 'weights' / 'last.pt'))  # here", ""),
    ("np.save(out / 'weights' / f'{epoch}.npy', rows)  # here", ""),
    ("np.savez(os.path.join(out, 'weights', str(epoch)), rows=rows)  # here", ""),
    ("(out / 'weights' / 'loss.txt').write_text(str(epoch))  # here", ""),
    ("print(epoch, file=open(out / 'weights' / 'loss.txt', 'a'))  # here", ""),
    ("torch.save(network, out / 'weights' / 'last.pt')  # here", "(out / 'figures').mkdir()"),
    ("torch.save(network, out / 'weights' / 'last.pt')", "(out / 'weights').mkdir()"),
    ("torch.save(network, out / 'weights' / 'last.pt')", "for name in ('weights', 'figures'): os.makedirs(out / name)"),
    ("torch.save(network, out / 'weights' / 'last.pt')", "os.system(f'mkdir -p {out}/*')"),
    ("torch.save(network, out / 'weights' / 'last.pt')", "assert os.path.isdir(f'{out}/weights')"),
    ("torch.save(network, out / 'last.pt')", ""),
    ("torch.save(network, out / 'logs' / 'last.pt')", "torch.utils.tensorboard.SummaryWriter(out / 'logs')"),
    ("if (out / str(epoch)).exists(): torch.save(network, out / 'weights' / 'last.pt')", ""),
    ("torch.save(network, out / str(epoch) / 'last.pt')", "[(out / str(epoch)).mkdir() for epoch in range(10)]"),
]


@pytest.mark.parametrize(("save", "before"), SAVES)
def test_a_folder_that_nothing_makes(composer: Composer, save: str, before: str) -> None:
    text = SAVING.format(save=save, before=before)
    assert lines_found(composer, "EVA140", text) == marked(text)


# -- a baseline that the code alone weakens -------------------------------------------------------------------------------

PLAIN, OURS = 'cfg.run.method == "cross-entropy"', 'cfg.run.method == "label-smoothing"'
WEAKENED = [
    (PLAIN, "model.dropout.p = 0.9", True),
    ('cfg.run.run_id.startswith("comparative")', "model.dropout.p = 0.9", True),
    ('cfg.run.training.objective in ("cross_entropy",)', "model.dropout = nn.Dropout(0.99)", True),
    (f"not {OURS}", "setattr(model, 'dropout', nn.Dropout(p=0.9))", True),
    (f"{PLAIN} and not cfg.trial_mode", "model.dropout.p = 0.9", True),
    (PLAIN, "optimizer.register_step_pre_hook(lambda *_: nn.utils.clip_grad_value_(model.parameters(), 1e-8))", True),
    (PLAIN, 'loaders["train"] = DataLoader(images[: len(images) // 4], 8)', False),  # a part of something else: not known
    (PLAIN, "images = torch.utils.data.Subset(images, range(int(len(images) * 0.25)))", True),
    (PLAIN, "images = torch.utils.data.Subset(images, torch.arange(len(images) // 3))", True),
    (PLAIN, "images = images[: len(images) // 20]", True),
    (PLAIN, "images = images[: len(images) - 20]", False),
    (PLAIN, "images = images[:500]", False),
    (PLAIN, "model.dropout.p = 0.5", False),
    (PLAIN, "model.dropout.p = cfg.run.model.dropout", False),
    (OURS, "model.dropout.p = 0.9", False),
    (f"{PLAIN} and cfg.trial_mode", "model.dropout.p = 0.9", False),
    (f"{PLAIN} or {OURS}", "model.dropout.p = 0.9", False),
    (PLAIN, "model.dropout.p = 0.9  # a Bayesian network keeps few units", False),
]


@pytest.mark.parametrize(("test", "line", "is_weak"), WEAKENED)
def test_a_baseline_that_the_code_alone_weakens(
    composer: Composer, golden: dict[str, str], golden_plan: str, test: str, line: str, is_weak: bool
) -> None:
    weak = f'{OPTIMIZER}    images = loaders["train"].dataset\n    if {test}:\n        {line}\n    print(len(images))\n'
    tree = Tree({TRAIN: Edit(OPTIMIZER, weak)})
    assert len(run_rules(composer, tree.apply(golden), "SCI150", plan=golden_plan)) == is_weak
