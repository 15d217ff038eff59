"""IMP109."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Certainty, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule


@rule(
    "IMP109",
    "source-encoding",
    criterion=1,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    certainty=Certainty.PROVEN,
    settles=("syntax",),
)
def source_encoding(experiment: Experiment) -> Iterator[Violation]:
    """A Python file whose declared encoding makes Python read other code, or fail to read it.

    What it does:
        Reads each file as Python does: by its byte order mark, the declaration in its first two lines, or UTF-8. It reports encodings that
        Python does not know or that contradict the mark, and those, such as `utf-7` and `unicode_escape`, in which plain letters and signs
        become others. A file in Latin-1 or another usual encoding that says so is read by it and is no fault.

    Why it matters:
        Python refuses the file; or people, editors and tools look at a comment where Python runs code.

    Instead:
        Save the file as UTF-8 and delete the declaration.
    """
    for path, file in sorted(experiment.files.items()):
        if file.encoding_problem:
            action = "save the file as UTF-8 and delete the declaration"
            yield Violation(at(path, file.encoding_line), f"the file {file.encoding_problem}", action)


_DOCSTRING = '"""The classifier, the objective and the optimiser it is trained with, and the scores it is judged by."""\n'
_IMPORT = "import torch\n"


def _declared(encoding: str, comment: str = "", marker: str = "") -> Tree:
    edits = (Edit(_DOCSTRING, f"# -*- coding: {encoding} -*-{marker}\n{_DOCSTRING}"), Edit(_IMPORT, f"{comment}{_IMPORT}"))
    return Tree({"src/model.py": edits})


BAD = [
    _declared("nosuch", marker="  # <- here"),
    _declared("utf-7", "# +AAo-import os\n", marker="  # <- here"),
    _declared("unicode_escape", "# \\u000aimport os\n", marker="  # <- here"),
    _declared("rot13", marker="  # <- here"),
    Tree({"src/model.py": Edit(_DOCSTRING, f"\ufeff# coding: latin-1  # <- here\n{_DOCSTRING}")}),
]
GOOD = [
    _declared("utf-8", "# Mod\u00e8le\n"),
    _declared("latin-1", "# Mod\u00e8le\n"),
    _declared("utf-7", "# no sign of it\n"),
    _declared("shift_jis", "# plain\n"),
    Tree({"src/model.py": Edit(_IMPORT, f"# coding: nosuch\n{_IMPORT}")}),
]
