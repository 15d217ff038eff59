"""What the parts of the machine share: its state, and what each part asks of the others.

The machine is one object in layers (`ConfigOperations` and `Calls`, then `Expressions`, `Statements`, `Builtins`, `Libraries`, `Machine`):
Python's own parts call each other in circles, and so do these. A method declared here is defined in a later layer.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gonogo.analysis.interpreter.trace import Process, Site, Trace
from gonogo.analysis.interpreter.values import (
    Arguments,
    Choice,
    Dict,
    Frame,
    HydraMain,
    Instance,
    List,
    Method,
    ModuleValue,
    Node,
    Path,
    Unknown,
)
from gonogo.analysis.python.modules import Module
from gonogo.compose.client import Composition

if TYPE_CHECKING:
    from gonogo.analysis.interpreter.library import Model

MAX_STEPS = 400_000


class ExhaustedError(Exception):
    """The budget of steps is used up."""


class Core:
    """State and declarations.

    Attributes:
        steps: how many nodes have been looked at.
        trace: what has been seen so far.
        module: the module whose code is being followed.
        process: the Python process that is being followed, `argv` its command line.
        uncertain: above 0 where the code may not run; writes then only add possibilities.
        guards: above 0 where an absent key is survived (a swallowing `except`).
        doubt: above 0 where it is not known whether this run comes here at all; nothing absent is recorded there.
        may_have_left: an unknown condition may have ended the function being followed, or one that called it, before this point.
        depth: how many calls are open, `active` by function.
        deferred: above 0 in a function that a library was given, and may call at any time.
        loops: config paths of the loops around the code being followed.
        last_reads: the config path that a syntax node read last, by the node's id.
    """

    steps: int
    trace: Trace
    module: Module
    process: Process
    argv: List
    uncertain: int
    guards: int
    doubt: int
    may_have_left: bool
    depth: int
    deferred: int
    active: dict[int, int]
    builtins: dict[str, Any]
    called_back: dict[int, int]
    instances: list[Instance]
    entered: set[int]
    loops: list[Path]
    last_reads: dict[int, Path]
    hydra_folder: str | None
    library: dict[str, Model]

    @property
    def in_doubt(self) -> bool:
        """Whether nothing absent may be recorded here: it is not known whether this run comes here at all."""
        return self.doubt > 0

    def spend(self) -> None:
        """Count a step.

        Raises:
            ExhaustedError: there are none left.
        """
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise ExhaustedError

    if TYPE_CHECKING:
        # language
        def evaluate(self, node: ast.expr, frame: Frame) -> Any: ...
        def assign(self, target: ast.expr, value: Any, frame: Frame) -> None: ...
        def run_body(self, node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> Any: ...
        def spread(self, value: Any, target: Dict) -> None: ...
        def each(self, choice: Choice, action: Callable[[Any], Any]) -> Any: ...
        def enclosing_function(self, node: ast.AST) -> ast.AST: ...
        @property
        def growing(self) -> set[str]: ...

        # config
        def site(self, node: ast.AST) -> Site: ...
        def escape(self, value: Any, depth: int = 0) -> None: ...
        def composition_of(self, node: Node) -> Composition | None: ...
        def is_config_method(self, name: str) -> bool: ...
        def remove_key(self, owner: Dict, key: Any, at: ast.AST, how: str, default: Any = ...) -> Any: ...
        def refuse_removal(self, owner: Node, key: Any, at: ast.AST, how: str) -> None: ...
        def note_isinstance(self, at: ast.AST) -> None: ...

        # values
        def iterate(self, value: Any) -> tuple[list[Any], bool]: ...
        def iterated_path(self, value: Any) -> Path | None: ...
        def worth_unrolling(self, items: list[Any]) -> bool: ...
        def join_paths(self, parts: list[Any]) -> Any: ...
        def file_text(self, path: str) -> str | None: ...

        # calls
        def call_builtin(self, name: str, arguments: Arguments, at: ast.AST) -> Any: ...
        def call_method(self, method: Method, arguments: Arguments, at: ast.AST) -> Any: ...
        def start_hydra(self, main: HydraMain, arguments: Arguments, at: ast.AST) -> Any: ...
        def is_sink(self, name: str) -> bool: ...
        def member_outside(self, member: Unknown) -> Any: ...
        def enter_context(self, value: Any, leave: list[Callable[[], None]], at: ast.AST) -> Any: ...

        # modules and processes
        def globals_of(self, module: Module) -> dict[str, Any]: ...
        def module_named(self, name: str) -> ModuleValue | None: ...
        def import_module(self, name: str, whole: bool) -> Any: ...
        def import_name(self, source: ModuleValue | None, module: str, name: str) -> Any: ...
        def set_argv(self, value: Any) -> None: ...
        def launch(self, command: Any, at: ast.AST) -> None: ...
        def folder_given(self, arguments: Arguments) -> str | None: ...
