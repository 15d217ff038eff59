"""The contract: what an experiment must look like, as data."""

from __future__ import annotations

import re
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
FEW = 4  # required files that speak for a contract
HYDRA_PROGRAM = re.compile(
    r"\bhydra\.(?:main|initialize|compose)\b|^[ \t]*+from[ \t]++hydra[ \t]++import\b.*\b(?:main|compose|initialize)\b", re.MULTILINE
)


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
    """A documented way to start the experiment.

    It is a module and its Hydra overrides, with `{run_id}` and `{results_dir}` to fill in.
    """

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
    """How evaluation is started, and which files it writes below the folder of results.

    `significance`: it must test what it compares.
    """

    module: str
    arguments: list[str]
    outputs: list[str] = []
    significance: bool = True

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
    """Keys of the shared config that tracking needs, and whether trials are tracked too.

    `keeps_outputs`: runs save what they give out in the folder of results as well.
    """

    config_keys: list[str]
    in_trial: bool = False
    keeps_outputs: bool = False


class EntryRules(_Part):
    """Rules for projects that list no runs.

    They name the config groups that hold the settings of whole runs, and how many runs to look at.
    """

    run_groups: list[str]
    max_runs: int = Field(ge=1)


class Contract(_Part):
    """A whole contract; one TOML file under `gonogo/model/contracts/` each.

    Only a contract with documented runs (`scope` "runs") needs every part. What is left out is empty.

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
        if missing and self.scope is Scope.RUNS:
            raise ValueError(f"there is no [{missing[0]}], which only a contract without documented runs may leave out")
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

    def values_of(self, key: str) -> set[str]:
        """The values that the documented commands give to a key."""
        overrides = [text for command in self.commands.values() for text in command.overrides]
        return {text.partition("=")[2] for text in overrides if text.partition("=")[0] == key}

    def entry_paths(self) -> list[str]:
        """Files of the modules that the documented commands start."""
        modules = [*(command.module for command in self.commands.values()), self.evaluation.module]
        return list(dict.fromkeys(module_path(module) for module in modules if module))


def module_path(module: str) -> str:
    """The file of a module by its dotted name; a path stays as it is."""
    return module if module.endswith(".py") else module.replace(".", "/") + ".py"


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Return the names of the available contracts.

    They come with gonogo, or installed packages name them in `gonogo.contracts`.
    """
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
    """Choose the contract that the files speak for, and say why.

    A contract with documented runs needs evidence: a plan, a bundle, or two signs in the files. Without it, any Hydra program is judged as
    `generic`, and anything else as `program`: a shape that nobody asked for is no error.
    """
    shaped = [load(name) for name in names() if load(name).scope is Scope.RUNS]
    signs = {contract.name: _signs(contract, experiment) for contract in shaped}
    best = max(shaped, key=lambda contract: (len(signs[contract.name]), contract.name == DEFAULT, not contract.tracking.in_trial))
    given = "a plan is given" if experiment.plan is not None else "it is a bundle of generated files" if experiment.is_bundle else ""
    if given or len(signs[best.name]) > 1:
        return best, " and ".join([*([given] if given else []), *signs[best.name]][:2])
    choose = "choose another with --contract"
    for file in experiment.with_suffix(".py"):
        if HYDRA_PROGRAM.search(file.text or ""):
            return load("generic"), f"{file.path} uses Hydra, and nothing speaks for documented runs; {choose}"
    return load("program"), f"nothing speaks for Hydra or for documented runs; {choose}"


def _signs(contract: Contract, experiment: Experiment) -> list[str]:
    """What in the files speaks for a contract with documented runs."""
    found = []
    yamls = [*experiment.with_suffix(".yaml", ".yml")]
    folders = ((folder, [file for file in yamls if file.path.rpartition("/")[0] == folder]) for folder in contract.hydra.run_dirs)
    folder, configs = next((each for each in folders if each[1]), ("", []))
    if configs:
        found.append(f"there are run configs in {folder}/")
    if any(contract.run_config.identity in experiment.yaml(file.path).top_level_keys() for file in configs[:FEW]):
        found.append(f"they have the key '{contract.run_config.identity}'")
    shared = experiment.yaml(f"{contract.hydra.config_dir}/{contract.hydra.config_name}.yaml")
    if contract.trial.key in shared.top_level_keys():
        found.append(f"the shared config has the key '{contract.trial.key}'")
        value = str(shared.get((contract.trial.key,), "")).lower()
        if value in {"false", *contract.values_of(contract.trial.key)}:
            found.append(f"its value is '{value}'")
    if _asks(contract, experiment):
        found.append(f"the code asks for '{contract.trial.key}'")
    there = [path for path in contract.files.required if path in experiment.files]
    if len(there) >= FEW:
        found.append(f"{len(there)} of its {len(contract.files.required)} files are there")
    if len(there) >= len(contract.files.required) - 1:
        found.append("hardly one of its files is missing")
    return found


def _asks(contract: Contract, experiment: Experiment) -> bool:
    """Return whether code reads the key that says 'trial'.

    Where that key has several values, the code must also know one that the trial's command gives.
    """
    texts = [file.text or "" for file in experiment.with_suffix(".py")]
    asked = re.compile(rf"\b(?:cfg|conf|config)\.{re.escape(contract.trial.key)}\b")
    given = [text.partition("=")[2] for text in contract.commands["trial"].overrides if text.partition("=")[0] == contract.trial.key]
    known = re.compile("|".join(rf"""["']{re.escape(value)}["']""" for value in given if value != "true") or "")
    return any(map(asked.search, texts)) and any(map(known.search, texts))
