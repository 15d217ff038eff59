"""OPT101."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from gonogo.analysis.python.modules import Module, without_docstring
from gonogo.analysis.python.names import all_parsed, ancestors
from gonogo.analysis.training.searchspace import SECTION, is_on
from gonogo.documents.yaml import YamlDocument
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.places import training_place

# The kinds of node that can mention a name; see `_name`.
MENTIONS = (ast.Name, ast.Attribute, ast.Constant, ast.alias)
# Each of these creates or drives a study, directly or through another library.
SEARCHERS = frozenset(
    {
        "create_study",
        "load_study",
        "Study",
        "ask",
        "OptunaSearchCV",
        "OptunaSearch",
        "OptunaSweeper",
        "hyperparameter_search",
        "Tuner",
        "LightGBMTuner",
    }
)


@rule("OPT101", "search-not-implemented", criterion=7, severity=Severity.ERROR, stage=Stage.CHECK, settles=("search",))
def search_not_implemented(
    runs: list[Run], modules: dict[str, Module], shared_config: YamlDocument, contract: Contract
) -> Iterator[Violation]:
    """Run configs ask for a search that the code does not make.

    What it does:
        Where a run config switches the search on (`enabled`, or a number of trials and a search space), looks through
        all code for anything that creates or drives a study: Optuna's own functions, its Hydra sweeper, the searches of
        other libraries that use it. A study in a function that nothing mentions does not count.

    Why it matters:
        The plan's methods are compared at the settings that a search would find. Without it they run on arbitrary ones,
        and nothing says so.

    Instead:
        Create a study, optimise it with the search space of the run config, and train with the best parameters; or
        switch the search off.
    """
    asking = [run for run in runs if is_on(run)]
    if not asking or not modules or not all_parsed(modules) or _has_sweeper(shared_config, runs, modules):
        return
    place = training_place(modules, contract)
    training = modules.get(place.path)
    if any(_searches(module, modules) for module in modules.values()) or (training is not None and _is_empty(training)):
        return
    related = [
        Related(location=run.locate(run.section(SECTION)), label="the search that is asked for")
        for run in asking
        if run.path in _own_files(runs)
    ]
    yield Violation(
        place,
        "run configs ask for a search, but no code creates or optimises a study",
        "search the run config's space and train with the best parameters, or switch the search off in the run configs",
        related=tuple(related),
        runs=tuple(run.id for run in asking),
    )


def _has_sweeper(shared_config: YamlDocument, runs: list[Run], modules: Mapping[str, Module]) -> bool:
    """Return whether Hydra's own sweeper may do the search.

    It is chosen in a defaults list, or on a command line that the code builds.
    """
    lists = [document.get(("defaults",)) for document in (shared_config, *(run.document for run in runs))]
    return any("sweeper" in str(defaults) for defaults in lists) or any("hydra/sweeper" in module.text for module in modules.values())


def _own_files(runs: list[Run]) -> set[str | None]:
    return {run.path for run in runs if not run.from_plan}


def _searches(module: Module, modules: Mapping[str, Module]) -> bool:
    return any(_name(node) in SEARCHERS and _may_run(module, node, modules) for node in module.of(*MENTIONS))


def _name(node: ast.AST) -> str:
    """Return the last name that a node mentions.

    It is a name, an attribute, or the end of a dotted text such as `optuna.create_study`.
    """
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.alias) and node.asname:
        return node.name
    return node.value.rpartition(".")[2] if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _may_run(module: Module, node: ast.AST, modules: Mapping[str, Module]) -> bool:
    """False for code in a top-level function that is mentioned nowhere."""
    owner = next((parent for parent in ancestors(module, node) if module.parents.get(parent) is module.tree), None)
    if not isinstance(owner, (ast.FunctionDef, ast.AsyncFunctionDef)) or owner.decorator_list:
        return True
    return any(
        (isinstance(other, ast.Name) and other.id == owner.name)
        or (isinstance(other, ast.Attribute) and other.attr == owner.name)
        or (isinstance(other, ast.Constant) and other.value == owner.name)
        or (isinstance(other, ast.alias) and other.name == owner.name and other.asname is not None)
        for candidate in modules.values()
        for other in candidate.of(*MENTIONS)
    )


def _is_empty(module: Module) -> bool:
    """Whether a module has no code at all, which is another rule's matter."""
    return module.tree is not None and not without_docstring(module.tree.body)


BAD = Tree(
    {
        "src/train.py": (
            Edit("    study = optuna.create_study(direction=cfg.run.optuna.direction, sampler=sampler)\n", ""),
            Edit("    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)\n", ""),
            Edit("    return study.best_params\n", "    return {}\n"),
            Edit("def main(cfg: DictConfig) -> None:", "def main(cfg: DictConfig) -> None:  # <- here"),
        )
    }
)
GOOD = Tree(
    {
        "src/train.py": (
            Edit("import optuna\n", "import optuna\nfrom optuna import create_study\n"),
            Edit("optuna.create_study(", "create_study("),
        )
    }
)
