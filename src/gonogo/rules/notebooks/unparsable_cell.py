"""NTB103."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Location, Related, Severity, Stage
from gonogo.rules.base import Violation, notebook, rule
from gonogo.rules.grouping import MOST_RELATED


@rule("NTB103", "unparsable-cell", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def unparsable_cell(experiment: Experiment) -> Iterator[Violation]:
    """A cell of a notebook that is neither Python nor a magic.

    What it does:
        Parses each code cell without its magics, shell lines and questions for help. Names the line where the first such cell of a
        notebook does not parse, and the next ones beside it; their code is then left out of everything else.

    Why it matters:
        *Run all* stops at this cell, and none of the cells below it are run.

    Instead:
        Correct the cell, or make it a text cell.
    """
    for path, file in sorted(experiment.files.items()):
        cells = [cell for cell in file.notebook.cells if cell.fault] if file.notebook is not None else []
        if cells:
            place, *others = [Location(path=path, line=cell.first + cell.fault_line - 1) for cell in cells]
            more = f", and {len(others)} more are none" if others else ""
            yield Violation(
                place,
                f"this cell is no valid Python: {cells[0].fault}{more}",
                "correct it, or make it a text cell",
                related=tuple(Related(location=other, label="here too") for other in others[:MOST_RELATED]),
            )


BAD = notebook("rate = 0.1", "print(rate", "print(2 * rate)")
GOOD = notebook(
    "%matplotlib inline\nrate = 0.1", "!pip install torch\nprint(rate)", "%%bash\nls | wc", "files = !ls\nprint?\n%time print(rate)"
)
