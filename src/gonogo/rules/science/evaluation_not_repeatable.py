"""SCI115."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.challenge.matrix import EVALUATION_SUBJECT, Alteration, ChallengeSeen, State
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule
from gonogo.rules.places import main_place
from gonogo.rules.scores import is_score

#: Words of numbers that are drawn in good faith where resampling is not seeded.
_RESAMPLED = re.compile(r"boot|resampl|permut|interval|(?<![a-z])ci(?![a-z])|low|high|upper|lower|std|sem|p_?val|confidence", re.IGNORECASE)


@rule("SCI115", "evaluation-not-repeatable", criterion=8, severity=Severity.ERROR, stage=Stage.CHALLENGE, settles=("evaluation",))
def evaluation_not_repeatable(challenge: ChallengeSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The evaluation of the same runs writes other numbers.

    What it does:
        Starts the evaluation twice on the same tracked runs and compares the numbers in its JSON files. A score that differs is an error;
        a bound of an interval, a p-value and the like are a warning, since resampling may draw them.

    Why it matters:
        What a run scored is settled when it ends: a score that changes afterwards is drawn, not read.

    Instead:
        Take every score from what the run logged; give resampling a generator with a fixed seed.
    """
    moved = [each.name for each in challenge.of(EVALUATION_SUBJECT) if each.state(Alteration.AGAIN) is State.MOVED]
    scores = [name for name in moved if is_score(name) and not _RESAMPLED.search(name)]
    if moved:
        yield Violation(
            main_place(modules, module_path(contract.evaluation.module)),
            f"evaluated twice, the same runs give other numbers: {', '.join(quoted(scores or moved, 4))}",
            "take scores from what the runs logged, and seed what is drawn",
            severity=None if scores else Severity.WARNING,
            evidence=f"{len(moved)} numbers differ",
        )


BAD = Tree(
    {
        "src/evaluate.py": (
            Edit("import json\nimport sys\n", "import json\nimport random\nimport sys\n"),
            Edit('float(run.summary["test_accuracy"])', 'float(run.summary["test_accuracy"]) + random.uniform(0, 0.01)'),
            Edit("def main() -> None:\n", "def main() -> None:  # <- here\n"),
        )
    }
)

GOOD = Tree()
