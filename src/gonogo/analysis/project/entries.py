"""The programs of a project: its functions under `@hydra.main`.

Also where its packages are imported from, and what suggests that our Hydra is not the right one.
"""

from __future__ import annotations

import ast
import posixpath
import re
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from gonogo.analysis.project.hydra_mains import hydra_mains
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, origin
from gonogo.compose.command_line import CommandLine, CommandLineError, parse_command_line
from gonogo.model.errors import UsageError
from gonogo.model.experiment import Experiment

# Code of these folders is tried out by tests, often on purpose wrongly.
TESTS = frozenset({"tests", "test", "testing"})
SUBMODULE = re.compile(r"^[ \t]*path[ \t]*=[ \t]*(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """A program: a module, its function under `@hydra.main`, and the command line that the caller named.

    Attributes:
        line: None where the caller named none.
        is_assumed: it is a script that may compose configs by itself; it is none if it composes nothing.
    """

    module: Module
    function: ast.FunctionDef | ast.AsyncFunctionDef | None
    line: CommandLine | None
    name: str
    is_assumed: bool = False


def entry_words(text: str) -> list[str]:
    """Take an entry point apart as a shell does: its name, then its command line.

    Raises:
        UsageError: it has no name, or a quote that does not end.
    """
    with suppress(ValueError):
        if words := shlex.split(text):
            return words
    raise UsageError(f"The entry point '{text}' can't be read: give a path, and overrides after it.")


def find_entries(modules: dict[str, Module], given: Sequence[str]) -> tuple[list[Entry], int]:
    """The entry points, and how many in tests were left out.

    Args:
        modules: every module, by path.
        given: what the caller named: `path.py`, `package.module`, each with its command line after it; none to detect them.

    Raises:
        UsageError: a name that is no module of the project, or a command line that Hydra refuses.
    """
    found: list[Entry] = []
    left_out = 0
    for text in given:
        name, *words = entry_words(text)
        try:
            line = parse_command_line(words) if words else None
        except CommandLineError as error:
            raise UsageError(f"The entry point '{text}' can't be started so, Hydra refuses its command line: {error}.") from None
        if line is not None and (not line.runs or line.rerun):
            raise UsageError(f"The entry point '{text}' would not be run so: give overrides, `--config-name`, `--config-path`.")
        path = posixpath.normpath(name)
        module = modules.get(path) or next((module for module in modules.values() if module.name == name), None)
        if module is None:
            raise UsageError(f"The entry point '{name}' is no Python file of the project: give its path relative to the project.")
        found += _entries(module, line) or [Entry(module, None, line, module.path)]
    for module in modules.values() if not given else ():
        if "hydra" not in module.text:
            continue
        entries = _entries(module, None) or ([Entry(module, None, None, module.path, True)] if _may_compose(module) else [])
        parts = module.path.split("/")
        if entries and (TESTS & set(parts[:-1]) or parts[-1].startswith("test_") or parts[-1] == "conftest.py"):
            left_out += len(entries)
        else:
            found += entries
    return found, left_out


def _entries(module: Module, line: CommandLine | None) -> list[Entry]:
    functions = [main.function for main in hydra_mains(module) if main.function is not None]
    several = len(functions) > 1
    return [Entry(module, node, line, f"{module.path}:{node.name}" if several else module.path) for node in functions]


def _may_compose(module: Module) -> bool:
    """Whether a module is a script, and uses Hydra's `compose`."""
    if "compose" not in module.text or "__main__" not in module.text:
        return False
    return any(origin(module, call.func).endswith("hydra.compose") for call in calls(module))


def import_roots(modules: dict[str, Module]) -> list[str]:
    """Return the folders, other than the root, that packages are imported from.

    They hold a package and are not packages themselves.
    """
    packages = {posixpath.dirname(path) for path in modules if posixpath.basename(path) == "__init__.py"}
    holders = {posixpath.dirname(folder) for folder in packages} - packages
    return sorted(holders - {""}, key=lambda folder: (folder.count("/"), folder))


def submodules(experiment: Experiment) -> list[str]:
    """Folders whose content comes from another repository."""
    return [path.strip("/") for path in SUBMODULE.findall(experiment.text(".gitmodules") or "")]
