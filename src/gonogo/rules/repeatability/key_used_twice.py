"""REP122."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import ancestors, argument, body_nodes, functions, origin
from gonogo.analysis.python.scopes import COMPREHENSIONS
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

DERIVES = frozenset({"split", "fold_in", "PRNGKey", "key", "key_data", "wrap_key_data", "clone", "key_impl", "bits"})
LOOPS = (ast.For, ast.While, *COMPREHENSIONS)
FORKS = (ast.If, ast.Try, ast.IfExp, ast.Match)


@rule("REP122", "key-used-twice", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def key_used_twice(modules: dict[str, Module]) -> Iterator[Violation]:
    """One key of JAX is used for two draws, which are then the same numbers.

    What it does:
        Looks at the draws of `jax.random` within one function. Speaks where two of them, on one way through it, are given the same name as
        their key and nothing binds that name in between; and where a draw stands in a loop that neither binds the key nor makes it of the
        turn. Keys made by `split` and `fold_in` are right.

    Why it matters:
        A draw of JAX depends on its key alone: two layers start with the same weights, and each step has the same noise
        (JAX, "Pseudorandom numbers": never reuse keys).

    Instead:
        Split it: `key, subkey = jax.random.split(key)`.
    """
    for module in modules.values():
        if not any(dotted.partition(".")[0] == "jax" for dotted in module.imports.values()):
            continue
        for scope in [*functions(module), *([module.tree] if module.tree is not None else [])]:
            yield from _found(module, scope)


def _found(module: Module, scope: Function | ast.Module) -> Iterator[Violation]:
    nodes = list(body_nodes(scope))
    draws = [(node, key) for node in nodes if isinstance(node, ast.Call) and (key := _key(module, node)) is not None]
    draws.sort(key=lambda entry: (entry[0].lineno, entry[0].col_offset))
    bound: dict[str, list[ast.AST]] = {}
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.setdefault(node.id, []).append(node)
    said: set[str] = set()
    for place, (call, key) in enumerate(draws):
        if key in said:
            continue
        loop = _loop(module, call, scope)
        if loop is not None and not any(_is_within(module, node, loop) for node in bound.get(key, ())):
            said.add(key)
            yield Violation(
                module.location(call),
                f"each turn of the loop draws with the same key `{key}`: the numbers are the same",
                "split the key in each turn, or use `jax.random.fold_in`",
            )
            continue
        for earlier, other in draws[:place]:
            if other == key and _both(module, earlier, call) and not _is_bound_between(bound.get(key, ()), earlier, call):
                said.add(key)
                yield Violation(
                    module.location(call),
                    f"the key `{key}` was used before: these numbers are the same, or bound up with those",
                    "split the key, and use each part once",
                    related=(Related(location=module.location(earlier), label="it is used here"),),
                )
                break


def _key(module: Module, call: ast.Call) -> str | None:
    """The name that a draw is given as its key."""
    dotted = origin(module, call.func)
    owner, _, name = dotted.rpartition(".")
    if owner != "jax.random" or name in DERIVES:
        return None
    key = argument(call, 0, "key")
    return key.id if isinstance(key, ast.Name) else None


def _loop(module: Module, call: ast.Call, scope: ast.AST) -> ast.AST | None:
    """The innermost loop around a call, unless a way out of it follows: `return` in its body."""
    for parent in ancestors(module, call):
        if parent is scope or isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return None
        if isinstance(parent, LOOPS):
            ends = any(isinstance(node, (ast.Return, ast.Break)) for node in ast.walk(parent))
            return None if ends else parent
    return None


def _is_within(module: Module, node: ast.AST, around: ast.AST) -> bool:
    return any(parent is around for parent in ancestors(module, node))


def _both(module: Module, one: ast.AST, other: ast.AST) -> bool:
    """Whether two nodes are surely on one way: the one stands in all branches of the other."""
    return _branches(module, one) <= _branches(module, other) or _branches(module, other) <= _branches(module, one)


def _branches(module: Module, node: ast.AST) -> frozenset[tuple[int, str]]:
    found, child = set(), node
    for parent in ancestors(module, node):
        if isinstance(parent, FORKS):
            place = next(
                (name for name, value in ast.iter_fields(parent) if value is child or (isinstance(value, list) and child in value)), ""
            )
            found.add((id(parent), place))
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            break
        child = parent
    return frozenset(found)


def _is_bound_between(bound: object, one: ast.Call, other: ast.Call) -> bool:
    return any(one.lineno <= node.lineno <= other.lineno for node in bound)  # type: ignore[attr-defined]


PROGRAM = """import jax
import jax.numpy as jnp


def start(key, width):
    {first}
    weights = jax.random.normal(key, (width, 4))
    {second}
    for step in range(3):
        {third}
        weights = weights + noise
    return weights, more


print(start(jax.random.key(0), 4))
"""
SPLIT, LATER, TURN = "key, other = jax.random.split(key)", "more = jax.random.normal(other, (4, width))", "noise = jnp.ones(4)"


def _program(first: str = SPLIT, second: str = LATER, third: str = TURN) -> str:
    return PROGRAM.format(first=first, second=second, third=third)


HERE = "  # <- here"
BAD = [
    program(_program(second=f"more = jax.random.normal(key, (4, width)){HERE}")),
    program(_program(second=f"more = jax.random.uniform(key=key, shape=(4, width)){HERE}")),
    program(_program(third=f"noise = jax.random.normal(other, (4,)){HERE}", second="more = 0")),
    program(_program(third=f"noise = sum(jax.random.normal(other, (4,)) for _ in range(2)){HERE}", second="more = 0")),
]
GOOD = [
    program(_program()),
    program(_program(third="key, other = jax.random.split(key)\n        noise = jax.random.normal(other, (4,))")),
    program(_program(third="noise = jax.random.normal(jax.random.fold_in(other, step), (4,))")),
    program(_program(second="key, other = jax.random.split(key)\n    more = jax.random.normal(key, (4, width))")),
    program(
        _program(
            first="key, other = jax.random.split(key)\n    if width > 9:\n        return jax.random.normal(other, (width,)), 0",
            second="more = jax.random.normal(jax.random.fold_in(other, 1), (4, width))",
        )
    ),
]
