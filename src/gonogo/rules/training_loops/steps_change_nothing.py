"""TRN132."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.execution.probe.gonogo_probe.events import Optimizer
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import LOOKED_AT, optimizers, unless

LEAST_RATE = 1e-12  # no parameter of single precision, and no gradient of usual size, is moved by less


@rule("TRN132", "steps-change-nothing", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def steps_change_nothing(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, an optimizer steps on gradients and no parameter changes.

    What it does:
        Compares every parameter before and after the first steps of each optimizer in the trial. Reported is one whose parameters had
        gradients that are not zero and which changed none of them. An error where its learning rates are zero, or next to it (below
        1e-12), from the time it is made; a warning where a scheduler or the code may have lowered them for the first steps, or the
        rates are only too small to tell. Silent where a scheduler was made and the code says that it warms up: its first step is at zero.

    Why it matters:
        Training runs to its end and learns nothing.

    Instead:
        Give the optimizer a learning rate above zero; look at what multiplies it.
    """
    warms_up = any("warm" in module.text.lower() for module in modules.values())
    for run, _, optimizer in optimizers(trial):
        if optimizer.scheduled and warms_up:
            continue
        looked = min(optimizer.steps, LOOKED_AT)
        with_gradients = looked - optimizer.zero - optimizer.without
        if optimizer.updates and optimizer.still == looked and not optimizer.changed and with_gradients:
            yield Violation(
                located(optimizer.place, modules, contract),
                f"the steps of `{optimizer.name}` change nothing{_rates(optimizer)}",
                "give it a learning rate above zero",
                runs=(run.label,),
                severity=unless(not _is_sure(optimizer)),
                evidence=f"steps with gradients: {with_gradients}; learning rates: {optimizer.rates}",
            )


def _rates(optimizer: Optimizer) -> str:
    return ": its learning rate is 0" if optimizer.rates and not any(optimizer.rates) else ""


def _is_sure(optimizer: Optimizer) -> bool:
    rates = [*optimizer.rates, *optimizer.made_with]
    return bool(optimizer.rates) and all(rate < LEAST_RATE for rate in rates) and not optimizer.scheduled


BAD = Tree(
    {
        "src/train.py": Edit(
            '        "learning_rate": cfg.run.training.learning_rate,\n', '        "learning_rate": cfg.run.training.learning_rate // 1,\n'
        ),
        "src/model.py": Edit("    return torch.optim.SGD(\n", "    return torch.optim.SGD(  # <- here\n"),
    }
)

GOOD = Tree()
