"""`argparse`: namespaces, and parsers, which Python's own reads known command lines for."""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

from gonogo.analysis.interpreter.base import FEW, UNKNOWN, AccessKind, Arguments, Value, Walk, let_go
from gonogo.analysis.interpreter.endings import ends_the_run
from gonogo.analysis.interpreter.library.json import of_data
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.memory import Field
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, NOT_KNOWN, NoDefault
from gonogo.analysis.interpreter.state import Site
from gonogo.analysis.interpreter.trace import Unreadable
from gonogo.analysis.interpreter.values.bound import BoundMethod
from gonogo.analysis.interpreter.values.one_of import OneOf
from gonogo.analysis.interpreter.values.options import Options, Parsed
from gonogo.analysis.interpreter.values.scalar import NONE, Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.varied import settled

GROUPS = frozenset({"add_argument_group", "add_mutually_exclusive_group"})
METHODS = GROUPS | {"add_argument", "set_defaults", "parse_args", "parse_known_args", "error", "print_help", "format_help", "print_usage"}
SHOWN = frozenset({"help", "metavar"})  # say nothing about how words are read
READ = frozenset({"action", "nargs", "const", "default", "choices", "required", "dest"})
NAMELESS = frozenset({"help", "version"})  # actions that leave nothing behind
ACTIONS = frozenset({"store", "store_const", "store_true", "store_false", "append", "append_const", "count", "extend"})
YES_OR_NO = "argparse.BooleanOptionalAction"
PLAIN_PARSER = frozenset({"prog", "usage", "description", "epilog", "formatter_class"})
SAME_NAMES = frozenset({"conflict_handler", "allow_abbrev", "add_help", "exit_on_error"})  # change how words are read, and no option's name
NAMING = ("action", "dest")  # what an option's name depends on, beside its flags
MAX_WORDS = 64
OF_NAMESPACE = frozenset(dir(argparse.Namespace))


LIBRARY.reads_options("parse_args", "parse_known_args")


