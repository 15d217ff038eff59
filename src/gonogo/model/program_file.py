"""`gonogo check path/train.py`: a program stands for its project.

That program is the entry point.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from gonogo.model import contract as contracts
from gonogo.model import experiment as experiments
from gonogo.model.check_options import CheckOptions
from gonogo.model.contract import HYDRA_PROGRAM, Scope
from gonogo.model.errors import UsageError
from gonogo.model.experiment import Experiment
from gonogo.model.plan import Plan

_ROOT_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", ".git")


@dataclass(frozen=True)
class Program:
    """What is judged in the place of a file.

    Attributes:
        experiment: the project.
        root: its folder, as the caller would write it.
        contract: the contract, None for the one that is detected.
        entries: the entry point, quoted as for a shell; none where the contract takes none.
        note: a sentence about it.
    """

    experiment: Experiment
    root: str
    contract: str | None
    entries: tuple[str, ...]
    note: str

    def applied_to(self, options: CheckOptions) -> CheckOptions:
        """The caller's options, with the contract and the entry point of the program."""
        return options.model_copy(update={"contract": self.contract, "entries": self.entries})


def is_program(path: str) -> bool:
    """Whether a path is a Python file or a notebook."""
    return path.endswith((".py", ".ipynb")) and Path(path).is_file()


def project_root(file: Path) -> Path | None:
    """The nearest folder above a file with a project file or a repository, None if there is none."""
    return next((above for above in file.resolve().parents if any((above / mark).exists() for mark in _ROOT_MARKS)), None)


def root_of(file: Path) -> Path:
    """The folder of a program's project: that of `project_root`, otherwise the program's own."""
    return project_root(file) or file.resolve().parent


def program_of(path: str, contract: str | None, plan: Plan | None = None, name: str | None = None) -> Program:
    """Return the project of a program.

    It is the nearest folder above it with a project file or a repository, otherwise the program's own folder.

    Args:
        path: of the file.
        contract: the caller's choice.
        plan: the research plan that the caller gives.
        name: what the experiment is called, instead of its folder.

    Raises:
        UsageError: the file is not read as a part of its project.
    """
    file = Path(path)
    root = root_of(file)
    entry = file.resolve().relative_to(root).as_posix()
    shown = as_given(file, root)
    experiment = experiments.load(str(root), plan, name)
    text = experiment.text(entry)
    if text is None:
        raise UsageError(f"{path} is not read as a part of its project {shown}: give the folder that is to be judged.")
    chosen = contracts.load(contract) if contract is not None else contracts.detect(experiment)[0]
    if chosen.scope is Scope.RUNS:
        why = f"whose contract {chosen.name} says itself what is started"
        return Program(experiment, shown, contract, (), f"{path} is judged as a part of its project {shown}, {why}.")
    if contract is None:
        chosen = contracts.load("generic" if HYDRA_PROGRAM.search(text) else "program")
    entries = (shlex.quote(entry),)
    if chosen.scope is Scope.PROGRAM:
        return Program(experiment, shown, chosen.name, entries, f"{path} is judged with what it may import of its project {shown}.")
    return Program(experiment, shown, contract or chosen.name, entries, f"{path} is judged as the entry point {entry} of {shown}.")


def as_given(file: Path, root: Path) -> str:
    """The root of a file's project as the caller would write it."""
    for above in file.parents:
        if above.resolve() == root:
            return str(above)
    return str(root)
