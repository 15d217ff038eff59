"""ENV104."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.project.project_table import build_faults, missing_documents, project_faults
from gonogo.analysis.project.pyproject import Pyproject
from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Certainty, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule(
    "ENV104",
    "invalid-project-table",
    criterion=5,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    certainty=Certainty.PROVEN,
    settles=("dependency",),
)
def invalid_project_table(pyproject: Pyproject | None, experiment: Experiment) -> Iterator[Violation]:
    """`pyproject.toml` is refused by uv, or by the build backend that it names.

    What it does:
        Checks name, version, `requires-python` and what the build backend insists on: authors as tables, a package to build, folders
        that exist. Only what uv was seen to fail on is reported; a readme that is not among the files is a warning.

    Why it matters:
        `uv run` reads the whole table and, where there is a `[build-system]`, builds the project first: nothing runs until that works.

    Instead:
        Give name, version and `requires-python`, and no `[build-system]`: code that runs as `python -m src.main` needs no build.
    """
    if pyproject is None:
        return
    for fault in (*project_faults(pyproject), *build_faults(pyproject, experiment.files.keys())):
        yield Violation(fault.location, fault.message, fault.action, evidence=fault.evidence)
    for fault in missing_documents(pyproject, experiment.files.keys()):
        yield Violation(fault.location, fault.message, fault.action, evidence=fault.evidence, severity=Severity.WARNING)


_UNBUILT = "# The code runs in place as `python -m src.main`; there is nothing to build.\n[tool.uv]\npackage = false\n"
_HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"'
_BUILT = Edit(_UNBUILT, f'{_HATCHLING}\n\n[tool.hatch.build.targets.wheel]\npackages = ["src"]\n')
_VERSION = 'version = "0.1.0"'
BAD = [
    Tree({"pyproject.toml": Edit('requires-python = ">=3.11"', 'requires-python = "^3.11"  # <- here')}),
    Tree({"pyproject.toml": Edit(_VERSION, 'version = "first"  # <- here')}),
    Tree({"pyproject.toml": Edit('[project]\nname = "golden-digits"', "[project]  # <- here")}),
    Tree({"pyproject.toml": Edit(_UNBUILT, f"{_HATCHLING}  # <- here\n")}),
    Tree({"pyproject.toml": (_BUILT, Edit(_VERSION, f'{_VERSION}\nauthors = ["A. Author"]  # <- here'))}),
]
GOOD = [
    Tree({"pyproject.toml": _BUILT}),
    Tree({"pyproject.toml": Edit(_UNBUILT, '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n')}),
]
