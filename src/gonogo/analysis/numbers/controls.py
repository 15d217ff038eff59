"""What decides which of several values is taken.

These are the conditions of the branches and loops that a choice comes from.
"""

from __future__ import annotations

import ast

from gonogo.analysis.dataflow.blocks import Attempt, Branch, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Choice, Turn, Unknown, Value

_RETURNING = (ast.FunctionDef, ast.AsyncFunctionDef)


class Controls:
    """The conditions in a program, by the syntax that they stand in."""

    def __init__(self, program: Program) -> None:
        self.tests: dict[ast.AST, list[Value]] = {}
        self.returning: dict[ast.AST, list[Value]] = {}
        self.loops: dict[ast.AST, list[Value]] = {}
        self.attempts: set[ast.AST] = set()
        for branch in program.all(Branch):
            if branch.test is not None:
                self.tests.setdefault(branch.node, []).append(branch.test)
                self._note_return(branch)
        for loop in program.all(Loop):
            given = [value for value in (loop.iterated, loop.test) if value is not None]
            self.loops.setdefault(loop.node, []).extend(given)
        for attempt in program.all(Attempt):
            self.attempts.add(attempt.node)

    def _note_return(self, branch: Branch) -> None:
        """A branch in which a function returns decides what the function gives."""
        assert branch.test is not None
        if not isinstance(branch.node, (ast.If, ast.Match)) or not any(isinstance(inner, ast.Return) for inner in ast.walk(branch.node)):
            return
        parents, node = branch.module.parents, branch.node
        above: ast.AST | None = parents.get(node)
        while above is not None and not isinstance(above, _RETURNING):
            above = parents.get(above)
        if above is not None:
            self.returning.setdefault(above, []).append(branch.test)

    def of(self, value: Choice) -> list[Value]:
        """Return the conditions that decide between the options of a choice.

        They are unknown where they can't be determined.
        """
        node = value.node
        if node in self.attempts:
            return [Unknown(value.module, node)]
        found = self.tests.get(node)
        if isinstance(value, Turn) or found is None:
            found = [*(found or ()), *self.loops.get(node, ())]
        if isinstance(node, (*_RETURNING, ast.Lambda)):
            return self.returning.get(node, [])
        return found or [Unknown(value.module, node)]


def controls(program: Program) -> Controls:
    """The conditions of a program."""
    return program.known(Controls)
