"""Who binds a name: Python's scopes, told from the tree alone.

Ours, and not `symtable`: that one parses the text again and says which names a scope has, not which nodes bind them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from gonogo.analysis.python.modules import Module, children

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*FUNCTIONS, ast.Lambda, ast.ClassDef, *COMPREHENSIONS)
_LEAVES = frozenset({ast.Name, ast.Constant, ast.alias})
# Every kind of node that may bind a name or move one to another scope.
_BINDERS = frozenset(
    {
        *FUNCTIONS, ast.ClassDef, ast.Name, ast.arg, ast.Import, ast.ImportFrom, ast.ExceptHandler, ast.MatchAs, ast.MatchStar,
        ast.MatchMapping, ast.Global, ast.Nonlocal,
    }
)  # fmt: skip


@dataclass
class Names:
    """What one scope binds: every binding node by name, and the names it declares `global` or `nonlocal`."""

    bound: dict[str, list[ast.AST]] = field(default_factory=dict)
    outer: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, node: ast.AST) -> None:
        """Note that `node` binds `name`."""
        self.bound.setdefault(name, []).append(node)


class Scopes:
    """The scopes of one module.

    Three facts about a name used somewhere: the scope it belongs to, all the nodes that bind it there, and whether more may bind it unseen.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self._names: dict[ast.AST, Names] = {}

    def names(self, scope: ast.AST) -> Names:
        """What a scope binds; the module's own scope includes what functions bind under `global`."""
        if scope not in self._names:
            names = Names()
            for node in _own_nodes(scope):
                if type(node) in _BINDERS:
                    _collect(node, names)
            self._names[scope] = names
            if isinstance(scope, ast.Module):
                self._add_globals(names)
            else:
                for name in names.outer:
                    names.bound.pop(name, None)
        return self._names[scope]

    def _add_globals(self, names: Names) -> None:
        declared: dict[ast.AST, set[str]] = {}
        for node in self.module.of(ast.Global):
            declared.setdefault(next(iter(self.chain(node))), set()).update(node.names)
        for function, wanted in declared.items():
            for inner in _own_nodes(function):
                for name in wanted.intersection(bound_names(inner)):
                    names.add(name, inner)

    def chain(self, node: ast.AST) -> Iterator[ast.AST]:
        """The scopes around a node, innermost first, the module last."""
        parents = self.module.parents
        child, parent = node, parents.get(node)
        while parent is not None:
            if isinstance(parent, COMPREHENSIONS) or (isinstance(parent, _SCOPES) and _is_inside(parent, child)):
                yield parent
            child, parent = parent, parents.get(parent)
        if self.module.tree is not None:
            yield self.module.tree

    def lookup(self, name: str, node: ast.AST) -> tuple[ast.AST, list[ast.AST]] | None:
        """Return the scope that `name`, used at `node`, belongs to, and the nodes that bind it there.

        None where nothing binds it.
        """
        for depth, scope in enumerate(self.chain(node)):
            if isinstance(scope, ast.ClassDef) and depth > 0:
                continue  # a class body's names are invisible to the functions in it
            names = self.names(scope)
            if names.outer.get(name) == "global" and self.module.tree is not None:
                bound = self.names(self.module.tree).bound.get(name)
                return (self.module.tree, bound) if bound else None
            if name in names.bound:
                return scope, names.bound[name]
        return None

    def function(self, node: ast.AST) -> ast.AST:
        """The function, lambda or module whose body holds a node, class bodies and comprehensions set aside."""
        return next(scope for scope in self.chain(node) if not isinstance(scope, (ast.ClassDef, *COMPREHENSIONS)))


def _is_inside(scope: ast.AST, child: ast.AST) -> bool:
    """Return whether a child of a function or class is in the scope that it opens.

    Decorators, default values and base classes are not.
    """
    return not isinstance(child, ast.arguments) if isinstance(scope, ast.Lambda) else isinstance(child, ast.stmt)


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope, not those of the scopes inside it; of these only the node that opens them."""
    pending = list(_start(scope))
    while pending:
        node = pending.pop()
        yield node
        if type(node) in _LEAVES:
            continue
        if isinstance(node, ast.Lambda):
            pending.extend(default for default in [*node.args.defaults, *node.args.kw_defaults] if default is not None)
        elif isinstance(node, FUNCTIONS):
            pending.extend([*node.decorator_list, *node.args.defaults, *(default for default in node.args.kw_defaults if default)])
        elif isinstance(node, ast.ClassDef):
            pending.extend([*node.decorator_list, *node.bases])
        elif isinstance(node, COMPREHENSIONS):
            pending.extend(walrus for walrus in ast.walk(node) if isinstance(walrus, ast.NamedExpr))
        else:
            pending.extend(children(node))


def _start(scope: ast.AST) -> Iterator[ast.AST]:
    if isinstance(scope, (*FUNCTIONS, ast.Lambda)):
        arguments = scope.args
        yield from [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        yield from (extra for extra in (arguments.vararg, arguments.kwarg) if extra)
    if isinstance(scope, COMPREHENSIONS):
        yield from (generator.target for generator in scope.generators)
    elif isinstance(scope, ast.Lambda):
        yield scope.body
    elif isinstance(scope, (*FUNCTIONS, ast.ClassDef, ast.Module)):
        yield from scope.body


def _collect(node: ast.AST, names: Names) -> None:
    if isinstance(node, (ast.Global, ast.Nonlocal)):
        names.outer.update(dict.fromkeys(node.names, "global" if isinstance(node, ast.Global) else "nonlocal"))
    for name in bound_names(node):
        names.add(name, node)


def bound_names(node: ast.AST) -> Iterator[str]:
    """The names that this one node binds, not those of the nodes inside it."""
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.Name):
        if isinstance(node.ctx, (ast.Store, ast.Del)):
            yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.asname or (alias.name if isinstance(node, ast.ImportFrom) else alias.name.partition(".")[0])
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
