"""WDB107."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.code.modules import Module, qualified_name
from gonogo.code.names import functions
from gonogo.code.tracking import handles, is_init, training_modules
from gonogo.contract import Contract
from gonogo.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, rule


@rule("WDB107", "log-after-finish", criterion=6, severity=Severity.ERROR, stage=Stage.CHECK)
def log_after_finish(modules: dict[str, Module], contract: Contract) -> Iterator[Fault]:
    """Something is logged after the run was finished.

    What it does:
        Looks for a `finish()` of a run, and for `log` or `summary` of the same run in a later statement of the same
        block, with no new run begun in between.

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


def _in_block(module: Module, block: list[ast.stmt], names: set[str]) -> Iterator[Fault]:
    finished: ast.stmt | None = None
    for statement in block:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        inner = list(ast.walk(statement))
        if any(isinstance(node, ast.Call) and is_init(module, node) for node in inner):
            finished = None
        use = next((node for node in inner if _uses(node, names)), None)
        if finished is not None and use is not None:
            yield Fault(
                module.location(use),
                "this is logged after the run was finished, which W&B refuses",
                "finish the run after the last thing that is logged",
                related=(Related(location=module.location(finished), label="the run is finished here"),),
            )
            return
        if isinstance(statement, ast.Expr) and _is_finish(statement.value, names):
            finished = statement


def _is_finish(node: ast.expr, names: set[str]) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "finish"
        and qualified_name(node.func.value) in names
    )


def _uses(node: ast.AST, names: set[str]) -> bool:
    """Whether a node logs: `run.log(…)`, `run.summary[…] = …`, `run.summary.update(…)`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner = qualified_name(node.func.value)
        return (node.func.attr == "log" and owner in names) or (
            node.func.attr == "update" and owner.removesuffix(".summary") in names and owner.endswith(".summary")
        )
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        owner = qualified_name(node.value)
        return owner.endswith(".summary") and owner.removesuffix(".summary") in names
    return False


BAD = [
    Tree({"src/train.py": Edit("    run.finish()\n", '    run.finish()\n    wandb.log({"done": 1})  # <- here\n')}),
    Tree({"src/train.py": Edit("    run.finish()\n", '    wandb.finish()\n    run.summary["done"] = 1  # <- here\n')}),
]
GOOD = Tree({"src/train.py": Edit("    run.finish()\n", '    wandb.log({"done": 1})\n    run.finish()\n')})
