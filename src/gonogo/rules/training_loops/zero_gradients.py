"""TRN153."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import Process, SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import LOOKED_AT, names, optimizers, unless

FEWEST = 2  # steps
#: What says that a loss may rightly be zero on some batches.
_MAY_BE_ZERO = re.compile(r"margin|hinge|triplet|contrastive|clamp|clip|maximum|threshold|mask|ignore_index|confiden|select", re.IGNORECASE)


@rule("TRN153", "zero-gradients", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def zero_gradients(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, an optimizer steps on gradients that are all exactly zero.

    What it does:
        Looks at the gradients at the first steps of each optimizer in the trial. Reported is one that makes two steps or more, at each of
        which its parameters have gradients and all of these are zero. A warning where the losses are zero too and names in the code
        speak of margins or masks, by which they may be, or where the run saw data or weights that the gate made up.

    Why it matters:
        Nothing is learned. Weight decay or momentum may still change the parameters, so that it looks like training.

    Instead:
        See what sets the gradients to zero between `backward()` and `step()`, or why the loss does not depend on the parameters: a dead
        activation, a weight of zero, a norm that gradients are clipped to.
    """
    for run, process, optimizer in optimizers(trial):
        looked = min(optimizer.steps, LOOKED_AT)
        if looked >= FEWEST and optimizer.zero == looked:
            yield Violation(
                located(optimizer.place, modules, contract),
                f"`{optimizer.name}` steps on gradients that are all zero: nothing is learned",
                "see what sets them to zero, or why the loss does not depend on the parameters",
                runs=(run.label,),
                severity=unless(run.made_up or (_has_no_loss(process) and names(modules, _MAY_BE_ZERO))),
                evidence=f"steps looked at: {looked}, with gradients of zero: {optimizer.zero}",
            )


def _has_no_loss(process: Process) -> bool:
    return bool(process.losses) and all(value == 0 for value, _, _ in process.losses)


_STEP = "        optimizer.step()\n"
_MADE = Edit("    return torch.optim.SGD(\n", "    return torch.optim.SGD(  # <- here\n")
_BLANK = "        for parameter in model.parameters():\n            parameter.grad = torch.zeros_like(parameter)\n"
_HOOKED = "    model.train()\n    for parameter in model.parameters():\n        parameter.register_hook(torch.zeros_like)\n"
BAD = [
    Tree({"src/train.py": Edit(_STEP, _BLANK + _STEP), "src/model.py": _MADE}),
    Tree({"src/train.py": Edit("    model.train()\n", _HOOKED), "src/model.py": _MADE}),
]
GOOD = [Tree(), Tree({"src/train.py": Edit(_STEP, f"        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.01)\n{_STEP}")})]
