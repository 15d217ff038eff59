"""TRN151."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import RunSeen, SessionSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import all_watched, judged, located, logged_at
from gonogo.rules.scores import predicts_otherwise
from gonogo.rules.watched import names, optimizers, unless

#: What says that two batches may be too few for a first update: a buffer that fills up, a start that waits, training that was done before.
_LATER = re.compile(
    r"replay|learning_starts|start_steps|random_steps|rollout|buffer_size|load_state_dict|skip_train|train_only_if", re.IGNORECASE
)
#: Names of training that asks for no gradient.
_WITHOUT_GRADIENT = re.compile(
    r"(?<![a-z])(?:mezo|zo|spsa|cma|es|evo\w*|genetic|population|hebb\w*|forward_forward|perturb\w*|ridge|closed_form)(?![a-z])",
    re.IGNORECASE,
)
_TRAINING_LOSS = re.compile(r"^(?!.*(?:val|test|eval|pretrain))(?=.*train)(?=.*loss)", re.IGNORECASE)


@rule("TRN151", "nothing-trained", criterion=None, severity=Severity.ERROR, stage=Stage.REHEARSAL)
def nothing_trained(
    rehearsal: SessionSeen, modules: dict[str, Module], contract: Contract, complete_rehearsal: bool
) -> Iterator[Violation]:
    """Networks predict, optimizers are made or a training loss is logged, and no run computes a gradient.

    What it does:
        Looks at all runs of a rehearsal that ended well. Reported is an experiment in which an optimizer is made over parameters that want
        gradients, networks run, and in no run at all there is a backward pass or a step. One that only some of the runs never use is
        left alone: a control may make it and not train. Where no optimizer is made, an experiment whose runs log a training loss is
        reported, unless names in the code speak of training without gradients, or of models without networks. A warning where names in
        the code speak of a replay buffer, of a start that waits, or of weights that are loaded: two batches may then be too few.

    Why it matters:
        The networks whose scores are reported were never trained: the loop was skipped, ran without gradients, or left early.

    Instead:
        See why the code never comes to `backward()`: a condition, `no_grad` around it, a `return`, an error that is caught.
    """
    if not complete_rehearsal:
        return
    runs = list(judged(rehearsal))
    if not runs or any(run.total("backwards") or run.total("steps") for run in runs) or not any(run.total("forwards") for run in runs):
        return
    idle = [
        (run, optimizer)
        for run, process, optimizer in optimizers(rehearsal)
        if process.ended and optimizer.trainable and not optimizer.moved
    ]
    if not idle:
        yield from _loss_of_nothing(runs, modules, contract)
        return
    _, first = idle[0]
    yield Violation(
        located(first.place, modules, contract),
        f"`{first.name}` is made, and no run ever computes a gradient or takes a step: nothing is trained",
        "see why the code never comes to `backward()` and `step()`",
        runs=tuple(dict.fromkeys(run.label for run, _ in idle)),
        severity=unless(names(modules, _LATER)),
        evidence=f"forward passes: {sum(run.total('forwards') for run in runs)}, backward passes: 0, steps: 0",
    )


def _loss_of_nothing(runs: list[RunSeen], modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The first training loss that is logged by runs which make no optimizer and compute no gradient."""
    if any(process.optimizers for run in runs for process in run.processes.values()) or not all(map(all_watched, runs)):
        return
    if predicts_otherwise(modules) or names(modules, _WITHOUT_GRADIENT):
        return
    logging = [(run, key) for run in runs for process in run.processes.values() for key in process.logged if _TRAINING_LOSS.search(key)]
    if logging:
        run, key = logging[0]
        yield Violation(
            located(logged_at(run, key), modules, contract),
            f"`{key}` is logged, and no run ever makes an optimizer or computes a gradient: nothing is trained",
            "see why the code never comes to `backward()` and `step()`",
            runs=tuple(dict.fromkeys(each.label for each, _ in logging)),
            severity=unless(names(modules, _LATER)),
            evidence=f"forward passes: {sum(each.total('forwards') for each in runs)}, backward passes: 0, optimizers: 0",
        )


_LEARNS = """        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
"""
_QUIETLY = """        with torch.no_grad():
            loss = criterion(model(images), labels)
        if loss.requires_grad:
            loss.backward()
            optimizer.step()
"""
_MADE = Edit("    return torch.optim.SGD(\n", "    return torch.optim.SGD(  # <- here\n")
_METHOD = Edit("criterion, optimizer)\n", "criterion, optimizer) if cfg.run.method == 'label-smoothing' else 0.0\n")
_LOOP = Edit("    for images, labels in loader:\n", "    for images, labels in list(loader)[:0]:\n")
BAD = [
    Tree({"src/train.py": Edit(_LEARNS, _QUIETLY), "src/model.py": _MADE}),
    Tree({"src/train.py": _LOOP, "src/model.py": _MADE}),
]
GOOD = [Tree(), Tree({"src/train.py": _METHOD})]
