"""EVA114."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule
from gonogo.rules.places import main_place

FIGURES = (".pdf", ".png", ".svg")
TABLES = (".csv", ".md", ".tex", ".html", ".txt")


@rule("EVA114", "output-not-written", criterion=8, severity=Severity.ERROR, stage=Stage.REHEARSAL, settles=("evaluation",))
def output_not_written(
    rehearsal: SessionSeen, modules: dict[str, Module], contract: Contract, complete_rehearsal: bool
) -> Iterator[Violation]:
    """The evaluation ends well without having written what the contract asks for.

    What it does:
        Looks into the folder of results after the rehearsal's evaluation: the contract's files, a figure for each run, figures of the
        comparison. Where a run failed, or not all runs were rehearsed, it looks for what belongs to a single run alone. EVA104 says the
        same of code that never names such a file; this rule saw what was written.

    Why it matters:
        Whoever reads the results, person or program, looks for these files under these names.

    Instead:
        Write them below `results_dir`, at the places the contract names.
    """
    evaluation = rehearsal.evaluation
    if evaluation is None or not evaluation.ok or not contract.evaluation.outputs:
        return
    place = main_place(modules, module_path(contract.evaluation.module))
    missing = _missing(rehearsal, contract, complete_rehearsal)
    if missing:
        there = ", ".join(quoted(sorted(rehearsal.results), 6)) or "nothing"
        yield Violation(
            place,
            f"the evaluation does not write {', '.join(quoted(missing))}",
            "write it below `results_dir`",
            evidence=f"written: {there}",
        )


def _missing(rehearsal: SessionSeen, contract: Contract, is_whole: bool) -> list[str]:
    """Return the missing outputs, the same one for every run only once.

    With some of the runs alone, only what belongs to one run counts, and only where a comparison was written too.
    """
    written, found = rehearsal.results, []
    if not is_whole and not any(path.startswith("comparison/") for path in written):
        return []  # with so few runs it may have ended early
    labels = [run.label for run in rehearsal.runs.values() if run.ok]
    for pattern in (pattern for pattern in contract.evaluation.outputs if is_whole or "{run_id}" in pattern):
        paths = [pattern.replace("{run_id}", label) for label in labels] if "{run_id}" in pattern else [pattern]
        if not all(path in written for path in paths):
            found.append(pattern.replace("{run_id}", "<run_id>"))
    folders = {**dict.fromkeys(labels, "<run_id>"), **({"comparison": "comparison"} if is_whole else {})}
    for folder, shown in folders.items():
        has_figure = any(path.startswith(f"{folder}/") and path.endswith(FIGURES) for path in written)
        if not has_figure and f"{shown}/*.pdf" not in found:
            found.append(f"{shown}/*.pdf")
    return found


BAD = Tree(
    {
        "src/evaluate.py": (
            Edit('    write_json(run_dir / "metrics.json", run)\n', '    write_json(run_dir.parent / "metrics.json", run)\n'),
            Edit("def main() -> None:\n", "def main() -> None:  # <- here\n"),
        )
    }
)

GOOD = Tree()
