"""WDB107."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.names import functions
from gonogo.analysis.tracking.wandb_runs import handles, is_init, training_modules
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule("WDB107", "log-after-finish", criterion=6, severity=Severity.ERROR, stage=Stage.CHECK, settles=("tracking",))
def log_after_finish(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """Something is logged after the run was finished.

    What it does:
        Looks for a `finish()` of a run, or the end of its `with` block, and for `log` or `summary` of the same run, or a
        member of `wandb.run`, in a later statement of the same block, with no new run begun in between.

    Why it matters:
        W&B raises an error there: the run ends as failed after all its work, and what was to be logged is lost.

    Instead:
        Finish the run after the last thing that is logged, best with `with wandb.init(…) as run:`.
    """
    for module in training_modules(modules, contract):
        names = handles(module)
        if not names:
            continue
        for function in functions(module):
            for block in _blocks(function):
                yield from _in_block(module, block, names)


def _blocks(function: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(function):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and (
                node is function or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            ):
                yield block


def _in_block(module: Module, block: list[ast.stmt], names: set[str]) -> Iterator[Violation]:
    finished: ast.stmt | None = None
    for statement in block:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        inner = list(ast.walk(statement))
        if any(isinstance(node, ast.Call) and is_init(module, node) for node in inner):
            finished = None
        use = None if _looks_first(statement) else next((node for node in inner if _uses(node, names)), None)
        if finished is not None and use is not None:
            yield Violation(
                module.location(use),
                "this is logged after the run was finished, which W&B refuses"
                if not _is_of_current_run(use)
                else "`wandb.run` is None once the run is finished",
                "finish the run after the last thing that is logged or read from it",
                related=(Related(location=module.location(finished), label="the run is finished here"),),
            )
            return
        if _finishes(module, statement, names):
            finished = statement


def _finishes(module: Module, statement: ast.stmt, names: set[str]) -> bool:
    """Whether the run is over after a statement: `run.finish()`, the end of `with wandb.init(…)`."""
    if isinstance(statement, ast.With):
        return any(isinstance(item.context_expr, ast.Call) and is_init(module, item.context_expr) for item in statement.items)
    return isinstance(statement, ast.Expr) and _is_finish(statement.value, names)


def _looks_first(statement: ast.stmt) -> bool:
    """Whether a statement asks whether there is a run at all."""
    return isinstance(statement, ast.If) and any(
        isinstance(node, ast.Attribute) and node.attr == "run" for node in ast.walk(statement.test)
    )


def _is_of_current_run(node: ast.AST) -> bool:
    """Whether a node is a member of `wandb.run`, such as its address."""
    return isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and qualified_name(node.value) == "wandb.run"


def _is_finish(node: ast.expr, names: set[str]) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "finish"
        and qualified_name(node.func.value) in names
    )


def _uses(node: ast.AST, names: set[str]) -> bool:
    """Return whether a node logs or needs the current run.

    Logging is `run.log(…)`, `run.summary[…] = …` or `run.summary.update(…)`.
    """
    if _is_of_current_run(node):
        return "wandb" in names
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner = qualified_name(node.func.value)
        return (node.func.attr == "log" and owner in names) or (
            node.func.attr == "update" and owner.removesuffix(".summary") in names and owner.endswith(".summary")
        )
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        owner = qualified_name(node.value)
        return owner.endswith(".summary") and owner.removesuffix(".summary") in names
    return False


FINISH = "    run.finish()\n"
BAD = [
    Tree({"src/train.py": Edit(FINISH, '    run.finish()\n    wandb.log({"done": 1})  # <- here\n')}),
    Tree({"src/train.py": Edit(FINISH, '    wandb.finish()\n    run.summary["done"] = 1  # <- here\n')}),
    Tree({"src/train.py": Edit(FINISH, "    run.finish()\n    print(wandb.run.url)  # <- here\n")}),
    Tree(
        {
            "src/train.py": Edit(
                FINISH, '    with wandb.init(project="more") as more:\n        more.log({"x": 1})\n    wandb.log({"y": 1})  # <- here\n'
            )
        }
    ),
]
GOOD = [
    Tree({"src/train.py": Edit(FINISH, '    wandb.log({"done": 1})\n    run.finish()\n    print(run.url)\n')}),
    Tree({"src/train.py": Edit(FINISH, "    run.finish()\n    if wandb.run is not None:\n        print(wandb.run.url)\n")}),
]
