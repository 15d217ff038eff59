"""TRN131."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Certainty, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import may_accumulate, optimizers, unless

FEWEST = 2  # backward passes


@rule("TRN131", "optimizer-never-stepped", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def optimizer_never_stepped(trial: SessionSeen, runs: list[Run], modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, gradients reach an optimizer's parameters and it never steps.

    What it does:
        Watches each optimizer in the trial. Reported is one that never stepped although its parameters got gradients, in a run with two
        backward passes or more in which no optimizer steps and no gradient scaler is used, and whose parameters are at the end what they
        were when it was made. A warning where the code or the config speaks of accumulation: two batches may be too few for a step.

    Why it matters:
        Nothing is learned: the network that is evaluated is the one that was made at random.

    Instead:
        Call the optimizer's `step()` after `backward()`.
    """
    accumulates = may_accumulate(modules, runs)
    for run, process, optimizer in optimizers(trial):
        if (
            process.counts.get("steps", 0)
            or process.counts.get("backwards", 0) < FEWEST
            or any(o.scaled for o in process.optimizers.values())
        ):
            continue
        if optimizer.graded and not optimizer.moved:
            passes = process.counts["backwards"]
            message, action = (
                f"`{optimizer.name}` never steps, although its parameters get gradients",
                "call its `step()` after `backward()`",
            )
            if accumulates:
                message = f"`{optimizer.name}` does not step in the trial's {passes} backward passes: it may wait for more to accumulate"
                action = (
                    "see that the trial reaches a step, and that the full run steps where a batch or an epoch ends before the count is full"
                )
            yield Violation(
                located(optimizer.place, modules, contract),
                message,
                action,
                runs=(run.label,),
                severity=unless(accumulates),
                certainty=Certainty.LIKELY if accumulates else None,
                evidence=f"backward passes: {passes}, steps: 0, parameters that changed: none",
            )


BAD = Tree(
    {
        "src/train.py": Edit("        optimizer.step()\n", "        _ = optimizer.step\n"),
        "src/model.py": Edit("    return torch.optim.SGD(\n", "    return torch.optim.SGD(  # <- here\n"),
    }
)

_BY_HAND = """        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.01 * parameter.grad
"""
GOOD = Tree({"src/train.py": Edit("        optimizer.step()\n", _BY_HAND)})
