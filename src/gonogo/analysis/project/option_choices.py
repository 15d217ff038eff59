"""What a program does with each of the values that an option may have."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gonogo.analysis.interpreter.scripts import programs_with, steps_each, walk_start
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.documented import shown_commands
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, last_name, text_of
from gonogo.model.experiment import Experiment

PARSERS = ("parse_args", "parse_known_args")
MOST_CHOICES = 60  # of all programs together


@dataclass(frozen=True)
class Option:
    """An option with the texts that may be given for it.

    Attributes:
        node: the call of `add_argument`.
        flag: what stands before its value, `--optimizer`.
        name: what the program calls it.
    """

    module: Module
    node: ast.Call
    flag: str
    name: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class ChoiceStart:
    """A program that is started with one value of an option.

    Attributes:
        trace: what it then does.
        usual: what it does without it.
    """

    option: Option
    choice: str
    trace: Trace
    usual: Trace


def choice_starts(experiment: Experiment, modules: Mapping[str, Module]) -> list[ChoiceStart]:
    """Follow each program with each value of its options.

    It is started as the first command that a document shows, else without other words.
    """
    programs = [module for module in programs_with(PARSERS, modules) if any(_options(module))]
    shown = shown_commands(experiment, modules, (module.path for module in programs))
    wanted = []
    for module in programs:
        words = next((command.words for command in shown.get(module.path, ()) if command.words is not None), ())
        wanted += [(module.path, words, option, choice) for option in _options(module) for choice in option.choices if choice not in words]
    wanted = wanted[:MOST_CHOICES]
    steps = steps_each(len(wanted))
    usual: dict[str, Trace] = {}
    found = []
    for path, words, option, choice in wanted:
        if path not in usual:
            usual[path] = walk_start(path, words, experiment, modules, steps)
        trace = walk_start(path, (*words, option.flag, choice), experiment, modules, steps)
        found.append(ChoiceStart(option, choice, trace, usual[path]))
    return found


def _options(module: Module) -> Iterator[Option]:
    """The options that a module defines with a list of texts."""
    for call in calls(module):
        given = next((keyword.value for keyword in call.keywords if keyword.arg == "choices"), None)
        if last_name(call.func) != "add_argument" or not isinstance(given, (ast.List, ast.Tuple)):
            continue
        flags = [text for argument in call.args if (text := text_of(argument)) is not None and text.startswith("-")]
        choices = [text_of(element) for element in given.elts]
        long = [flag for flag in flags if flag.startswith("--")]
        named = next((text_of(keyword.value) for keyword in call.keywords if keyword.arg == "dest"), None)
        plain = not any(keyword.arg in ("nargs", "action") for keyword in call.keywords)
        if flags and plain and len(choices) > 1 and all(choices):
            name = argparse.ArgumentParser(add_help=False).add_argument(*flags, dest=named).dest
            yield Option(module, call, (long or flags)[0], name, tuple(map(str, choices)))
