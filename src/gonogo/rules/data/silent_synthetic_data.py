"""DAT103."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.code.handlers import ends, handler_around
from gonogo.code.modules import Module
from gonogo.code.names import calls, enclosing_function, origin
from gonogo.code.randomness import FAKE_DATASETS, MADE_UP, draws, guard_of_absence
from gonogo.code.tracking import training_modules
from gonogo.contract import Contract
from gonogo.finding import Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, rule
from gonogo.rules.data.swallowed_data_error import LOADS

# Names of what holds data: drawn numbers count only where they become such a thing.
DATA = re.compile(r"data|image|label|sample|input|feature|target|split|train|test|val|corpus|text|token|^[xy]$|^[xy]_", re.IGNORECASE)


@rule("DAT103", "silent-synthetic-data", criterion=3, severity=Severity.ERROR, stage=Stage.CHECK)
def silent_synthetic_data(modules: dict[str, Module], contract: Contract) -> Iterator[Fault]:
    """Random numbers stand in for a dataset that can't be had.

    What it does:
        Looks outside the evaluation for data that are drawn at random, or for `FakeData`, in an `except` clause or under
        the condition that a file is missing; and for calls of functions that say that what they return is synthetic, in
        the same places.

    Why it matters:
        On the machine of the real run a missing file or a failed download then goes unnoticed: the run ends well, and
        its numbers are about noise.

    Instead:
        Raise an error that says what is missing and how to get it.
    """
    for module in training_modules(modules, contract):
        told: set[ast.AST] = set()
        drawn = {id(call) for call in draws(module)}
        for call in sorted(calls(module), key=lambda call: call.lineno):
            name = origin(module, call.func)
            made_up = FAKE_DATASETS.search(name) or MADE_UP.search(name.rpartition(".")[2])
            if not made_up and not (id(call) in drawn and _becomes_data(module, call)):
                continue
            place = handler_around(module, call) or guard_of_absence(module, call)
            if place is None or place in told or (isinstance(place, ast.ExceptHandler) and ends(module, place)):
                continue
            told.add(place)
            yield Fault(
                module.location(call),
                "made-up data stand in for data that can't be had",
                "raise an error that says what is missing and how to get it",
            )


def _becomes_data(module: Module, call: ast.Call) -> bool:
    """Whether what is drawn is kept under a name of data, or returned by a function that has such a name."""
    parent: ast.AST | None = call
    while parent is not None and not isinstance(parent, ast.stmt):
        parent = module.parents.get(parent)
    if isinstance(parent, ast.Assign):
        if _loaded_instead(module, parent):
            return True
        return any(isinstance(node, ast.Name) and DATA.search(node.id) for target in parent.targets for node in ast.walk(target))
    function = enclosing_function(module, call)
    return isinstance(parent, ast.Return) and function is not None and DATA.search(function.name) is not None


def _loaded_instead(module: Module, drawn: ast.Assign) -> bool:
    """Whether what is kept in a clause is kept under a name that the `try` gives to a dataset."""
    names = {node.id for target in drawn.targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    handler = handler_around(module, drawn)
    tried = module.parents.get(handler) if handler is not None else None
    return isinstance(tried, ast.Try) and any(
        isinstance(entry, ast.Assign)
        and isinstance(entry.value, ast.Call)
        and LOADS.match(origin(module, entry.value.func))
        and any(isinstance(node, ast.Name) and node.id in names for target in entry.targets for node in ast.walk(target))
        for entry in tried.body
    )


RAISED = '        raise RuntimeError(f"the cache {cache_file} is corrupt ({error}): delete it and run again") from error\n'
NORMALISED = "    images = ((digits.data - mean) / std).astype(np.float32)\n"
BAD = [
    Tree(
        {
            "src/preprocess.py": Edit(
                RAISED,
                "        labels = np.zeros(1797)\n        images = np.random.randn(1797, 64).astype(np.float32)  # <- here\n",
            )
        }
    ),
    Tree(
        {
            "src/preprocess.py": Edit(
                "    digits = load_digits()\n",
                "    try:\n        digits = load_digits()\n    except Exception:\n        digits = torch.rand(9, 64)  # <- here\n",
            )
        }
    ),
    Tree(
        {
            "src/preprocess.py": Edit(
                "    if not cache_file.exists():\n",
                "    if not cache_file.exists():\n        images = np.random.rand(9, 64)  # <- here\n        return images, images\n",
            )
        }
    ),
]
GOOD = Tree({"src/preprocess.py": Edit(NORMALISED, f"{NORMALISED}    images += np.random.randn(*images.shape).astype(np.float32)\n")})
