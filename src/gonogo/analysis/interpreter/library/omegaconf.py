"""OmegaConf: creating, reading, writing, merging and converting configs."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Entered, Reach, Value, Walk
from gonogo.analysis.interpreter.library.files import load_file
from gonogo.analysis.interpreter.library.json import of_data
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.sentinels import ABSENT, UNHANDLED, Unhandled
from gonogo.analysis.interpreter.trace import How
from gonogo.analysis.interpreter.values.config_node import ConfigNode, adopt, is_missing, select
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.scalar import FALSE, NONE, TRUE, Scalar, truth_value
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.varied import settled
from gonogo.documents.yaml import parse_yaml

OMEGACONF = "omegaconf.OmegaConf."

LIBRARY.shows(*(OMEGACONF + name for name in ("to_yaml", "save", "is_config", "is_dict", "set_readonly")))


@LIBRARY.call(OMEGACONF + "create", "omegaconf.DictConfig", "omegaconf.dictconfig.DictConfig")
def create(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """`OmegaConf.create(value)`."""
    value = settled(given.get(0, "obj", NONE))
    if value.is_none():
        return ConfigNode((), config=True)
    if not isinstance(value, Mapping):
        return UNHANDLED
    node = settled(adopt(walk, value, (), None))
    is_open = isinstance(value, ConfigNode) and not value.is_struct()
    walk.memory.set(node, "struct", False if is_open else None)
    return node  # type: ignore[no-any-return]


@LIBRARY.call(OMEGACONF + "from_cli", OMEGACONF + "from_dotlist")
def from_cli(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """`OmegaConf.from_cli()` in an evaluation: `key=value` words, each value as YAML reads it."""
    words = settled(given.positional[0]) if given.positional else walk.process.argv.slice(walk, [Scalar(1), None, None])
    if not walk.uploaded or not isinstance(words, Sequence) or words.open:
        return UNHANDLED
    content: dict[str, object] = {}
    for word in (value.constant() for value in words.values):
        key, equals, text = word.partition("=") if isinstance(word, str) else ("", "", "")
        if not equals or not key.isidentifier():
            return UNHANDLED
        content[key] = parse_yaml(text).value
    return adopt(walk, of_data(content), (), None)


@LIBRARY.call(OMEGACONF + "to_object")
def to_object(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """`OmegaConf.to_object(config)`: as `to_container`, resolved."""
    value = given.get(0, "cfg")
    _resolve(walk, value, TRUE)
    return value.copied(walk, config=False) if isinstance(settled(value), (Mapping, Sequence)) else UNHANDLED


@LIBRARY.call(OMEGACONF + "to_container")
def to_container(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """`OmegaConf.to_container(config)`: plain dicts that remember where they come from."""
    value = given.get(0, "cfg")
    _resolve(walk, value, given.get(1, "resolve", FALSE))
    return value.copied(walk, config=False) if isinstance(settled(value), (Mapping, Sequence)) else UNHANDLED


@LIBRARY.call(OMEGACONF + "to_yaml")
def to_yaml(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`OmegaConf.to_yaml(config, resolve=True)`."""
    _resolve(walk, given.get(0, "cfg"), given.keywords.get("resolve", FALSE))
    return UNKNOWN


