"""Reading, writing, merging and copying config nodes as OmegaConf does it, with a record of every access."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from gonogo.analysis.interpreter.core import Core
from gonogo.analysis.interpreter.trace import Access, Site, StructWrite
from gonogo.analysis.interpreter.values import (
    MISSING,
    SCALARS,
    UNKNOWN,
    Choice,
    Dict,
    Instance,
    List,
    Node,
    Path,
    join,
)
from gonogo.compose.client import Interpolation

NOTHING: Any = object()
# Stands for the unknown part of a text where a tool wants a whole one; it never counts as a value.
FILLER = "gonogo-unknown"
# In a mapping of composed data: there may be more in it than is known.
OPEN = "gonogo-open"


def build(value: Any, path: Path, config: bool = True, parent: Node | None = None) -> Any:
    """Turn plain data into nodes that remember where they stood."""
    if isinstance(value, dict):
        if path and len(value) == 1 and OPEN in value:
            return UNKNOWN
        node = Node(path, config, parent)
        node.items = {str(key): build(item, (*path, str(key)), config, node) for key, item in value.items() if key != OPEN}
        node.open = OPEN in value
        return node
    if isinstance(value, list):
        return List((build(item, (*path, str(index)), config) for index, item in enumerate(value)), path=path)
    return UNKNOWN if not isinstance(value, SCALARS) or (isinstance(value, str) and FILLER in value) else value


def copied(value: Any, config: bool | None = None, parent: Node | None = None) -> Any:
    """A deep copy that keeps origins; `config` set makes DictConfigs (True) or plain dicts (False) of all nodes."""
    if isinstance(value, Node):
        node = Node(value.path, value.config if config is None else config, parent)
        node.items = {key: copied(item, config, node) for key, item in value.items.items()}
        node.origins, node.maybe, node.open, node.struct = dict(value.origins), set(value.maybe), value.open, value.struct
        return node
    if isinstance(value, Dict):
        if config:
            return adopted(value, (), parent)
        plain = Dict({key: copied(item, config) for key, item in value.items.items()}, value.open)
        plain.maybe = set(value.maybe)
        return plain
    if isinstance(value, List):
        return List((copied(item, config) for item in value.items), value.open, value.kind, value.path)
    return value


def adopted(value: Any, path: Path, parent: Node | None) -> Any:
    """What becomes of a value that is put into a DictConfig: mappings become nodes, nodes are copied."""
    if isinstance(value, Node):
        return copied(value, True, parent)
    if isinstance(value, Dict):
        node = Node(path, True, parent)
        node.items = {str(key): adopted(item, (*path, str(key)), node) for key, item in value.items.items()}
        node.open, node.maybe = value.open, set(value.maybe)
        return node
    return value


class ConfigOperations(Core):
    """Accesses of config nodes; the machine adds the state."""

    def site(self, node: ast.AST) -> Site:
        """The place of a syntax node in the module that is being followed."""
        return Site(self.module, node)

    # -- reading ------------------------------------------------------------------------------------------------------

    def read_key(self, node: Node, key: Any, kind: str, at: ast.AST, default: Any = NOTHING) -> Any:
        """Read one key; an absent one is recorded and gives `default`, or unknown."""
        if not isinstance(key, (str, int)):
            self.trace.used_whole.add(node.path)
            return UNKNOWN
        if key not in node.items and str(key) in node.items:
            key = str(key)
        if key in node.items:
            return self._present(node, key, kind, at, default)
        if node.open:
            return UNKNOWN
        self._absent(node, key, kind, at, "absent", default is not NOTHING, default)
        return UNKNOWN if default is NOTHING else default

    def _present(self, node: Node, key: Any, kind: str, at: ast.AST, default: Any) -> Any:
        value = node.items[key]
        origin = node.origin(key)
        self.trace.used.add(origin)
        self.last_reads[id(at)] = origin
        if value == MISSING and isinstance(value, str):
            if default is not NOTHING:
                return default
            self._absent(node, key, kind, at, "missing", False)
            return UNKNOWN
        if isinstance(value, str) and "${" in value:
            value = self.resolve_interpolation(node, key, value)
        if key in node.maybe:
            return join(value, UNKNOWN if default is NOTHING else default)
        return value

    def _absent(self, node: Node, key: Any, kind: str, at: ast.AST, status: str, has_default: bool, default: Any = None) -> None:
        guarded = has_default or self.guards > 0 or kind in ("in", "hasattr")
        siblings = tuple(str(name) for name in node.items)
        scalar = default if isinstance(default, SCALARS) else UNKNOWN
        self.trace.accesses.append(
            Access(self.site(at), kind, (*node.path, str(key)), status, guarded, siblings, scalar, self.in_doubt, self.deferred > 0)
        )

    def read_beneath_scalar(self, path: Path, key: str, kind: str, at: ast.AST, status: str) -> None:
        """Record that a key is asked of a config value that is no mapping."""
        self.trace.accesses.append(Access(self.site(at), kind, (*path, key), status, self.guards > 0, (), doubtful=self.in_doubt))

    def has_key(self, node: Dict, key: Any, at: ast.AST) -> bool | None:
        """What `key in node` says, None if that is not known."""
        if not isinstance(key, SCALARS):
            return None
        if isinstance(node, Node) and key not in node.items and str(key) in node.items:
            key = str(key)
        if key in node.items:
            if isinstance(node, Node):
                self.trace.used.add(node.origin(key))
                if node.config and node.items[key] == MISSING and isinstance(node.items[key], str):
                    return False
            return None if key in node.maybe else True
        if node.open:
            return None
        if isinstance(node, Node):
            self._absent(node, key, "in", at, "absent", True)
        return False

    def select(self, node: Node, dotted: str, at: ast.AST, default: Any = NOTHING, kind: str = "select") -> Any:
        """Read a dotted path; absent anywhere on the way is `default`."""
        value: Any = node
        for key in dotted.replace("[", ".").replace("]", "").split("."):
            if isinstance(value, Node):
                value = self.read_key(value, key, kind, at, default=None if default is NOTHING else default)
                if value is default or value is None:
                    return value
            else:
                return self.item_of_list(value, key) if isinstance(value, List) else UNKNOWN
        return value

    @staticmethod
    def item_of_list(value: List, key: Any) -> Any:
        """An item by index, unknown if the index is not surely in the list."""
        try:
            index = int(key)
        except (TypeError, ValueError):
            return UNKNOWN
        if value.open and (index < 0 or index >= len(value.items)):
            return UNKNOWN
        return value.items[index] if -len(value.items) <= index < len(value.items) else UNKNOWN

    def resolve_interpolation(self, node: Node, key: Any, text: str) -> Any:
        """The value of an interpolation: the node it names where it names one, else what Hydra's own child process made of it."""
        composition = self.composition_of(node)
        entry: Interpolation | None = composition.interpolations.get(node.origin(key)) if composition else None
        if entry is None or entry.text != text:
            return UNKNOWN
        root = node
        while root.parent is not None:
            root = root.parent
        for reference in entry.references:
            target = self._quiet_select(root, reference, node)
            if target is not NOTHING and text == "${" + reference + "}":
                return target
        if entry.status != "value":
            return UNKNOWN
        return build(entry.value, node.origin(key)) if isinstance(entry.value, (dict, list)) else entry.value

    def _quiet_select(self, root: Node, reference: str, near: Node) -> Any:
        """Follow a reference and mark it as used; NOTHING where it can't be followed."""
        start: Node | None = root
        if reference.startswith("."):
            start, reference = near, reference[1:]
            while reference.startswith("."):
                start, reference = (start.parent if start else None), reference[1:]
        value: Any = start
        for key in reference.replace("[", ".").replace("]", "").split("."):
            if not isinstance(value, Node) or key not in value.items:
                return NOTHING
            self.trace.used.add(value.origin(key))
            value = value.items[key]
        return NOTHING if isinstance(value, str) and "${" in value else value

    def escape(self, value: Any, depth: int = 0) -> None:
        """Record that everything beneath a value may be read by code that is not the experiment's."""
        if isinstance(value, Node):
            self.trace.used_whole.add(value.path)
            for path in value.origins.values():
                self.trace.used_whole.add(path)
            for item in value.items.values():
                if isinstance(item, Node) and item.path[:-1] != value.path:
                    self.escape(item, depth + 1)
        elif isinstance(value, (Dict, Instance)) and depth < 3:
            if isinstance(value, Dict):
                value.written = None
            for item in (value.items if isinstance(value, Dict) else value.attributes).values():
                self.escape(item, depth + 1)
        elif isinstance(value, List):
            if value.path is not None:
                self.trace.used_whole.add(value.path)
            if depth < 3:
                for item in value.items:
                    self.escape(item, depth + 1)
        elif isinstance(value, Choice):
            for item in value.values:
                self.escape(item, depth + 1)

    # -- writing ------------------------------------------------------------------------------------------------------

    def write_key(self, target: Dict, key: Any, value: Any, at: ast.AST, how: str = "assignment", checked: bool = True) -> None:
        """Write one key; in struct mode a new key is recorded as refused and written all the same, so that later reads say nothing new."""
        if not isinstance(key, SCALARS):
            target.open = True
            return
        if isinstance(target, Node) and target.config:
            key = str(key)
            self.trace.written.add((*target.path, key))
            if checked and key not in target.items and not target.open and target.is_struct() and not self.guards and not self.in_doubt:
                self.trace.struct_writes.append(StructWrite(self.site(at), (*target.path, key), how))
            if isinstance(value, Node):
                target.origins[key] = value.path
            elif isinstance(value, SCALARS):
                target.origins.pop(key, None)
            value = adopted(value, (*target.path, key), target)
        self._store(target, key, value)

    def _store(self, target: Dict, key: Any, value: Any) -> None:
        if self.uncertain:
            if key in target.items:
                value = join(target.items[key], value)
            else:
                target.maybe.add(key)
        else:
            target.maybe.discard(key)
        target.items[key] = value

    def merge_into(self, target: Node, source: Any, at: ast.AST, how: str = "merge", checked: bool = True) -> None:
        """Merge a mapping into a node as `OmegaConf.merge` does."""
        if isinstance(source, List):
            self._merge_dotlist(target, source, at)
            return
        if not isinstance(source, Dict):
            target.open = target.open or not isinstance(source, SCALARS)
            self.escape(source)
            return
        for key, value in list(source.items.items()):
            here = target.items.get(str(key))
            if isinstance(here, Node) and isinstance(value, Dict):
                self.merge_into(here, value, at, how, checked)
                continue
            origin = source.origin(key) if isinstance(source, Node) else None
            self.write_key(target, key, value, at, how, checked)
            if origin is not None and not isinstance(value, Dict):
                target.origins[str(key)] = origin
            if key in source.maybe:
                target.maybe.add(str(key))
        target.open = target.open or source.open

    def _merge_dotlist(self, target: Node, source: List, at: ast.AST) -> None:
        for item in source.items:
            if not isinstance(item, str) or "=" not in item:
                target.open = True
                continue
            *parents, last = item.partition("=")[0].split(".")
            node: Any = target
            for key in parents:
                node = node.items.get(key) if isinstance(node, Node) else None
            if isinstance(node, Node):
                self.write_key(node, last, UNKNOWN, at, "merge")
            else:
                target.open = True
        target.open = target.open or source.open

    def walk(self, node: Node) -> Iterator[tuple[Any, Any]]:
        """The items of a node as iteration gives them, interpolations resolved, each recorded as read."""
        for key in list(node.items):
            value = node.items[key]
            if not isinstance(value, Node):
                self.trace.used.add(node.origin(key))
            if isinstance(value, str) and "${" in value:
                value = self.resolve_interpolation(node, key, value)
            yield key, value
