"""REP111."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

SEEDS = frozenset({"seed", "manual_seed", "default_rng", "RandomState", "Random", "PRNGKey"})
NUMBERS = frozenset({"int", "round", "id", "float"})


@rule("REP111", "hash-of-text", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def hash_of_text(modules: dict[str, Module]) -> Iterator[Violation]:
    """Python's `hash()` decides which part a row goes to, or what a generator is seeded with, and it differs from process to process.

    What it does:
        Speaks where the remainder of `hash(…)` is taken (`hash(name) % 10`), or a generator is seeded with it. Hashes of numbers, the
        method `__hash__`, a function of the file's own that is called `hash`, and files that speak of `PYTHONHASHSEED` are left alone.

    Why it matters:
        Hashes of texts are salted: the next process has others, so that rows change parts, and the test part of one run is the
        training part of another (Python, `object.__hash__` and `PYTHONHASHSEED`).

    Instead:
        Use a digest: `int(hashlib.md5(name.encode()).hexdigest(), 16) % 10`, or `zlib.crc32`.
    """
    for module in modules.values():
        if "PYTHONHASHSEED" in module.text or "hash" in module.definitions or "hash" in module.imports:
            continue
        for call in module.of(ast.Call):
            if (
                isinstance(call.func, ast.Name)
                and call.func.id == "hash"
                and call.args
                and not _is_number(call.args[0])
                and _decides(module, call)
            ):
                yield Violation(
                    module.location(call),
                    "`hash()` of a text is another number in each process, so that what it decides changes from run to run",
                    "use a digest such as `zlib.crc32` or `hashlib.md5`",
                )


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (int, float))
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NUMBERS


def _decides(module: Module, call: ast.Call) -> bool:
    for parent in ancestors(module, call):
        if isinstance(parent, ast.stmt):
            break
        if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mod):
            return not any(isinstance(outer, ast.FunctionDef) and outer.name == "__hash__" for outer in ancestors(module, call))
        if isinstance(parent, ast.Call) and parent.func is not call:
            name = parent.func.attr if isinstance(parent.func, ast.Attribute) else getattr(parent.func, "id", "")
            if name in SEEDS:
                return True
    return False


PROGRAM = """import zlib

import pandas as pd

users = pd.read_csv("users.csv")
users["part"] = users["name"].map(lambda name: "test" if {test} else "train"){marker}
users.to_csv("parts.csv")
"""
BAD = program(PROGRAM.format(test="hash(name) % 10 == 0", marker="  # <- here"))
GOOD = [
    program(PROGRAM.format(test="zlib.crc32(name.encode()) % 10 == 0", marker="")),
    program(PROGRAM.format(test="hash(int(name)) % 10 == 0", marker="")),
]
