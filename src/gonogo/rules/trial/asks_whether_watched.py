"""TRI122."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.project.watching import askings
from gonogo.analysis.python.modules import Module
from gonogo.model.contract import Scope
from gonogo.model.finding import Certainty, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule("TRI122", "asks-whether-watched", criterion=9, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("trial",))
def asks_whether_watched(modules: dict[str, Module]) -> Iterator[Violation]:
    """The code asks whether it is being watched by this gate.

    What it does:
        Looks for the names that the gate's probe has in a process that it watches, its environment variables and its package: written
        whole, in pieces, reversed or encoded, or looked for among all variables and modules. An error where a branch is taken by the
        answer, else a warning.

    Why it matters:
        Code that behaves otherwise under the gate makes every trial and rehearsal worthless: what was watched is not what will run.

    Instead:
        Take it out: an experiment needs to know nothing of the gate.
    """
    for module in modules.values():
        for asking in askings(module):
            yield Violation(
                module.location(asking.node),
                f"the code asks whether it is being watched (`{asking.what[:60]}`)"
                + (", and behaves accordingly" if asking.decides else ""),
                "take it out: the experiment must do the same whether it is watched or not",
                severity=None if asking.decides else Severity.WARNING,
                certainty=Certainty.DERIVED if asking.decides else Certainty.LIKELY,
            )


_IMPORT = "from pathlib import Path\n\nimport hydra\n"
_OS = Edit(_IMPORT, f"import os\n{_IMPORT}")
_LOG = '    wandb.log({"test_accuracy": test_accuracy, "test_loss": test_loss})\n'


def _asked(test: str) -> Tree:
    return Tree({"src/train.py": (_OS, Edit(_LOG, f"    if {test}:  # <- here\n        test_accuracy = 0.99\n{_LOG}"))})


BAD = [
    _asked('"GONOGO_PROBE" not in os.environ'),
    _asked('os.environ.get("GONO" + "GO_EVENTS") is None'),
    _asked('any(name.startswith("GONO") for name in os.environ)'),
    Tree({"src/train.py": (_OS, Edit(_LOG, f'    seen = os.environ.get("GONOGO_RUN")  # <- here\n{_LOG}'))}),
]
GOOD = [
    _asked('"SLURM_JOB_ID" in os.environ'),
    Tree({"src/train.py": Edit(_LOG, f'    print("this experiment passed gonogo")\n{_LOG}')}),
]
