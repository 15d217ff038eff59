"""EVA124."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, argument, calls, last_name, statement_of, text_of
from gonogo.analysis.tracking.asked_keys import AskedKey
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.goodness import Better, of_name
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

_EPOCHS = re.compile(r"epoch|^ep$", re.IGNORECASE)
_TEST = re.compile(r"(?:^|[^a-z])test(?:[^a-z]|$)")
_SAYS_SO = re.compile(r"best|max|min|peak|highest|lowest|oracle|upper", re.IGNORECASE)
# Methods of a column that leave the numbers as they are.
_SAME = frozenset({"dropna", "astype", "values", "tolist", "to_numpy", "to_list", "fillna"})
PICKS = {"max": Better.LARGER, "nanmax": Better.LARGER, "amax": Better.LARGER, "min": Better.SMALLER, "nanmin": Better.SMALLER}
PICKS |= {"amin": Better.SMALLER}


@rule("EVA124", "best-epoch-of-test", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def best_epoch_of_test(asked_keys: list[AskedKey], modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The evaluation reports the best epoch's score on the test split.

    What it does:
        Looks at scores of the test split that the training logs in a loop over epochs. Speaks where the evaluation takes the best number of
        such a key over a run's history (`history["test_accuracy"].max()`), or asks the summary for it where `define_metric(…,
        summary="max")` has W&B keep it. A warning where what it is called says that it is the best. Silent of keys of the validation split,
        of the worst number, and of the best over several runs.

    Why it matters:
        The epoch is then chosen by the test split: the best of many scores is too good, and the longer a method trains, the more so
        (Cawley and Talbot, On over-fitting in model selection and subsequent selection bias, 2010).

    Instead:
        Choose the epoch by the validation split, or report the last one's score.
    """
    training = training_modules(modules, contract)
    logged = {key: place for module in training for key, place in _by_epoch(module)}
    kept = {key: better for module in training for key, better in _kept(module)}
    for asked in asked_keys:
        key = asked.key.removesuffix(".max").removesuffix(".min")
        if key not in logged:
            continue
        at = asked.node if isinstance(asked.node, ast.expr) else None
        if at is None:
            continue
        picked = _picked(asked.module, at) if asked.how == "column" else _of_summary(asked, at, kept.get(key))
        better = of_name(key)  # of a name that says nothing, what W&B is told to keep says it
        if picked is not None and picked[1] is (better if better is not None or asked.how == "column" else kept.get(key)):
            yield _violation(asked.module, picked[0], key, logged[key])
    for module in {asked.module.path: asked.module for asked in asked_keys}.values():
        for call in calls(module):
            for key in _over_history(module, call):
                if key in logged and of_name(key) is PICKS[last_name(call.func)]:
                    yield _violation(module, call, key, logged[key])


def _violation(module: Module, node: ast.expr, key: str, logged: tuple[Module, ast.AST]) -> Violation:
    statement = statement_of(module, node)
    says = {key_of for entry in ancestors(module, node) if (key_of := _name(module, entry))}
    if isinstance(statement, ast.Assign):
        says |= {ast.unparse(target) for target in statement.targets}
    return Violation(
        module.location(node),
        f"this is the best of the scores that `{key}` has in all epochs: the test split chooses the epoch",
        "choose the epoch by the validation split, or report the score of the last one",
        related=(Related(location=logged[0].location(logged[1]), label="it is logged in each epoch here"),),
        severity=Severity.WARNING if any(_SAYS_SO.search(name) for name in says) else None,
    )


def _name(module: Module, node: ast.AST) -> str:
    """The key of a dict, or the keyword, that an expression around a value is given under."""
    parent = module.parents.get(node)
    if isinstance(parent, ast.Dict):
        return next((text_of(key) or "" for key, value in zip(parent.keys, parent.values, strict=True) if value is node and key), "")
    return (parent.arg or "") if isinstance(parent, ast.keyword) else ""


def _by_epoch(module: Module) -> Iterator[tuple[str, tuple[Module, ast.AST]]]:
    """The keys of the test split that are logged in a loop over epochs, each with its place."""
    for call in calls(module):
        if last_name(call.func) != "log":
            continue
        around = (entry for entry in ancestors(module, call) if isinstance(entry, ast.For))
        if not any(_EPOCHS.search(last_name(loop.target)) for loop in around if isinstance(loop.target, ast.Name)):
            continue
        for node in ast.walk(call):
            for key in node.keys if isinstance(node, ast.Dict) else ():
                name = text_of(key) if key is not None else None
                if name is not None and _TEST.search(name.lower()):
                    yield name, (module, call)


