"""SCI112."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.challenge.matrix import ChallengeSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located


@rule(
    "SCI112", "labels-leak-into-predictions", criterion=None, severity=Severity.ERROR, stage=Stage.CHALLENGE, settles=("evaluation", "data")
)
def labels_leak_into_predictions(challenge: ChallengeSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """What a network predicts changes with the labels that the prediction is scored by.

    What it does:
        Runs the rehearsal again with the same seed and the labels of evaluation in another order: those of loaders whose batches no
        backward pass followed. Reported is a prediction in the first pass over such a loader that is another one than before, where
        everything before it was the same: no score of the altered labels was known yet, so only the labels can have changed it.

    Why it matters:
        The score then measures how well the model copies what it is given, not what it learned.

    Instead:
        Keep labels out of the network's inputs, and out of whatever adapts it while it is evaluated.
    """
    for leak in challenge.leaks:
        yield Violation(
            located(leak.place, modules, contract),
            "the network's predictions change with the labels that they are scored by",
            "keep the labels of evaluation out of what the network is given",
            runs=(leak.run_id,),
            evidence=f"prediction {leak.call}: sum {leak.before[0]:.6g}, with permuted labels {leak.after[0]:.6g}",
        )


BAD = Tree(
    {
        "src/train.py": Edit(
            "    batches = [(model(images), labels) for images, labels in loader]\n",
            "    batches = [(model(images + labels[:, None]), labels) for images, labels in loader]  # <- here\n",
        ),
    }
)

GOOD = Tree()
