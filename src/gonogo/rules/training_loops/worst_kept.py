"""TRN143."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, Event
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Operation, constant, plain, text
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.numbers.ranges import never_negative
from gonogo.analysis.project.pyproject import Pyproject
from gonogo.analysis.project.versions import may_be_before
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import enclosing_function
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.training.bests import Kept, beginnings, kept_bests
from gonogo.analysis.training.goodness import Better, Goodness, of_name
from gonogo.analysis.training.schedules import PLATEAU, schedules
from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

BEST = re.compile(r"best|optim|lowest|highest|min_|_min|max_|_max", re.IGNORECASE)
WORST = re.compile(r"worst|hard|attack|adv", re.IGNORECASE)
LIGHTNING = ("lightning", "pytorch-lightning")
MODE_NOT_GUESSED = "1.3"  # before, the mode was "auto" where none was given
MODES = {"min": Better.SMALLER, "max": Better.LARGER}
# Numbers that are never below zero, whatever they are computed of. A loss may be.
NEVER_NEGATIVE = re.compile(
    r"(?:^|[_.])(?:acc|accuracy|f1|auc|auroc|m?iou|dice|precision|recall|top[15]|rmse|mse|mae|wer|cer|perplexity|ppl|err|error|error_rate)(?:$|[_.])",
    re.IGNORECASE,
)


@rule("TRN143", "worst-kept", criterion=4, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def worst_kept(
    programs: list[Program], modules: dict[str, Module], sources: Sources, experiment: Experiment, pyproject: Pyproject | None
) -> Iterator[Violation]:
    """What is kept as the best state is the worst one, or nothing is ever kept.

    What it does:
        Looks at branches that keep the larger, or the smaller, of what comes by (`if loss > best: best = loss`). Speaks where the state of
        a network is kept with the largest of what is better when it is smaller, a loss or an error, or with the smallest of what is better
        when it is larger; and where the best begins with a number that nothing beats: infinity for the larger one, zero for the smaller
        one of what is made of counts and distances. Also looks at
        `EarlyStopping` and `ModelCheckpoint` (whose `mode` Lightning takes for "min" where none is given; versions before 1.3 guessed it,
        and nothing is said where the project asks for one), `ReduceLROnPlateau`, and `greater_is_better` of transformers,
        where the metric is named.

    Why it matters:
        The run reports the epoch that was worst, or the weights that training began with.

    Instead:
        Begin with `float("inf")` and keep what is smaller for a loss; begin with `-float("inf")` and keep what is larger for an accuracy.
    """
    goodness = Goodness(sources.symbols)
    guesses = may_be_before(experiment, pyproject, LIGHTNING, MODE_NOT_GUESSED)
    bests = [kept for module in modules.values() for kept in kept_bests(module)]
    by_branch = {id(kept.branch): kept for kept in bests}
    yield from by_place(
        [
            *(found for walked in programs for found in _never_beaten(walked, by_branch)),
            *(found for kept in bests for found in _of_branch(kept, goodness)),
            *(found for walked in programs for found in _of_callbacks(walked, goodness, guesses)),
        ]
    )


def _never_beaten(walked: Program, bests: dict[int, Kept]) -> Iterator[Violation]:
    """`if loss < best` with a best of zero, where the loss is a mean of distances, or a share of rows."""
    for branch in walked.all(Branch):
        kept = bests.get(id(branch.node))
        test = plain(branch.test) if kept is not None and branch.test is not None else None
        if kept is None or kept.larger or not isinstance(test, Operation) or test.operator not in ("<", ">"):
            continue
        begins = beginnings(kept)
        if not begins or not all(number <= 0 for number in begins) or kept.branch.test is not kept.test:
            continue
        if never_negative(test.operands[0 if kept.test.left is kept.value else 1]):
            yield Violation(
                kept.module.location(kept.test),
                f"`{ast.unparse(kept.value)}` is never below zero, which `{ast.unparse(kept.best)}` begins with: this is never true",
                'begin with `float("inf")`',
            )


def _of_branch(kept: Kept, goodness: Goodness) -> Iterator[Violation]:
    begins = beginnings(kept)
    sign = 1 if kept.larger else -1
    shown, best = ast.unparse(kept.value), ast.unparse(kept.best)
    if begins and all(number == sign * math.inf for number in begins):
        first = '-float("inf")' if kept.larger else 'float("inf")'
        message, action = f"nothing is {_word(kept.larger)} than infinity of that sign: this is never true", f"begin with `{first}`"
    elif begins and not kept.larger and all(number <= 0 for number in begins) and NEVER_NEGATIVE.search(shown):
        message = f"`{shown}` is never below zero, which `{best}` begins with: this is never true"
        action = 'begin with `float("inf")`'
    elif _is_worst(kept, goodness):
        kind = "smaller" if kept.larger else "larger"
        message = f"the state is kept where `{shown}` is {_word(kept.larger)} than before, and it is better where it is {kind}"
        action = f"compare with `{'<' if kept.larger else '>'}`, and begin with the infinity that anything beats"
    else:
        return
    yield Violation(kept.module.location(kept.test), message, action)


def _word(larger: bool) -> str:
    return "larger" if larger else "smaller"


def _is_worst(kept: Kept, goodness: Goodness) -> bool:
    """Whether a network's state is kept with the worst number, and called the best."""
    text_of_branch = ast.unparse(kept.branch)
    if not kept.keeps_state() or not BEST.search(ast.unparse(kept.best)) or WORST.search(text_of_branch):
        return False
    if isinstance(kept.value, ast.Name) and _is_parameter(kept.module, kept.value):
        return False  # a caller may give it with another sign
    better = goodness.of(kept.module, kept.value)
    return better is (Better.SMALLER if kept.larger else Better.LARGER) and of_name(ast.unparse(kept.best)) in (None, better)


