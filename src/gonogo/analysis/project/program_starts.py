"""The programs of a project that read files of settings, followed as their documents start them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gonogo.analysis.interpreter.library.registry import load_library
from gonogo.analysis.interpreter.scripts import programs_with, steps_each, walk_start
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.documented import ShownCommand, shown_commands
from gonogo.analysis.python.modules import Module
from gonogo.model.experiment import Experiment

# What stands in the text of a program that reads data from a file.
READERS = (
    "safe_load", "yaml.load", "full_load", "unsafe_load", "json.load", "tomllib", "tomli", "toml.load", "OmegaConf.load",
    "DEFINE_config_file",
)  # fmt: skip
MOST_COMMANDS = 4  # of one program
MOST_STARTS = 40


@dataclass(frozen=True)
class ProgramStart:
    """What a program does that is started in one way.

    Attributes:
        shown: where a document starts it so; None for a start without any words.
        is_assumed: no document shows how it is started, and it takes words.
    """

    trace: Trace
    shown: ShownCommand | None
    is_assumed: bool


def program_starts(experiment: Experiment, modules: Mapping[str, Module]) -> list[ProgramStart]:
    """Follow each program that reads data from files: as documents start it, else without any words."""
    programs = [module.path for module in programs_with(READERS, modules)]
    with_words = {module.path for module in programs_with((*load_library().options, "sys.argv"), modules)}
    shown = shown_commands(experiment, modules, programs)
    wanted: list[tuple[str, ShownCommand | None]] = []
    for path in programs:
        commands = shown.get(path, [])
        known = [command for command in commands if command.words is not None]
        wanted += [(path, command) for command in known[:MOST_COMMANDS]]
        if not commands or path not in with_words:
            wanted.append((path, None))
    wanted = wanted[:MOST_STARTS]
    steps = steps_each(len(wanted))
    found = []
    for path, command in wanted:
        trace = walk_start(path, (command.words or ()) if command is not None else (), experiment, modules, steps)
        found.append(ProgramStart(trace, command, command is None and path in with_words))
    return found
