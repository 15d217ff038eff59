"""`simple_parsing`: the parser of `argparse`, which also takes dataclasses, each under a name."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, AccessKind, Arguments, Value, Walk
from gonogo.analysis.interpreter.library.argparse import PLAIN_PARSER, SAME_NAMES, Parser
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.memory import Field
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, NoDefault
from gonogo.analysis.interpreter.values.bound import BoundMethod
from gonogo.analysis.interpreter.values.fields import taken
from gonogo.analysis.interpreter.values.options import Options
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.varied import settled

ADDS = "add_arguments"
# Settings of the parser that change how words are written, and not where values are found.
SPELLING = frozenset({"add_option_string_dash_variants", "argument_generation_mode", "nested_mode", "conflict_resolution"})

LIBRARY.reads_options("simple_parsing")


class ClassesParser(Parser):
    """A parser; `classes` has the dataclasses that it was given, each with its name."""

    __slots__ = ("_classes",)
    classes = Field[tuple[tuple[str, Value], ...]]()

    def __init__(self) -> None:
        super().__init__(is_plain=False)
        self._classes: object = ()

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A method."""
        return BoundMethod(self, name) if name == ADDS else super().member(walk, name, at, default, kind)

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """Add the fields of a dataclass, or what `argparse` does."""
        if name != ADDS:
            return super().call_method(walk, name, given, at)
        dest = given.get(1, "dest").constant()
        if given.open or walk.state.uncertain or not isinstance(dest, str) or "." in dest:
            self.escape(walk)
        else:
            walk.memory.set(self, "classes", (*self.classes, (dest, given.get(0, "dataclass"))))
        return UNKNOWN

    def named(self, walk: Walk, leaves_rest: bool, at: ast.AST) -> Value:
        """The options by name, and an object of each dataclass."""
        found = super().named(walk, leaves_rest, at)
        options = found.values[0] if isinstance(found, Sequence) else found
        if isinstance(options, Options):
            for dest, cls in self.classes:
                options.set_member(walk, dest, taken(walk, cls, at), at)
        return found


@LIBRARY.call("simple_parsing.ArgumentParser")
def parser(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`ArgumentParser(…)`; a file of settings may be given to it, which sets what is there."""
    known = PLAIN_PARSER | SAME_NAMES | SPELLING | {"config_path", "add_config_path_arg"}
    return ClassesParser() if not given.open and not given.positional and set(given.keywords) <= known else UNKNOWN


@LIBRARY.call("simple_parsing.parse")
def parse(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`simple_parsing.parse(Config)`: an object of the class, or of the class of its default."""
    return UNKNOWN if given.open or "default" in given.keywords else taken(walk, given.get(0, "config_class"), at)


@LIBRARY.call("simple_parsing.parse_known_args")
def parse_known_args(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """The same, and what is left of the command line."""
    return Sequence([settled(parse(walk, given, at)), UNKNOWN], kind="tuple")
