"""The nodes of the value graph: what an expression may stand for, and what that was made of."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from gonogo.analysis.python.modules import Module

MAX_OPTIONS = 8


class Mode(Enum):
    """Whether something is switched on where a call stands."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


class Context(NamedTuple):
    """What surrounds a call.

    Attributes:
        grad: whether the automatic differentiation records.
        autocast: whether mixed precision is on.
    """

    grad: Mode = Mode.ON
    autocast: Mode = Mode.OFF


class Value:
    """A node; two nodes are the same value only if they are the same object.

    Attributes:
        module: where it is written.
        node: the expression that made it.
    """

    __slots__ = ("module", "node")

    def __init__(self, module: Module, node: ast.AST) -> None:
        self.module = module
        self.node = node

    def inputs(self) -> Iterator[Value]:
        """What the value was made of."""
        return iter(())

    def is_same(self, other: Value) -> bool:
        """Return whether two values are the same.

        They are if they are the same node, equal literals, the same name of a library, or the same function.
        """
        return self is other

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {ast.unparse(self.node)[:60]} {self.module.path}:{getattr(self.node, 'lineno', 0)}>"


class Unknown(Value):
    """A value of which nothing is known."""

    __slots__ = ()


class Const(Value):
    """A literal, or what is computed of literals."""

    __slots__ = ("value",)

    def __init__(self, module: Module, node: ast.AST, value: object) -> None:
        super().__init__(module, node)
        self.value = value

    def is_same(self, other: Value) -> bool:
        return isinstance(other, Const) and type(self.value) is type(other.value) and self.value == other.value


class Ref(Value):
    """A reference to something in a library by its dotted name.

    Examples: `torch.optim.Adam`, `numpy`. Builtins have their plain name.
    """

    __slots__ = ("name",)

    def __init__(self, module: Module, node: ast.AST, name: str) -> None:
        super().__init__(module, node)
        self.name = name

    def is_same(self, other: Value) -> bool:
        return isinstance(other, Ref) and self.name == other.name


class ModuleValue(Value):
    """A module of the project."""

    __slots__ = ("target",)

    def __init__(self, module: Module, node: ast.AST, target: Module) -> None:
        super().__init__(module, node)
        self.target = target


class Call(Value):
    """A call of something that is not walked into.

    It is a library's function, a method of a library's object, or something unknown.

    Attributes:
        callee: what is called; for a method an `Attribute`.
        arguments: by place.
        keywords: by name.
        is_open: more arguments may be given by `*` or `**`.
        context: what surrounds the call.
    """

    __slots__ = ("arguments", "callee", "context", "is_open", "keywords")

    def __init__(
        self,
        module: Module,
        node: ast.AST,
        callee: Value,
        arguments: tuple[Value, ...] = (),
        keywords: dict[str, Value] | None = None,
        is_open: bool = False,
        context: Context | None = None,
    ) -> None:
        super().__init__(module, node)
        self.callee = callee
        self.arguments = arguments
        self.keywords = keywords or {}
        self.is_open = is_open
        self.context = context or Context()

    @property
    def name(self) -> str:
        """The dotted name of what is called, empty where it is a method or unknown."""
        callee = self.callee
        return callee.name if isinstance(callee, Ref) else ""

    @property
    def method(self) -> str:
        """The name of the method that is called, empty for a function."""
        callee = self.callee
        return callee.name if isinstance(callee, Attribute) else ""

    @property
    def short(self) -> str:
        """The last part of the name of what is called."""
        return self.method or self.name.rpartition(".")[2]

    @property
    def receiver(self) -> Value | None:
        """What the method is called on."""
        return self.callee.owner if isinstance(self.callee, Attribute) else None

    def argument(self, index: int | None, *names: str) -> Value | None:
        """What is given for a parameter, by name or place; None where it is not given in so many words."""
        for name in names:
            if name in self.keywords:
                return self.keywords[name]
        return self.arguments[index] if index is not None and index < len(self.arguments) else None

    def given(self) -> Iterator[Value]:
        """Every argument."""
        yield from self.arguments
        yield from self.keywords.values()

    def inputs(self) -> Iterator[Value]:
        yield self.callee
        yield from self.arguments
        yield from self.keywords.values()


