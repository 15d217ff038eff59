"""Which rows a value holds: splits in many ways of writing, what is made of all rows, what two slices have in common."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.python.modules import Module
from gonogo.analysis.rows.columns import columns_of
from gonogo.analysis.rows.parts import Held, Role, parts_in, role_of_name, role_of_word
from gonogo.analysis.training.programs import is_unit_test, training_programs

HEAD = """import numpy as np
import pandas as pd
import torch
import torchvision
from datasets import load_dataset
from sklearn.model_selection import KFold, StratifiedShuffleSplit, train_test_split
from torch.utils.data import DataLoader, Subset, SubsetRandomSampler, TensorDataset, random_split

table = pd.read_csv("table.csv")
X, y = table[["a", "b"]], table["y"]
"""


def walked(code: str) -> Program:
    (program,) = training_programs({"train.py": Module("train.py", HEAD + code)})
    return program


def held(code: str) -> Held:
    """What the argument of the last `print` holds."""
    program = walked(code)
    event = list(program.calls("print"))[-1]
    return parts_in(program).held(event.call.arguments[0])


SPLITS = {
    "a, b = train_test_split(X)\nprint({})": ("a", "b"),
    "a, b, c, d = train_test_split(X, y, test_size=0.2)\nprint({})": ("c", "d"),
    "parts = train_test_split(X, y)\nmore = parts[:1], parts[1]\nprint({})": ("parts[0]", "parts[3]"),
    "a, b = random_split(TensorDataset(X, y), [8, 2])\nprint(DataLoader({}))": ("a", "b"),
    "for a, b in KFold(5).split(X):\n    print(X.iloc[{}])": ("a", "b"),
    "for number, (a, b) in enumerate(KFold(5).split(X, y)):\n    print(X.to_numpy()[{}])": ("a", "b"),
    "a, b = next(StratifiedShuffleSplit(1).split(X, y))\nprint(Subset(X, {}))": ("a", "b"),
    "order = np.random.permutation(len(X))\ntrain_index, test_index = order[:80], order[80:]\nprint(X.iloc[{}])": (
        "train_index",
        "test_index",
    ),
    "train, test = X[:80], X[80:]\nprint({}.copy())": ("train", "test"),
    'data = load_dataset("imdb")\nprint(data["{}"].map(len))': ("train", "test"),
    'print(load_dataset("imdb", split="{}"))': ("train", "test"),
    'parts = load_dataset("imdb", split="all").train_test_split(0.1)\nprint(parts["{}"])': ("train", "test"),
    'print(torchvision.datasets.CIFAR10("data", train={}))': ("True", "False"),
    "a, b = train_test_split(np.arange(len(X)))\nprint(X.iloc[{}])": ("a", "b"),
    "train = table.sample(frac=0.8)\ntest = table.drop(train.index)\nprint({}[['a']])": ("train", "test"),
    "train_index, test_index = list(range(80)), list(range(80, 100))\na, b = train_test_split(X)\nprint({} * 2 + 1)": ("a", "b"),
}


@pytest.mark.parametrize("code", SPLITS)
@pytest.mark.parametrize("role", [Role.TRAIN, Role.TEST])
def test_parts_are_known_however_rows_are_split(code: str, role: Role) -> None:
    found = held(code.replace("{}", SPLITS[code][role is Role.TEST]))
    assert found.roles() == {role}
    assert found.sure


@pytest.mark.parametrize(
    "code",
    [
        "print(X)",
        "print(X.dropna().to_numpy()[:, :2])",
        'print(table[[name for name in table.columns if name != "y"]])',
        "a, b = train_test_split(X)\nprint(len(a))",
        "a, b = train_test_split(X)\nprint(a.mean())",
        "a, b = train_test_split(X)\nprint(X[a.columns])",
    ],
)
def test_what_is_no_part_has_none(code: str) -> None:
    assert held(code).parts == frozenset()


def test_a_validation_part_of_the_training_part_is_no_test_part() -> None:
    code = "train, test = train_test_split(X)\nfit, val = train_test_split(train)\nprint({})"
    assert held(code.format("val")).roles() == {Role.VALID}
    assert held(code.format("fit")).roles() == {Role.TRAIN}
    halved = "train, rest = train_test_split(X)\nval, test = train_test_split(rest)\nprint({})"
    assert held(halved.format("val")).roles() == {Role.VALID}
    assert held(halved.format("test")).roles() == {Role.TEST}


def test_both_parts_together_are_both() -> None:
    code = "train, test = train_test_split(X)\nprint(pd.concat([train, test]))"
    assert held(code).roles() == {Role.TRAIN, Role.TEST}


@pytest.mark.parametrize(
    ("code", "whole"),
    [
        ("table.dropna()", True),
        ("table[table.a > 3]", False),
        ("table.head(9)", False),
        ("table.sample(frac=1)", True),
        ("table[5:]", False),
    ],
)
def test_whether_all_rows_are_taken(code: str, whole: bool) -> None:
    program = walked(f"print({code})\nprint(table)")
    first, last = (event.call.arguments[0] for event in program.calls("print"))
    assert (last in parts_in(program).held(first).whole) is whole


@pytest.mark.parametrize(
    ("code", "has", "lacks"),
    [
        ('table.drop(columns="y")', "a", "y"),
        ('table.drop(["y", "id"], axis=1).dropna()', "a", "id"),
        ('table[["a", "b"]].to_numpy()', "b", "y"),
        ('table.loc[:, ["a"]]', "a", "y"),
        ('train_test_split(table[["a"]], y)[0]', "a", "y"),
    ],
)
def test_columns_of_features(code: str, has: str, lacks: str) -> None:
    program = walked(f"print({code})")
    columns = columns_of(next(program.calls("print")).call.arguments[0])
    assert columns is not None
    assert columns.has(has)
    assert not columns.has(lacks)


@pytest.mark.parametrize("code", ["table[names()]", "table.iloc[:, :-1]", "table.drop(columns=names())"])
def test_columns_that_nobody_knows_are_not_guessed(code: str) -> None:
    program = walked(f"print({code})")
    assert columns_of(next(program.calls("print")).call.arguments[0]) is None


@given(st.sampled_from(["X", "y", "df", "ds", "data", ""]), st.sampled_from(["train", "test", "val"]), st.sampled_from(["_", ""]))
def test_names_say_what_a_part_is_for(first: str, word: str, between: str) -> None:
    expected = {"train": Role.TRAIN, "test": Role.TEST, "val": Role.VALID}[word]
    assert role_of_name(f"{first}_{word}" if first else word) is expected
    assert role_of_name(f"{word}{between or '_'}loader") is expected
    assert role_of_word(f"data/{word}.csv") is expected


@pytest.mark.parametrize("name", ["latest", "contest", "evaluate_all", "constraint", "value", "estimate", "attest"])
def test_names_that_only_contain_a_word_say_nothing(name: str) -> None:
    assert role_of_name(name) is None


def test_unit_tests_are_no_programs() -> None:
    assert is_unit_test(Module("tests/check.py", "print(1)\n"))
    assert is_unit_test(Module("model_test.py", "import pytest\n"))
    assert not is_unit_test(Module("test.py", "def test_model(model):\n    return model\n"))
