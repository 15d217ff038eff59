"""Facts about the Python text."""

from __future__ import annotations

from dataclasses import replace

from gonogo.analysis.project.pyproject import Pyproject
from gonogo.analysis.python.imports import Import, find_imports, third_party
from gonogo.analysis.python.lint import Complaint, run_ruff
from gonogo.analysis.python.modules import Module, load_modules
from gonogo.analysis.python.placeholders import Placeholder, PlaceholderFinder
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.python.symbols import Symbols
from gonogo.engine.facts import fact
from gonogo.engine.workspace import NOTEBOOK, Workspace
from gonogo.model.experiment import Experiment


@fact
def modules(experiment: Experiment) -> dict[str, Module]:
    """Every Python file, parsed, by path."""
    return load_modules(experiment)


@fact
def lint(workspace: Workspace, pyproject: Pyproject | None, modules: dict[str, Module]) -> list[Complaint]:
    """Return ruff's complaints about undefined names, errors and syntax.

    Files beyond the limits are left out.
    """
    paths = sorted(path for path, module in modules.items() if module.fault is None or not module.fault.is_limit)
    written = [path + NOTEBOOK if path.endswith(".ipynb") else path for path in paths]
    return [_of_notebook(entry) for entry in run_ruff(workspace.root, written, pyproject.python if pyproject else None) if _concerns(entry)]


def _of_notebook(complaint: Complaint) -> Complaint:
    """A complaint about the written code of a notebook, as one about the notebook."""
    path = complaint.path.removesuffix(NOTEBOOK)
    return replace(complaint, path=path) if path.endswith(".ipynb") else complaint


def _concerns(complaint: Complaint) -> bool:
    """Whether a complaint is none about `await` outside functions, which cells may have."""
    return not complaint.path.endswith(f".ipynb{NOTEBOOK}") or complaint.code not in ("F704", "PLE1142")


@fact
def imports(modules: dict[str, Module]) -> list[Import]:
    """Every import of every module."""
    return find_imports(modules)


@fact
def outside_imports(imports: list[Import], experiment: Experiment) -> list[Import]:
    """The imports that an installed distribution has to serve."""
    return third_party(imports, experiment.files)


@fact
def symbols(modules: dict[str, Module], experiment: Experiment) -> Symbols:
    """What the project's modules define, across modules."""
    return Symbols(modules, experiment.files)


@fact
def placeholders(symbols: Symbols) -> list[Placeholder]:
    """Functions without an implementation."""
    return list(PlaceholderFinder(symbols).find())


@fact
def sources(symbols: Symbols) -> Sources:
    """Where values come from, across modules."""
    return Sources(symbols)
