"""Mappings from the config: DictConfigs, and plain dicts made by `to_container` and `dict`.

Reading, writing, merging and copying as OmegaConf does it, with a record of every access.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Hashable, Iterable

from gonogo.analysis.interpreter.base import UNKNOWN, AccessKind, Arguments, Constant, Spread, Value, Walk
from gonogo.analysis.interpreter.markers import MISSING
from gonogo.analysis.interpreter.memory import Alternatives, Field
from gonogo.analysis.interpreter.sentinels import ABSENT, NO_DEFAULT, NOT_KNOWN, Absent, NoDefault, NotKnown
from gonogo.analysis.interpreter.state import Path
from gonogo.analysis.interpreter.trace import (
    Access,
    How,
    Read,
    ReadAfterSearch,
    SearchWrite,
    Status,
    StructWrite,
    Unresolved,
)
from gonogo.analysis.interpreter.values.bound import BoundMethod
from gonogo.analysis.interpreter.values.choice import join
from gonogo.analysis.interpreter.values.mapping import METHODS as DICT_METHODS
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.scalar import NONE, Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.type_tests import note_type_test
from gonogo.analysis.interpreter.values.varied import settled

MAX_DEPTH = 40  # of what is resolved as a whole
NEVER = frozenset({"dict", "str", "int", "float", "bool", "list", "tuple"})  # types of which no DictConfig is an instance
SUGGESTS = "optuna.Trial.suggest"  # begins the name of what Optuna suggests
DICT_NAMES = frozenset(dir(dict))
CLASSES = frozenset({"omegaconf.DictConfig", "omegaconf.dictconfig.DictConfig"})
# Public attributes of a DictConfig, all methods: Python finds them before it asks for a key of the same name.
METHOD_NAMES = frozenset(
    {
        "clear", "copy", "get", "is_empty", "items", "items_ex", "keys", "merge_with", "merge_with_cli", "merge_with_dotlist", "pop",
        "popitem", "resolve_parse_tree", "setdefault", "update", "values",
    }
)  # fmt: skip
# Others that programs use.
INNER_NAMES = frozenset({"_get_node", "_get_flag", "_set_flag", "_metadata", "_content", "_is_none", "_is_missing"})


class Interpolated(Scalar):
    """A text of the config with `${…}` in it.

    Attributes:
        references: what it names.
        resolved: what Hydra's own child process made of it, unknown where it made nothing.
        broken: it names what the composed config does not have.
    """

    __slots__ = ("broken", "references", "resolved")

    def __init__(self, value: str, path: Path, references: tuple[str, ...], resolved: Value, broken: bool = False) -> None:
        super().__init__(value, path)
        self.references = references
        self.resolved = resolved
        self.broken = broken

    def identity(self) -> Hashable:
        """The same text with the same result is the same."""
        return (Interpolated, super().identity(), self.resolved.identity())


class ConfigNode(Mapping):
    """A mapping of the config.

    Attributes:
        path: where it stood in the composed config (or file) it comes from; reads are recorded under it.
        origins: for keys that came from elsewhere (merged, copied), where they stood.
        config: a DictConfig; False for the plain dict that is made of one.
        named: a dict whose keys are attributes as well (`EasyDict`).
        struct: its own struct flag, None to inherit.
        parent: the node it is in.
    """

    __slots__ = ("_struct", "config", "named", "parent", "path")
    has_identity = True
    struct = Field[bool | None]()

    def __init__(
        self,
        path: Path,
        config: bool = True,
        parent: ConfigNode | None = None,
        content: Spread | None = None,
        struct: bool | None = None,
    ) -> None:
        super().__init__(content)
        self.path = path
        self.config = config
        self.named = False
        self.parent = parent
        self._struct: object = struct

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def is_dict(self) -> bool:
        """Whether it is a plain dict."""
        return not self.config

    @property
    def loop_path(self) -> Path | None:
        """Where it stood."""
        return self.path

    def is_instance(self, walk: Walk, names: frozenset[str], at: ast.AST) -> bool | None:
        """A DictConfig is no dict, which some code forgets."""
        if not self.config:
            return super().is_instance(walk, names, at)
        if names & CLASSES:
            return True
        if names == {"dict"}:
            note_type_test(walk, at, "a DictConfig is no dict: this is always false")
        return False if names <= NEVER else None

    def key_of(self, key: Value) -> Constant | NotKnown:
        """Return the key that an access reads.

        Keys are texts in YAML, and some code uses numbers for them. For any other key it is not known what is read.
        """
        wanted = key.constant()
        if wanted is NOT_KNOWN or not isinstance(wanted, (str, int)):
            return NOT_KNOWN
        return wanted if self.items.look(wanted) is not ABSENT or self.items.look(str(wanted)) is ABSENT else str(wanted)

    def origin(self, key: Constant) -> Path:
        """Where the value under a key stood at first."""
        found = self.origins.look(key)
        return (*self.path, str(key)) if found is ABSENT else found

    def is_struct(self) -> bool:
        """Whether new keys are refused here."""
        node: ConfigNode | None = self
        while node is not None:
            if node.struct is not None:
                return node.struct
            node = node.parent
        return False

    # -- reading ------------------------------------------------------------------------------------------------------

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A key, or a method."""
        if self.named and name == "__dict__":
            return self
        if not (self.config or self.named) or name in (DICT_NAMES if self.named else METHOD_NAMES | INNER_NAMES):
            return BoundMethod(self, name)
        if name.startswith("__") and self.items.look(name) is ABSENT:
            return UNKNOWN
        return self.read_key(walk, name, kind, at, default)

    def has_member(self, walk: Walk, name: str, at: ast.AST) -> bool | None:
        """Whether it has a key or a method of this name."""
        if not self.config and not (self.named and name not in DICT_NAMES):
            return super().has_member(walk, name, at)
        return True if name in METHOD_NAMES | INNER_NAMES else self.contains(walk, Scalar(name), at)

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """A method of a DictConfig, or of a dict."""
        method = METHODS.get(name)
        return method(self, walk, given, at) if method is not None else UNKNOWN

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """What is under a key."""
        return self.read(walk, key, AccessKind.ITEM, at)

    def get(self, walk: Walk, key: Value, default: Value, at: ast.AST) -> Value:
        """`config.get(key, default)`."""
        return self.read(walk, key, AccessKind.GET, at, default)

    def read(self, walk: Walk, key: Value, kind: AccessKind, at: ast.AST, default: Value | NoDefault = NO_DEFAULT) -> Value:
        """What is under a key; an absent one is recorded and gives `default`, or something unknown."""
        wanted = self.key_of(key)
        if wanted is NOT_KNOWN:
            walk.state.use_whole(self.path)
            return UNKNOWN
        return self.read_key(walk, wanted, kind, at, default)

    def read_key(self, walk: Walk, key: Constant, kind: AccessKind, at: ast.AST, default: Value | NoDefault = NO_DEFAULT) -> Value:
        """What is under a key that is known."""
        value = self.items.look(key)
        if value is not ABSENT:
            return walk.memory.inside(value, lambda each: self._present(walk, key, each, kind, at, default))
        if self.open:
            return UNKNOWN
        self.record(walk, key, kind, at, Status.ABSENT, default)
        return UNKNOWN if default is NO_DEFAULT else default

    def _present(self, walk: Walk, key: Constant, value: Value, kind: AccessKind, at: ast.AST, default: Value | NoDefault) -> Value:
        origin, state = self.origin(key), walk.state
        state.use(origin)
        if state.searched and not state.is_searching and (setting := state.searched.get((id(self), str(key)))) is not None:
            state.record(ReadAfterSearch(state.site(at), setting, value.constant()))
        section = value.path if isinstance(value, ConfigNode) else None
        if isinstance(value, Scalar):
            if value.value == MISSING and self.config:  # to a plain dict it is a text like any other
                if default is not NO_DEFAULT:
                    return default
                self.record(walk, key, kind, at, Status.MISSING)
                return UNKNOWN
            if isinstance(value.value, str) and "${" in value.value:
                value = self.resolved(walk, value)
            elif value.path != origin:
                value = Scalar(value.value, origin)
        state.record(Read(state.site(at), origin if section is None else section, value.constant(), section is not None))
        if key in self.maybe:
            return join(value, UNKNOWN if default is NO_DEFAULT else default)
        return value

    def record(
        self, walk: Walk, key: Constant, kind: AccessKind, at: ast.AST, status: Status, default: Value | NoDefault = NO_DEFAULT
    ) -> None:
        """Note that a key is asked for and not there."""
        state = walk.state
        guarded = default is not NO_DEFAULT or state.guarded or kind is AccessKind.IN
        instead = NOT_KNOWN if default is NO_DEFAULT else default.constant()
        siblings = tuple(str(name) for name in self.items.there())
        path = (*self.path, str(key))
        state.record(Access(state.site(at), kind, path, status, guarded, siblings, instead, state.in_doubt, state.is_deferred))
        if default is NO_DEFAULT and kind is not AccessKind.IN:
            state.may_have_failed()

    def contains(self, walk: Walk, item: Value, at: ast.AST) -> bool | None:
        """Whether a key is there; to OmegaConf, one that is `???` is not."""
        wanted = item.constant()
        if wanted is NOT_KNOWN:
            return None
        key = self.key_of(item)
        wanted = wanted if key is NOT_KNOWN else key
        value = self.items.look(wanted)
        if value is not ABSENT:
            walk.state.use(self.origin(wanted))
            if self.config and is_missing(value):
                return False
            return None if wanted in self.maybe else True
        if self.open:
            return None
        self.record(walk, wanted, AccessKind.IN, at, Status.ABSENT, NONE)
        return False

    def resolved(self, walk: Walk, value: Scalar) -> Value:
        """Return the value of an interpolation.

        It is the value that it names where it names one thing, otherwise what Hydra's own child process resolved it to.
        """
        if not isinstance(value, Interpolated):
            return UNKNOWN
        root = self
        while root.parent is not None:
            root = root.parent
        for reference in value.references:
            target = _reference(walk, root, reference, self)
            if target is not ABSENT and value.value == "${" + reference + "}":
                return target
        if value.broken and self.config and walk.state.is_certain and any(_is_lost(root, name, self) for name in value.references):
            walk.state.record(Unresolved(value.path or ()))
        return value.resolved

    def resolve_all(self, walk: Walk, but: Iterable[str] = ()) -> None:
        """Resolve every interpolation in it, as OmegaConf does before it gives all of a config out.

        Args:
            walk: the interpreter.
            but: keys that are left out.
        """
        left_out = frozenset(but)
        for key, value in self.items.pairs():
            if str(key) not in left_out:
                self._resolve_below(walk, settled(value), 0)

    def _resolve_below(self, walk: Walk, value: Value, depth: int) -> None:
        if isinstance(value, Scalar):
            self.resolved(walk, value)
        elif isinstance(value, ConfigNode) and depth < MAX_DEPTH:
            for _, item in value.items.pairs():
                value._resolve_below(walk, settled(item), depth + 1)
        elif isinstance(value, Sequence) and depth < MAX_DEPTH:
            for item in value.values:
                self._resolve_below(walk, settled(item), depth + 1)

    def entries(self, walk: Walk) -> Spread:
        """All that it holds, interpolations resolved, with where it stood."""

        def one(value: Value) -> Value:
            return (
                self.resolved(walk, value) if isinstance(value, Scalar) and isinstance(value.value, str) and "${" in value.value else value
            )

        rows = {key: walk.memory.inside(value, one) for key, value in self.items.pairs()}
        return Spread(rows, {key: self.origin(key) for key in rows}, self.maybe, self.open)

    def rows(self, walk: Walk) -> list[tuple[Constant, Value]]:
        """The items as iteration gives them; plain values count as read."""
        rows = self.entries(walk)
        for key, value in self.items.pairs():
            if not isinstance(settled(value), ConfigNode):
                walk.state.use(rows.origins[key])
        return list(rows.items.items())

    def spread(self, walk: Walk) -> Spread:
        """All that it holds, which counts as read."""
        rows = self.entries(walk)
        for key, value in self.items.pairs():
            value = settled(value)
            walk.state.use(value.path if isinstance(value, ConfigNode) else rows.origins[key])
        return rows

    def use_all(self, walk: Walk) -> None:
        """All of it counts as read."""
        walk.state.use_whole(self.path)

    # -- writing ------------------------------------------------------------------------------------------------------

    def set_member(self, walk: Walk, name: str, value: Value, at: ast.AST) -> None:
        """`config.key = …`."""
        if self.config or self.named:
            self.write(walk, name, value, at)

    def delete_member(self, walk: Walk, name: str, at: ast.AST) -> None:
        """`del config.key`, which struct mode lets pass (unlike `del config["key"]`)."""
        self.take(walk, Scalar(name), NO_DEFAULT, at, How.DELETE, checked=False)

    def write(self, walk: Walk, key: Constant, value: Value, at: ast.AST, how: How = How.ASSIGNMENT, checked: bool = True) -> None:
        """Write another value under a key.

        A write that struct mode rejects is recorded and still done, so that later reads report nothing new.
        """
        if walk.state.is_searching:
            before = self.items.look(str(key))
            self._write(walk, key, value, at, how, checked)
            self._note_search(walk, str(key), before, value, at)
        else:
            self._write(walk, key, value, at, how, checked)

    def _write(self, walk: Walk, key: Constant, value: Value, at: ast.AST, how: How, checked: bool) -> None:
        if not self.config:
            self.store(walk, key, value)
            return
        key, state = str(key), walk.state
        path = (*self.path, key)
        state.write(path)
        if checked and self.items.look(key) is ABSENT and not self.open and self.is_struct() and state.is_certain:
            state.record(StructWrite(state.site(at), path, how))
        value = settled(value)
        if isinstance(value, ConfigNode) or _is_plain(value):
            origin = value.path if isinstance(value, ConfigNode) else path
            if state.uncertain and self.items.look(key) is not ABSENT and self.origin(key) != origin:
                state.use(self.origin(key))  # only one origin is kept: what is perhaps still there counts as read now
            if origin == path:
                walk.memory.drop(self.origins, key)
            else:
                walk.memory.put(self.origins, key, origin)
        self.store(walk, key, adopt(walk, value, path, self))

    def _note_search(self, walk: Walk, key: str, before: Value | Absent, value: Value, at: ast.AST) -> None:
        """Record what the objective of a search wrote."""
        state, after = walk.state, self.items.look(key)
        was = NOT_KNOWN if before is ABSENT else before.constant()
        now = NOT_KNOWN if after is ABSENT else after.constant()
        sampled = (value.outside_name() or "").startswith(SUGGESTS)
        setting = state.write_in_search(self, key)
        state.record(SearchWrite(state.site(at), setting, (*self.path, key), was, now, before is ABSENT, sampled))

    def delete_item(self, walk: Walk, key: Value, at: ast.AST) -> None:
        """`del config[key]`."""
        self.take(walk, key, NO_DEFAULT, at, How.DELETE)

    def remove(self, walk: Walk, key: Value, default: Value | NoDefault, at: ast.AST) -> Value:
        """`config.pop(key, default)`."""
        return self.take(walk, key, default, at, How.POP)

    def take(self, walk: Walk, key: Value, default: Value | NoDefault, at: ast.AST, how: How, checked: bool = True) -> Value:
        """Take a key out, which struct mode refuses where it is `checked`."""
        wanted, state = self.key_of(key), walk.state
        if wanted is NOT_KNOWN:
            walk.memory.set(self, "open", True)
            return UNKNOWN
        if checked and self.config and self.is_struct() and state.is_certain and not self.open:
            state.record(StructWrite(state.site(at), (*self.path, str(wanted)), how))
        value = self.read_key(walk, wanted, AccessKind.ITEM if default is NO_DEFAULT else AccessKind.GET, at, default)
        self.take_out(walk, wanted)
        return value

    def update(self, walk: Walk, value: Value, at: ast.AST) -> None:
        """Take over the keys and values of another mapping."""
        if not self.config:
            super().update(walk, value, at)
            return
        content = settled(value).config_content()
        if content is None:
            walk.memory.set(self, "open", True)
            value.escape(walk)
            return
        self._write_each(walk, content, at, How.UPDATE, checked=True, nested=False)

    def merge(self, walk: Walk, source: Value, at: ast.AST, how: How = How.MERGE, checked: bool = True) -> None:
        """Merge a mapping, or a list of `key=value`, into it as `OmegaConf.merge` does."""
        source = settled(source)
        if isinstance(source, Sequence):
            self._merge_dotlist(walk, source, at)
            return
        content = source.config_content()
        if content is None:
            walk.memory.set(self, "open", self.open or source.constant() is NOT_KNOWN)
            source.escape(walk)
            return
        self._write_each(walk, content, at, how, checked, nested=True)

    def _write_each(self, walk: Walk, content: Spread, at: ast.AST, how: How, checked: bool, nested: bool) -> None:
        """Write the keys of a mapping.

        With `nested`, a config under a key takes over the mapping's keys, and a mandatory value (`???`) leaves what is there;
        otherwise it is replaced.
        """
        sure = frozenset(self.items.there()) - self.maybe
        for key, value in content.items.items():
            here = settled(self.items.look(str(key)))
            value = settled(value)
            if nested and isinstance(here, ConfigNode) and value.config_content() is not None:
                here.merge(walk, value, at, how, checked)
                continue
            if nested and here is not ABSENT and is_missing(value):
                continue
            self.write(walk, key, value, at, how, checked)
            if key in content.origins and value.config_content() is None:
                walk.memory.put(self.origins, str(key), content.origins[key])
            if key in content.maybe and str(key) not in sure:
                walk.memory.set(self, "maybe", self.maybe | {str(key)})
        walk.memory.set(self, "open", self.open or content.open)

    def _merge_dotlist(self, walk: Walk, source: Sequence, at: ast.AST) -> None:
        for item in source.values:
            text = item.constant()
            if not isinstance(text, str) or "=" not in text:
                walk.memory.set(self, "open", True)
                continue
            *parents, last = text.partition("=")[0].split(".")
            node: Value | Absent = self
            for key in parents:
                node = settled(node.items.look(key)) if isinstance(node, ConfigNode) else ABSENT
            if isinstance(node, ConfigNode):
                node.write(walk, last, UNKNOWN, at, How.MERGE)
            else:
                walk.memory.set(self, "open", True)
        walk.memory.set(self, "open", self.open or source.open)

    # -- the whole ----------------------------------------------------------------------------------------------------

    def config_content(self) -> Spread | None:
        """All that it holds, each value with where it stood."""
        rows = self.items.pairs()
        return Spread(dict(rows), {key: self.origin(key) for key, _ in rows}, self.maybe, self.open)

    def shallow(self, walk: Walk) -> Mapping:
        """`config.copy()`."""
        return self.copied(walk)

    def as_dict(self) -> ConfigNode:
        """`dict(config)`: a plain dict of the same values."""
        return ConfigNode(self.path, False, None, self.content())

    def copied(self, walk: Walk, config: bool | None = None, parent: Value | None = None) -> ConfigNode:
        """A deep copy that keeps origins."""
        node = ConfigNode(self.path, self.config if config is None else config, parent if isinstance(parent, ConfigNode) else None)
        content = self.content()

        def one(_: Constant, value: Value) -> Value:
            becomes_node = config and not isinstance(value, ConfigNode) and value.config_content() is not None
            return adopt(walk, value, (), node) if becomes_node else value.copied(walk, config, node)

        content.items = walk.memory.copied(content.items, one)
        node.hold(content)
        node.named = self.named and not node.config
        node._struct = walk.memory.raw(self, "struct")
        if walk.state.searched:
            walk.state.copy_searched(self, node, map(str, content.items))
        return node

    def hold(self, content: Spread) -> None:
        """Hold what a new node holds from the start."""
        dict.update(self.items, content.items)
        dict.update(self.origins, content.origins)
        self._open, self._maybe = content.open, frozenset(content.maybe)

    def snapshot(self, depth: int = 0) -> Value:
        """The items as they are now."""
        content = super().snapshot(depth)
        return ConfigNode(self.path, self.config, None, content.config_content())

    def escape(self, walk: Walk, depth: int = 0) -> None:
        """All of it may be read, also what came from elsewhere in the config."""
        walk.state.use_whole(self.path)
        for _, path in self.origins.pairs():
            walk.state.use_whole(path)
        for _, value in self.items.pairs():
            value = settled(value)
            if isinstance(value, ConfigNode) and value.path[:-1] != self.path:
                value.escape(walk, depth + 1)

    def release(self, walk: Walk, depth: int = 0) -> None:
        """All of it may be read."""
        self.escape(walk)


