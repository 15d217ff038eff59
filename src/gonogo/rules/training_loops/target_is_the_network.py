"""TRN167."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function, in_one_block, last_name
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule


@rule("TRN167", "target-is-the-network", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def target_is_the_network(modules: dict[str, Module]) -> Iterator[Violation]:
    """A network that should be a copy of another one is that other one.

    What it does:
        Looks at names and attributes that are set to another one and to nothing else (`self.target = self.online`). Speaks where the
        weights of the one are later copied or averaged into the other, by `load_state_dict(….state_dict())` or over their parameters:
        which says that they were meant to be two. Silent where the first is set under a condition.

    Why it matters:
        The target follows every step at once, so that nothing holds the bootstrapped value still (Mnih et al., Human-level control
        through deep reinforcement learning, 2015); a moving average of the weights is the weights; a reference policy has no distance.

    Instead:
        Make a copy: `self.target = copy.deepcopy(self.online)`.
    """
    for module in modules.values():
        copies = list(_copies(module))
        found = {copied: node for node in module.of(ast.Assign) for copied in _same(module, node, copies)}  # the last of two that are alike
        for copied, node in found.items():
            yield Violation(
                module.location(node),
                f"`{ast.unparse(node.targets[0])}` is `{ast.unparse(node.value)}` itself, not a copy: "
                "what is copied from one to the other later changes nothing",
                "make a copy, by `copy.deepcopy`",
                related=(Related(location=module.location(copied), label="copied here"),),
            )


def _same(module: Module, node: ast.Assign, copies: list[tuple[ast.AST, str, str]]) -> Iterator[ast.AST]:
    """Where the weights of a network are copied into itself, because of an assignment."""
    target, value = node.targets[0], node.value
    if not copies or not (_is_plain(target) and _is_plain(value)) or len(node.targets) > 1 or _is_conditional(module, node):
        return
    one, other = ast.unparse(target), ast.unparse(value)
    again = [entry for entry in module.of(ast.Assign) if any(ast.unparse(aim) == one for aim in entry.targets)]
    if one == other or len(again) > 1 or _is_set_later(module, node, other):
        return
    same = {other, *_twins(module, node, other)}
    for copied, into, origin_of in copies:
        names = {into, origin_of}
        if one in names and names - {one} <= same and len(names) == 2 and _is_home(module, node, copied, names):
            yield copied
            return


def _twins(module: Module, node: ast.Assign, other: str) -> set[str]:
    """What else is set to the same in the same block, and to nothing else anywhere.

    `self.model = model` beside `self.ema = model`.
    """
    found = set()
    for entry in module.of(ast.Assign):
        if entry is not node and ast.unparse(entry.value) == other and in_one_block(module, entry, node) and _is_plain(entry.targets[0]):
            name = ast.unparse(entry.targets[0])
            if sum(any(ast.unparse(aim) == name for aim in again.targets) for again in module.of(ast.Assign)) == 1:
                found.add(name)
    return found


def _is_plain(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _is_conditional(module: Module, node: ast.AST) -> bool:
    for parent in ancestors(module, node):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
        if isinstance(parent, (ast.If, ast.Try, ast.For, ast.While, ast.Match)):
            return True
    return False


def _is_set_later(module: Module, node: ast.Assign, name: str) -> bool:
    """Whether the other name gets another network after this."""
    return any(entry.lineno > node.lineno and any(ast.unparse(aim) == name for aim in entry.targets) for entry in module.of(ast.Assign))


def _copies(module: Module) -> Iterator[tuple[ast.AST, str, str]]:
    """Where the weights of one network are put into another: the place, into which, of which."""
    for call in module.of(ast.Call):
        if last_name(call.func) == "load_state_dict" and isinstance(call.func, ast.Attribute) and call.args:
            given = call.args[0]
            if isinstance(given, ast.Call) and isinstance(given.func, ast.Attribute) and given.func.attr == "state_dict":
                yield call, ast.unparse(call.func.value), ast.unparse(given.func.value)
    for loop in module.of(ast.For):
        over = loop.iter
        if isinstance(over, ast.Call) and last_name(over.func) == "zip" and len(over.args) == 2:
            owners = [
                entry.func.value
                for entry in over.args
                if isinstance(entry, ast.Call) and isinstance(entry.func, ast.Attribute) and entry.func.attr == "parameters"
            ]
            changes = any(last_name(inner.func) in ("copy_", "lerp_", "mul_") for inner in ast.walk(loop) if isinstance(inner, ast.Call))
            if len(owners) == 2 and changes:
                yield loop, ast.unparse(owners[0]), ast.unparse(owners[1])


def _is_home(module: Module, node: ast.Assign, copied: ast.AST, names: set[str]) -> bool:
    """Whether both places mean the same objects: one class for attributes of `self`.

    One function or the file for names.
    """
    home = enclosing_function(module, node)
    if isinstance(node.targets[0], ast.Attribute):
        # A name of the same letters in another method is another object.
        is_local = any(name.isidentifier() for name in names) and home is not enclosing_function(module, copied)
        return not is_local and _class(module, node) is _class(module, copied)
    inner = enclosing_function(module, copied)
    if home is None and inner is not None:
        name = node.targets[0].id if isinstance(node.targets[0], ast.Name) else ""
        return name not in {entry.arg for entry in ast.walk(inner.args) if isinstance(entry, ast.arg)}
    return home is inner


def _class(module: Module, node: ast.AST) -> ast.AST | None:
    return next((parent for parent in ancestors(module, node) if isinstance(parent, ast.ClassDef)), None)


PROGRAM = """import copy

