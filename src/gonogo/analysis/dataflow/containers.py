"""Putting things into containers and objects, and taking them out."""

from __future__ import annotations

import ast
from collections.abc import Callable

from gonogo.analysis.dataflow.blocks import Write
from gonogo.analysis.dataflow.core import CONTENT, Walker
from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.values import (
    Call,
    Choice,
    Const,
    Display,
    Element,
    Item,
    Mapping,
    ModuleValue,
    Operation,
    Ref,
    Repeated,
    Returned,
    Turn,
    Unknown,
    Value,
    choice,
    constant,
    options,
    plain,
)
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.dataflow.wrapping import base

MAX_ADDED = 32
MAX_SPREAD = 8  # options of a choice that are followed one by one
# What iterates over its first argument and gives the same entries.
SAME_ENTRIES = words(
    """
    list tuple iter reversed sorted set tqdm tqdm.tqdm tqdm.auto.tqdm tqdm.notebook.tqdm rich.progress.track itertools.islice
    itertools.cycle itertools.chain tqdm.rich.tqdm tqdm.autonotebook.tqdm fastprogress.progress_bar copy.copy copy.deepcopy
    random.sample itertools.takewhile track progress_bar more_itertools.peekable
    """
)
ADDERS = {"append": 0, "add": 0, "appendleft": 0, "insert": 1, "put": 0}


def assign(walker: Walker, target: ast.expr, value: Value) -> None:
    """Let the target of an assignment stand for a value."""
    if isinstance(target, ast.Name):
        walker.bind(target.id, value)
    elif isinstance(target, ast.Attribute):
        owner = walker.read(target.value)
        walker.hold(owner, target.attr, value)
        walker.emit(Write(walker.module, target, owner, target.attr, value))
    elif isinstance(target, ast.Subscript):
        owner, key = walker.read(target.value), walker.read(target.slice)
        put(walker, target, owner, key, value)
    elif isinstance(target, ast.Starred):
        assign(walker, target.value, Unknown(walker.module, target))
    elif isinstance(target, (ast.Tuple, ast.List)):
        _unpack(walker, target.elts, value)


def _unpack(walker: Walker, targets: list[ast.expr], value: Value) -> None:
    star = next((place for place, entry in enumerate(targets) if isinstance(entry, ast.Starred)), None)
    for place, entry in enumerate(targets):
        if star is not None and place >= star:
            assign(walker, entry, Unknown(walker.module, entry))
        else:
            assign(walker, entry, item(walker, value, Const(walker.module, entry, place), entry))


def put(walker: Walker, node: ast.AST, owner: Value, key: Value, value: Value) -> None:
    """`owner[key] = value`."""
    known = constant(key)
    if isinstance(known, (str, int)) and not isinstance(known, bool):
        walker.hold(owner, ("item", known), value)
        _keep(owner, value)
    else:
        add(walker, owner, value)
    walker.emit(Write(walker.module, node, owner, key, value))


def add(walker: Walker, owner: Value, value: Value) -> None:
    """Something is put among the content of a container, nobody knows under which key."""
    before = walker.held(owner, CONTENT)
    walker.hold(owner, CONTENT, value if before is None else choice(value.module, value.node, [before, value]))
    _keep(owner, value)


def _keep(owner: Value, value: Value) -> None:
    """Record in a container itself a value that is put into it at any time.

    This serves questions for which the order does not matter.
    """
    for option in options(owner):
        if isinstance(option, (Display, Mapping)) and len(option.added) < MAX_ADDED and all(value is not entry for entry in option.added):
            option.added.append(value)


