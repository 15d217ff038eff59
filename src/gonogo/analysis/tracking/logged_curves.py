"""Samples that are what W&B kept of one run while it trained."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, body_nodes, functions, last_name

# Numbers that are logged once an epoch or step. `test_accuracy`, `correct` or `reward` may be of images, folds or seeds.
CURVE = re.compile(
    r"^(?:(?:train|training|val|valid|validation|dev|eval)[_/.\-]?(?:loss|acc|accuracy|f1|mse|mae|rmse|auc|ppl)|loss)$", re.IGNORECASE
)
HISTORIES = frozenset({"history", "scan_history"})
# What gives the same numbers in another form.
SAME = frozenset({"to_numpy", "tolist", "to_list", "dropna", "astype", "copy", "sort_values", "reset_index", "flatten", "ravel", "values"})
WRAPS = frozenset({"array", "asarray", "list", "DataFrame", "Series", "concatenate"})
MAX_DEPTH = 8


def logged_while_training(module: Module, sample: ast.expr) -> ast.AST | None:
    """Where a sample is read as a column of a run's history; None if it is not, or not for certain."""
    return _Reader(module).column(sample, MAX_DEPTH)


class _Reader:
    """Follows values within one file, by every place that binds a name."""

    def __init__(self, module: Module) -> None:
        self.module = module

    def column(self, node: ast.expr, depth: int) -> ast.AST | None:
        """Where a value is surely such a column."""
        if depth == 0:
            return None
        if isinstance(node, ast.Subscript):
            return self._part(node, depth)
        if isinstance(node, ast.Attribute):
            return self.column(node.value, depth - 1) if node.attr in SAME else None
        if isinstance(node, ast.ListComp) and len(node.generators) == 1:
            return self._listed(node, depth)
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in SAME:
                return self.column(node.func.value, depth - 1)
            if last_name(node.func) in WRAPS and node.args:
                return self.column(node.args[0], depth - 1)
            return self._all(self._returned(node, None), lambda value: self.column(value, depth - 1))
        if isinstance(node, ast.Name):
            return self._all(self._values(node), lambda value: self.column(value, depth - 1))
        return None

    def _part(self, node: ast.Subscript, depth: int) -> ast.AST | None:
        """A part of a curve, a column of a history, or a curve that was put into a dict."""
        if isinstance(node.slice, ast.Slice):
            return self.column(node.value, depth - 1)
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if isinstance(key, str) and CURVE.match(key) and self.is_history(node.value, depth - 1):
            return node
        if isinstance(node.slice, ast.Constant) or not isinstance(node.value, ast.Name):
            return None
        return self._all(self._put(node.value), lambda value: self.column(value, depth - 1))

    def _listed(self, node: ast.ListComp, depth: int) -> ast.AST | None:
        """`[row["val_loss"] for row in run.scan_history()]`."""
        turn, shown = node.generators[0], node.elt
        while isinstance(shown, ast.Call) and len(shown.args) == 1 and isinstance(shown.func, ast.Name):
            shown = shown.args[0]  # float(…)
        read = shown.slice if isinstance(shown, ast.Subscript) else shown.args[0] if isinstance(shown, ast.Call) and shown.args else None
        key = read.value if isinstance(read, ast.Constant) else None
        return node if isinstance(key, str) and CURVE.match(key) and self.is_history(turn.iter, depth - 1) else None

    def is_history(self, node: ast.expr, depth: int) -> bool:
        """Whether a value is surely the history of one run."""
        if depth <= 0:
            return False
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in HISTORIES:
                return True
            if isinstance(node.func, ast.Attribute) and node.func.attr in SAME:
                return self.is_history(node.func.value, depth - 1)
            if last_name(node.func) in WRAPS and node.args and last_name(node.func) != "concatenate":
                return self.is_history(node.args[0], depth - 1)
            found = self._returned(node, None)
        elif isinstance(node, ast.Name):
            found = self._values(node)
        elif isinstance(node, ast.Subscript):
            found = self._kept(node)
        else:
            return False
        return bool(found) and all(self.is_history(value, depth - 1) for value in found)

    def _kept(self, node: ast.Subscript) -> list[ast.expr]:
        """What is under a key that is written out, or was put into a dict under one that is not."""
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            key, dicts = node.slice.value, list(self.module.of(ast.Dict))
            pairs = [(shown, value) for entry in dicts for shown, value in zip(entry.keys, entry.values, strict=True)]
            return [value for shown, value in pairs if isinstance(shown, ast.Constant) and shown.value == key]
        return self._put(node.value) if isinstance(node.value, ast.Name) and not isinstance(node.slice, ast.Slice) else []

    def _all(self, values: list[ast.expr], read: Callable[[ast.expr], ast.AST | None]) -> ast.AST | None:
        """The first place, if there is one for every value."""
        places = [read(value) for value in values]
        return places[0] if places and all(place is not None for place in places) else None

    def _home(self, node: ast.AST) -> ast.AST | None:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module)
        return next((parent for parent in ancestors(self.module, node) if isinstance(parent, kinds)), None)

    def _bound(self, name: ast.Name) -> Iterator[tuple[ast.expr, int | None, ast.expr]]:
        """Every target of an assignment in the function around a name: its place in a tuple, the value."""
        home = self._home(name)
        for entry in ast.walk(home) if home is not None else ():
            if isinstance(entry, ast.Assign):
                for target in entry.targets:
                    if isinstance(target, ast.Tuple):
                        yield from ((part, index, entry.value) for index, part in enumerate(target.elts))
                    else:
                        yield target, None, entry.value

    def _values(self, name: ast.Name) -> list[ast.expr]:
        """What a name is bound to by assignments of its function; nothing where something else binds it."""
        found: list[ast.expr] = []
        home = self._home(name)
        stored = [
            entry
            for entry in (ast.walk(home) if home is not None else ())
            if isinstance(entry, ast.Name) and entry.id == name.id and isinstance(entry.ctx, ast.Store)
        ]
        for target, place, value in self._bound(name):
            if isinstance(target, ast.Name) and target.id == name.id:
                stored = [entry for entry in stored if entry is not target]
                found += self._of_place(value, place)
        return [] if stored else found

    def _put(self, name: ast.Name) -> list[ast.expr]:
        """What is put into a dict under keys that are not written out."""
        found: list[ast.expr] = []
        for target, place, value in self._bound(name):
            if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name) and target.value.id == name.id:
                found += self._of_place(value, place)
            elif isinstance(target, ast.Name) and target.id == name.id and isinstance(value, ast.DictComp):
                found.append(value.value)
        return found

    def _of_place(self, value: ast.expr, place: int | None) -> list[ast.expr]:
        """One of what a tuple holds, or a function returns."""
        if place is None:
            return [value]
        if isinstance(value, ast.Tuple):
            return [value.elts[place]] if place < len(value.elts) else []
        return self._returned(value, place) if isinstance(value, ast.Call) else []

    def _returned(self, call: ast.Call, place: int | None) -> list[ast.expr]:
        """What a function of the file returns, or one place of it."""
        name = last_name(call.func)
        is_own = isinstance(call.func, ast.Name) or (isinstance(call.func, ast.Attribute) and last_name(call.func.value) in ("self", "cls"))
        found = [entry for entry in functions(self.module) if entry.name == name] if is_own else []
        if len(found) != 1:
            return []
        given = [node.value for node in body_nodes(found[0]) if isinstance(node, ast.Return) and node.value is not None]
        return given if place is None else [part for value in given for part in self._of_place(value, place)]
