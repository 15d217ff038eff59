"""What a name can stand for in the interpreter.

Numbers, texts, booleans, None and bytes stand for themselves. Everything else is one of these classes.
"""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gonogo.analysis.python.modules import Module

Path = tuple[str, ...]
SCALARS = (str, int, float, bool, type(None), bytes)
SCALAR_TYPES = frozenset(SCALARS)  # asking whether a type is in it is many times faster than `isinstance` where the answer is no
MISSING = "???"
MAX_NAME = 120


class Unknown:
    """Anything. `name` says how it was come by (`optuna.create_study().optimize`), empty where that says nothing."""

    __slots__ = ("name",)

    def __init__(self, name: str = "") -> None:
        self.name = name

    def member(self, name: str) -> Unknown:
        """An attribute of it."""
        return Unknown(f"{self.name}.{name}") if self.name and len(self.name) < MAX_NAME else UNKNOWN

    def called(self) -> Unknown:
        """The result of calling it."""
        return Unknown(f"{self.name}()") if self.name and len(self.name) < MAX_NAME else UNKNOWN


UNKNOWN = Unknown()
INERT = SCALAR_TYPES | {Unknown}  # the types of values that nothing can be done to


class Text:
    """A text of which some parts are unknown: `parts` holds texts and, for each unknown stretch, None."""

    __slots__ = ("parts",)

    def __init__(self, parts: list[str | None]) -> None:
        self.parts = parts

    def filled(self, filler: str) -> str:
        """The text with `filler` for every unknown stretch."""
        return "".join(filler if part is None else part for part in self.parts)


class FilePath:
    """A path under the experiment's root, which is called `/@`."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def member(self, name: str) -> Any:
        """An attribute that is no method, None if it has none of this name."""
        if name == "parent":
            return FilePath(posixpath.dirname(self.text))
        if name == "name":
            return posixpath.basename(self.text)
        if name == "stem":
            return posixpath.splitext(posixpath.basename(self.text))[0]
        if name == "suffix":
            return posixpath.splitext(self.text)[1]
        if name == "parents":
            parents = [self]
            while parents[-1].text not in ("/", ""):
                parents.append(FilePath(posixpath.dirname(parents[-1].text)))
            return List(parents[1:])
        return None


class Dict:
    """A mapping.

    Attributes:
        open: it may hold other keys too.
        maybe: keys of `items` that may be absent.
        written: its keys where it was written out in the code and given to nobody who might change it; else None.
    """

    __slots__ = ("items", "maybe", "open", "written")

    def __init__(self, items: dict[Any, Any] | None = None, open: bool = False) -> None:
        self.items: dict[Any, Any] = {} if items is None else items
        self.maybe: set[Any] = set()
        self.open = open
        self.written: frozenset[Any] | None = None

    def surely_lacks(self, key: Any) -> bool:
        """Whether asking for a key raises `KeyError` for certain: the keys are those that were written out, and it is none of them."""
        return self.written is not None and self.written == self.items.keys() and key not in self.written


class Node(Dict):
    """A mapping that comes from the config.

    Attributes:
        path: where it stood in the composed config (or file) it comes from; reads are recorded under it.
        origins: for keys that came from elsewhere (merged, copied), where they stood.
        config: a DictConfig; False for the plain dict that `to_container` makes of one.
        struct: its own struct flag, None to inherit.
        parent: the node it is in.
    """

    __slots__ = ("config", "origins", "parent", "path", "struct")

    def __init__(self, path: Path, config: bool = True, parent: Node | None = None) -> None:
        super().__init__()
        self.path = path
        self.origins: dict[Any, Path] = {}
        self.config = config
        self.struct: bool | None = None
        self.parent = parent

    def origin(self, key: Any) -> Path:
        """Where a key of it stood at first."""
        return self.origins.get(key) or (*self.path, str(key))

    def is_struct(self) -> bool:
        """Whether new keys are refused here."""
        node: Node | None = self
        while node is not None:
            if node.struct is not None:
                return node.struct
            node = node.parent
        return False


class List:
    """A list, tuple or set. `open`: it may hold more than `items`. `path`: where it stood in the config, if it did."""

    __slots__ = ("items", "kind", "open", "path")

    def __init__(self, items: Iterable[Any] = (), open: bool = False, kind: str = "list", path: Path | None = None) -> None:
        self.items = list(items)
        self.open = open
        self.kind = kind
        self.path = path


class Function:
    """A function or lambda of the experiment with its defining scope; `bound` is the instance or class of a method."""

    __slots__ = ("bound", "closure", "decorators", "defaults", "module", "node", "owner")

    def __init__(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, module: Module, closure: Frame, bound: Any = None
    ) -> None:
        self.node = node
        self.module = module
        self.closure = closure
        self.bound = bound
        self.defaults: dict[str, Any] = {}
        self.decorators: tuple[str, ...] = ()
        self.owner: Class | None = None

    def bind(self, instance: Any) -> Function:
        """The same function as a method of `instance`."""
        method = Function(self.node, self.module, self.closure, instance)
        method.defaults, method.decorators, method.owner = self.defaults, self.decorators, self.owner
        return method


class HydraMain:
    """A function under `@hydra.main(...)`; `options` as far as they are known."""

    __slots__ = ("function", "node", "options")

    def __init__(self, function: Function, options: dict[str, Any], node: ast.AST) -> None:
        self.function = function
        self.options = options
        self.node = node


class Class:
    """A class of the experiment. `foreign`: it has a base that the experiment does not define, so its members are not all known."""

    __slots__ = ("attributes", "bases", "foreign", "is_dataclass", "module", "node")

    def __init__(self, node: ast.ClassDef, module: Module, bases: list[Class], foreign: bool) -> None:
        self.node = node
        self.module = module
        self.bases = bases
        self.foreign: bool = foreign or any(base.foreign for base in bases)
        self.attributes: dict[str, Any] = {}
        self.is_dataclass = False

    def lineage(self) -> Iterator[Class]:
        """The class and its bases, nearest first."""
        yield self
        for base in self.bases:
            yield from base.lineage()

    def find(self, name: str) -> Any:
        """A member by name, None if no class of the lineage has it."""
        for entry in self.lineage():
            if name in entry.attributes:
                return entry.attributes[name]
        return None


class Instance:
    """An object of a class of the experiment, or (`cls` None) a plain namespace of attributes."""

    __slots__ = ("attributes", "cls", "open")

    def __init__(self, cls: Class | None, attributes: dict[str, Any] | None = None) -> None:
        self.cls = cls
        self.attributes: dict[str, Any] = attributes or {}
        self.open = cls is None or cls.foreign


class Super:
    """What `super()` gives inside a method."""

    __slots__ = ("instance", "owner")

    def __init__(self, instance: Any, owner: Class) -> None:
        self.instance = instance
        self.owner = owner


class ModuleValue:
    """A module of the experiment that has been imported; `names` are its globals."""

    __slots__ = ("module", "names")

    def __init__(self, module: Module) -> None:
        self.module = module
        self.names: dict[str, Any] = {}


class Method:
    """A method of a value the interpreter knows (a text, list, mapping or path), not yet called."""

    __slots__ = ("name", "owner")

    def __init__(self, owner: Any, name: str) -> None:
        self.owner = owner
        self.name = name


class Partial:
    """A callable with some arguments already given."""

    __slots__ = ("arguments", "callee")

    def __init__(self, callee: Any, arguments: Arguments) -> None:
        self.callee = callee
        self.arguments = arguments


class Arguments:
    """The arguments of a call. `open`: there may be others. `spread`: keywords that came from `**node`, with where they stood."""

    __slots__ = ("keywords", "open", "positional", "spread")

    def __init__(self, positional: Iterable[Any] = (), keywords: dict[str, Any] | None = None, open: bool = False) -> None:
        self.positional = list(positional)
        self.keywords: dict[str, Any] = {} if keywords is None else keywords
        self.open = open
        self.spread: dict[str, Path] = {}

    def get(self, index: int, name: str, default: Any = None) -> Any:
        """An argument by position or name."""
        if index < len(self.positional):
            return self.positional[index]
        return self.keywords.get(name, default)

    def values(self) -> list[Any]:
        """Every argument."""
        return [*self.positional, *self.keywords.values()]


class Builtin:
    """A function of Python's own."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Choice:
    """One of several known values; which one is not known."""

    __slots__ = ("values",)

    def __init__(self, values: list[Any]) -> None:
        self.values = values


