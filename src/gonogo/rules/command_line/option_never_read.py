"""CLI102."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.interpreter.values.options import Parsed
from gonogo.analysis.python.commands import commands
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import text_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Certainty, Location, Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_message

# Given by launchers to every process, whether it reads them or not.
FOR_LAUNCHERS = frozenset({"local_rank", "help", "version", "f"})


@rule("CLI102", "option-never-read", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def option_never_read(scripts: list[Trace], modules: dict[str, Module]) -> Iterator[Violation]:
    """A command-line option is defined, and nothing reads it.

    What it does:
        Follows each program to its options: of `argparse`, of the dataclasses of `HfArgumentParser`, `tyro`, `pyrallis` and `draccus`, of
        `absl`. Speaks of an option whose name stands nowhere else in the project: no attribute, name, keyword or text is called so.
        Silent where the options are taken as a whole, by `vars` or by code that is not followed. Under `click`, `typer` and `fire`,
        speaks of a parameter of the function that its body never reads.

    Why it matters:
        Whoever gives `--weight-decay 0.1` believes that it has an effect. The runs that were to differ by it are the same.

    Instead:
        Use the option where it is meant to act, or delete it.
    """
    yield from _of_commands(modules)
    parsed = [event for trace in scripts if trace.complete for event in trace.of(Parsed) if not event.options.is_whole]
    if not parsed:
        return
    defining = {place for event in parsed for site in event.places.values() for place in _definition(site.node)}
    mentioned = {name for module in modules.values() for name in _names(module, defining)}
    yield from by_message(_of_program(parsed, mentioned))


def _of_commands(modules: dict[str, Module]) -> Iterator[Violation]:
    for command in commands(modules.values()):
        for option in command.never_read():
            yield _violation(command.module.location(option.node), option.name)


def _violation(location: Location, name: str) -> Violation:
    return Violation(
        location,
        f"nothing reads the option `{name}`",
        "use it where it is meant to act, or delete it",
        certainty=Certainty.LIKELY,
    )


def _of_program(parsed: Iterable[Parsed], mentioned: set[str]) -> Iterator[Violation]:
    for event in parsed:
        for name, site in event.places.items():
            if name in mentioned or name in FOR_LAUNCHERS or name.startswith("_"):
                continue
            yield _violation(site.module.location(site.node), name)


def _definition(node: ast.AST) -> Iterator[int]:
    """Yield the `id`s of the nodes that name an option where it is defined.

    They are the target of a field, and the texts of a call.
    """
    if isinstance(node, ast.AnnAssign):
        yield id(node.target)
    elif isinstance(node, ast.Attribute):
        yield id(node)
    elif isinstance(node, ast.Call):
        yield from (id(text) for text in [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "dest")])


def _names(module: Module, defining: set[int]) -> Iterator[str]:
    """Yield all names in a file, except the flags of options and the names that define an option.

    The latter are given by `id`.
    """
    for node in module.of(ast.Attribute, ast.Name, ast.keyword, ast.arg, ast.Constant):
        if id(node) in defining:
            continue
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, (ast.keyword, ast.arg)):
            yield node.arg or ""
        elif (text := text_of(node)) is not None:
            yield text


_PARSER = """import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--weight-decay", type=float, default=0.0){here}
args = parser.parse_args()
"""
BAD = [program(_PARSER.format(here="  # <- here") + "print(args.lr)\n")]
GOOD = [
    program(_PARSER.format(here="") + "print(args.lr, args.weight_decay)\n"),
    program(_PARSER.format(here="") + "print(args.lr, vars(args))\n"),
    program("import library\n" + _PARSER.format(here="") + "library.train(args)\n"),
    program(_PARSER.format(here="") + "for name in ('lr', 'weight_decay'):\n    print(getattr(args, name))\n"),
]
