"""Dicts whose keys are attributes as well: `easydict`, `munch`, `box`."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Value, Walk, let_go
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.values.section import Section, section_of

LIBRARY.reads_options("easydict", "munch", "from box import", "dict.__getitem__", "self.__dict__ = self")


class EasyDict(Section):
    """A dict that makes dicts of its kind of all dicts in it."""

    __slots__ = ()


class Munch(Section):
    """A dict that leaves dicts in it as they are."""

    __slots__ = ()
    NATIVE = Section.NATIVE | {"toDict", "fromDict", "toJSON", "fromJSON", "toYAML", "fromYAML"}
    nests = False


class Munchified(Munch):
    """A dict of which all inner dicts were made such dicts."""

    __slots__ = ()
    nests = True


@LIBRARY.call("easydict.EasyDict", "easydict.EasyDict.EasyDict")
def easydict(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`EasyDict({…})`, `EasyDict(key=…)`."""
    return section_of(walk, EasyDict(), given)


@LIBRARY.call("munch.Munch")
def munch(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`Munch({…})`, `Munch(key=…)`."""
    return section_of(walk, Munch(), given)


@LIBRARY.call("munch.munchify", "munch.Munch.fromDict")
def munchify(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`munchify({…})`: another kind of dict than its own may be asked for."""
    if given.keywords or len(given.positional) != 1:
        let_go(walk, given)
        return UNKNOWN
    return section_of(walk, Munchified(), given)


class Box(Section):
    """A dict that also finds keys by what their names are like."""

    __slots__ = ()
    NATIVE = Section.NATIVE | {
        "from_json", "from_msgpack", "from_toml", "from_yaml", "merge_update", "to_dict", "to_json", "to_msgpack", "to_toml", "to_yaml",
    }  # fmt: skip

    def put(self, walk: Walk, name: str, value: Value) -> None:
        """A key that is no name of Python's has others by which it is found."""
        if not name.isidentifier():
            walk.memory.set(self, "open", True)
        super().put(walk, name, value)


@LIBRARY.call("box.Box")
def box(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`Box({…})`: settings of its own (`default_box=True`) change what is found."""
    if given.keywords:
        let_go(walk, given)
        return UNKNOWN
    return section_of(walk, Box(), given)
