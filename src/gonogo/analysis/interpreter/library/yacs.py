"""`yacs.config.CfgNode`: defaults that the code writes down.

Files and command lines may change these keys but may not add any.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Spread, Value, Walk
from gonogo.analysis.interpreter.library.json import of_data
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.markers import ROOT
from gonogo.analysis.interpreter.memory import Field
from gonogo.analysis.interpreter.sentinels import ABSENT, NOT_KNOWN
from gonogo.analysis.interpreter.values.file_path import file_path
from gonogo.analysis.interpreter.values.mapping import Mapping as MappingValue
from gonogo.analysis.interpreter.values.options import Filled, KeyPath
from gonogo.analysis.interpreter.values.scalar import NONE, truth_value
from gonogo.analysis.interpreter.values.section import MAX_DEPTH, READS, WRITES, Section
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.varied import settled
from gonogo.documents.yaml import parse_yaml

NAMES = ("yacs.config.CfgNode", "fvcore.common.config.CfgNode", "yacs.config.CfgNode.CfgNode")
MERGES = frozenset({"merge_from_file", "merge_from_list", "merge_from_other_cfg"})
REGISTERS = frozenset({"register_deprecated_key", "register_renamed_key"})
OWN = frozenset(
    {
        "clone",
        "freeze",
        "defrost",
        "is_frozen",
        "dump",
        "key_is_deprecated",
        "key_is_renamed",
        "is_new_allowed",
        "load_cfg",
        "set_new_allowed",
    }
)
NATIVE = READS | WRITES | MERGES | REGISTERS | OWN | frozenset(dir(dict)) | {"raise_key_rename_error", "_load_cfg_from_yaml_str"}

LIBRARY.reads_options("CfgNode", "yacs")


@LIBRARY.call(*NAMES)
def node(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`CfgNode()`, `CfgNode({…})`, `CfgNode(new_allowed=True)`."""
    made = Node()
    allowed = given.keywords.get("new_allowed", given.positional[2] if len(given.positional) > 2 else None)
    start = given.get(0, "init_dict", NONE)
    if start.is_none() is not True:
        made.fill(walk, settled(start))
    if given.open:
        walk.memory.set(made, "open", True)
    if allowed is not None and allowed.truth() is not False:
        walk.memory.set(made, "forgives", True)
    return made


