"""TRN181."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import beside, oddities


@rule("TRN181", "warm-up-never-ends", criterion=None, severity=Severity.WARNING, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def warm_up_never_ends(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, a `Trainer` of transformers has a warm-up that is longer than the whole training.

    What it does:
        Holds the steps of the warm-up against those of the training as the program asks for it (epochs, rows, batch size, accumulation,
        processes), whatever the trial lowers. Silent where the gate made up the data, since nobody knows how many rows there are.

    Why it matters:
        The learning rate rises from zero, and the training ends before it gets near the one that is named. The loss falls slowly, as if the
        rate had been chosen too low.

    Instead:
        Fewer `warmup_steps`, or a share of the training (`warmup_ratio`).
    """
    for run, odd in oddities(trial, "warm-up"):
        if not run.made_up:
            yield Violation(
                located(odd.place, modules, contract),
                "the warm-up is longer than the training: the learning rate never gets to the one that is asked for",
                "give a warm-up that ends early in the training, such as a share of it",
                runs=(run.label,),
                evidence="; ".join(odd.details),
            )


_TRAINER = """class Trainer:
    def __init__(self, args, train_dataset):
        self.args, self.train_dataset = args, train_dataset

    def create_scheduler(self, num_training_steps):
        return None
"""
_CODE = """
from types import SimpleNamespace
from transformers.trainer import Trainer
given = dict(num_train_epochs=3.0, max_steps=-1, lr_scheduler_type="linear", learning_rate=5e-5, train_batch_size=8, world_size=1)
args = SimpleNamespace(gradient_accumulation_steps=1, get_warmup_steps=lambda total: WARM, **given)
Trainer(args, range(80)).create_scheduler(30)HERE
"""
_FILES = {"transformers/__init__.py": "", "transformers/trainer.py": _TRAINER}
BAD = beside(_CODE.replace("WARM", "500").replace("HERE", "  # <- here"), files=_FILES)
GOOD = [Tree(), beside(_CODE.replace("WARM", "3").replace("HERE", ""), files=_FILES)]
