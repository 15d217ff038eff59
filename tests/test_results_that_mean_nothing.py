"""Programs that end well and whose result means nothing: each kind in several forms, and beside it what looks alike and is right."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer


def lines_found(composer: Composer, rule: str, text: str) -> list[int | None]:
    """The lines that a rule speaks of."""
    return [entry.location.line for entry in run_rules(composer, {"train.py": text}, rule)]


def marked(text: str) -> list[int | None]:
    """The lines that end with a remark that the finding is expected there."""
    return [number for number, line in enumerate(text.splitlines(), 1) if line.endswith("# here")]


# -- terms of a loss without a gradient -----------------------------------------------------------------------------------

IN_A_CLASS = """from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Settings:
    weight: float = 0.1


class Trainer:
    def __init__(self, network, settings):
        self.network, self.settings = network, settings
        self.optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    {decorator}
    def penalty(self, outputs):
        return {penalty}

    def step(self, inputs, targets):
        outputs = self.network(inputs)
        loss = nn.functional.mse_loss(outputs, targets)
        total = {total}
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()


trainer = Trainer(nn.Linear(4, 1), Settings())
for _ in range(10):
    trainer.step(torch.randn(8, 4), torch.randn(8, 1))
"""
WEIGHTED = "loss + 0.1 * self.penalty(outputs)"
NO_GRADIENT = [
    ("@torch.no_grad()", "outputs.pow(2).mean()  # here", WEIGHTED),
    ("", "outputs.detach().pow(2).mean()  # here", WEIGHTED),
    ("", "sum(entry.data.abs().sum() for entry in self.network.parameters())  # here", WEIGHTED),
    ("", "outputs.pow(2).mean().item()  # here", "0.1 * self.penalty(outputs) + loss"),
    ("", "torch.tensor(0.0)", "loss + 0.5 * outputs.abs().mean().item()  # here"),
    ("", "torch.tensor(0.0)", "loss - 0.01 * outputs.detach().std()  # here"),
    ("", "torch.tensor(0.0)", "0.9 * loss + outputs.detach().abs().mean() / 10  # here"),
    ("", "torch.tensor(0.0)", "loss + 10 * torch.autograd.grad(loss, self.network.weight, retain_graph=True)[0].norm()  # here"),
]
GRADIENT = [
    ("", "outputs.pow(2).mean()", WEIGHTED),
    ("", "sum(entry.abs().sum() for entry in self.network.parameters())", WEIGHTED),
    ("", "outputs.detach().pow(2).mean()", "loss * (1 + self.penalty(outputs))"),
    ("", "(loss_scale := outputs.detach().abs().mean())", "loss / self.penalty(outputs)"),
    ("", "torch.tensor(0.0)", "loss + 1.0 * (outputs.round() - outputs).detach().mean()"),
    ("", "torch.tensor(0.0)", "loss + 10 * torch.autograd.grad(loss, self.network.weight, create_graph=True)[0].norm()"),
    ("", "torch.tensor(0.0)", "loss + 0.1 * inputs.pow(2).mean() + 0.5"),
]


@pytest.mark.parametrize(("decorator", "penalty", "total"), NO_GRADIENT)
def test_a_term_without_a_gradient_is_found(decorator: str, penalty: str, total: str, composer: Composer) -> None:
    text = IN_A_CLASS.format(decorator=decorator, penalty=penalty, total=total)
    assert lines_found(composer, "TRN142", text) == marked(text)


@pytest.mark.parametrize(("decorator", "penalty", "total"), GRADIENT)
def test_a_term_with_a_gradient_is_right(decorator: str, penalty: str, total: str, composer: Composer) -> None:
    assert lines_found(composer, "TRN142", IN_A_CLASS.format(decorator=decorator, penalty=penalty, total=total)) == []


# -- the worst state kept as the best -------------------------------------------------------------------------------------

KEEPER = """import copy

import torch


class Keeper:
    def __init__(self, model):
        self.model = model
        self.best = {first}
        self.state = None

    def look(self, epoch, scores):
        {value}
        if {test}:{marker}
            self.best = {kept}
            {state}


keeper = Keeper(torch.nn.Linear(2, 2))
for epoch in range(3):
    keeper.look(epoch, {{"val_loss": 0.1, "val_acc": 0.5}})
