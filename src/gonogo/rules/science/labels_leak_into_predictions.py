"""SCI112."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.challenge.matrix import Alteration, ChallengeSeen, State
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located, logged_at
from gonogo.rules.scores import is_accuracy, predicts_otherwise
from gonogo.rules.watched import unless

MOST_OF_WRONG = 0.6  # share of right answers where a quarter of the outputs, or fewer, are right


@rule(
    "SCI112", "labels-leak-into-predictions", criterion=None, severity=Severity.ERROR, stage=Stage.CHALLENGE, settles=("evaluation", "data")
)
def labels_leak_into_predictions(challenge: ChallengeSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """What a network predicts changes with the labels that the prediction is scored by.

    What it does:
        Runs the rehearsal again with the same seed and the labels of evaluation in another order: those of loaders whose batches no
        backward pass followed. Reported is a prediction in the first pass over such a loader that is another one than before, where
        everything before it was the same: no score of the altered labels was known yet, so only the labels can have changed it.
        Also an accuracy that is above 60 % where the networks' outputs were replaced by ones that are wrong about three rows in four or
        more, among more than two classes: it knows the labels from elsewhere. A warning where the code may predict without a network.

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
    told = {leak.run_id for leak in challenge.leaks}
    doubtful = predicts_otherwise(modules)
    for number in challenge.numbers:
        cell = number.cells.get(Alteration.OUTPUTS)
        if number.subject not in challenge.wrong - told or cell is None or cell.state is State.NOT_TRIED or not is_accuracy(number.name):
            continue
        if cell.state is State.SAME and number.state(Alteration.LABELS) is State.SAME:
            continue  # it knows no labels either: SCI111
        values = cell.values or number.values
        share = values[-1] / (100 if max(values) > 1 else 1)
        if MOST_OF_WRONG < share <= 1:
            told.add(number.subject)
            yield Violation(
                located(logged_at(challenge.rehearsal.runs[number.subject], number.name), modules, contract),
                f"`{number.name}` is high where every network's output is wrong about most labels: it comes from something else",
                "compute it from what the network predicts, and nothing else",
                runs=(number.subject,),
                severity=unless(doubtful),
                evidence=f"{number.values[-1]:.6g} in the rehearsal; {values[-1]:.6g} with outputs of which one row in four is right",
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
