"""DAT106."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.code.modules import Module
from gonogo.code.names import calls, text_of
from gonogo.code.tracking import training_modules
from gonogo.contract import Contract
from gonogo.finding import Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, rule

TEST = re.compile(
    r"^(?:x_|y_)?test(?:_?(?:loader|dl|ds|set|data|dataset|dataloader|split|images|labels|iter|x|y))?$|^(?:loader|data|ds)_test$",
    re.IGNORECASE,
)
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@rule("DAT106", "search-on-test-data", criterion=3, severity=Severity.ERROR, stage=Stage.CHECK)
def search_on_test_data(modules: dict[str, Module], contract: Contract) -> Iterator[Fault]:
    """The search chooses its parameters on the test data.

    What it does:
        Follows, within the function that `study.optimize` is given, what the returned value is made of. Speaks where it
        comes from something that is called the test data (`test_loader`, `loaders["test"]`, `score(model, "test")` …).

    Why it matters:
        The parameters are then fitted to the very images that the result is reported on: the result says nothing about
        new ones.

    Instead:
        Score trials on a validation split, or on held-out data that the evaluation never sees.
    """
    for module in training_modules(modules, contract):
        for objective in _objectives(module):
            place = _test_data_in_return(objective)
            if place is not None:
                yield Fault(
                    module.location(place),
                    "the search scores its trials on the test data",
                    "score trials on a validation split, or on held-out data that the evaluation never sees",
                )


def _objectives(module: Module) -> Iterator[FunctionNode]:
    """Every function that a study optimises, by its name or as it stands."""
    by_name: dict[str, list[FunctionNode]] = {}
    for node in module.of(ast.FunctionDef, ast.AsyncFunctionDef):
        by_name.setdefault(node.name, []).append(node)
    for call in calls(module):
        if not (isinstance(call.func, ast.Attribute) and call.func.attr == "optimize" and call.args):
            continue
        given = call.args[0]
        if isinstance(given, ast.Lambda) and isinstance(given.body, ast.Call):
            given = given.body.func
        is_method = isinstance(given, ast.Attribute) and isinstance(given.value, ast.Name) and given.value.id == "self"
        name = given.id if isinstance(given, ast.Name) else given.attr if isinstance(given, ast.Attribute) and is_method else ""
        if len(by_name.get(name, [])) == 1:
            yield by_name[name][0]


def _test_data_in_return(function: FunctionNode) -> ast.expr | None:
    """The test data from which the returned value is made, by names alone, nested functions left out."""
    tainted: dict[str, ast.expr] = {}
    statements = sorted(_statements(function), key=lambda entry: entry.lineno)
    for statement in statements:
        value = getattr(statement, "value", None)
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and value is not None:
            source = _source(value, tainted)
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for name in (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)):
                if source is not None and not TEST.match(name):
                    tainted[name] = source
                elif source is None:
                    tainted.pop(name, None)
    for statement in statements:
        if isinstance(statement, ast.Return) and statement.value is not None:
            return _source(statement.value, tainted)
    return None


def _source(node: ast.expr, tainted: dict[str, ast.expr]) -> ast.expr | None:
    """The test data in an expression: in a call's arguments, or what a name was made of before."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and inner.id in tainted:
            return tainted[inner.id]
        if isinstance(inner, ast.Call):
            given = [*inner.args, *(keyword.value for keyword in inner.keywords)]
            found = next((entry for entry in given if _is_test(entry) or (_names_split(inner) and text_of(entry) == "test")), None)
            if found is not None:
                return found
    return None


def _names_split(call: ast.Call) -> bool:
    """Whether a text that a call is given may name a split: not the parameter of a trial, nor a key that is looked up."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    return not name.startswith(("suggest_", "set_", "get")) and name != "report"


def _is_test(node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        return TEST.match(node.id) is not None
    if isinstance(node, ast.Attribute):
        return TEST.match(node.attr) is not None
    return isinstance(node, ast.Subscript) and (text_of(node.slice) or "").lower() == "test"


def _statements(function: FunctionNode) -> Iterator[ast.stmt]:
    pending: list[ast.AST] = list(function.body) if isinstance(function.body, list) else []
    while pending:
        node = pending.pop()
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            pending += ast.iter_child_nodes(node)


RETURN = "        return scores[cfg.run.optuna.metric]\n"
FITTED = "        _, scores = fit(cfg, suggested, log_to_wandb=False)\n"
LOADERS = (
    '        model, scores = fit(cfg, suggested, log_to_wandb=False)\n        test_loader = build_loaders(cfg.run.dataset, False)["test"]\n'
)
NAMED = "        accuracy = accuracy_on({given}){marker}\n        return accuracy\n"
BAD = [
    Tree(
        {
            "src/train.py": (
                Edit(FITTED, f"{LOADERS}        logits, labels = predict(model, test_loader)  # <- here\n"),
                Edit(RETURN, "        accuracy, _ = score(logits, labels)\n        return accuracy\n"),
            )
        }
    ),
    Tree({"src/train.py": Edit(RETURN, NAMED.format(given='cfg, suggested, "test"', marker="  # <- here"))}),
]
GOOD = [
    Tree({"src/train.py": Edit(FITTED, f"{LOADERS}        print(predict(model, test_loader))\n")}),
    Tree({"src/train.py": Edit(RETURN, NAMED.format(given='cfg, trial.suggest_float("test", 0, 1), "validation"', marker=""))}),
]