import torch
from torch import nn


class Agent:
    def __init__(self, slow=True):
        self.online = nn.Linear(4, 2)
        {made}
        self.optimizer = torch.optim.Adam(self.online.parameters())

    def learn(self, state, wanted):
        self.optimizer.zero_grad()
        loss = (self.online(state) - wanted - self.target(state).detach()).square().mean()
        loss.backward()
        self.optimizer.step()

    def sync(self):
        {sync}


agent = Agent()
for _ in range(100):
    agent.learn(torch.randn(8, 4), torch.randn(8, 2))
    agent.sync()
"""
HERE = "  # <- here"
SYNC = "self.target.load_state_dict(self.online.state_dict())"
SOFT = (
    "for slow, fast in zip(self.target.parameters(), self.online.parameters()):\n"
    "            slow.data.copy_(0.99 * slow.data + 0.01 * fast.data)"
)
BAD = [
    program(PROGRAM.format(made="self.target = self.online" + HERE, sync=SYNC)),
    program(PROGRAM.format(made="self.target = self.online" + HERE, sync=SOFT)),
    program(PROGRAM.format(made="self.target = self.online" + HERE, sync="self.online.load_state_dict(self.target.state_dict())")),
]
BAD += [
    program(
        PROGRAM.format(made="self.target = net" + HERE, sync=SOFT)
        .replace("slow=True", "net")
        .replace("self.online = nn.Linear(4, 2)", "self.online = net")
        .replace("Agent()", "Agent(nn.Linear(4, 2))")
    )
]
GOOD = [
    program(PROGRAM.format(made="self.target = copy.deepcopy(self.online)", sync=SYNC)),
    program(PROGRAM.format(made="self.target = nn.Linear(4, 2)", sync=SOFT)),
    program(
        PROGRAM.format(made="self.target = self.online\n        if slow:\n            self.target = copy.deepcopy(self.online)", sync=SYNC)
    ),
    program(PROGRAM.format(made="self.target = self.online\n        self.online = copy.deepcopy(self.target)", sync=SYNC)),
    program(PROGRAM.format(made="self.target = self.online", sync="print(self.target)")),
    program(
        PROGRAM.format(
            made="self.target = None",
            sync="net = nn.Linear(4, 2)\n        net.load_state_dict(self.target.state_dict())\n        self.put(net)",
        )
        .replace("self.target = None", "self.put(nn.Linear(4, 2))")
        .replace("    def sync(self)", "    def put(self, net):\n        self.target = net\n\n    def sync(self)")
    ),
]
