"""TRN172."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function, last_name
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

# What switches recording off, or needs what is recorded.
HANDLED = re.compile(
    r"no_grad|inference_mode|set_grad_enabled|requires_grad|backward|autograd|\.grad\b|GradCAM|captum|Trainer\(|tensorflow|keras|jax"
)

OTHERWISE = re.compile(r"set_grad_enabled|requires_grad|autograd|tensorflow|keras|jax|GradCAM|captum|lightning")
# What gives numbers, or tensors without a graph.
ENDS = frozenset({"detach", "item", "tolist", "numpy", "data", "argmax", "shape", "size", "topk", "sort", "long", "int", "bool"})


@rule("TRN172", "outputs-kept-with-graph", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def outputs_kept_with_graph(modules: dict[str, Module]) -> Iterator[Violation]:
    """Outputs of a network that only predicts are collected with everything a backward pass would need.

    What it does:
        Looks at projects that use PyTorch and have neither a backward pass nor anything that switches recording off. Speaks where a
        network that is put into eval mode is applied in a loop, and what it gives is kept: in a list, or detached only afterwards.

    Why it matters:
        The activations of every batch stay in memory until the list is gone, or are made for nothing: extraction of features takes
        several times the memory, and ends with "out of memory" on a large data set (PyTorch, "Autograd mechanics: locally disabling
        gradient computation").

    Instead:
        Put the loop under `with torch.no_grad():`.
    """
    texts = [module.text for module in modules.values()]
    if any(OTHERWISE.search(text) for text in texts):
        return
    is_plain = not any(HANDLED.search(text) for text in texts)
    for module in modules.values():
        if not any(dotted.partition(".")[0] == "torch" for dotted in module.imports.values()):
            continue
        networks = set(_networks(module))
        for call in module.of(ast.Call):
            loop = _loop(module, call)
            if ast.unparse(call.func) not in networks or loop is None:
                continue
            kept = _kept(module, call, loop)
            if kept is not None and (is_plain or _is_alone(modules, module, call)):
                yield Violation(
                    module.location(call),
                    "the network only predicts, and everything for a backward pass is recorded with its outputs",
                    "put the loop under `with torch.no_grad():`",
                    related=(Related(location=module.location(kept), label="the output is kept here"),),
                )


def _is_alone(modules: dict[str, Module], module: Module, call: ast.Call) -> bool:
    """Whether the function around a call neither switches recording off nor needs it.

    And is called nowhere under a `with`.
    """
    function = enclosing_function(module, call)
    if function is None or HANDLED.search(ast.unparse(function)) or any(isinstance(node, ast.Yield) for node in ast.walk(function)):
        return False
    for other in modules.values():
        for use in other.of(ast.Call):
            if last_name(use.func) != function.name:
                continue
            if any(isinstance(parent, ast.With) or getattr(parent, "decorator_list", []) for parent in ancestors(other, use)):
                return False
    return True


def _networks(module: Module) -> Iterator[str]:
    """What is put into eval mode, as it is written: `net.eval()`, `self.net = make().to(device).eval()`."""
    for call in module.of(ast.Call):
        if not (isinstance(call.func, ast.Attribute) and call.func.attr == "eval" and not call.args):
            continue
        owner: ast.expr = call.func.value
        while isinstance(owner, ast.Call) and isinstance(owner.func, ast.Attribute) and owner.func.attr in ("to", "cuda", "half", "float"):
            owner = owner.func.value
        if isinstance(owner, (ast.Name, ast.Attribute)):
            yield ast.unparse(owner)
        top: ast.AST = call
        while isinstance(module.parents.get(top), (ast.Attribute, ast.Call)):
            top = module.parents[top]
        parent = module.parents.get(top)
        if isinstance(parent, ast.Assign) and isinstance(owner, ast.Call):
            yield from (ast.unparse(target) for target in parent.targets)


def _loop(module: Module, node: ast.AST) -> ast.For | None:
    for parent in ancestors(module, node):
        if isinstance(parent, ast.For):
            return parent
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return None
    return None


def _kept(module: Module, call: ast.Call, loop: ast.For) -> ast.AST | None:
    """The `append` that keeps an output, as it is."""
    whole: ast.AST = call
    while isinstance(parent := module.parents.get(whole), (ast.Attribute, ast.Subscript, ast.Call)) and _is_part(parent, whole):
        whole = parent
    names: set[str] = set()
    if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
        names.add(parent.targets[0].id)
    home = enclosing_function(module, call)
    for node in ast.walk(loop):
        if (
            isinstance(node, ast.Call)
            and last_name(node.func) == "append"
            and len(node.args) == 1
            and enclosing_function(module, node) is home
        ):
            given = node.args[0]
            if given is whole or (isinstance(given, ast.Name) and given.id in names):
                return node
    return None


def _is_part(parent: ast.AST, node: ast.AST) -> bool:
    """Whether a value is a part of an output that keeps the graph: an attribute, some rows.

    The result of a method of tensors.
    """
    if isinstance(parent, ast.Call):
        return parent.func is node
    return not (isinstance(parent, ast.Attribute) and parent.attr in ENDS) and getattr(parent, "value", None) is node


PROGRAM = """import torch
import torchvision

net = torchvision.models.resnet18(weights="DEFAULT").to("cuda").eval()
bank = []
{begin}for batch in torch.load("batches.pt"):
    {code}
print(torch.cat(bank).shape)
"""
HERE = "  # <- here"
BAD = [
    program(PROGRAM.format(begin="", code=f"bank.append(net(batch)){HERE}")),
    program(PROGRAM.format(begin="", code=f"out = net(batch){HERE}\n    bank.append(out)")),
]
BAD += [program(PROGRAM.format(begin="", code=f"out = net(batch)[:, :10].mean(1){HERE}\n    bank.append(out)"))]
MIXED = """import torch
from torch import nn


def learn(net, batches):
    optimizer = torch.optim.Adam(net.parameters())
    for rows, labels in batches:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(rows), labels).backward()
        optimizer.step()


def extract(net, batches):
    net.eval()
    bank = []
    for rows, _ in batches:
        bank.append({kept}){marker}
    return torch.cat(bank)


def features(net, batches):
    {use}
"""
BAD += [program(MIXED.format(kept="net(rows)", marker=HERE, use="return extract(net, batches).detach()"))]
GOOD = [
    program(MIXED.format(kept="net(rows).detach()", marker="", use="return extract(net, batches)")),
    program(MIXED.format(kept="net(rows)", marker="", use="with torch.no_grad():\n        return extract(net, batches)")),
    program(PROGRAM.format(begin="", code="bank.append(net(batch).detach())")),
    program(PROGRAM.format(begin="torch.set_grad_enabled(False)\n", code="bank.append(net(batch))")),
    program(PROGRAM.format(begin="", code="with torch.no_grad():\n        bank.append(net(batch))")),
    program(PROGRAM.format(begin="", code="bank.append(batch)\n    print(net(batch).shape)")),
    program(PROGRAM.format(begin="net.requires_grad_(False)\n", code="bank.append(net(batch))")),
]