class Node(Section):
    """A node of the config.

    Attributes:
        forgives: merging may add keys to it.
        passed: keys, as texts with dots, that merging passes over where they are not there.
        frozen: nothing sets its keys, until it is thawed.
    """

    __slots__ = ("_forgives", "_frozen", "_passed")
    NATIVE = NATIVE
    DEFINE = "give it a default: `_C.{title}{{name}} = …`"
    forgives = Field[bool]()
    passed = Field[frozenset[object]]()
    frozen = Field[bool]()

    def __init__(self, values: dict[str, Value] | None = None) -> None:
        super().__init__(values)
        self._forgives: object = False
        self._frozen: object = False
        self._passed: object = frozenset()

    def is_instance(self, walk: Walk, names: frozenset[str], at: ast.AST) -> bool | None:
        """It is a dict and a node."""
        return True if names & {"dict", *NAMES} else None

    def nested(self, walk: Walk, value: Value, depth: int = 0) -> Value:
        """A dict that is set later stays what it is."""
        return value

    def take(self, walk: Walk, spread: Spread) -> None:
        """Dicts that are given at the start become nodes."""
        values = {key: Section.nested(self, walk, value) for key, value in spread.items.items()}
        super().take(walk, Spread(values, {}, spread.maybe, spread.open))

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """A method."""
        if name in READS:
            return self.view().call_method(walk, name, given, at)
        if name in WRITES:
            walk.memory.set(self, "open", True)
        elif name in REGISTERS:
            walk.memory.set(self, "passed", self.passed | {given.get(0, "key").constant()})
        elif name == "set_new_allowed":
            self._each_node(lambda inner: walk.memory.set(inner, "forgives", True))
        elif name in ("freeze", "defrost"):
            is_frozen = name == "freeze" and not walk.state.uncertain
            self._each_node(lambda inner: walk.memory.set(inner, "frozen", is_frozen))
        elif name == "clone":
            return self.clone(walk)
        elif name in MERGES:
            self._merge(walk, name, given.get(0, "cfg_filename"), at)
        return truth_value(self.frozen) if name == "is_frozen" and not walk.state.uncertain else NONE if name in MERGES else UNKNOWN

    def clone(self, walk: Walk, depth: int = 0) -> Value:
        """A deep copy."""
        copy = super().clone(walk, depth)
        if isinstance(copy, Node):
            for field in ("open", "forgives", "frozen", "passed"):
                walk.memory.set(copy, field, getattr(self, field))
        return copy

    def release(self, walk: Walk, depth: int = 0) -> None:
        """Other code may add keys, if it is not frozen."""
        self.escape(walk)
        self._each_node(lambda inner: None if inner.frozen else walk.memory.set(inner, "open", True))

    def _each_node(self, action: Callable[[Node], None]) -> None:
        self.each(lambda inner: action(inner) if isinstance(inner, Node) else None)

    # -- merging ------------------------------------------------------------------------------------------------------

    def _merge(self, walk: Walk, name: str, source: Value, at: ast.AST) -> None:
        other = settled(source)
        path = file_path(other.path_text() or "").text if name == "merge_from_file" and other.path_text() is not None else None
        data = self._data(name, other)
        if walk.state.is_certain and not walk.state.is_deferred and (path is not None or data):
            relative = None if path is None else path.removeprefix(f"{ROOT}/")
            walk.state.record(Filled(walk.state.site(at), relative, self.accepts(), data))
        if name == "merge_from_other_cfg" and not isinstance(other, Node):
            other.release(walk)
        text = walk.file_text(path) if path is not None and not walk.state.uncertain else None
        read = parse_yaml(text) if text is not None else None
        if read is not None and read.error is None:
            self._take(walk, read.value)
        else:
            self._forget(walk)

    @staticmethod
    def _data(name: str, other: Value) -> object:
        """Return the keys and values of a list in the code, as a file would have them.

        None where they are not known.
        """
        if name != "merge_from_list" or not isinstance(other, Sequence) or other.open:
            return None
        words = [word.constant() for word in other.values]
        found: dict[str, object] = {}
        for key, value in zip(words[::2], words[1::2], strict=False):
            here, parts = found, key.split(".") if isinstance(key, str) and value is not NOT_KNOWN else []
            for part in parts[:-1]:
                inner = here.setdefault(part, {})
                here = inner if isinstance(inner, dict) else {}
            if parts:
                here[parts[-1]] = value
        return found

    def _take(self, walk: Walk, data: object) -> None:
        """Keys get the values that a file gives them."""
        for key, value in data.items() if isinstance(data, dict) else ():
            inner = self.attributes.look(key)
            if isinstance(inner, Node):
                inner._take(walk, value)
            elif inner is not ABSENT or self.forgives:
                content = of_data(_decoded(value))
                if isinstance(content, MappingValue):
                    made = Node()
                    made.fill(walk, content)
                    content = made
                self.put(walk, str(key), content)

    def _forget(self, walk: Walk, depth: int = 0) -> None:
        """What its keys are is not known any more, only that they are there."""
        if self.forgives:
            walk.memory.set(self, "open", True)
        for key, value in self.attributes.pairs():
            if isinstance(value, Node):
                if depth < MAX_DEPTH:
                    value._forget(walk, depth + 1)
            else:
                walk.memory.put(self.attributes, key, UNKNOWN)

    def accepts(self, depth: int = 0) -> Defaults:
        """What may be merged into it now."""
        found: dict[str, Defaults | type | None] = {}
        for key, value in self.attributes.pairs():
            found[key] = value.accepts(depth + 1) if isinstance(value, Node) and depth < MAX_DEPTH else _type_of(value)
        return Defaults(found, self.forgives or not self.is_closed(), frozenset(self.passed))


def _type_of(value: Value) -> type | None:
    """The type of a default, None where it is not known."""
    found = settled(value)
    if isinstance(found, Sequence):
        return {"list": list, "tuple": tuple}.get(found.kind)
    plain = found.constant()
    return None if plain is NOT_KNOWN else type(plain)


@dataclass(frozen=True)
class Defaults:
    """What yacs lets a file or a command line change.

    Attributes:
        entries: by key, the defaults below it, or the type of its value, None where that is not known.
        is_open: other keys may be there, or may be added.
        passed: keys, as texts with dots, that are passed over; NOT_KNOWN for any.
    """

    entries: Mapping[str, Defaults | type | None]
    is_open: bool
    passed: frozenset[object] = frozenset()

    def refusals(self, data: object, before: KeyPath = (), passed: frozenset[object] = frozenset()) -> Iterator[tuple[KeyPath, str]]:
        """The paths in some data that are refused, each with why."""
        passed = passed | self.passed
        for key, value in data.items() if isinstance(data, dict) else ():
            path = (*before, str(key))
            if key not in self.entries:
                if not self.is_open and not passed & {".".join(path), NOT_KNOWN}:
                    near = ", ".join(sorted(self.entries))
                    yield path, f"the defaults have no key `{'.'.join(path)}`: yacs refuses it (there are: {near})"
            else:
                yield from self._of_value(self.entries[key], value, path, passed)

    @staticmethod
    def _of_value(
        default: Defaults | type | None, value: object, path: KeyPath, passed: frozenset[object]
    ) -> Iterator[tuple[KeyPath, str]]:
        title = ".".join(path)
        if isinstance(default, Defaults):
            if isinstance(value, dict):
                yield from default.refusals(value, path, passed)
            else:
                yield path, f"`{title}` is a section of the defaults and not one value: yacs refuses it"
            return
        kind = type(_decoded(value))
        alike = {default, kind} in ({list, tuple}, {kind}) or type(None) in (default, kind)
        if default is not None and not alike and not (isinstance(value, dict) and default is dict):
            yield path, f"`{title}` is {kind.__name__} here and {default.__name__} in the defaults: yacs refuses it"


def _decoded(value: object) -> object:
    """A value as yacs makes it of what the file says: texts that are literals of Python are read as such."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value