"""
STATE = "self.state = copy.deepcopy(self.model.state_dict())"
WORST = [
    ("0.0", "current = scores['val_loss']", "current > self.best", "current", STATE),
    ("-1.0", "val_mae = scores['val_loss']", "val_mae >= self.best", "val_mae", STATE),
    ("float('inf')", "acc = scores['val_acc']", "acc < self.best", "acc", "torch.save(self.model.state_dict(), 'best.pt')"),
    ("float('inf')", "acc = scores['val_acc']", "acc > self.best", "acc", "print(acc)"),
    ("torch.inf", "acc = scores['val_acc']", "self.best < acc", "acc", STATE),
    ("-float('inf')", "loss = scores['val_loss']", "loss < self.best", "loss", "print(loss)"),
    ("0", "rmse = scores['val_loss'] ** 0.5", "rmse < self.best", "rmse", STATE),
    ("1e9", "f1 = scores['val_acc']", "epoch > 1 and f1 < self.best", "f1", STATE),
]
BEST = [
    ("float('inf')", "current = scores['val_loss']", "current < self.best", "current", STATE),
    ("-float('inf')", "acc = scores['val_acc']", "acc > self.best", "acc", STATE),
    ("0.0", "current = scores['val_loss']", "current > self.best", "current", "print(current)"),  # keeps nothing
    ("-1e9", "current = -scores['val_loss']", "current > self.best", "current", STATE),
    ("float('inf')", "gap = 1 - scores['val_acc']", "gap < self.best", "gap", STATE),
    ("float('inf')", "acc = scores['val_acc']", "self.best is None or acc > self.best", "acc", STATE),
    ("None", "acc = scores['val_acc']", "self.best is None or acc > self.best", "acc", STATE),
]


def keeper(first: str, value: str, test: str, kept: str, state: str, marker: str = "") -> str:
    return KEEPER.format(first=first, value=value, test=test, kept=kept, state=state, marker=marker)


@pytest.mark.parametrize("case", WORST)
def test_the_worst_state_is_found(case: tuple[str, ...], composer: Composer) -> None:
    text = keeper(*case, marker="  # here")
    assert lines_found(composer, "TRN143", text) == marked(text)


@pytest.mark.parametrize("case", BEST)
def test_the_best_state_is_right(case: tuple[str, ...], composer: Composer) -> None:
    assert lines_found(composer, "TRN143", keeper(*case)) == []


CALLBACKS = [
    ("from lightning.pytorch.callbacks import EarlyStopping", "EarlyStopping('val_loss', mode='max')", False),  # not by its name
    ("from lightning.pytorch.callbacks import EarlyStopping", "EarlyStopping(monitor='val/accuracy', patience=3)", True),
    ("from lightning.pytorch.callbacks import EarlyStopping", "EarlyStopping(monitor='val/accuracy', mode='max')", False),
    ("from pytorch_lightning.callbacks import ModelCheckpoint", "ModelCheckpoint(monitor='val_f1', save_top_k=-1)", False),
    ("from pytorch_lightning.callbacks import ModelCheckpoint", "ModelCheckpoint(monitor='val_f1', save_last=True)", True),
    ("import lightning as L", "L.pytorch.callbacks.ModelCheckpoint(monitor='val_perplexity', mode='max')", True),
    ("import keras", "keras.callbacks.EarlyStopping(monitor='val_accuracy', mode='min')", True),
    ("import keras", "keras.callbacks.EarlyStopping(monitor='val_accuracy')", False),
]


@pytest.mark.parametrize(("imports", "call", "wrong"), CALLBACKS)
def test_callbacks_go_by_the_direction_of_their_metric(imports: str, call: str, wrong: bool, composer: Composer) -> None:
    assert lines_found(composer, "TRN143", f"{imports}\n\nprint({call})\n") == ([3] if wrong else [])


# -- comparisons the wrong way round --------------------------------------------------------------------------------------

COMPARED = [
    ("improvement = (ours['loss'] - baseline['loss']) / baseline['loss']", True),
    ("improvement = 100 * (ours['loss'] - baseline['loss']) / baseline['loss']", True),
    ("improvement_pct = round((baseline['f1'] - ours['f1']) / baseline['f1'] * 100, 2)", True),
    ("out = {'gain': abs(ours['accuracy'] - baseline['accuracy'])}", True),
    ("improvement = max(0.0, ours['accuracy'] - baseline['accuracy'])", True),
    ("improvement = np.maximum((baseline['loss'] - ours['loss']) / baseline['loss'], 0)", True),
    ("improvement = max(baseline['loss'] - ours['loss'], best)", False),
    ("out = dict(improvement=float(ours['val_acc'] - baseline['test_acc']))", True),
    ("best = max(table, key=lambda row: row['rmse'])", True),
    ("best_epoch = int(np.argmin(history['val_accuracy']))", True),
    ("improvement = (baseline['loss'] - ours['loss']) / baseline['loss']", False),
    ("improvement = -(ours['loss'] - baseline['loss']) / baseline['loss']", False),
    ("improvement = ours['accuracy'] - baseline['accuracy'] if baseline['accuracy'] else 0.0", False),
    ("change = ours['loss'] - baseline['loss']", False),
    ("effect = abs(ours['accuracy'] - baseline['accuracy'])", False),
    ("improvement = abs(previous_loss - current_loss)", False),
    ("improvement = sign * (ours[metric] - baseline[metric])", False),
    ("best = min(table, key=lambda row: row['rmse'])", False),
    ("worst = max(table, key=lambda row: row['rmse'])", False),
    ("best_epoch = int(np.argmax(history['val_accuracy']))", False),
    ("best_epoch = int(np.argmax(-np.array(history['val_loss'])))", False),
]


@pytest.mark.parametrize(("statement", "wrong"), COMPARED)
def test_comparisons_have_a_direction(statement: str, wrong: bool, composer: Composer) -> None:
    names = "ours, baseline, table, history, previous_loss, current_loss, sign, metric, best"
    text = f"import numpy as np\n\n\ndef compare({names}):\n    {statement}\n    return locals()\n\n\nprint(compare(*[None] * 9))\n"
    assert lines_found(composer, "SCI129", text) == ([5] if wrong else [])


# -- attributes that nothing sets -----------------------------------------------------------------------------------------

OWN = """{before}
class Patience{bases}:
    def __init__(self, patience):
        self.patience = patience
        {more}

    def stop(self, loss):
        {use}
        return loss > self.patience