def item(walker: Walker, owner: Value, key: Value, node: ast.AST) -> Value:
    """`owner[key]`."""
    if isinstance(owner, Returned):
        inner = item(walker, owner.value, key, node)
        if isinstance(inner, Item) and inner.owner is owner.value:
            return walker.item_of(owner, key, node)  # a part of it: `out[mask]`
        return Returned(owner.call, inner)
    if isinstance(owner, Choice) and len(owner.options) <= MAX_SPREAD and all(isinstance(option, Returned) for option in owner.options):
        each = [item(walker, option, key, node) for option in owner.options]  # of what one of several networks gave
        if all(isinstance(entry, Returned) for entry in each):
            return choice(walker.module, node, each)
    owner = plain(owner)
    known = constant(key)
    if isinstance(known, (str, int)) and not isinstance(known, bool):
        held = walker.held(owner, ("item", known))
        found = held if held is not None else _entry(walker, owner, known, node)
        if found is not None:
            return walker.now(found, node, known in walker.imports.changes.keys)
    elif (content := walker.held(owner, CONTENT)) is not None and isinstance(owner, (Mapping, Display, Call)):
        return content
    return walker.item_of(owner, key, node)


def _entry(walker: Walker, owner: Value, key: str | int, node: ast.AST) -> Value | None:
    """One entry under a key that is written, of a container whose content is known."""
    if isinstance(owner, Display) and isinstance(key, int) and not owner.is_open and -len(owner.items) <= key < len(owner.items):
        return owner.items[key]
    if isinstance(owner, Mapping):
        for entry, value in reversed(owner.entries):
            if constant(entry) == key:
                return value
        content = walker.held(owner, CONTENT)
        return content if content is not None and not owner.is_open else None
    if isinstance(owner, Display) and not owner.is_open and (content := walker.held(owner, CONTENT)) is not None:
        return content
    if isinstance(owner, Element) and isinstance(owner.sample, (Display, Mapping, Choice, Returned, Item)):
        inside = item(walker, owner.sample, Const(owner.module, node, key), node)
        return Element(walker.module, node, walker.item_of(owner, Const(owner.module, node, key), node), inside)
    if isinstance(owner, Choice):
        return _of_each(walker, owner, lambda option: _of_option(walker, option, key, node), node)
    if isinstance(owner, Repeated) and owner.kind in ("list", "tuple", "generator"):
        return owner.element
    return None


def _of_option(walker: Walker, option: Value, key: str | int, node: ast.AST) -> Value | None:
    return walker.held(option, ("item", key)) or _entry(walker, option, key, node)


def _of_each(walker: Walker, owner: Choice, take: Callable[[Value], Value | None], node: ast.AST) -> Value | None:
    """What is taken of each option, where something is known of every one but None."""
    listed = [option for option in options(owner) if constant(option) is not None]
    if len(listed) > MAX_SPREAD or any(isinstance(option, Choice) for option in listed):
        return None
    taken = [take(option) for option in listed]
    known = [entry for entry in taken if entry is not None]
    return choice(walker.module, node, known) if known and len(known) == len(taken) else None


def attribute(walker: Walker, owner: Value, name: str, node: ast.AST) -> Value:
    """`owner.name`."""
    known = _known_attribute(walker, owner, name, node)
    if known is None:
        return walker.attribute_of(owner, name, node)
    return walker.now(known, node, name in walker.imports.changes.attributes)


def _known_attribute(walker: Walker, owner: Value, name: str, node: ast.AST) -> Value | None:
    held = walker.held(owner, name)
    if held is not None:
        return held
    inner = plain(owner)
    reader = _ATTRIBUTES.get(type(inner))
    found = reader(walker, inner, name, node) if reader is not None else None
    if found is None and isinstance(inner, Call):
        around = base(inner)
        found = _known_attribute(walker, around, name, node) if around is not inner else None
    return found


def _of_choice(walker: Walker, owner: Value, name: str, node: ast.AST) -> Value | None:
    assert isinstance(owner, Choice)
    behind = base(owner)
    if behind is not owner:
        return _known_attribute(walker, behind, name, node)
    return _of_each(walker, owner, lambda option: _known_attribute(walker, option, name, node), node)


def _of_instance(walker: Walker, owner: Value, name: str, node: ast.AST) -> Value | None:
    assert isinstance(owner, Instance)
    if name == "__class__":
        return owner.cls
    member = owner.cls.member(name)
    if isinstance(member, Function):
        decorators = {ast.unparse(entry).rpartition(".")[2] for entry in _decorators(member)}
        if "staticmethod" in decorators:
            return member
        bound = member.bound(owner.cls if "classmethod" in decorators else owner)
        return walker.apply(bound, (), {}, node) if decorators & {"property", "cached_property"} else bound
    return member


