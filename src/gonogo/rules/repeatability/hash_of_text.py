"""REP111."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, last_name
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

SEEDS = frozenset({"seed", "manual_seed", "default_rng", "RandomState", "Random", "PRNGKey"})
NUMBERS = frozenset({"int", "round", "id", "float", "len", "sum", "bool", "ord"})
# Names that are given to numbers, and to texts: a tuple may hold either.
_NUMBER = re.compile(
    r"(?:^|_)(?:seeds?|epochs?|index|indices|idx|i|j|n|steps?|ranks?|counts?|num|shape|size|offset|update|worker|sum|item)$"
)
_TEXT = re.compile(r"(?:^|_)(?:names?|paths?|files?|filename|texts?|strings?|str|urls?|words?|sentences?|keys?|uuid|titles?|labels?)$")
_TEXT_GIVERS = frozenset({"str", "repr", "format", "join", "lower", "upper", "strip", "encode", "hex", "as_posix", "dumps", "basename"})


@rule("REP111", "hash-of-text", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def hash_of_text(modules: dict[str, Module]) -> Iterator[Violation]:
    """Python's `hash()`, which differs between processes, decides a row's part or a generator's seed.

    What it does:
        Speaks where the remainder of `hash(…)` is taken (`hash(name) % 10`), or a generator is seeded with it. Hashes of numbers, tuples
        in which nothing is known to be a text, the method `__hash__`, a function of the file's own that is called `hash`, and files that
        speak of `PYTHONHASHSEED` are left alone.

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
                and _may_be_text(call.args[0])
                and _decides(module, call)
            ):
                yield Violation(
                    module.location(call),
                    "`hash()` of a text is another number in each process, so that what it decides changes from run to run",
                    "use a digest such as `zlib.crc32` or `hashlib.md5`",
                )


def _may_be_text(node: ast.expr) -> bool:
    """Return whether a text may be hashed.

    A tuple or a sum must contain one; for a single name it is enough that it is not that of a number.
    """
    if isinstance(node, (ast.Tuple, ast.BinOp)) or (isinstance(node, ast.Call) and last_name(node.func) in ("tuple", "frozenset")):
        return any(_is_text(inner) for inner in ast.walk(node))
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (str, bytes))
    if isinstance(node, ast.Call):
        return last_name(node.func) not in NUMBERS and not _NUMBER.search(last_name(node.func))
    return not _NUMBER.search(last_name(node))


def _is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (str, bytes)) and node.value != ""
    if isinstance(node, ast.Call):
        return last_name(node.func) in _TEXT_GIVERS
    return isinstance(node, ast.JoinedStr) or (isinstance(node, (ast.Name, ast.Attribute)) and _TEXT.search(last_name(node)) is not None)


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
