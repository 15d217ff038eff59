"""Facts that the interpreter establishes: what each run composes, reads and calls."""

from __future__ import annotations

from gonogo.analysis.interpreter.composing import ConfigSource
from gonogo.analysis.interpreter.evaluation import walk_evaluation
from gonogo.analysis.interpreter.project import ProjectSource
from gonogo.analysis.interpreter.runs import walk_runs
from gonogo.analysis.interpreter.scripts import walk_scripts
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.entries import import_roots
from gonogo.analysis.project.hydra_doubts import hydra_doubts
from gonogo.analysis.project.option_choices import ChoiceStart, choice_starts
from gonogo.analysis.project.option_texts import BoolOption, TextUse, bool_options, text_uses
from gonogo.analysis.project.program_starts import ProgramStart, program_starts
from gonogo.analysis.project.survey import Survey, Surveyor
from gonogo.analysis.python.modules import Module
from gonogo.analysis.training.pretrained import Built, built_networks
from gonogo.compose.client import Composer
from gonogo.engine.facts import fact
from gonogo.engine.workspace import Workspace
from gonogo.model.contract import Contract, Scope
from gonogo.model.experiment import Experiment
from gonogo.model.runs import Run


@fact
def config_source(
    composer: Composer, workspace: Workspace, contract: Contract, experiment: Experiment, modules: dict[str, Module]
) -> ConfigSource:
    """Composes the experiment's configs, each only once."""
    if contract.scope is not Scope.RUNS:
        return ProjectSource(composer, workspace.root, import_roots(modules), hydra_doubts(experiment, modules))
    return ConfigSource(composer, workspace.root)


@fact
def survey(
    experiment: Experiment,
    contract: Contract,
    modules: dict[str, Module],
    config_source: ProjectSource,
    entries: tuple[str, ...],
    exclude: tuple[str, ...],
) -> Survey:
    """What the entry points of a project start; `entries` and `exclude` are what the caller named."""
    return Surveyor(experiment, contract, modules, config_source).run(entries, exclude)


@fact
def traces(
    experiment: Experiment, contract: Contract, modules: dict[str, Module], runs: list[Run], config_source: ConfigSource
) -> list[Trace]:
    """What following each run through the program showed."""
    return walk_runs(experiment, contract, modules, runs, config_source)


@fact
def networks(traces: list[Trace]) -> list[Built]:
    """The networks that the runs build from libraries of models."""
    return built_networks(traces)


@fact
def evaluation_trace(experiment: Experiment, contract: Contract, modules: dict[str, Module], runs: list[Run]) -> Trace | None:
    """What the evaluation does when its documented command starts it; None where it can't be walked."""
    return walk_evaluation(experiment, contract, modules, runs)


@fact
def scripts(experiment: Experiment, modules: dict[str, Module]) -> list[Trace]:
    """What each program does that reads its command line with `argparse`."""
    return walk_scripts(experiment, modules)


@fact
def starts(experiment: Experiment, modules: dict[str, Module]) -> list[ProgramStart]:
    """What each program that reads files of settings does as the documents start it."""
    return program_starts(experiment, modules)


@fact
def texts(experiment: Experiment, modules: dict[str, Module]) -> list[TextUse]:
    """Where programs use as a number what the command line gives as a text or a list."""
    return text_uses(experiment, modules)


@fact
def bools(experiment: Experiment, modules: dict[str, Module]) -> list[BoolOption]:
    """The options to which every text is true."""
    return bool_options(experiment, modules)


@fact
def choices(experiment: Experiment, modules: dict[str, Module]) -> list[ChoiceStart]:
    """What each program does with each of the values that its options may have."""
    return choice_starts(experiment, modules)
