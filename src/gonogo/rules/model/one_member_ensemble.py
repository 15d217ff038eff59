"""MOD124."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Display, Operation, Repeated, Value, number, plain
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.names import ancestors, last_name
from gonogo.analysis.rows.flow import name_of
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

MEMBERS = re.compile(r"ensemble|member|committee|voters?(?![a-z])", re.IGNORECASE)
TRAINS = frozenset({"backward", "fit", "train_epoch", "train_one_epoch", "train_model", "training_step"})
# What a turn of a loop asks of a network that it changes, and names of functions that change one.
WORKS_ON = frozenset({"train", "parameters", "named_parameters", "modules", "apply", "reset_parameters"})
CHANGES = re.compile(r"train|tune|fit|adapt|update|perturb|noise|prune", re.IGNORECASE)
DROPOUT = re.compile(r"dropout", re.IGNORECASE)


@rule("MOD124", "one-member-ensemble", criterion=4, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("method",))
def one_member_ensemble(programs: list[Program]) -> Iterator[Violation]:
    """All members of an ensemble are one and the same network.

    What it does:
        Looks at lists that the code calls an ensemble, or its members. Speaks where such a list is one network several times
        (`[model] * 5`, `[model for _ in range(5)]`), and where a loop over members loads the same weights in each turn, from a path in
        which nothing of the turn stands, and trains nothing. Silent of layers that share their weights under other names, of places that
        are filled or copied later, and of dropout.

    Why it matters:
        The mean of the same answer is that answer: what is reported of the ensemble is that of one network.

    Instead:
        Make and train each member by itself, and load each from its own file.
    """
    yield from by_place(found for walked in programs for found in (*_listed(walked), *_loaded(walked)))


def _listed(walked: Program) -> Iterator[Violation]:
    seen: set[Value] = set()
    given = [value for event in walked.calls() for value in (*event.call.given(), event.call.receiver)]
    given += [loop.iterated for loop in walked.all(Loop)]
    for start in given:
        pending = [start] if start is not None else []
        while pending:
            value = plain(pending.pop())
            if value in seen:
                continue
            seen.add(value)
            if _is_of_one(value) and MEMBERS.search(name_of(value) or _bound(value)) and not _is_changed_later(value):
                yield violation(
                    value,
                    "every member of this ensemble is the same network",
                    "make and train each member by itself",
                )
            if isinstance(value, (Call, Operation, Repeated, Display)):
                pending += value.inputs()


def _is_of_one(value: Value) -> bool:
    """Whether a list is one network several times."""
    if isinstance(value, Display):
        same = {base(item) for item in value.items}
        return len(value.items) > 1 and len(same) == 1 and kind_of(value.items[0]) is Kind.MODEL and not value.is_open and not value.added
    if isinstance(value, Operation) and value.operator == "*":
        listed = [operand for operand in map(plain, value.operands) if isinstance(operand, Display)]
        times = next((found for operand in value.operands if (found := number(operand)) is not None), None)
        entries = listed[0].items if len(listed) == 1 else ()
        return len(entries) == 1 and kind_of(entries[0]) is Kind.MODEL and times != 1
    if isinstance(value, Repeated) and kind_of(value.element) is Kind.MODEL and isinstance(value.node, ast.ListComp):
        made = base(value.element)
        return isinstance(value.node.elt, ast.Name) and value.node not in ancestors(made.module, made.node)
    return False


def _bound(value: Value) -> str:
    """The name that a value is bound to."""
    parent = value.module.parents.get(value.node)
    return last_name(parent.targets[0]) if isinstance(parent, ast.Assign) else ""


def _is_changed_later(value: Value) -> bool:
    """Return whether members may come to differ after the list was made.

    Their places are filled later, each is copied, or dropout has one network answer otherwise each time.
    """
    name = _bound(value)
    for node in value.module.of(ast.Subscript, ast.Call):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and last_name(node.value) == name:
            return True
        if isinstance(node, ast.Call) and (last_name(node.func) == "deepcopy" or DROPOUT.search(last_name(node.func))):
            return True
    return False


def _loaded(walked: Program) -> Iterator[Violation]:
    """Loops over members that load the same weights in each turn."""
    for event in walked.calls("load_state_dict"):
        loop = next((entry for entry in ancestors(event.module, event.node) if isinstance(entry, ast.For)), None)
        if loop is None or not isinstance(event.node, ast.Call) or not event.node.args or not _is_over_members(loop):
            continue
        changed = {node.id for node in ast.walk(loop) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        given = event.node.args[0]
        path = given.args[0] if isinstance(given, ast.Call) and last_name(given.func) == "load" and given.args else None
        trains = any(isinstance(node, ast.Call) and last_name(node.func) in TRAINS for node in ast.walk(loop))
        receiver = event.node.func.value if isinstance(event.node.func, ast.Attribute) else None
        if path is None or trains or not isinstance(receiver, ast.Name) or changed & _names(path) or _takes_next(path):
            continue
        if receiver.id in changed or _is_worked_on(receiver.id, loop):
            continue
        yield violation(event, "each member of this ensemble is loaded from the same file", "load each member from its own file")


def _is_worked_on(name: str, loop: ast.For) -> bool:
    """Return whether a turn may change a network after its weights were loaded.

    It is handed to a call whose answer is not used or which says that it trains, or its parameters or its mode are asked for.
    """
    for node in ast.walk(loop):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name and node.attr in WORKS_ON:
            return True
        if isinstance(node, ast.Call) and any(
            isinstance(given, ast.Name) and given.id == name for given in (*node.args, *(word.value for word in node.keywords))
        ):
            is_append = last_name(node.func) == "append"
            parents = [around for around in ast.walk(loop) if isinstance(around, ast.Expr) and around.value is node]
            if (parents and not is_append) or CHANGES.search(last_name(node.func)):
                return True
    return False


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _takes_next(node: ast.AST) -> bool:
    """Whether an expression may be another one each time."""
    return any(isinstance(part, ast.Call) and last_name(part.func) in ("next", "pop", "popleft") for part in ast.walk(node))


def _is_over_members(loop: ast.For) -> bool:
    """Return whether a loop goes over the members of an ensemble.

    Its own names say so, and it gathers what they answer.
    """
    added = [node.func for node in ast.walk(loop) if isinstance(node, ast.Call) and last_name(node.func) == "append"]
    names = {*_names(loop.target), *(last_name(function.value) for function in added if isinstance(function, ast.Attribute))}
    return bool(added) and any(MEMBERS.search(name) for name in names)


PROGRAM = """import torch
from torch import nn

