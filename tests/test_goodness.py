"""Which way a number is better, told by its names and by what it is made of."""

from __future__ import annotations

import ast

import pytest

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.training.goodness import Better, Goodness, of_name

HELPERS = """
def evaluate(model, loader):
    return {"loss": model.loss(loader), "accuracy": model.right(loader)}

def fit(cfg):
    best_acc = 0.0
    for epoch in range(3):
        val = evaluate(cfg, epoch)
        best_acc = max(best_acc, val["accuracy"])
    return cfg, best_acc

def train(cfg):
    val = evaluate(cfg, 0)
    return -val["loss"]

class Trainer:
    def validation_loss(self):
        return self.numbers()["x"]

    def tally(self):
        return self.score_all()["auroc"]

def objective(trial):
"""
LARGER, SMALLER = Better.LARGER, Better.SMALLER


def better(body: str) -> Better | None:
    text = HELPERS + "".join(f"    {line}\n" for line in body.splitlines())
    module = Module("src/train.py", text)
    assert module.tree is not None
    settings = {"cfg.optuna.metric": "val_f1"}
    goodness = Goodness(Symbols({module.path: module}, {module.path: None}), lambda node: settings.get(ast.unparse(node)))
    return goodness.returned(module, module.definitions["objective"])


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("_, acc = fit(cfg)\nreturn acc", LARGER),
        ("return fit(cfg)[1]", LARGER),
        ("return -fit(cfg)[1]", SMALLER),
        ("return 1.0 - fit(cfg)[1]", SMALLER),
        ("score = fit(cfg)[1]\nreturn float(score)", LARGER),
        ('return evaluate(model, val)["loss"]', SMALLER),
        ('return evaluate(model, val)["accuracy"] * 100', LARGER),
        ('return evaluate(model, val)["accuracy"] * -1', SMALLER),
        ('return evaluate(model, val).get("accuracy", 0.0)', LARGER),
        ("return evaluate(model, val)[cfg.optuna.metric]", LARGER),
        ("return Trainer().validation_loss()", SMALLER),
        ("return Trainer().tally()", LARGER),
        ("losses = [step(b) for b in loader]\nreturn sum(losses) / len(losses)", SMALLER),
        ("return np.mean([r.val_auroc for r in results])", LARGER),
        ("total_loss = 0.0\nfor b in loader:\n    total_loss += step(b)\nreturn total_loss / len(loader)", SMALLER),
        ("best_val_loss = float('inf')\nbest_val_loss = min(best_val_loss, step())\nreturn best_val_loss", SMALLER),
        ("return roc_auc_score(y, p)", LARGER),
        ("return mean_squared_error(y, p) ** 0.5", None),
        ("if bad:\n    return 0.0\nreturn metrics['val_acc']", LARGER),
        ("val_acc = evaluate(model, val)['accuracy'] - evaluate(model, val)['loss']\nreturn val_acc", LARGER),
        # Nothing is said where names and values contradict each other, or say nothing.
        ("loss = -evaluate(model, val)['loss']\nreturn loss", None),
        ("return train(cfg)", LARGER),
        ("acc = 1 - evaluate(model, val)['accuracy']\nreturn acc", None),
        ("return evaluate(model, val)[name]", None),
        ("return study_value", None),
        ("return float('nan') if bad else measure()", None),
        ("return metrics['accuracy'] if a else metrics['loss']", None),
        ("return accuracy_drop", None),
        ("return neg_loss", None),
        ("return 0.5", Better.NEITHER),
        ("return acc * loss", None),
    ],
)
def test_what_is_said_of_what_an_objective_returns(body: str, answer: Better | None) -> None:
    assert better(body) is answer


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("valAcc", LARGER), ("best_val_accuracy", LARGER), ("testAUROC", LARGER), ("macro-F1", LARGER), ("val/top1", LARGER),
        ("eval_loss", SMALLER), ("RMSE", SMALLER), ("CrossEntropy", SMALLER), ("word_error_rate", SMALLER),
        ("closs", None), ("accelerate", None), ("score", None), ("acc_loss", None), ("loss_weight", None), ("accuracy_gain", None),
    ],
)  # fmt: skip
def test_what_a_name_says(name: str, answer: Better | None) -> None:
    assert of_name(name) is answer


def test_a_function_that_calls_itself_is_not_followed_for_ever() -> None:
    assert better("return objective(trial)") is None
    assert better("a = b\nb = a\nreturn a") is None
