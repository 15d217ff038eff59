"""Uses of libraries and their objects that no version supports.

That is a name that no version has, or a call whose arguments no version can bind.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from gonogo.analysis.dataflow.blocks import Loop
from gonogo.analysis.dataflow.containers import is_container
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Call, Item, Ref, Value, plain
from gonogo.analysis.libraries.objects import NAMED, OF_RUN, RUN, Objects, annotated
from gonogo.analysis.libraries.table import Kind, Ways, failing, library_table
from gonogo.analysis.project.removed import removed_keyword
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors
from gonogo.analysis.python.options import keyword_arguments

# Containers of layers, whose attributes are the names that the layers are given.
CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "DataParallel"})
# Methods and functions of the language and of NumPy that change something in place and return None.
IN_PLACE = frozenset({"sort", "append", "extend", "insert", "reverse", "update", "clear", "remove"})
WRAPPED = "torch"
# Of its classes, those whose objects have what the class has.
PLAIN = ("torch.optim.", "torch.utils.data.DataLoader", "torch.Tensor")
SHUFFLES = frozenset({"random.shuffle", "numpy.random.shuffle"})


@dataclass(frozen=True)
class Misuse:
    """Something that raises whenever it is reached.

    Attributes:
        module: the file.
        node: where.
        message: what is wrong.
        action: what to do.
        distribution: the library whose version matters, empty where none does.
        versions: those in which it raises, see `Table`.
        sure: what the object is follows from what made it, not from an annotation.
        instead: the attribute that stands where a method was, empty if it is not known.
    """

    module: Module
    node: ast.AST
    message: str
    action: str
    distribution: str = ""
    versions: int = 0
    sure: bool = True
    instead: str = ""


def misuses(programs: Iterable[Program], objects: Objects) -> Iterator[Misuse]:
    """Everything of the kind in all programs, each place once."""
    listed = list(programs)
    seen: set[ast.AST] = set()
    for found in (*_of_taken(listed, objects), *_of_calls(listed, objects), *_of_loops(listed, objects)):
        if found.node not in seen:
            seen.add(found.node)
            yield found


# -- attributes -----------------------------------------------------------------------------------------------------------


def _of_taken(programs: list[Program], objects: Objects) -> Iterator[Misuse]:
    for value in programs[0].imports.taken if programs else ():
        nothing = _nothing(value.owner, objects) if isinstance(value, (Attribute, Item)) else None
        if nothing is not None and isinstance(value, (Attribute, Item)):
            what = f"`.{value.name}`" if isinstance(value, Attribute) else "an entry"
            yield _none_used(value, nothing, f"{what} is asked of it")
        elif isinstance(value, (Attribute, Ref)):
            yield from _missing(value, objects)


def _missing(value: Attribute | Ref, objects: Objects) -> Iterator[Misuse]:
    """An attribute that no version of the object's class has."""
    name = value.name.rpartition(".")[2]
    if isinstance(value, Ref):
        named = NAMED.get(value.name.rpartition(".")[0])
        kind, sure = library_table().kind(named) if named else None, True
    else:
        kind, sure = _kind_of(value.owner, objects)
    if kind is None or kind.is_open or kind.short in CONTAINERS or name.startswith("_"):
        return
    if kind.distribution == WRAPPED and _is_asked_for(value):
        return
    lacking = kind.everywhere & ~kind.names.get(name, 0)
    if lacking:
        newest = [other for other, versions in kind.names.items() if versions == kind.everywhere]
        attribute = name.removeprefix("get_")
        instead = attribute if attribute != name and attribute in newest and not kind.has_method(attribute) else ""
        near = [instead] if instead else get_close_matches(name, sorted(newest), n=1, cutoff=0.7)
        action = f"use `{near[0]}`" if near else "use an attribute or method that is there"
        if instead:
            action = f"use the attribute `{instead}`, without parentheses"
        yield Misuse(value.module, value.node, f"{_article(kind)} has no `{name}`", action, kind.distribution, lacking, sure, instead)


def _is_asked_for(value: Value) -> bool:
    """Whether a condition around a place asks what kind of object is at hand."""
    around = (entry for entry in ancestors(value.module, value.node) if isinstance(entry, (ast.If, ast.IfExp, ast.While, ast.BoolOp)))
    tests = (entry if isinstance(entry, ast.BoolOp) else entry.test for entry in around)
    return any(
        isinstance(node, ast.Name) and node.id in ("isinstance", "hasattr", "type", "getattr") for test in tests for node in ast.walk(test)
    )


