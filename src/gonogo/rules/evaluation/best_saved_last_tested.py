"""EVA141."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator

from gonogo.analysis.dataflow.blocks import Branch, Happening, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.numbers.keys import is_measured, is_of_test
from gonogo.analysis.numbers.origins import Origin, loaders_of, sources_of
from gonogo.analysis.numbers.shown import shown
from gonogo.analysis.numbers.splits import Split, splits
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name
from gonogo.analysis.training.bests import Kept, kept_bests
from gonogo.analysis.training.order import Order
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.example_programs import EPOCHS
from gonogo.rules.grouping import by_place

# Anything that may put the kept weights back into a network, here or in a later program.
LOADS = re.compile(
    r"load|restore|from_pretrained|set_weights|copy_\(|best_(?:model|net|state|weights)|resume|checkpoint|ckpt", re.IGNORECASE
)

MOST = 20  # branches that keep the best
DATA = re.compile(r"data|loader|set$|csv|txt|image|workers", re.IGNORECASE)


@rule("EVA141", "best-saved-last-tested", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def best_saved_last_tested(programs: list[Program], modules: dict[str, Module]) -> Iterator[Violation]:
    """The state of the best epoch is saved, and that of the last one is tested.

    What it does:
        Looks at loops that save a network's state where its validation score is the best so far. Speaks where a score on the test part is
        computed and shown after that loop, and nothing in the project loads any state: no name of a function or file speaks of it. A test
        score within the loop is left alone.

    Why it matters:
        The number that is reported is that of the last epoch, and not that of the model that was chosen and is handed on.

    Instead:
        Load the best state before the test: `network.load_state_dict(torch.load("best.pt"))`.
    """
    own = {entry.name for module in modules.values() for entry in module.of(ast.FunctionDef)}
    if any(_loads(module, own) for module in modules.values()):
        return
    kept = [entry for module in modules.values() for entry in kept_bests(module) if entry.keeps_state()][:MOST]
    yield from by_place(found for walked in programs if walked.is_script for found in _found(walked, kept))


def _loads(module: Module, own: Collection[str]) -> bool:
    """Whether anything but data, by name, may be loaded; the project's own functions are seen."""
    for call in module.of(ast.Call):
        name = last_name(call.func)
        of_self = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "self"
        if name in own and (isinstance(call.func, ast.Name) or of_self):
            continue
        if LOADS.search(name) and not DATA.search(name) and not _is_data(module, call):
            return True
    return any(LOADS.search(name) and not DATA.search(name) for name in module.named if "best" in name.lower())


def _is_data(module: Module, call: ast.Call) -> bool:
    """Whether `torch.load(…)` or `np.load(…)` reads rows for data sets, not what the program saves."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in ("load", "loads") or not call.args:
        return False
    given = call.args[0]
    return isinstance(given, ast.Constant) and isinstance(given.value, str) and not LOADS.search(given.value) and "model" not in given.value


def _found(walked: Program, kept: list[Kept]) -> Iterator[Violation]:
    branches = {id(branch.node): branch for branch in walked.all(Branch)} if kept else {}
    for entry in kept:
        branch = branches.get(id(entry.branch))
        loop = next((around for around in branch.around() if isinstance(around, Loop)), None) if branch is not None else None
        if loop is not None:
            yield from _tested_after(walked, entry, loop)


def _tested_after(walked: Program, kept: Kept, loop: Happening) -> Iterator[Violation]:
    order = walked.known(Order)
    for score in walked.known(shown):
        if not (is_of_test(score.label) and is_measured(score.label)) or loop in score.at.around():
            continue
        origins = sources_of(walked).of(score.value)
        loaders = loaders_of(origins)
        if Origin.UNKNOWN in origins.sources or not loaders or any(splits(walked).of(loader) is not Split.TEST for loader in loaders):
            continue
        if order.place(score.at) > order.place(loop):
            yield Violation(
                score.at.module.location(score.node),
                "the state of the best epoch is saved, and this is the score of the last one",
                "load the state that was saved before the test",
                related=(Related(location=kept.module.location(kept.test), label="the best state is saved here"),),
            )


PROGRAM = (
    EPOCHS
    + """    now = score(val_loader)
    if now > best:
        best = now
        {kept}
{shown}
"""
)
_SAVED = 'torch.save(network.state_dict(), "best.pt")'
HERE = "  # <- here"
BAD = [
    program(PROGRAM.format(kept=_SAVED, shown=f'print(f"test accuracy {{score(test_loader):.3f}}"){HERE}')),
    program(
        PROGRAM.format(
            kept="kept = {key: value.clone() for key, value in network.state_dict().items()}",
            shown=f'print("Test acc", score(test_loader)){HERE}',
        )
    ),
]
GOOD = [
    program(
        PROGRAM.format(kept=_SAVED, shown='network.load_state_dict(torch.load("best.pt"))\nprint("test accuracy", score(test_loader))')
    ),
    program(PROGRAM.format(kept=_SAVED, shown='print("best validation accuracy", best)')),
    program(PROGRAM.format(kept='print("test accuracy", score(test_loader))', shown="")),
    program(PROGRAM.format(kept=f'{_SAVED}\n        print("test accuracy", score(test_loader))', shown="print(best)")),
]
