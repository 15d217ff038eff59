"""Statements: how control and names move.

A block ends in a signal: None when it runs to its end, else what left it. Where a condition is unknown both sides are walked; a side that
leaves the block takes its names with it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from gonogo.analysis.interpreter.bindings import Bindings
from gonogo.analysis.interpreter.expressions import MAX_UNROLLED
from gonogo.analysis.interpreter.values import (
    INERT,
    UNKNOWN,
    Dict,
    Frame,
    List,
    Node,
    Unknown,
    join,
    truth,
)
from gonogo.analysis.python.modules import qualified_name

RETURN, RAISE, BREAK, CONTINUE = "return", "raise", "break", "continue"
Signal = str | None
EXITS = frozenset({"sys.exit", "exit", "quit", "os._exit"})
SWALLOWING = frozenset(
    {
        "Exception", "BaseException", "AttributeError", "KeyError", "ConfigAttributeError", "ConfigKeyError", "OmegaConfBaseException",
        "MissingMandatoryValue", "TypeError", "LookupError",
    }
)  # fmt: skip


class Statements(Bindings):
    """Execution of statements."""

    def execute(self, body: list[ast.stmt], frame: Frame) -> Signal:
        """Walk a block."""
        executed = self.trace.executed
        for node in body:
            self.spend()
            executed.add(id(node))
            handler = _EXECUTE.get(type(node))
            signal = handler(self, node, frame) if handler else None
            if signal is not None:
                return signal
        return None

    def run_body(self, node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> Any:
        """Walk a function's body and give what it returns."""
        if id(node) in frame.module.generators:
            frame.yields = []
        signal = self.execute(node.body, frame)
        if frame.yields is not None:
            return List(frame.yields, open=True)
        values = frame.returns if signal in (RETURN, RAISE) else [*frame.returns, None]
        if signal == RAISE and not values:
            return UNKNOWN
        return self.joined(values)

    # -- names --------------------------------------------------------------------------------------------------------

    def _assignment(self, node: ast.Assign, frame: Frame) -> Signal:
        value = self.evaluate(node.value, frame)
        for target in node.targets:
            self.assign(target, value, frame)
        return None

    def _annotated(self, node: ast.AnnAssign, frame: Frame) -> Signal:
        if node.value is not None:
            self.assign(node.target, self.evaluate(node.value, frame), frame)
        elif frame.is_class and isinstance(node.target, ast.Name):
            frame.locals.setdefault(node.target.id, UNKNOWN)
        return None

    def _augmented(self, node: ast.AugAssign, frame: Frame) -> Signal:
        load = _as_load(node.target)
        old, value = self.evaluate(load, frame), self.evaluate(node.value, frame)
        if isinstance(old, List) and isinstance(node.op, ast.Add):
            self.extend(old, value)
            return None
        self.assign(node.target, self.combine(old, node.op, value), frame)
        return None

    def _delete(self, node: ast.Delete, frame: Frame) -> Signal:
        for target in node.targets:
            if isinstance(target, ast.Name):
                frame.locals.pop(target.id, None)
            elif isinstance(target, (ast.Subscript, ast.Attribute)):
                owner = self.evaluate(target.value, frame)
                key = target.attr if isinstance(target, ast.Attribute) else UNKNOWN
                if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
                    key = self.evaluate(target.slice, frame)
                if isinstance(owner, Dict) and (isinstance(target, ast.Subscript) or isinstance(owner, Node)):
                    self.remove_key(owner, key, target, "delete")
                elif isinstance(owner, List):
                    owner.items, owner.open = [], True
        return None

    def _expression(self, node: ast.Expr, frame: Frame) -> Signal:
        self.evaluate(node.value, frame)
        return RAISE if isinstance(node.value, ast.Call) and self.module.once(qualified_name, node.value.func) in EXITS else None

    def _scope_names(self, node: ast.Global | ast.Nonlocal, frame: Frame) -> Signal:
        for name in node.names:
            scope = frame.outer
            while isinstance(node, ast.Nonlocal) and scope is not None and name not in scope.locals:
                scope = scope.outer
            frame.nonlocals[name] = frame.globals if isinstance(node, ast.Global) or scope is None else scope.locals
        return None

    # -- branches -----------------------------------------------------------------------------------------------------

    def _if(self, node: ast.If, frame: Frame) -> Signal:
        seen = len(self.trace.accesses)
        answer = truth(self.evaluate(node.test, frame))
        if answer is not None:
            return self.execute(node.body if answer else node.orelse, frame)
        # Where the condition hangs on an absent key, that key is the fault, and what follows is what the author meant to happen.
        dispatch = self.module.once(_is_dispatch, node.test) and not any(not access.guarded for access in self.trace.accesses[seen:])

        def body() -> Signal:
            # `if key == "name":` with an unknown key picks a case; whether this run ever meets it is not known.
            self.doubt += dispatch
            try:
                return self.execute(node.body, frame)
            finally:
                self.doubt -= dispatch

        return self.branch([body, lambda: self.execute(node.orelse, frame)], frame)

    def branch(self, sides: list[Callable[[], Signal]], frame: Frame) -> Signal:
        """Walk alternatives from the same names, and join what they leave behind."""
        before = dict(frame.locals)
        ends: list[dict[str, Any]] = []
        signals: list[Signal] = []
        self.uncertain += 1
        try:
            for side in sides:
                _restore(frame.locals, before)
                signal = side()
                signals.append(signal)
                if signal is None:
                    ends.append(dict(frame.locals))
        finally:
            self.uncertain -= 1
        self.may_have_left = self.may_have_left or any(signals)
        if not ends:
            _restore(frame.locals, before)
            return next((signal for signal in signals if signal in (BREAK, CONTINUE)), RETURN if RETURN in signals else signals[0])
        merged = ends[0]
        for other in ends[1:]:
            for name in [*merged, *(name for name in other if name not in merged)]:
                merged[name] = join(merged.get(name, UNKNOWN), other.get(name, UNKNOWN))
        _restore(frame.locals, merged)
        return None

    def _match(self, node: ast.Match, frame: Frame) -> Signal:
        subject = self.evaluate(node.subject, frame)
        sides: list[Callable[[], Signal]] = []
        for case in node.cases:
            answer = self._matches(case, subject, frame)
            if answer is False:
                continue
            for name in _captures(case.pattern):
                frame.locals[name] = subject if isinstance(case.pattern, ast.MatchAs) else UNKNOWN
            if case.guard is not None and answer is True:
                answer = truth(self.evaluate(case.guard, frame))
            if answer is True and not sides:
                return self.execute(case.body, frame)
            sides.append(lambda case=case: self.execute(case.body, frame))  # type: ignore[misc]
            if answer is True:
                break
        else:
            sides.append(lambda: None)
        return self.branch(sides, frame)

    def _matches(self, case: ast.match_case, subject: Any, frame: Frame) -> bool | None:
        patterns = case.pattern.patterns if isinstance(case.pattern, ast.MatchOr) else [case.pattern]
        answers: list[bool | None] = []
        for pattern in patterns:
            if isinstance(pattern, ast.MatchAs) and pattern.pattern is None:
                answers.append(True)
            elif isinstance(pattern, ast.MatchValue):
                answers.append(self.compare(subject, ast.Eq(), self.evaluate(pattern.value, frame), pattern))
            elif isinstance(pattern, ast.MatchSingleton):
                answers.append(self.compare(subject, ast.Is(), pattern.value, pattern))
            else:
                answers.append(None)
        return True if True in answers else None if None in answers else False

    # -- loops --------------------------------------------------------------------------------------------------------

    def _for(self, node: ast.For | ast.AsyncFor, frame: Frame) -> Signal:
        source = self.evaluate(node.iter, frame)
        items, complete = self.iterate(source)
        path = self.iterated_path(source)
        if path is not None:
            self.loops.append(path)
        try:
            if complete and len(items) <= MAX_UNROLLED and self.worth_unrolling(items):
                return self._unrolled(node, items, frame)
            element = UNKNOWN if isinstance(source, Unknown) else self.element(items)
            return self._once(node, frame, lambda: self.assign(node.target, element, frame))
        finally:
            if path is not None:
                self.loops.pop()

    def _unrolled(self, node: ast.For | ast.AsyncFor, items: list[Any], frame: Frame) -> Signal:
        for item in items:
            self.assign(node.target, item, frame)
            signal = self.execute(node.body, frame)
            if signal == BREAK:
                return None
            if signal in (RETURN, RAISE):
                return signal
        return self.execute(node.orelse, frame)

    def _while(self, node: ast.While, frame: Frame) -> Signal:
        return self._once(node, frame, lambda: self.evaluate(node.test, frame))

    def _once(self, node: ast.For | ast.AsyncFor | ast.While, frame: Frame, start: Callable[[], Any]) -> Signal:
        """Walk a loop's body once for all its rounds: what it assigns is unknown from the start."""
        for name in self.module.once(_assigned_names, node):
            if name in frame.locals and type(frame.locals[name]) in INERT:
                frame.locals[name] = UNKNOWN

        def body() -> Signal:
            start()
            signal = self.execute(node.body, frame)
            return signal if signal in (RETURN, RAISE) else None

        self.branch([body, lambda: None], frame)
        return self.execute(node.orelse, frame)

    # -- errors -------------------------------------------------------------------------------------------------------

    def _try(self, node: ast.Try, frame: Frame) -> Signal:
        swallowed = any(self.module.once(_swallows, handler) for handler in node.handlers)
        before = dict(frame.locals)
        self.guards += swallowed
        try:
            signal = self.execute(node.body, frame)
        finally:
            self.guards -= swallowed
        if signal is None:
            signal = self.execute(node.orelse, frame)
        ask = self.module.once
        handlers = [] if ask(_only_imports, node) else [entry for entry in node.handlers if not ask(_is_import_guard, entry)]
        if handlers:
            signal = self._handle(handlers, signal, before, frame)
        return self.execute(node.finalbody, frame) or signal

    def _handle(self, handlers: list[ast.ExceptHandler], signal: Signal, before: dict[str, Any], frame: Frame) -> Signal:
        after = dict(frame.locals)

        def handle(handler: ast.ExceptHandler) -> Signal:
            _restore(frame.locals, {name: join(before.get(name, UNKNOWN), value) for name, value in after.items()})
            if handler.name:
                frame.locals[handler.name] = UNKNOWN
            return self.execute(handler.body, frame)

        def body() -> Signal:
            _restore(frame.locals, after)
            return None if signal == RAISE else signal

        return self.branch([body, *((lambda handler=handler: handle(handler)) for handler in handlers)], frame)

    def _raise(self, node: ast.Raise, frame: Frame) -> Signal:
        if node.exc is not None:
            self.doubt += 1  # the program ends here anyway; what its last words lack is no second fault
            try:
                self.evaluate(node.exc, frame)
            finally:
                self.doubt -= 1
        self.record_raise(node)
        return RAISE

    def _assert(self, node: ast.Assert, frame: Frame) -> Signal:
        self.evaluate(node.test, frame)
        return None

    def _with(self, node: ast.With | ast.AsyncWith, frame: Frame) -> Signal:
        leave: list[Callable[[], None]] = []
        swallow = False
        for item in node.items:
            value = self.evaluate(item.context_expr, frame)
            swallow = swallow or (isinstance(value, Unknown) and value.name.startswith("contextlib.suppress"))
            entered = self.enter_context(value, leave, item.context_expr)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, entered, frame)
        self.guards += swallow
        try:
            return self.execute(node.body, frame)
        finally:
            self.guards -= swallow
            for action in reversed(leave):
                action()

    # -- definitions --------------------------------------------------------------------------------------------------

    def _return(self, node: ast.Return, frame: Frame) -> Signal:
        frame.returns.append(None if node.value is None else self.evaluate(node.value, frame))
        return RETURN


