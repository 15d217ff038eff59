"""What the methods of texts give."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as PlainSequence

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Constant, Value, Walk
from gonogo.analysis.interpreter.sentinels import NOT_KNOWN, NotKnown
from gonogo.analysis.interpreter.values.scalar import TEXT_METHODS, Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence

MAX_OWNER = 10_000
MAX_INSERTED = 500
PLAIN = (
    "lower", "upper", "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "replace", "startswith", "endswith", "title",
    "capitalize", "partition", "rpartition", "removeprefix", "removesuffix", "isdigit", "isalpha", "isidentifier", "casefold", "find",
    "index", "count", "swapcase",
)  # fmt: skip
Plain = Constant | tuple[Constant, ...]


def _join(walk: Walk, owner: str, given: Arguments) -> Value:
    if not given.positional:
        return UNKNOWN
    items, complete = given.positional[0].iterate(walk)

    def in_one(values: PlainSequence[Value]) -> Value:
        texts = [text for item in values if isinstance(text := item.constant(), str)]
        return Scalar(owner.join(texts)) if complete and len(texts) == len(values) else UNKNOWN

    return walk.memory.over(items, in_one)


def _format(walk: Walk, owner: str, given: Arguments) -> Value:
    names = list(given.keywords)

    def filled(values: PlainSequence[Value]) -> Value:
        plain = [value.constant() for value in values]
        if ":" in owner or not all(isinstance(value, (str, int, float, bool)) and len(str(value)) < MAX_INSERTED for value in plain):
            return UNKNOWN
        count = len(given.positional)
        return _attempt(lambda: owner.format(*plain[:count], **dict(zip(names, plain[count:], strict=True))))

    return walk.memory.over(given.values(), filled)


def _plain(name: str) -> Callable[[Walk, str, Arguments], Value]:
    """A method that Python itself may be asked, if all that it is given is plain."""

    def method(walk: Walk, owner: str, given: Arguments) -> Value:
        if given.open or given.keywords or len(owner) > MAX_OWNER:
            return UNKNOWN
        return walk.memory.over(given.positional, lambda values: _called(name, owner, [_as_plain(value) for value in values]))

    return method


def _called(name: str, owner: str, plain: list[Plain | NotKnown]) -> Value:
    return UNKNOWN if NOT_KNOWN in plain else _attempt(lambda: getattr(owner, name)(*plain))


def _as_plain(value: Value) -> Plain | NotKnown:
    """A plain value, or a tuple of such."""
    if not isinstance(value, Sequence) or value.kind != "tuple":
        return value.constant()
    items = tuple(item.constant() for item in value.values)
    return NOT_KNOWN if NOT_KNOWN in items else items  # type: ignore[return-value]


def _attempt(action: Callable[[], object]) -> Value:
    try:
        result = action()
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
        return UNKNOWN
    if isinstance(result, (list, tuple)):
        return Sequence([Scalar(item) for item in result], kind=type(result).__name__)
    return Scalar(result)  # type: ignore[arg-type]


TEXT_METHODS.update({"join": _join, "format": _format, **{name: _plain(name) for name in PLAIN}})