def _is_parameter(module: Module, name: ast.Name) -> bool:
    function = enclosing_function(module, name)
    if function is None:
        return False
    given = function.args
    return name.id in {entry.arg for entry in (*given.posonlyargs, *given.args, *given.kwonlyargs)}


# -- what libraries keep ----------------------------------------------------------------------------------------------------------


def _of_callbacks(walked: Program, goodness: Goodness, guesses: bool) -> Iterator[Violation]:
    for event in walked.calls("EarlyStopping", "ModelCheckpoint"):
        yield from _of_monitor(event, guesses)
    for event in walked.calls("TrainingArguments", "Seq2SeqTrainingArguments"):
        yield from _of_arguments(event)
    for schedule in walked.known(schedules):
        if schedule.name == PLATEAU and (mode := _mode(schedule.made, 1, "min")) is not None:
            for step in schedule.steps:
                node = step.at.node
                given = node.args[0] if isinstance(node, ast.Call) and node.args else None
                better = goodness.of(step.at.module, given) if given is not None else None
                if better in (Better.SMALLER, Better.LARGER) and better is not MODES[mode] and given is not None:
                    yield violation(
                        step.at,
                        f'the learning rate falls while `{ast.unparse(given)}` gets better: the scheduler has mode "{mode}"',
                        f'give it mode="{"max" if mode == "min" else "min"}"',
                        related=((schedule.made, "the scheduler"),),
                    )


def _of_monitor(event: Event, guesses: bool) -> Iterator[Violation]:
    """`ModelCheckpoint(monitor="val_acc")`: Lightning keeps the smallest where no mode is given.

    Some of its versions guess the mode.
    """
    call = event.call
    lightning = "lightning" in call.name
    named = text(call.keywords.get("monitor"))
    mode = _mode(call, None, "min" if lightning and not guesses else "")
    if named is None or mode is None or call.is_open or constant(call.keywords.get("save_top_k")) in (-1, 0):
        return
    better = of_name(named)
    if better in (Better.SMALLER, Better.LARGER) and better is not MODES[mode]:
        yield violation(
            event,
            f'`{named}` is better where it is {_word(better is Better.LARGER)}, and this {call.short} goes by the mode "{mode}"'
            + ("" if "mode" in call.keywords else ", as none is given"),
            f'give it mode="{"max" if mode == "min" else "min"}"',
        )


def _of_arguments(event: Event) -> Iterator[Violation]:
    """`TrainingArguments(metric_for_best_model="accuracy", greater_is_better=False)`."""
    call = event.call
    named, greater = text(call.keywords.get("metric_for_best_model")), constant(call.keywords.get("greater_is_better"))
    better = of_name(named) if named is not None else None
    if better in (Better.SMALLER, Better.LARGER) and isinstance(greater, bool) and greater is not (better is Better.LARGER):
        yield violation(
            event,
            f"`{named}` is better where it is {_word(not greater)}, and `greater_is_better` is {greater}",
            f"give `greater_is_better={not greater}`",
        )


