"""Python's own functions."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from collections.abc import Sequence as PlainSequence

from gonogo.analysis.interpreter.base import UNKNOWN, AccessKind, Arguments, Constant, Reach, Spread, Value, Walk, let_go
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.sentinels import NOT_KNOWN
from gonogo.analysis.interpreter.trace import Misuse, Wrong
from gonogo.analysis.interpreter.values.choice import any_of, join, lose
from gonogo.analysis.interpreter.values.config_node import ConfigNode
from gonogo.analysis.interpreter.values.function import Function
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.mistyped import note_number_wanted
from gonogo.analysis.interpreter.values.objects import Instance
from gonogo.analysis.interpreter.values.scalar import NONE, Scalar, truth_value
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.tracked import FromRuns
from gonogo.analysis.interpreter.values.varied import settled

MAX_RANGE = 64

LIBRARY.shows(*(f"builtins.{name}" for name in ("print", "repr", "id", "hash", "type", "callable", "input")))


@LIBRARY.call("builtins.isinstance")
def isinstance_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`isinstance(value, kinds)`."""
    value, kind = given.get(0, "obj"), settled(given.get(1, "class"))
    kinds = kind.values if isinstance(kind, Sequence) else [kind]
    names = {each.type_name() for each in kinds}
    known = frozenset(name for name in names if name)
    return truth_value(value.is_instance(walk, known, at)) if len(known) == len(names) else UNKNOWN


@LIBRARY.call("builtins.getattr")
def getattr_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`getattr(value, name, default)`."""
    owner, name = given.get(0, "o"), given.get(1, "name").constant()
    if not isinstance(name, str):
        owner.escape(walk)
        return UNKNOWN
    return owner.member(walk, name, at, given.given(2, "default"), AccessKind.GETATTR)


@LIBRARY.call("builtins.hasattr")
def hasattr_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`hasattr(value, name)`."""
    owner, name = given.get(0, "o"), given.get(1, "name").constant()
    return truth_value(owner.has_member(walk, name, at)) if isinstance(name, str) else UNKNOWN


@LIBRARY.call("builtins.setattr")
def setattr_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`setattr(value, name, other)`."""
    owner, name, value = settled(given.get(0, "o")), given.get(1, "name").constant(), given.get(2, "value")
    if isinstance(name, str):
        owner.set_member(walk, name, value, at)
    elif isinstance(owner, (Mapping, Instance)):
        walk.memory.set(owner, "open", True)
    return NONE


@LIBRARY.call("builtins.delattr")
def delattr_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`delattr(value, name)`."""
    owner, name = given.get(0, "o"), given.get(1, "name").constant()
    if isinstance(name, str):
        owner.delete_member(walk, name, at)
    return NONE


@LIBRARY.call("builtins.len")
def len_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`len(value)`."""
    length = given.get(0, "obj").length(walk)
    return UNKNOWN if length is None else Scalar(length)


def _converts(kind: type) -> None:
    """`str(value)`, `int(value)`, `float(value)`."""

    @LIBRARY.call(f"builtins.{kind.__name__}", reach=Reach.PURE)
    def convert(walk: Walk, given: Arguments, at: ast.AST) -> Value:
        value = given.get(0, "x")
        is_alone = len(given.positional) == 1 or value.constant() is NOT_KNOWN
        return value.converted(kind) if is_alone else UNKNOWN


for _kind in (str, int, float):
    _converts(_kind)


@LIBRARY.call("builtins.bool", reach=Reach.PURE)
def bool_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`bool(value)`."""
    return truth_value(given.get(0, "x").truth())


def _collects(name: str, kind: str) -> None:
    """`list(value)`, `tuple(value)`, `set(value)`."""

    @LIBRARY.call(f"builtins.{name}")
    def collect(walk: Walk, given: Arguments, at: ast.AST) -> Value:
        if not given.positional:
            return Sequence(kind=kind)
        value = given.positional[0]
        items, complete = value.iterate(walk)
        if not complete:
            value.release(walk)
        path = value.loop_path if isinstance(settled(value), Sequence) else None
        return Sequence(items if complete else [], not complete, kind, path)


