"""ENV102."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from packaging.utils import canonicalize_name

from gonogo.analysis.project.dependencies import are_dynamic, dependency_faults, requirements
from gonogo.analysis.project.distributions import closure, is_known, providers
from gonogo.analysis.project.implied import Implied, implied
from gonogo.analysis.project.pyproject import PATH, Pyproject
from gonogo.analysis.project.requirement_files import installed_by_hand
from gonogo.analysis.python.imports import Import
from gonogo.analysis.python.modules import Module
from gonogo.model.contract import Contract, Scope
from gonogo.model.edits import change_between
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Fix, Related, Severity, Stage
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
def undeclared_import(
    pyproject: Pyproject | None, outside_imports: list[Import], contract: Contract, modules: dict[str, Module], experiment: Experiment
) -> Iterator[Violation]:
    """A third-party import whose distribution is not declared.

    What it does:
        Maps every import that neither the standard library nor the project serves to its distribution and looks for it among the
        dependencies, extras and dependency groups. It is a warning where another dependency brings the distribution along, or may; in a
        project of any shape a note. There, what is not declared at all is a warning, and requirements files and commands that install
        count, wherever they stand. It also warns of calls for which a library imports
        something that it does not bring along: `device_map=` needs accelerate, `load_in_4bit=` bitsandbytes, `read_parquet` pyarrow.

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
    if contract.scope is not Scope.RUNS:
        declared |= installed_by_hand(experiment)  # parts of a project that any shape has come with requirements of their own
    missing: dict[str, list[Import]] = {}
    for entry in outside_imports:
        name = NEEDS.get(entry.target, entry.top)
        served = {*_served_by(entry), str(canonicalize_name(name))} & declared
        if not (served or entry.guarded or name in UNDECIDED or name.startswith("__")):
            missing.setdefault((*providers(name), name)[0], []).append(entry)
    declared_here = declared - {str(canonicalize_name(str(pyproject.project.get("name", ""))))}
    for distribution, entries in missing.items():
        for fault in _violation(
            distribution, entries, declared_here, Severity.INFO if contract.scope is not Scope.RUNS else Severity.WARNING
        ):
            fault = replace(fault, fix=_fix(pyproject.text, distribution) if _served_by(entries[0]) else None)
            # A project of any shape has scripts and extras of its own, for which people install more.
            yield fault if contract.scope is Scope.RUNS or fault.severity is not None else replace(fault, severity=Severity.WARNING)
    yield from _implied(pyproject, outside_imports, modules)


def _implied(pyproject: Pyproject, imports: list[Import], modules: dict[str, Module]) -> Iterator[Violation]:
    """What calls of libraries need and nobody declares: one finding for each distribution."""
    written = requirements(pyproject)
    declared = {requirement.name for requirement in written}
    there = closure(declared) | {name for entry in imports for name in providers(entry.top)}  # an import of it is spoken of above
    found: dict[str, tuple[Module, Implied]] = {}
    for module in modules.values():
        for use in implied(module):
            library = providers(use.library)
            # `transformers[torch]` may bring it along, and so may what the table does not know.
            may_bring = any("[" in entry.text or not is_known(entry.name) for entry in written)
            if library and library[0] in declared and not may_bring and not there & set(use.needs):
                found.setdefault(use.needs[0], (module, use))
    for distribution, (module, use) in found.items():
        yield Violation(
            module.location(use.call),
            f"{use.because} needs `{distribution}`, which is not declared, and no declared dependency brings it along",
            f"add `{distribution}` to `dependencies`",
            severity=Severity.WARNING,
        )


def _served_by(entry: Import) -> tuple[str, ...]:
    """The distributions that are known to provide what is imported."""
    return tuple(providers(NEEDS.get(entry.target, entry.top)))


def _fix(text: str, distribution: str) -> Fix | None:
    from gonogo.analysis.project.repairs import with_requirement  # most experiments need none

    mended = with_requirement(text, distribution)
    change = change_between(PATH, text, mended) if mended is not None else None
    return Fix(what=f"add `{distribution}` to `dependencies`", changes=(change,), is_safe=True) if change is not None else None


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
_TRANSFORMERS = Edit('    "torch>=2.4",\n', '    "torch>=2.4",\n    "transformers>=4.46",\n')
_ACCELERATE = Edit(_TRANSFORMERS.old, f'{_TRANSFORMERS.new}    "accelerate>=1.0",\n')
_FIRST = "IMAGE_PIXELS = 8 * 8"
_LOADS = """from transformers import AutoModel


def encoder(name):
    return AutoModel.from_pretrained(name, device_map="auto", cache_dir=".cache")"""
_UNPLACED = _LOADS.replace('"auto"', "None")
BAD = [
    Tree({"pyproject.toml": Edit('    "scikit-learn>=1.5",\n', ""), "src/preprocess.py": Edit(_SKLEARN, f"{_SKLEARN}  # <- here")}),
    Tree(
        {
            "pyproject.toml": Edit('    "numpy>=1.26",\n', ""),
            "src/preprocess.py": Edit("import numpy as np", "import numpy as np  # <- here"),
        }
    ),
    Tree({"src/model.py": Edit(_TORCH, f"{_TORCH}from timm import create_model  # <- here\n")}),
    Tree({"pyproject.toml": _TRANSFORMERS, "src/model.py": Edit(_FIRST, f"{_LOADS}  # <- here\n{_FIRST}")}),
]
GOOD = [
    Tree({"src/model.py": Edit(_TORCH, f"{_TORCH}\ntry:\n    import timm\nexcept ImportError:\n    timm = None\n")}),
    Tree({"pyproject.toml": Edit("\n# The code", '\n[dependency-groups]\nimages = ["timm>=1.0"]\n\n# The code'), "src/model.py": _TIMM}),
    Tree({"pyproject.toml": _ACCELERATE, "src/model.py": Edit(_FIRST, f"{_LOADS}\n{_FIRST}")}),
    Tree({"pyproject.toml": _TRANSFORMERS, "src/model.py": Edit(_FIRST, f"{_UNPLACED}\n{_FIRST}")}),
]
