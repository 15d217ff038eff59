"""What each kind of statement does."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from gonogo.analysis.dataflow.blocks import Alias, Attempt, Block, Branch, Change, End, Gives, With
from gonogo.analysis.dataflow.containers import assign
from gonogo.analysis.dataflow.contexts import entered
from gonogo.analysis.dataflow.core import STATEMENTS, Walker
from gonogo.analysis.dataflow.definitions import Class, Frame, Function
from gonogo.analysis.dataflow.expressions import OPERATORS, operation, truth
from gonogo.analysis.dataflow.loops import walk_for, walk_while
from gonogo.analysis.dataflow.values import Call, Const, Ref, Unknown, Value, choice
from gonogo.analysis.python.names import last_name


def _expression(walker: Walker, node: ast.Expr) -> None:
    if not isinstance(node.value, ast.Constant):
        value = walker.read(node.value)
        if isinstance(value, Call) and value.short == "set_grad_enabled":
            walker.context = entered(walker.context, value)


def _assign(walker: Walker, node: ast.Assign) -> None:
    value = walker.read(node.value)
    for target in node.targets:
        assign(walker, target, value)
        if isinstance(node.value, (ast.Name, ast.Attribute, ast.Subscript)) and isinstance(target, (ast.Name, ast.Attribute)):
            walker.emit(Alias(walker.module, node, last_name(target), value))


def _annotated(walker: Walker, node: ast.AnnAssign) -> None:
    if node.value is not None:
        assign(walker, node.target, walker.read(node.value))


def _augmented(walker: Walker, node: ast.AugAssign) -> None:
    target = node.target
    loaded: ast.expr
    if isinstance(target, ast.Name):
        loaded = ast.copy_location(ast.Name(target.id, ast.Load()), target)
    elif isinstance(target, ast.Attribute):
        loaded = ast.copy_location(ast.Attribute(target.value, target.attr, ast.Load()), target)
    else:
        loaded = ast.copy_location(ast.Subscript(target.value, target.slice, ast.Load()), target)
    before = walker.read(loaded)
    operand = walker.read(node.value)
    operator = OPERATORS.get(type(node.op), "?")
    result = operation(walker, node, operator, (before, operand))
    change = Change(walker.module, node, before, operator, operand, result)
    change.context = walker.context
    walker.emit(change)
    assign(walker, target, result)


def _return(walker: Walker, node: ast.Return) -> End:
    value = walker.read(node.value) if node.value is not None else None
    walker.frame.returned.append(value or Const(walker.module, node, None))
    walker.emit(Gives(walker.module, node, value))
    return End.RETURN


def _raise(walker: Walker, node: ast.Raise) -> End:
    return End.RAISE


def _leave(end: End) -> Callable[[Walker, ast.stmt], End]:
    def leave(walker: Walker, node: ast.stmt) -> End:
        if walker.frame.loops:
            for name, turn in walker.frame.loops[-1].names.items():
                value = walker.frame.names.get(name)
                if value is not None:
                    turn.add(value)
        return end

    return leave


def _scope(walker: Walker, node: ast.Global | ast.Nonlocal) -> None:
    walker.frame.outer.update(dict.fromkeys(node.names, "global" if isinstance(node, ast.Global) else "nonlocal"))


def _delete(walker: Walker, node: ast.Delete) -> None:
    for target in node.targets:
        if isinstance(target, ast.Subscript):
            walker.read(target.value)


def _assert(walker: Walker, node: ast.Assert) -> None:
    test = walker.read(node.test)
    if truth(test) is None:
        walker.emit(Branch(walker.module, node, test))


# -- definitions and imports ----------------------------------------------------------------------------------------------


def _define(walker: Walker, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    owner = None
    walker.bind(node.name, Function(walker.module, node, walker.frame, owner))


def _class(walker: Walker, node: ast.ClassDef) -> None:
    bases = tuple(walker.read(base.value if isinstance(base, ast.Subscript) else base) for base in node.bases)
    made = Class(walker.module, node, walker.frame, bases)
    walker.bind(node.name, made)
    inner = Frame(walker.module, node, walker.frame)
    with walker.in_frame(inner):
        walker.run([entry for entry in node.body if not isinstance(entry, (ast.FunctionDef, ast.AsyncFunctionDef))])
    made.names.update(inner.names.items())
    for entry in node.body:
        if isinstance(entry, (ast.FunctionDef, ast.AsyncFunctionDef)):
            made.names[entry.name] = Function(walker.module, entry, walker.frame, made)


def _import(walker: Walker, node: ast.Import) -> None:
    for alias in node.names:
        first = alias.name.partition(".")[0]
        value = walker.imported(node, alias.name)
        if not alias.asname and first != alias.name:
            whole = walker.locator.find(walker.module, first)
            value = walker.imported(node, first) if whole is not None or isinstance(value, Ref) else value
        walker.bind(alias.asname or first, value)


def _import_from(walker: Walker, node: ast.ImportFrom) -> None:
    source = walker.module.resolve_import(node)
    for alias in node.names:
        if alias.name == "*":
            _import_all(walker, node, source)
            continue
        dotted = f"{source}.{alias.name}" if source else alias.name
        walker.bind(alias.asname or alias.name, walker.imported(node, dotted))


def _import_all(walker: Walker, node: ast.ImportFrom, source: str) -> None:
    target = walker.locator.find(walker.module, source)
    if target is None:
        walker.frame.stars.append(source)
        return
    frame = walker.frame_of(target)
    walker.frame.stars += frame.stars
    for name, value in frame.names.items().items():
        if not name.startswith("_"):
            walker.bind(name, value)


# -- branches -------------------------------------------------------------------------------------------------------------


def walk_arms(walker: Walker, branch: Branch, arms: Sequence[Callable[[], End | None]]) -> End | None:
    """Walk arms of which one is taken; how the whole ends: only if every arm leaves."""
    names, heaps, ends = [], [], []
    for arm in arms:
        block = Block()
        branch.arms.append(block)
        walker.frame.names.push()
        walker.heap.push()
        with walker.within(branch, block):
            end = arm()
        block.end = end
        ends.append(end)
        wrote, held = walker.frame.names.pop(), walker.heap.pop()
        if end is None:
            names.append(wrote)
        if end is not End.RAISE:
            heaps.append(held)
    if names:
        walker.frame.names.join(names, branch.module, branch.node)
    if heaps:
        walker.heap.join(heaps, branch.module, branch.node)
    return None if any(end is None for end in ends) else ends[-1] if ends else None


def _if(walker: Walker, node: ast.If) -> End | None:
    test = walker.read(node.test)
    known = truth(test)
    if known is not None:
        return walker.run(node.body if known else node.orelse)
    branch = Branch(walker.module, node, test)
    walker.emit(branch)
    return walk_arms(walker, branch, [lambda: walker.run(node.body), lambda: walker.run(node.orelse)])


def _match(walker: Walker, node: ast.Match) -> End | None:
    subject = walker.read(node.subject)
    branch = Branch(walker.module, node, subject)
    walker.emit(branch)

    def arm(case: ast.match_case) -> Callable[[], End | None]:
        def walk() -> End | None:
            for inner in ast.walk(case.pattern):
                name = getattr(inner, "name", None) or getattr(inner, "rest", None)
                if isinstance(name, str):
                    walker.bind(name, Unknown(walker.module, inner))
            return walker.run(case.body)

        return walk

    arms = [arm(case) for case in node.cases]
    last = node.cases[-1] if node.cases else None
    has_rest = last is not None and last.guard is None and isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
    return walk_arms(walker, branch, arms if has_rest else [*arms, lambda: None])


def _try(walker: Walker, node: ast.Try) -> End | None:
    attempt = Attempt(walker.module, node)
    walker.emit(attempt)
    names, heap = walker.frame.names, walker.heap
    names.push()
    heap.push()
    with walker.within(attempt, attempt.body):
        end = walker.run(node.body)
    if end is None and node.orelse:
        with walker.within(attempt, attempt.orelse):
            end = walker.run(node.orelse)
    tried = (names.pop(), heap.pop())
    arms = [(*tried, end)]
    for handler in node.handlers:
        names.push()
        heap.push()
        _perhaps(walker, tried[0], node)
        if handler.name:
            walker.bind(handler.name, Unknown(walker.module, handler))
        block = Block()
        attempt.handlers.append((handler, block))
        with walker.within(attempt, block):
            left = walker.run(handler.body)
        arms.append((names.pop(), heap.pop(), left))
    going_on = [arm for arm in arms if arm[2] is None]
    names.join([arm[0] for arm in going_on], walker.module, node)
    heap.join([arm[1] for arm in arms if arm[2] is not End.RAISE], walker.module, node)
    with walker.within(attempt, attempt.final):
        last = walker.run(node.finalbody)
    return last or (None if going_on else arms[0][2])


def _perhaps(walker: Walker, wrote: dict[str, Value], node: ast.AST) -> None:
    """Names that the body of a `try` may or may not have bound before it failed."""
    for name, value in wrote.items():
        before = walker.frame.names.get(name)
        walker.frame.names.set(name, choice(walker.module, node, [before, value]) if before is not None else value)


def _with(walker: Walker, node: ast.With | ast.AsyncWith) -> End | None:
    contexts = []
    context = walker.context
    for item in node.items:
        value = walker.read(item.context_expr)
        contexts.append(value)
        context = entered(context, value)
        if item.optional_vars is not None:
            assign(walker, item.optional_vars, value)
    happening = With(walker.module, node, contexts)
    walker.emit(happening)
    with walker.within(happening, happening.body), walker.in_context(context):
        return walker.run(node.body)


STATEMENTS.update(
    {
        ast.Expr: _expression,
        ast.Assign: _assign,
        ast.AnnAssign: _annotated,
        ast.AugAssign: _augmented,
        ast.Return: _return,
        ast.Raise: _raise,
        ast.Continue: _leave(End.CONTINUE),
        ast.Break: _leave(End.BREAK),
        ast.Global: _scope,
        ast.Nonlocal: _scope,
        ast.Delete: _delete,
        ast.Assert: _assert,
        ast.FunctionDef: _define,
        ast.AsyncFunctionDef: _define,
        ast.ClassDef: _class,
        ast.Import: _import,
        ast.ImportFrom: _import_from,
        ast.If: _if,
        ast.Match: _match,
        ast.Try: _try,
        ast.TryStar: _try,
        ast.With: _with,
        ast.AsyncWith: _with,
        ast.For: walk_for,
        ast.AsyncFor: walk_for,
        ast.While: walk_while,
    }
)
