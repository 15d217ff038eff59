"""EVA111."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.execution.probe.gonogo_probe.events import Raised
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import cleaned, located

_QUOTED = re.compile(r"['\"]([^'\"]+)['\"]")


@rule("EVA111", "config-from-nowhere", criterion=8, severity=Severity.ERROR, stage=Stage.REHEARSAL, settles=("evaluation",))
def config_from_nowhere(
    rehearsal: SessionSeen, modules: dict[str, Module], contract: Contract, complete_rehearsal: bool
) -> Iterator[Violation]:
    """The evaluation needs a file that no one wrote.

    What it does:
        Reports an evaluation that ends with a missing file, where the rehearsed runs have all ended well and left no such file.

    Why it matters:
        The evaluation runs when all the computing is done, and often on another machine than the runs.

    Instead:
        Read what it needs from W&B: the config is there as `run.config`.
    """
    evaluation = rehearsal.evaluation
    if evaluation is None or evaluation.ok or evaluation.late or not complete_rehearsal:
        return
    raised = missing_file(evaluation.failure())
    if raised is not None:
        names = _QUOTED.findall(cleaned(raised.message))
        yield Violation(
            located(raised.place, modules, contract),
            f"the evaluation needs `{names[-1]}`, which no run wrote" if names else "the evaluation needs a file that no run wrote",
            "read it from W&B, where everything is that the runs logged",
            evidence=cleaned(str(raised)),
        )


def missing_file(chain: list[Raised] | None) -> Raised | None:
    """The missing file that an evaluation failed on."""
    return next((raised for raised in chain or () if raised.type == "FileNotFoundError" and raised.place is not None), None)


_CONFIG = "    config = OmegaConf.load(CONFIG_FILE)\n"

BAD = Tree({"src/evaluate.py": Edit(_CONFIG, '    config = OmegaConf.load(results_dir / "config.yaml")  # <- here\n')})

GOOD = Tree()
