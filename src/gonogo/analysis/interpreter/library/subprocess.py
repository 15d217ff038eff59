"""Child processes."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Reach, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.sentinels import UNHANDLED, Unhandled

CALLS = ("subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output", "subprocess.Popen")


@LIBRARY.call(*CALLS, reach=Reach.TOGETHER)
def run(walk: Walk, given: Arguments, at: ast.AST) -> Unhandled:
    """`subprocess.run(command)`."""
    walk.children.launch(given.get(0, "args"), at)
    return UNHANDLED


@LIBRARY.call("os.execv", "os.execvp", reach=Reach.TOGETHER)
def execv(walk: Walk, given: Arguments, at: ast.AST) -> Unhandled:
    """`os.execv(program, command)`."""
    walk.children.launch(given.get(1, "args"), at)
    return UNHANDLED


@LIBRARY.call("os.system", reach=Reach.TOGETHER)
def system(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`os.system(command)`."""
    walk.children.launch(given.get(0, "command"), at)
    return UNKNOWN
