"""TRN154."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import names, optimizers, unless

#: Words of code that goes up the gradient on purpose.
_ASCENDS = re.compile(r"ascen[dt]|unlearn|forget|maximi[sz]|advers|revers|hypergrad", re.IGNORECASE)


@rule("TRN154", "negative-rate", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def negative_rate(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, an optimizer steps with a learning rate below zero.

    What it does:
        Looks at the learning rates of all parameter groups at each step of an optimizer. Reported is one that was negative, as by the
        function of a `LambdaLR`: PyTorch refuses such a rate only where the optimizer is made. A warning where names in the code speak of
        ascent, adversaries or unlearning.

    Why it matters:
        Each step makes the loss larger, and the numbers that come out look like those of a method that does not work.

    Instead:
        See what multiplies the learning rate.
    """
    for run, _, optimizer in optimizers(trial):
        if optimizer.below < 0:
            yield Violation(
                located(optimizer.place, modules, contract),
                f"`{optimizer.name}` steps with a learning rate below zero: it makes the loss larger",
                "see what multiplies the learning rate",
                runs=(run.label,),
                severity=unless(names(modules, _ASCENDS)),
                evidence=f"the lowest learning rate: {optimizer.below:.4g}; made with: {optimizer.made_with}",
            )


_STEP = "        optimizer.step()\n"
_MADE = Edit("    return torch.optim.SGD(\n", "    return torch.optim.SGD(  # <- here\n")
_TURNED = "        for group in optimizer.param_groups:\n            group['lr'] = {rate} * abs(group['lr'])\n"
BAD = Tree({"src/train.py": Edit(_STEP, _TURNED.format(rate="-1") + _STEP), "src/model.py": _MADE})
GOOD = Tree({"src/train.py": Edit(_STEP, _TURNED.format(rate="0.5") + _STEP)})
