"""MOD105."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.execution.challenge.numbers import LOSSES, PREDICTIONS, UPDATES, is_time, moved, seen
from gonogo.execution.observations import RunSeen, SessionSeen, Tracked
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.model.plan import Plan
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located

FEWEST = 3  # telling numbers that must agree, of what was logged and of what the probe saw
TOLERANCE = 1e-6  # threads add in another order each time: the same method twice gives numbers that differ in their last digits
#: Settings by which methods may differ only later than two batches show.
_LATER = re.compile(r"schedul|warm|ramp|anneal|epoch|milestone|patience|ema|swa|start|after|every|interval|decay|curricul|freq|cycle", re.I)
#: Metrics of what a method costs: the numbers of two methods may rightly be the same but for these.
_RESOURCE = re.compile(r"memory|latency|throughput|speed|flops|macs|runtime|wall|seconds|energy", re.I)
_SEED = re.compile(r"(?:^|[._])(?:seeds?|random_state)(?:$|[._])", re.I)
#: Names of what counts rounds of training; those of how many there are, such as `total_epochs`, are no such.
_ROUND = re.compile(
    r"(?:(?:cur|current|global|train)_?)?(?:epoch|step|iter|iteration|it|batch|update)(?:_?(?:idx|index|num|no|i))?|num_updates", re.I
)
_NO_WORK = frozenset({"print", "log", "info", "debug", "save", "save_checkpoint", "append", "eval", "evaluate", "validate", "step"})
#: Keys of what is minimised, which may differ by a term that no parameter depends on.
_OF_TRAINING = re.compile(r"^(?!.*(?:val|test|eval)).*(?:train|loss|objective|penalty|regulari|total|term)", re.I)


@rule(
    "MOD105",
    "methods-identical",
    criterion=4,
    severity=Severity.ERROR,
    stage=Stage.REHEARSAL,
    settles=("method",),
    again=(Stage.CHALLENGE,),
)
def methods_identical(
    session: SessionSeen, runs: list[Run], modules: dict[str, Module], contract: Contract, plan: Plan | None, complete_rehearsal: bool
) -> Iterator[Violation]:
    """Two methods train and log the same numbers.

    What it does:
        Compares what the runs logged to the local tracker in the rehearsal, their losses, what the first steps of their optimizers added to
        the parameters, and what their networks predict. Two runs of different methods are reported if all of that is the same to six
        digits, and several of these numbers are no round ones; also where their training losses differ and all else is the same: by a term
        through which no gradient flows. A warning where the methods may differ in what a bounded run does not show: the runs
        have other settings of schedules, warm-up or epochs, the code does something else from a later epoch or step on, or the plan
        measures memory or speed. Silent where no loss and no gradient of either run was anything but zero: methods that leave samples out,
        such as those of which a network is unsure, may leave out all of the made-up ones. A challenge looks once more at methods whose
        configs have other seeds, under seeds that are the same.

    Why it matters:
        The methods then are one method under two names: the comparison has no content.

    Instead:
        Let the method's name choose the loss, the update or the model that makes the difference.
    """
    if not complete_rehearsal:
        return
    methods = {run.id: _method(run) for run in runs}
    unseen = acts_later(modules, contract) or (plan is not None and any(_RESOURCE.search(metric) for metric in plan.metrics))
    same_seeds = session.stage != Stage.REHEARSAL
    seen = [(run, tracked) for run in runs if (tracked := session.tracked_as(run.id)) is not None]
    for (one, first), (other, second) in combinations(seen, 2):
        if methods[one.id] is None or methods[other.id] is None or methods[one.id] == methods[other.id]:
            continue
        if not _same_but_for_method(one, other) or not all(session.runs[run.id].ok for run in (one, other)):
            continue
        if same_seeds and not _seeds_differ(one, other):
            continue
        if _left_all_out(session.runs[one.id]) and _left_all_out(session.runs[other.id]):
            continue
        trained = _same_training(session.runs[one.id], session.runs[other.id])
        in_vain = trained is None and (trained := _same_training(session.runs[one.id], session.runs[other.id], but=LOSSES)) is not None
        common = _identical(first, second, _OF_TRAINING if in_vain and trained else None)
        if common is not None and trained is not None and len(common) + len(trained) >= FEWEST:
            yield Violation(
                located(None, modules, contract),
                f"the methods `{methods[one.id]}` and `{methods[other.id]}` "
                + ("have other losses, and the same updates and scores" if in_vain else "train and log the same numbers")
                + (" where their seeds are the same" if same_seeds else ""),
                "let the method make a difference: see where its name is read",
                runs=(one.id, other.id),
                severity=Severity.WARNING if unseen or _may_differ_later(one, other) else None,
                evidence=f"{len(common) + len(trained)} numbers are the same, such as {', '.join([*common[:2], *trained[:2]])}",
            )


def _method(run: Run) -> str | None:
    value = run.document.value
    inner = value.get("method") if isinstance(value, dict) else None
    return inner if isinstance(inner, str) else None


def _same_but_for_method(one: Run, other: Run) -> bool:
    """Return whether two runs have the same data set, so that only their methods differ.

    The rest of their training may differ in numbers only.
    """
    first, second = one.document.value, other.document.value
    return isinstance(first, dict) and isinstance(second, dict) and first.get("dataset") == second.get("dataset")


def _seeds_differ(one: Run, other: Run) -> bool:
    """Return whether the configs of two runs have different seeds.

    Otherwise the rehearsal has shown everything there is to show.
    """
    mine, theirs = ({key: value for key, value in _settings(run.document.value) if _SEED.search(key)} for run in (one, other))
    return mine != theirs


def _may_differ_later(one: Run, other: Run) -> bool:
    """Whether the settings in which two runs differ are of a kind that two batches can't show."""
    mine, theirs = dict(_settings(one.document.value)), dict(_settings(other.document.value))
    differing = [key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key)]
    return any(_LATER.search(f"{key} {mine.get(key)} {theirs.get(key)}") for key in differing if not key.endswith("run_id"))


