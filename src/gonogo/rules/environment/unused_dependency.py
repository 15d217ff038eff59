"""ENV103."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.project.dependencies import are_dynamic, dependency_faults, requirements
from gonogo.analysis.project.distributions import import_names, is_plugin, providers
from gonogo.analysis.project.pyproject import Pyproject
from gonogo.analysis.python.imports import Import
from gonogo.analysis.python.modules import Module
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

MOST_CHARACTERS = 200  # of a text that may name a module; docstrings are longer


@rule("ENV103", "unused-dependency", criterion=5, severity=Severity.INFO, stage=Stage.CHECK, settles=("dependency",))
def unused_dependency(
    pyproject: Pyproject | None, imports: list[Import], outside_imports: list[Import], modules: dict[str, Module], experiment: Experiment
) -> Iterator[Violation]:
    """A declared dependency that nothing imports.

    What it does:
        Looks for an import of each entry of `dependencies`, and for its name in texts and YAML. Plug-ins that work by being installed
        (accelerate, sentencepiece, Hydra plug-ins and the like) are left out.

    Why it matters:
        It costs installation time and can make the environment unsolvable; now and then it shows that a planned part was never written.

    Instead:
        Delete the entry, or write the code that was to use it.
    """
    if pyproject is None or pyproject.fault is not None or are_dynamic(pyproject) or any(dependency_faults(pyproject, needs_any=False)):
        return
    if any(module.tree is None for module in modules.values()):
        return  # what it imports is unknown
    imported = {entry.top for entry in imports}
    words = _words(modules, experiment)
    declared = requirements(pyproject)
    known = {name for requirement in declared for name in import_names(requirement.name)}
    has_unknown_import = any(not providers(entry.top) and entry.top not in known for entry in outside_imports)
    for requirement in declared:
        names = import_names(requirement.name)
        is_sure = any(requirement.name in providers(name) for name in names) or not has_unknown_import
        if requirement.keys != ("project", "dependencies") or not is_sure or is_plugin(requirement.name):
            continue
        if not names & (imported | words):
            yield Violation(
                pyproject.locate_text(requirement.text, *requirement.keys),
                f"nothing imports `{requirement.name}`",
                "delete the entry, or write the code that was to use it",
            )


def _words(modules: dict[str, Module], experiment: Experiment) -> set[str]:
    """Every word of the texts in the code and of the YAML files: `_target_: timm.create_model` uses timm."""
    texts = [file.text or "" for file in experiment.with_suffix(".yaml", ".yml")]
    for module in modules.values():
        constants = [node.value for node in module.of(ast.Constant)]
        texts += [value for value in constants if isinstance(value, str) and len(value) < MOST_CHARACTERS]
    return {word for text in texts for word in re.findall(r"\w+", text)}


BAD = Tree({"pyproject.toml": Edit('    "torch>=2.4",', '    "torch>=2.4",\n    "timm>=1.0",  # <- here')})
GOOD = Tree({"pyproject.toml": Edit('    "torch>=2.4",', '    "torch>=2.4",\n    "accelerate>=1.0",')})
