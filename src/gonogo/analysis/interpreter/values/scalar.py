"""Numbers, texts, booleans, bytes and None that are known."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Hashable, Sequence

from gonogo.analysis.interpreter.base import (
    UNKNOWN,
    AccessKind,
    Arguments,
    Constant,
    Items,
    PlainReader,
    Stretches,
    Value,
    Walk,
)
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, NOT_KNOWN, UNHANDLED, NoDefault, Unhandled
from gonogo.analysis.interpreter.state import Path
from gonogo.analysis.interpreter.trace import Access, Status
from gonogo.analysis.interpreter.values.bound import BoundMethod

MAX_NUMBER = 10**12
MAX_ITERATED = 64
MAX_CONVERTED = 1000
TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool, "bytes": bytes}
NO_SCALARS = frozenset({"dict", "list", "tuple", "set", "omegaconf.DictConfig", "omegaconf.ListConfig", "pathlib.Path"})
# Members that a scalar of the config has by itself; anything else asked of it is a mistake.
MEMBERS = {kind: frozenset(dir(kind)) for kind in (str, int, float, bool, bytes, type(None))}

BINARY: dict[type[ast.operator], Callable[..., Constant]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
COMPARE: dict[type[ast.cmpop], Callable[..., object]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}

TextMethod = Callable[[Walk, str, Arguments], Value]
#: Methods of texts; `text_methods` fills it.
TEXT_METHODS: dict[str, TextMethod] = {}


class Scalar(Value):
    """One plain value of Python's; `path` is where it stood in the config, if it was read from there."""

    __slots__ = ("path", "value")
    inert = immutable = True
    never_none = False

    def __init__(self, value: Constant, path: Path | None = None) -> None:
        self.value = value
        self.path = path

    @property
    def tells_apart(self) -> bool:  # type: ignore[override]
        """Numbers do not."""
        return not isinstance(self.value, (int, float))

    def constant(self) -> Constant:
        """The value."""
        return self.value

    def truth(self) -> bool:
        """Whether it counts as true."""
        return bool(self.value)

    def is_none(self) -> bool:
        """Whether it is None."""
        return self.value is None

    def identity(self) -> Hashable:
        """The same plain value from the same place is the same."""
        return (type(self.value), self.value, self.path)

    def path_text(self) -> str | None:
        """A text as a path."""
        return self.value if isinstance(self.value, str) else None

    def shown(self) -> Stretches:
        """It as a text."""
        return (None,) if isinstance(self.value, bytes) else (str(self.value),)

    def concatenates(self) -> Stretches | None:
        """Only a text adds to a text."""
        return (self.value,) if isinstance(self.value, str) else None

    def length(self, walk: Walk) -> int | None:
        """How many characters or bytes it has."""
        return len(self.value) if isinstance(self.value, (str, bytes)) else None

    def is_instance(self, walk: Walk, names: frozenset[str], at: ast.AST) -> bool | None:
        """Python's own answer, where only Python's own types are asked for."""
        if any(isinstance(self.value, TYPES[name]) for name in names if name in TYPES):
            return True
        return False if all(name in TYPES or name in NO_SCALARS for name in names) else None

    def plain(self, reader: PlainReader, depth: int, path: Path) -> object:
        """The value."""
        return self.value

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A method; of a value of the config, anything else is recorded as a key that is not there."""
        if type(self.value) is not bytes and self.value is not None and name in MEMBERS[type(self.value)]:
            return BoundMethod(self, name)
        if default is not NO_DEFAULT:
            return default
        if self.path is not None and not name.startswith("__"):
            status, state = Status.NONE if self.value is None else Status.SCALAR, walk.state
            state.record(Access(state.site(at), kind, (*self.path, name), status, state.guarded, (), doubtful=state.in_doubt))
        walk.state.may_have_failed()
        return UNKNOWN

    def has_member(self, walk: Walk, name: str, at: ast.AST) -> bool:
        """Python's own answer."""
        return name in MEMBERS[type(self.value)]

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """A character."""
        index = key.constant()
        if isinstance(self.value, (str, bytes)) and type(index) is int and -len(self.value) <= index < len(self.value):
            return Scalar(self.value[index])
        return UNKNOWN

    def slice(self, walk: Walk, bounds: Sequence[Value | None]) -> Value:
        """A part of a text."""
        places = slice_of(bounds)
        return Scalar(self.value[places]) if places is not None and isinstance(self.value, str) else UNKNOWN

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """A method of a text."""
        method = TEXT_METHODS.get(name) if isinstance(self.value, str) else None
        return method(walk, self.value, given) if method is not None and isinstance(self.value, str) else UNKNOWN

    def iterate(self, walk: Walk) -> Items:
        """The characters of a short text."""
        if isinstance(self.value, str) and len(self.value) <= MAX_ITERATED:
            return Items([Scalar(character) for character in self.value], True)
        return Items((), False)

    def contains(self, walk: Walk, item: Value, at: ast.AST) -> bool | None:
        """Whether a text has another in it."""
        wanted = item.constant()
        return wanted in self.value if isinstance(self.value, str) and isinstance(wanted, str) else None

    def compare(self, walk: Walk, op: ast.cmpop, other: Value) -> bool | None:
        """Python's own answer for two plain values; None differs from whatever surely is not None."""
        function, right = COMPARE.get(type(op)), other.constant()
        if function is None:
            return None
        if right is not NOT_KNOWN:
            try:
                return bool(function(self.value, right))
            except TypeError:
                return None
        if self.value is None and isinstance(op, (ast.Eq, ast.NotEq)) and other.never_none:
            return isinstance(op, ast.NotEq)
        return None

    def binary(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """Arithmetic of numbers of a reasonable size."""
        function, right = BINARY.get(type(op)), other.constant()
        if function is None or not _is_small_number(self.value) or not _is_small_number(right):
            return UNHANDLED
        try:
            return Scalar(function(self.value, right))
        except (ArithmeticError, TypeError, ValueError):
            return UNKNOWN

    def negated(self, op: ast.unaryop) -> Value:
        """The number with the other sign, or with its own."""
        if isinstance(self.value, (int, float)) and isinstance(op, (ast.USub, ast.UAdd)):
            return Scalar(-self.value if isinstance(op, ast.USub) else +self.value)
        return UNKNOWN

    def converted(self, kind: type) -> Value:
        """It as another of Python's plain types."""
        if isinstance(self.value, str) and len(self.value) > MAX_CONVERTED:
            return UNKNOWN
        try:
            return Scalar(kind(self.value))
        except (TypeError, ValueError, OverflowError):
            return UNKNOWN


NONE, TRUE, FALSE = Scalar(None), Scalar(True), Scalar(False)


def truth_value(answer: bool | None) -> Value:
    """True, False or something unknown, for an answer that may not be known."""
    return UNKNOWN if answer is None else TRUE if answer else FALSE


def slice_of(bounds: Sequence[Value | None]) -> slice | None:
    """The bounds of a slice, None where they are not known, or none that Python takes."""
    places = [None if bound is None else bound.constant() for bound in bounds]
    start, stop, step = (place if type(place) is int else None for place in places)
    is_known = all(place is None or type(place) is int for place in places)
    return slice(start, stop, step) if is_known and step != 0 else None


def _is_small_number(value: object) -> bool:
    return isinstance(value, (int, float)) and abs(value) < MAX_NUMBER
