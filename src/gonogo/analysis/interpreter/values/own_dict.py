"""Classes of the program's own that are dicts with their keys as attributes (`class AttrDict(dict)`)."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import Arguments, Value, Walk
from gonogo.analysis.interpreter.values.objects import Class
from gonogo.analysis.interpreter.values.section import Section, section_of
from gonogo.analysis.python.modules import qualified_name

KEYS = {
    "__getattr__": ("dict.__getitem__",),
    "__setattr__": ("dict.__setitem__",),
    "__delattr__": ("dict.__delitem__",),
}
METHODS = frozenset({*KEYS, "__init__"})


class OwnDict(Section):
    """A dict of a class of the program's own."""

    __slots__ = ()
    nests = False


class DictClass(Class):
    """A class that adds to a dict only that its keys are attributes."""

    __slots__ = ()

    def call(self, walk: Walk, given: Arguments, at: ast.AST) -> Value:
        """Make a dict."""
        return section_of(walk, OwnDict(), given)


def is_attribute_dict(node: ast.ClassDef) -> bool:
    """Return whether a class is a dict whose keys are attributes, and adds nothing else.

    Reading one that is not there then fails: `__getattr__ = dict.get`, say, is none of these.
    """
    if [qualified_name(base) for base in node.bases] != ["dict"] or node.keywords or node.decorator_list:
        return False
    reads = False
    for entry in node.body:
        if isinstance(entry, ast.Expr) and isinstance(entry.value, ast.Constant):
            continue
        if isinstance(entry, ast.Pass):
            continue
        found = _reads(entry)
        if found is None:
            return False
        reads = reads or found
    return reads


def _reads(entry: ast.stmt) -> bool | None:
    """Whether a statement of the body makes attributes of keys; None where it may do anything else."""
    if isinstance(entry, ast.Assign) and len(entry.targets) == 1:
        name = qualified_name(entry.targets[0])
        return name == "__getattr__" if qualified_name(entry.value) in KEYS.get(name, ()) else None
    if not isinstance(entry, ast.FunctionDef) or entry.name not in METHODS or entry.decorator_list:
        return None
    body = [each for each in entry.body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))]
    if entry.name == "__init__":
        return _shares_its_names(body)
    texts = {ast.unparse(each) for each in body}
    names = [argument.arg for argument in entry.args.args]
    return _looks_up(entry, body) if entry.name == "__getattr__" else _goes_to_the_dict(entry.name, texts, names)


def _shares_its_names(body: list[ast.stmt]) -> bool | None:
    """Whether `__init__` only makes the dict, and `self.__dict__ = self`."""
    shares = False
    for each in body:
        text = ast.unparse(each)
        if text == "self.__dict__ = self":
            shares = True
        elif not isinstance(each, ast.Expr) or not text.startswith(("super(", "dict.__init__(")) or "__init__(" not in text:
            return None
    return shares


def _looks_up(function: ast.FunctionDef, body: list[ast.stmt]) -> bool | None:
    """Whether `__getattr__` gives what is under the key, and fails where nothing is."""
    if len(function.args.args) != 2 or len(body) != 1:
        return None
    owner, name = (argument.arg for argument in function.args.args)
    found = (f"return {owner}[{name}]", f"return {owner}.__getitem__({name})", f"return dict.__getitem__({owner}, {name})")
    first = body[0]
    if isinstance(first, ast.Try):
        ends = all(isinstance(handler.body[-1], ast.Raise) for handler in first.handlers)
        return True if ends and [ast.unparse(each) in found for each in [*first.body, *first.orelse, *first.finalbody]] == [True] else None
    return True if ast.unparse(first) in found else None


def _goes_to_the_dict(method: str, texts: set[str], names: list[str]) -> bool | None:
    """Whether `__setattr__` or `__delattr__` does to the key what it is asked to do to the attribute."""
    if method == "__setattr__" and len(names) == 3:
        return False if texts == {f"{names[0]}[{names[1]}] = {names[2]}"} else None
    return False if method == "__delattr__" and len(names) == 2 and texts == {f"del {names[0]}[{names[1]}]"} else None
