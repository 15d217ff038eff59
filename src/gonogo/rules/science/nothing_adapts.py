"""SCI104."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import RunSeen, SessionSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import judged, located, trained

_ADAPTS = re.compile(r"(?<![a-z])(tent|entropy|adapt\w*|eata|sar|cotta|shot|memo)(?![a-z])", re.IGNORECASE)
_STILL = re.compile(r"(?<![a-z])(source|none|no[-_ ]?adapt\w*|frozen|norm|bn|batch[-_ ]?norm|statistics|t3a|lame)(?![a-z])", re.IGNORECASE)


@rule("SCI104", "nothing-adapts", criterion=None, severity=Severity.ERROR, stage=Stage.REHEARSAL)
def nothing_adapts(rehearsal: SessionSeen, runs: list[Run], modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A run that adapts by gradient left every parameter as it was.

    What it does:
        Takes the runs whose config says that they adapt (`training.adaptation: true`, or an entropy objective, with at least one inner
        step) and reports one in whose rehearsal a network ran, but neither a backward pass nor an optimizer's step was seen.

    Why it matters:
        Its numbers are those of the source model under another name.

    Instead:
        Take the step: loss, backward, optimizer, on the batch that is predicted.
    """
    declared = {run.id for run in runs if _adapts(run)}
    for run in judged(rehearsal):
        if run.label in declared and any(trained(run)) and not _moved(run):
            yield Violation(
                located(None, modules, contract),
                "the run adapts nothing: a network predicts, but there is no backward pass and no step of an optimizer",
                "take the steps that the run's config asks for",
                runs=(run.label,),
                evidence=f"forward passes: {run.total('forwards')}",
            )


def _moved(run: RunSeen) -> bool:
    return bool(run.total("backwards") or run.total("steps") or any(process.optimizers for process in run.processes.values()))


def _adapts(run: Run) -> bool:
    """Whether a run config says surely that its method takes gradient steps at test time."""
    value = run.document.value
    if not isinstance(value, dict):
        return False
    training = value.get("training")
    settings: dict[str, Any] = training if isinstance(training, dict) else {}
    method, objective = str(value.get("method", "")), str(settings.get("objective", ""))
    if _STILL.search(method) or settings.get("inner_steps") == 0 or settings.get("adaptation") is False:
        return False
    return settings.get("adaptation") is True and bool(settings.get("inner_steps")) and bool(_ADAPTS.search(f"{method} {objective}"))


_ADAPTING = ("  objective: smoothed_cross_entropy\n", "  objective: smoothed_cross_entropy\n  adaptation: true\n  inner_steps: 1\n")

BAD = Tree(
    {
        "config/run/proposed-mlp-digits.yaml": (Edit(*_ADAPTING), Edit("method: label-smoothing\n", "method: tent\n")),
        "src/model.py": Edit('method == "label-smoothing"', 'method == "tent"'),
        "src/train.py": (
            Edit("        loss.backward()\n        optimizer.step()\n", ""),
            Edit(
                "    optimizer = build_optimizer(cfg.run.training.optimizer, model, optimizer_settings(cfg, found))\n",
                "    optimizer = model\n",
            ),
            Edit("def main(cfg: DictConfig) -> None:\n", "def main(cfg: DictConfig) -> None:  # <- here\n"),
        ),
    }
)

GOOD = Tree()