def _decorators(function: Function) -> list[ast.expr]:
    return [] if isinstance(function.definition, ast.Lambda) else function.definition.decorator_list


def _of_class(walker: Walker, owner: Value, name: str, node: ast.AST) -> Value | None:
    assert isinstance(owner, Class)
    member = owner.member(name)
    if isinstance(member, Function) and any(ast.unparse(entry) == "classmethod" for entry in _decorators(member)):
        return member.bound(owner)
    return member


def element(walker: Walker, owner: Value, node: ast.AST) -> Value:
    """What iterating over a value gives."""
    inner = owner.value if isinstance(owner, Returned) else plain(owner)
    if inner in walker.iterated:  # a loop makes it of itself: `batches = tqdm(batches)`
        return Element(walker.module, node, inner)
    walker.iterated.add(inner)
    known = _known_element(walker, inner, node)
    walker.iterated.discard(inner)
    if isinstance(owner, Returned):
        return Returned(owner.call, known) if known is not None else Element(walker.module, node, owner)
    return known if known is not None else Element(walker.module, node, inner)


def _known_element(walker: Walker, owner: Value, node: ast.AST) -> Value | None:
    content = walker.held(owner, CONTENT)
    if isinstance(owner, Display):
        entries = [*owner.items, *([content] if content is not None else [])]
        return choice(walker.module, node, entries) if entries and not owner.is_open else None
    if isinstance(owner, Mapping):
        return choice(walker.module, node, [key for key, _ in owner.entries]) if owner.entries and not owner.is_open else None
    if isinstance(owner, Repeated):
        return owner.key if owner.kind == "dict" else owner.element
    if content is not None and isinstance(owner, Call) and owner.short in ("list", "deque", "set"):
        return content
    if isinstance(owner, Call):
        return _of_call(walker, owner, node)
    if isinstance(owner, Choice):
        return _of_each(walker, owner, lambda option: element(walker, option, node), node)
    return None


def _of_call(walker: Walker, call: Call, node: ast.AST) -> Value | None:
    first = call.arguments[0] if call.arguments else call.keywords.get("iterable")
    if call.name == "enumerate" and first is not None:
        return Display(walker.module, node, "tuple", (Element(walker.module, node, call), element(walker, first, node)))
    if call.name == "zip" and call.arguments and not call.is_open:
        return Display(walker.module, node, "tuple", tuple(element(walker, entry, node) for entry in call.arguments))
    if call.name in SAME_ENTRIES or call.short in ("tqdm", "trange", "track", "islice"):
        return element(walker, first, node) if first is not None and call.short != "trange" else None
    if call.method in ("items", "values", "keys") and call.receiver is not None:
        return _of_mapping(walker, call, node)
    sample = walker.sample(call, node)
    return Element(walker.module, node, call, sample) if sample is not None else None


def _of_mapping(walker: Walker, call: Call, node: ast.AST) -> Value | None:
    owner = plain(call.receiver) if call.receiver is not None else None
    if isinstance(owner, Repeated) and owner.kind == "dict" and owner.key is not None:
        key, value = owner.key, owner.element
    elif isinstance(owner, Mapping) and not owner.is_open:
        content = walker.held(owner, CONTENT)
        entries = [value for _, value in owner.entries] + ([content] if content is not None else [])
        if not entries:
            return None
        keys = [entry for entry, _ in owner.entries]
        key = choice(walker.module, node, keys) if keys else Unknown(walker.module, node)
        value = choice(walker.module, node, entries)
    else:
        return None
    if call.method == "items":
        return Display(walker.module, node, "tuple", (key, value))
    return key if call.method == "keys" else value


