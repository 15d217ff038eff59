"""NUM125."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, last_name, origin, text_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

AVERAGES = ("micro", "macro", "weighted")
AVERAGED = frozenset(
    {"f1_score", "precision_score", "recall_score", "fbeta_score", "jaccard_score", "roc_auc_score", "average_precision_score"}
)
# Words of a name, and those of other metrics: a number under such a name is not what the function computes.
METRICS = {
    "precision_score": ("precision", ("recall", "sensitivity", "f1")),
    "recall_score": ("recall", ("precision", "specificity", "f1")),
    "f1_score": ("f1", ("precision", "recall", "accuracy", "acc")),
    "accuracy_score": ("acc", ("precision", "recall", "f1", "auc", "auroc")),
    "mean_squared_error": ("mse", ("rmse", "mae")),
    "root_mean_squared_error": ("rmse", ("mse", "mae")),
    "mean_absolute_error": ("mae", ("mse", "rmse")),
    "r2_score": ("r2", ("mse", "mae", "rmse")),
    "roc_auc_score": ("auc", ("accuracy", "acc", "f1")),
}
# Words of widths of numbers, beside which a precision is no metric.
WIDTHS = frozenset({"mixed", "half", "full", "single", "double", "low", "high", "reduced", "float", "fp16", "fp32", "bf16", "int8"})
SAID = frozenset({*AVERAGES, *(word for _, others in METRICS.values() for word in others)})
ERRORS = frozenset({"mean_squared_error", "root_mean_squared_error", "mean_absolute_error", "r2_score"})


@rule("NUM125", "other-metric-named", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def other_metric_named(modules: dict[str, Module]) -> Iterator[Violation]:
    """A metric is stored or shown under the name of another one.

    What it does:
        Looks at metrics of scikit-learn whose result goes, as it is, into a dictionary, a variable, a keyword or `print`, under a name.
        Speaks where the name says `macro` and the call `average="micro"`, or the like; and where the name is that of another metric, such
        as `rmse` for `mean_squared_error`. Silent where the name has the metric's own word too, and where anything is done to the
        result, there or later in the file (a root); where what is scored has the word too, which is then that of a model, task or data set;
        and about what is the same number: micro averages, the recall of the other class as the specificity.

    Why it matters:
        The number is compared with those of others under the name: a micro-averaged F1 is the accuracy, and hides rare classes.

    Instead:
        Compute what the name says, or name what is computed.
    """
    for module in modules.values():
        for call in module.of(ast.Call):
            dotted = origin(module, call.func)
            if not dotted.startswith("sklearn.metrics."):
                continue
            metric = dotted.rpartition(".")[2]
            name, is_text = _name(module, call)
            problem = _problem(metric, call, name, is_text) if name else ""
            if problem and not _is_meant(module, metric, call, name):
                sure = "weighted" not in _words(name)
                yield Violation(
                    module.location(call),
                    f"`{name}` is {problem}",
                    "compute what the name says, or name what is computed",
                    severity=None if sure else Severity.WARNING,
                )


def _words(text: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", text.lower()))


def _is_meant(module: Module, metric: str, call: ast.Call, name: str) -> bool:
    """Whether a name may be right: it is that of what is scored, or something is done to the number later."""
    words = _words(name)
    scored = [*call.args, *(entry.value for entry in call.keywords if entry.arg not in ("average", "squared"))]
    if words & {word for entry in scored for word in _words(ast.unparse(entry))} & SAID:
        return True
    if any(entry.arg is None for entry in call.keywords):
        return True  # options that are handed over may say so
    if "acc" in words and re.search(r"gyr|accelero|magneto|\bimu\b", module.text, re.IGNORECASE):
        return True
    if "precision" in words and words & WIDTHS:
        return True
    if "f1" in words and re.search(r"""["'](?:\w{0,20}_)?f3["']""", module.text, re.IGNORECASE):
        return True  # a number of three: folds, features
    return metric in ERRORS and (bool(words & {"squared", "square", "sq"}) or _takes_root(module))


def _takes_root(module: Module) -> bool:
    """Whether a file takes the root, or the square, of something that is not an error right away."""
    for call in module.of(ast.Call):
        if last_name(call.func) in ("sqrt", "pow", "power", "square") and not _is_of_error(call.args):
            return True
    powers = (node for node in module.of(ast.BinOp, ast.AugAssign) if isinstance(node.op, ast.Pow))
    return any(isinstance(node, ast.AugAssign) or not _is_of_error([node.left]) for node in powers)


def _is_of_error(nodes: list[ast.expr]) -> bool:
    return any(isinstance(inner, ast.Call) and last_name(inner.func) in ERRORS for node in nodes for inner in ast.walk(node))


def _name(module: Module, call: ast.Call) -> tuple[str, bool]:
    """The name under which a result is kept, and whether it is a text; empty where there is none."""
    node: ast.AST = call
    around = module.parents.get(node)
    while (
        isinstance(around, ast.Call)
        and isinstance(around.func, ast.Name)
        and around.func.id in ("float", "round")
        and around.args[0] is node
    ):
        node, around = around, module.parents.get(around)
    if isinstance(around, ast.Assign) and len(around.targets) == 1:
        target = around.targets[0]
        if isinstance(target, ast.Subscript):
            return text_of(target.slice) or "", True
        return last_name(target), False
    if isinstance(around, ast.Dict):
        index = next((index for index, value in enumerate(around.values) if value is node), None)
        return (text_of(around.keys[index]) or "") if index is not None else "", True
    if isinstance(around, ast.Call) and isinstance(around.func, ast.Name) and around.func.id == "print":
        place = around.args.index(node) if isinstance(node, ast.expr) and node in around.args else 0
        label = text_of(around.args[place - 1]) if place else None
        return label or "", True
    return "", False


def _problem(metric: str, call: ast.Call, name: str, is_text: bool) -> str:
    """What is wrong with a name.

    A variable such as `acc` often holds whatever is the score, and says little; `rmse` says what it is.
    """
    words = _words(name)
    average = text_of(argument(call, None, "average"))
    if metric in AVERAGED and average in AVERAGES:
        said = [word for word in AVERAGES if word in words]
        is_metric = words & {"f1", "f", "fbeta", "precision", "recall", "auc", "auroc", "jaccard", "score", "ap"}
        if said and average not in said and is_metric:
            return f'computed with `average="{average}"`'
    if average == "micro" or argument(call, None, "pos_label") is not None or _is_inverted(call):
        return ""
    own, others = METRICS.get(metric, ("", ()))
    if (
        not own
        or not (is_text or metric in ERRORS)
        or (any(own in word for word in words) and not any(other in words and own in other for other in others))
    ):
        return ""
    if metric == "mean_squared_error" and isinstance(squared := argument(call, None, "squared"), ast.expr):
        return "" if not (isinstance(squared, ast.Constant) and squared.value is True) else "the mean squared error"
    wrong = next((other for other in others if other in words), None)
    return f"the result of `{metric}`" if wrong and own not in words else ""


def _is_inverted(call: ast.Call) -> bool:
    """Whether labels are those of the other class: `recall_score(1 - wanted, 1 - guess)`."""
    for inner in (inner for entry in call.args[:2] for inner in ast.walk(entry)):
        if isinstance(inner, (ast.UnaryOp, ast.BinOp)) or (
            isinstance(inner, ast.Compare) and isinstance(inner.ops[0], (ast.Eq, ast.NotEq))
        ):
            return True
    return False


PROGRAM = """import numpy as np
from sklearn.metrics import accuracy_score, f1_score, mean_squared_error, precision_score

data = np.load("guesses.npz")
wanted, guess = data["wanted"], data["guess"]
{line}
print(result)
"""


def _program(line: str) -> str:
    return PROGRAM.format(line=line)


BAD = [
    program(_program('result = {"macro_f1": f1_score(wanted, guess, average="micro")}  # <- here')),
    program(_program('result = {}\nresult["F1 (weighted)"] = float(f1_score(wanted, guess, average="macro"))  # <- here')),
    program(_program("result = rmse = 0\nrmse = mean_squared_error(wanted, guess)  # <- here")),
    program(_program('result = 0\nprint("recall", precision_score(wanted, guess))  # <- here')),
    program(_program("result = {}\nresult['test_f1'] = round(accuracy_score(wanted, guess), 3)  # <- here")),
]
GOOD = [
    program(_program('result = {"macro_f1": f1_score(wanted, guess, average="macro")}')),
    program(_program('result = {"f1": f1_score(wanted, guess, average="micro")}')),
    program(_program("result = rmse = mean_squared_error(wanted, guess) ** 0.5")),
    program(_program("result = 0\nrmse = np.sqrt(mean_squared_error(wanted, guess))")),
    program(_program("result = 0\nrmse = mean_squared_error(wanted, guess, squared=False)")),
    program(_program('result = {"macro": 0, "micro": f1_score(wanted, guess, average="micro")}')),
    program(_program('result = 0\nprint("accuracy", accuracy_score(wanted, guess), "f1", f1_score(wanted, guess))')),
    program(_program("result = 0\nacc = f1_score(wanted, guess)")),
    program(_program("result = 0\nmse = mean_squared_error(wanted, guess)")),
]
