"""What rules on watched training share.

This tells whether a bounded run may rightly not step, and how evidence is reported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import Process, RunSeen, SessionSeen
from gonogo.execution.probe.gonogo_probe.events import Odd, Optimizer
from gonogo.model.finding import Severity
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree
from gonogo.rules.observed import judged

LOOKED_AT = 8  # steps of each optimizer that the probe compares
_ACCUMULATES = re.compile(r"accum|grad_acc|update_(every|freq|interval)|virtual_batch|micro_?batch", re.IGNORECASE)


def optimizers(session: SessionSeen) -> Iterator[tuple[RunSeen, Process, Optimizer]]:
    """The optimizers of runs that ended well."""
    for run in judged(session):
        for process in run.processes.values():
            for optimizer in process.optimizers.values():
                yield run, process, optimizer


def may_accumulate(modules: Mapping[str, Module], runs: list[Run]) -> bool:
    """Return whether the code or a config says that gradients are accumulated over batches.

    A bounded run has only two batches.
    """
    if any(_ACCUMULATES.search(run.text) for run in runs) or any(_ACCUMULATES.search(module.text) for module in modules.values()):
        return True
    return any(_steps_now_and_then(module.tree) for module in modules.values() if module.tree is not None)


def _steps_now_and_then(tree: ast.AST) -> bool:
    """Whether a step stands under a condition with a remainder in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and any(isinstance(part, ast.Mod) for part in ast.walk(node.test)):
            calls = (part for statement in node.body for part in ast.walk(statement) if isinstance(part, ast.Call))
            if any(isinstance(call.func, ast.Attribute) and call.func.attr == "step" for call in calls):
                return True
    return False


def names(modules: Mapping[str, Module], pattern: re.Pattern[str]) -> bool:
    """Return whether something in the code has a name that a pattern matches.

    Comments and texts do not count.
    """
    nodes = (node for module in modules.values() for node in module.of(ast.Name, ast.Attribute, ast.arg, ast.FunctionDef, ast.ClassDef))
    return any(pattern.search(_name_of(node)) for node in nodes)


def _name_of(node: ast.AST) -> str:
    return next((found for key in ("id", "attr", "arg", "name") if isinstance(found := getattr(node, key, None), str)), "")


def unless(doubtful: bool) -> Severity | None:
    """A warning where a bounded run can't prove it, else the rule's own severity."""
    return Severity.WARNING if doubtful else None


def oddities(session: SessionSeen, *kinds: str) -> Iterator[tuple[RunSeen, Odd]]:
    """What the numbers of runs that ended well show to be wrong, of some kinds."""
    for run in judged(session):
        for process in run.processes.values():
            for odd in process.odd.values():
                if odd.what in kinds and odd.wrong:
                    yield run, odd


def named(odd: Odd) -> str:
    """The name of what was found, without what tells it from others of that name."""
    return odd.name.partition("|")[0]


def beside(code: str, *, files: dict[str, str] | None = None) -> Tree:
    """The golden experiment, which runs other code first.

    Args:
        code: what is run, with the names of `src/train.py`; in a line of its own, `STEP` is a step of `optimizer` down a `loss`.
        files: further files.
    """
    lines = [f"{line[: len(line) - len(line.lstrip())]}{part}" for line in code.strip().splitlines() for part in _parts(line)]
    body = "".join(f"    {line}\n" if line else "\n" for line in lines)
    changes = (
        Edit("def train_epoch(", f"def beside() -> None:\n{body}\n\ndef train_epoch("),
        Edit("    model.train()\n", "    model.train()\n    beside()\n"),
    )
    return Tree({"src/train.py": changes, **(files or {})})


def _parts(line: str) -> tuple[str, ...]:
    marked = line.strip()
    if marked.partition("  #")[0] != "STEP":
        return (marked,)
    return ("optimizer.zero_grad()", f"loss.backward(){line.strip().removeprefix('STEP')}", "optimizer.step()")
