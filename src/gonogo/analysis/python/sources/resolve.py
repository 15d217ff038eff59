"""The walk from an expression to the expressions that it may stand for."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cached_property

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import body_nodes, origin
from gonogo.analysis.python.receivers import called
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.sources.callers import Callers, of_entry
from gonogo.analysis.python.sources.contents import Contents
from gonogo.analysis.python.sources.origins import NOWHERE, Found, Part, Path, Source, found, step_of, together
from gonogo.analysis.python.symbols import Symbols

MAX_SOURCES = 600
MAX_PATH = 6
# Calls that give what they are given, or a container with the same content.
SAME = frozenset(
    {"list", "tuple", "sorted", "set", "frozenset", "reversed", "iter", "next", "dict", "tqdm", "tqdm.tqdm", "tqdm.auto.tqdm"}
    | {"tqdm.notebook.tqdm", "tqdm.trange", "copy.copy", "copy.deepcopy", "collections.OrderedDict", "itertools.chain"}
)
EMPTY = frozenset({"collections.defaultdict", "collections.Counter", "collections.deque"})
SAME_METHODS = frozenset({"copy", "deepcopy"})
GETTERS = frozenset({"get", "pop", "setdefault"})


class Sources:
    """Follows expressions across the project's modules.

    Args:
        symbols: what the project's modules define.
    """

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.callers = Callers(symbols)
        self.contents = Contents(symbols)
        self._known: dict[Source, Found] = {}

    def follow(self, module: Module, node: ast.expr, *path: str | int | Part) -> Found:
        """Every expression that may give what the path takes out of an expression."""
        start = Source(module, node, path)
        if start not in self._known:
            self._known[start] = self._walk(start)
        return self._known[start]

    def _walk(self, start: Source) -> Found:
        result, pending, seen = Found(), [start], {start}
        while pending:
            source = pending.pop()
            nexts = self._next(source) if len(source.path) <= MAX_PATH else NOWHERE
            if nexts is None:
                result.sources.append(source)
                continue
            result.complete = result.complete and nexts.complete
            for entry in nexts.sources:
                if entry not in seen:
                    seen.add(entry)
                    pending.append(entry)
            if len(seen) > MAX_SOURCES:
                return Found(result.sources, complete=False)
        return result

    def _next(self, source: Source) -> Found | None:
        """One step on; None where there is none."""
        reader = _STEPS.get(type(source.node))
        return reader(self, source) if reader is not None else None

    # -- names and attributes -----------------------------------------------------------------------------------------

    def _name(self, source: Source) -> Found | None:
        assert isinstance(source.node, ast.Name)
        name, module = source.node.id, source.module
        place = self.symbols.scopes(module).lookup(name, source.node)
        if place is None:
            return None
        scope, bindings = place
        if any(isinstance(binding, (*FUNCTIONS, ast.ClassDef, ast.Import)) for binding in bindings):
            return None
        if any(isinstance(binding, ast.ImportFrom) for binding in bindings):
            return self._imported(source, bindings)
        parts = [self._bound(source, binding) for binding in bindings]
        if source.path:
            parts.append(self.contents.of_name(module, scope, name, source.path))
        return together(parts)

    def _imported(self, source: Source, bindings: list[ast.AST]) -> Found | None:
        assert isinstance(source.node, ast.Name)
        binding = bindings[0]
        if len(bindings) != 1 or not isinstance(binding, ast.ImportFrom):
            return NOWHERE
        owner = self.symbols.by_name.get(source.module.resolve_import(binding))
        original = next((alias.name for alias in binding.names if (alias.asname or alias.name) == source.node.id), None)
        if owner is None or owner.tree is None or original is None:
            return None
        bound = self.symbols.scopes(owner).names(owner.tree).bound.get(original)
        if not bound or any(not isinstance(entry, ast.Name) for entry in bound):
            return None
        parts = [self._bound(Source(owner, source.node, source.path), entry) for entry in bound]
        if source.path:
            parts += [
                self.contents.of_name(owner, owner.tree, original, source.path),
                self.contents.of_name(source.module, self._scope_of(source), source.node.id, source.path),
            ]
        return together(parts)

    def _scope_of(self, source: Source) -> ast.AST:
        assert isinstance(source.node, ast.Name)
        place = self.symbols.scopes(source.module).lookup(source.node.id, source.node)
        return place[0] if place is not None else source.node

    def _bound(self, source: Source, binding: ast.AST) -> Found:
        """What one binding gives a name."""
        module, path = source.module, source.path
        if isinstance(binding, ast.arg):
            return self.callers.given(module, binding, path)
        if not isinstance(binding, ast.Name):
            return NOWHERE
        if isinstance(binding.ctx, ast.Del):
            return Found()
        return _assigned(module, binding, path)

    def _attribute(self, source: Source) -> Found | None:
        """`self.x`: whatever the project stores under that attribute, in any object."""
        node, module = source.node, source.module
        assert isinstance(node, ast.Attribute)
        if not isinstance(node.value, ast.Name) or not self._is_receiver(module, node.value):
            return None
        stores = [
            (other, entry)
            for other in self.symbols.modules.values()
            for entry in other.of(ast.Attribute)
            if entry.attr == node.attr and isinstance(entry.ctx, ast.Store)
        ]
        if not stores or node.attr in self._of_classes:
            return NOWHERE  # an attribute of the class, of a base, a field, a property or a method
        parts = [_assigned(other, entry, source.path) for other, entry in stores]
        if source.path:
            parts.append(self.contents.of_attribute(node.attr, source.path))
        return together(parts)

    @cached_property
    def _of_classes(self) -> set[str]:
        """Every name that the body of some class binds."""
        return {name for owner in self.symbols.classes for name in self.symbols.scopes(owner.module).names(owner.node).bound}

    def _is_receiver(self, module: Module, node: ast.Name) -> bool:
        """Whether a name is the first parameter of a method."""
        place = self.symbols.scopes(module).lookup(node.id, node)
        if place is None or len(place[1]) != 1 or not isinstance(place[1][0], ast.arg):
            return False
        method = place[0]
        if not isinstance(method, FUNCTIONS) or not isinstance(module.parents.get(method), ast.ClassDef):
            return False
        return next(iter([*method.args.posonlyargs, *method.args.args]), None) is place[1][0]

    # -- calls --------------------------------------------------------------------------------------------------------

    def _call(self, source: Source) -> Found | None:
        call, module, path = source.node, source.module, source.path
        assert isinstance(call, ast.Call)
        name = origin(module, call.func)
        if name in EMPTY and (not path or len(call.args) < 2):
            return Found() if path else None
        if name in SAME and (call.args or call.keywords):
            return _same(source, call, name)
        if name in ("enumerate", "zip") and len(path) > 1:
            return _tuples(source, call, name)
        target = called(self.symbols, module, call)
        if target is not None:
            node = target[0].node
            is_init = isinstance(node, ast.ClassDef) or node.name == "__init__"
            return None if is_init else self._returned(target[0].module, node, path)
        return _by_method(source, call)

    def _returned(self, module: Module, function: Function | ast.ClassDef, path: Path) -> Found:
        assert isinstance(function, FUNCTIONS)
        if isinstance(function, ast.AsyncFunctionDef):
            return NOWHERE
        values, yielded = module.once(_results, function)
        if yielded:
            return together(_yielded(module, entry, path) for entry in yielded)
        return found(*(Source(module, value, path) for value in values))

    def _awaited(self, source: Source) -> Found | None:
        return NOWHERE


def _tuples(source: Source, call: ast.Call, name: str) -> Found:
    """What a path takes out of the tuples that `zip` and `enumerate` make."""
    index, rest = source.path[1], source.path[2:]
    if any(isinstance(entry, ast.Starred) for entry in call.args) or not isinstance(index, int) or not call.args:
        return NOWHERE
    if name == "enumerate":
        return found(Source(source.module, call.args[0], (Part.ENTRY, *rest))) if index == 1 else NOWHERE
    return found(Source(source.module, call.args[index], (Part.ENTRY, *rest))) if index < len(call.args) else NOWHERE


def _same(source: Source, call: ast.Call, name: str) -> Found | None:
    """`list(x)`, `dict(x, a=1)`: the content of what is given."""
    module, path = source.module, source.path
    if any(isinstance(entry, ast.Starred) for entry in call.args):
        return NOWHERE
    if name != "dict":
        first = call.args[:1] if name != "itertools.chain" else call.args
        if name == "next":
            path = (Part.ENTRY, *path)
        elif path and not isinstance(path[0], str) and not name.startswith(("copy.", "collections.")):
            path = (Part.ENTRY, *path[1:])  # `list(d)[0]` is a key
        return found(*(Source(module, entry, path) for entry in first))
    if not path:
        return found(Source(module, call.args[0])) if call.args and not call.keywords else None
    parts = [_pairs(Source(module, entry, path)) for entry in call.args]
    for keyword in call.keywords:
        value = Source(module, keyword.value, path)
        parts.append(found(value) if keyword.arg is None else of_entry(value, ast.Constant(keyword.arg)))
    return together(parts)


def _pairs(source: Source) -> Found:
    """What a path takes out of `dict(x)`: pairs where `x` plainly makes pairs, else a mapping."""
    node = source.node
    makes_pairs = isinstance(node, (ast.List, ast.ListComp, ast.GeneratorExp)) or (
        isinstance(node, ast.Call) and origin(source.module, node.func) == "zip"
    )
    if not makes_pairs:
        return found(source)
    place = 0 if source.path[0] in (Part.KEY, Part.ENTRY) else 1
    return found(Source(source.module, node, (Part.ENTRY, place, *source.path[1:])))


def _by_method(source: Source, call: ast.Call) -> Found | None:
    """The methods of mappings."""
    if not isinstance(call.func, ast.Attribute):
        return None
    module, path, method, owner = source.module, source.path, call.func.attr, call.func.value
    if method in SAME_METHODS and not call.args:
        return found(Source(module, owner, path))
    if method in ("items", "keys", "values") and not call.args and path and not isinstance(path[0], str):
        if method != "items":
            return found(Source(module, owner, (Part.KEY if method == "keys" else Part.VALUE, *path[1:])))
        if len(path) > 1 and path[1] in (0, 1):
            return found(Source(module, owner, (Part.KEY if path[1] == 0 else Part.VALUE, *path[2:])))
        return NOWHERE
    if method in GETTERS and call.args:
        step = step_of(call.args[0])
        taken = [Source(module, owner, (Part.VALUE if step is None else step, *path))]
        return found(*taken, *(Source(module, default, path) for default in call.args[1:2]))
    return None


def _assigned(module: Module, target: ast.expr, path: Path) -> Found:
    """What the statement around a target gives it."""
    steps: Path = ()
    node: ast.AST = target
    parent = module.parents.get(node)
    while isinstance(parent, (ast.Tuple, ast.List)):
        if any(isinstance(entry, ast.Starred) for entry in parent.elts):
            return NOWHERE
        steps = (parent.elts.index(node), *steps)  # type: ignore[arg-type]
        node, parent = parent, module.parents.get(parent)
    path = (*steps, *path)
    if isinstance(parent, ast.Assign):
        return found(Source(module, parent.value, path))
    if isinstance(parent, (ast.AnnAssign, ast.NamedExpr)):
        return found(Source(module, parent.value, path)) if parent.value is not None else Found()
    if isinstance(parent, ast.AugAssign):
        grows = isinstance(parent.op, (ast.BitOr, ast.Add)) and bool(path)
        return found(Source(module, parent.value, path)) if grows else NOWHERE
    if isinstance(parent, (ast.For, ast.comprehension)):
        return found(Source(module, parent.iter, (Part.ENTRY, *path)))
    if isinstance(parent, ast.withitem):
        return found(Source(module, parent.context_expr, path))
    return NOWHERE


def _results(function: Function) -> tuple[list[ast.expr], list[ast.Yield | ast.YieldFrom]]:
    """What a function returns, and what it yields."""
    returned: list[ast.expr] = []
    yielded: list[ast.Yield | ast.YieldFrom] = []
    for node in body_nodes(function):
        if isinstance(node, ast.Return) and node.value is not None:
            returned.append(node.value)
        elif isinstance(node, (ast.Yield, ast.YieldFrom)):
            yielded.append(node)
    return returned, yielded


def _yielded(module: Module, node: ast.Yield | ast.YieldFrom, path: Path) -> Found:
    if node.value is None or not path:
        return NOWHERE if node.value is not None else Found()
    return found(Source(module, node.value, path[1:] if isinstance(node, ast.Yield) else path))


# -- displays and operators -----------------------------------------------------------------------------------------------


def _mapping(sources: Sources, source: Source) -> Found | None:
    node = source.node
    assert isinstance(node, ast.Dict)
    if not source.path:
        return None
    parts = []
    for key, value in zip(node.keys, node.values, strict=True):
        entry = Source(source.module, value, source.path)
        parts.append(found(entry) if key is None else of_entry(entry, key))
    return together(parts)


def _sequence(sources: Sources, source: Source) -> Found | None:
    node = source.node
    assert isinstance(node, (ast.List, ast.Tuple, ast.Set))
    if not source.path:
        return None
    first, rest = source.path[0], source.path[1:]
    if first is Part.KEY or isinstance(first, str):
        return Found()
    if any(isinstance(entry, ast.Starred) for entry in node.elts):
        first = Part.VALUE
    parts: list[Found] = []
    for index, entry in enumerate(node.elts):
        if isinstance(entry, ast.Starred):
            parts.append(found(Source(source.module, entry.value, (Part.ENTRY, *rest))))
        elif isinstance(first, Part) or first == index:
            parts.append(found(Source(source.module, entry, rest)))
    return together(parts)


def _comprehension(sources: Sources, source: Source) -> Found | None:
    node = source.node
    assert isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp))
    if not source.path:
        return None
    return Found() if isinstance(source.path[0], str) else found(Source(source.module, node.elt, source.path[1:]))


def _dict_comprehension(sources: Sources, source: Source) -> Found | None:
    node = source.node
    assert isinstance(node, ast.DictComp)
    return of_entry(Source(source.module, node.value, source.path), node.key) if source.path else None


def _subscript(sources: Sources, source: Source) -> Found | None:
    node = source.node
    assert isinstance(node, ast.Subscript)
    step = step_of(node.slice)
    return found(Source(source.module, node.value, source.path if step is None else (step, *source.path)))


def _either(sources: Sources, source: Source) -> Found | None:
    node = source.node
    if isinstance(node, ast.IfExp):
        branches = [node.body, node.orelse]
    else:
        assert isinstance(node, ast.BoolOp)
        branches = node.values
    return found(*(Source(source.module, branch, source.path) for branch in branches))


def _sum(sources: Sources, source: Source) -> Found | None:
    """`a | b` and `a + b` of containers: the content of both."""
    node = source.node
    assert isinstance(node, ast.BinOp)
    if not source.path or not isinstance(node.op, (ast.BitOr, ast.Add)):
        return None
    return found(Source(source.module, node.left, source.path), Source(source.module, node.right, source.path))


def _named(sources: Sources, source: Source) -> Found | None:
    node = source.node
    assert isinstance(node, ast.NamedExpr)
    return found(Source(source.module, node.value, source.path))


def _constant(sources: Sources, source: Source) -> Found | None:
    """Nothing can be taken out of None or a number."""
    return Found() if source.path else None


_STEPS: dict[type[ast.expr], Callable[[Sources, Source], Found | None]] = {
    ast.Name: Sources._name,
    ast.Attribute: Sources._attribute,
    ast.Call: Sources._call,
    ast.Await: Sources._awaited,
    ast.Dict: _mapping,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Set: _sequence,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _dict_comprehension,
    ast.Subscript: _subscript,
    ast.IfExp: _either,
    ast.BoolOp: _either,
    ast.BinOp: _sum,
    ast.NamedExpr: _named,
    ast.Constant: _constant,
}
