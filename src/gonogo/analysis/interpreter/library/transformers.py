"""`transformers.HfArgumentParser` and the dataclass objects that it makes.

The objects come in the order in which their classes were given.
"""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import FEW, UNKNOWN, AccessKind, Arguments, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.memory import Field
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, NoDefault
from gonogo.analysis.interpreter.values.bound import BoundMethod
from gonogo.analysis.interpreter.values.fields import taken
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.varied import settled

# The methods that give one object for each class; those of the first may add what is left of the command line.
PARSES = frozenset({"parse_args_into_dataclasses", "parse_args_and_config", "parse_json_file", "parse_yaml_file", "parse_dict"})
LEAVES_REST = "return_remaining_strings"

LIBRARY.reads_options("parse_args_into_dataclasses", "HfArgumentParser", "TrlParser")


@LIBRARY.call("transformers.HfArgumentParser", "transformers.hf_argparser.HfArgumentParser", "trl.TrlParser")
def parser(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`HfArgumentParser((ModelArguments, DataArguments))`, or one class alone."""
    types = settled(given.get(0, "dataclass_types"))
    if isinstance(types, Sequence):
        return UNKNOWN if types.open or given.open else ClassParser(tuple(types.values))
    return UNKNOWN if types.unknown or given.open else ClassParser((types,))


class ClassParser(Value):
    """A parser with the classes of which it makes objects; None where it was given more than these."""

    __slots__ = ("_classes", "_made")
    has_identity = True
    choices = FEW
    classes = Field[tuple[Value, ...] | None]()
    made = Field[tuple[Value, ...] | None]()

    def __init__(self, classes: tuple[Value, ...]) -> None:
        self._classes: object = classes
        self._made: object = None

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A method; after any but those that parse, what is parsed is not known."""
        if name not in PARSES:
            walk.memory.set(self, "classes", None)
            return UNKNOWN
        return BoundMethod(self, name)

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """Return the parsed objects, in the order of their classes.

        Programs parse a file or the command line: both give the same objects here.
        """
        if self.classes is None:
            return UNKNOWN
        if self.made is None:
            walk.memory.set(self, "made", tuple(taken(walk, each, at, is_nested=False) for each in self.classes))
        leaves = given.keywords.get(LEAVES_REST)
        if given.open or (leaves is not None and leaves.truth() is None):
            return UNKNOWN
        rest = [UNKNOWN] if leaves is not None and leaves.truth() else []
        return Sequence([*(self.made or ()), *rest], kind="tuple")

    def escape(self, walk: Walk, depth: int = 0) -> None:
        """Other code may add arguments."""
        walk.memory.set(self, "classes", None)