class Returned(Value):
    """What calling an object of the project gave: the call, and the value that its method returned."""

    __slots__ = ("call", "value")

    def __init__(self, call: Call, value: Value) -> None:
        super().__init__(call.module, call.node)
        self.call = call
        self.value = value

    def inputs(self) -> Iterator[Value]:
        yield self.value


class Attribute(Value):
    """An attribute of a value that the walk does not know the content of."""

    __slots__ = ("name", "owner")

    def __init__(self, module: Module, node: ast.AST, owner: Value, name: str) -> None:
        super().__init__(module, node)
        self.owner = owner
        self.name = name

    def inputs(self) -> Iterator[Value]:
        yield self.owner


class Item(Value):
    """A subscript: one entry, a slice, a selection."""

    __slots__ = ("key", "owner")

    def __init__(self, module: Module, node: ast.AST, owner: Value, key: Value) -> None:
        super().__init__(module, node)
        self.owner = owner
        self.key = key

    def inputs(self) -> Iterator[Value]:
        yield self.owner
        yield self.key


class Span(Value):
    """A slice, `start:stop:step`; None for what is not written."""

    __slots__ = ("start", "step", "stop")

    def __init__(self, module: Module, node: ast.AST, start: Value | None, stop: Value | None, step: Value | None) -> None:
        super().__init__(module, node)
        self.start, self.stop, self.step = start, stop, step

    def inputs(self) -> Iterator[Value]:
        return (entry for entry in (self.start, self.stop, self.step) if entry is not None)


class Element(Value):
    """One element that iterating over a value gives.

    `sample` is how one element of it was made, where that is known.
    """

    __slots__ = ("owner", "sample")

    def __init__(self, module: Module, node: ast.AST, owner: Value, sample: Value | None = None) -> None:
        super().__init__(module, node)
        self.owner = owner
        self.sample = sample

    def inputs(self) -> Iterator[Value]:
        yield self.owner
        if self.sample is not None:
            yield self.sample


class Operation(Value):
    """An operator and its operands: `+`, `==`, `not`, `and`, `in` …"""

    __slots__ = ("operands", "operator")

    def __init__(self, module: Module, node: ast.AST, operator: str, operands: tuple[Value, ...]) -> None:
        super().__init__(module, node)
        self.operator = operator
        self.operands = operands

    def inputs(self) -> Iterator[Value]:
        return iter(self.operands)


class Display(Value):
    """A list, tuple or set that is written out in the code.

    `is_open` says that `*` may put more in; `added` holds what is put in later on.
    """

    __slots__ = ("added", "is_open", "items", "kind")

    def __init__(self, module: Module, node: ast.AST, kind: str, items: tuple[Value, ...], is_open: bool = False) -> None:
        super().__init__(module, node)
        self.kind = kind
        self.items = items
        self.is_open = is_open
        self.added: list[Value] = []

    def inputs(self) -> Iterator[Value]:
        yield from self.items
        yield from self.added


class Mapping(Value):
    """A dict that is written out, or the content of `dict(…)`.

    `is_open` says that `**` may put more in; `added` holds what is put in later on.
    """

    __slots__ = ("added", "entries", "is_open")

    def __init__(self, module: Module, node: ast.AST, entries: tuple[tuple[Value, Value], ...], is_open: bool = False) -> None:
        super().__init__(module, node)
        self.entries = entries
        self.is_open = is_open
        self.added: list[Value] = []

    def inputs(self) -> Iterator[Value]:
        for key, value in self.entries:
            yield key
            yield value
        yield from self.added


class Repeated(Value):
    """A container whose entries are all made in the same way: a comprehension; `key` for those of a dict."""

    __slots__ = ("element", "key", "kind", "source")

    def __init__(self, module: Module, node: ast.AST, kind: str, element: Value, source: Value, key: Value | None = None) -> None:
        super().__init__(module, node)
        self.kind = kind
        self.element = element
        self.source = source
        self.key = key

    def inputs(self) -> Iterator[Value]:
        yield self.element
        yield self.source


