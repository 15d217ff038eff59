"""LEK126."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, calls, enclosing_function, last_name
from gonogo.analysis.rows.parts import Role, role_of_name
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

MOST_RETURNS = 20  # of one function, that are looked at


@rule("LEK126", "split-in-wrong-order", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def split_in_wrong_order(modules: dict[str, Module]) -> Iterator[Violation]:
    """The parts of a split get each other's names.

    What it does:
        Compares the names that `train_test_split` of scikit-learn is unpacked into with what it returns: for each array its training
        part, then its test part. Speaks where every name says which part it is and they stand in another order. Two parts that are
        exchanged for all arrays are left alone where the test part is the larger one: that may be meant. Speaks also where a function of
        the project returns parts whose names say what they are, and its caller unpacks them under the same roles in another order.

    Why it matters:
        Features of one part stand beside labels of the other, of another length or, with equal parts, of other rows; or the model learns
        from the small part.

    Instead:
        Write `x_train, x_test, y_train, y_test = train_test_split(x, y, …)`.
    """
    for module in modules.values():
        for call in calls(module):
            parent = module.parents.get(call)
            if last_name(call.func) != "train_test_split" or not isinstance(parent, ast.Assign) or len(parent.targets) != 1:
                continue
            target = parent.targets[0]
            given = [entry for entry in call.args if not isinstance(entry, ast.Starred)]
            if not isinstance(target, (ast.Tuple, ast.List)) or len(given) != len(call.args) or len(target.elts) != 2 * len(given):
                continue
            roles = [role_of_name(last_name(entry)) for entry in target.elts]
            if None not in roles and _is_wrong([role is Role.TRAIN for role in roles], call):
                names = ", ".join(ast.unparse(entry) for entry in target.elts)
                yield Violation(
                    module.location(target),
                    f"`train_test_split` gives the training part of each array, then its test part, and this is `{names}`",
                    "put the names in that order",
                )
    yield from _of_functions(modules)


def _of_functions(modules: dict[str, Module]) -> Iterator[Violation]:
    """`val, train = load()` of a function that ends with `return train, val`."""
    named: dict[str, list[tuple[Module, ast.FunctionDef]]] = {}
    for module in modules.values():
        for entry in module.of(ast.FunctionDef):
            named.setdefault(entry.name, []).append((module, entry))
    given = {name: found[0] for name, found in named.items() if len(found) == 1}
    returns = {id(home): _returns(home) for home in modules.values()}
    for module in modules.values():
        for call in calls(module):
            parent = module.parents.get(call)
            if last_name(call.func) not in given or not isinstance(parent, ast.Assign) or len(parent.targets) != 1:
                continue
            target = parent.targets[0]
            taken = _roles(target.elts) if isinstance(target, (ast.Tuple, ast.List)) else []
            if not taken or len(set(taken)) == 1:
                continue
            home, definition = given[last_name(call.func)]
            returned = _returned(returns[id(home)].get(definition, []))
            if returned is not None and Counter(returned) == Counter(taken) and returned != taken:
                yield Violation(
                    module.location(target),
                    f"`{definition.name}` returns {_list(returned)}, and they are taken for {_list(taken)}",
                    "put the names in the order in which the function returns them",
                    related=(Related(location=home.location(definition.body[-1]), label="what the function returns"),),
                )


def _returns(home: Module) -> dict[ast.AST, list[ast.Return]]:
    """The `return` statements of each function of a module."""
    found: dict[ast.AST, list[ast.Return]] = {}
    for node in home.of(ast.Return):
        function = enclosing_function(home, node)
        if function is not None:
            found.setdefault(function, []).append(node)
    return found


def _returned(nodes: list[ast.Return]) -> list[Role] | None:
    """What the parts are for that a function returns; None where its names don't surely say it."""
    found: list[list[Role]] = []
    for node in nodes[:MOST_RETURNS]:
        if not isinstance(node.value, ast.Tuple):
            return None
        found.append(_roles([_data_of(entry) for entry in node.value.elts]))
    return found[0] if found and found[0] and all(roles == found[0] for roles in found) else None


def _data_of(node: ast.expr) -> ast.expr:
    """What a loader or a data set is made of, by its first argument; anything else itself."""
    is_made = isinstance(node, ast.Call) and last_name(node.func) in ("DataLoader", "Subset", "TensorDataset") and node.args
    return node.args[0] if isinstance(node, ast.Call) and is_made else node


def _roles(entries: list[ast.expr]) -> list[Role]:
    """What each of several parts is for; none where one of them doesn't say it."""
    if not all(isinstance(entry, (ast.Name, ast.Attribute)) for entry in entries):
        return []
    roles = [role_of_name(last_name(entry)) for entry in entries]
    return [role for role in roles if role is not None] if None not in roles else []


def _list(roles: list[Role]) -> str:
    return ", ".join(role.value for role in roles)


def _is_wrong(learned: list[bool], call: ast.Call) -> bool:
    right = [place % 2 == 0 for place in range(len(learned))]
    if learned == right or sum(learned) != sum(right):
        return False  # a test part that is split once more has two names of held-out rows
    size = argument(call, None, "test_size")
    is_small = size is None or (isinstance(size, ast.Constant) and isinstance(size.value, float) and size.value <= 0.5)
    is_exchanged = learned == [not place for place in right]
    return (is_small and argument(call, None, "train_size") is None) if is_exchanged else True


_PROGRAM = """import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

frame = pd.read_csv("rows.csv")
x, y = frame.drop(columns="label"), frame["label"]
{split}
"""
BAD = [
    program(_PROGRAM.format(split="x_train, y_train, x_test, y_test = train_test_split(x, y, random_state=1)  # <- here")),
    program(_PROGRAM.format(split="X_train, X_val, y_val, y_train = train_test_split(x, y, test_size=0.2, random_state=1)  # <- here")),
    program(_PROGRAM.format(split="test, train = train_test_split(frame, test_size=0.2, random_state=1)  # <- here")),
]
_LOADED = """import numpy as np


def load(seed):
    rows = np.load("rows.npy")
    np.random.default_rng(seed).shuffle(rows)
    train, val, test = rows[:800], rows[800:900], rows[900:]
    return {given}


{taken} = load(0)
print(len({taken}))
"""
BAD += [
    program(_LOADED.format(given="train, val, test", taken="val, train, test").replace("load(0)", "load(0)  # <- here")),
    program(_LOADED.format(given="(train, test)", taken="test_rows, train_rows").replace("load(0)", "load(0)  # <- here")),
]
GOOD = [
    program(_LOADED.format(given="train, val, test", taken="train, val, test")),
    program(_LOADED.format(given="train, val, test", taken="train, dev, holdout")),
    program(_LOADED.format(given="train, val", taken="train, test")),
    program(_LOADED.format(given="train, val, test", taken="a, b, c")),
    program(_PROGRAM.format(split="x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=1)")),
    program(_PROGRAM.format(split="train_rows, val_rows = train_test_split(frame, random_state=1)")),
    program(_PROGRAM.format(split="test, train = train_test_split(frame, test_size=0.8, random_state=1)")),
    program(_PROGRAM.format(split="a, b, c, d = train_test_split(x, y, random_state=1)")),
    program(_PROGRAM.format(split="valid, test = train_test_split(frame, test_size=0.5, random_state=1)")),
]
