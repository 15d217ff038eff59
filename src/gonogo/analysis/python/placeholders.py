"""Functions whose body does nothing although somebody expects them to do something."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from gonogo.analysis.python.modules import Function, Module, qualified_name, without_docstring
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.signatures import TRANSPARENT
from gonogo.analysis.python.symbols import Definition, Symbols

# Outside classes whose own methods are known well enough to say that a method of another name is the project's.
_KNOWN_BASES = {"object", "Module", "Dataset", "IterableDataset", "Generic"}
_DUTIES = {"__getitem__", "__len__", "__call__", "__iter__", "__next__"}
# Classes and functions that do nothing on purpose, or leave it to others.
_IDLE_NAME = re.compile(
    r"null|no_?op|dummy|mock|fake|stub|silent|disabled|identity|base(?!line)|abstract|interface|mixin|proto|nothing|ignore|skip|empty", re.I
)
# Steps of a life cycle that many objects have no use for.
_HOOK = re.compile(
    r"_?(on|before|after|pre|post|log)_\w+|_?(close|reset|flush|setup|teardown|tear_down|start|stop|finish|shutdown|cleanup|clear|begin|end|log)"
    r"|set_epoch|_?init_\w+|__\w+__"
)
_STUB_NOTE = re.compile(
    r"\b(TODO|FIXME)\b|\b(stub|placeholder|not implemented|to be implemented|implement (me|this|here|later)|fill (this )?in|your code)\b",
    re.I,
)
_LEFT_TO_OTHERS = re.compile(
    r"subclass|overrid|derived|child|(must|should) implement|implement to|abstract|interface|base class|inherit", re.I
)
_UNFINISHED = re.compile(r"implement|todo|placeholder|stub", re.I)


@dataclass(frozen=True)
class Placeholder:
    """A function without an implementation, and what stands in its place."""

    module: Module
    node: Function
    body: str

    def covers(self, line: int) -> bool:
        """Whether a line belongs to the function."""
        return self.node.lineno <= line <= (self.node.end_lineno or self.node.lineno)


class PlaceholderFinder:
    """Tells placeholders from functions that do nothing on purpose; in doubt it is on purpose."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols

    def find(self) -> Iterator[Placeholder]:
        """Every placeholder of the project."""
        for module in self.symbols.modules.values():
            for node in module.of(*FUNCTIONS):
                body = self._placeholder_body(module, node)
                if body and not self._is_meant(module, node, body):
                    yield Placeholder(module, node, body)

    def _placeholder_body(self, module: Module, node: Function) -> str:
        """What stands in place of an implementation, empty for a body that does something."""
        body = [statement for statement in without_docstring(node.body) if not _is_blank(statement)]
        if not body:
            return "pass" if any(isinstance(statement, ast.Pass) for statement in node.body) else _blank_text(node)
        if len(body) > 1:
            return ""
        only = body[0]
        if isinstance(only, ast.Raise) and _raised(only) == "NotImplementedError":
            return "raise NotImplementedError"
        if isinstance(only, ast.Return) and _is_empty_value(only.value) and self._has_stub_note(module, node):
            return ast.unparse(only)
        return ""

    def _has_stub_note(self, module: Module, node: Function) -> bool:
        end = node.end_lineno or node.lineno
        comments = (text for place, text in module.comments if node.lineno <= (place.line or 0) <= end)
        return any(_STUB_NOTE.search(text) for text in [*comments, ast.get_docstring(node) or ""])

    def _is_meant(self, module: Module, node: Function, body: str) -> bool:
        refuses = body.startswith("raise")
        if _LEFT_TO_OTHERS.search(ast.get_docstring(node) or ""):
            return True
        if body == "a docstring" and (node.name, isinstance(module.parents.get(node), ast.ClassDef)) not in self._called_names:
            return True  # it specifies something; nobody relies on what it does
        message = _message(node) if refuses else ""
        if message and (_LEFT_TO_OTHERS.search(message) or not _UNFINISHED.search(message)):
            return True
        if _is_conditional(module, node) or _IDLE_NAME.search(node.name):
            return True
        decorators = {
            qualified_name(entry.func if isinstance(entry, ast.Call) else entry).rpartition(".")[2] for entry in node.decorator_list
        }
        if "abstractmethod" in decorators or decorators - TRANSPARENT - {"property"}:
            return True
        owner = module.parents.get(node)
        if isinstance(owner, ast.ClassDef):
            return self._is_meant_in_class(Definition(module, owner), node, refuses)
        return not refuses and node.name in self._passed_names

    def _is_meant_in_class(self, owner: Definition, node: Function, refuses: bool) -> bool:
        class_node = owner.node
        assert isinstance(class_node, ast.ClassDef)
        if (
            _IDLE_NAME.search(class_node.name)
            or class_node.keywords
            or class_node.decorator_list
            or _is_conditional(owner.module, class_node)
        ):
            return True
        if _LEFT_TO_OTHERS.search(ast.get_docstring(class_node) or ""):
            return True
        if any(_is_abstract(entry) for entry in class_node.body) or any(True for _ in self.symbols.subclasses(class_node.name)):
            return True
        for base in self.symbols.bases(owner):
            if isinstance(base, Definition) or base.rpartition(".")[2] not in _KNOWN_BASES:
                return True  # it overrides something, or may
        if refuses:
            return False
        if _HOOK.fullmatch(node.name) and node.name not in _DUTIES:
            return True
        return any(other.node is not class_node for other in self._complete_methods.get(node.name, ()))

    @cached_property
    def _complete_methods(self) -> dict[str, list[Definition]]:
        """The classes in which a method of each name does something."""
        found: dict[str, list[Definition]] = {}
        for owner in self.symbols.classes:
            for entry in owner.node.body:
                if isinstance(entry, FUNCTIONS) and not self._placeholder_body(owner.module, entry):
                    found.setdefault(entry.name, []).append(owner)
        return found

    @cached_property
    def _called_names(self) -> set[tuple[str, bool]]:
        """Every name that is called, and whether as an attribute of something."""
        calls = (node.func for module in self.symbols.modules.values() for node in module.of(ast.Call))
        return {(function.id, False) if isinstance(function, ast.Name) else (getattr(function, "attr", ""), True) for function in calls}

    @cached_property
    def _passed_names(self) -> set[str]:
        """Names used as values, not called: a function that is passed on may be asked to do nothing."""
        passed = set()
        for module in self.symbols.modules.values():
            called = {node.func for node in module.of(ast.Call)}
            passed |= {node.id for node in module.of(ast.Name) if isinstance(node.ctx, ast.Load) and node not in called}
        return passed


