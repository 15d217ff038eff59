"""IMP111."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.absence import provides_for_absence
from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.names import all_parsed, functions, last_name, origin, text_of
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule

# Bases that add no attributes of their own.
PLAIN = frozenset({"object", "ABC", "abc.ABC"})
# Methods and calls by which a class may have attributes that no statement shows.
OPENING = frozenset({"__getattr__", "__getattribute__", "__new__", "__init_subclass__", "__setstate__", "__slots__"})
BY_NAME = frozenset({"setattr", "vars", "__dict__", "update_wrapper", "__setattr__"})


@rule(
    "IMP111",
    "attribute-never-set",
    criterion=1,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    settles=("undefined-name", "crash"),
    scope=Scope.PROGRAM,
)
def attribute_never_set(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """A method reads an attribute of its own object that nothing ever sets.

    What it does:
        Looks at classes of the project that have no base but others of the project, and that the project makes objects of. Speaks where a
        method that something calls reads `self.name`, or adds to it, and no statement of the project assigns an attribute of that name, and
        no class gives it. Silent where attributes may come by other ways: `setattr`, `__dict__`, `__getattr__`, decorators, mixins, a name
        that stands somewhere as a text, a clause for `AttributeError`.

    Why it matters:
        The line raises `AttributeError` when it is reached: often in an epoch, or for a case, that a trial does not come to.

    Instead:
        Set it in `__init__`, or use the name that is set there.
    """
    if not all_parsed(modules):
        return
    classes = {node: module for module in modules.values() for node in module.of(ast.ClassDef)}
    made = {last_name(call.func) for module in modules.values() for call in module.of(ast.Call)}
    heirs = {base for node, module in classes.items() if len(node.bases) > 1 for base in _bases(symbols, module, node) or ()}
    assigned = _assigned(modules)
    for owner, module in classes.items():
        line = _line(symbols, module, owner, set())
        if line is None or owner.name not in made or owner in heirs or any(_is_open(entry) for entry in line):
            continue
        known = assigned | {name for entry in line for name in _members(entry)} | set(dir(object()))
        for method in (node for node in owner.body if isinstance(node, FUNCTIONS)):
            yield from _of_method(module, owner, method, known, made)


def _of_method(module: Module, owner: ast.ClassDef, method: ast.AST, known: set[str], called: set[str]) -> Iterator[Violation]:
    assert isinstance(method, FUNCTIONS)
    is_called = method.name in called or method.name.startswith("__")
    if not is_called or not method.args.args or any(last_name(entry) != "override" for entry in method.decorator_list):
        return
    own = method.args.args[0].arg
    seen: set[str] = set()
    for node in ast.walk(method):
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == own):
            continue
        adds = isinstance(module.parents.get(node), ast.AugAssign) and isinstance(node.ctx, ast.Store)
        if node.attr in known or node.attr in seen or not (adds or isinstance(node.ctx, ast.Load)) or provides_for_absence(module, node):
            continue
        seen.add(node.attr)
        there = sorted(name for name in known & _own_attributes(owner) if not name.startswith("__"))
        yield Violation(
            module.location(node),
            f"`{own}.{node.attr}` is never set: `{owner.name}` has {', '.join(quoted(there)) or 'no attributes'}",
            "set it in `__init__`, or use the name that is set there",
            related=(Related(location=module.location(owner).model_copy(update={"end_line": owner.lineno}), label="the class"),),
        )


def _line(symbols: Symbols, module: Module, owner: ast.ClassDef, seen: set[ast.ClassDef]) -> list[ast.ClassDef] | None:
    """A class and all that it inherits from; None where some of it is not the project's."""
    if owner in seen or owner.keywords or any(not _is_dataclass(module, entry) for entry in owner.decorator_list):
        return None
    found = [owner]
    for base in owner.bases:
        if qualified_name(base) in PLAIN:
            continue
        definition = symbols.resolve(module, base)
        if definition is None or not isinstance(definition.node, ast.ClassDef):
            return None
        more = _line(symbols, definition.module, definition.node, seen | {owner})
        if more is None:
            return None
        found += more
    return found


def _bases(symbols: Symbols, module: Module, owner: ast.ClassDef) -> list[ast.ClassDef]:
    found = (symbols.resolve(module, base) for base in owner.bases)
    return [entry.node for entry in found if entry is not None and isinstance(entry.node, ast.ClassDef)]


def _is_dataclass(module: Module, node: ast.expr) -> bool:
    """Whether a decorator is the standard library's `dataclass`.

    Those of others, called alike, add methods such as `replace`.
    """
    return origin(module, node.func if isinstance(node, ast.Call) else node) == "dataclasses.dataclass"


def _is_open(owner: ast.ClassDef) -> bool:
    """Whether a class may get attributes that no statement shows."""
    for node in ast.walk(owner):
        if isinstance(node, FUNCTIONS) and node.name in OPENING:
            return True
        if isinstance(node, (ast.Name, ast.Attribute)) and last_name(node) in BY_NAME | OPENING:
            return True
        if isinstance(node, ast.Call) and any(isinstance(entry, ast.Name) and entry.id == "self" for entry in node.args):
            return True  # whoever gets the object may give it anything
    return False


def _members(owner: ast.ClassDef) -> Iterator[str]:
    """What the body of a class binds."""
    for node in ast.walk(owner):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]


def _own_attributes(owner: ast.ClassDef) -> set[str]:
    stored = {node.attr for node in ast.walk(owner) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    return stored | set(_members(owner))


def _assigned(modules: dict[str, Module]) -> set[str]:
    """Return the names of attributes that a statement of the project assigns.

    Adding to an attribute does not count. Every text that may be an attribute name is included.
    """
    found: set[str] = set()
    for module in modules.values():
        for node in module.of(ast.Attribute):
            if isinstance(node.ctx, ast.Store) and not isinstance(module.parents.get(node), ast.AugAssign):
                found.add(node.attr)
        found |= {text for node in module.of(ast.Constant) if (text := text_of(node)) is not None and text.isidentifier()}
        found |= {entry.name for entry in functions(module)}
    return found


PATIENCE = '''class Patience:
    """Stop when the validation loss stops falling."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best = float("inf")
        self.waited = 0

    def stop(self, loss: float) -> bool:
        if loss < self.best:
            self.best = loss
            self.waited = 0
            return False
        {late}
        return self.waited >= self.patience


def train_epoch('''
_EPOCH, _LOOP = "def train_epoch(", "    for epoch in range(1, epochs + 1):\n"
_SCORED = "        val_accuracy, val_loss = score(val_logits, val_labels)\n"


def _patient(late: str) -> Tree:
    return Tree(
        {
            "src/train.py": (
                Edit(_EPOCH, PATIENCE.replace("{late}", late)),
                Edit(_LOOP, f"    patience = Patience(3)\n{_LOOP}"),
                Edit(_SCORED, f"{_SCORED}        print(patience.stop(val_loss))\n"),
            )
        }
    )


BAD = [
    _patient("self.counter += 1  # <- here"),
    _patient("self.waited += self.step  # <- here"),
    _patient("print(self.best_epoch)  # <- here\n        self.waited += 1"),
]
GOOD = [
    _patient("self.waited += 1"),
    _patient('self.waited += self.step if hasattr(self, "step") else 1'),
    _patient("self.waited += 1\n        self.__dict__['counter'] = 1\n        print(self.counter)"),
    _patient("self.last = loss\n        self.waited += 1\n        print(self.last, self.__class__)"),
]
