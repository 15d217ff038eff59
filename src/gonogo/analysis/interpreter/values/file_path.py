"""Paths of files."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Callable, Hashable, Iterable

from gonogo.analysis.interpreter.base import UNKNOWN, AccessKind, Arguments, Stretches, Value, Walk
from gonogo.analysis.interpreter.markers import ROOT
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, UNHANDLED, NoDefault, Unhandled
from gonogo.analysis.interpreter.trace import MadeFolder, Written
from gonogo.analysis.interpreter.values.bound import BoundMethod
from gonogo.analysis.interpreter.values.scalar import TRUE, Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.python.files import WRITING

WRITES = frozenset({"write_text", "write_bytes", "touch", "unlink", "rename", "replace"})


class FilePath(Value):
    """An absolute path; the experiment's root is called `/@`."""

    __slots__ = ("text",)
    immutable = True

    def __init__(self, text: str) -> None:
        self.text = text

    def identity(self) -> Hashable:
        """The same path is the same."""
        return (FilePath, self.text)

    def path_text(self) -> str:
        """The path as a text."""
        return self.text

    def shown(self) -> Stretches:
        """The path as a text."""
        return (self.text,)

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A part of the path, or a method."""
        part = PARTS.get(name)
        return part(self.text) if part is not None else BoundMethod(self, name)

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """A method of a path."""
        if name == "mkdir":
            walk.state.record(MadeFolder(walk.state.site(at), self.text))
        if name in WRITES or (name == "open" and may_write(given.get(0, "mode", Scalar("r")))):
            walk.state.record(Written(self.text))
        method = METHODS.get(name)
        return method(self, walk, given) if method is not None else UNKNOWN

    def binary(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """`path / part`."""
        return joined_path([self, other]) if isinstance(op, ast.Div) else UNHANDLED

    def reflected(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """`part / path`."""
        return joined_path([other, self]) if isinstance(op, ast.Div) else UNHANDLED

    def converted(self, kind: type) -> Value:
        """The path as a text."""
        return Scalar(self.text) if kind is str else UNKNOWN


def file_path(text: str) -> FilePath:
    """A path; a relative one is taken from the experiment's root, where the documented command is started."""
    return FilePath(posixpath.normpath(text if text.startswith("/") else posixpath.join(ROOT, text)))


def may_write(mode: Value) -> bool:
    """Whether a file that is opened in a mode may be written."""
    text = mode.constant()
    return not isinstance(text, str) or not WRITING.isdisjoint(text)


def joined_path(parts: Iterable[Value]) -> Value:
    """A path from parts; unknown if one of them is."""
    texts = [part.path_text() for part in parts]
    known = [text for text in texts if text is not None]
    return file_path(posixpath.join(*known)) if known and len(known) == len(texts) else UNKNOWN


def _parents(text: str) -> Value:
    found = []
    while text not in ("/", ""):
        text = posixpath.dirname(text)
        found.append(FilePath(text))
    return Sequence(found)


#: Attributes of paths.
PARTS: dict[str, Callable[[str], Value]] = {
    "parent": lambda text: FilePath(posixpath.dirname(text)),
    "name": lambda text: Scalar(posixpath.basename(text)),
    "stem": lambda text: Scalar(posixpath.splitext(posixpath.basename(text))[0]),
    "suffix": lambda text: Scalar(posixpath.splitext(text)[1]),
    "parents": _parents,
}


def _itself(owner: FilePath, walk: Walk, given: Arguments) -> Value:
    return owner


def _join(owner: FilePath, walk: Walk, given: Arguments) -> Value:
    return joined_path([owner, *given.positional])


def _exists(owner: FilePath, walk: Walk, given: Arguments) -> Value:
    return TRUE if walk.file_text(owner.text) is not None else UNKNOWN


def _text(owner: FilePath, walk: Walk, given: Arguments) -> Value:
    return Scalar(owner.text)


def _open(owner: FilePath, walk: Walk, given: Arguments) -> Value:
    return walk.outside(f"open:{owner.text}")


def _read_text(owner: FilePath, walk: Walk, given: Arguments) -> Value:
    return walk.outside(f"open:{owner.text}.read()")


#: Methods of paths.
METHODS: dict[str, Callable[[FilePath, Walk, Arguments], Value]] = {
    "resolve": _itself,
    "absolute": _itself,
    "expanduser": _itself,
    "joinpath": _join,
    "exists": _exists,
    "is_file": _exists,
    "as_posix": _text,
    "__str__": _text,
    "__fspath__": _text,
    "open": _open,
    "read_text": _read_text,
}
