"""SCI129."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.interpreter.values.tracked import Gained
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function, last_name, text_of
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.training.goodness import Better, Goodness, of_name
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.science.proposed_for_baseline import BASELINE, PROPOSED
from gonogo.rules.scores import SPLITS, WRAPPING

GAIN = re.compile(r"improv|(?:^|_)gain|uplift", re.IGNORECASE)
SIZE = re.compile(r"abs|magnitude|size|effect|margin|info", re.IGNORECASE)
BEST = re.compile(r"(?:^|_)best", re.IGNORECASE)
TURNED = re.compile(r"attack|adv|worst|pgd|hard|perturb", re.IGNORECASE)
OURS = re.compile(r"^(?:proposed|ours|our|prop|new|method)(?:_|$)", re.IGNORECASE)
THEIRS = re.compile(r"^(?:baseline|base|comparative|control|reference|ref)(?:_|$)", re.IGNORECASE)
PICKS = {"argmax": True, "idxmax": True, "nanargmax": True, "argmin": False, "idxmin": False, "nanargmin": False}


@rule("SCI129", "wrong-way-compared", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("evaluation",))
def wrong_way_compared(modules: dict[str, Module], sources: Sources, evaluation_trace: Trace | None) -> Iterator[Violation]:
    """A comparison of methods is made the wrong way round, or of numbers that can't be compared.

    What it does:
        Looks at what is called an improvement or a gain of the proposed method over a baseline, and at what is called the best. Speaks
        where the improvement of a loss or an error is what the method has more of it (or the other way round for an accuracy); where it
        is an absolute value, so that a loss of accuracy counts as well, or `max(0, …)`, so that it counts as nothing; where the score of
        one is that of another split than the other's; and where the best is the one with the largest loss or the smallest accuracy.
        Whose number is whose goes by the names in the code, and in an evaluation of documented runs by the run and the key that it was
        fetched of.

    Why it matters:
        The table says that the method wins where it loses.

    Instead:
        Subtract the baseline from the method for what is better when it is larger, the method from the baseline for what is better when it
        is smaller, and take both from the same split.
    """
    goodness = Goodness(sources.symbols)
    fetched = _fetched(evaluation_trace)
    yield from by_place(found for module in modules.values() for found in _of_module(module, goodness, fetched))


def _fetched(trace: Trace | None) -> dict[ast.AST, Gained]:
    """Yield differences of the proposed run's number and the baseline's.

    They are of what is better when it is smaller, each time they are computed.
    """
    found: dict[ast.AST, list[Gained]] = {}
    for gain in trace.of(Gained) if trace is not None else ():
        if isinstance(gain.site.node, ast.expr):
            found.setdefault(_bare(gain.site.node)[0], []).append(gain)
    return {node: gains[0] for node, gains in found.items() if all(map(_is_of_smaller, gains))}


def _is_of_smaller(gain: Gained) -> bool:
    return (
        gain.key is not None
        and of_name(gain.key) is Better.SMALLER
        and all(PROPOSED.match(run) for run in gain.ours)
        and all(BASELINE.match(run) for run in gain.theirs)
    )


def _of_module(module: Module, goodness: Goodness, fetched: dict[ast.AST, Gained]) -> Iterator[Violation]:
    for name, value in _named(module):
        if GAIN.search(name):
            told = list(_of_gain(module, name, value, goodness))
            yield from told or _of_fetched(module, name, value, fetched)
        if BEST.search(name) and not TURNED.search(name):
            yield from _of_best(module, value, goodness)


def _named(module: Module) -> Iterator[tuple[str, ast.expr]]:
    """Everything that is given a name: by an assignment, as the entry of a dict, as an argument."""
    for node in module.of(ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id, node.value
            elif isinstance(target, ast.Subscript) and (key := text_of(target.slice)) is not None:
                yield key, node.value
            elif isinstance(target, ast.Attribute):
                yield target.attr, node.value
    for entry in module.of(ast.Dict):
        for written, value in zip(entry.keys, entry.values, strict=True):
            if written is not None and (name := text_of(written)) is not None:
                yield name, value
    for keyword in module.of(ast.keyword):
        if keyword.arg is not None:
            yield keyword.arg, keyword.value


def _of_gain(module: Module, name: str, value: ast.expr, goodness: Goodness) -> Iterator[Violation]:
    value, is_absolute = _bare(value)
    if not (isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub)):
        return
    ours, theirs = value.left, value.right
    left, right = goodness.of(module, ours), goodness.of(module, theirs)
    splits = [_splits(side) for side in (ours, theirs)]
    owners = [_owner(side) for side in (ours, theirs)]
    is_first = bool(OURS.match(owners[0]) and THEIRS.match(owners[1]))
    is_second = bool(THEIRS.match(owners[0]) and OURS.match(owners[1]))
    if left not in (Better.SMALLER, Better.LARGER) or right is not left or not (is_first or is_second):
        return
    place = module.location(value)
    if is_absolute and not SIZE.search(name):
        how = "is an absolute value: it is the same whether the method is better or worse"
        how = "is never below zero: a method that is worse comes out as one that is as good" if _is_clamped(value, module) else how
        yield Violation(place, f"`{name}` {how}", "leave the sign as it is")
    elif all(splits) and not splits[0] & splits[1]:
        yield Violation(
            place,
            f"`{name}` compares the {_joined(splits[0])} score of one with the {_joined(splits[1])} score of the other",
            "compare the scores of the same split",
        )
    elif not is_absolute and left is (Better.SMALLER if is_first else Better.LARGER):
        kind = "smaller" if left is Better.SMALLER else "larger"
        yield Violation(
            place,
            f"`{name}` is positive where `{owners[0]}` has more than `{owners[1]}` of what is better when it is {kind}",
            "subtract the other way round",
        )


def _of_fetched(module: Module, name: str, value: ast.expr, fetched: dict[ast.AST, Gained]) -> Iterator[Violation]:
    value, is_absolute = _bare(value)
    gain = fetched.get(value)
    if gain is not None and not is_absolute and isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub):
        ours, theirs = sorted(gain.ours)[0], sorted(gain.theirs)[0]
        yield Violation(
            module.location(value),
            f"`{name}` is positive where `{ours}` has more of `{gain.key}` than `{theirs}`, and it is better when it is smaller",
            "subtract the other way round",
            runs=tuple(sorted(gain.ours | gain.theirs)),
        )


def _bare(value: ast.expr) -> tuple[ast.expr, bool]:
    """The difference that a gain is made of, and whether it loses its sign."""
    is_absolute = False
    while True:
        if isinstance(value, ast.Call) and last_name(value.func) in ("abs", "fabs", "absolute") and len(value.args) == 1:
            value, is_absolute = value.args[0], True
        elif (inner := _clamped(value)) is not None:
            value, is_absolute = inner, True
        elif isinstance(value, ast.Call) and last_name(value.func) in WRAPPING and value.args:
            value = value.args[0]
        elif isinstance(value, ast.BinOp) and _keeps_sign(value):
            value = value.left
        elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult) and _is_positive(value.left):
            value = value.right
        elif isinstance(value, ast.IfExp) and isinstance(value.orelse, (ast.Constant, ast.Call)) and not _asks_direction(value.test):
            value = value.body
        else:
            return value, is_absolute


def _clamped(value: ast.expr) -> ast.expr | None:
    """What `max(0, …)` keeps from falling below zero; None for anything else."""
    if not (isinstance(value, ast.Call) and last_name(value.func) in ("max", "maximum", "fmax") and len(value.args) == 2):
        return None
    others = [entry for entry in value.args if not (isinstance(entry, ast.Constant) and entry.value == 0)]
    return others[0] if len(others) == 1 else None


def _is_clamped(value: ast.expr, module: Module) -> bool:
    return any(isinstance(entry, ast.expr) and _clamped(entry) is not None for entry in ancestors(module, value))


def _keeps_sign(value: ast.BinOp) -> bool:
    """Whether a quotient or product has the sign of its left side."""
    return not _is_signed(value.right) if isinstance(value.op, ast.Div) else isinstance(value.op, ast.Mult) and _is_positive(value.right)


def _is_positive(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and node.value > 0


def _is_signed(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) or (isinstance(node, ast.Constant) and not _is_positive(node))


def _asks_direction(test: ast.expr) -> bool:
    """Whether a condition is about which way a metric is better."""
    return bool(re.search(r"better|direction|lower|higher|minimi|maximi|metric|sign|loss", ast.unparse(test), re.IGNORECASE))


def _splits(node: ast.expr) -> set[str]:
    """The splits that the keys and names of an expression speak of."""
    found = set()
    for entry in ast.walk(node):
        name = text_of(entry) or getattr(entry, "attr", "") or getattr(entry, "id", "")
        found |= {SPLITS[word] for word in re.split(r"[^a-z]+", str(name).lower()) if word in SPLITS}
    return found


def _joined(splits: set[str]) -> str:
    return " and ".join(sorted(splits))


def _owner(node: ast.expr) -> str:
    """Return the name that a number belongs to.

    It is `proposed` for `proposed["accuracy"]` and for `max(row["accuracy"] for row in proposed["history"])`.
    """
    names = [entry.id for entry in ast.walk(node) if isinstance(entry, ast.Name) and isinstance(entry.ctx, ast.Load)]
    known = [name for name in names if OURS.match(name) or THEIRS.match(name)]
    return known[0] if known else names[-1] if names else ""


# -- what is called the best -----------------------------------------------------------------------------------------------------


def _of_best(module: Module, value: ast.expr, goodness: Goodness) -> Iterator[Violation]:
    function = enclosing_function(module, value)
    if function is not None and TURNED.search(function.name):
        return
    for node in ast.walk(value):
        found = _picked(module, node, goodness) if isinstance(node, ast.Call) else None
        if found is None:
            continue
        better, largest = found
        if better is (Better.SMALLER if largest else Better.LARGER) and not _is_within_negation(module, node):
            kind, other = ("smaller", "largest") if largest else ("larger", "smallest")
            yield Violation(
                module.location(node),
                f"what is called the best has the {other} of what is better when it is {kind}",
                f"take the {'smallest' if largest else 'largest'}",
            )


def _picked(module: Module, call: ast.Call, goodness: Goodness) -> tuple[Better | None, bool] | None:
    """Return the quantity by which something is chosen, and whether the largest is taken.

    Examples: `max(runs, key=…)`, `table["loss"].idxmax()`, `np.argmax(losses)`.
    """
    name = last_name(call.func)
    if name in ("max", "min") and isinstance(call.func, ast.Name):
        key = next((entry.value for entry in call.keywords if entry.arg == "key"), None)
        return (goodness.of(module, key.body), name == "max") if isinstance(key, ast.Lambda) else None
    if name in PICKS and isinstance(call.func, ast.Attribute):
        own = call.func.value
        is_function = isinstance(own, ast.Name) and own.id in ("np", "numpy", "torch", "jnp")
        given = (call.args[0] if call.args else None) if is_function else own
        return (goodness.of(module, given), PICKS[name]) if given is not None else None
    return None


def _is_within_negation(module: Module, node: ast.AST) -> bool:
    return any(isinstance(entry, ast.UnaryOp) for entry in ancestors(module, node))


_RATE = '"improvement_rate": (proposed["test_accuracy"] - baseline["test_accuracy"]) / baseline["test_accuracy"],\n'
_END = '"comparisons": comparisons}'


def _rate(text: str) -> Tree:
    return Tree({"src/evaluate.py": Edit(_RATE, f'"improvement_rate": {text}\n')})


def _best(text: str) -> Tree:
    line = f"    chosen = {text}\n"
    return Tree(
        {
            "src/evaluate.py": (
                Edit(_END, '"comparisons": comparisons, "best_run": best_run}'),
                Edit("    comparison_dir.mkdir(", f"{line.replace('chosen', 'best_run')}    comparison_dir.mkdir("),
            )
        }
    )


HERE = "  # <- here"
_LOSSES = 'proposed["test_loss"] - baseline["test_loss"]'
BAD = [
    _rate(f'abs(proposed["test_accuracy"] - baseline["test_accuracy"]) / baseline["test_accuracy"],{HERE}'),
    _rate(f'({_LOSSES}) / baseline["test_loss"],{HERE}'),
    _rate(f'round(100.0 * ({_LOSSES}) / baseline["test_loss"], 2),{HERE}'),
    _rate(f'(baseline["test_accuracy"] - proposed["test_accuracy"]) / baseline["test_accuracy"],{HERE}'),
    _rate(f'max(row["val_accuracy"] for row in proposed["history"]) - baseline["test_accuracy"],{HERE}'),
    _best(f'max(runs, key=lambda run: run["test_loss"])["run_id"]{HERE}'),
    _best(f'table.loc[table["test_loss"].idxmax(), "run_id"]{HERE}'),
    _best(f'min(runs, key=lambda run: run["test_accuracy"])["run_id"]{HERE}'),
    program("import numpy as np\n\nval_losses = [0.3, 0.2]\nbest_epoch = int(np.argmax(val_losses))  # <- here\nprint(best_epoch)\n"),
]
GOOD = [
    program("loss, before = 0.2, 0.3\nimprovement = abs(before - loss)\nprint(improvement)\n"),
    program("train_acc, test_acc = 0.9, 0.8\ngain = train_acc - test_acc\nprint(gain)\n"),
    _rate('(baseline["test_loss"] - proposed["test_loss"]) / baseline["test_loss"],'),
    _rate(f'-({_LOSSES}) / baseline["test_loss"],'),
    _rate(f'({_LOSSES}) / baseline["test_loss"] * (-1 if True else 1),'),
    _rate('(proposed["test_accuracy"] - proposed["history"][0]["val_accuracy"]) / baseline["test_accuracy"],'),
    Tree({"src/evaluate.py": Edit(_RATE, '"improvement_magnitude": abs(proposed["test_accuracy"] - baseline["test_accuracy"]),\n')}),
    Tree({"src/evaluate.py": Edit(_RATE, f'"relative_change": ({_LOSSES}) / baseline["test_loss"],\n')}),
    _best('min(runs, key=lambda run: run["test_loss"])["run_id"]'),
    _best('max(runs, key=lambda run: -run["test_loss"])["run_id"]'),
    _best('table.loc[table["test_accuracy"].idxmax(), "run_id"]'),
    program("import numpy as np\n\nattack_losses = [0.3, 0.2]\nbest_attack = int(np.argmax(attack_losses))\nprint(best_attack)\n"),
]
