"""OPT105."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.names import all_parsed, calls, enclosing_function, last_name, origin, statement_of
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

BEST = frozenset({"best_params", "best_trial", "best_trials", "best_value"})
# What else may carry the best parameters on; then nothing is said.
OTHER_WAYS = frozenset({"trials", "get_trials", "trials_dataframe", "best_config", "best_cfg", "best_hparams", "best_hyperparameters"})
# What makes something new of what it is given: where the result is thrown away, nothing has happened.
MAKES_NEW = frozenset({"OmegaConf.merge", "omegaconf.OmegaConf.merge", "dict", "copy.deepcopy", "copy.copy", "dict.copy"})
SHOWN_BY = ("print", "pprint", "log", "logger", "logging", "console", "tqdm", "warnings")


@rule("OPT105", "best-not-used", criterion=7, severity=Severity.ERROR, stage=Stage.CHECK, settles=("search",))
def best_not_used(modules: dict[str, Module]) -> Iterator[Violation]:
    """The best parameters are searched for and never applied.

    What it does:
        Follows what becomes of a study after `optimize`: its best parameters must be read by more than a message. What a function returns
        is followed to its callers, and counts for nothing where all of them throw it away.
        Silent where the study itself is returned, stored or handed on, where the trials are gone through one by one,
        and where the objective keeps the best of its trials itself.

    Why it matters:
        The search costs most of the run's time, and the reported result is that of the default settings.

    Instead:
        Train the final model with `study.best_params`.
    """
    if not all_parsed(modules) or any(_applies(module, modules) for module in modules.values()):
        return
    for module in modules.values():
        for call in calls(module):
            study = call.func.value if isinstance(call.func, ast.Attribute) and call.func.attr == "optimize" else None
            if isinstance(study, ast.Name) and _is_study(module, study) and not _escapes(module, study):
                yield Violation(
                    module.location(call),
                    "the best parameters of the search are never applied",
                    f"train the final model with `{study.id}.best_params`",
                )


def _applies(module: Module, modules: dict[str, Module]) -> bool:
    """Return whether best parameters are read for more than a message.

    Also true if the trials are iterated over, or the objective keeps the best itself.
    """
    for node in module.of(ast.Nonlocal, ast.Global, ast.Subscript, ast.Attribute, ast.Constant):
        if _keeps_best(node):
            return True
        name = node.attr if isinstance(node, ast.Attribute) else node.value if isinstance(node, ast.Constant) else None
        if not isinstance(name, str):
            continue
        if name in OTHER_WAYS and isinstance(node, ast.Attribute):
            return True
        is_read = name in BEST and not (isinstance(node, ast.Constant) and _is_subscript_key(module, node))
        if is_read and not _is_shown(module, node) and not _is_thrown_away(module, node, modules):
            return True
    return False


def _is_thrown_away(module: Module, node: ast.AST, modules: dict[str, Module]) -> bool:
    """Return whether a value only goes into a return value that every caller ignores."""
    statement, function = statement_of(module, node), enclosing_function(module, node)
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and origin(module, statement.value.func) in MAKES_NEW:
        return True
    if not isinstance(statement, ast.Return) or function is None:
        return False
    uses = [
        (other, use)
        for other in modules.values()
        for use in other.of(ast.Name, ast.Attribute, ast.Constant)
        if (use.value == function.name if isinstance(use, ast.Constant) else last_name(use) == function.name)
    ]
    return bool(uses) and all(_drops(other, use) for other, use in uses)


def _drops(module: Module, use: ast.expr) -> bool:
    """Whether a function is called here, and what it returns goes nowhere."""
    call = module.parents.get(use)
    if not isinstance(call, ast.Call) or call.func is not use:
        return False
    outer = module.parents.get(call)
    if isinstance(outer, ast.Call) and call in outer.args and origin(module, outer.func) in MAKES_NEW:
        outer = module.parents.get(outer)
    return isinstance(outer, ast.Expr)


def _keeps_best(node: ast.AST) -> bool:
    """Whether a statement carries something called best out of the function it stands in."""
    if isinstance(node, (ast.Nonlocal, ast.Global)):
        return any("best" in name.lower() for name in node.names)
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        return "best" in qualified_name(node.value).lower()
    return False


def _is_subscript_key(module: Module, node: ast.AST) -> bool:
    """Whether a text only names a place to store something under."""
    parent = module.parents.get(node)
    return isinstance(parent, (ast.Dict, ast.Subscript, ast.JoinedStr))


def _is_shown(module: Module, node: ast.AST) -> bool:
    """Whether the statement around a node only prints or logs."""
    statement = statement_of(module, node)
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    return any(part.strip("_").lower() in SHOWN_BY for part in qualified_name(statement.value.func).split("."))


def _is_study(module: Module, name: ast.Name) -> bool:
    """Whether a name is bound to a new Optuna study, and to nothing else."""
    values = module.assigned.get(name.id, [])
    return bool(values) and all(isinstance(value, ast.Call) and origin(module, value.func).startswith("optuna.") for value in values)


def _escapes(module: Module, study: ast.Name) -> bool:
    """Return whether the study is used as a whole anywhere.

    Then its best parameters may be read where we can't see it.
    """
    return any(
        isinstance(node.ctx, ast.Load) and not isinstance(module.parents.get(node), ast.Attribute) and not _is_shown(module, node)
        for node in module.named.get(study.id, ())
    )


BAD = [
    Tree(
        {
            "src/train.py": (
                Edit(
                    "    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)\n",
                    "    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)  # <- here\n    print(study.best_params)\n",
                ),
                Edit("    return study.best_params\n", "    return {}\n"),
            )
        }
    ),
    Tree(
        {
            "src/train.py": (
                Edit(
                    "    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)\n",
                    "    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)  # <- here\n",
                ),
                Edit("    found = search(cfg) if", "    search(cfg)\n    found = {} if"),
            )
        }
    ),
]
GOOD = Tree({"src/train.py": Edit("    return study.best_params\n", "    return study.best_trial.params\n")})
