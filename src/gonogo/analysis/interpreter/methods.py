"""What the methods of known values do: texts, lists, mappings and paths; and what iterating over them gives."""

from __future__ import annotations

import ast
import posixpath
from typing import TYPE_CHECKING, Any

from gonogo.analysis.interpreter.config import NOTHING, copied
from gonogo.analysis.interpreter.statements import Statements
from gonogo.analysis.interpreter.values import (
    SCALARS,
    UNKNOWN,
    Arguments,
    Choice,
    Dict,
    FilePath,
    Instance,
    List,
    Method,
    Node,
    Text,
    Unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable


TEXT_METHODS = frozenset(
    {
        "lower", "upper", "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "replace", "startswith", "endswith", "title",
        "capitalize", "partition", "rpartition", "removeprefix", "removesuffix", "isdigit", "isalpha", "isidentifier", "casefold", "find",
        "index", "count", "swapcase",
    }
)  # fmt: skip

CONFIG_METHODS = frozenset(
    {
        "get",
        "keys",
        "values",
        "items",
        "pop",
        "setdefault",
        "update",
        "merge_with",
        "copy",
        "clear",
        "popitem",
        "_get_node",
        "_get_flag",
        "_set_flag",
        "_metadata",
        "_content",
        "_is_none",
        "_is_missing",
    }
)

MAX_RANGE = 64

ROOT = "/@"


class Methods(Statements):
    """Methods of texts, lists, mappings and paths."""

    def call_method(self, method: Method, arguments: Arguments, at: ast.AST) -> Any:
        """Call a method of a known value."""
        owner, name = method.owner, method.name
        if isinstance(owner, Dict):
            return self._method_of_dict(owner, name, arguments, at)
        if isinstance(owner, List):
            return self._method_of_list(owner, name, arguments)
        if isinstance(owner, FilePath):
            return self._method_of_path(owner, name, arguments)
        if isinstance(owner, str):
            return self._method_of_text(owner, name, arguments)
        return UNKNOWN

    def _method_of_dict(self, owner: Dict, name: str, arguments: Arguments, at: ast.AST) -> Any:
        if name == "get":
            key, default = arguments.get(0, "key", UNKNOWN), arguments.get(1, "default_value", None)
            if isinstance(owner, Node):
                return self.read_key(owner, key, "get", at, default)
            found = isinstance(key, SCALARS) and key in owner.items and key not in owner.maybe
            return owner.items[key] if found else UNKNOWN if owner.open or owner.maybe or not isinstance(key, SCALARS) else default
        if name == "keys":
            return List(owner.items, owner.open or bool(owner.maybe), path=owner.path if isinstance(owner, Node) else None)
        if name in ("values", "items"):
            pairs = list(self.walk(owner)) if isinstance(owner, Node) else list(owner.items.items())
            rows = [value if name == "values" else List([key, value], kind="tuple") for key, value in pairs]
            return List(rows, owner.open or bool(owner.maybe), path=owner.path if isinstance(owner, Node) else None)
        if name == "pop":
            return self.remove_key(owner, arguments.get(0, "key", UNKNOWN), at, "pop", arguments.get(1, "default", NOTHING))
        if name == "copy":
            return copied(owner) if isinstance(owner, Node) else Dict(dict(owner.items), owner.open)
        return self._change_dict(owner, name, arguments, at)

    def _change_dict(self, owner: Dict, name: str, arguments: Arguments, at: ast.AST) -> Any:
        if name == "setdefault":
            key, value = arguments.get(0, "key", UNKNOWN), arguments.get(1, "default", None)
            if self.has_key(owner, key, at) is True:
                return owner.items.get(key, UNKNOWN)
            self.write_key(owner, key, value, at)
            return value
        if name in ("update", "merge_with"):
            for value in arguments.positional:
                if isinstance(owner, Node) and owner.config:
                    self.merge_into(owner, value, at, "update" if name == "update" else "merge")
                else:
                    self.spread(value, owner)
            for key, value in arguments.keywords.items():
                self.write_key(owner, key, value, at, "update")
            owner.open = owner.open or arguments.open
            return None
        if name in ("clear", "popitem"):
            owner.items, owner.open = {}, True
        return UNKNOWN

    def remove_key(self, owner: Dict, key: Any, at: ast.AST, how: str, default: Any = NOTHING) -> Any:
        """Take a key out of a mapping."""
        if not isinstance(key, SCALARS):
            owner.open = True
            return UNKNOWN
        if isinstance(owner, Node):
            self.refuse_removal(owner, key, at, how)
            value = self.read_key(owner, key, "get" if default is not NOTHING else "item", at, default)
        else:
            value = owner.items.get(key, UNKNOWN if owner.open or default is NOTHING else default)
        if self.uncertain and key in owner.items:
            owner.maybe.add(key)
        else:
            owner.items.pop(key, None)
        return value

    def _method_of_list(self, owner: List, name: str, arguments: Arguments) -> Any:
        value = arguments.get(0, "object", UNKNOWN)
        if name == "append" and arguments.positional:
            if self.uncertain:
                owner.open = True
            else:
                owner.items.append(value)
            return None
        if name == "extend":
            self.extend(owner, value)
            return None
        if name == "insert" and len(arguments.positional) == 2 and type(value) is int and not self.uncertain:
            owner.items.insert(value, arguments.positional[1])
            return None
        if name == "copy":
            return List(owner.items, owner.open, owner.kind, owner.path)
        if name in ("index", "count"):
            return UNKNOWN
        owner.items, owner.open = [], True
        return UNKNOWN

    def _method_of_text(self, owner: str, name: str, arguments: Arguments) -> Any:
        if name == "join" and arguments.positional:
            items, complete = self.iterate(arguments.positional[0])
            return owner.join(items) if complete and all(isinstance(item, str) for item in items) else UNKNOWN
        given = [*arguments.positional, *arguments.keywords.values()]
        if name == "format":
            small = all(isinstance(value, (str, int, float, bool)) and len(str(value)) < 500 for value in given) and ":" not in owner
            return self._attempt(lambda: owner.format(*arguments.positional, **arguments.keywords)) if small else UNKNOWN
        known = all(isinstance(value, SCALARS) or (isinstance(value, List) and value.kind == "tuple") for value in given)
        if name not in TEXT_METHODS or not known or arguments.open or len(owner) > 10_000:
            return UNKNOWN
        plain = [tuple(value.items) if isinstance(value, List) else value for value in given]
        result = self._attempt(lambda: getattr(owner, name)(*plain)) if not arguments.keywords else UNKNOWN
        return List(result, kind=type(result).__name__) if isinstance(result, (list, tuple)) else result

    @staticmethod
    def _attempt(action: Callable[[], Any]) -> Any:
        try:
            return action()
        except (TypeError, ValueError, LookupError, AttributeError):
            return UNKNOWN

    def join_paths(self, parts: list[Any]) -> Any:
        """A path from parts; unknown if one of them is."""
        texts = [part.text if isinstance(part, FilePath) else part for part in parts]
        if not texts or not all(isinstance(text, str) for text in texts):
            return UNKNOWN
        return self.file_path(posixpath.join(*texts))

    @staticmethod
    def file_path(text: str) -> FilePath:
        """A path; a relative one is taken from the experiment's root, where the documented command is started."""
        return FilePath(posixpath.normpath(text if text.startswith("/") else posixpath.join(ROOT, text)))

    def _method_of_path(self, owner: FilePath, name: str, arguments: Arguments) -> Any:
        if name in ("resolve", "absolute", "expanduser"):
            return owner
        if name == "joinpath":
            return self.join_paths([owner, *arguments.positional])
        if name in ("exists", "is_file"):
            return True if self.file_text(owner.text) is not None else UNKNOWN
        if name in ("as_posix", "__str__", "__fspath__"):
            return owner.text
        if name == "open":
            return Unknown(f"open:{owner.text}")
        if name == "read_text":
            return Unknown(f"open:{owner.text}.read()")
        return UNKNOWN

    def is_config_method(self, name: str) -> bool:
        """Whether a DictConfig has a method of this name (a key of the same name wins)."""
        return name in CONFIG_METHODS

    def iterate(self, value: Any) -> tuple[list[Any], bool]:
        """The items an iteration gives, and whether that is all of them."""
        if isinstance(value, List):
            if value.path is not None:
                self.trace.used.add(value.path)
            return list(value.items), not value.open
        if isinstance(value, Dict):
            return list(value.items), not value.open and not value.maybe
        if isinstance(value, str) and len(value) <= MAX_RANGE:
            return list(value), True
        if isinstance(value, Choice):
            items: list[Any] = []
            for part in value.values:
                items += self.iterate(part)[0]
            return items, False
        if isinstance(value, (Instance, Text)):
            return [], False
        return [], False

    @staticmethod
    def iterated_path(value: Any) -> Any:
        """The config path that a loop goes over, if it goes over one."""
        if isinstance(value, Node):
            return value.path
        if isinstance(value, List):
            return value.path
        return None

    @staticmethod
    def worth_unrolling(items: list[Any]) -> bool:
        """Whether rounds differ in a way that matters: in names or configs, not in numbers."""
        return not items or any(not isinstance(item, (int, float, Unknown)) for item in items)