def _is_plain(value: Value) -> bool:
    """Whether a value is a known number, text, boolean, bytes or None."""
    return isinstance(value, Scalar) or (isinstance(value, Alternatives) and all(isinstance(each, Scalar) for _, each in value.here()))


def is_missing(value: Value) -> bool:
    """Whether a value is mandatory, and not given yet."""
    if isinstance(value, Alternatives):
        return value.memory.agreed((mask, is_missing(each)) for mask, each in value.here())
    return isinstance(value, Scalar) and value.value == MISSING


def adopt(walk: Walk, value: Value, path: Path, parent: ConfigNode | None) -> Value:
    """What becomes of a value that is put into a DictConfig: mappings become nodes, nodes are copied."""
    value = settled(value)
    if isinstance(value, ConfigNode):
        return value.copied(walk, True, parent)
    content = value.config_content()
    if content is None:
        return value
    node = ConfigNode(path, True, parent)
    items = walk.memory.copied(content.items, lambda key, item: adopt(walk, item, (*path, str(key)), node))
    origins: dict[Constant, Path] = {str(key): origin for key, origin in content.origins.items()}
    node.hold(Spread({str(key): item for key, item in items.items()}, origins, map(str, content.maybe), content.open))
    return node


def select(walk: Walk, node: ConfigNode, dotted: str, at: ast.AST, default: Value) -> Value:
    """What stands at a dotted path; absent anywhere on the way gives `default`."""
    value: Value = node
    for key in dotted.replace("[", ".").replace("]", "").split("."):
        value = settled(value)
        if not isinstance(value, ConfigNode):
            return value.at(key) if isinstance(value, Sequence) else UNKNOWN
        value = value.read(walk, Scalar(key), AccessKind.SELECT, at, default)
        if value is default or value.is_none():
            return value
    return value