def _kept(module: Module) -> Iterator[tuple[str, Better]]:
    """The keys whose largest or smallest number W&B is told to keep."""
    for call in calls(module):
        if last_name(call.func) == "define_metric":
            name, summary = argument(call, 0, "name"), argument(call, None, "summary")
            key, kinds = text_of(name) if name is not None else None, (text_of(summary) or "") if summary is not None else ""
            if key is not None:
                yield from ((key, PICKS[kind]) for kind in kinds.split(",") if kind in PICKS)


def _picked(module: Module, node: ast.expr) -> tuple[ast.expr, Better] | None:
    """The largest or smallest number of a column that is taken, and which of the two."""
    parent = module.parents.get(node)
    while isinstance(parent, (ast.Attribute, ast.Call)):
        if isinstance(parent, ast.Attribute) and parent.attr in PICKS:
            outer = module.parents.get(parent)
            return (outer, PICKS[parent.attr]) if isinstance(outer, ast.Call) and outer.func is parent else None
        if isinstance(parent, ast.Call) and node in parent.args:
            return (parent, PICKS[last_name(parent.func)]) if last_name(parent.func) in PICKS and len(parent.args) == 1 else None
        if isinstance(parent, ast.Attribute) and parent.attr not in _SAME:
            return None
        node, parent = parent, module.parents.get(parent)
    return None


def _of_summary(asked: AskedKey, node: ast.expr, kept: Better | None) -> tuple[ast.expr, Better] | None:
    """What is taken of the entry of a summary that holds the largest or smallest number."""
    if kept is None:
        return None
    if asked.key.endswith((".max", ".min")):
        return node, kept
    parent = asked.module.parents.get(node)
    key = text_of(parent.slice) if isinstance(parent, ast.Subscript) else None
    if isinstance(parent, ast.Attribute) and parent.attr == "get":
        outer = asked.module.parents.get(parent)
        key = text_of(outer.args[0]) if isinstance(outer, ast.Call) and outer.args else None
    return (node, PICKS[key]) if key in PICKS else None


def _over_history(module: Module, call: ast.Call) -> Iterator[str]:
    """Return the keys of a run's history over which a call takes an extreme.

    An example is `max(row["key"] for row in …)`.
    """
    given = call.args[0] if last_name(call.func) in PICKS and len(call.args) == 1 else None
    if not isinstance(given, (ast.GeneratorExp, ast.ListComp)) or len(given.generators) != 1:
        return
    rows = given.generators[0]
    if not any(isinstance(node, ast.Attribute) and node.attr in ("scan_history", "history") for node in ast.walk(rows.iter)):
        return
    element = given.elt
    if isinstance(element, ast.Call) and last_name(element.func) == "float" and len(element.args) == 1:
        element = element.args[0]
    if isinstance(element, ast.Subscript) and isinstance(element.value, ast.Name) and element.value.id == last_name(rows.target):
        key = text_of(element.slice)
        if key is not None:
            yield key


_SCORED = "        val_accuracy, val_loss = score(val_logits, val_labels)\n"
_TESTED = '        test_score, _ = score(*predict(model, loaders["test"]))\n'
_LOGGED = '"val_loss": val_loss})\n'
_READ = 'float(run.summary["test_accuracy"])'
_ENTRY = f'        "test_accuracy": {_READ},\n'
_DEFINED = Edit("    run.config.update(", '    run.define_metric("test_acc", summary="max")\n    run.config.update(')


def _tree(read: str, *more: Edit, name: str = "test_accuracy") -> Tree:
    logged = Edit(_LOGGED, _LOGGED.replace("})", ', "test_acc": test_score})'))
    entry = f'        "{name}": {read}\n' if name == "test_accuracy" else f'{_ENTRY}        "{name}": {read}\n'
    return Tree({"src/train.py": (Edit(_SCORED, _SCORED + _TESTED), logged, *more), "src/evaluate.py": Edit(_ENTRY, entry)})


HERE = "  # <- here"
BAD = [
    _tree(f'float(history["test_acc"].max()),{HERE}'),
    _tree(f'float(max(history["test_acc"].dropna())),{HERE}'),
    _tree(f'max(row["test_acc"] for row in run.scan_history(keys=["test_acc"])),{HERE}'),
    _tree(f'float(run.summary["test_acc"]["max"]),{HERE}', _DEFINED),
    _tree(f'float(run.summary["test_acc"].get("max")),{HERE}', _DEFINED),
]
GOOD = [
    _tree('float(history["test_acc"].dropna().iloc[-1]),'),
    _tree('float(history["test_acc"].min()),'),
    _tree('float(history["val_accuracy"].max()),', name="best_val_accuracy"),
    _tree('float(run.summary["test_acc"]),'),
]