def _mode(call: Call, place: int | None, usual: str) -> str | None:
    """The mode that a callback or scheduler is given, or has without one; None where that is not known."""
    given = call.argument(place, "mode")
    found = usual if given is None else text(base(given))
    return found if found in MODES else None


LOOP = """import copy
import torch
from torch import nn

network = nn.Linear(4, 2)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
{first}
for epoch in range(10):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(network(torch.randn(8, 4)), torch.randint(2, (8,)))
    loss.backward()
    optimizer.step()
    val_loss = nn.functional.cross_entropy(network(torch.ones(8, 4)), torch.ones(8).long()).item()
    val_acc = (network(torch.ones(8, 4)).argmax(1) == 1).float().mean().item()
    if {test}:{marker}
        {best} = {value}
        kept = copy.deepcopy(network.state_dict())
network.load_state_dict(kept)
"""


def _loop(first: str, test: str, value: str, marker: str = "", best: str = "best") -> str:
    return LOOP.format(first=first, test=test, value=value, marker=marker, best=best)


PLATEAUS = """import torch
from torch import nn

network = nn.Linear(4, 2)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, {mode})
for epoch in range(10):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(network(torch.randn(8, 4)), torch.randint(2, (8,)))
    loss.backward()
    optimizer.step()
    val_accuracy = (network(torch.ones(8, 4)).argmax(1) == 1).float().mean().item()
    scheduler.step(val_accuracy){marker}
"""
CALLBACK = "from {library}.callbacks import ModelCheckpoint\n\nprint(ModelCheckpoint({given})){marker}\n"
HERE = "  # <- here"
BAD = [
    program(_loop("best, val_mae = 0.0, 1.0", "val_mae < best", "val_mae", HERE)),
    program(_loop("best, val_auc = 0, 1.0", "val_auc < best", "val_auc", HERE)),
    program(_loop("best = 0.0", "val_loss > best", "val_loss", HERE)),
    program(_loop("best = 0.0", "val_loss < best", "val_loss", HERE)),
    program(_loop('best = float("inf")', "best > val_acc", "val_acc", HERE)),
    program(_loop("best, kept = float('inf'), None", "val_acc > best", "val_acc", HERE)),
    program(_loop("import math\nlowest = -math.inf", "val_loss <= lowest", "val_loss", HERE, "lowest")),
    program(_loop("best_rmse = 0", "(rmse := val_loss ** 0.5) and rmse < best_rmse", "rmse", HERE, "best_rmse")),
    program(PLATEAUS.format(mode="patience=3", marker=HERE)),
    program(CALLBACK.format(library="lightning.pytorch", given='monitor="val_acc", save_top_k=1', marker=HERE)),
    program(CALLBACK.format(library="pytorch_lightning", given='monitor="val/loss", mode="max"', marker=HERE)),
    program(
        "from transformers import TrainingArguments\n\n"
        f'print(TrainingArguments("out", metric_for_best_model="f1", greater_is_better=False)){HERE}\n'
    ),
]
GOOD = [
    program(_loop('best = float("inf")', "val_loss < best", "val_loss")),
    program(_loop("best = -1", "val_acc >= best", "val_acc")),
    program(_loop("best = 0.0", "val_loss - 1 < best", "val_loss - 1")),  # a loss may be negative
    program(_loop("worst = 0.0", "val_loss > worst", "val_loss", "", "worst")),
    program(_loop("best = -1e9\nval_loss = 0", "-val_loss > best", "-val_loss")),
    program(_loop('best = float("inf")\nbest = float(input())', "val_acc > best", "val_acc")),
    program(_loop('best = float("inf")', "epoch == 0 or val_acc > best", "val_acc")),
    program(PLATEAUS.format(mode="'max'", marker="")),
    program(CALLBACK.format(library="lightning.pytorch", given='monitor="val_loss"', marker="")),
    program(CALLBACK.format(library="keras", given='filepath="kept.keras", monitor="val_accuracy"', marker="")),
    program('from transformers import TrainingArguments\n\nprint(TrainingArguments("out", metric_for_best_model="f1"))\n'),
]
