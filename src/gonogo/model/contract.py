"""The contract: what an experiment must look like, as data."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gonogo.model.errors import UsageError
from gonogo.system.plugins import named

if TYPE_CHECKING:
    from gonogo.model.experiment import Experiment

DEFAULT = "trial-mode"
GROUP = "gonogo.contracts"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileRules(_Part):
    """Which files there must be, and which others are no one's business."""

    required: list[str]
    tolerated: list[str]


class HydraRules(_Part):
    """Where the Hydra config is, where run configs may be, and which keys the command line gives."""

    config_dir: str
    config_name: str
    run_dirs: list[str]
    given_keys: list[str]


class Scope(StrEnum):
    """What a rule needs of an experiment, or a contract promises of it: each includes the ones after it."""

    RUNS = "runs"  # documented runs, as the nine criteria have them
    HYDRA = "hydra"  # a Hydra program
    PROGRAM = "program"  # any training program

    def includes(self, other: Scope) -> bool:
        """Whether what needs `other` has all it needs here."""
        order = list(Scope)
        return order.index(self) <= order.index(other)


class Command(_Part):
    """A documented way to start the experiment: a module and its Hydra overrides, with `{run_id}` and `{results_dir}` to fill in."""

    module: str
    overrides: list[str]

    @property
    def run_option(self) -> str:
        """The override key that selects the run."""
        return next((text.partition("=")[0] for text in self.overrides if "{run_id}" in text), "run")

    def arguments(self, run_id: str, results_dir: str) -> list[str]:
        """The overrides as the contract documents them, for one run."""
        return [text.replace("{run_id}", run_id).replace("{results_dir}", results_dir) for text in self.overrides]


class TrainingRules(_Part):
    """The module that trains one run, imported or started by the documented one."""

    module: str


class EvaluationRules(_Part):
    """How evaluation is started, and which files it writes below the folder of results."""

    module: str
    arguments: list[str]
    outputs: list[str] = []

    def keys(self) -> list[str]:
        """The keys of its `key=value` arguments."""
        return [text.partition("=")[0] for text in self.arguments if "=" in text and not text.startswith("-")]

    def results_key(self) -> str | None:
        """The key that names the folder of results, None if it is not given as `key=value`."""
        return next((text.partition("=")[0] for text in self.arguments if text.endswith("={results_dir}")), None)


class TrialRules(_Part):
    """The key that says 'trial', and how much a trial may do."""

    key: str
    max_batches: int


class RunConfigRules(_Part):
    """What a run config must hold, and which of its keys must reach the code."""

    identity: str
    sections: list[str]
    mandatory_sections: list[str]
    mandatory_keys: list[str]
    descriptive_keys: list[str]


class TrackingRules(_Part):
    """Keys of the shared config that tracking needs."""

    config_keys: list[str]


class EntryRules(_Part):
    """For projects whose runs no one lists: the config groups that hold the settings of whole runs, and how many runs to look at."""

    run_groups: list[str]
    max_runs: int = Field(ge=1)


class Contract(_Part):
    """A whole contract; one TOML file under `gonogo/model/contracts/` each.

    With `entries`, runs are what the entry points compose, and every other part may be left out. What is left out is empty.

    Attributes:
        scope: what the contract promises; rules that need more don't run.
        rules: ids or families of the only rules that run; empty for all of the scope.
    """

    name: str
    title: str
    scope: Scope = Scope.RUNS
    rules: list[str] = []
    entries: EntryRules | None = None
    criteria: dict[int, str] = {}
    files: FileRules = FileRules(required=[], tolerated=["*"])
    hydra: HydraRules = HydraRules(config_dir="", config_name="", run_dirs=[], given_keys=[])
    commands: dict[str, Command] = {}
    training: TrainingRules = TrainingRules(module="")
    evaluation: EvaluationRules = EvaluationRules(module="", arguments=[])
    trial: TrialRules = TrialRules(key="", max_batches=0)
    run_config: RunConfigRules = RunConfigRules(identity="", sections=[], mandatory_sections=[], mandatory_keys=[], descriptive_keys=[])
    tracking: TrackingRules = TrackingRules(config_keys=[])

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        parts = [name for name in type(self).model_fields if name not in ("scope", "rules", "entries")]
        missing = [name for name in parts if name not in self.model_fields_set]
        if missing and self.entries is None:
            raise ValueError(f"there is no [{missing[0]}], which only a contract with [entries] may leave out")
        return self

    def covers(self, rule_id: str, scope: Scope) -> bool:
        """Whether a rule belongs to the contract: by what it needs, and by name."""
        return self.scope.includes(scope) and (not self.rules or rule_id.startswith(tuple(self.rules)))

    def is_tolerated(self, path: str) -> bool:
        """Whether a file is neither required nor worth a word."""
        return any(
            fnmatchcase(path, pattern) or (pattern.startswith("**/") and fnmatchcase(path, pattern[3:])) for pattern in self.files.tolerated
        )

    def run_id_of(self, path: str) -> str | None:
        """The run id that a path stands for, None if it is not a run config."""
        folder, _, name = path.rpartition("/")
        stem, dot, suffix = name.rpartition(".")
        return stem if dot and suffix in ("yaml", "yml") and folder in self.hydra.run_dirs else None

    def entry_paths(self) -> list[str]:
        """Files of the modules that the documented commands start."""
        modules = [*(command.module for command in self.commands.values()), self.evaluation.module]
        return list(dict.fromkeys(module_path(module) for module in modules if module))