class Frame:
    """A scope: names, the scope around it, and what the code in it returned so far."""

    __slots__ = ("function", "globals", "is_class", "locals", "module", "nonlocals", "outer", "returns", "yields")

    def __init__(
        self, module: Module, names: dict[str, Any], globals_: dict[str, Any], outer: Frame | None = None, function: Function | None = None
    ) -> None:
        self.module = module
        self.locals = names
        self.globals = globals_
        self.outer = outer
        self.function = function
        self.returns: list[Any] = []
        self.yields: list[Any] | None = None
        self.nonlocals: dict[str, dict[str, Any]] = {}
        self.is_class = False


def same(left: Any, right: Any) -> bool:
    """Whether two values are surely the same."""
    if left is right:
        return True
    return type(left) in SCALAR_TYPES and type(left) is type(right) and bool(left == right)


def join(left: Any, right: Any) -> Any:
    """A value that is one of two: the value if they are the same, a `Choice` of known objects, else unknown."""
    if same(left, right):
        return left
    if isinstance(left, Unknown) and isinstance(right, Unknown) and left.name == right.name:
        return left
    values: list[Any] = []
    for value in (left, right):
        for part in value.values if isinstance(value, Choice) else [value]:
            if not any(same(part, other) for other in values):
                values.append(part)
    keep = len(values) <= 4 and all(
        isinstance(value, (Node, Function, Instance, Class, List, Dict, HydraMain)) or value is None for value in values
    )
    if len(values) == 1:
        return values[0]
    return Choice(values) if keep else UNKNOWN


def truth(value: Any) -> bool | None:
    """Whether a value counts as true; None where that is not known."""
    if type(value) in SCALAR_TYPES:
        return bool(value)
    if isinstance(value, Unknown):
        return None
    if isinstance(value, Dict):
        if any(key not in value.maybe for key in value.items):
            return True
        return None if value.open or value.maybe else False
    if isinstance(value, List):
        return True if value.items else (None if value.open else False)
    if isinstance(value, (Function, HydraMain, Class, ModuleValue, Method, Builtin, FilePath)):
        return True
    if isinstance(value, Choice):
        answers = {truth(part) for part in value.values}
        return answers.pop() if len(answers) == 1 else None
    if isinstance(value, Text):
        return True if any(part for part in value.parts) else None
    return None
