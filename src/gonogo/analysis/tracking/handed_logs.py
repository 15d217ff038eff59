"""Where the function that logs is handed to other functions of the project.

An example is `fit(log=wandb.log)`; also what these functions call it with.
"""

from __future__ import annotations

import ast

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.receivers import called
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.symbols import Definition, Symbols

MAX_HANDS = 4  # functions in a row
LogCall = tuple[Module, ast.Call]


def calls_of_handed(symbols: Symbols, module: Module, node: ast.expr, hands: int = 0) -> list[LogCall] | None:
    """Every call of what an expression names, as far as it is handed on.

    Args:
        symbols: of the project.
        module: where the expression stands.
        node: the expression, `wandb.log` or a name that holds it.
        hands: through how many functions it has come already.

    Returns:
        The calls; None where it goes to code that can't be followed, or is kept somewhere.
    """
    parent = module.parents.get(node)
    while (isinstance(parent, ast.IfExp) and node is not parent.test) or (isinstance(parent, ast.BoolOp) and _is_given(module, parent)):
        node, parent = parent, module.parents.get(parent)
    if isinstance(parent, ast.Call) and parent.func is node:
        return [(module, parent)]
    if isinstance(parent, (ast.If, ast.While, ast.IfExp, ast.Compare, ast.BoolOp, ast.UnaryOp)):
        return []  # it is only asked whether there is one
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name):
        if isinstance(symbols.scopes(module).function(node), ast.Module):
            return None  # other modules may import the name
        return _of_name(symbols, module, parent.targets[0], parent.targets[0], hands)
    call = module.parents.get(parent) if isinstance(parent, ast.keyword) else parent
    if not isinstance(call, ast.Call) or hands >= MAX_HANDS:
        return None
    found = _parameter(symbols, module, call, parent if isinstance(parent, ast.keyword) else node)
    return _of_name(symbols, found[0], found[1], _body(found[0], found[1]), hands + 1) if found is not None else None


def _is_given(module: Module, node: ast.BoolOp) -> bool:
    """Whether `a or b` is a value that is handed on, and no condition."""
    return isinstance(module.parents.get(node), (ast.Call, ast.keyword, ast.Assign))


def _of_name(symbols: Symbols, module: Module, binding: ast.AST, inside: ast.AST, hands: int) -> list[LogCall] | None:
    """Every call of what a variable or parameter holds, where nothing else is bound to it but None."""
    scopes, name = symbols.scopes(module), binding.arg if isinstance(binding, ast.arg) else getattr(binding, "id", "")
    found = scopes.lookup(name, inside)
    if found is None or any(entry is not binding and not _binds_none(module, entry) for entry in found[1]):
        return None
    calls: list[LogCall] = []
    for node in module.of(ast.Name):
        if node.id != name or not isinstance(node.ctx, ast.Load):
            continue
        used = scopes.lookup(name, node)
        if used is None or used[0] is not found[0]:
            continue
        inner = calls_of_handed(symbols, module, node, hands)
        if inner is None:
            return None
        calls += inner
    return calls


def _binds_none(module: Module, node: ast.AST) -> bool:
    statement = module.parents.get(node)
    return isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant) and statement.value.value is None


def _parameter(symbols: Symbols, module: Module, call: ast.Call, given: ast.AST) -> tuple[Module, ast.arg] | None:
    """The parameter of a function of the project's that an argument is for."""
    definition = _definition(symbols, module, call)
    if definition is None or not isinstance(definition.node, FUNCTIONS):
        return None
    spec = definition.node.args
    placed = [*spec.posonlyargs, *spec.args]
    if isinstance(given, ast.keyword):
        name = given.arg
        found = next((entry for entry in (*placed, *spec.kwonlyargs) if entry.arg == name and name is not None), None)
    else:
        if any(isinstance(entry, ast.Starred) for entry in call.args):
            return None
        is_method = isinstance(definition.module.parents.get(definition.node), ast.ClassDef)
        static = any(isinstance(entry, ast.Name) and entry.id == "staticmethod" for entry in definition.node.decorator_list)
        place = call.args.index(given) + (1 if is_method and not static else 0)  # type: ignore[arg-type]
        found = placed[place] if place < len(placed) else None
    return (definition.module, found) if found is not None else None


def _definition(symbols: Symbols, module: Module, call: ast.Call) -> Definition | None:
    """Return the function that a call surely reaches.

    Also a method of an object that is made on the spot: `Trainer(cfg).fit(…)`.
    """
    reached = called(symbols, module, call)
    if reached is not None:
        return reached[0]
    function = call.func
    if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Call):
        return None
    owner = symbols.resolve(module, function.value.func)
    if owner is None or not isinstance(owner.node, ast.ClassDef) or function.attr in symbols.stored_attributes:
        return None
    found = symbols.method(owner, function.attr)
    return Definition(found[0].module, found[1]) if found else None


def _body(module: Module, parameter: ast.arg) -> ast.AST:
    """A node inside the function that a parameter belongs to."""
    node: ast.AST = parameter
    while not isinstance(node, FUNCTIONS):
        node = module.parents[node]
    return node.body[0]
