"""CLI101."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import get_close_matches

from gonogo.analysis.interpreter.trace import NoOption, Trace
from gonogo.analysis.interpreter.values.options import Parsed, Set
from gonogo.analysis.project.program_starts import ProgramStart
from gonogo.analysis.python.commands import commands
from gonogo.analysis.python.context_objects import reads_without_write
from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.names import calls, text_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_message


@rule("CLI101", "option-not-defined", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def option_not_defined(scripts: list[Trace], starts: list[ProgramStart], modules: dict[str, Module]) -> Iterator[Violation]:
    """The program reads a command-line option that its parser does not define.

    What it does:
        Follows each program to its options, through functions, modules and objects, and speaks where one is read that is not among them:
        `argparse` (Python's own parser says what they are called); the dataclasses of `HfArgumentParser`, `tyro`, `pyrallis` and
        `draccus`, in the order in which the parser gives them, and any other dataclass that the program makes; the flags of `absl`; the
        keys of a `CfgNode` of `yacs` and of a `ConfigDict` of `ml_collections`; the nested options of `jsonargparse` and
        `simple-parsing`; what wraps options (`EasyDict`, `Munch`, `Box`, `SimpleNamespace`, a dict class of one's own).
        With `click`: the parameters of a command that no option gives, options that it does not take, and keys of `ctx.obj` that
        nothing writes.
        Silent where options are added in a way that is not followed, where other code is handed the options and may set more, where the
        program, or another one that uses the same code, sets an attribute of that name, where another program that uses the same code
        defines the option and a condition stands before, and where it imports a library that may define flags of its own.

    Why it matters:
        The program ends in an `AttributeError`, often late: after the training, before anything is saved. A command of `click` ends in a
        `TypeError` as it starts.

    Instead:
        Define the option (`add_argument`, a field, `DEFINE_…`, a default), or read the one that is meant.
    """
    yield from _of_commands(modules)
    yield from _of_context(modules)
    everywhere = {entry for module in modules.values() for entry in _set_by_any_name(module)}
    traces = [*scripts, *(start.trace for start in starts if not start.is_assumed)]
    faults = [(trace, fault) for trace in traces for fault in trace.of(NoOption)]
    stores = _stores(modules, {fault.name for _, fault in faults})
    yield from by_message(
        _violation(fault)
        for trace, fault in faults
        if not _may_be_set(fault, everywhere)
        and not _is_set(fault, stores, trace)
        and not _is_set_by_another(fault, stores, trace, scripts)
        and not _is_for_another(fault, trace, scripts)
    )


def _of_commands(modules: dict[str, Module]) -> Iterator[Violation]:
    for command in commands(modules.values()):
        title = command.function.name
        for argument in command.without_option():
            near = get_close_matches(argument.arg, [option.name for option in command.without_parameter()], n=1, cutoff=0.6)
            meant = f"; did you mean `{near[0]}`?" if near else ""
            yield Violation(
                command.module.location(argument),
                f"no option of the command gives `{title}` its parameter `{argument.arg}`{meant}",
                f"define it: `@click.option('--{argument.arg.replace('_', '-')}', …)`",
            )
        for option in command.without_parameter():
            yield Violation(
                command.module.location(option.node),
                f"`{title}` has no parameter `{option.name}` for this option",
                "give it the parameter, or delete the option",
            )


def _of_context(modules: dict[str, Module]) -> Iterator[Violation]:
    for module, node, key, written in reads_without_write(modules.values()):
        near = get_close_matches(key, written, n=1, cutoff=0.75)
        yield Violation(
            module.location(node),
            f"no command writes `{key}` into the object of the context" + (f"; did you mean `{near[0]}`?" if near else ""),
            f"read `{near[0]}`" if near else f"write it where the group starts: `ctx.obj['{key}'] = …`",
            evidence=f"the keys: {', '.join(written)}",
        )


Stores = dict[str, list[tuple[Module, ast.AST]]]


def _stores(modules: dict[str, Module], names: set[str]) -> Stores:
    """Return, by name, the places where an attribute of that name is set.

    A `setattr` with the name written out counts as well.
    """
    found: Stores = {}
    for module in modules.values():
        for node in module.of(ast.Attribute):
            if node.attr in names and isinstance(node.ctx, (ast.Store, ast.Del)):
                found.setdefault(node.attr, []).append((module, node))
        for call in calls(module):
            name = text_of(call.args[1]) if qualified_name(call.func) == "setattr" and len(call.args) > 1 else None
            if name in names:
                found.setdefault(name, []).append((module, call))
    return found


def _is_set(fault: NoOption, stores: Stores, trace: Trace) -> bool:
    """Return whether the program may set an attribute of that name.

    It has code that sets it, and that was not seen to set one of another object.
    """
    seen = {id(event.node) for event in trace.of(Set)}
    return any(id(node) not in seen and _is_loaded(module, trace) for module, node in stores.get(fault.name, ()))


def _is_set_by_another(fault: NoOption, stores: Stores, trace: Trace, scripts: list[Trace]) -> bool:
    """Return whether another program that uses the same code sets such an attribute.

    Then that code may be for the other program alone.
    """
    others = [other for other in scripts if other is not trace and _is_loaded(fault.site.module, other)]
    return any(_is_loaded(module, other) and not _is_loaded(module, trace) for other in others for module, _ in stores.get(fault.name, ()))


def _is_for_another(fault: NoOption, trace: Trace, scripts: list[Trace]) -> bool:
    """Return whether an option that is read behind a condition is another program's.

    That program uses the same code and defines it.

    Then the condition may be what tells the programs apart.
    """
    if not fault.conditional:
        return False
    others = (other for other in scripts if other is not trace and _is_loaded(fault.site.module, other))
    return any(fault.name in parsed.places for other in others for parsed in other.of(Parsed))


def _is_loaded(module: Module, trace: Trace) -> bool:
    """Whether the program imports a module."""
    return module.tree is None or any(id(statement) in trace.executed for statement in module.tree.body)


def _violation(fault: NoOption) -> Violation:
    near = get_close_matches(fault.name, fault.known, n=1, cutoff=0.75)
    meant = f"; did you mean `{near[0]}`?" if near else ""
    return Violation(
        fault.site.module.location(fault.site.node),
        fault.message + meant,
        f"read `{near[0]}`" if near else fault.advice,
        evidence=f"the options: {', '.join(sorted(fault.known))}",
    )


def _may_be_set(fault: NoOption, everywhere: set[str]) -> bool:
    node = fault.site.node
    owner = node.value if isinstance(node, ast.Attribute) else node.args[0] if isinstance(node, ast.Call) and node.args else node
    return fault.name in everywhere or f"{_last(owner)}.*" in everywhere


def _set_by_any_name(module: Module) -> Iterator[str]:
    """Yield what a file sets by `setattr` and similar calls.

    These are names, or, where they are not known, the owner's name with `.*`.
    """
    for node in module.of(ast.Attribute):
        if node.attr == "__dict__" and isinstance(node.ctx, ast.Store):
            yield f"{_last(node.value)}.*"
    for call in calls(module):
        name = qualified_name(call.func)
        if name in ("setattr", "object.__setattr__") and len(call.args) > 1:
            yield text_of(call.args[1]) or f"{_last(call.args[0])}.*"
        elif isinstance(call.func, ast.Attribute) and call.func.attr == "__setattr__" and len(call.args) == 2:
            yield text_of(call.args[0]) or f"{_last(call.func.value)}.*"
        elif isinstance(call.func, ast.Attribute) and call.func.attr in ("update", "setdefault"):
            owner = call.func.value
            if isinstance(owner, ast.Call) and qualified_name(owner.func) == "vars" and owner.args:
                yield f"{_last(owner.args[0])}.*"
            elif isinstance(owner, ast.Attribute) and owner.attr == "__dict__":
                yield f"{_last(owner.value)}.*"


def _last(node: ast.AST) -> str:
    return qualified_name(node).rpartition(".")[2]


_PARSER = """import argparse


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    group = parser.add_argument_group("data")
    group.add_argument("--batch-size", type=int, default=8)
    return parser.parse_args()


"""
_MAIN = '\n\nif __name__ == "__main__":\n    main(options())\n'
_HERE = "  # <- here"
BAD = [
    program(_PARSER + f"def main(args):\n    print(args.lr)\n    print(args.weight_decay){_HERE}\n" + _MAIN),
    program(
        "import argparse\n\nparser = argparse.ArgumentParser()\nparser.add_argument('--epochs', type=int)\n"
        f"args, rest = parser.parse_known_args()\nfor epoch in range(args.epoch):{_HERE}\n    print(epoch)\n"
    ),
]
_OTHERS = _PARSER.replace("    return", "    library.add_options(parser)\n    return")
_CLASSES = """from dataclasses import dataclass

from transformers import HfArgumentParser


@dataclass
class ModelArguments:
    name: str = "resnet"


@dataclass
class DataArguments:
    folder: str = "data"


model_args, data_args = HfArgumentParser((ModelArguments, DataArguments)).parse_args_into_dataclasses()
"""
_COMMAND = "import click\n\n\n@click.command()\n@click.option('--lr')\ndef main({parameters}):{here}\n    print({parameters})\n\n\nmain()\n"
BAD += [program(_CLASSES + f"print(data_args.name){_HERE}\n"), program(_COMMAND.format(parameters="lr, seed", here=_HERE))]
GOOD = [
    program(_CLASSES + "print(model_args.name, data_args.folder)\n"),
    program(_COMMAND.format(parameters="lr", here="")),
    program(_PARSER + "def main(args):\n    print(args.lr, args.batch_size)\n" + _MAIN),
    program(_PARSER + "def main(args):\n    args.device = 'cpu'\n    print(args.device)\n" + _MAIN),
    program(_PARSER + "def main(args):\n    print(getattr(args, 'seed', 0))\n" + _MAIN),
    program(_PARSER + "def main(args):\n    if hasattr(args, 'name'):\n        print(args.name)\n" + _MAIN),
    program("import library\n" + _OTHERS + "def main(args):\n    print(args.more)\n" + _MAIN),
    program("import library\n\n" + _PARSER + "def main(args):\n    library.initialize(args)\n    print(args.rank)\n" + _MAIN),
    program(_PARSER + "def main(args):\n    for key in ('a', 'b'):\n        setattr(args, key, 1)\n    print(args.a)\n" + _MAIN),
]
