"""When two values surely are one: the same node, or computed of the same in the same way."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.values import (
    Attribute,
    Call,
    Choice,
    Const,
    Display,
    Item,
    Operation,
    Ref,
    Repeated,
    Returned,
    Unknown,
    Value,
    plain,
)
from gonogo.analysis.dataflow.words import words

MAX_DEPTH = 14
# Functions and methods that give the same values in the same order in another form.
FORMS = words(
    """
    list tuple iter float numpy.array numpy.asarray numpy.copy torch.tensor torch.as_tensor torch.from_numpy numpy.ravel pandas.Series
    copy.copy copy.deepcopy numpy.squeeze torch.flatten numpy.float64 numpy.float32 numpy.concatenate torch.cat torch.stack
    """
)
FORM_METHODS = words(
    """
    cpu numpy detach tolist clone copy float double long int to astype flatten ravel squeeze view reshape contiguous to_numpy to_list item
    cuda values type numpy_ force
    """
)
# Functions and methods that give the same for the same.
STEADY = words(
    """
    max min sum len sorted abs round numpy.mean numpy.std numpy.max numpy.min numpy.median numpy.argmax numpy.sum statistics.mean str
    int float get mean std median argmax argmin sum max min round abs strip lower split next
    """
)


def stripped(value: Value) -> Value:
    """The values behind their form: what was converted, copied or put on another device."""
    for _ in range(MAX_DEPTH):
        value = plain(value)
        if isinstance(value, Call) and value.name in FORMS and len(value.arguments) == 1:
            value = value.arguments[0]
        elif isinstance(value, Call) and value.method in FORM_METHODS and value.receiver is not None:
            value = value.receiver
        elif isinstance(value, Attribute) and value.name in ("values", "data", "array"):
            value = value.owner
        elif isinstance(value, Repeated) and value.kind in ("list", "generator") and _copies(value):
            value = value.source
        else:
            return value
    return value


def _copies(value: Repeated) -> bool:
    """`[entry for entry in source]`, with a conversion of each at most."""
    node = value.node
    if not isinstance(node, (ast.ListComp, ast.GeneratorExp)) or len(node.generators) != 1 or node.generators[0].ifs:
        return False
    target, made = node.generators[0].target, node.elt
    if isinstance(made, ast.Call) and isinstance(made.func, ast.Name) and made.func.id in ("int", "float", "str") and len(made.args) == 1:
        made = made.args[0]
    return isinstance(target, ast.Name) and isinstance(made, ast.Name) and made.id == target.id


def same(one: Value, other: Value, depth: int = 0) -> bool:
    """Whether two values surely are equal, whatever the data are; conversions do not count."""
    one, other = stripped(one), stripped(other)
    if one is other:
        return not isinstance(one, (Unknown, Const))
    if depth > MAX_DEPTH or type(one) is not type(other):
        return False
    comparer = _COMPARERS.get(type(one))
    return comparer is not None and comparer(one, other, depth + 1)


def _equal(one: Value, other: Value, depth: int) -> bool:
    """As `same`, for what only helps to choose: literals and names count too."""
    one, other = plain(one), plain(other)
    return one.is_same(other) or same(one, other, depth)


def _items(one: Item, other: Item, depth: int) -> bool:
    return same(one.owner, other.owner, depth) and _equal(one.key, other.key, depth)


def _attributes(one: Attribute, other: Attribute, depth: int) -> bool:
    return one.name == other.name and same(one.owner, other.owner, depth)


def _calls(one: Call, other: Call, depth: int) -> bool:
    if one.short != other.short or (one.name or one.method) not in STEADY or one.is_open or other.is_open:
        return False
    if len(one.arguments) != len(other.arguments) or set(one.keywords) != set(other.keywords):
        return False
    pairs = [*zip(one.arguments, other.arguments, strict=True), *((one.keywords[key], other.keywords[key]) for key in one.keywords)]
    if one.method and (one.receiver is None or other.receiver is None or not same(one.receiver, other.receiver, depth)):
        return False
    return bool(pairs or one.method) and all(_equal_argument(left, right, depth) for left, right in pairs)


def _equal_argument(one: Value, other: Value, depth: int) -> bool:
    first, second = plain(one), plain(other)
    if isinstance(first, Function) and isinstance(second, Function):
        return ast.dump(first.definition) == ast.dump(second.definition)
    return _equal(first, second, depth)


def _operations(one: Operation, other: Operation, depth: int) -> bool:
    if one.operator != other.operator or len(one.operands) != len(other.operands):
        return False
    pairs = list(zip(one.operands, other.operands, strict=True))
    return all(_equal(left, right, depth) for left, right in pairs) and any(same(left, right, depth) for left, right in pairs)


def _repeated(one: Repeated, other: Repeated, depth: int) -> bool:
    """Two comprehensions over the same that are written in the same way, over names that mean the same."""
    if one.kind != other.kind or not same(one.source, other.source, depth) or one.module is not other.module:
        return False
    nodes = (one.node, other.node)
    if not all(isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp)) and len(node.generators) == 1 for node in nodes):
        return False
    shapes = [_shape(node) for node in nodes if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp))]
    return shapes[0] == shapes[1]


def _shape(node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> tuple[str, ...]:
    """A comprehension's text but for its source, with the name that it binds replaced."""
    generator = node.generators[0]
    bound = {entry.id for entry in ast.walk(generator.target) if isinstance(entry, ast.Name)}
    texts = []
    for part in (node.elt, *generator.ifs):
        free = {entry.id for entry in ast.walk(part) if isinstance(entry, ast.Name)} - bound
        texts.append(" ".join([ast.unparse(part), *sorted(free)]) if len(bound) == 1 else ast.dump(part))
    text = "\n".join(texts)
    for name in bound:
        text = re.sub(rf"\b{re.escape(name)}\b", "_", text)
    return (text,)


def _displays(one: Display, other: Display, depth: int) -> bool:
    return (
        one.kind == other.kind == "tuple"
        and len(one.items) == len(other.items) > 0
        and not (one.added or other.added or one.is_open or other.is_open)
        and all(same(left, right, depth) for left, right in zip(one.items, other.items, strict=True))
    )


def _returned(one: Returned, other: Returned, depth: int) -> bool:
    return same(one.value, other.value, depth)


def _never(one: Value, other: Value, depth: int) -> bool:
    return False


_COMPARERS: dict[type[Value], Callable[..., bool]] = {
    Item: _items, Attribute: _attributes, Call: _calls, Operation: _operations, Repeated: _repeated, Display: _displays,
    Returned: _returned, Choice: _never, Instance: _never, Class: _never, Ref: _never,
}  # fmt: skip
