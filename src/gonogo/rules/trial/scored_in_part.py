"""TRI125."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.cuts import Cut, cuts
from gonogo.execution.observations import SessionSeen
from gonogo.execution.probe.gonogo_probe.events import Loader
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import judged
from gonogo.rules.trial.full_run_cut import is_asked_before


@rule("TRI125", "scored-in-part", criterion=9, severity=Severity.ERROR, stage=Stage.REHEARSAL, settles=("trial",))
def scored_in_part(rehearsal: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A full run scores a fixed number of a loader's batches.

    What it does:
        Holds loops over loaders that are left after a number of batches written in the code (`if step >= 5: break`), in
        functions that score and compute no gradients, against how many batches these loaders had in the rehearsal. Speaks where there were
        more. Silent where the number is a setting, and where a condition asks for the trial's flag.

    Why it matters:
        The score that is reported is that of the first rows, often of a few classes, and not of the split whose name it has.

    Instead:
        Score all batches in a full run.
    """
    found = [(module, cut) for module in training_modules(modules, contract) for cut in cuts(module) if not cut.learns]
    for module, cut in found:
        if is_asked_before(module, cut.loop):
            continue
        for run in judged(rehearsal):
            loaders = [loader for process in run.processes.values() for loader in process.loaders.values()]
            lengths = [loader.length for loader in loaders if _is_of(module, cut, loader) and loader.length is not None]
            if lengths and min(lengths) > cut.batches:
                yield Violation(
                    module.location(cut.at),
                    f"a full run scores {cut.batches} of the batches of each loader here",
                    "leave the loop only in a trial",
                    runs=(run.label,),
                    evidence=f"the loaders that came here had {', '.join(map(str, sorted(set(lengths))))} batches",
                )


def _is_of(module: Module, cut: Cut, loader: Loader) -> bool:
    """Whether a loader was gone through by a loop, without learning."""
    first, last = cut.source.lineno, cut.source.end_lineno or cut.source.lineno
    here = any(path == module.path and first <= line <= last for path, line in loader.used)
    return here and loader.forwards > 0 and not loader.backwards


_BATCHES = "    batches = [(model(images), labels) for images, labels in loader]\n"
_LEFT = """    batches = []
    for index, (images, labels) in enumerate(loader):
        {test}
            break
        batches.append((model(images), labels))
"""
_SLICED = _BATCHES.replace("in loader]", "in itertools.islice(loader, 4)]  # <- here")
_IMPORT = Edit("from pathlib import Path\n\nimport hydra\n", "import itertools\nfrom pathlib import Path\n\nimport hydra\n")
BAD = [
    Tree({"src/train.py": Edit(_BATCHES, _LEFT.format(test="if index >= 4:  # <- here"))}),
    Tree({"src/train.py": (_IMPORT, Edit(_BATCHES, _SLICED))}),
]
GOOD = [Tree({"src/train.py": Edit(_BATCHES, _LEFT.format(test="if index >= 400:"))})]
