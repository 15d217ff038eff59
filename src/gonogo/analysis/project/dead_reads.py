"""Settings that are read and then never used.

They go into a variable, a parameter or an attribute that nothing reads.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, last_name
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.symbols import Symbols

MAX_DEPTH = 6
KEEPING = frozenset({"float", "int", "bool"})
# Library classes that ask their objects for no attribute that a setting would be kept in.
PLAIN = frozenset({"object", "ABC", "Module", "Dataset", "IterableDataset"})
# By these, code may use a variable or an attribute whose name it does not say.
BY_NAME = frozenset({"locals", "vars", "eval", "exec", "globals"})
BY_ATTRIBUTE = frozenset({"vars", "asdict", "__dict__", "astuple", "fields", "save_hyperparameters", "signature", "getattr", "attrgetter"})


class DeadReads:
    """Tells of an expression whether what it gives is used for anything.

    Args:
        symbols: the project's definitions.
        settings: nodes, by `id`, that read the config: an attribute of that name there is no use of an object's own.
    """

    def __init__(self, symbols: Symbols, settings: Iterable[int]) -> None:
        self.symbols = symbols
        self._settings = set(settings)
        self._loaded: set[str] | None = None

    def is_dead(self, module: Module, node: ast.AST, depth: int = 0) -> bool:
        """Whether what an expression gives surely goes nowhere."""
        parent = module.parents.get(node)
        if depth > MAX_DEPTH or parent is None:
            return False
        if isinstance(parent, ast.keyword):
            call = module.parents.get(parent)
            return isinstance(call, ast.Call) and parent.arg is not None and self._goes_into(module, call, None, parent.arg, depth)
        if isinstance(parent, ast.Call) and isinstance(node, ast.expr) and node in parent.args:
            if isinstance(parent.func, ast.Name) and parent.func.id in KEEPING and len(parent.args) == 1:
                return self.is_dead(module, parent, depth)
            return self._goes_into(module, parent, parent.args.index(node), None, depth)
        if isinstance(parent, (ast.Assign, ast.AnnAssign)) and parent.value is node:
            targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
            return len(targets) == 1 and self._is_target_dead(module, targets[0], depth)
        return False

    def _is_target_dead(self, module: Module, target: ast.expr, depth: int) -> bool:
        function = _function(module, target)
        if isinstance(target, ast.Name):
            return (
                isinstance(function, FUNCTIONS) and not target.id.startswith("_") and self._is_name_dead(module, function, target.id, depth)
            )
        if not (isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"):
            return False
        owner = next((entry for entry in ancestors(module, target) if isinstance(entry, ast.ClassDef)), None)
        return owner is not None and self._is_plain(module, owner) and not target.attr.startswith("__") and not self.is_loaded(target.attr)

    def _is_plain(self, module: Module, owner: ast.ClassDef, depth: int = 0) -> bool:
        """Return whether no library reads attributes of a class's objects by itself.

        Lightning and transformers do that.
        """
        for base in owner.bases:
            definition = self.symbols.resolve(module, base)
            if definition is not None and isinstance(definition.node, ast.ClassDef) and depth < MAX_DEPTH:
                if not self._is_plain(definition.module, definition.node, depth + 1):
                    return False
            elif last_name(base) not in PLAIN:
                return False
        return True

    def _is_name_dead(self, module: Module, function: ast.AST, name: str, depth: int) -> bool:
        """Whether all uses of a variable of a function are dead, too."""
        nodes = list(ast.walk(function))
        if any(isinstance(node, ast.Name) and node.id in BY_NAME for node in nodes):
            return False
        if any(isinstance(node, (ast.Global, ast.Nonlocal)) and name in node.names for node in nodes):
            return False
        loads = [node for node in nodes if isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Store)]
        return all(self.is_dead(module, node, depth + 1) for node in loads)

    def _goes_into(self, module: Module, call: ast.Call, index: int | None, name: str | None, depth: int) -> bool:
        """Whether an argument is one that the project's function or class never asks for."""
        definition = self.symbols.resolve(module, call.func)
        if definition is None or any(isinstance(entry, ast.Starred) for entry in call.args):
            return False
        owner, function = definition.node, definition.node
        if isinstance(owner, ast.ClassDef):
            if owner.decorator_list or owner.keywords:
                return False
            made = [entry for entry in owner.body if isinstance(entry, FUNCTIONS) and entry.name == "__init__"]
            if len(made) != 1:
                return False
            function = made[0]
        if not isinstance(function, FUNCTIONS) or function.decorator_list or _is_open(function):
            return False
        places = [entry.arg for entry in (*function.args.posonlyargs, *function.args.args)]
        places = places[1:] if isinstance(owner, ast.ClassDef) else places
        if index is not None:
            name = places[index] if index < len(places) else None
        known = places + [entry.arg for entry in function.args.kwonlyargs]
        return name in known and name is not None and self._is_name_dead(definition.module, function, name, depth + 1)

    def is_loaded(self, name: str) -> bool:
        """Whether anything may ask for an attribute of this name, other than of the config."""
        if self._loaded is None:
            self._loaded = set()
            for module in self.symbols.modules.values():
                for node in module.of(ast.Attribute):
                    is_own = isinstance(node.ctx, ast.Load) and id(node) not in self._settings
                    if is_own or isinstance(module.parents.get(node), ast.AugAssign):
                        self._loaded.add(node.attr)
                for entry in module.of(ast.Constant):
                    if isinstance(entry.value, str) and entry.value.isidentifier():
                        self._loaded.add(entry.value)
                for call in module.of(ast.Call):
                    if last_name(call.func) in BY_ATTRIBUTE:
                        self._loaded.add("*")
        return name in self._loaded or bool(self._loaded & ({"*"} | BY_ATTRIBUTE))


def _function(module: Module, node: ast.AST) -> ast.AST | None:
    return next((entry for entry in ancestors(module, node) if isinstance(entry, (*FUNCTIONS, ast.Lambda, ast.ClassDef))), None)


def _is_open(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function's body is none of its own: a stub, one that asks for its own arguments by name."""
    body = [entry for entry in function.body if not (isinstance(entry, ast.Expr) and isinstance(entry.value, ast.Constant))]
    return not body or all(isinstance(entry, (ast.Pass, ast.Raise)) for entry in body)
