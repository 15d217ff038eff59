"""SCI141."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import body_nodes, functions, last_name, origin
from gonogo.analysis.python.pools import pool_of_processes
from gonogo.analysis.python.scopes import Scopes
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

HANDING = frozenset({"map", "imap", "imap_unordered", "starmap", "map_async", "apply_async", "apply", "submit", "starmap_async"})
PLAIN = frozenset(
    {"dict", "list", "set", "collections.defaultdict", "collections.Counter", "collections.OrderedDict", "defaultdict", "Counter"}
)
GROWING = frozenset({"append", "extend", "add", "update", "setdefault", "insert", "__setitem__"})
READING = frozenset(
    {"len", "sum", "min", "max", "sorted", "list", "tuple", "set", "dict", "print", "any", "all", "enumerate", "zip", "str"}
)


@rule("SCI141", "lost-in-worker", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def lost_in_worker(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """Worker processes write their results into a list or dictionary of their own copy of the module.

    What it does:
        Looks at functions that a pool of processes runs and that write into a list, dictionary or set of the module. Speaks where the
        module's own code, outside of functions that the pool runs or that these call, reads it. Silent where the parent may fill it, too:
        it adds something or hands it to a function. Threads, and what a `Manager` shares, are left alone.

    Why it matters:
        A process has a copy of the module: what it writes there is gone with it. The parent averages an empty list, or a part.

    Instead:
        Return the result, and gather what `map` gives back.
    """
    for module in modules.values():
        if not any(call.args and isinstance(call.func, ast.Attribute) and call.func.attr in HANDING for call in module.of(ast.Call)):
            continue
        scopes = symbols.scopes(module)
        workers = _workers(module, scopes)
        inside = _called(module, workers)
        for function in workers:
            for name, write in _writes(module, scopes, function):
                read = _read(module, scopes, name, inside)
                if read is not None:
                    yield Violation(
                        module.location(write),
                        f"`{name}` is written in a worker process, and the parent reads its own, which stays empty",
                        "return the result from the worker",
                        related=(Related(location=module.location(read), label="it is read here"),),
                    )
                    break


def _workers(module: Module, scopes: Scopes) -> list[Function]:
    """The functions that pools of processes run; none where the module calls one of them by itself too."""
    own = {entry.name: entry for entry in functions(module)}
    handed, called = set(), set()
    for call in module.of(ast.Call):
        called.add(last_name(call.func))
        owner = call.func.value if isinstance(call.func, ast.Attribute) and call.func.attr in HANDING else None
        if isinstance(owner, ast.Name) and call.args and pool_of_processes(module, scopes, owner) is not None:
            handed.add(last_name(call.args[0]))
    return [own[name] for name in sorted(handed - called) if name in own]


def _called(module: Module, workers: list[Function]) -> set[Function]:
    """The workers, and the functions of the file that they mention, whoever calls these in the end."""
    own = {entry.name: entry for entry in functions(module)}
    found, left = set(workers), list(workers)
    while left:
        names = {last_name(node) for node in body_nodes(left.pop()) if isinstance(node, (ast.Name, ast.Attribute))}
        more = {own[name] for name in names if name in own} - found
        found |= more
        left += more
    return found


def _writes(module: Module, scopes: Scopes, function: Function) -> Iterator[tuple[str, ast.AST]]:
    for node in body_nodes(function):
        owner: ast.expr | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            owner = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in GROWING:
            owner = node.func.value
        if isinstance(owner, ast.Name) and _is_plain(module, scopes, owner):
            yield owner.id, node


def _is_plain(module: Module, scopes: Scopes, name: ast.Name) -> bool:
    """Whether a name is the module's, bound once, to an empty list, dictionary or set."""
    found = scopes.lookup(name.id, name)
    if found is None or not isinstance(found[0], ast.Module) or len(found[1]) != 1:
        return False
    made = module.parents.get(found[1][0])
    value = made.value if isinstance(made, (ast.Assign, ast.AnnAssign)) else None
    if isinstance(value, ast.Call):
        return origin(module, value.func) in PLAIN
    return (isinstance(value, ast.List) and not value.elts) or (isinstance(value, ast.Dict) and not value.keys)


def _read(module: Module, scopes: Scopes, name: str, workers: set[Function]) -> ast.AST | None:
    """Where code that is no worker's reads a name of the module, and nothing there may fill it."""
    reads = []
    for use in module.named.get(name, ()):
        found = scopes.lookup(name, use)
        if found is None or not isinstance(found[0], ast.Module) or isinstance(use.ctx, ast.Store):
            continue
        function = scopes.function(use)
        if function in workers:
            continue
        around = module.parents.get(use)
        if isinstance(around, ast.Subscript) and isinstance(around.ctx, ast.Store):
            return None
        if isinstance(around, ast.Attribute) and around.attr in GROWING:
            return None
        if isinstance(around, (ast.Call, ast.keyword)) and not _only_reads(module, around):
            return None
        if not (isinstance(around, ast.Attribute) and around.attr == "clear"):
            reads.append(use)
    return reads[0] if reads else None


def _only_reads(module: Module, around: ast.Call | ast.keyword) -> bool:
    """Whether what is given the name reads it, and adds nothing."""
    if not isinstance(around, ast.Call):
        return False
    dotted = origin(module, around.func)
    return dotted in READING or dotted.startswith(("numpy.", "pandas.", "statistics.", "json."))


PROGRAM = """from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import Manager, Pool

import numpy as np

scores = {made}


def score(seed):
    value = float(np.random.default_rng(seed).normal())
    {write}
    return seed, value


if __name__ == "__main__":
    with {pool} as pool:
        found = list(pool.map(score, range(10)))
    print(np.mean({read}))
"""


def _program(
    made: str = "{}", write: str = "scores[seed] = value", pool: str = "ProcessPoolExecutor(4)", read: str = "list(scores.values())"
) -> str:
    return PROGRAM.format(made=made, write=write, pool=pool, read=read)


HERE = "  # <- here"
BAD = [
    program(_program(write=f"scores[seed] = value{HERE}")),
    program(_program("[]", f"scores.append(value){HERE}", "Pool(4)", "scores")),
    program(_program("dict()", f"scores.update({{seed: value}}){HERE}", "Pool()")),
]
GOOD = [
    program(_program(pool="ThreadPoolExecutor(4)")),
    program(_program("Manager().dict()")),
    program(_program(read="[value for _, value in found]")),
    program(_program(write="local = {}\n    local[seed] = value", read="[value for _, value in found]")),
]