def acts_later(modules: Mapping[str, Module], contract: Contract) -> bool:
    """Return whether training code does something else from a later epoch or step on.

    Ending, logging, saving and setting rates do not count.
    """
    for module in training_modules(modules, contract):
        for node in module.of(ast.If, ast.IfExp):
            if _counts_rounds(node.test) and any(map(_works, [node] if isinstance(node, ast.IfExp) else [*node.body, *node.orelse])):
                return True
    return False


def _counts_rounds(test: ast.expr) -> bool:
    """Whether a condition holds a counter of rounds against a bound."""
    for part in ast.walk(test):
        if isinstance(part, ast.Compare) and all(isinstance(operator, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for operator in part.ops):
            sides = [last_name(side) for side in (part.left, *part.comparators)]
            if any(map(_ROUND.fullmatch, sides)):
                return True
    return False


def _works(node: ast.AST) -> bool:
    """Return whether code may change what is trained.

    It assigns something that is no learning rate, returns a value, or calls something else.
    """
    if isinstance(node, ast.IfExp):
        return not all(isinstance(part, ast.Constant) for part in (node.body, node.orelse))
    if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return not any("lr" in ast.unparse(target) or "rate" in ast.unparse(target) for target in targets)
    if isinstance(node, ast.Return):
        return node.value is not None and not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call) and last_name(node.value.func) not in _NO_WORK
    return any(_works(part) for part in ast.iter_child_nodes(node) if isinstance(part, ast.stmt))


def _settings(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _settings(entry, f"{path}.{key}")
    else:
        yield path, value


def _left_all_out(run: RunSeen) -> bool:
    """Return whether a run was about to train, but every loss and gradient that was seen is zero."""
    processes = list(run.processes.values())
    optimizers = [optimizer for process in processes for optimizer in process.optimizers.values()]
    trains = bool(optimizers) or any(process.counts.get("backwards") for process in processes)
    return (
        trains
        and not any(loss for process in processes for loss, _, _ in process.losses)
        and all(optimizer.looked <= optimizer.without + optimizer.zero for optimizer in optimizers)
    )


def _same_training(first: RunSeen, second: RunSeen, but: str = "") -> list[str] | None:
    """Return names and values of telling numbers, if the probe saw the same for both runs.

    One kind is ignored. None if it did not see the same.
    """
    mine, theirs = ({name: values for name, values in seen(run).items() if name != but} for run in (first, second))
    if but and not {UPDATES, PREDICTIONS} <= mine.keys():
        return None
    if mine.keys() != theirs.keys() or any(moved(mine[name], theirs[name], TOLERANCE) for name in mine):
        return None
    if UPDATES not in mine and PREDICTIONS not in mine:
        return []  # what they do with their losses was not seen
    return [f"{name[1:-1]} {value:.8g}" for name, values in mine.items() for value in values if value and math.isfinite(value)]


def _identical(first: Tracked, second: Tracked, but: re.Pattern[str] | None = None) -> list[str] | None:
    """Return names and values of telling numbers, if all that both runs logged agrees.

    Keys that a pattern matches are ignored. None if it does not agree.
    """
    if len(first.history) != len(second.history):
        return None
    telling = []
    for one, other in zip(first.history, second.history, strict=True):
        for key in one.keys() & other.keys():
            if key.startswith("_") or is_time(key) or (but is not None and but.search(key)) or not isinstance(one[key], float | int):
                continue
            if moved((one[key],), (other[key],), TOLERANCE):
                return None
            if isinstance(one[key], float) and math.isfinite(one[key]) and round(one[key], 4) != one[key]:
                telling.append(f"{key} {one[key]:.8g}")
    return telling


_BRANCH = "        return nn.CrossEntropyLoss(label_smoothing=smoothing)\n"

_MAIN = Edit("def main(cfg: DictConfig) -> None:\n", "def main(cfg: DictConfig) -> None:  # <- here\n")
_DETACHED = """        plain = nn.CrossEntropyLoss()
        return lambda logits, labels: plain(logits, labels) + smoothing * logits.detach().pow(2).mean()
"""
BAD = [
    Tree({"src/model.py": Edit(_BRANCH, "        return nn.CrossEntropyLoss()\n"), "src/train.py": _MAIN}),
    Tree({"src/model.py": Edit(_BRANCH, _DETACHED), "src/train.py": _MAIN}),
]

#: On data that it does not know, a new network is never as sure of a class as this.
_OF_THE_SURE = """class OfTheSure(nn.Module):
    def __init__(self, smoothing: float) -> None:
        super().__init__()
        self.smoothing = smoothing

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        losses = nn.functional.cross_entropy(logits, labels, label_smoothing=self.smoothing, reduction="none")
        return (losses * (logits.softmax(dim=1).amax(dim=1) > 0.9999)).mean()


def build_criterion(method"""
GOOD = [
    Tree(),
    Tree(
        {
            "src/model.py": (
                Edit("def build_criterion(method", _OF_THE_SURE),
                Edit(_BRANCH, "        return OfTheSure(smoothing)\n"),
                Edit("        return nn.CrossEntropyLoss()\n", "        return OfTheSure(0.0)\n"),
            )
        }
    ),
]
