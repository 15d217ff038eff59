"""LEK121."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.numbers.reported import reported
from gonogo.analysis.numbers.splits import training_loaders
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule(
    "LEK121", "score-of-training-split", criterion=6, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("metrics",)
)
def score_of_training_split(programs: list[Program]) -> Iterator[Violation]:
    """A number that is called a test score is measured on the training split.

    What it does:
        Follows each score and loss whose key speaks of a test back to the batches that it is computed of, and those to their loaders.
        Speaks where the code calls every one of these loaders that of the train split.

    Why it matters:
        The model has seen these examples and their labels: the number says how well it remembers, not how well it generalises.

    Instead:
        Measure it on the test split, or give it a name that says what it is.
    """
    yield from by_place(found for walked in programs if walked.is_script for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for number in walked.known(reported):
        loaders = training_loaders(walked, number.key, number.value)
        if loaders:
            yield violation(
                number.at,
                f"`{number.key}` is measured on the train split",
                "measure it on the test split, or give it a name that says what it is",
                related=((loaders[0], "the loader of the train split"),),
            )


_TEST = '    test_loader = build_loaders(cfg.run.dataset, cfg.trial_mode)["test"]\n'
_LOG = '    wandb.log({"test_accuracy": test_accuracy, "test_loss": test_loss})\n'
BAD = Tree({"src/train.py": (Edit(_TEST, _TEST.replace('"test"]', '"train"]')), Edit(_LOG, _LOG.replace("\n", "  # <- here\n")))})
GOOD = [
    Tree({"src/train.py": Edit(_TEST, _TEST.replace('"test"]', '"validation"]'))}),
    Tree({"src/train.py": (Edit(_TEST, _TEST.replace('"test"]', '"train"]')), Edit(_LOG, _LOG.replace('"test_', '"train_')))}),
]