def _kind_of(owner: Value | None, objects: Objects) -> tuple[Kind | None, bool]:
    """The class of an object, and whether what made it says so.

    Of PyTorch's classes only losses, optimizers, schedulers and loaders that the code makes itself: layers get further names from what is
    registered with them, and other libraries wrap what has an annotation.
    """
    known = objects.kind(owner)
    kind, sure = (known, True) if known is not None else (annotated(owner), False)
    if kind is not None and kind.distribution == WRAPPED and not (sure and kind.name.startswith(PLAIN)):
        return None, False
    return kind, sure


def _article(kind: Kind) -> str:
    top = kind.name.partition(".")[0]
    return f"a `{kind.short}` of {top}" if "public" not in kind.name else f"a `{kind.short}` of {top}'s public API"


# -- calls ----------------------------------------------------------------------------------------------------------------


def _of_calls(programs: list[Program], objects: Objects) -> Iterator[Misuse]:
    for program in programs:
        for event in program.calls():
            yield from _misfit(event.call, objects)


def _misfit(call: Call, objects: Objects) -> Iterator[Misuse]:
    found = _called(call, objects)
    if found is None:
        return
    if found.values:
        message = f"{found.shown} is no method: it can't be called"
        yield Misuse(call.module, call.node, message, "leave out the parentheses", found.distribution, found.values, found.sure)
    keywords = [name for name in call.keywords if name != "**" and not _is_told_elsewhere(call, name)]
    versions, why = failing(found.ways, 0 if call.is_open else len(call.arguments), keywords, call.is_open)
    if versions:
        message = f"{found.shown} can't be called like this: {why}"
        yield Misuse(call.module, call.node, message, "call it as it is defined", found.distribution, versions, found.sure)


def _is_told_elsewhere(call: Call, keyword: str) -> bool:
    """Return whether the table of removed things has an argument that is written here.

    That table says since when it is removed, and what to write instead.
    """
    callee = plain(call.callee)
    is_written = isinstance(call.node, ast.Call) and keyword in keyword_arguments(call.module, call.node)
    return isinstance(callee, Ref) and is_written and removed_keyword(callee.name, keyword) is not None


@dataclass(frozen=True)
class _Called:
    """What is called.

    Attributes:
        shown: its name in a message.
        distribution: the library.
        ways: how it may be called.
        values: the versions in which it is no method.
        sure: see `Misuse`.
    """

    shown: str
    distribution: str
    ways: Ways
    values: int = 0
    sure: bool = True


def _called(call: Call, objects: Objects) -> _Called | None:
    table, callee = library_table(), plain(call.callee)
    if isinstance(callee, Ref):
        owner, _, name = callee.name.rpartition(".")
        kind = table.kind(RUN) if owner == "wandb" and name in OF_RUN else table.kind(NAMED.get(owner, ""))
        if kind is not None:
            return _Called(f"`{callee.name}`", kind.distribution, kind.ways(name), kind.values(name))
        known = table.callable(callee.name)
        return _Called(f"`{callee.name}`", *known) if known is not None else None
    if isinstance(callee, Attribute):
        kind, sure = _kind_of(callee.owner, objects)
        if kind is None or kind.distribution == WRAPPED:
            return None
        shown = f"`{callee.name}` of {_article(kind)}"
        return _Called(shown, kind.distribution, kind.ways(callee.name), kind.values(callee.name), sure)
    kind = _kind_of(callee, objects)[0] if isinstance(callee, Call) else None
    if kind is not None and kind.distribution == WRAPPED:
        return None
    return _Called(_article(kind), kind.distribution, kind.ways("__call__")) if kind is not None else None


# -- what returns nothing -------------------------------------------------------------------------------------------------


def _of_loops(programs: list[Program], objects: Objects) -> Iterator[Misuse]:
    for program in programs:
        for loop in program.all(Loop):
            nothing = _nothing(loop.iterated, objects) if loop.kind != "callback" else None
            if nothing is not None:
                yield _none_used(loop, nothing, "it is iterated over")


def _none_used(use: Value | Loop, nothing: Call, how: str) -> Misuse:
    called = ast.unparse(nothing.node.func) if isinstance(nothing.node, ast.Call) else nothing.short
    action = f"call `{called}(…)` on a line of its own, and use what it changed"
    return Misuse(use.module, use.node, f"`{called}(…)` returns None, and {how}", action)


def _nothing(value: Value | None, objects: Objects) -> Call | None:
    """The call that a value surely comes from, and that returns None in every version."""
    value = plain(value) if value is not None else None
    if not isinstance(value, Call):
        return None
    if value.method in IN_PLACE and value.receiver is not None and is_container(value.receiver):
        return value
    if value.name in SHUFFLES:
        return value
    found = _called(value, objects) if value.method or value.name else None
    return value if found is not None and found.ways and all(way.returns_nothing for way, _ in found.ways) else None
