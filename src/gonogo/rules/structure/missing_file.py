"""STR101."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.model.contract import Contract
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, at, rule


@rule("STR101", "missing-file", criterion=5, severity=Severity.ERROR, stage=Stage.CHECK, settles=("missing-file",))
def missing_file(experiment: Experiment, contract: Contract) -> Iterator[Violation]:
    """A file that the contract requires is not there.

    What it does:
        Holds the experiment's files against the contract's list of required files.

    Why it matters:
        The documented commands start these modules and Hydra reads this config: without one of them the run ends before it begins.

    Instead:
        Write the file, under exactly this name.
    """
    for path in contract.files.required:
        if path not in experiment.files:
            yield Violation(at(path), f"`{path}` is missing", "write it: the contract requires it under this name")


BAD = Tree({"src/preprocess.py": None}, at="src/preprocess.py")
GOOD = Tree({"README.md": "# Notes\n"})
