"""Whether a call can bind to the signature of what it calls.

The answer is what `inspect.Signature.bind` would give, found from the tree alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from gonogo.analysis.python.modules import Function, Module, qualified_name
from gonogo.analysis.python.symbols import Definition, Symbols

MAX_BASES = 10
# Decorators (last part of the dotted name) that leave a signature as it is written.
TRANSPARENT = {
    "no_grad", "inference_mode", "enable_grad", "set_grad_enabled", "staticmethod", "classmethod", "abstractmethod", "override", "final",
    "contextmanager", "asynccontextmanager", "cache", "lru_cache", "no_type_check", "record_function",
}  # fmt: skip
# Bases whose metaclass lets the class's own `__init__` decide how it is called.
PLAIN_BASES = {
    "object", "ABC", "Generic", "Exception", "ValueError", "RuntimeError", "TypeError",
    "Module", "Dataset", "IterableDataset", "Sampler", "Function", "Optimizer", "Callback", "NodeVisitor", "Thread",
    "LightningModule", "LightningDataModule",
}  # fmt: skip


@dataclass(frozen=True)
class Signature:
    """The parameters of a function as a caller sees them: `self` and `cls` are gone."""

    positional: tuple[str, ...]
    positional_only: int
    keyword_only: tuple[str, ...]
    required: frozenset[str]
    takes_more: bool
    takes_any_keyword: bool

    def problem(self, call: ast.Call) -> str | None:
        """Why a call can't bind; None where it can, or where it unpacks `*args` or `**kwargs` and may."""
        if any(isinstance(argument, ast.Starred) for argument in call.args) or any(keyword.arg is None for keyword in call.keywords):
            return None
        return self.misfit(len(call.args), [keyword.arg or "" for keyword in call.keywords])

    def misfit(self, count: int, keywords: Iterable[str], is_open: bool = False) -> str | None:
        """Why arguments can't be bound; None where they can.

        Args:
            count: how many are given by place.
            keywords: the names of the others.
            is_open: more may be given.
        """
        if count > len(self.positional) and not self.takes_more:
            most = f"at most {len(self.positional)}" if self.positional else "no"
            are_given = f"{count} {'is' if count == 1 else 'are'} given"
            return f"it takes {most} positional argument{'' if len(self.positional) == 1 else 's'}, and {are_given}"
        filled = set(self.positional[:count])
        nameable = {*self.positional[self.positional_only :], *self.keyword_only}
        for name in keywords:
            if name in nameable and name in filled:
                return f"`{name}` is given twice"
            if name not in nameable and not self.takes_any_keyword:
                return f"it has no parameter `{name}`"
            if name in nameable:  # any other goes into `**rest`, even under the name of a positional-only parameter
                filled.add(name)
        missing = [name for name in (*self.positional, *self.keyword_only) if name in self.required and name not in filled]
        if missing and not is_open:
            return f"{', '.join(f'`{name}`' for name in missing)} {'is' if len(missing) == 1 else 'are'} missing"
        return None


def from_arguments(arguments: ast.arguments, bound: bool) -> Signature | None:
    """The signature written in a `def`.

    Args:
        arguments: of the function.
        bound: the first parameter is filled by Python (`self`, `cls`).
    """
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    required = set(positional[: len(positional) - len(arguments.defaults)])
    required |= {argument.arg for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None}
    positional_only = len(arguments.posonlyargs)
    if bound:
        if not positional:
            return None  # `def f(*args)`: Python puts self there
        required.discard(positional[0])
        positional, positional_only = positional[1:], max(positional_only - 1, 0)
    keyword_only = tuple(argument.arg for argument in arguments.kwonlyargs)
    return Signature(
        tuple(positional), positional_only, keyword_only, frozenset(required), arguments.vararg is not None, arguments.kwarg is not None
    )


def of_function(node: Function, in_class: bool, through_instance: bool = True) -> Signature | None:
    """Return the signature of a function or method as its caller sees it.

    None where a decorator may have changed it.

    Args:
        node: the definition.
        in_class: it is a method.
        through_instance: the method is reached through an instance, not through the class.
    """
    names = [qualified_name(entry.func if isinstance(entry, ast.Call) else entry).rpartition(".")[2] for entry in node.decorator_list]
    if any(name not in TRANSPARENT for name in names):
        return None
    if not in_class:
        return from_arguments(node.args, bound=False) if "staticmethod" not in names and "classmethod" not in names else None
    if "staticmethod" in names:
        return from_arguments(node.args, bound=False)
    return from_arguments(node.args, bound=through_instance or "classmethod" in names)


def of_class(symbols: Symbols, definition: Definition, depth: int = 0) -> Signature | None:
    """Return the signature for calling a class of the project.

    None where a metaclass, an outside base class or a decorator may decide.
    """
    node = definition.node
    if not isinstance(node, ast.ClassDef) or depth > MAX_BASES or not _is_plain(symbols, definition, depth):
        return None
    is_dataclass = [_dataclass_options(definition.module, entry) is not None for entry in node.decorator_list]
    if not all(is_dataclass):
        return None
    if symbols.scopes(definition.module).names(node).bound.get("__init__"):
        found = symbols.method(definition, "__init__")
        return of_function(found[1], in_class=True) if found else None
    if is_dataclass:
        fields = _dataclass_fields(symbols, definition, depth)
        return _from_fields(fields) if fields is not None else None
    bases = symbols.bases(definition)
    if len(bases) == 1 and isinstance(bases[0], Definition):
        return of_class(symbols, bases[0], depth + 1)
    if all(base in ("object", "ABC", "abc.ABC") for base in bases):
        return Signature((), 0, (), frozenset(), takes_more=False, takes_any_keyword=False)
    return None


