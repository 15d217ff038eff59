"""Options that the command line gives as texts or lists, and the program takes for numbers."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gonogo.analysis.interpreter.scripts import programs_with, steps_each, walk_start
from gonogo.analysis.interpreter.trace import Mistyped
from gonogo.analysis.project.documented import ShownCommand, shown_commands
from gonogo.analysis.project.option_choices import PARSERS
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, last_name, text_of
from gonogo.model.experiment import Experiment

FIRST_VALUE = 70_001  # each option is given a number of its own, by which it is known again
NO_CONVERSION = frozenset({"type", "action", "choices"})
LISTS = frozenset({"+", "*"})
MOST_PROGRAMS = 30


@dataclass(frozen=True)
class TextUse:
    """A place where an option is used as a number that the command line gives as a text or a list.

    Attributes:
        node: the call of `add_argument`.
        flag: what stands before its value.
        shown: a document's command that gives the option, if there is one.
    """

    module: Module
    node: ast.Call
    flag: str
    event: Mistyped
    shown: ShownCommand | None


def text_uses(experiment: Experiment, modules: Mapping[str, Module]) -> list[TextUse]:
    """Follow each program with numbers for all options that make no number of what they are given."""
    programs = [(module, options) for module in programs_with(PARSERS, modules) if (options := dict(_options(module)))][:MOST_PROGRAMS]
    shown = shown_commands(experiment, modules, (module.path for module, _ in programs))
    steps = steps_each(len(programs))
    found = []
    for module, options in programs:
        commands = shown.get(module.path, [])
        words = next((command.words for command in commands if command.words is not None), ())
        values = {str(FIRST_VALUE + place): flag for place, flag in enumerate(options)}
        more = [word for value, flag in values.items() for word in (flag, value)]
        trace = walk_start(module.path, (*words, *more), experiment, modules, steps)
        for event in trace.of(Mistyped):
            flag = values.get(event.value)
            if flag is not None:
                giving = next((command for command in commands if flag in (command.words or ())), None)
                found.append(TextUse(module, options[flag], flag, event, giving))
    return found


def _options(module: Module) -> Iterator[tuple[str, ast.Call]]:
    """The options whose default is a number, and that are a text or a list where they are given."""
    for call in calls(module):
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        if last_name(call.func) != "add_argument" or None in given or not _is_number(given.get("default")):
            continue
        kind = given.get("type")
        is_text = not NO_CONVERSION & {*given} or (isinstance(kind, ast.Name) and kind.id == "str" and not {"action", "choices"} & {*given})
        is_list = "action" not in given and "choices" not in given and text_of(given.get("nargs")) in LISTS
        flags = [text for argument in call.args if (text := text_of(argument)) is not None and text.startswith("-")]
        if flags and (is_list or (is_text and "nargs" not in given)) and _is_one(flags):
            yield next((flag for flag in flags if flag.startswith("--")), flags[0]), call


def _is_one(flags: list[str]) -> bool:
    """Whether Python's parser takes these flags."""
    try:
        argparse.ArgumentParser(add_help=False).add_argument(*flags)
    except (ValueError, argparse.ArgumentError):
        return False
    return True


def _is_number(node: ast.expr | None) -> bool:
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


FALSE = frozenset({"false", "no", "off", "0", "f", "n"})


@dataclass(frozen=True)
class BoolOption:
    """An option of `argparse` with `type=bool`.

    Attributes:
        shown: a document's command that gives it a word for false, if there is one.
    """

    module: Module
    node: ast.Call
    flag: str
    shown: ShownCommand | None


def bool_options(experiment: Experiment, modules: Mapping[str, Module]) -> list[BoolOption]:
    """The options of all parsers that make `bool` of a text."""
    found = [(module, flag, call) for module in modules.values() for flag, call in _bools(module)]
    if not found:
        return []
    commands = shown_commands(experiment, modules, (module.path for module in programs_with(PARSERS, modules)))
    return [BoolOption(module, call, flag, _giving_false(module, flag, commands, modules)) for module, flag, call in found]


def _giving_false(
    module: Module, flag: str, commands: Mapping[str, list[ShownCommand]], modules: Mapping[str, Module]
) -> ShownCommand | None:
    """The first command that gives an option a word for false.

    A program may have its options from a module of their own.
    """
    is_only = not any(f'"{flag}"' in other.text or f"'{flag}'" in other.text for other in modules.values() if other is not module)
    given = [command for path, each in commands.items() if path == module.path or is_only for command in each]
    return next((command for command in given if _gives_false(command, flag)), None)


def _bools(module: Module) -> Iterator[tuple[str, ast.Call]]:
    if "argparse" not in module.text or "jsonargparse" in module.text or "bool" in _bound(module):
        return
    for call in calls(module):
        kinds = [keyword.value for keyword in call.keywords if keyword.arg == "type"]
        flags = [text for argument in call.args if (text := text_of(argument)) is not None and text.startswith("-")]
        if last_name(call.func) == "add_argument" and flags and kinds and isinstance(kinds[0], ast.Name) and kinds[0].id == "bool":
            yield next((flag for flag in flags if flag.startswith("--")), flags[0]), call


def _bound(module: Module) -> set[str]:
    """The names that a module binds itself."""
    functions = {node.name for node in module.of(ast.FunctionDef, ast.ClassDef)}
    return functions | {*module.imports} | {node.id for node in module.of(ast.Name) if isinstance(node.ctx, ast.Store)}


def _gives_false(command: ShownCommand, flag: str) -> bool:
    """Whether a command gives an option a word for false."""
    words = command.words or ()
    for word, following in zip(words, [*words[1:], ""], strict=False):
        name, is_joined, value = word.partition("=")
        if name == flag and (value if is_joined else following).lower() in FALSE:
            return True
    return False