def module_path(module: str) -> str:
    """The file of a module by its dotted name."""
    return module.replace(".", "/") + ".py"


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Names of the contracts that come with gonogo, and of those that installed packages name in `gonogo.contracts`."""
    folder = resources.files("gonogo.model") / "contracts"
    shipped = (entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return tuple(sorted({*shipped, *named(GROUP)}))


def load(name: str) -> Contract:
    """Load a contract by name, or from a TOML file of your own.

    Raises:
        UsageError: there is no such contract, or the file is not one.
    """
    if name in names():
        return _shipped(name)
    path = Path(name)
    if path.suffix != ".toml":
        raise UsageError(f"There is no contract '{name}': use one of {', '.join(names())}, or give the path of a .toml file.")
    try:
        return Contract.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"The contract {name} can't be read: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"The contract {name} is not valid at {'.'.join(map(str, first['loc'])) or 'its top'}: {first['msg']}.") from error


@lru_cache(maxsize=8)
def _shipped(name: str) -> Contract:
    package = named(GROUP).get(name)  # a package that has the file
    folder = resources.files(package) if package else resources.files("gonogo.model") / "contracts"
    text = (folder / f"{name}.toml").read_text("utf-8")
    return Contract.model_validate(tomllib.loads(text))


def detect(experiment: Experiment) -> tuple[Contract, str]:
    """Choose the contract an experiment was written for, and say why.

    The folder of the run configs and the trial key in the shared config decide; without either sign it is the default.
    """
    from gonogo.documents.yaml import parse_yaml

    default = load(DEFAULT)
    others = [name for name in names() if load(name).entries is None]  # the rest ask for less: only the caller may choose them
    config = experiment.text(f"{default.hydra.config_dir}/{default.hydra.config_name}.yaml") or ""
    top_level = parse_yaml(config).top_level_keys()
    best, best_score, best_reason = default, 0, f"the default: nothing points to another one of {', '.join(others)}"
    for name in others:
        contract = load(name)
        folder = contract.hydra.run_dirs[0]
        in_folder = any(path.startswith(folder + "/") for path in experiment.files)
        has_key = contract.trial.key in top_level
        reasons = [f"there are run configs in {folder}/"] * in_folder + [f"the shared config has the key '{contract.trial.key}'"] * has_key
        score = in_folder + 2 * has_key
        if score > best_score:
            best, best_score, best_reason = contract, score, " and ".join(reasons)
    return best, best_reason


def suggestion(experiment: Experiment, contract: Contract) -> str | None:
    """A word to the caller where a tree is plainly of another shape than the contract it is judged by: no plan, runs or shared config."""
    shared = f"{contract.hydra.config_dir}/{contract.hydra.config_name}.yaml"
    if contract.entries is not None or experiment.plan is not None or shared in experiment.files:
        return None
    if any(contract.run_id_of(path) is not None for path in experiment.files):
        return None
    for file in experiment.with_suffix(".py"):
        if "hydra.main" in (file.text or ""):
            return f"This looks like a Hydra project of another shape ({file.path} uses `hydra.main`): `--contract generic` is for those."
    return None
