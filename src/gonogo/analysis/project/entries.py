"""The programs of a project: its functions under `@hydra.main`, where its packages are imported from, and what speaks against our Hydra."""

from __future__ import annotations

import ast
import posixpath
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.analysis.project.hydra_mains import hydra_mains
from gonogo.analysis.project.pyproject import parse_requirement
from gonogo.analysis.project.requirement_files import requirement_texts
from gonogo.analysis.python.modules import Module
from gonogo.compose.command_line import CommandLine, CommandLineError, parse_command_line
from gonogo.model.errors import UsageError
from gonogo.model.experiment import Experiment

# Code of these folders is tried out by tests, often on purpose wrongly.
TESTS = frozenset({"tests", "test", "testing"})
NEWER_HYDRA = ("1.1.1", "1.1.2", "1.2.0", "1.3.0", "1.3.1", "1.3.2")
_IN_TABLE = re.compile(r"""["'](hydra[-_]core[^"'\n;#]*)["']""")
_POETRY = re.compile(r"""^hydra[-_]core\s*=\s*["']([^"'*]+)["']""", re.MULTILINE)
SUBMODULE = re.compile(r"^[ \t]*path[ \t]*=[ \t]*(\S+)", re.MULTILINE)
# Libraries that add configs of their own, so that a config that is not in the project may still be found.
STORING = frozenset({"hydra_zen", "hydra_plugins", "hydra_configs", "hydra_torch", "nemo", "fairseq", "mmf", "lerobot", "composer"})


@dataclass(frozen=True)
class Entry:
    """A program: a module, its function under `@hydra.main`, and the command line that the caller named.

    Attributes:
        line: None where the caller named none.
    """

    module: Module
    function: ast.FunctionDef | ast.AsyncFunctionDef | None
    line: CommandLine | None
    name: str


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
        try:
            name, *words = shlex.split(text)
            line = parse_command_line(words) if words else None
        except ValueError:
            raise UsageError(f"The entry point '{text}' can't be read: give a path, and overrides after it.") from None
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
        entries = _entries(module, None)
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


def import_roots(modules: dict[str, Module]) -> list[str]:
    """Folders that packages are imported from, other than the root: those that hold a package and are none themselves."""
    packages = {posixpath.dirname(path) for path in modules if posixpath.basename(path) == "__init__.py"}
    holders = {posixpath.dirname(folder) for folder in packages} - packages
    return sorted(holders - {""}, key=lambda folder: (folder.count("/"), folder))


def old_hydra(experiment: Experiment) -> str:
    """Where the project asks for a Hydra older than 1.1, whose configs behave otherwise; empty if it does not."""
    asked = [(path, text) for path, name, text in requirement_texts(experiment) if name == "hydra-core"]
    pyproject = experiment.text("pyproject.toml") or ""
    asked += [("pyproject.toml", text) for text in _IN_TABLE.findall(pyproject)]
    asked += [("pyproject.toml", f"hydra-core{_poetry(text)}") for text in _POETRY.findall(pyproject)]
    for path, text in asked:
        parsed = parse_requirement(text)
        if parsed is not None and str(parsed.specifier) and not any(parsed.specifier.contains(version) for version in NEWER_HYDRA):
            return f"{path} asks for a Hydra older than 1.1 (`{text}`), and gonogo composes with Hydra 1.3"
    return ""


def _poetry(version: str) -> str:
    """A version as Poetry has it, as PEP 508 has it: `^1.0` and `1.0` leave the first part that is not zero as it is."""
    plain = version.lstrip("^~")
    if not version[:1].isdigit() and version[:1] not in "^~":
        return version
    if version.startswith("^"):
        return f">={plain},<{2 if plain.startswith('1') else 1}"
    if version.startswith("~"):
        return f"~={plain}" if plain.count(".") > 1 else f"=={plain}.*"
    return f"=={plain}"


def submodules(experiment: Experiment) -> list[str]:
    """Folders whose content comes from another repository."""
    return [path.strip("/") for path in SUBMODULE.findall(experiment.text(".gitmodules") or "")]


def hydra_doubt(experiment: Experiment, modules: dict[str, Module]) -> str:
    """Why Hydra 1.3 without plugins may not say what the project's own Hydra says; empty if nothing speaks for that."""
    old = old_hydra(experiment)
    if old:
        return old
    for module in modules.values():
        if "SearchPathPlugin" in module.text:
            return f"{module.path} changes where Hydra looks for configs"
        used = {name.partition(".")[0] for name in module.imports.values()} & STORING if "hydra" in module.text else set()
        if used:
            return f"{sorted(used)[0]}, which {module.path} imports, may bring configs of its own"
    return ""