for _name, _of in (("list", "list"), ("tuple", "tuple"), ("set", "set"), ("frozenset", "set")):
    _collects(_name, _of)


@LIBRARY.call("builtins.iter")
def iter_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`iter(value)`."""
    return given.get(0, "x")


@LIBRARY.call("builtins.dict")
def dict_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`dict(value, key=…)`: values keep where they came from."""
    value = settled(given.positional[0]) if given.positional else None
    if isinstance(value, FromRuns) and not given.keywords:
        return value
    if not isinstance(value, ConfigNode):
        return Mapping(content_of(walk, given, given.positional[:1]))
    result = value.as_dict()
    for key, item in given.keywords.items():
        walk.memory.put(result.items, key, item)
    walk.memory.set(result, "open", result.open or given.open)
    return result


def content_of(walk: Walk, given: Arguments, values: Iterable[Value], open: bool = False) -> Spread:
    """What a dict is made of: mappings or lists of pairs, and the keywords of a call."""
    content = Spread(open=open or given.open)
    for value in values:
        content.take(_pairs(walk, settled(value)), join)
    for key, item in given.keywords.items():
        content.add(key, item)
    return content


def _pairs(walk: Walk, value: Value) -> Spread:
    if isinstance(value, Mapping):
        return value.entries(walk)
    content = Spread()
    pairs, complete = value.iterate(walk)
    content.open = not complete
    if not complete:
        lose(walk, (value,))
    for pair in pairs if complete else ():
        both = pair.unpack(2)
        key = NOT_KNOWN if both is None else both[0].constant()
        if both is None or key is NOT_KNOWN:
            content.open = True
            lose(walk, (pair,))
        else:
            content.add(key, both[1])
    return content


@LIBRARY.call("builtins.range", reach=Reach.PURE)
def range_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`range(…)`, if it is short."""
    bounds = [value.constant() for value in given.positional]
    for value in map(settled, given.positional):
        note_number_wanted(walk, value, at)
    if not all(type(bound) is int for bound in bounds) or not 1 <= len(bounds) <= 3:
        return Sequence(open=True)
    try:
        numbers = range(*bounds)  # type: ignore[arg-type]
        return Sequence(map(Scalar, numbers)) if len(numbers) <= MAX_RANGE else Sequence(open=True)
    except (ValueError, OverflowError):
        return UNKNOWN


@LIBRARY.call("builtins.enumerate")
def enumerate_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`enumerate(value, start)`."""
    value, start = given.get(0, "iterable"), given.get(1, "start", Scalar(0)).constant()
    items, complete = value.iterate(walk)
    if not complete or type(start) is not int:
        return Sequence(open=True)
    rows = [Sequence([Scalar(start + index), item], kind="tuple") for index, item in enumerate(items)]
    return Sequence(rows, path=value.loop_path)


@LIBRARY.call("builtins.zip")
def zip_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`zip(…)`."""
    columns = [value.iterate(walk) for value in given.positional]
    if not all(column.complete for column in columns):
        return Sequence(open=True)
    return Sequence(Sequence(row, kind="tuple") for row in zip(*(column.values for column in columns), strict=False))


@LIBRARY.call("builtins.sorted")
def sorted_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`sorted(value)`: texts are put in order, by a key if there is one."""
    items, complete = given.get(0, "iterable").iterate(walk)
    backwards, key = given.keywords.get("reverse", NONE).truth() is True, given.keywords.get("key")
    keys: PlainSequence[Value] = items
    if isinstance(key, Function) and complete and len(items) <= MAX_RANGE:
        keys = [key.call(walk, Arguments([item]), at) for item in items]
    elif key is not None:
        key.release(walk)

    def in_order(values: PlainSequence[Value]) -> Value:
        texts = [value.constant() for value in (values if keys is items else keys)]
        if not complete:
            return Sequence(values, True)
        if not all(isinstance(text, str) for text in texts) or (key is not None and keys is items):
            in_doubt = any(isinstance(value, (FromRuns, Mapping, Instance)) for value in values)
            return Sequence([any_of(walk, values)] * len(values) if in_doubt and len(values) > 1 else values)
        places = sorted(range(len(texts)), key=lambda place: str(texts[place]), reverse=backwards)
        return Sequence(values[place] for place in places)

    return walk.memory.over(items, in_order)


