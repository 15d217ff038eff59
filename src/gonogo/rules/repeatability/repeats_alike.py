"""REP112."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, functions, last_name, origin, reached, text_of
from gonogo.analysis.python.scopes import COMPREHENSIONS, FUNCTIONS
from gonogo.documents.yaml import KeyPath
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Violation, program, quoted, rule

SEED = re.compile(r"(?:^|_)seed(?:_|$)", re.IGNORECASE)
SEEDS = re.compile(r"(?:^|_)seeds(?:_|$)", re.IGNORECASE)
SEEDING = frozenset({"manual_seed", "manual_seed_all", "seed_everything", "set_seed", "seed_all", "fix_seed", "set_random_seed", "seed"})


@rule("REP112", "repeats-alike", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def repeats_alike(modules: dict[str, Module], runs: list[Run]) -> Iterator[Violation]:
    """Repetitions that should differ by their seed have the same one.

    What it does:
        Speaks where a list of seeds has one of them twice, in the code or in a run config; and where a loop over seeds never uses the
        seed of its turn, or hands it to a function that never does, while what it calls seeds the generators with another one. Where
        nothing seeds them, it is a warning: the turns differ, and cannot be repeated.

    Why it matters:
        The repetitions are one and the same: their spread is too small or zero, and a test over them finds what is not there.

    Instead:
        Give each repetition a seed of its own, and hand it to whatever draws numbers.
    """
    for module in modules.values():
        for value in _lists(module):
            twice = _twice([entry.value for entry in value.elts if isinstance(entry, ast.Constant)])
            if twice and all(isinstance(entry, ast.Constant) for entry in value.elts):
                yield Violation(
                    module.location(value), f"the seed {', '.join(quoted(twice))} is there twice: these repetitions are the same", _ACTION
                )
        for loop in module.of(ast.For):
            yield from _unused(modules, module, loop)
            yield from _unmoved(module, loop)
        for call in module.of(ast.Call):
            yield from _unheard(module, call)
    for run in runs:
        for path, entry in _settings(run.document.value):
            if SEEDS.search(str(path[-1])) and (twice := _twice(entry)):
                yield Violation(
                    run.locate(path), f"the seed {', '.join(quoted(twice))} is there twice: these repetitions are the same", _ACTION
                )


_ACTION = "give each repetition a seed of its own"


def _lists(module: Module) -> Iterator[ast.List | ast.Tuple]:
    """Yield lists of seeds that are written out in the code.

    They are assigned to a name that says so, or a loop whose target says so iterates over them.
    """
    for assignment in module.of(ast.Assign):
        named = any(SEEDS.search(last_name(target)) for target in assignment.targets)
        if named and isinstance(assignment.value, (ast.List, ast.Tuple)):
            yield assignment.value
    for loop in module.of(ast.For, ast.comprehension):
        if isinstance(loop.target, ast.Name) and SEED.search(loop.target.id) and isinstance(loop.iter, (ast.List, ast.Tuple)):
            yield loop.iter


def _twice(values: object) -> list[str]:
    """The whole numbers that a list has more than once, if it has no others."""
    if not isinstance(values, list) or len(values) < 2 or any(type(value) is not int for value in values):
        return []
    return [str(value) for value in dict.fromkeys(values) if values.count(value) > 1]


def _settings(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _settings(entry, (*path, str(key)))
    elif path:
        yield path, value


def _unused(modules: dict[str, Module], module: Module, loop: ast.For) -> Iterator[Violation]:
    """A loop over seeds that never asks for the seed of its turn."""
    if not isinstance(loop.target, ast.Name) or not SEED.search(loop.target.id):
        return
    name = loop.target.id
    inside = [node for statement in loop.body for node in ast.walk(statement)]
    if any(isinstance(node, ast.Name) and node.id in (name, "locals", "globals", "exec", "eval") for node in inside):
        return
    if any(name in (text_of(node) or "") for node in inside if isinstance(node, ast.Constant)):
        return
    called = [node.func for node in inside if isinstance(node, ast.Call)]
    own = {entry.name: entry for entry in functions(module)}
    starts = [(module, own[last_name(node)]) for node in called if last_name(node) in own]
    imported = [(module, node) for node in called]
    met = reached(modules, [*starts, *imported])
    if not any(isinstance(node, FUNCTIONS) for _, node in met):
        return  # nothing of the project is repeated
    given = [
        call.args[0]
        for _, node in met
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and last_name(call.func) in SEEDING and call.args
    ]
    seeds = bool(given) and all(_is_fixed(modules, entry) for entry in given)
    yield Violation(
        module.location(loop.target),
        f"`{name}` is never used in this loop: " + ("each turn is seeded alike" if seeds else "its turns are seeded by nothing"),
        "seed the generators with it in each turn",
        severity=None if seeds else Severity.WARNING,
    )


STATES = ("random_state", "seed", "random_seed")
# What may differ from turn to turn though the estimators have one state.
OTHERWISE = re.compile(r"\b(?:rand|randn|randint|permutation|shuffle|sample|choice|normal|torch|tensorflow|keras)\b")


def _unheard(module: Module, call: ast.Call) -> Iterator[Violation]:
    """A function that a loop over seeds hands each seed.

    And that gives its estimators a fixed state and never asks for the seed.
    """
    turn = _seed_of_turn(module, call) if isinstance(call.func, ast.Name) else ""
    own = [entry for entry in functions(module) if entry.name == last_name(call.func)] if turn else []
    if len(own) != 1:
        return
    function = own[0]
    names = [entry.arg for entry in function.args.args]
    given = {names[place]: entry for place, entry in enumerate(call.args) if place < len(names)}
    given |= {entry.arg: entry.value for entry in call.keywords if entry.arg}
    for name, value in given.items():
        if not (isinstance(value, ast.Name) and value.id == turn) or not SEED.search(name):
            continue
        inside = [node for statement in function.body for node in ast.walk(statement)]
        if any(isinstance(node, ast.Name) and node.id in (name, "locals") for node in inside):
            return
        fixed = [node for node in inside if isinstance(node, ast.Call) and any(_fixes(entry) for entry in node.keywords)]
        if fixed:
            yield Violation(
                module.location(fixed[0]),
                f"`{name}` is handed over and never used: each turn has the same random state",
                "give it the seed of the turn",
                severity=Severity.WARNING if any(OTHERWISE.search(ast.unparse(statement)) for statement in function.body) else None,
            )


LIBRARIES = ("sklearn.", "xgboost.", "lightgbm.", "catboost.")
# What has no randomness of its own.
PLAIN = re.compile(
    r"Scaler|Encoder|Imputer|Pipeline|ColumnTransformer|LinearRegression|Ridge$|Lasso$|KNeighbors|NB$|Vectorizer|Selector|VarianceThreshold"
)


def _unmoved(module: Module, loop: ast.For) -> Iterator[Violation]:
    """A loop over seeds that gives each estimator a fixed state, so that its seed decides nothing."""
    if not (isinstance(loop.target, ast.Name) and SEED.search(loop.target.id)):
        return
    if any(dotted.partition(".")[0] in ("torch", "tensorflow", "keras", "jax") for dotted in module.imports.values()):
        return
    own = {entry.name for entry in functions(module)}
    inside = [node for statement in loop.body for node in ast.walk(statement)]
    calls = [node for node in inside if isinstance(node, ast.Call)]
    made = [call for call in calls if origin(module, call.func).startswith(LIBRARIES) and not PLAIN.search(last_name(call.func))]
    made = [call for call in made if last_name(call.func)[:1].isupper() or last_name(call.func) == "train_test_split"]
    used = [node for node in inside if isinstance(node, ast.Name) and node.id == loop.target.id]
    seeding = {entry for call in calls if last_name(call.func) in SEEDING for entry in ast.walk(call)}
    shown = {entry for call in calls if last_name(call.func) in ("print", "info") for entry in ast.walk(call)}
    if not made or any(node not in seeding | shown for node in used) or any(last_name(call.func) in own for call in calls):
        return
    drawn = [call for call in calls if last_name(call.func) not in SEEDING and OTHERWISE.search(ast.unparse(call.func))]
    if all(any(_fixes(entry) for entry in call.keywords) for call in made) and not drawn:
        yield Violation(
            module.location(made[0]),
            f"the turns of this loop are all the same: this has a fixed state, and `{loop.target.id}` decides nothing else",
            "give it the seed of the turn",
        )


def _fixes(given: ast.keyword) -> bool:
    return given.arg in STATES and isinstance(given.value, ast.Constant) and type(given.value.value) is int


def _seed_of_turn(module: Module, call: ast.Call) -> str:
    """The seed that a loop or comprehension around a call goes through, by name.

    Empty where there is none.
    """
    for parent in ancestors(module, call):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return ""
        targets = [parent.target] if isinstance(parent, ast.For) else []
        over = [parent.iter] if isinstance(parent, ast.For) else []
        if isinstance(parent, COMPREHENSIONS):
            targets, over = [entry.target for entry in parent.generators], [entry.iter for entry in parent.generators]
        for target, gone in zip(targets, over, strict=True):
            if isinstance(target, ast.Name) and (SEED.search(target.id) or SEEDS.search(last_name(gone))):
                return target.id
    return ""


def _is_fixed(modules: dict[str, Module], seed: ast.expr) -> bool:
    """Whether a seed is a number, or a setting or parameter that nothing sets in between."""
    if isinstance(seed, (ast.Constant, ast.Name)):
        return True
    if not isinstance(seed, ast.Attribute):
        return False
    stored = (node for module in modules.values() for node in module.of(ast.Attribute) if not isinstance(node.ctx, ast.Load))
    return all(node.attr != seed.attr for node in stored)


LOOP = """import numpy as np
import torch