def _restore(names: dict[str, Any], values: dict[str, Any]) -> None:
    """Give a scope other names in place: closures hold the same dict."""
    names.clear()
    names.update(values)


def _as_load(target: ast.expr) -> ast.expr:
    if isinstance(target, ast.Name):
        return ast.copy_location(ast.Name(target.id, ast.Load()), target)
    return target  # evaluation looks at the kind of node only, not at its context


def _assigned_names(node: ast.stmt) -> set[str]:
    """The names that a loop's body binds."""
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)}


def _is_dispatch(test: ast.expr) -> bool:
    """Whether a condition compares something with a text: a choice among named cases."""
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and any(isinstance(op, (ast.Eq, ast.In)) for op in node.ops):
            parts = [
                part
                for side in (node.left, *node.comparators)
                for part in (side.elts if isinstance(side, (ast.List, ast.Tuple, ast.Set)) else [side])
            ]
            if any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in parts):
                return True
    return False


def _captures(pattern: ast.pattern) -> list[str]:
    return [node.name for node in ast.walk(pattern) if isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name]


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Whether a handler lets the program go on as if an absent key were no error."""
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type] if handler.type else []
    names = {qualified_name(entry).rpartition(".")[2] for entry in types}
    if names and not names & SWALLOWING:
        return False
    for node in ast.walk(handler):
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and qualified_name(node.func) in EXITS):
            return False
    return True


def _only_imports(node: ast.Try) -> bool:
    return bool(node.body) and all(isinstance(statement, (ast.Import, ast.ImportFrom)) for statement in node.body)


def _is_import_guard(handler: ast.ExceptHandler) -> bool:
    names = (
        {qualified_name(entry) for entry in ast.walk(handler.type) if isinstance(entry, (ast.Name, ast.Attribute))}
        if handler.type
        else set()
    )
    return bool(names & {"ImportError", "ModuleNotFoundError"})


_EXECUTE: dict[type[ast.stmt], Callable[[Any, Any, Frame], Signal]] = {
    ast.Assign: Statements._assignment,
    ast.AnnAssign: Statements._annotated,
    ast.AugAssign: Statements._augmented,
    ast.Delete: Statements._delete,
    ast.Expr: Statements._expression,
    ast.Global: Statements._scope_names,
    ast.Nonlocal: Statements._scope_names,
    ast.If: Statements._if,
    ast.Match: Statements._match,
    ast.For: Statements._for,
    ast.AsyncFor: Statements._for,
    ast.While: Statements._while,
    ast.Try: Statements._try,
    ast.TryStar: Statements._try,
    ast.Raise: Statements._raise,
    ast.Assert: Statements._assert,
    ast.With: Statements._with,
    ast.AsyncWith: Statements._with,
    ast.FunctionDef: Statements._define,
    ast.AsyncFunctionDef: Statements._define,
    ast.ClassDef: Statements._class,
    ast.Import: Statements._import,
    ast.ImportFrom: Statements._import_from,
    ast.Return: Statements._return,
    ast.Break: lambda *_: BREAK,
    ast.Continue: lambda *_: CONTINUE,
}