class Text(Value):
    """A formatted text."""

    __slots__ = ("parts",)

    def __init__(self, module: Module, node: ast.AST, parts: tuple[Value, ...]) -> None:
        super().__init__(module, node)
        self.parts = parts

    def inputs(self) -> Iterator[Value]:
        return iter(self.parts)


class Formatted(Value):
    """One value in a formatted text, with its format such as `.2%`."""

    __slots__ = ("format", "value")

    def __init__(self, module: Module, node: ast.AST, value: Value, text: str) -> None:
        super().__init__(module, node)
        self.value = value
        self.format = text

    def inputs(self) -> Iterator[Value]:
        yield self.value


class Choice(Value):
    """One of several values: which one depends on a branch taken, or on the turn of a loop."""

    __slots__ = ("options",)

    def __init__(self, module: Module, node: ast.AST, options: Iterable[Value]) -> None:
        super().__init__(module, node)
        self.options: list[Value] = []
        for option in options:
            self.add(option)

    def add(self, option: Value) -> None:
        """Add an option that is not there yet; of too many, one unknown is kept."""
        if option is self:
            return
        for entry in option.options if isinstance(option, Choice) and not self._is_within(option) else [option]:
            if entry is self or any(entry.is_same(other) for other in self.options):
                continue
            if len(self.options) < MAX_OPTIONS:
                self.options.append(entry)
            elif not any(isinstance(other, Unknown) for other in self.options):
                self.options.append(Unknown(self.module, self.node))

    def _is_within(self, other: Choice) -> bool:
        return any(entry is self for entry in other.options)

    def inputs(self) -> Iterator[Value]:
        return iter(self.options)


class Turn(Choice):
    """What a name stands for at the head of a loop.

    It is what the name was before the loop, or what the body left it as. It is open while the body is walked.
    """

    __slots__ = ("is_open",)

    def __init__(self, module: Module, node: ast.AST, before: Value) -> None:
        super().__init__(module, node, ())
        self.is_open = True
        self.options.append(before)


class Parameter(Value):
    """What a function is given by callers that the walk does not know."""

    __slots__ = ("annotation", "default", "function", "name")

    def __init__(
        self,
        module: Module,
        node: ast.AST,
        name: str,
        function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        annotation: str = "",
        default: ast.expr | None = None,
    ) -> None:
        super().__init__(module, node)
        self.name = name
        self.function = function
        self.annotation = annotation
        self.default = default


def choice(module: Module, node: ast.AST, options: Iterable[Value]) -> Value:
    """One value for several, itself where there is only one."""
    made = Choice(module, node, options)
    return made.options[0] if len(made.options) == 1 else made if made.options else Unknown(module, node)


def plain(value: Value) -> Value:
    """The value behind what a call returned, and behind a choice that has one option."""
    while True:
        if isinstance(value, Returned):
            value = value.value
        elif isinstance(value, Choice) and len(value.options) == 1 and not (isinstance(value, Turn) and value.is_open):
            value = value.options[0]
        else:
            return value


def options(value: Value, depth: int = 0) -> list[Value]:
    """Every value that a value may be, choices within choices taken apart."""
    value = plain(value)
    if not isinstance(value, Choice):
        return [value]
    found: list[Value] = []
    seen: set[Value] = {value}
    pending = list(value.options)
    while pending and len(found) < 4 * MAX_OPTIONS:
        entry = plain(pending.pop(0))
        if entry in seen:
            continue
        seen.add(entry)
        if isinstance(entry, Choice):
            pending += entry.options
        else:
            found.append(entry)
    return found


def constant(value: Value | None) -> object:
    """The literal that a value surely is, `...` for anything else."""
    if value is None:
        return ...
    value = plain(value)
    return value.value if isinstance(value, Const) else ...


def text(value: Value | None) -> str | None:
    """The text that a value surely is."""
    known = constant(value)
    return known if isinstance(known, str) else None


def number(value: Value | None) -> float | None:
    """The number that a value surely is; True and False are none."""
    known = constant(value)
    return known if isinstance(known, (int, float)) and not isinstance(known, bool) else None


def is_none(value: Value | None) -> bool:
    """Whether a value surely is None."""
    return value is not None and constant(value) is None
