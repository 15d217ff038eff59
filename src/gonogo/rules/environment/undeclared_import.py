"""ENV102."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from packaging.utils import canonicalize_name

from gonogo.analysis.project.dependencies import are_dynamic, dependency_faults, requirements
from gonogo.analysis.project.distributions import closure, is_known, providers
from gonogo.analysis.project.pyproject import Pyproject
from gonogo.analysis.python.imports import Import
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

MOST_RELATED = 5
# Modules that import another distribution as soon as they are imported.
NEEDS = {"torch.utils.tensorboard": "tensorboard"}
# Standard in some versions of Python, or a namespace that many distributions share.
UNDECIDED = {
    "distutils",
    "imp",
    "asyncore",
    "asynchat",
    "compression",
    "annotationlib",
    "google",
    "hydra_plugins",
    "nvidia",
    "mpl_toolkits",
}


@rule(
    "ENV102",
    "undeclared-import",
    criterion=1,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    settles=("import", "dependency"),
)
def undeclared_import(pyproject: Pyproject | None, outside_imports: list[Import], contract: Contract) -> Iterator[Violation]:
    """A third-party import whose distribution is not declared.

    What it does:
        Maps every import that neither the standard library nor the project serves to its distribution and looks for it among the
        dependencies, extras and dependency groups. It is a warning where another dependency brings the distribution along, or may; in a
        project of any shape a note. There, what is not declared at all is a warning.

    Why it matters:
        `uv run` installs what is declared: the import fails, often hours later when it stands inside a function. What only comes along
        with another package can disappear with its next release.

    Instead:
        Add the distribution to `dependencies`; its name may differ from the import (`sklearn` is in scikit-learn, `yaml` in pyyaml).
    """
    if pyproject is None or pyproject.fault is not None or are_dynamic(pyproject):
        return
    if not pyproject.project or any(dependency_faults(pyproject, needs_any=True)):
        return  # ENV101: none of the dependencies can be used
    declared = {requirement.name for requirement in requirements(pyproject)}
    declared.add(str(canonicalize_name(str(pyproject.project.get("name", "")))))
    missing: dict[str, list[Import]] = {}
    for entry in outside_imports:
        name = NEEDS.get(entry.target, entry.top)
        served = {*providers(name), str(canonicalize_name(name))} & declared
        if not (served or entry.guarded or name in UNDECIDED or name.startswith("__")):
            missing.setdefault((*providers(name), name)[0], []).append(entry)
    declared_here = declared - {str(canonicalize_name(str(pyproject.project.get("name", ""))))}
    for distribution, entries in missing.items():
        for fault in _violation(
            distribution, entries, declared_here, Severity.INFO if contract.scope is not Scope.RUNS else Severity.WARNING
        ):
            # A project of any shape has scripts and extras of its own, for which people install more.
            yield fault if contract.scope is Scope.RUNS or fault.severity is not None else replace(fault, severity=Severity.WARNING)


def _violation(distribution: str, entries: list[Import], declared: set[str], along: Severity) -> Iterator[Violation]:
    name = NEEDS.get(entries[0].target, entries[0].top)
    choices = providers(name) or (str(canonicalize_name(name)),)
    all_known = all(is_known(requirement) for requirement in declared)
    related = tuple(Related(location=entry.location, label="imported here too") for entry in entries[1 : MOST_RELATED + 1])
    action = (
        f"add `{choices[0]}` to `dependencies`" if providers(name) else f"add the distribution that provides `{name}`, or delete the import"
    )
    subject = f"`{name}` is imported but not declared" if name == choices[0] else f"`{name}` is imported but `{choices[0]}` is not declared"
    if set(choices) & closure(declared):
        message = f"{subject}: it only comes along with another dependency"
        yield Violation(entries[0].location, message, action, related, severity=along)
    elif all_known:
        yield Violation(entries[0].location, f"`{name}` is imported, and no declared dependency provides it", action, related)
    elif providers(name):
        yield Violation(entries[0].location, subject, action, related, severity=Severity.WARNING)


_SKLEARN = "from sklearn.datasets import load_digits"
_NUMPY = "import numpy as np"
_TORCH = "from torch import nn\n"
_TIMM = Edit(_TORCH, f"{_TORCH}from timm import create_model\n")
BAD = [
    Tree({"pyproject.toml": Edit('    "scikit-learn>=1.5",\n', ""), "src/preprocess.py": Edit(_SKLEARN, f"{_SKLEARN}  # <- here")}),
    Tree(
        {
            "pyproject.toml": Edit('    "numpy>=1.26",\n', ""),
            "src/preprocess.py": Edit("import numpy as np", "import numpy as np  # <- here"),
        }
    ),
    Tree({"src/model.py": Edit(_TORCH, f"{_TORCH}from timm import create_model  # <- here\n")}),
]
GOOD = [
    Tree({"src/model.py": Edit(_TORCH, f"{_TORCH}\ntry:\n    import timm\nexcept ImportError:\n    timm = None\n")}),
    Tree({"pyproject.toml": Edit("\n# The code", '\n[dependency-groups]\nimages = ["timm>=1.0"]\n\n# The code'), "src/model.py": _TIMM}),
]
