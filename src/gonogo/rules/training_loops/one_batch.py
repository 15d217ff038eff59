"""TRN165."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, last_name
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import judged, located
from gonogo.rules.watched import names, unless

FEWEST = 3  # batches
#: What says that learning one batch by heart is what is wanted.
_ON_PURPOSE = re.compile(r"overfit|sanity|one_batch|single_batch|fixed_batch|smoke", re.IGNORECASE)


@rule("TRN165", "one-batch", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def one_batch(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, a loader with many batches gives the same one each time.

    What it does:
        Compares the first batches of each data loader, number by number. Reported is one that a network learned from, that has two batches
        or more, and whose batches (three or more were looked at) were all the same. A warning where names in the code say that one
        batch is to be learned by heart (`overfit`, `sanity`), where the run saw data that the gate made up, and where no code takes
        `next(iter(…))`: each row of such a data set may be meant to be the same, as a grid of points is, or one graph.

    Why it matters:
        The loss falls, for the network learns this one batch. The rest of the data is never used.

    Instead:
        Go through the loader: `for batch in loader`. `next(iter(loader))` begins anew each time; a data set whose `__getitem__` does not
        use its index gives one row for all.
    """
    for run in judged(trial):
        for process in run.processes.values():
            for loader in process.loaders.values():
                if loader.alike < FEWEST or not (loader.backwards or loader.backwards_left >= FEWEST) or (loader.length or 0) < 2:
                    continue
                yield Violation(
                    located(loader.used[0] if loader.used else loader.place, modules, contract),
                    "every batch that the loader gave is the same one, and the network learns from it",
                    "go through the loader (`for batch in loader`); `next(iter(loader))` begins anew each time",
                    runs=(run.label,),
                    severity=unless(run.made_up or names(modules, _ON_PURPOSE) or not _begins_anew(modules)),
                    evidence=f"batches compared: {loader.alike}, all equal; the loader has {loader.length}",
                )


def _begins_anew(modules: dict[str, Module]) -> bool:
    """Whether code asks new iterators for their first batch."""
    return any(
        last_name(call.func) in ("next", "__next__") and any("iter(" in ast.unparse(part) for part in (call.func, *call.args))
        for module in modules.values()
        for call in calls(module)
    )


_LOOP = "    for images, labels in loader:\n"
_ANEW = "    for _ in range(4):\n        images, labels = next(iter(loader))  # <- here\n"
_IN_ORDER = Edit('shuffle=split == "train"', "shuffle=False")
BAD = [Tree({"src/train.py": Edit(_LOOP, _ANEW), "src/preprocess.py": _IN_ORDER})]
GOOD = [
    Tree(),
    Tree({"src/preprocess.py": _IN_ORDER}),
    Tree({"src/train.py": Edit(_LOOP, _ANEW.replace("  # <- here", ""))}),
]
