"""`argparse`: namespaces, and parsers, which Python's own reads known command lines for."""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

from gonogo.analysis.interpreter.base import FEW, UNKNOWN, AccessKind, Arguments, Value, Walk
from gonogo.analysis.interpreter.endings import ends_the_run
from gonogo.analysis.interpreter.library.json import of_data
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.memory import Field
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, NOT_KNOWN, NoDefault
from gonogo.analysis.interpreter.trace import Unreadable
from gonogo.analysis.interpreter.values.bound import BoundMethod
from gonogo.analysis.interpreter.values.objects import Instance
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.varied import settled

METHODS = frozenset({"add_argument", "parse_args", "parse_known_args", "error"})
SHOWN = frozenset({"help", "metavar"})  # say nothing about how words are read
READ = frozenset({"action", "nargs", "const", "default", "choices", "required", "dest"})
MAX_WORDS = 64


@LIBRARY.call("argparse.Namespace")
def namespace(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`Namespace(key=…)`."""
    return Instance(None, dict(given.keywords))


@LIBRARY.call("argparse.ArgumentParser")
def parser(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`ArgumentParser(…)`, where nothing that it is given changes how words are read."""
    shown = {"prog", "usage", "description", "epilog", "formatter_class"}
    return Parser() if not given.open and set(given.keywords) <= shown and len(given.positional) <= 1 else UNKNOWN


@dataclass(frozen=True)
class Argument:
    """One argument of a parser: its names, what it was given, and what its values are made into."""

    names: tuple[str, ...]
    options: Mapping[str, object]
    type: Value | None


class Parser(Value):
    """A parser with its arguments; None where not all of them are known."""

    __slots__ = ("_arguments",)
    has_identity = True
    choices = FEW
    arguments = Field[tuple[Argument, ...] | None]()

    def __init__(self) -> None:
        self._arguments: object = ()

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A method; after one of which no more is known, its arguments are not known."""
        if name not in METHODS:
            self._forget(walk)
            return UNKNOWN
        return BoundMethod(self, name)

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """Add an argument, or read the command line."""
        if name == "add_argument":
            added = _argument(given)
            if added is None or walk.state.uncertain or self.arguments is None:
                self._forget(walk)
            else:
                walk.memory.set(self, "arguments", (*self.arguments, added))
            return UNKNOWN
        return self._read(walk, name == "parse_known_args", given, at) if name != "error" else UNKNOWN

    def escape(self, walk: Walk, depth: int = 0) -> None:
        """Other code may add arguments."""
        self._forget(walk)

    def _forget(self, walk: Walk) -> None:
        walk.memory.set(self, "arguments", None)

    def _read(self, walk: Walk, leaves_rest: bool, given: Arguments, at: ast.AST) -> Value:
        words = self._words(walk, given)
        if words is None or self.arguments is None or given.keywords or given.open:
            return UNKNOWN
        reader, shown = argparse.ArgumentParser(prog="evaluate", add_help=False), io.StringIO()
        try:
            actions = [(reader.add_argument(*argument.names, **argument.options), argument) for argument in self.arguments]  # type: ignore[arg-type]
        except (TypeError, ValueError, AttributeError, argparse.ArgumentError):
            return UNKNOWN
        try:
            with contextlib.redirect_stderr(shown):
                found, rest = reader.parse_known_args(words) if leaves_rest else (reader.parse_args(words), [])
        except SystemExit:
            if ends_the_run(walk.state, "SystemExit"):
                message = shown.getvalue().strip().rpartition("error: ")[2]
                walk.state.record(Unreadable(walk.state.site(at), "command-line arguments", " ".join(words), message))
            return UNKNOWN
        types = {action.dest: argument for action, argument in actions}
        values = {name: _made(walk, types.get(name), value, at) for name, value in vars(found).items()}
        result = Instance(None, values)
        return Sequence([result, Sequence(map(Scalar, rest))], kind="tuple") if leaves_rest else result

    @staticmethod
    def _words(walk: Walk, given: Arguments) -> list[str] | None:
        """The words that are read, None where not all of them are known."""
        source = settled(given.positional[0]) if given.positional and given.positional[0].is_none() is not True else None
        if source is None:
            if walk.process.open:
                return None
            source = settled(walk.process.argv)
        if not isinstance(source, Sequence) or source.open:
            return None
        words = [word.constant() for word in (source.values if given.positional else source.values[1:])]
        return words if len(words) <= MAX_WORDS and all(isinstance(word, str) for word in words) else None  # type: ignore[return-value]


def _argument(given: Arguments) -> Argument | None:
    """What `add_argument` is given, None where not all of it is known."""
    names = [name.constant() for name in given.positional]
    options = {name: _plain(value) for name, value in given.keywords.items() if name in READ}
    if given.open or not all(isinstance(name, str) for name in names) or set(given.keywords) - READ - SHOWN - {"type"}:
        return None
    if NOT_KNOWN in options.values() or options.get("action") in ("help", "version"):
        return None
    return Argument(tuple(map(str, names)), options, given.keywords.get("type"))


def _plain(value: Value) -> object:
    value = settled(value)
    if not isinstance(value, Sequence):
        return value.constant()
    entries = [entry.constant() for entry in value.values]
    return NOT_KNOWN if value.open or NOT_KNOWN in entries else entries


def _made(walk: Walk, argument: Argument | None, value: object, at: ast.AST) -> Value:
    """A word of the command line, or a list of them, as the argument's type makes it."""
    plain = of_data(value)
    if argument is None or argument.type is None or value == argument.options.get("default"):
        return plain
    if isinstance(plain, Sequence):
        return Sequence([argument.type.call(walk, Arguments([entry]), at) for entry in plain.values])
    return argument.type.call(walk, Arguments([plain]), at) if isinstance(value, str) else plain