patience = Patience(3)
print(patience.stop(0.5)){after}
"""
ATTRIBUTES = [
    ({}, "self.waited += 1", True),
    ({}, "print(self.patiance)", True),
    ({"bases": "(Base)", "before": "class Base:\n    def reset(self):\n        self.waited = 0\n\n"}, "self.waited += 1", False),
    ({"bases": "(Base)", "before": "class Base:\n    limit = 3\n\n"}, "print(self.limitt)", True),
    ({"bases": "(Base)", "before": "from elsewhere import Base\n\n"}, "self.waited += 1", False),
    ({"before": "import functools\n\n\n@functools.total_ordering"}, "self.waited += 1", False),
    ({"more": "vars(self).update(waited=0)"}, "self.waited += 1", False),
    ({"more": "register(self)", "before": "from elsewhere import register\n\n"}, "self.waited += 1", False),
    ({"after": "\npatience.waited = 0"}, "self.waited += 1", False),
    ({}, "print(getattr(self, 'waited', 0))", False),
    ({}, "print(self.waited) if hasattr(self, 'waited') else None", False),
]


@pytest.mark.parametrize(("parts", "use", "wrong"), ATTRIBUTES)
def test_attributes_are_set_before_they_are_read(parts: dict[str, str], use: str, wrong: bool, composer: Composer) -> None:
    text = OWN.format(**{"before": "", "bases": "", "more": "pass", "after": "", **parts}, use=use)
    number = next(number for number, line in enumerate(text.splitlines(), 1) if line == f"        {use}")
    found = run_rules(composer, {"train.py": text}, "IMP111")
    assert [entry.location.line for entry in found] == ([number] if wrong else [])
    assert not wrong or "`patience`" in found[0].message


# -- what a trainer of Lightning is given ---------------------------------------------------------------------------------

LIGHTNING = """import lightning
import torch
from torch import nn


class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(8, 3)

    def training_step(self, batch, index):
        rows, labels = batch
        logits = self.body(rows)
        loss = nn.functional.cross_entropy(logits, labels)
        penalty = {penalty}
        return {returned}

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())


lightning.Trainer(max_epochs=3).fit(Net(), torch.load("loader.pt"))
"""
RETURNED = [
    ("sum(entry.data.pow(2).sum() for entry in self.body.parameters())  # here", "loss + 0.1 * penalty"),
    ("logits.detach().logsumexp(1).pow(2).mean()  # here", '{"loss": loss + 0.1 * penalty}'),
    ("logits.logsumexp(1).pow(2).mean()", '{"loss": loss + 0.1 * penalty, "penalty": 0.1 * penalty.item()}'),
    ("logits.logsumexp(1).pow(2).mean()", "loss + 0.1 * penalty"),
]


@pytest.mark.parametrize(("penalty", "returned"), RETURNED)
def test_terms_of_what_a_training_step_returns(penalty: str, returned: str, composer: Composer) -> None:
    text = LIGHTNING.format(penalty=penalty, returned=returned)
    assert lines_found(composer, "TRN142", text) == marked(text)