def _is_plain(symbols: Symbols, definition: Definition, depth: int) -> bool:
    """Return whether calling the class only calls its `__init__`.

    This means no `__new__`, no metaclass and no base class that may have one.
    """
    node = definition.node
    assert isinstance(node, ast.ClassDef)
    if depth > MAX_BASES or "__new__" in symbols.scopes(definition.module).names(node).bound:
        return False
    if any(keyword.arg != "metaclass" or qualified_name(keyword.value).rpartition(".")[2] != "ABCMeta" for keyword in node.keywords):
        return False
    return all(
        _is_plain(symbols, base, depth + 1) if isinstance(base, Definition) else base.rpartition(".")[2] in PLAIN_BASES
        for base in symbols.bases(definition)
    )


def _dataclass_options(module: Module, decorator: ast.expr) -> dict[str | None, ast.expr] | None:
    """The keyword arguments of a decorator that is the standard library's `dataclass`, None for any other."""
    name = qualified_name(decorator.func if isinstance(decorator, ast.Call) else decorator)
    origin = module.definitions.get(name.partition(".")[0])
    imported = (isinstance(origin, ast.ImportFrom) and origin.module == "dataclasses" and name == "dataclass") or (
        isinstance(origin, ast.Import) and name == "dataclasses.dataclass"
    )
    if not imported:
        return None
    return {keyword.arg: keyword.value for keyword in decorator.keywords} if isinstance(decorator, ast.Call) else {}


@dataclass(frozen=True)
class _Field:
    name: str
    has_default: bool
    keyword_only: bool


def _from_fields(fields: list[_Field]) -> Signature:
    return Signature(
        positional=tuple(field.name for field in fields if not field.keyword_only),
        positional_only=0,
        keyword_only=tuple(field.name for field in fields if field.keyword_only),
        required=frozenset(field.name for field in fields if not field.has_default),
        takes_more=False,
        takes_any_keyword=False,
    )


def _dataclass_fields(symbols: Symbols, definition: Definition, depth: int) -> list[_Field] | None:
    """The fields that a dataclass's `__init__` takes, its base's first; None where they can't be told."""
    node = definition.node
    if not isinstance(node, ast.ClassDef) or len(node.decorator_list) != 1 or depth > MAX_BASES or len(node.bases) > 1:
        return None
    options = _dataclass_options(definition.module, node.decorator_list[0])
    if options is None or None in options or _truth(options.get("init"), True) is not True:
        return None
    keyword_only = _truth(options.get("kw_only"), False)
    own = _own_fields(node, keyword_only) if keyword_only is not None else None
    if own is None:
        return None
    fields: dict[str, _Field | None] = {}
    for base in symbols.bases(definition):
        inherited = _dataclass_fields(symbols, base, depth + 1) if isinstance(base, Definition) else [] if base == "object" else None
        if inherited is None:
            return None
        fields.update((field.name, field) for field in inherited)
    return [field for field in (fields | own).values() if field is not None]


def _own_fields(node: ast.ClassDef, keyword_only: bool) -> dict[str, _Field | None] | None:
    """Return the fields that a dataclass's body declares.

    A field that `__init__` does not take is None. The whole result is None where the fields can't be determined.
    """
    fields: dict[str, _Field | None] = {}
    for statement in node.body:
        if isinstance(statement, (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)):
            return None
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        annotation = ast.unparse(statement.annotation)
        if "KW_ONLY" in annotation:
            keyword_only = True
        elif "ClassVar" not in annotation:
            try:
                fields[statement.target.id] = _field(statement.target.id, statement.value, keyword_only)
            except LookupError:
                return None
    return fields


def _field(name: str, value: ast.expr | None, keyword_only: bool) -> _Field | None:
    """One field; None if `__init__` does not take it.

    Raises:
        LookupError: it can't be told.
    """
    function = qualified_name(value.func).rpartition(".")[2] if isinstance(value, ast.Call) else ""
    if not isinstance(value, ast.Call) or function != "field":
        if function in ("Field", "ib", "attrib"):
            raise LookupError(name)
        return _Field(name, value is not None, keyword_only)
    options = {keyword.arg: keyword.value for keyword in value.keywords}
    in_init, by_keyword = _truth(options.get("init"), True), _truth(options.get("kw_only"), keyword_only)
    if in_init is None or by_keyword is None or None in options:
        raise LookupError(name)
    return _Field(name, bool(options.keys() & {"default", "default_factory"}), by_keyword) if in_init else None


def _truth(node: ast.expr | None, default: bool) -> bool | None:
    """A literal True or False, the default where nothing is written, None for anything else."""
    if node is None:
        return default
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, bool) else None
