"""What Python's own functions and methods do with values the interpreter knows."""

from __future__ import annotations

import ast
import posixpath
from typing import TYPE_CHECKING, Any

from gonogo.code.flow.config import NOTHING, copied
from gonogo.code.flow.statements import Statements
from gonogo.code.flow.values import (
    SCALARS,
    UNKNOWN,
    Arguments,
    Builtin,
    Choice,
    Class,
    Dict,
    FilePath,
    Instance,
    List,
    Method,
    Node,
    Text,
    Unknown,
    truth,
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


class Builtins(Statements):
    """Builtin functions and the methods of texts, lists, mappings and paths."""

    def is_config_method(self, name: str) -> bool:
        """Whether a DictConfig has a method of this name (a key of the same name wins)."""
        return name in CONFIG_METHODS

    # -- iteration ----------------------------------------------------------------------------------------------------

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

    # -- builtin functions --------------------------------------------------------------------------------------------

    def call_builtin(self, name: str, arguments: Arguments, at: ast.AST) -> Any:
        """Call a builtin function."""
        model = _BUILTINS.get(name)
        if model is not None:
            return model(self, arguments, at)
        if name not in ("print", "repr", "id", "hash", "type", "callable", "input"):
            self.let_go(arguments)
        return UNKNOWN

    def _isinstance(self, arguments: Arguments, at: ast.AST) -> Any:
        value, kind = arguments.get(0, "obj", UNKNOWN), arguments.get(1, "class", UNKNOWN)
        kinds = kind.items if isinstance(kind, List) else [kind]
        names = {
            entry.name if isinstance(entry, (Builtin, Unknown)) else entry.node.name if isinstance(entry, Class) else "" for entry in kinds
        }
        if "" in names:
            return UNKNOWN
        if isinstance(value, Node):
            return self._isinstance_of_node(value, names, at)
        if isinstance(value, SCALARS):
            known = {"str": str, "int": int, "float": float, "bool": bool, "bytes": bytes}
            if any(isinstance(value, known[entry]) for entry in names & set(known)):
                return True
            surely_not = {*known, "dict", "list", "tuple", "set", "omegaconf.DictConfig", "omegaconf.ListConfig", "pathlib.Path"}
            return False if names <= surely_not else UNKNOWN
        if isinstance(value, Dict):
            return (
                True
                if "dict" in names
                else False
                if names <= {"str", "int", "float", "bool", "list", "tuple", "omegaconf.DictConfig"}
                else UNKNOWN
            )
        if isinstance(value, List):
            config = value.path is not None
            if value.kind in names and not config:
                return True
            return False if names <= {"str", "int", "float", "bool", "dict"} else UNKNOWN
        return UNKNOWN

    def _isinstance_of_node(self, value: Node, names: set[str], at: ast.AST) -> Any:
        configs = {"omegaconf.DictConfig", "omegaconf.dictconfig.DictConfig"}
        if not value.config:
            return True if "dict" in names else False if names <= {"str", "int", "float", "bool", "list", "tuple", *configs} else UNKNOWN
        if names & configs:
            return True
        if names == {"dict"}:
            self.note_isinstance(at)
            return False
        return False if names <= {"dict", "str", "int", "float", "bool", "list", "tuple"} else UNKNOWN

    def _getattr(self, arguments: Arguments, at: ast.AST) -> Any:
        owner, name = arguments.get(0, "o", UNKNOWN), arguments.get(1, "name", UNKNOWN)
        default = arguments.positional[2] if len(arguments.positional) > 2 else NOTHING
        if not isinstance(name, str):
            self.escape(owner)
            return UNKNOWN
        return self.member(owner, name, at, default=default, kind="getattr")

    def _hasattr(self, arguments: Arguments, at: ast.AST) -> Any:
        owner, name = arguments.get(0, "o", UNKNOWN), arguments.get(1, "name", UNKNOWN)
        if not isinstance(name, str):
            return UNKNOWN
        if isinstance(owner, Node):
            if not owner.config or (self.is_config_method(name) and name not in owner.items):
                return UNKNOWN
            answer = self.has_key(owner, name, at)
            return UNKNOWN if answer is None else answer
        if isinstance(owner, Instance):
            known = name in owner.attributes or (owner.cls is not None and owner.cls.find(name) is not None)
            return True if known else UNKNOWN
        if owner is None:
            return False
        return UNKNOWN

    def _setattr(self, arguments: Arguments, at: ast.AST) -> Any:
        owner, name, value = (arguments.get(index, "", UNKNOWN) for index in range(3))
        if isinstance(name, str):
            self._assign_member(owner, name, value, at)
        elif isinstance(owner, (Dict, Instance)):
            owner.open = True
        return None

    def _length(self, arguments: Arguments, at: ast.AST) -> Any:
        value = arguments.get(0, "obj", UNKNOWN)
        if isinstance(value, Dict):
            return UNKNOWN if value.open or value.maybe else len(value.items)
        if isinstance(value, List):
            if value.path is not None:
                self.trace.used.add(value.path)
            return UNKNOWN if value.open else len(value.items)
        return len(value) if isinstance(value, (str, bytes)) else UNKNOWN

    def _convert(self, arguments: Arguments, at: ast.AST, kind: Callable[[Any], Any]) -> Any:
        value = arguments.get(0, "x", UNKNOWN)
        if isinstance(value, FilePath) and kind is str:
            return value.text
        if isinstance(value, Text) and kind is str:
            return value
        if kind is bool:
            answer = truth(value)
            return UNKNOWN if answer is None else answer
        if not isinstance(value, SCALARS) or len(arguments.positional) != 1 or (isinstance(value, str) and len(value) > 1000):
            return UNKNOWN
        try:
            return kind(value)
        except (TypeError, ValueError, OverflowError):
            return UNKNOWN

    def _to_list(self, arguments: Arguments, at: ast.AST, kind: str) -> Any:
        if not arguments.positional:
            return List(kind=kind)
        value = arguments.positional[0]
        items, complete = self.iterate(value)
        if not complete:
            self.release(value)
        return List(items if complete else [], not complete, kind, value.path if isinstance(value, List) else None)

    def _dict(self, arguments: Arguments, at: ast.AST) -> Any:
        result = Dict()
        if arguments.positional:
            value = arguments.positional[0]
            if isinstance(value, Node):
                plain = Node(value.path, config=False)
                plain.items, plain.origins, plain.open = dict(value.items), dict(value.origins), value.open
                plain.maybe = set(value.maybe)
                result = plain
            elif isinstance(value, Dict):
                self.spread(value, result)
            else:
                pairs, complete = self.iterate(value)
                result.open = not complete
                for pair in pairs if complete else []:
                    known = isinstance(pair, List) and len(pair.items) == 2 and isinstance(pair.items[0], SCALARS)
                    if known:
                        result.items[pair.items[0]] = pair.items[1]
                    else:
                        result.open = True
        result.items.update(arguments.keywords)
        result.open = result.open or arguments.open
        return result

    def _range(self, arguments: Arguments, at: ast.AST) -> Any:
        if all(type(value) is int for value in arguments.positional) and 1 <= len(arguments.positional) <= 3:
            try:
                numbers = range(*arguments.positional)
            except ValueError:
                return UNKNOWN
            if len(numbers) <= MAX_RANGE:
                return List(numbers)
        return List(open=True)

    def _enumerate(self, arguments: Arguments, at: ast.AST) -> Any:
        value = arguments.get(0, "iterable", UNKNOWN)
        start = arguments.get(1, "start", 0)
        items, complete = self.iterate(value)
        if not complete or type(start) is not int:
            return List(open=True)
        return List((List([start + index, item], kind="tuple") for index, item in enumerate(items)), path=self.iterated_path(value))

    def _zip(self, arguments: Arguments, at: ast.AST) -> Any:
        columns = [self.iterate(value) for value in arguments.positional]
        if not all(complete for _, complete in columns):
            return List(open=True)
        return List(List(row, kind="tuple") for row in zip(*(items for items, _ in columns), strict=False))

    def _sorted(self, arguments: Arguments, at: ast.AST) -> Any:
        if "key" in arguments.keywords:
            self.release(arguments.keywords["key"])
        items, complete = self.iterate(arguments.get(0, "iterable", UNKNOWN))
        if complete and all(isinstance(item, str) for item in items):
            items = sorted(items, reverse=truth(arguments.keywords.get("reverse", False)) is True)
        return List(items, not complete)

    def _reversed(self, arguments: Arguments, at: ast.AST) -> Any:
        items, complete = self.iterate(arguments.get(0, "sequence", UNKNOWN))
        return List(items[::-1], not complete)

    def _map(self, arguments: Arguments, at: ast.AST) -> Any:
        if len(arguments.positional) == 2:
            items, complete = self.iterate(arguments.positional[1])
            if complete and len(items) <= MAX_RANGE:
                return List(self.invoke(arguments.positional[0], Arguments([item]), at) for item in items)
        self.let_go(arguments)
        return List(open=True)

    def _any_all(self, arguments: Arguments, at: ast.AST, wanted: bool) -> Any:
        items, complete = self.iterate(arguments.get(0, "iterable", UNKNOWN))
        answers = [truth(item) for item in items]
        if wanted in answers:
            return wanted
        return (not wanted) if complete and None not in answers else UNKNOWN

    def _numbers(self, arguments: Arguments, at: ast.AST, function: Callable[..., Any]) -> Any:
        values = arguments.positional
        if len(values) == 1 and isinstance(values[0], List) and not values[0].open:
            values = values[0].items
        if not values or arguments.keywords or not all(isinstance(value, (int, float)) for value in values):
            self.let_go(arguments)
            return UNKNOWN
        try:
            return function(*values) if len(values) > 1 or function is abs else function(values)
        except (TypeError, ValueError, OverflowError):
            return UNKNOWN

    def _vars(self, arguments: Arguments, at: ast.AST) -> Any:
        value = arguments.get(0, "object", UNKNOWN)
        return Dict(value.attributes, value.open) if isinstance(value, Instance) else UNKNOWN

    # -- methods ------------------------------------------------------------------------------------------------------

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

    # -- paths --------------------------------------------------------------------------------------------------------

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


_BUILTINS: dict[str, Any] = {
    "isinstance": Builtins._isinstance,
    "getattr": Builtins._getattr,
    "hasattr": Builtins._hasattr,
    "setattr": Builtins._setattr,
    "len": Builtins._length,
    "str": lambda machine, arguments, at: machine._convert(arguments, at, str),
    "int": lambda machine, arguments, at: machine._convert(arguments, at, int),
    "float": lambda machine, arguments, at: machine._convert(arguments, at, float),
    "bool": lambda machine, arguments, at: machine._convert(arguments, at, bool),
    "list": lambda machine, arguments, at: machine._to_list(arguments, at, "list"),
    "tuple": lambda machine, arguments, at: machine._to_list(arguments, at, "tuple"),
    "set": lambda machine, arguments, at: machine._to_list(arguments, at, "set"),
    "frozenset": lambda machine, arguments, at: machine._to_list(arguments, at, "set"),
    "iter": lambda machine, arguments, at: arguments.get(0, "x", UNKNOWN),
    "reversed": Builtins._reversed,
    "dict": Builtins._dict,
    "range": Builtins._range,
    "enumerate": Builtins._enumerate,
    "zip": Builtins._zip,
    "sorted": Builtins._sorted,
    "map": Builtins._map,
    "any": lambda machine, arguments, at: machine._any_all(arguments, at, True),
    "all": lambda machine, arguments, at: machine._any_all(arguments, at, False),
    "min": lambda machine, arguments, at: machine._numbers(arguments, at, min),
    "max": lambda machine, arguments, at: machine._numbers(arguments, at, max),
    "abs": lambda machine, arguments, at: machine._numbers(arguments, at, abs),
    "vars": Builtins._vars,
}
