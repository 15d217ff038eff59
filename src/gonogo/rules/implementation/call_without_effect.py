"""IMP125."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import ancestors, body_nodes, enclosing_function, origin
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, program, rule
from gonogo.rules.training_loops.method_not_called import METHODS

# What only holds a function until it is told to begin.
_HOLDERS = {
    "threading.Thread": "start() it",
    "threading.Timer": "start() it",
    "multiprocessing.Process": "start() it",
    "torch.multiprocessing.Process": "start() it",
    "functools.partial": "call it",
}
_LOADS = frozenset({"load_state_dict", "load_weights"})
_LAZY = frozenset({"map", "filter", "builtins.map", "builtins.filter"})


@rule(
    "IMP125",
    "call-without-effect",
    criterion=1,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    settles=("implementation",),
)
def call_without_effect(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """A statement looks as if it did something, and the code that it names is never run.

    What it does:
        Looks at statements whose value nobody keeps: a function of the project without parentheses; a call of a generator function or of
        a coroutine function of the project, which only makes an object; `map` and `filter`, which wait to be asked; a thread, a process
        or a partial that is made and dropped; weights that are loaded into a network which is made and dropped in the same statement; a
        `lambda` or a generator expression alone. In notebooks a last line shows its value.

    Why it matters:
        Python makes the object and throws it away, without a message: the models are not trained, the seeds not set.

    Instead:
        Call the function, use a loop, `start()` the thread, `await` the coroutine.
    """
    for module in modules.values():
        if not module.path.endswith(".py"):
            continue
        for statement in module.of(ast.Expr):
            found = _without_effect(module, symbols, statement)
            if found is not None:
                yield Violation(module.location(statement), *found)


def _without_effect(module: Module, symbols: Symbols, statement: ast.Expr) -> tuple[str, str] | None:
    """What is said of a statement and what to do, None where it has an effect."""
    value = statement.value
    if isinstance(value, ast.Lambda):
        return "this function is made and never called", "call what is in it"
    if isinstance(value, ast.GeneratorExp):
        return "nothing asks this generator for its values, so that nothing in it is run", "write a `for` loop"
    if isinstance(value, ast.Name):
        is_inside = module.parents[statement] is not module.tree
        if is_inside and _own(module, symbols, value) is not None and not _is_bound_here(module, value):
            return f"`{value.id}` is named here and not called", f"write `{value.id}()`"
        return None
    if not isinstance(value, ast.Call):
        return None
    name = origin(module, value.func)
    if isinstance(value.func, ast.Attribute) and value.func.attr in _LOADS and _is_made_here(value.func.value):
        return "the weights go into a network that is made here and dropped", "load them into the network that is used"
    if name in _LAZY and name.rpartition(".")[2] not in module.definitions:
        return f"nothing asks this `{name}` for its values, so that its function is never called", "write a `for` loop"
    if name in _HOLDERS:
        return f"this `{name}` is made and dropped: what it holds is never run", _HOLDERS[name]
    function = _own(module, symbols, value.func)
    if function is None or function.decorator_list:
        return None
    shown = ast.unparse(value.func)
    if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in body_nodes(function)):
        return (
            f"`{shown}` has a `yield`: the call only makes a generator, and nothing of it is run",
            "loop over it, or take the `yield` out",
        )
    if isinstance(function, ast.AsyncFunctionDef):
        return (
            f"`{shown}` is `async`: the call only makes a coroutine, and nothing of it is run",
            f"write `await {shown}(…)` or `asyncio.run(…)`",
        )
    return None


def _is_made_here(node: ast.expr) -> bool:
    """Whether an expression is a call of a class, moved to a device at most."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("to", "cuda", "cpu", "float"):
        node = node.func.value
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id[:1].isupper()


def _own(module: Module, symbols: Symbols, node: ast.expr) -> Function | None:
    """The function of the project that a name surely means.

    Of this module's top, imported from another, or of the class around.
    """
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self" and node.attr not in METHODS:
        around = next((parent for parent in ancestors(module, node) if isinstance(parent, ast.ClassDef)), None)
        methods = [each for each in (around.body if around else []) if isinstance(each, FUNCTIONS) and each.name == node.attr]
        return methods[0] if len(methods) == 1 else None
    if not isinstance(node, ast.Name):
        return None
    home, name = module, node.id
    if name not in module.definitions:
        dotted = origin(module, node)
        other = symbols.by_name.get(dotted.rpartition(".")[0])
        if other is None:
            return None
        home, name = other, dotted.rpartition(".")[2]
    meant = [each for each in (home.tree.body if home.tree else []) if getattr(each, "name", None) == name]
    is_only = len(meant) == 1 and name not in home.assigned
    return meant[0] if is_only and isinstance(meant[0], FUNCTIONS) else None


def _is_bound_here(module: Module, name: ast.Name) -> bool:
    """Whether the function around a name has a variable or an argument that is called so."""
    function = enclosing_function(module, name)
    if function is None:
        return False
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    bound = {argument.arg for argument in arguments}
    return name.id in bound or any(
        isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name.id for node in body_nodes(function)
    )


_PROGRAM = """import functools
import threading

import torch

networks = [torch.nn.Linear(4, 2) for _ in range(3)]


def train(network):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network(torch.randn(8, 4)).square().mean().backward()
    optimizer.step()


class Net(torch.nn.Linear):
    def __init__(self):
        super().__init__(4, 2)


def rounds():
    for network in networks:
        train(network)
        yield network


async def all_of_them():
    for network in networks:
        train(network)


def seed():
    torch.manual_seed(0)


if __name__ == "__main__":
    seed()
    {last}
    torch.save(networks[0].state_dict(), "model.pt")
"""
_WAYS = (
    "rounds()",
    "all_of_them()",
    "seed",
    "map(train, networks)",
    "threading.Thread(target=train, args=(networks[0],))",
    "functools.partial(train, networks[0])",
    "lambda: train(networks[0])",
    "Net().load_state_dict(torch.load('model.pt'))",
    "Net().to('cpu').load_state_dict(torch.load('model.pt'))",
    "(train(network) for network in networks)",
)
BAD = [program(_PROGRAM.format(last=f"{way}  # <- here")) for way in _WAYS]
_FINE = (
    "network = Net()\n    network.load_state_dict(torch.load('model.pt'))",
    "print(Net().load_state_dict(torch.load('model.pt')))",
    "list(rounds())",
    "for network in rounds():\n        print(network)",
    "list(map(train, networks))",
    "threading.Thread(target=train, args=(networks[0],)).start()",
    "step = functools.partial(train, networks[0])\n    step()",
    "[train(network) for network in networks]",
    "import asyncio\n    asyncio.run(all_of_them())",
)
GOOD = [Tree(), *(program(_PROGRAM.format(last=way)) for way in _FINE)]
