"""SCI126."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import RunSeen, SessionSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import judged, located

FEWEST = 2  # batches


@rule("SCI126", "same-answer-for-all", criterion=4, severity=Severity.ERROR, stage=Stage.REHEARSAL, settles=("model",))
def same_answer_for_all(rehearsal: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """After training, a network gives the very same answer for every row of a batch.

    What it does:
        Compares, in the rehearsal, the rows of what networks put out where they are not trained, one row of two numbers or more for each
        row of a batch. Reported is a run whose training changed parameters and in which, in two batches or more whose rows differ, all
        rows of the answer are bit for bit the same in every batch. A network that only prefers one class has
        answers that differ in their digits.

    Why it matters:
        The answers do not depend on the row that is asked about: the input is dropped, replaced by a constant or an average of the batch,
        or lost in dead activations. What is measured is how often one class occurs.

    Instead:
        See where in `forward` the rows become the same.
    """
    for run in judged(rehearsal):
        seen, alike = run.total("answers"), run.total("answers_alike")
        if seen >= FEWEST and alike == seen and _learned(run):
            yield Violation(
                located(_place(run), modules, contract),
                "the network gives the very same answer for every row of every batch: it does not depend on what it is given",
                "see where in `forward` the rows become the same",
                runs=(run.label,),
                evidence=f"batches compared: {seen}, with one answer for all rows: {alike}",
            )


def _learned(run: RunSeen) -> bool:
    """Whether a step changed something: a head that begins with zeros answers alike until then."""
    return any(optimizer.changed for process in run.processes.values() for optimizer in process.optimizers.values())


def _place(run: RunSeen) -> tuple[str, int] | None:
    places = (prediction.place for process in run.processes.values() for prediction in process.predictions)
    return next((place for place in places if place is not None), None)


_HIDDEN = "        activations = torch.relu(self.hidden(images))\n"
_CALL = "    batches = [(model(images), labels) for images, labels in loader]"
_MARKED = Edit(f"{_CALL}\n", f"{_CALL}  # <- here\n")
_MEAN = "        images = images.mean(dim=0, keepdim=True).expand_as(images)\n"
BAD = [
    Tree({"src/model.py": Edit(_HIDDEN, _MEAN + _HIDDEN), "src/train.py": _MARKED}),
    Tree({"src/model.py": Edit(_HIDDEN, _HIDDEN.replace("(images))", "(images) - 1e4)")), "src/train.py": _MARKED}),
]
_ZEROS = "        self.output = nn.Linear(hidden_units, num_classes)\n"
GOOD = [Tree(), Tree({"src/model.py": Edit(_ZEROS, f"{_ZEROS}        nn.init.zeros_(self.output.weight)\n")})]