model = nn.Linear(3, 2)
inputs = torch.randn(4, 3)
{made}
print(torch.stack(answers).mean(0))
"""
_ASKED = "\nanswers = [member(inputs) for member in members]"
_LOOP = """answers = []
for member in range(5):
    model.load_state_dict(torch.load({path})){marker}
    answers.append(model(inputs))"""
HERE = "  # <- here"
BAD = [
    program(PROGRAM.format(made=f"members = [model] * 5{HERE}{_ASKED}")),
    program(PROGRAM.format(made=f"members = [model for _ in range(5)]{HERE}{_ASKED}")),
    program(PROGRAM.format(made=_LOOP.format(path='"0.pt"', marker=HERE))),
]
_TUNED = """def finetune(net, seed):
    torch.manual_seed(seed)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(inputs).pow(2).mean().backward()
    optimizer.step()

answers = []
for member in range(5):
    model.load_state_dict(torch.load("base.pt"))
    finetune(model, seed=member)
    answers.append(model(inputs))"""
_NOISY = """answers = []
for member in range(5):
    model.load_state_dict(torch.load("base.pt"))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.01 * torch.randn_like(weight))
    answers.append(model(inputs))"""
_FILLED = "members = [model] * 5\nfor i in range(5):\n    members[i] = nn.Linear(3, 2)"
_DROPS = "model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))\nmodel.train()\nmembers = [model] * 10"
GOOD = [
    program(PROGRAM.format(made=_TUNED)),
    program(PROGRAM.format(made=_NOISY)),
    program(PROGRAM.format(made=f"{_FILLED}{_ASKED}")),
    program(PROGRAM.format(made=f"{_DROPS}{_ASKED}")),
    program(PROGRAM.format(made=f"members = [nn.Linear(3, 2) for _ in range(5)]{_ASKED}")),
    program(PROGRAM.format(made=f"layers = [model] * 5{_ASKED.replace('members', 'layers')}")),
    program(PROGRAM.format(made=_LOOP.format(path='f"{member}.pt"', marker=""))),
]
