"""`try`, `raise`, `assert` and `with`."""

from __future__ import annotations

import ast
from contextlib import ExitStack

from gonogo.analysis.interpreter.base import UNKNOWN, Frame, Value, Walk
from gonogo.analysis.interpreter.endings import EXITS
from gonogo.analysis.interpreter.language.bindings import assign, bind
from gonogo.analysis.interpreter.language.blocks import branch, execute, joined_cells
from gonogo.analysis.interpreter.language.tables import Signal, statement
from gonogo.analysis.interpreter.markers import FILE_ROOT
from gonogo.analysis.interpreter.sentinels import NOT_KNOWN
from gonogo.analysis.interpreter.trace import Exited, Raised
from gonogo.analysis.interpreter.values.scalar import NONE
from gonogo.analysis.interpreter.values.varied import settled
from gonogo.analysis.python.modules import qualified_name

SWALLOWING = frozenset(
    {
        "Exception", "BaseException", "AttributeError", "KeyError", "ConfigAttributeError", "ConfigKeyError", "OmegaConfBaseException",
        "MissingMandatoryValue", "TypeError", "LookupError",
    }
)  # fmt: skip
#: Errors of files that are not there, or can't be parsed.
UNREADABLE = frozenset(
    {
        "FileNotFoundError",
        "OSError",
        "IOError",
        "YAMLError",
        "ScannerError",
        "ParserError",
        "JSONDecodeError",
        "TOMLDecodeError",
        "TomlDecodeError",
    }
)


@statement(ast.Try, ast.TryStar)
def try_(walk: Walk, node: ast.Try, frame: Frame) -> Signal | None:
    """`try: … except …: … else: … finally: …`."""
    ask = walk.state.module.once
    before = dict(frame.locals)
    around = walk.state.tries
    walk.state.tries = (*around, node)
    try:
        with walk.state.surviving(any(ask(_swallows, handler) for handler in node.handlers)):
            signal = execute(walk, node.body, frame)
    finally:
        walk.state.tries = around
    if signal is None:
        signal = execute(walk, node.orelse, frame)
    handlers = [] if ask(_only_imports, node) else [entry for entry in node.handlers if not ask(_is_import_guard, entry)]
    if any(ask(_is_parse_guard, entry) for entry in handlers) and _was_read(before, frame):
        handlers = [entry for entry in handlers if not ask(_is_parse_guard, entry)]
    if handlers:
        signal = _handle(walk, handlers, signal, before, frame)
    return execute(walk, node.finalbody, frame) or signal


def _handle(walk: Walk, handlers: list[ast.ExceptHandler], signal: Signal | None, before: dict[str, Value], frame: Frame) -> Signal | None:
    after = dict(frame.locals)

    def handle(handler: ast.ExceptHandler) -> Signal | None:
        # An error comes at any point of the body: each name is what it was before, or what it is after it.
        mixed = {
            name: value if before.get(name) is value else joined_cells(before.get(name, UNKNOWN), value) for name, value in after.items()
        }
        walk.memory.replace(frame.locals, mixed)
        if handler.name:
            bind(walk, handler.name, UNKNOWN, frame)
        return execute(walk, handler.body, frame)

    def body() -> Signal | None:
        walk.memory.replace(frame.locals, after)
        return None if signal is Signal.RAISE else signal

    return branch(walk, [body, *((lambda handler=handler: handle(handler)) for handler in handlers)], frame)


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
    nodes = ast.walk(handler.type) if handler.type else ()
    names = {qualified_name(entry) for entry in nodes if isinstance(entry, (ast.Name, ast.Attribute))}
    return bool(names & {"ImportError", "ModuleNotFoundError"})


def _is_parse_guard(handler: ast.ExceptHandler) -> bool:
    """Whether a handler is for files that are not there or can't be parsed, and for nothing else."""
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type] if handler.type else []
    return bool(types) and {qualified_name(entry).rpartition(".")[2] for entry in types} <= UNREADABLE


def _was_read(before: dict[str, Value], frame: Frame) -> bool:
    """Return whether some name now is what a file of the experiment holds.

    The file was then there and could be parsed.
    """
    changed = [value for name, value in frame.locals.items() if before.get(name) is not value]
    return any((settled(value).loop_path or ("",))[0] == FILE_ROOT for value in changed)


@statement(ast.Raise)
def raise_(walk: Walk, node: ast.Raise, frame: Frame) -> Signal:
    """`raise error`."""
    state = walk.state
    if _is_exit(walk, node.exc):
        return _exit(walk, node, frame)
    if node.exc is not None:
        with state.doubtful():  # the program ends here anyway; what its last words lack is no second fault
            walk.evaluate(node.exc, frame)
    if state.is_inevitable:
        state.record(Raised(state.site(node), state.loops))
    return Signal.RAISE


def _is_exit(walk: Walk, error: ast.expr | None) -> bool:
    """Whether an error is Python's own `SystemExit`, which `sys.exit` raises as well."""
    named = error.func if isinstance(error, ast.Call) else error
    return isinstance(named, ast.Name) and named.id == "SystemExit" and named.id not in walk.state.module.definitions


def _exit(walk: Walk, node: ast.Raise, frame: Frame) -> Signal:
    """`raise SystemExit(code)`: an error only where the code is known and says so (not 0)."""
    state = walk.state
    given = [*node.exc.args, *(keyword.value for keyword in node.exc.keywords)] if isinstance(node.exc, ast.Call) else []
    with state.doubtful():
        values = [walk.evaluate(part.value if isinstance(part, ast.Starred) else part, frame) for part in given]
    code = settled(values[0]) if values else NONE
    is_text = isinstance(given[0], (ast.JoinedStr, ast.BinOp)) if given else False
    if state.is_inevitable:
        failed = is_text or (code.constant() is not NOT_KNOWN and code.truth() is True)
        state.record(Raised(state.site(node), state.loops) if failed else Exited(state.site(node)))
        walk.memory.set(state, "over", state.over or not failed)
    return Signal.RAISE


@statement(ast.Assert)
def assert_(walk: Walk, node: ast.Assert, frame: Frame) -> Signal | None:
    """`assert test`."""
    if walk.evaluate(node.test, frame).truth() is not False:
        return None
    if walk.state.is_inevitable:
        walk.state.record(Raised(walk.state.site(node), walk.state.loops))
    return Signal.RAISE


@statement(ast.With, ast.AsyncWith)
def with_(walk: Walk, node: ast.With | ast.AsyncWith, frame: Frame) -> Signal | None:
    """`with manager as target: …`."""
    with ExitStack() as stack:
        for item in node.items:
            entered = walk.evaluate(item.context_expr, frame).enter(walk, item.context_expr)
            if entered.leave is not None:
                stack.callback(entered.leave)
            if entered.survives:
                stack.enter_context(walk.state.surviving())
            if item.optional_vars is not None:
                assign(walk, item.optional_vars, entered.value, frame)
        return execute(walk, node.body, frame)
