"""REP124."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import ancestors, argument, functions
from gonogo.analysis.python.scopes import COMPREHENSIONS, Scopes
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

GROWING = frozenset({"append", "extend", "add", "insert"})
CACHE = re.compile(r"cache|memo|seen|registry|_", re.IGNORECASE)


@rule("REP124", "default-remembers", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def default_remembers(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """A list that is a parameter's default keeps what earlier calls put into it.

    What it does:
        Looks at functions with a list as the default of a parameter, to which they append. Speaks where the file calls one in a loop, or
        from several places, without that argument. Silent about caches by their name.

    Why it matters:
        The default is made once. The second seed averages over the numbers of the first as well, and the order of the runs decides
        (Python, "Why are default values shared between objects?").

    Instead:
        Take `None` as the default, and make the list in the function.
    """
    for module in modules.values():
        for function in functions(module):
            for place, name in _lists(function):
                grown = _grown(module, symbols.scopes(module), function, name)
                if grown is not None and _is_repeated(module, function, place, name):
                    yield Violation(
                        module.location(function).model_copy(update={"end_line": module.location(function).line, "end_column": None}),
                        f"`{name.arg}` keeps what earlier calls of `{function.name}` put into it",
                        "take None as the default, and make the list in the function",
                        related=(Related(location=module.location(grown), label="it grows here"),),
                    )


def _lists(function: Function) -> Iterator[tuple[int, ast.arg]]:
    """The parameters whose default is a list."""
    names = [*function.args.posonlyargs, *function.args.args]
    first = len(names) - len(function.args.defaults)
    for index, value in enumerate(function.args.defaults):
        if isinstance(value, ast.List) and not CACHE.search(names[first + index].arg):
            yield first + index, names[first + index]


def _grown(module: Module, scopes: Scopes, function: Function, name: ast.arg) -> ast.AST | None:
    if any(bound is not name for bound in scopes.names(function).bound.get(name.arg, ())):
        return None
    for use in module.named.get(name.arg, ()):
        around = module.parents.get(use)
        call = module.parents.get(around) if isinstance(around, ast.Attribute) and around.attr in GROWING else None
        found = scopes.lookup(use.id, use)
        if isinstance(call, ast.Call) and call.func is around and found is not None and found[0] is function:
            return call
    return None


def _is_repeated(module: Module, function: Function, place: int, name: ast.arg) -> bool:
    """Whether a function is called several times without the argument."""
    calls = [call for call in module.of(ast.Call) if isinstance(call.func, ast.Name) and call.func.id == function.name]
    without = [
        call for call in calls if argument(call, place, name.arg) is None and not any(isinstance(entry, ast.Starred) for entry in call.args)
    ]
    looped = any(isinstance(parent, (ast.For, ast.While, *COMPREHENSIONS)) for call in without for parent in ancestors(module, call))
    return looped or len(without) > 1


PROGRAM = """import numpy as np


def mean(value, {parameter}):{marker}
    {first}
    history.append(value)
    return np.mean(history)


{use}
"""
LOOP = "print([mean(value) for value in range(9)])"
HERE = "  # <- here"


def _program(parameter: str = "history=[]", use: str = LOOP, first: str = "print(value)", marker: str = "") -> str:
    return PROGRAM.format(parameter=parameter, use=use, first=first, marker=marker)


BAD = [program(_program(marker=HERE)), program(_program(use="print(mean(1), mean(2))", marker=HERE))]
GOOD = [
    program(_program("history=None", first="history = [] if history is None else history")),
    program(_program(use="print([mean(value, []) for value in range(9)])")),
    program(_program(first="history = list(history)")),
    program(_program(use="print(mean(1))")),
]
