"""ENV101."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.project.dependencies import dependency_faults
from gonogo.analysis.project.pyproject import PATH, Pyproject
from gonogo.analysis.project.requirement_files import requirement_texts
from gonogo.analysis.python.imports import Import
from gonogo.model.contract import Contract, Scope
from gonogo.model.edits import change_between
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Certainty, Fix, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

MOST_RELATED = 5


@rule(
    "ENV101",
    "dependencies-unusable",
    criterion=5,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    certainty=Certainty.PROVEN,
    settles=("dependency",),
)
def dependencies_unusable(
    pyproject: Pyproject | None, outside_imports: list[Import], contract: Contract, experiment: Experiment
) -> Iterator[Violation]:
    """The dependencies are written so that uv refuses them or installs nothing.

    What it does:
        Reads `[project].dependencies`, the extras and the dependency groups as uv does: a table instead of a list, entries that are no
        PEP 508 requirement (`torch^2.1`), names that can't be installed (`sklearn`), none at all, or only under `[tool.poetry]`.
        A project of any shape may list none there where requirements files, a conda environment or `setup.py` list them.

    Why it matters:
        `uv run` stops before the first line of code runs, or starts it in an empty environment where the first import fails.

    Instead:
        List what the code imports under [project]: `dependencies = ["torch>=2.4", "hydra-core>=1.3"]`.
    """
    if pyproject is None:
        return
    needs_any = any(not entry.guarded for entry in outside_imports)
    if contract.scope is not Scope.RUNS and not pyproject.section("tool", "poetry", "dependencies"):
        needs_any = needs_any and not any(requirement_texts(experiment))
    faults = list(dependency_faults(pyproject, needs_any=needs_any))
    if faults:
        first, *others = faults
        yield Violation(
            first.location,
            first.message,
            first.action,
            related=tuple(Related(location=other.location, label="here too") for other in others[:MOST_RELATED]),
            evidence="\n".join(fault.evidence for fault in faults[: MOST_RELATED + 1] if fault.evidence),
            fix=_fix(pyproject.text),
        )


def _fix(text: str) -> Fix | None:
    from gonogo.analysis.project.repairs import with_usable_dependencies  # most experiments need none

    mended = with_usable_dependencies(text)
    change = change_between(PATH, text, mended) if mended is not None else None
    return Fix(what="list the dependencies as uv reads them", changes=(change,), is_safe=True) if change is not None else None


_LISTED = """dependencies = [
    "torch>=2.4",
    "hydra-core>=1.3.2",
    "omegaconf>=2.3",
    "wandb>=0.18",
    "optuna>=4.0",
    "scikit-learn>=1.5",
    "numpy>=1.26",
    "pandas>=2.2",
    "scipy>=1.12",
    "matplotlib>=3.9",
    "seaborn>=0.13.2",
]
"""
BAD = [
    Tree({"pyproject.toml": Edit('    "torch>=2.4",', '    "torch^2.4",  # <- here')}),
    Tree({"pyproject.toml": Edit(_LISTED, '[project.dependencies]  # <- here\ntorch = "*"\nhydra-core = "^1.3"\n')}),
    Tree({"pyproject.toml": Edit(_LISTED, "dependencies = []  # <- here\n")}),
    Tree({"pyproject.toml": Edit('    "scikit-learn>=1.5",', '    "sklearn>=1.5",  # <- here')}),
    Tree(
        {
            "pyproject.toml": '[tool.poetry]\nname = "digits"\nversion = "0.1.0"\n\n'
            '[tool.poetry.dependencies]  # <- here\npython = "^3.11"\ntorch = "^2.4"\n'
        }
    ),
]
GOOD = [
    Tree({"pyproject.toml": Edit('    "torch>=2.4",', '    "torch (>=2.4,<3)",')}),
    Tree({"pyproject.toml": (Edit(_LISTED, 'dynamic = ["dependencies"]\n'), Edit("package = false", "package = true"))}),
]
