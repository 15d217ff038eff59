"""REP123."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, body_nodes, functions, last_name, origin
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

WHICH = frozenset({"argmax", "argmin", "argsort"})
UNORDERED = frozenset({"imap_unordered"})


@rule("REP123", "order-of-completion", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def order_of_completion(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """Results in the order in which workers finish are put beside what was asked for.

    What it does:
        Looks at lists of results that are made over `as_completed(…)` or `imap_unordered(…)` and do not say which task each belongs to.
        Speaks where such a list is zipped with what the tasks were made of, or its `argmax` picks an entry of that. Lists that are only
        averaged or sorted are left alone, and results that carry their own name: tuples, dictionaries and records.

    Why it matters:
        Each run pairs results with other settings: the best one that is named is any.

    Instead:
        Go through the futures in the order of submission, use `map`, or return the setting along with its result.
    """
    for module in modules.values():
        if not any(last_name(call.func) in (*UNORDERED, "as_completed") for call in module.of(ast.Call)) or _carry_names(module):
            continue
        scopes = symbols.scopes(module)
        for made in module.of(ast.Assign):
            target = made.targets[0]
            if len(made.targets) != 1 or not isinstance(target, ast.Name) or not _is_unordered(module, made.value):
                continue
            found = scopes.lookup(target.id, target)
            if found is None or len(found[1]) != 1 or _is_sorted(module, target.id):
                continue
            for use in module.named.get(target.id, ()):
                there = scopes.lookup(use.id, use)
                if use is not target and there is not None and there[0] is found[0] and _is_paired(module, use, _asked_for(module)):
                    yield Violation(
                        module.location(made),
                        "these results are in the order in which the workers finish, and are put beside what was asked for",
                        "keep the order of submission, or return the setting with its result",
                        related=(Related(location=module.location(use), label="put beside others here"),),
                    )
                    break


def _is_sorted(module: Module, name: str) -> bool:
    """Whether a list is put into order in place."""
    return any(isinstance(around := module.parents.get(use), ast.Attribute) and around.attr == "sort" for use in module.named.get(name, ()))


def _handed(module: Module) -> Iterator[ast.Call]:
    """The calls that give tasks to workers."""
    for call in module.of(ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("submit", "imap_unordered") and call.args:
            yield call


def _carry_names(module: Module) -> bool:
    """Whether a worker of the file returns more than a number.

    A tuple, dictionary or record says what it belongs to.
    """
    workers = {last_name(call.args[0]) for call in _handed(module)}
    for function in functions(module):
        returned = [node.value for node in body_nodes(function) if isinstance(node, ast.Return)] if function.name in workers else []
        for value in returned:
            made = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
            if isinstance(value, (ast.Tuple, ast.Dict)) or isinstance(module.definitions.get(made), ast.ClassDef) or made == "dict":
                return True
    return False


def _asked_for(module: Module) -> set[str]:
    """The names of what the tasks were made of.

    That is the list that a loop around `submit` goes through, or that `imap_unordered` is given.
    """
    found: set[str] = set()
    for call in _handed(module):
        over: list[ast.expr] = list(call.args[1:]) if last_name(call.func) in UNORDERED else []
        for parent in ancestors(module, call):
            if isinstance(parent, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
                over += [turn.iter for turn in parent.generators]
            elif isinstance(parent, ast.For):
                over.append(parent.iter)
        found |= {inner.id for entry in over for inner in ast.walk(entry) if isinstance(inner, ast.Name)}
    return found


def _is_unordered(module: Module, node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "list" and len(node.args) == 1:
        node = node.args[0]
        return isinstance(node, ast.Call) and last_name(node.func) in UNORDERED
    if not isinstance(node, ast.ListComp) or len(node.generators) != 1:
        return False
    turn = node.generators[0]
    over = turn.iter
    if isinstance(over, ast.Call) and last_name(over.func) == "tqdm" and over.args:
        over = over.args[0]
    if not isinstance(over, ast.Call) or not isinstance(turn.target, ast.Name):
        return False
    if last_name(over.func) in UNORDERED:
        return isinstance(node.elt, ast.Name) and node.elt.id == turn.target.id
    if origin(module, over.func) != "concurrent.futures.as_completed" and last_name(over.func) != "as_completed":
        return False
    asked = node.elt
    return isinstance(asked, ast.Call) and isinstance(asked.func, ast.Attribute) and asked.func.attr == "result"


def _is_paired(module: Module, use: ast.Name, asked: set[str]) -> bool:
    """`zip(settings, results)`, `settings[np.argmax(results)]`."""
    around = module.parents.get(use)
    if not isinstance(around, ast.Call) or use not in around.args:
        return False
    if last_name(around.func) == "zip":
        others = [entry for entry in around.args if entry is not use]
        return any(isinstance(entry, ast.Name) and entry.id in asked for entry in others)
    if last_name(around.func) in WHICH:
        child: ast.AST = around
        for parent in ancestors(module, around):
            if isinstance(parent, ast.Subscript) and parent.slice is child:
                return isinstance(parent.value, ast.Name) and parent.value.id in asked and parent.value.id != use.id
            if not (isinstance(parent, ast.Call) and last_name(parent.func) in ("int", "item")):
                return False
            child = parent
    return False


PROGRAM = """from concurrent.futures import ProcessPoolExecutor, as_completed

import numpy as np


def score(rate):
    return {score}


if __name__ == "__main__":
    rates = [0.1, 0.01, 0.001]
    with ProcessPoolExecutor() as pool:
        futures = [pool.submit(score, rate) for rate in rates]
        scores = {scores}
    {use}
"""
HERE = "  # <- here"
DONE, BEST = "[entry.result() for entry in as_completed(futures)]", "print(rates[int(np.argmax(scores))])"


def _program(scores: str, use: str = BEST, score: str = "rate") -> str:
    return PROGRAM.format(scores=scores, use=use, score=score)


BAD = [
    program(_program(DONE + HERE)),
    program(_program(DONE + HERE, "print(dict(zip(rates, scores)))")),
    program(
        _program("list(pool.imap_unordered(score, rates))" + HERE, "for rate, value in zip(rates, scores):\n        print(rate, value)")
    ),
]
GOOD = [
    program(_program("[entry.result() for entry in futures]")),
    program(_program(DONE, "print(np.mean(scores))")),
    program(_program(DONE, "print(scores[np.argmax(scores)])")),
    program(_program(DONE, "print(max(scores, key=lambda entry: entry[1]))", "(rate, rate)")),
]