def entries(walker: Walker, value: Value, node: ast.AST, most: int) -> list[Value] | None:
    """The entries of something iterable, one by one, where they are written out and no more than so many."""
    value = plain(value)
    if walker.held(value, CONTENT) is not None:
        return None
    if isinstance(value, Display) and not value.is_open:
        return list(value.items) if len(value.items) <= most else None
    if isinstance(value, Mapping) and not value.is_open:
        return [key for key, _ in value.entries] if len(value.entries) <= most else None
    if isinstance(value, Call):
        return _entries_of_call(walker, value, node, most)
    if isinstance(value, Choice):
        return _side_by_side(walker, value, node, most)
    return None


def _side_by_side(walker: Walker, value: Choice, node: ast.AST, most: int) -> list[Value] | None:
    """The entries of one of several that all have as many: each a choice."""
    listed = [entries(walker, option, node, most) for option in options(value) if isinstance(option, Display)]
    known = [entry for entry in listed if entry is not None]
    if len(known) != len(options(value)) or len({len(entry) for entry in known}) != 1 or isinstance(value, Turn):
        return None
    return [choice(walker.module, node, together) for together in zip(*known, strict=True)]


def _entries_of_call(walker: Walker, call: Call, node: ast.AST, most: int) -> list[Value] | None:
    if call.method in ("items", "values", "keys") and call.receiver is not None:
        owner = plain(call.receiver)
        if not isinstance(owner, Mapping) or owner.is_open or len(owner.entries) > most or walker.held(owner, CONTENT) is not None:
            return None
        if call.method == "keys":
            return [key for key, _ in owner.entries]
        if call.method == "values":
            return [value for _, value in owner.entries]
        return [Display(walker.module, node, "tuple", entry) for entry in owner.entries]
    if not call.arguments or call.is_open:
        return None
    if call.name in SAME_ENTRIES or call.short == "tqdm":
        return entries(walker, call.arguments[0], node, most) if call.name not in ("set", "sorted", "reversed") else None
    listed = [entries(walker, entry, node, most) for entry in call.arguments]
    if call.name == "enumerate" and listed[0] is not None:
        return [Display(walker.module, node, "tuple", (Const(walker.module, node, place), entry)) for place, entry in enumerate(listed[0])]
    known = [entry for entry in listed if entry is not None]
    if call.name == "zip" and len(known) == len(listed):
        return [Display(walker.module, node, "tuple", together) for together in zip(*known, strict=False)]
    return None


def changed_by(walker: Walker, call: Call) -> None:
    """What a method of a container puts into it: `append`, `extend`, `update`, `setdefault`."""
    receiver = call.receiver
    if receiver is None or not call.arguments:
        return
    target = plain(receiver)
    if not isinstance(target, (Display, Mapping, Repeated, Call, Choice, Operation)):
        return
    place = ADDERS.get(call.method)
    if place is not None and place < len(call.arguments):
        add(walker, target, call.arguments[place])
    elif call.method == "extend":
        add(walker, target, element(walker, call.arguments[0], call.node))
    elif call.method == "update":
        given = plain(call.arguments[0])
        for key, value in given.entries if isinstance(given, Mapping) else ():
            known = constant(key)
            if isinstance(known, (str, int)):
                walker.hold(target, ("item", known), value)
                _keep(target, value)
            else:
                add(walker, target, value)


def is_container(value: Value) -> bool:
    """Whether a value is a list, tuple, set or dict of the language."""
    value = plain(value)
    return isinstance(value, (Display, Mapping, Repeated)) or (isinstance(value, Ref) and value.name in ("list", "dict", "set", "tuple"))


def _of_module(walker: Walker, owner: Value, name: str, node: ast.AST) -> Value | None:
    assert isinstance(owner, ModuleValue)
    return walker.member(owner.target, name, node)


def _of_ref(walker: Walker, owner: Value, name: str, node: ast.AST) -> Value | None:
    assert isinstance(owner, Ref)
    found = walker.imported(node, f"{owner.name}.{name}")
    if isinstance(found, Ref):
        walker.imports.taken.append(found)
    return found


_ATTRIBUTES: dict[type[Value], Callable[[Walker, Value, str, ast.AST], Value | None]] = {
    Choice: _of_choice,
    Turn: _of_choice,
    Instance: _of_instance,
    Class: _of_class,
    ModuleValue: _of_module,
    Ref: _of_ref,
}
