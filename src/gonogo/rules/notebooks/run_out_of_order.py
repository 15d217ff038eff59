"""NTB101."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.documents.notebook import Cell
from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Location, Related, Severity, Stage
from gonogo.rules.base import Violation, notebook, rule


@rule("NTB101", "run-out-of-order", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def run_out_of_order(experiment: Experiment) -> Iterator[Violation]:
    """The cells of a notebook were last run in another order than the one they stand in.

    What it does:
        Compares the execution counts that Jupyter keeps with the order of the cells. Speaks of the first cell that was run before one
        that stands above it. Cells that were never run, and gaps between the counts, are left alone.

    Why it matters:
        What the notebook shows depends on the order in which somebody ran it: whoever runs it from the top may get other numbers, or
        an error. More than a third of the notebooks on GitHub were run out of order, and only 4 % of those that could be run again
        gave the same results (Pimentel et al., A large-scale study about quality and reproducibility of Jupyter notebooks, 2019).

    Instead:
        Restart the kernel, run all cells from the top, and save.
    """
    for path, file in sorted(experiment.files.items()):
        found = _first_swap(file.notebook.cells) if file.notebook is not None else None
        if found is None:
            continue
        above, below = found
        yield Violation(
            Location(path=path, line=below.first),
            f"this cell was run before cell {above.number}, which stands above it (runs {below.executed} and {above.executed})",
            "restart the kernel and run all cells from the top",
            related=(Related(location=Location(path=path, line=above.first), label="this cell was run later"),),
        )


def _first_swap(cells: tuple[Cell, ...]) -> tuple[Cell, Cell] | None:
    """The first cell with code that was run before one above it, with the latest of those."""
    latest: Cell | None = None
    for cell in cells:
        if cell.executed is None or not cell.source.strip():
            continue
        if latest is not None and latest.executed is not None and cell.executed < latest.executed:
            return latest, cell
        latest = cell
    return None


BAD = notebook(("rate = 0.1", 5), ("print(rate)", 3))
GOOD = [
    notebook(("rate = 0.1", 1), ("print(rate)", 4)),
    notebook(("rate = 0.1", 7), ("print(rate)", None), ("print(2 * rate)", 9)),
]