@LIBRARY.call("argparse.ArgumentParser")
def parser(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`ArgumentParser(…)`, where nothing that it is given changes which options there are."""
    if given.open or not set(given.keywords) <= PLAIN_PARSER | SAME_NAMES or len(given.positional) > 1:
        return UNKNOWN
    return Parser(is_plain=set(given.keywords) <= PLAIN_PARSER)


@dataclass(frozen=True)
class Argument:
    """One argument of a parser: its names, what it was given, and what its values are made into.

    `is_exact`: all that it was given is known, so words can be read as Python reads them.
    """

    site: Site
    names: tuple[str, ...]
    options: Mapping[str, object]
    type: Value | None
    is_exact: bool = True


class Parser(Value):
    """A parser with its arguments; None where not all of them are known."""

    __slots__ = ("_arguments", "_is_plain")
    has_identity = True
    choices = FEW
    arguments = Field[tuple[Argument, ...] | None]()

    def __init__(self, is_plain: bool) -> None:
        self._arguments: object = ()
        self._is_plain = is_plain

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A method; after one of which no more is known, its arguments are not known."""
        if name not in METHODS:
            self._forget(walk)
            return UNKNOWN
        return BoundMethod(self, name)

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """Add arguments, or read the command line."""
        if name in GROUPS:
            return self  # what is added to a group is added to the parser
        if name in ("add_argument", "set_defaults"):
            site = walk.state.site(at)
            added = [_argument(given, site)] if name == "add_argument" else _defaults(given, site)
            if walk.state.uncertain or self.arguments is None or None in added:
                self._forget(walk)
            else:
                walk.memory.set(self, "arguments", (*self.arguments, *added))
            return UNKNOWN
        return self._read(walk, name == "parse_known_args", given, at) if name.startswith("parse") else UNKNOWN

    def escape(self, walk: Walk, depth: int = 0) -> None:
        """Other code may add arguments."""
        self._forget(walk)

    def _forget(self, walk: Walk) -> None:
        walk.memory.set(self, "arguments", None)

    def _read(self, walk: Walk, leaves_rest: bool, given: Arguments, at: ast.AST) -> Value:
        if self.arguments is None or given.open or set(given.keywords) - {"args"} or len(given.positional) > 1:
            let_go(walk, given)  # a namespace that it is given gets more attributes
            return UNKNOWN
        words = self._words(walk, given)
        # A child may be handed files that its parent has written, of which nothing is known.
        is_exact = self._is_plain and all(argument.is_exact for argument in self.arguments)
        if words is None or not is_exact or walk.process.site is not None:
            return self.named(walk, leaves_rest, at)
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
        result = Options({name: _made(walk, types.get(name), value, at) for name, value in vars(found).items()}, OF_NAMESPACE)
        return Sequence([result, Sequence(map(Scalar, rest))], kind="tuple") if leaves_rest else result

    def named(self, walk: Walk, leaves_rest: bool, at: ast.AST) -> Value:
        """Return the options by the names that Python's own parser derives for them.

        Their values are not known.
        """
        reader = argparse.ArgumentParser(add_help=False, conflict_handler="resolve")
        places: dict[str, Site] = {}
        values: dict[str, Value] = {}
        try:
            for argument in self.arguments or ():
                naming = {key: argument.options[key] for key in NAMING if key in argument.options}
                name = reader.add_argument(*argument.names, **naming).dest  # type: ignore[arg-type]
                places[name] = argument.site
                values[name] = UNKNOWN if name in values else _chosen(argument)
        except (TypeError, ValueError, AttributeError, argparse.ArgumentError):
            return UNKNOWN
        result = Options(values, OF_NAMESPACE)
        walk.state.record(Parsed(result, places))
        return Sequence([result, UNKNOWN], kind="tuple") if leaves_rest else result

    @staticmethod
    def _words(walk: Walk, given: Arguments) -> list[str] | None:
        """The words that are read, None where not all of them are known."""
        asked = given.get(0, "args", NONE)
        source = settled(asked) if asked.is_none() is not True else None
        is_given = source is not None
        if source is None:
            if walk.process.open:
                return None
            source = settled(walk.process.argv)
        if not isinstance(source, Sequence) or source.open:
            return None
        words = [word.constant() for word in (source.values if is_given else source.values[1:])]
        return words if len(words) <= MAX_WORDS and all(isinstance(word, str) for word in words) else None  # type: ignore[return-value]


def _argument(given: Arguments, site: Site) -> Argument | None:
    """What `add_argument` is given, None where not even the name of its option is known."""
    names = [name.constant() for name in given.positional]
    options = {name: _plain(value) for name, value in given.keywords.items() if name in READ}
    if given.open or not names or not all(isinstance(name, str) for name in names) or options.get("dest") is NOT_KNOWN:
        return None
    is_exact = NOT_KNOWN not in options.values() and not set(given.keywords) - READ - SHOWN - {"type"}
    action = options.get("action", "store")
    if action is NOT_KNOWN and given.keywords["action"].outside_name() == YES_OR_NO:
        options["action"] = action = "store"
    if action in NAMELESS:
        return Argument(site, tuple(map(str, names)), {"action": "help"}, None, is_exact=False)
    if action not in ACTIONS:
        return None  # an action of one's own may set anything
    return Argument(site, tuple(map(str, names)), options, given.keywords.get("type"), is_exact)


def _chosen(argument: Argument) -> Value:
    """Return what is known of the value of an option.

    It is known which values it may have where the parser rejects all others.
    """
    choices, default = argument.options.get("choices"), argument.options.get("default")
    is_plain = not set(argument.options) & {"nargs", "action", "const"} and (default is None or isinstance(default, (str, int, float)))
    if not is_plain or not isinstance(choices, list) or not choices:
        return UNKNOWN
    return OneOf(choices if argument.options.get("required") is True else [*choices, default])  # type: ignore[list-item]


def _defaults(given: Arguments, site: Site) -> list[Argument | None]:
    """What `set_defaults` adds: options that no word sets."""
    if given.open:
        return [None]
    return [Argument(site, (f"--{name}",), {"dest": name}, None, is_exact=False) for name in given.keywords]


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
