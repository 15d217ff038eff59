"""New classification heads that the training code never trains.

The code freezes the whole network, or gives the optimizer other parameters.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gonogo.analysis.dataflow.words import words
from gonogo.analysis.python.modules import Function, Module, qualified_name
from gonogo.analysis.python.names import ancestors, argument, calls, enclosing_function, functions, origin, text_of
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.training.wrapped_heads import FrozenHead, freezes, has_new_head, lets_head_learn

# The parameters of the last layers of transformers' classifiers.
HEAD_PARAMETERS = words(
    """
    classifier.weight classifier.bias pre_classifier.weight pre_classifier.bias classifier.dense.weight classifier.dense.bias
    classifier.out_proj.weight classifier.out_proj.bias score.weight model.score.weight pooler.dense.weight pooler.dense.bias
    """
)
# Methods that give the network itself back.
SAME = frozenset({"to", "cuda", "cpu", "train", "eval", "half", "float", "double"})


@dataclass(frozen=True)
class _Held:
    """A network that a function gets from the function that builds it, under a name."""

    module: Module
    function: Function
    name: str
    line: int


def left_out_heads(modules: Mapping[str, Module], symbols: Symbols) -> Iterator[FrozenHead]:
    """Yield the new head of the only classifier of a program where it is surely never trained.

    The code that gets the network never trains it.
    """
    listed = list(modules.values())
    heads = [(module, call) for module in listed for call in calls(module) if has_new_head(listed, module, call)]
    # What takes hidden states may have a last layer of its own.
    if len(heads) != 1 or any(lets_head_learn(module) or "hidden_state" in module.text for module in listed):
        return
    module, call = heads[0]
    builder = enclosing_function(module, call)
    for held in _held(listed, symbols, builder) if builder is not None and _returns(module, builder, call) else ():
        left_out = _frozen_whole(held) or _not_optimised(listed, held)
        if left_out is not None:
            yield FrozenHead(module, call, held.module, left_out)
            return


def _returns(module: Module, builder: Function, call: ast.Call) -> bool:
    """Whether a function gives back the network that it makes, as it is."""
    parent = module.parents.get(call)
    if isinstance(parent, ast.Return):
        return True
    if not isinstance(parent, ast.Assign) or len(parent.targets) != 1 or not isinstance(parent.targets[0], ast.Name):
        return False
    name = parent.targets[0].id
    returned = [node.value for node in ast.walk(builder) if isinstance(node, ast.Return)]
    return len(returned) == 1 and isinstance(returned[0], ast.Name) and returned[0].id == name


def _held(modules: list[Module], symbols: Symbols, builder: Function) -> Iterator[_Held]:
    for module in modules:
        for function in functions(module):
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and len(node.targets) == 1 and enclosing_function(module, node) is function:
                    made, name = _itself(node.value), qualified_name(node.targets[0])
                    definition = symbols.resolve(module, made.func) if isinstance(made, ast.Call) else None
                    if name and definition is not None and definition.node is builder:
                        yield _Held(module, function, name, node.lineno)


def _itself(node: ast.expr) -> ast.expr:
    """What `build().to(device)` is made of."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SAME:
        node = node.func.value
    return node


def _frozen_whole(held: _Held) -> ast.AST | None:
    """What freezes every parameter of the network, come what may."""
    for node in ast.walk(held.function):
        if not freezes(node) or getattr(node, "lineno", 0) <= held.line:
            continue
        around = list(ancestors(held.module, node))
        around = [parent for parent in around[: around.index(held.function)] if not isinstance(parent, (ast.Expr, ast.With))]
        if not around and isinstance(node, ast.Call) and qualified_name(node.func) == f"{held.name}.requires_grad_":
            return node
        if len(around) == 1 and isinstance(around[0], ast.For) and _is_whole(around[0].iter, held.name):
            return node
    return None


def _is_whole(node: ast.expr, name: str) -> bool:
    """Whether a loop goes over all parameters of a network."""
    return isinstance(node, ast.Call) and qualified_name(node.func) in (f"{name}.parameters", f"{name}.named_parameters")


def _not_optimised(modules: list[Module], held: _Held) -> ast.AST | None:
    """The only optimizer, where it gets parameters by a part of their names that no head's has."""
    optimizers = [
        (module, call)
        for module in modules
        for call in calls(module)
        if (name := origin(module, call.func)).startswith("torch.optim.") and "lr_scheduler" not in name and "swa_utils" not in name
    ]
    if len(optimizers) != 1 or enclosing_function(*optimizers[0]) is not held.function:
        return None
    given = argument(optimizers[0][1], 0, "params")
    if isinstance(given, ast.Call) and qualified_name(given.func) == "list" and len(given.args) == 1:
        given = given.args[0]
    if not isinstance(given, (ast.ListComp, ast.GeneratorExp)) or len(given.generators) != 1:
        return None
    over = given.generators[0]
    is_named = isinstance(over.target, ast.Tuple) and _is_whole(over.iter, held.name)
    return optimizers[0][1] if is_named and any(_leaves_out(test) for test in over.ifs) else None


def _leaves_out(test: ast.expr) -> bool:
    """Return whether a condition on a parameter's name is never true of a head.

    Examples: `"attention" in name`, `name.startswith("encoder")`.
    """
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.In) and isinstance(test.comparators[0], ast.Name):
        part = text_of(test.left)
        return part is not None and not any(part in name for name in HEAD_PARAMETERS)
    if isinstance(test, ast.BoolOp):
        return (all if isinstance(test.op, ast.Or) else any)(map(_leaves_out, test.values))
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and test.func.attr == "startswith" and len(test.args) == 1:
        part = text_of(test.args[0])
        return part is not None and not any(name.startswith(part) for name in HEAD_PARAMETERS)
    if isinstance(test, ast.Call) and qualified_name(test.func) == "any" and len(test.args) == 1:
        inner = test.args[0]
        if isinstance(inner, ast.GeneratorExp) and len(inner.generators) == 1 and isinstance(inner.elt, ast.Compare):
            over, parts = inner.generators[0], inner.generators[0].iter
            is_each = isinstance(over.target, ast.Name) and isinstance(inner.elt.left, ast.Name) and inner.elt.left.id == over.target.id
            if is_each and isinstance(inner.elt.ops[0], ast.In) and isinstance(parts, (ast.List, ast.Tuple, ast.Set)):
                texts = [text_of(entry) for entry in parts.elts]
                return all(text is not None and not any(text in name for name in HEAD_PARAMETERS) for text in texts)
    return False
