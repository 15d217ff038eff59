"""Which data reach the objective of a search."""

from __future__ import annotations

import pytest

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.training.objectives import TestDataReader as Reader
from gonogo.analysis.training.objectives import objectives, whole

HELPERS = """
def evaluate(model, loader):
    right = total = 0
    for images, labels in loader:
        images = images.to(device)
        right += (model(images).argmax(1) == labels).sum().item()
        total += len(labels)
    return right / total

def both(model, val_loader, test_loader):
    return {"val": evaluate(model, val_loader), "test": evaluate(model, test_loader)}

def search(study):
"""


def sources(body: str, handed: str = "objective", metrics: tuple[str, ...] = ()) -> list[int]:
    """The lines, counted from the first of the body, where test data reach the value of the objective."""
    inner = "".join(f"        {line}\n" for line in body.splitlines())
    text = f"{HELPERS}    def objective(trial):\n{inner}    study.optimize({handed}, n_trials=3)\n"
    module = Module("src/train.py", text)
    assert module.fault is None
    symbols = Symbols({module.path: module}, {module.path: None})
    reader = Reader(symbols, metrics)
    places = [whole(reader.returned(owner, function)) for owner, function in objectives([module], symbols)]
    first = HELPERS.count("\n") + 1
    return [getattr(place.node, "lineno", 0) - first for place in places if place is not None]


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("return evaluate(model, test_loader)", [1]),
        ("return evaluate(model, val_loader)", []),
        ('return evaluate(model, loaders["test"])', [1]),
        ('score = evaluate(model, make(split="test"))\nreturn score', [1]),
        ("seen = evaluate(model, test_loader)\nreturn evaluate(model, val_loader)", []),
        ('return both(model, val_loader, test_loader)["val"]', []),
        ('return both(model, val_loader, test_loader)["test"]', [1]),
        ("return both(model, val_loader, test_loader)[name]", []),
        ("kept, test_data = train_test_split(train)\nreturn evaluate(model, test_data)", []),
        ("test_loader = make(split='validation')\nreturn evaluate(model, test_loader)", []),
        ("scores = []\nfor images, labels in test_loader:\n    scores.append(model(images))\nreturn sum(scores)", [2]),
        ("val = evaluate(model, test_loader)\nbest = max(0.0, val)\nreturn best", [1]),
        ("batches = [{k: v.to(d) for k, v in batch.items()} for batch in test_loader]\nreturn score(batches)", [1]),
        ("found = {k: v.to(d) for k, v in test_data.items()}\nreturn score(found)", [1]),
        ('parts = train.train_test_split(0.1)\nval_set = parts["test"]\nreturn score(model, DataLoader(val_set))', []),
        ('val_set = train.train_test_split(0.1)["test"]\nreturn score(model, DataLoader(val_set))', []),
        ('parts = random_split(train)\nval_loader = DataLoader(parts["test"])\nreturn evaluate(model, val_loader)', []),
        ("if trial:\n    return 0.0\nreturn evaluate(model, test_loader)", []),
        ("return library.fit(train, validation=val_loader, test=test_loader)", []),
    ],
)
def test_value_of_the_objective(body: str, lines: list[int]) -> None:
    assert sources(body) == lines


@pytest.mark.parametrize("handed", ["objective", "lambda trial: objective(trial)", "partial(objective, cfg=cfg)"])
def test_objective_is_found_however_it_is_handed_over(handed: str) -> None:
    assert sources("return evaluate(model, test_loader)", handed) == [1]


def test_metric_of_the_run_config_tells_which_part_counts() -> None:
    body = "scores = both(model, val_loader, test_loader)\nreturn scores[cfg.optuna.metric]"
    assert sources(body, metrics=("val",)) == []
    assert sources(body, metrics=("test",)) == [1]


def test_functions_that_call_each_other_end() -> None:
    text = "def a(x):\n    return b(x)\ndef b(x):\n    return a(x)\ndef search(study):\n    study.optimize(a)\n"
    module = Module("src/train.py", text)
    symbols = Symbols({module.path: module}, {module.path: None})
    ((owner, function),) = objectives([module], symbols)
    assert Reader(symbols).returned(owner, function) is None