def _is_blank(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))


def _blank_text(node: Function) -> str:
    has_ellipsis = any(
        isinstance(entry, ast.Expr) and isinstance(entry.value, ast.Constant) and entry.value.value is ... for entry in node.body
    )
    return "..." if has_ellipsis else "a docstring"


def _raised(node: ast.Raise) -> str:
    raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return raised.id if isinstance(raised, ast.Name) else ""


def _is_empty_value(node: ast.expr | None) -> bool:
    if node is None or isinstance(node, ast.Constant):
        return True
    return (isinstance(node, (ast.List, ast.Tuple)) and not node.elts) or (isinstance(node, ast.Dict) and not node.keys)


def _message(node: Function) -> str:
    """The text of the exception that a function raises."""
    last = node.body[-1]
    texts = (inner.value for inner in ast.walk(last) if isinstance(inner, ast.Constant) and isinstance(inner.value, str))
    return " ".join(texts) if isinstance(last, ast.Raise) else ""


def _is_abstract(node: ast.stmt) -> bool:
    names = [qualified_name(entry).rpartition(".")[2] for entry in node.decorator_list] if isinstance(node, FUNCTIONS) else []
    return any(name.startswith("abstract") for name in names)


def _is_conditional(module: Module, node: ast.AST) -> bool:
    """Whether a definition is one of several: in an `except` clause, or under an `if`."""
    parent = module.parents.get(node)
    while parent is not None and not isinstance(parent, (*FUNCTIONS, ast.ClassDef)):
        if isinstance(parent, (ast.ExceptHandler, ast.If, ast.Try, ast.match_case)):
            return True
        parent = module.parents.get(parent)
    return False
