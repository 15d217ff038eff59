"""DAT103."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.handlers import ends, handler_around
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, calls, enclosing_function, origin
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.datasets import loads
from gonogo.analysis.training.randomness import FAKE_DATASETS, MADE_UP, draws, guard_of_absence, modules_missed, names_in
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.data.swallowed_data_error import LOADS

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
# Names of what holds data: drawn numbers count only where they become such a thing.
DATA = re.compile(r"data|image|label|sample|input|feature|target|split|train|test|val|corpus|text|token|^[xy]$|^[xy]_", re.IGNORECASE)


@rule("DAT103", "silent-synthetic-data", criterion=3, severity=Severity.ERROR, stage=Stage.CHECK, settles=("data",))
def silent_synthetic_data(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """Random numbers, or another dataset, stand in for a dataset that can't be had.

    What it does:
        Looks outside the evaluation for data that are drawn at random, or for `FakeData`, in an `except` clause or under
        the condition that a file is missing; for calls of functions that say that what they return is synthetic, in the
        same places; and for a well-known dataset that is loaded there in place of another one.

    Why it matters:
        On the machine of the real run a missing file or a failed download then goes unnoticed: the run ends well, and
        its numbers are about noise.

    Instead:
        Raise an error that says what is missing and how to get it.
    """
    for module in training_modules(modules, contract):
        told: set[ast.AST] = set()
        for call, other, wanted in _other_data(module):
            yield Violation(
                module.location(call),
                f"`{other}` stands in for `{wanted}` where that can't be had",
                "raise an error that says what is missing and how to get it",
            )
        drawn = {id(call) for call in draws(module)}
        for call in sorted(calls(module), key=lambda call: call.lineno):
            name = origin(module, call.func)
            made_up = FAKE_DATASETS.search(name) or MADE_UP.search(name.rpartition(".")[2])
            if not made_up and not (id(call) in drawn and _becomes_data(module, call)):
                continue
            place = handler_around(module, call) or guard_of_absence(module, call, strict=True)
            if place is None or place in told or (isinstance(place, ast.ExceptHandler) and ends(module, place)):
                continue
            told.add(place)
            yield Violation(
                module.location(call),
                "made-up data stand in for data that can't be had",
                "raise an error that says what is missing and how to get it",
            )


def _other_data(module: Module) -> Iterator[tuple[ast.Call, str, str]]:
    """Yield where a dataset is loaded because another failed to load, or its library is missing.

    Each comes as the call and both names.
    """
    known = {call: name for call, name in loads(module) if name is not None}
    missed = modules_missed(module)
    for call, name in known.items():
        above = next((node for node in ancestors(module, call) if isinstance(node, (ast.If, ast.ExceptHandler, *FUNCTIONS))), None)
        if isinstance(above, ast.ExceptHandler):
            tried = module.parents[above]
            wanted = tried.body if isinstance(tried, ast.Try) and not ends(module, above) else []
        elif isinstance(above, ast.If) and names_in(above.test) & missed and guard_of_absence(module, call, strict=True) is above:
            here = [node for block in (above.body, above.orelse) for node in block if call in ast.walk(node)]
            wanted = above.orelse if here and here[0] in above.body else above.body
            if any(isinstance(node, ast.Raise) for node in (above.body if wanted is above.orelse else above.orelse)):
                continue
        else:
            continue
        others = {known[node] for entry in wanted for node in ast.walk(entry) if isinstance(node, ast.Call) and node in known}
        if others and name not in others:
            yield call, name, min(others)


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
LOAD = "    digits = load_digits()\n"
IMPORT = """try:
    from robustbench.data import load_cifar10c
    HAS_CORRUPTIONS = True
except ImportError:
    HAS_CORRUPTIONS = False

TRIAL_BATCHES"""
CHOSEN = """    if HAS_CORRUPTIONS:
        digits = load_cifar10c(1797, 5, "{folder}")
    else:
        {otherwise}
"""
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
    Tree(
        {
            "src/preprocess.py": (
                Edit("TRIAL_BATCHES = 2", f"{IMPORT} = 2"),
                Edit("import torch\n", "import torch\nfrom torchvision.datasets import CIFAR10\n"),
                Edit(LOAD, CHOSEN.format(folder=".cache", otherwise='digits = CIFAR10(".cache", train=False)  # <- here')),
            )
        }
    ),
]
GOOD = [
    Tree({"src/preprocess.py": Edit(NORMALISED, f"{NORMALISED}    images += np.random.randn(*images.shape).astype(np.float32)\n")}),
    Tree(
        {
            "src/preprocess.py": (
                Edit("TRIAL_BATCHES = 2", f"{IMPORT} = 2"),
                Edit(LOAD, CHOSEN.format(folder=".cache", otherwise='raise RuntimeError("pip install robustbench")')),
            )
        }
    ),
]