@LIBRARY.call("builtins.next")
def next_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`next(value for … if …)`: the first of them."""
    items, complete = given.get(0, "iterator").iterate(walk)
    is_fresh = isinstance(at, ast.Call) and bool(at.args) and isinstance(at.args[0], ast.GeneratorExp)
    if is_fresh and complete and items:
        return items[0]
    let_go(walk, given)
    return UNKNOWN


@LIBRARY.call("builtins.reversed")
def reversed_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`reversed(value)`."""
    items, complete = given.get(0, "sequence").iterate(walk)
    return Sequence(list(items)[::-1], not complete)


@LIBRARY.call("builtins.map")
def map_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`map(function, value)`."""
    if len(given.positional) == 2:
        items, complete = given.positional[1].iterate(walk)
        if complete and len(items) <= MAX_RANGE:
            return Sequence([given.positional[0].call(walk, Arguments([item]), at) for item in items])
    let_go(walk, given)
    return Sequence(open=True)


def _asks(name: str, wanted: bool) -> None:
    """`any(values)`, `all(values)`."""

    @LIBRARY.call(f"builtins.{name}")
    def ask(walk: Walk, given: Arguments, at: ast.AST) -> Value:
        items, complete = given.get(0, "iterable").iterate(walk)
        answers = [item.truth() for item in items]
        if wanted in answers:
            return truth_value(wanted)
        return truth_value((not wanted) if complete and None not in answers else None)


_asks("any", True)
_asks("all", False)


def _reckons(name: str, function: Callable[..., Constant]) -> None:
    """`min(…)`, `max(…)`, `abs(…)` of numbers."""

    @LIBRARY.call(f"builtins.{name}")
    def reckon(walk: Walk, given: Arguments, at: ast.AST) -> Value:
        values = given.positional
        first = settled(values[0]) if len(values) == 1 else None
        if isinstance(first, Sequence) and not first.open:
            values = first.values
        tracked = [value for value in values if isinstance(value, FromRuns)]
        if len(tracked) == 1 and not given.keywords:
            return tracked[0]  # `abs(number)`, `max(number, 1e-8)`
        found = walk.memory.over(values, _of_numbers) if values and not given.keywords else UNKNOWN
        if found is UNKNOWN:
            let_go(walk, given)
        return found

    def _of_numbers(values: PlainSequence[Value]) -> Value:
        numbers = [value.constant() for value in values]
        if not all(isinstance(number, (int, float)) for number in numbers):
            return UNKNOWN
        try:
            return Scalar(function(*numbers) if len(numbers) > 1 or function is abs else function(numbers))
        except (TypeError, ValueError, OverflowError):
            return UNKNOWN


for _name, _function in (("min", min), ("max", max), ("abs", abs)):
    _reckons(_name, _function)


@LIBRARY.call("builtins.vars")
def vars_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`vars(instance)`: a DictConfig has only what OmegaConf keeps there for itself."""
    value, state = given.get(0, "object"), walk.state
    if isinstance(settled(value), ConfigNode) and settled(value).config and state.is_certain:
        state.record(Misuse(state.site(at), Wrong.VARS, "`vars` gives what OmegaConf keeps for itself, and none of the keys"))
    return value.members(walk)
