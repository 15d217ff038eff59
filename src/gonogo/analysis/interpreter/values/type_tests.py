"""Questions for the type of a part of a config: OmegaConf's containers are no dicts and no lists."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import Walk
from gonogo.analysis.interpreter.trace import Misuse, Wrong
from gonogo.analysis.python.names import last_names
from gonogo.analysis.python.type_tests import told_apart

# Names in a function that knows what a DictConfig or a ListConfig is.
KNOWING = frozenset(
    "DictConfig ListConfig OmegaConf Mapping MutableMapping Sequence MutableSequence Iterable Collection is_config is_list is_dict".split()  # noqa: SIM905
)


def note_type_test(walk: Walk, at: ast.AST, detail: str) -> None:
    """Record an `isinstance` that is always false.

    Nothing is recorded where the function also asks for OmegaConf's types or reads the value in another way.
    """
    state = walk.state
    parents = state.module.parents
    function = at
    while function in parents and not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        function = parents[function]
    # What the parameters are annotated with says nothing of what the code does with them.
    said = function.body if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) else [function]
    if state.is_certain and not any(last_names(part) & KNOWING for part in said) and not told_apart(at, parents):
        state.record(Misuse(state.site(at), Wrong.ISINSTANCE, detail))
