"""NUM130."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import ancestors, body_nodes, functions, last_name
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

_Around = ast.For | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


MOST_PARAMETERS = 40  # of one function: each costs a walk of it


@rule("NUM130", "callers-rows-changed", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def callers_rows_changed(modules: dict[str, Module]) -> Iterator[Violation]:
    """A function changes the table or array that it is given.

    And a loop gives it the same one again and again.

    What it does:
        Looks at functions that write into a parameter and return it: columns that another parameter names, or values made of those that
        stood there. Speaks where a loop hands over one and the same table or array, takes what is returned for a new one, and puts nothing
        back. Silent where the function makes a copy, returns nothing, or the loop makes the table anew.

    Why it matters:
        Every turn begins with what the turns before left: an ablation of the second column is one of the first two, and the order of the
        turns decides the result (pandas, "Copy-on-Write" keeps none of this: it is the same object).

    Instead:
        Begin the function with a copy: `table = table.copy()`.
    """
    for module in modules.values():
        for function in functions(module):
            if function not in (module.tree.body if module.tree else ()):
                continue
            for place, parameter in enumerate(function.args.args[:MOST_PARAMETERS]):
                write = _write(function, parameter.arg) if _returns(function, parameter.arg) else None
                if write is None:
                    continue
                call = next((call for call in module.of(ast.Call) if _is_repeated(module, call, function, place, write)), None)
                if call is not None:
                    yield Violation(
                        module.location(write),
                        f"this changes the caller's `{parameter.arg}`, and a loop hands over the same one in each turn",
                        "make a copy first",
                        related=(Related(location=module.location(call), label="handed over here, in a loop"),),
                    )


def _write(function: Function, name: str) -> ast.stmt | None:
    """The first statement of a function that writes into a parameter what depends on the turn.

    None where it may be a copy by then.
    """
    nodes = list(body_nodes(function))
    grows = [node for node in nodes if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and _is_of_arrays(node, name)]
    aims = {node.target for node in grows}
    if any(isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load) and node not in aims for node in nodes):
        return None
    others = {entry.arg for entry in (*function.args.args, *function.args.kwonlyargs)} - {name}
    for node in nodes:  # what goes through another parameter is another parameter's
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name) and _names(node.iter) & others:
            others.add(node.target.id)
    found: list[ast.stmt] = list(grows)
    found += [node for node in nodes if isinstance(node, ast.Expr) and _is_in_place(node.value, name, others)]
    for node in nodes:
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target if isinstance(node, ast.AugAssign) else None
        if not (isinstance(node, (ast.Assign, ast.AugAssign)) and isinstance(target, ast.Subscript) and _owner(target) == name):
            continue
        is_own = isinstance(node, ast.AugAssign) or ast.unparse(target) in {
            ast.unparse(part) for part in ast.walk(node.value) if isinstance(part, ast.Subscript)
        }
        if (is_own and not isinstance(node.value, ast.Constant)) or _names(target.slice) & others:
            found.append(node)
    return min(found, key=lambda node: node.lineno) if found else None


def _is_of_arrays(node: ast.AugAssign, name: str) -> bool:
    """Whether `x += …` surely changes an array in place: what is added has its shape.

    Or is drawn at random in many.
    """
    is_own = isinstance(node.target, ast.Name) and node.target.id == name
    shaped = any(isinstance(part, ast.Attribute) and part.attr == "shape" and _names(part) == {name} for part in ast.walk(node.value))
    return is_own and shaped


def _is_in_place(value: ast.expr, name: str, others: set[str]) -> bool:
    """Whether a call changes a table in place by what another parameter says.

    `table.drop(columns=names, inplace=True)`.
    """
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and isinstance(value.func.value, ast.Name)):
        return False
    in_place = any(
        entry.arg == "inplace" and isinstance(entry.value, ast.Constant) and entry.value.value is True for entry in value.keywords
    )
    given = {part for entry in (*value.args, *(keyword.value for keyword in value.keywords)) for part in _names(entry)}
    return value.func.value.id == name and in_place and bool(given & others)


def _owner(target: ast.Subscript) -> str:
    owner = target.value
    if isinstance(owner, ast.Attribute) and owner.attr in ("loc", "iloc", "at", "iat"):
        owner = owner.value
    return owner.id if isinstance(owner, ast.Name) else ""


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _returns(function: Function, name: str) -> bool:
    """Whether a function gives back its parameter, and nothing else."""
    given = [node.value for node in body_nodes(function) if isinstance(node, ast.Return)]
    return bool(given) and all(isinstance(value, ast.Name) and value.id == name for value in given)


def _is_repeated(module: Module, call: ast.Call, function: Function, place: int, write: ast.stmt) -> bool:
    """Whether a call in a loop hands over what the loop does not make.

    And takes what is returned for something new.
    """
    if not (isinstance(call.func, ast.Name) and call.func.id == function.name and len(call.args) > place):
        return False
    given = call.args[place]
    loop = _loop(module, call)
    if not isinstance(given, ast.Name) or loop is None or any(isinstance(entry, ast.Starred) for entry in call.args):
        return False
    turn = _bound(loop)
    if given.id in turn or _is_put_back(loop, given.id):
        return False
    parent = module.parents.get(call)
    if isinstance(parent, ast.Assign) and any(isinstance(part, ast.Name) and part.id == given.id for part in parent.targets):
        return False
    if isinstance(parent, ast.Expr):
        return False
    rest = {name for index, entry in enumerate(call.args) if index != place for name in _names(entry)}
    rest |= {name for keyword in call.keywords for name in _names(keyword.value)}
    return bool(rest & turn) and not _is_text_or_number(module, given)


def _loop(module: Module, node: ast.AST) -> _Around | None:
    for parent in ancestors(module, node):
        if isinstance(parent, (ast.For, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            return parent
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            return None
    return None


def _bound(loop: _Around) -> set[str]:
    """The names that each turn of a loop binds."""
    return {part.id for part in ast.walk(loop) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}


def _is_put_back(loop: _Around, name: str) -> bool:
    """Whether a loop writes into the table itself, as it does to undo what was done."""
    return any(
        (isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Store) and _owner(part) == name)
        or (isinstance(part, ast.Call) and last_name(part.func) in ("copyto", "restore", "undo", "reset"))
        or (
            isinstance(part, ast.Call)
            and isinstance(part.func, ast.Attribute)
            and ast.unparse(part.func.value) == name
            and part.func.attr in ("update", "drop", "pop")
        )
        or isinstance(part, ast.Break)
        for part in ast.walk(loop)
    )


def _is_text_or_number(module: Module, name: ast.Name) -> bool:
    """Whether a name is a dictionary, a list or a collection that is written out.

    One that is filled on purpose.
    """
    values = module.assigned.get(name.id, [])
    return any(
        isinstance(value, (ast.Dict, ast.List, ast.DictComp, ast.ListComp, ast.Constant))
        or (
            isinstance(value, ast.Call)
            and last_name(value.func)
            in ("dict", "list", "defaultdict", "OrderedDict", "Counter", "zeros", "empty", "full", "ones", "zeros_like", "DataFrame")
        )
        for value in values
    )


PROGRAM = """import numpy as np
import pandas as pd

