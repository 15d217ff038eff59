"""CLI107."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Raised
from gonogo.analysis.project.option_choices import ChoiceStart, Option
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_message


@rule("CLI107", "choice-refused", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def choice_refused(choices: list[ChoiceStart]) -> Iterator[Violation]:
    """An option offers a choice that the program itself refuses.

    What it does:
        Follows each program as if it were started with each value that `add_argument(choices=[…])` allows. Speaks where the program then
        surely ends in its own `raise`, in a failing `assert` or in the lookup of a dict that is written out without that key, and does
        not without the choice. Silent where what decides is not known, and where the condition asks for more than this option.

    Why it matters:
        The help offers a value that ends the program, often after data are loaded and models are made.

    Instead:
        Write the branch for the choice, or take it out of the list.
    """
    yield from by_message(
        _violation(start, raised)
        for start in choices
        for raised in start.trace.raised
        if id(raised.site.node) not in {id(other.site.node) for other in start.usual.raised} and _is_about(raised, start)
    )


def _is_about(raised: Raised, start: ChoiceStart) -> bool:
    """Whether it is this option's value that is refused."""
    if raised.key is not None:
        return raised.key == start.choice
    if raised.error:
        return False
    module, node = raised.site.module, raised.site.node
    tests = [ancestor.test for ancestor in ancestors(module, node) if isinstance(ancestor, ast.If)] or _left_before(module, node)
    if isinstance(node, ast.Assert):
        tests = [node.test, *tests]
    return bool(tests) and all(_asks_only_for(test, start.option) for test in tests)


def _left_before(module: Module, node: ast.AST) -> list[ast.expr]:
    """The conditions under which the function returns before it comes to a statement of its own block."""
    function = enclosing_function(module, node)
    body = function.body if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and node in function.body else []
    before = body[: body.index(node)] if isinstance(node, ast.stmt) and body else []
    return [entry.test for entry in before if isinstance(entry, ast.If) and isinstance(entry.body[-1], ast.Return)]


def _asks_only_for(test: ast.expr, option: Option) -> bool:
    """Return whether a condition compares one thing with texts of an option.

    Some of them are among the option's choices, or it bears the option's name.
    """
    named = {ast.unparse(node) for node in ast.walk(test) if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load)}
    subjects = {name for name in named if not any(other.startswith(f"{name}.") for other in named)}
    texts = {node.value for node in ast.walk(test) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    if len(subjects) != 1:
        return False
    return next(iter(subjects)).rpartition(".")[2] == option.name or bool(texts & set(option.choices))


def _violation(start: ChoiceStart, raised: Raised) -> Violation:
    option = start.option
    shown = " ".join(ast.unparse(raised.site.node).split())[:200]
    return Violation(
        option.module.location(option.node),
        f"`{option.flag}` offers '{start.choice}', and the program refuses it",
        "write the branch for it, or take it out of `choices`",
        (Related(location=raised.site.module.location(raised.site.node), label="refused here"),),
        evidence=shown,
    )


_PROGRAM = """import argparse

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--optimizer", choices=["sgd", "adam", "lamb"], default="sgd"){here}
args = parser.parse_args()
parameters = [torch.zeros(1, requires_grad=True)]
"""
_BRANCHES = """if args.optimizer == "sgd":
    optimizer = torch.optim.SGD(parameters)
elif args.optimizer == "adam":
    optimizer = torch.optim.Adam(parameters)
else:
    raise ValueError(args.optimizer)
"""
_TABLE = """optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[args.optimizer](parameters)\n"""
BAD = [program(_PROGRAM.replace("{here}", "  # <- here") + _BRANCHES), program(_PROGRAM.replace("{here}", "  # <- here") + _TABLE)]
_PLAIN = _PROGRAM.replace("{here}", "")
GOOD = [
    program(_PLAIN + _BRANCHES.replace('args.optimizer == "adam"', 'args.optimizer in ("adam", "lamb")')),
    program(_PLAIN.replace(', "lamb"', "") + _BRANCHES),
    program(_PLAIN + 'if args.optimizer != "lamb":\n' + "".join(f"    {line}\n" for line in _BRANCHES.splitlines())),
]
