"""WDB106."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.model.plan import Plan
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule
from gonogo.rules.observed import judged, located


@rule("WDB106", "metric-never-logged", criterion=6, severity=Severity.WARNING, stage=Stage.REHEARSAL, settles=("tracking",))
def metric_never_logged(
    rehearsal: SessionSeen, plan: Plan | None, modules: dict[str, Module], contract: Contract, complete_rehearsal: bool
) -> Iterator[Violation]:
    """A metric of the plan is logged by no run.

    What it does:
        Looks for each metric of the plan among the keys that the rehearsed runs logged or put into their summary. A metric counts as
        logged if one key has most of its words; it is a warning, since a plan's words need not be the code's.

    Why it matters:
        What is not logged can't be evaluated, and is missed when the runs are over.

    Instead:
        Log the metric, under a name that the plan's words are in.
    """
    if plan is None or not complete_rehearsal:
        return
    keys = {key for run in judged(rehearsal) if (found := rehearsal.tracked_as(run.label)) for key in (*found.keys, *found.summary)}
    if not keys:
        return
    for metric in plan.metrics:
        if not any(_means(metric, key) for key in keys):
            yield Violation(
                located(None, modules, contract),
                f"the plan's metric `{metric}` is logged by no run",
                "log it, under a name that says so",
                evidence=f"logged are {', '.join(quoted(sorted(key for key in keys if not key.startswith('_')), 12))}",
            )


def _means(metric: str, key: str) -> bool:
    """Return whether a key may stand for a metric.

    At least half of the metric's words are in it, or begin as its words do.
    """
    wanted, there = _words(metric), _words(key)
    together = "".join(there)
    found = sum(word in together or any(other.startswith(word[:3]) and word[:3] for other in there) for word in wanted)
    return not wanted or 2 * found >= len(wanted)


def _words(text: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Za-z][a-z]+|[A-Z]+(?![a-z])|\d+", text)]


BAD = Tree(
    {"src/train.py": Edit("def main(cfg: DictConfig) -> None:\n", "def main(cfg: DictConfig) -> None:  # <- here\n")},
    plan="""\
metrics: [test_accuracy, Expected Calibration Error]
runs:
  - run_id: proposed-mlp-digits
  - run_id: comparative-1-mlp-digits
""",
)

GOOD = Tree()
