"""TRI105."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule
from gonogo.rules.places import main_place


@rule("TRI105", "stray-writes", criterion=9, severity=Severity.WARNING, stage=Stage.TRIAL, settles=("trial",))
def stray_writes(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A run leaves files where none belong.

    What it does:
        Compares the experiment's folder after the trial with what it was before: new files outside the folder of results, the cache
        and what tools leave behind are reported.

    Why it matters:
        Files beside the code end up in commits, are overwritten by the next run, and are not where the results are looked for.

    Instead:
        Write below `results_dir`, and below `.cache/` what can be made again.
    """
    if trial.stray:
        yield Violation(
            main_place(modules, module_path(contract.training.module)),
            f"a trial leaves files in the experiment's folder: {', '.join(quoted(trial.stray))}",
            "write them below `results_dir`, or below `.cache/` if they can be made again",
        )


BAD = Tree(
    {
        "src/train.py": (
            Edit('run_dir / "model.pt"', '"model.pt"'),
            Edit("def main(cfg: DictConfig) -> None:\n", "def main(cfg: DictConfig) -> None:  # <- here\n"),
        )
    }
)

GOOD = Tree()
