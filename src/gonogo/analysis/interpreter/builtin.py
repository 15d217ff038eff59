"""What Python's own functions and methods do with values the interpreter knows."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from gonogo.analysis.interpreter.config import NOTHING
from gonogo.analysis.interpreter.methods import MAX_RANGE, Methods
from gonogo.analysis.interpreter.values import (
    SCALARS,
    UNKNOWN,
    Arguments,
    Builtin,
    Class,
    Dict,
    FilePath,
    Instance,
    List,
    Node,
    Text,
    Unknown,
    truth,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Builtins(Methods):
    """Builtin functions and the methods of texts, lists, mappings and paths."""

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
