"""MOD105."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen, Tracked
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located

FEWEST = 6  # numbers that must agree to the last digit
_TELL_NOTHING = ("_runtime", "_timestamp", "_step", "_wandb")


@rule("MOD105", "methods-identical", criterion=4, severity=Severity.ERROR, stage=Stage.REHEARSAL, settles=("method",))
def methods_identical(
    rehearsal: SessionSeen, runs: list[Run], modules: dict[str, Module], contract: Contract, complete_rehearsal: bool
) -> Iterator[Violation]:
    """Two methods log the same numbers.

    What it does:
        Compares what the runs logged to the local tracker in the rehearsal. Two runs of different methods are reported if every number
        that both logged is the same to its last digit, and among these are several that are no round numbers.

    Why it matters:
        The methods then are one method under two names: the comparison has no content.

    Instead:
        Let the method's name choose the loss, the update or the model that makes the difference.
    """
    if not complete_rehearsal:
        return
    methods = {run.id: _method(run) for run in runs}
    seen = [(run, tracked) for run in runs if (tracked := rehearsal.tracked_as(run.id)) is not None]
    for (one, first), (other, second) in combinations(seen, 2):
        if methods[one.id] is None or methods[other.id] is None or methods[one.id] == methods[other.id]:
            continue
        if not _same_but_for_method(one, other):
            continue
        common = _identical(first, second)
        if common:
            yield Violation(
                located(None, modules, contract),
                f"the methods `{methods[one.id]}` and `{methods[other.id]}` log the same numbers",
                "let the method make a difference: see where its name is read",
                runs=(one.id, other.id),
                evidence=f"{len(common)} numbers are the same, such as {', '.join(common[:3])}",
            )


def _method(run: Run) -> str | None:
    value = run.document.value
    inner = value.get("method") if isinstance(value, dict) else None
    return inner if isinstance(inner, str) else None


def _same_but_for_method(one: Run, other: Run) -> bool:
    """Whether two runs ask for methods that more than the settings tell apart: the rest of their training may differ in numbers only."""
    first, second = one.document.value, other.document.value
    return isinstance(first, dict) and isinstance(second, dict) and first.get("dataset") == second.get("dataset")


def _identical(first: Tracked, second: Tracked) -> list[str]:
    """Names and values of telling numbers, if all that both logged agree; empty otherwise."""
    if len(first.history) != len(second.history):
        return []
    telling = []
    for one, other in zip(first.history, second.history, strict=True):
        for key in one.keys() & other.keys():
            if key.startswith(_TELL_NOTHING) or _is_time(key) or not isinstance(one[key], float | int):
                continue
            if one[key] != other[key]:
                return []
            if isinstance(one[key], float) and math.isfinite(one[key]) and round(one[key], 4) != one[key]:
                telling.append(f"{key} {one[key]:.8g}")
    return telling if len(telling) >= FEWEST else []


def _is_time(key: str) -> bool:
    return any(word in key.lower() for word in ("time", "second", "latency", "memory", "speed", "throughput", "per_s", "duration"))


_BRANCH = "        return nn.CrossEntropyLoss(label_smoothing=smoothing)\n"

BAD = Tree(
    {
        "src/model.py": Edit(_BRANCH, "        return nn.CrossEntropyLoss()\n"),
        "src/train.py": (
            Edit(
                '            wandb.log({"epoch": epoch, "train_loss": train_loss, "val_accuracy": val_accuracy, "val_loss": val_loss})\n',
                '            wandb.log({"epoch": epoch, "train_loss": train_loss, "val_accuracy": val_accuracy, "val_loss": val_loss})\n'
                '            wandb.log({f"weight_{n}": w for n, w in enumerate(model.hidden.weight[0, 1:8].tolist())})\n',
            ),
            Edit("def main(cfg: DictConfig) -> None:\n", "def main(cfg: DictConfig) -> None:  # <- here\n"),
        ),
    }
)

GOOD = Tree()
