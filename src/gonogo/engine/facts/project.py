"""Facts about the plan, the runs, and the files around the code."""

from __future__ import annotations

from gonogo.analysis.project.config_places import ConfigPlaces, ProjectPlaces
from gonogo.analysis.project.pyproject import Pyproject, load_pyproject
from gonogo.documents.yaml import YamlDocument
from gonogo.engine.facts import fact
from gonogo.model.contract import Contract, Scope
from gonogo.model.experiment import Experiment
from gonogo.model.plan import Plan
from gonogo.model.runs import Run, collect_runs


@fact
def plan(experiment: Experiment) -> Plan | None:
    """The research plan, None if there is none."""
    return experiment.plan


@fact
def pyproject(experiment: Experiment, contract: Contract) -> Pyproject | None:
    """Return `pyproject.toml`, or None if it is absent or unreadable.

    In a project of any shape, it is also None where the file is only there for tools.
    """
    found = load_pyproject(experiment.text("pyproject.toml"))
    is_for_tools = contract.scope is not Scope.RUNS and found is not None and found.fault is None and not found.project
    return None if is_for_tools else found


@fact
def runs(experiment: Experiment, contract: Contract) -> list[Run]:
    """Every run: of the plan first, then run configs the plan does not know."""
    return collect_runs(experiment, contract)


@fact
def shared_config(experiment: Experiment, contract: Contract) -> YamlDocument:
    """The primary Hydra config as YAML, empty if absent."""
    return experiment.yaml(f"{contract.hydra.config_dir}/{contract.hydra.config_name}.yaml")


@fact
def config_places(experiment: Experiment, contract: Contract, runs: list[Run]) -> ConfigPlaces:
    """Where keys of composed configs are written."""
    places = ConfigPlaces if contract.scope is Scope.RUNS else ProjectPlaces
    return places(experiment, contract, runs)
