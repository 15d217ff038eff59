"""Whether code provides for the absence of a name that a library may not have."""

from __future__ import annotations

import ast

from gonogo.analysis.python.handlers import takes
from gonogo.analysis.python.imports import is_guarded
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, last_names

FAILURES = frozenset({"AttributeError", "TypeError"})
QUESTIONS = {"hasattr", "__version__", "signature", "Version", "parse"}


def provides_for_absence(module: Module, node: ast.AST) -> bool:
    """Whether the code catches what is raised where a name or argument is not there, or asks before."""
    if is_guarded(module, node):
        return True
    child = node
    for parent in ancestors(module, node):
        if isinstance(parent, (ast.If, ast.IfExp)) and child is not parent.test and last_names(parent.test) & QUESTIONS:
            return True
        if isinstance(parent, ast.Try) and child in parent.body and any(takes(handler, FAILURES) for handler in parent.handlers):
            return True
        child = parent
    return False