def _reference(walk: Walk, root: ConfigNode, reference: str, near: ConfigNode) -> Value | Absent:
    """What an interpolation refers to, which counts as read; ABSENT where that is not known."""
    start: ConfigNode | None = root
    if reference.startswith("."):
        start, reference = near, reference[1:]
        while reference.startswith("."):
            start, reference = (start.parent if start else None), reference[1:]
    value: Value | Absent | None = start
    for key in reference.replace("[", ".").replace("]", "").split("."):
        value = settled(value) if value is not None else None
        if not isinstance(value, ConfigNode):
            return ABSENT
        found = value.items.look(key)
        if found is ABSENT:
            return ABSENT
        walk.state.use(value.origin(key))
        value = found
    return ABSENT if value is None or value is ABSENT or _is_interpolation(value) else value


def _is_lost(root: ConfigNode, reference: str, near: ConfigNode) -> bool:
    """Whether a reference surely names nothing, or another interpolation that is broken."""
    value: Value | Absent | None = root
    if reference.startswith("."):
        value, reference = near, reference[1:]
        while reference.startswith("."):
            value, reference = (value.parent if isinstance(value, ConfigNode) else None), reference[1:]
    for key in reference.replace("[", ".").replace("]", "").split("."):
        node = settled(value) if value is not None else None
        if not isinstance(node, ConfigNode) or node.open or key in node.maybe:
            return False
        value = node.items.look(key)
        if value is ABSENT:
            return True
    found = settled(value) if value is not None else None
    return isinstance(found, Interpolated) and found.broken


def _is_interpolation(value: Value) -> bool:
    if isinstance(value, Alternatives):
        return value.memory.agreed((mask, _is_interpolation(each)) for mask, each in value.here())
    return isinstance(value, Scalar) and isinstance(value.value, str) and "${" in value.value


def _update(owner: Mapping, walk: Walk, given: Arguments, at: ast.AST) -> Value:
    assert isinstance(owner, ConfigNode)
    for value in given.positional:
        owner.update(walk, value, at)
    for key, value in given.keywords.items():
        owner.write(walk, key, value, at, How.UPDATE)
    walk.memory.set(owner, "open", owner.open or given.open)
    return NONE


def _merge_with(owner: Mapping, walk: Walk, given: Arguments, at: ast.AST) -> Value:
    assert isinstance(owner, ConfigNode)
    for value in given.positional:
        owner.merge(walk, value, at)
    return NONE


#: Methods of DictConfigs.
METHODS: dict[str, Callable[[Mapping, Walk, Arguments, ast.AST], Value]] = {**DICT_METHODS, "update": _update, "merge_with": _merge_with}
