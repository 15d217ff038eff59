"""Names that are read before anything can have bound them.

These are local names of functions and names at a module's top level.

A walk through each scope in order keeps the names that may be bound by then, whichever branches were taken. Only what surely runs at that
point is looked at: bodies of functions, lambdas and generator expressions run later. A name that a loop binds counts as bound in those
parts of its body that may be left out in the first turn.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable, Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.scopes import FUNCTIONS, Scopes

Bound = frozenset[str]
_EAGER = (ast.ListComp, ast.SetComp, ast.DictComp)
_BUILTINS = frozenset({*dir(builtins), "__file__", "__doc__", "__name__", "__path__", "__spec__", "__package__", "__builtins__"})
_ASKS = (ast.UnaryOp, ast.Not, ast.Compare, ast.cmpop, ast.BoolOp, ast.boolop)
_LEAVES = (ast.Continue, ast.Break, ast.Return)


def read_before(module: Module, scopes: Scopes) -> Iterator[ast.Name]:
    """Yield each top-level read of a name of the module that nothing can have bound before.

    Each name is given once. Notebooks are included.
    """
    if module.tree is not None:
        elsewhere = {name for node in module.of(ast.Global, ast.Nonlocal) for name in node.names}
        own = scopes.names(module.tree).bound.keys() - elsewhere
        yield from _Walk(frozenset(own - _BUILTINS), module.tree).found()


def read_unbound(module: Module, scopes: Scopes) -> Iterator[ast.Name]:
    """Yield each read of a name of its own scope that nothing can have bound before.

    Each name is given once in its scope.
    """
    if module.tree is None or module.path.endswith(".ipynb"):
        return  # cells may run in any order; NTB102 looks at them
    elsewhere = {name for node in module.of(ast.Global, ast.Nonlocal) for name in node.names}
    for scope in (module.tree, *module.of(*FUNCTIONS)):
        own = scopes.names(scope).bound.keys() - elsewhere
        yield from _Walk(frozenset(own - _BUILTINS if scope is module.tree else own), scope).found()


class _Walk:
    def __init__(self, own: Bound, scope: ast.AST) -> None:
        self.own = own
        self.scope = scope
        self.turning: Bound = frozenset()  # what the loops around bind
        self.reads: dict[str, ast.Name] = {}
        self.left: set[str] = set()  # conditions under which control has left already

    def found(self) -> Iterator[ast.Name]:
        assert isinstance(self.scope, (ast.Module, *FUNCTIONS))
        given: set[str] = set()
        if not isinstance(self.scope, ast.Module):
            spec = self.scope.args
            listed = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *(entry for entry in (spec.vararg, spec.kwarg) if entry)]
            given = {entry.arg for entry in listed}
        self.body(self.scope.body, frozenset(given))
        yield from self.reads.values()

    # -- statements ---------------------------------------------------------------------------------------------------

    def body(self, statements: Iterable[ast.stmt], bound: Bound) -> Bound | None:
        """The names that may be bound after statements; None where control does not come to their end."""
        state: Bound | None = bound
        for statement in statements:
            if state is None:
                return None
            state = self.statement(statement, state)
        return state

    def statement(self, node: ast.stmt, bound: Bound) -> Bound | None:
        walk = _STATEMENTS.get(type(node))
        if walk is not None:
            return walk(self, node, bound)
        for child in ast.iter_child_nodes(node):
            bound = self.expression(child, bound)
        return bound | self.stores(node)

    def stores(self, node: ast.AST) -> Bound:
        """The names that a statement without a body binds."""
        found: set[str] = set()
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                found.add(inner.id)
            elif isinstance(inner, ast.alias):
                found.add(inner.asname or inner.name.partition(".")[0])
        return frozenset(found)

    def assignment(self, node: ast.Assign | ast.AnnAssign, bound: Bound) -> Bound:
        if node.value is not None:
            bound = self.expression(node.value, bound)
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            bound = self.target(target, bound) if node.value is not None else self.expression(target, bound)
        return bound

    def target(self, node: ast.expr, bound: Bound) -> Bound:
        """Return the bound names after an assignment to a target.

        Targets are bound from left to right: `key, table[key] = pair` reads the key that it has just bound.
        """
        if isinstance(node, (ast.Tuple, ast.List)):
            for entry in node.elts:
                bound = self.target(entry, bound)
            return bound
        if isinstance(node, ast.Starred):
            return self.target(node.value, bound)
        return self.expression(node, bound) | self.stores(node)

    def augmented(self, node: ast.AugAssign, bound: Bound) -> Bound:
        bound = self.expression(node.value, bound)
        if isinstance(node.target, ast.Name):
            self.read(node.target, bound)
            return bound | {node.target.id}
        return self.expression(node.target, bound)

    def leave(self, node: ast.stmt, bound: Bound) -> None:
        for child in ast.iter_child_nodes(node):
            bound = self.expression(child, bound)

    def branch(self, node: ast.If, bound: Bound) -> Bound | None:
        bound = self.expression(node.test, bound)
        inside = bound | self.turning
        asked = ast.dump(node.test)
        taken = self.body(node.body, inside) if asked not in self.left else None
        ends = self.joined([taken, self.body(node.orelse, inside)])
        if taken is None and self.is_settled(node):
            self.left.add(asked)
        return ends if ends is None or not self.turning else self.after_branch(node, ends, bound)

    def is_settled(self, node: ast.If) -> bool:
        """Return whether a condition has only one answer within the scope.

        It stands in the scope's own body and tests only local names that are bound once.
        """
        if isinstance(self.scope, ast.Module) or node not in getattr(self.scope, "body", ()):
            return False
        if any(not isinstance(inner, (*_ASKS, ast.Name, ast.Constant, ast.expr_context)) for inner in ast.walk(node.test)):
            return False
        names = {inner.id for inner in ast.walk(node.test) if isinstance(inner, ast.Name)}
        return not names & self.all_stores(self.scope)

    def after_branch(self, node: ast.stmt, ends: Bound, bound: Bound) -> Bound:
        """After a branch in a loop that may leave the turn, any later turn may be the first to come by."""
        leaves = any(isinstance(inner, _LEAVES) for inner in ast.walk(node))
        return ends if leaves else (ends - (self.turning - bound)) | self.all_stores(node)

    def all_stores(self, node: ast.AST) -> Bound:
        return frozenset(name for inner in ast.walk(node) for name in _names_bound(inner))

    def loop(self, node: ast.For | ast.AsyncFor, bound: Bound) -> Bound | None:
        bound = self.expression(node.iter, bound)
        return self.turn(node, bound | self.stores(node.target), bound)

    def while_loop(self, node: ast.While, bound: Bound) -> Bound | None:
        bound = self.expression(node.test, bound)
        return self.turn(node, bound, bound)

    def turn(self, node: ast.For | ast.AsyncFor | ast.While, inside: Bound, bound: Bound) -> Bound | None:
        """A loop: what it binds may be bound afterwards, whichever turn it is left in."""
        before = self.turning
        self.turning = before | self.all_stores(node)
        self.body(node.body, inside | before)
        self.turning = before
        after = bound | self.all_stores(node)
        self.body(node.orelse, after)
        return after

    def attempt(self, node: ast.Try, bound: Bound) -> Bound | None:
        inside = bound | self.turning
        tried = self.body(node.body, inside)
        failed = inside | frozenset(name for entry in node.body for name in self.all_stores(entry))
        ends = [self.body(node.orelse, tried) if tried is not None else None]
        for handler in node.handlers:
            ends.append(self.body(handler.body, failed | ({handler.name} if handler.name else set())))
        joined = self.joined(ends)
        last = self.body(node.finalbody, failed | (joined or frozenset()) | self.all_stores(node))
        return None if joined is None or last is None else joined | last if node.finalbody else joined

    def with_block(self, node: ast.With | ast.AsyncWith, bound: Bound) -> Bound | None:
        for item in node.items:
            bound = self.expression(item.context_expr, bound)
            if item.optional_vars is not None:
                bound = self.expression(item.optional_vars, bound) | self.stores(item.optional_vars)
        ended = self.body(node.body, bound)
        return bound | self.all_stores(node) if ended is None else ended  # `with suppress(…)` goes on after what raises

    def match(self, node: ast.Match, bound: Bound) -> Bound | None:
        bound = self.expression(node.subject, bound) | self.turning
        captured = bound | frozenset(name for case in node.cases for inner in ast.walk(case.pattern) for name in _names_bound(inner))
        captured |= frozenset(name for case in node.cases if case.guard is not None for name in self.walrus(case.guard))
        return self.joined([captured, *(self.body(case.body, captured) for case in node.cases)])

    def definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef, bound: Bound) -> Bound:
        for part in (*node.decorator_list, *node.args.defaults, *(entry for entry in node.args.kw_defaults if entry is not None)):
            bound = self.expression(part, bound)
        return bound | {node.name}

    def class_definition(self, node: ast.ClassDef, bound: Bound) -> Bound:
        for part in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)):
            bound = self.expression(part, bound)
        return bound | {node.name}

    @staticmethod
    def joined(states: list[Bound | None]) -> Bound | None:
        known = [state for state in states if state is not None]
        return frozenset().union(*known) if known else None

    # -- expressions --------------------------------------------------------------------------------------------------

    def expression(self, node: ast.AST, bound: Bound) -> Bound:
        """Record the reads of an expression in the order of evaluation.

        Returns the bound names, with those that the expression binds itself.
        """
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                self.read(node, bound)
            return bound
        if isinstance(node, ast.NamedExpr):
            return self.expression(node.value, bound) | {node.target.id}
        if isinstance(node, ast.Lambda):
            return bound
        if isinstance(node, ast.GeneratorExp):
            return self.expression(node.generators[0].iter, bound) | self.all_stores(node)
        if isinstance(node, _EAGER):
            return self.comprehension(node, bound)
        if isinstance(node, (ast.BoolOp, ast.IfExp)):
            # What else it reads depends on a condition, which may be the one that bound the name.
            return self.expression(node.values[0] if isinstance(node, ast.BoolOp) else node.test, bound) | self.walrus(node)
        for child in ast.iter_child_nodes(node):
            bound = self.expression(child, bound)
        return bound

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp, bound: Bound) -> Bound:
        """Record the names of the enclosing scope that a comprehension reads at once.

        Where it has conditions, only its first iterable is sure to be read.
        """
        inner = bound
        for place, generator in enumerate(node.generators):
            inner = self.expression(generator.iter, inner)
            inner |= self.stores(generator.target)
            if place == 0 and generator.ifs:
                self.expression(generator.ifs[0], inner | self.turning)
        if not any(generator.ifs for generator in node.generators):
            for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
                self.expression(part, inner | self.turning)
        return bound | self.walrus(node)

    @staticmethod
    def walrus(node: ast.AST) -> Bound:
        return frozenset(inner.target.id for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr))

    def read(self, node: ast.Name, bound: Bound) -> None:
        if node.id in self.own and node.id not in bound and node.id not in self.reads:
            self.reads[node.id] = node


def _names_bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


_STATEMENTS: dict[type[ast.AST], Callable[..., Bound | None]] = {
    ast.Assign: _Walk.assignment,
    ast.AnnAssign: _Walk.assignment,
    ast.AugAssign: _Walk.augmented,
    ast.If: _Walk.branch,
    ast.For: _Walk.loop,
    ast.AsyncFor: _Walk.loop,
    ast.While: _Walk.while_loop,
    ast.Try: _Walk.attempt,
    ast.TryStar: _Walk.attempt,
    ast.With: _Walk.with_block,
    ast.AsyncWith: _Walk.with_block,
    ast.Match: _Walk.match,
    ast.FunctionDef: _Walk.definition,
    ast.AsyncFunctionDef: _Walk.definition,
    ast.ClassDef: _Walk.class_definition,
    ast.Return: _Walk.leave,
    ast.Raise: _Walk.leave,
    ast.Continue: _Walk.leave,
    ast.Break: _Walk.leave,
}
