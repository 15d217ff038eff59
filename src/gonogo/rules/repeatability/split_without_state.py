"""REP105."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Event
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, constant, is_none, number
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, imported_modules, origin
from gonogo.analysis.training.generators import NUMPY, TORCH, seeds
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

# What splits or draws rows, by the last part of its name: the library of the generator that it falls back on.
SPLITTERS = {
    "train_test_split": NUMPY, "ShuffleSplit": NUMPY, "StratifiedShuffleSplit": NUMPY, "GroupShuffleSplit": NUMPY, "KFold": NUMPY,
    "StratifiedKFold": NUMPY, "RepeatedKFold": NUMPY, "RepeatedStratifiedKFold": NUMPY, "random_split": TORCH, "resample": NUMPY,
    "sample": NUMPY,
}  # fmt: skip
# What draws while it is fitted.
ESTIMATORS = frozenset(
    {"RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor", "MLPClassifier", "MLPRegressor",
     "GradientBoostingClassifier", "GradientBoostingRegressor", "KMeans", "SGDClassifier", "BaggingClassifier", "SMOTE",
     "DecisionTreeClassifier",
     "IsolationForest", "TSNE", "RandomizedSearchCV", "DecisionTreeRegressor", "AdaBoostClassifier", "RandomOverSampler"}
)  # fmt: skip
_NAMES = ("random_state", "seed", "generator", "rng")


@rule("REP105", "split-without-state", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def split_without_state(programs: list[Program], modules: dict[str, Module]) -> Iterator[Violation]:
    """Rows are split or drawn at random without a state, and nothing seeds the generator used.

    What it does:
        Speaks where `train_test_split`, a shuffled `KFold`, `ShuffleSplit`, `random_split`, `resample` or `sample()` of a table gets
        neither `random_state` nor a generator, and the program seeds neither NumPy nor PyTorch. Where no script is seen to reach it, and in
        a file with a `__main__` part that others import, any script of the project may seed; so does Lightning's command line, by itself.
        Estimators that draw, such as a random forest, are a note.

    Why it matters:
        Each run is scored on other rows: two methods compared in two runs are compared on two test sets (scikit-learn, "Controlling
        randomness"; Bouthillier et al., Accounting for variance in machine learning benchmarks, 2021).

    Instead:
        Give it `random_state=` a number from the settings; vary the number for repetitions.
    """
    scripts = (_seeded(walked) for walked in programs if walked.is_script)
    elsewhere: set[str] = set().union(*scripts)
    if any(_has_seeding_command_line(module) for module in modules.values()):
        elsewhere |= {NUMPY, TORCH}
    imported = {name for module in modules.values() for name in imported_modules(module, modules)}
    for walked in programs:
        # What no script is seen to reach may be called by one all the same: Hydra's `instantiate`, a registry.
        is_alone = walked.is_script and walked.module.name not in imported
        yield from by_place(_found(walked, set() if is_alone else elsewhere))


def _has_seeding_command_line(module: Module) -> bool:
    """Whether a file makes a LightningCLI, or a class that is one: it seeds all generators first."""
    for node in module.of(ast.Call):
        if origin(module, node.func).endswith(".LightningCLI"):
            return not isinstance(off := argument(node, None, "seed_everything_default"), ast.Constant) or off.value is not False
    return any(origin(module, entry).endswith(".LightningCLI") for node in module.of(ast.ClassDef) for entry in node.bases)


def _seeded(walked: Program) -> set[str]:
    return {library for seed in walked.gather(seeds) for library in seed.libraries}


def _found(walked: Program, elsewhere: set[str]) -> Iterator[Violation]:
    seeded = _seeded(walked) | elsewhere
    for event in walked.calls(*SPLITTERS):
        library = SPLITTERS[event.call.short]
        if library not in seeded and _is_random(event) and not _has_state(event):
            yield violation(
                event,
                f"`{event.call.short}` draws at random without a state: each run gets other rows",
                f"give it a {_state_of(event.call)}",
                sure=False,
            )
    for event in walked.calls(*ESTIMATORS):
        if event.call.name.startswith(("sklearn.", "imblearn.")) and NUMPY not in seeded and not _has_state(event) and walked.is_script:
            yield violation(
                event,
                f"`{event.call.short}` draws at random without a state: each run gives another result",
                "give it a `random_state`",
                severity=Severity.INFO,
                sure=False,
            )


def _state_of(call: Call) -> str:
    """What a splitter calls its state."""
    if SPLITTERS[call.short] == TORCH:
        return "`generator` with a seed"
    if call.short == "train_test_split" and not call.name.startswith("sklearn."):
        return "`seed`"  # the method of the data sets of Hugging Face
    return "`random_state`"


def _has_state(event: Event) -> bool:
    call = event.call
    given = next((call.keywords[name] for name in _NAMES if name in call.keywords), None)
    if given is None and call.short == "random_split" and len(call.arguments) > 2:
        given = call.arguments[2]
    return call.is_open or "**" in call.keywords or (given is not None and not is_none(given))


def _is_random(event: Event) -> bool:
    call = event.call
    if call.short == "train_test_split":
        return constant(call.argument(None, "shuffle")) is not False and (call.name.startswith("sklearn.") or "test_size" in call.keywords)
    if call.short in ("KFold", "StratifiedKFold"):
        return constant(call.argument(None, "shuffle")) is True and call.name.startswith("sklearn.")
    if call.short == "sample":
        fraction = call.argument(None, "frac")
        return call.receiver is not None and fraction is not None and number(fraction) is not None and not call.name
    return call.name.startswith(("sklearn.", "torch.utils.data."))


PROGRAM = """import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, train_test_split

table = pd.read_csv("table.csv")
X, y = table.drop(columns="y"), table["y"]
{split}
model = LogisticRegression().fit(X_train, y_train)
print(model.score(X_test, y_test))
"""
DATA = """from torch.utils.data import random_split


class Data:
    def setup(self, rows):
        self.train, self.test = random_split(rows, [90, 10]){marker}


if __name__ == "__main__":
    Data().setup(range(100))
"""
COMMAND_LINE = "from data import Data\nfrom lightning.pytorch.cli import LightningCLI\n\n"


def _data(main: str, marker: str = "") -> Tree:
    return program(COMMAND_LINE + main + "\nprint(Data)\n", data=DATA.format(marker=marker))


HERE = "  # <- here"
BAD = [
    program(PROGRAM.format(split=f"X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2){HERE}")),
    _data("LightningCLI(seed_everything_default=False)", HERE),
    program(DATA.format(marker=HERE)),
]
GOOD = [
    _data("LightningCLI()"),
    _data("class Line(LightningCLI):\n    pass\n\n\nLine()"),
    _data("from lightning import seed_everything\n\nseed_everything(3)"),
    program(PROGRAM.format(split="X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=1)")),
    program(PROGRAM.format(split="X_train, X_test, y_train, y_test = train_test_split(X, y, shuffle=False)")),
    program(PROGRAM.format(split="import numpy as np\nnp.random.seed(1)\nX_train, X_test, y_train, y_test = train_test_split(X, y)")),
]