@LIBRARY.call(OMEGACONF + "resolve")
def resolve(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`OmegaConf.resolve(config)`: it gives None."""
    _resolve(walk, given.get(0, "cfg"), TRUE)
    return NONE


def _resolve(walk: Walk, value: Value, wanted: Value) -> None:
    node = settled(value)
    if isinstance(node, ConfigNode) and node.config and wanted.truth() is True:
        node.resolve_all(walk)


@LIBRARY.call(OMEGACONF + "merge", OMEGACONF + "unsafe_merge")
def merge(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """`OmegaConf.merge(first, …)`."""
    first = settled(given.positional[0]) if given.positional else None
    if not isinstance(first, Mapping):
        return UNHANDLED
    target = settled(adopt(walk, first, (), None))
    walk.memory.set(target, "struct", first.is_struct() if isinstance(first, ConfigNode) else None)
    for part in given.positional[1:]:
        target.merge(walk, part, at)
    walk.memory.set(target, "open", target.open or given.open)
    return target  # type: ignore[no-any-return]


@LIBRARY.call(OMEGACONF + "update")
def update(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`OmegaConf.update(config, "a.b", value)`: nodes on the way are made."""
    node, key, value = settled(given.get(0, "cfg")), given.get(1, "key").constant(), given.get(2, "value")
    if not isinstance(node, ConfigNode):
        return NONE
    if not isinstance(key, str):
        walk.memory.set(node, "open", True)
        return NONE
    forced = given.keywords.get("force_add", FALSE).truth() is not False
    *parents, last = key.split(".")
    for parent in parents:
        child = settled(node.items.look(parent))
        if child is ABSENT or isinstance(child, Scalar):  # OmegaConf puts a mapping in the place of a plain value
            node.write(walk, parent, Mapping(), at, How.UPDATE, checked=not forced)
            child = settled(node.items.look(parent))
        if not isinstance(child, ConfigNode):
            return NONE
        node = child
    there = settled(node.items.look(last))
    if (
        isinstance(there, ConfigNode)
        and settled(value).config_content() is not None
        and given.keywords.get("merge", TRUE).truth() is not False
    ):
        there.merge(walk, value, at, How.UPDATE, checked=not forced)
    else:
        node.write(walk, last, value, at, How.UPDATE, checked=not forced)
    return NONE


@LIBRARY.call(OMEGACONF + "select")
def select_(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """`OmegaConf.select(config, "a.b", default=…)`."""
    node, key = settled(given.get(0, "cfg")), given.get(1, "key").constant()
    if not isinstance(node, ConfigNode):
        return UNHANDLED
    if not isinstance(key, str):
        node.escape(walk)
        return UNKNOWN
    return select(walk, node, key, at, given.keywords.get("default", NONE))


@LIBRARY.call(OMEGACONF + "set_struct")
def set_struct(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """Model `OmegaConf.set_struct(config, flag)`.

    The config counts as open where the call may not run or the flag is not known.
    """
    node, flag = settled(given.get(0, "conf")), given.get(1, "value")
    if isinstance(node, ConfigNode):
        answer = flag.truth() if not flag.is_none() else None
        walk.memory.set(node, "struct", False if walk.state.uncertain or answer is None else answer)
    return NONE


@LIBRARY.call(OMEGACONF + "is_missing")
def is_missing_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`OmegaConf.is_missing(config, key)`."""
    node, key = settled(given.get(0, "cfg")), given.get(1, "key").constant()
    if not isinstance(node, ConfigNode) or not isinstance(key, str) or node.open or key in node.maybe:
        return UNKNOWN
    found = settled(node.items.look(key))
    if found is ABSENT:
        return FALSE
    return truth_value(is_missing(found)) if isinstance(found, (Scalar, Mapping, Sequence)) else UNKNOWN


@LIBRARY.call(OMEGACONF + "is_config", OMEGACONF + "is_dict")
def is_config(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`OmegaConf.is_config(value)`."""
    value = settled(given.get(0, "obj"))
    if isinstance(value, ConfigNode):
        return truth_value(value.config)
    return FALSE if isinstance(value, Scalar) else UNKNOWN


@LIBRARY.call(OMEGACONF + "load")
def load(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`OmegaConf.load(path)`."""
    return load_file(walk, given.get(0, "file_"), config=True)


@LIBRARY.call("omegaconf.II", reach=Reach.PURE)
def node_interpolation(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`II("a.b")`."""
    name = given.get(0, "interpolation").constant()
    return Scalar(f"${{{name}}}") if isinstance(name, str) else UNKNOWN


@LIBRARY.call("omegaconf.SI")
def text_interpolation(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`SI("…${a.b}…")`."""
    return given.get(0, "interpolation")


class OpenDict(Value):
    """`open_dict(config)`, to be entered."""

    __slots__ = ("node",)

    def __init__(self, node: Value) -> None:
        self.node = node

    def enter(self, walk: Walk, at: ast.AST) -> Entered:
        """The config is open for the time of the block."""
        node, memory = settled(self.node), walk.memory
        if not isinstance(node, ConfigNode):
            return Entered(node)
        before = memory.raw(node, "struct")
        memory.set(node, "struct", False)
        return Entered(node, lambda: memory.set(node, "struct", before))


@LIBRARY.call("omegaconf.open_dict", "omegaconf.read_write", "omegaconf.omegaconf.open_dict")
def open_dict(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`with open_dict(config): …`."""
    return OpenDict(given.get(0, "config"))


@LIBRARY.call("omegaconf.flag_override")
def flag_override(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`with flag_override(config, "struct", False): …`."""
    return given.get(0, "config") if given.get(1, "names").constant() == "readonly" else OpenDict(given.get(0, "config"))