rng = np.random.default_rng(0)


def ablated(table, columns):
    {first}
    for name in columns:
        {write}
    return {result}


table = pd.read_csv("table.csv")
for group in (["age"], ["income", "weight"]):
    {use}
print(rng, np.mean(table["age"]))
"""
HERE = "  # <- here"


def _program(
    first: str = "print(columns)", write: str = "table[name] = 0.0", result: str = "table", use: str = "print(ablated(table, group).mean())"
) -> str:
    return PROGRAM.format(first=first, write=write, result=result, use=use)


BAD = [
    program(_program(write=f"table[name] = 0.0{HERE}")),
    program(
        _program(
            write=f"table.loc[:, name] = rng.permutation(table.loc[:, name]){HERE}",
            use="part = ablated(table, group)\n    print(part.mean())",
        )
    ),
]
BAD += [
    program(_program(write="print(name)", first=f"table += rng.normal(0, len(columns), table.shape){HERE}")),
    program(_program(write="print(name)", first=f"table.drop(columns=columns, inplace=True){HERE}")),
]
GOOD = [
    program(_program(first="table = table.copy()")),
    program(_program(use="print(ablated(table.copy(), group).mean())")),
    program(_program(use="table = ablated(table, group)\n    print(table.mean())")),
    program(_program(use='table = pd.read_csv("table.csv")\n    print(ablated(table, group).mean())')),
    program(_program(use="ablated(table, group)")),
    program(_program(result="table.mean()")),
    program(_program(write="print(table[name])")),
]
