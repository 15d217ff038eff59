"""EVA106."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located

# Without its suffix; no part can be matched in two ways, or a name of dashes would take for ever.
STEM = re.compile(r"[A-Za-z][A-Za-z0-9]*+(?:[_-][A-Za-z0-9.()%+=,-]++(?: [A-Za-z0-9.()%+=,-]++)*+)*+")
SUFFIXES = ("pdf", "png", "svg")
PICTURES_ONLY = (".png", ".jpg", ".jpeg")


@rule("EVA106", "figure-name", criterion=8, severity=Severity.WARNING, stage=Stage.REHEARSAL, settles=("evaluation",))
def figure_name(rehearsal: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A figure has a name that does not say what it shows, or is no PDF.

    What it does:
        Watches the figures that the rehearsal's evaluation saves: a name that is no `<topic>[_<condition>][_pairN].pdf` is reported, and
        a picture without a PDF of the same name beside it.

    Why it matters:
        Papers are set from PDFs, and the figures of many runs are told apart by their names.

    Instead:
        Save `accuracy_by_corruption.pdf` and the like.
    """
    evaluation = rehearsal.evaluation
    if evaluation is None or not evaluation.ok or not contract.evaluation.outputs:
        return
    figures = [happened for process in evaluation.processes.values() for happened in process.figures]
    names = {happened.path for happened in figures}
    for happened in figures:
        folder, _, name = happened.path.rpartition("/")
        stem, _, suffix = name.rpartition(".")
        if f".{suffix}" in PICTURES_ONLY and f"{folder}/{stem}.pdf" not in names:
            problem = "a figure is saved as a picture only"
        elif suffix not in SUFFIXES or not STEM.fullmatch(stem):
            problem = "a figure has a name that does not say what it shows"
        else:
            continue
        yield Violation(
            located(happened.place, modules, contract),
            problem,
            "save it as `<topic>[_<condition>][_pairN].pdf`",
            evidence=name,
        )


BAD = Tree(
    {
        "src/evaluate.py": (
            Edit('run_dir / "learning_curve.pdf"', 'run_dir / "learning_curve.png"'),
            Edit("    figure.savefig(path)\n", "    figure.savefig(path)  # <- here\n"),
        )
    }
)

GOOD = Tree()
