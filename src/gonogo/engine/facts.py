"""The facts that rules ask for by name, each computed once and only if somebody asks.

A fact is a function under `@fact`; its parameters name other facts. `experiment`, `contract` and `composer` are given by the pipeline.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from gonogo.analysis.interpreter.interpreter import ConfigSource
from gonogo.analysis.interpreter.project import ProjectSource
from gonogo.analysis.interpreter.runs import follow
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.config_places import ConfigPlaces, ProjectPlaces
from gonogo.analysis.project.entries import hydra_doubt, import_roots
from gonogo.analysis.project.pyproject import Pyproject, load_pyproject
from gonogo.analysis.project.survey import Survey, Surveyor
from gonogo.analysis.python.imports import Import, find_imports, third_party
from gonogo.analysis.python.lint import Complaint, run_ruff
from gonogo.analysis.python.modules import Module, load_modules
from gonogo.analysis.python.placeholders import Placeholder, PlaceholderFinder
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.tracking.asked_keys import AskedKey, AskedKeys, unique
from gonogo.analysis.tracking.logged_keys import LoggedKeys, find_logged_keys
from gonogo.analysis.training.pretrained import Built, built_networks
from gonogo.compose.client import Composer
from gonogo.documents.yaml import YamlDocument, parse_yaml
from gonogo.engine.workspace import Workspace
from gonogo.model.contract import Contract, module_path
from gonogo.model.experiment import Experiment
from gonogo.model.plan import Plan
from gonogo.model.runs import Run, collect_runs

_PROVIDERS: dict[str, Callable[..., Any]] = {}
_F = TypeVar("_F", bound=Callable[..., Any])


def fact(function: _F) -> _F:
    """Make a function's result a fact under the function's name."""
    _PROVIDERS[function.__name__] = function
    return function


class Facts:
    """The facts about one experiment, computed on demand. A fact that failed fails again the same way for everyone who asks."""

    def __init__(self, **given: Any) -> None:
        self._values: dict[str, Any] = given
        self._errors: dict[str, Exception] = {}

    def get(self, name: str) -> Any:
        """The fact of this name.

        Raises:
            LookupError: there is no such fact.
        """
        if name in self._errors:
            raise self._errors[name]
        if name not in self._values:
            if name not in _PROVIDERS:
                raise LookupError(f"there is no fact '{name}'")
            try:
                self._values[name] = self.call(_PROVIDERS[name])
            except Exception as error:
                self._errors[name] = error
                raise
        return self._values[name]

    def give(self, name: str, value: Any) -> None:
        """Make known what a stage found out."""
        self._values[name] = value

    def call(self, function: Callable[..., Any]) -> Any:
        """Call a function with the facts that its parameters name."""
        return function(**{name: self.get(name) for name in _parameters(function)})


class ProjectFacts(Facts):
    """Facts about a project whose runs no contract documents: the survey of its entry points has the runs and their traces."""

    def get(self, name: str) -> Any:
        """The fact of this name.

        Raises:
            LookupError: there is no such fact.
        """
        return getattr(super().get("survey"), name) if name in ("runs", "traces") else super().get(name)


@lru_cache(maxsize=256)
def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's parameters; kept, since rules and facts are asked for every experiment and never change."""
    return tuple(inspect.signature(function).parameters)


def names() -> list[str]:
    """Every fact a rule may ask for."""
    return sorted(
        [
            *_PROVIDERS,
            "experiment",
            "contract",
            "composer",
            "workspace",
            "environment",
            "trial",
            "rehearsal",
            "complete_rehearsal",
            "review",
        ]
    )


@fact
def plan(experiment: Experiment) -> Plan | None:
    """The research plan, None if there is none."""
    return experiment.plan


@fact
def modules(experiment: Experiment) -> dict[str, Module]:
    """Every Python file, parsed, by path."""
    return load_modules(experiment)


@fact
def pyproject(experiment: Experiment, contract: Contract) -> Pyproject | None:
    """`pyproject.toml`, None if absent or unreadable; in a project of any shape, also where it is only there for tools."""
    found = load_pyproject(experiment.text("pyproject.toml"))
    is_for_tools = contract.entries is not None and found is not None and found.fault is None and not found.project
    return None if is_for_tools else found


@fact
def runs(experiment: Experiment, contract: Contract) -> list[Run]:
    """Every run: of the plan first, then run configs the plan does not know."""
    return collect_runs(experiment, contract)


@fact
def shared_config(experiment: Experiment, contract: Contract) -> YamlDocument:
    """The primary Hydra config as YAML, empty if absent."""
    return parse_yaml(experiment.text(f"{contract.hydra.config_dir}/{contract.hydra.config_name}.yaml") or "")


@fact
def lint(workspace: Workspace, pyproject: Pyproject | None, modules: dict[str, Module]) -> list[Complaint]:
    """What ruff says about undefined names, errors and syntax."""
    return run_ruff(workspace.root, sorted(modules), pyproject.python if pyproject else None)


@fact
def config_source(
    composer: Composer, workspace: Workspace, contract: Contract, experiment: Experiment, modules: dict[str, Module]
) -> ConfigSource:
    """Composes the experiment's configs, each only once."""
    if contract.entries is not None:
        return ProjectSource(composer, workspace.root, import_roots(modules), hydra_doubt(experiment, modules))
    return ConfigSource(composer, workspace.root)


@fact
def survey(
    experiment: Experiment, contract: Contract, modules: dict[str, Module], config_source: ProjectSource, entries: tuple[str, ...]
) -> Survey:
    """What the entry points of a project start; `entries` is what the caller named."""
    return Surveyor(experiment, contract, modules, config_source).run(entries)


@fact
def traces(
    experiment: Experiment, contract: Contract, modules: dict[str, Module], runs: list[Run], config_source: ConfigSource
) -> list[Trace]:
    """What following each run through the program showed."""
    return follow(experiment, contract, modules, runs, config_source)


@fact
def networks(traces: list[Trace]) -> list[Built]:
    """The networks that the runs build from libraries of models."""
    return built_networks(traces)


@fact
def config_places(experiment: Experiment, contract: Contract, runs: list[Run]) -> ConfigPlaces:
    """Where keys of composed configs are written."""
    places = ConfigPlaces if contract.entries is None else ProjectPlaces
    return places(experiment, contract, runs)


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


@fact
def logged_keys(modules: dict[str, Module], sources: Sources) -> LoggedKeys:
    """Which keys are logged to W&B."""
    return find_logged_keys(modules, sources)


@fact
def asked_keys(modules: dict[str, Module], sources: Sources, contract: Contract) -> list[AskedKey]:
    """Which keys evaluation asks W&B for, each once in each way of asking."""
    module = modules.get(module_path(contract.evaluation.module))
    return unique(AskedKeys(sources, module).find()) if module is not None and module.tree is not None else []