SEEDS = {seeds}


def run(seed):
    torch.manual_seed(seed)
    return torch.randn(3).mean().item()


def fixed():
    torch.manual_seed(0)
    return torch.randn(3).mean().item()


scores = []
for seed in {over}:{marker}
    scores.append({made})
print(np.mean(scores), np.std(scores))
"""


def _loop(made: str, over: str = "SEEDS", seeds: str = "[0, 1, 2]", marker: str = "") -> str:
    return LOOP.format(made=made, over=over, seeds=seeds, marker=marker)


HERE = "  # <- here"
BAD = [
    program(_loop("fixed()", marker=HERE)),
    program(_loop("fixed()", over="range(5)", marker=HERE)),
    program(_loop("run(seed)", seeds=f"[7, 7, 7]{HERE}")),
    program(_loop("run(seed)", over="(1, 2, 1)", marker=HERE)),
    program(_loop("run(42)", marker=HERE)),
]
FOREST = """from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

rows, labels = load_iris(return_X_y=True)


def score(rows, labels, seed):
    forest = RandomForestClassifier(random_state={state})
    return forest.fit(rows[::2], labels[::2]).score(rows[1::2], labels[1::2])


print([score(rows, labels, {given}) for {turn} in range(5)])
"""
BAD += [program(FOREST.format(state="42", given="seed", turn="seed").replace("random_state=42)", f"random_state=42){HERE}"))]
DIRECT = """import numpy as np
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import StandardScaler

rows, labels = load_iris(return_X_y=True)
for seed in range(5):
    np.random.seed(seed)
    forest = RandomForestClassifier({state}){marker}
    {more}
    print(seed, forest.fit(StandardScaler().fit_transform(rows[::2]), labels[::2]).score(rows[1::2], labels[1::2]))
"""
BAD += [program(DIRECT.format(state="random_state=0", marker=HERE, more="print(forest)"))]
GOOD = [
    program(DIRECT.format(state="n_estimators=5", marker="", more="print(forest)")),
    program(DIRECT.format(state="random_state=seed", marker="", more="print(forest)")),
    program(DIRECT.format(state="random_state=0", marker="", more="rows = rows[np.random.permutation(len(rows))]")),
    program(FOREST.format(state="seed", given="seed", turn="seed")),
    program(FOREST.format(state="42", given="0", turn="_")),
    program(_loop("run(seed)")),
    program(_loop("run(seed + 100)", over="range(3)")),
    program(_loop("fixed() + seed")),
    program("seeds = ['a', 'a']\nprint(seeds, [1, 1])\n"),
    program("for seed in range(3):\n    print('planted')\n"),
]
