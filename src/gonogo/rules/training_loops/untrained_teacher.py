"""TRN145."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Write
from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Parameter, Unknown, Value, plain
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.names import last_name
from gonogo.analysis.rows.flow import name_of
from gonogo.analysis.training.acts import owner_of_parameter
from gonogo.analysis.training.escapes import escapes
from gonogo.analysis.training.loops import training_loops
from gonogo.analysis.training.made import optimizers_made
from gonogo.analysis.training.objects import each, has_parameters, holdings, parts_of
from gonogo.analysis.training.uses import applications_in
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

TEACHER = re.compile(r"(?:^|_)teacher(?:_|$)", re.IGNORECASE)
# Weights that come from elsewhere, or follow another network's.
GIVING = frozenset({"load_state_dict", "load", "load_weights", "deepcopy", "copy_", "state_dict", "zip", "from_pretrained", "load_model"})
SWITCHING = frozenset({"eval", "train", "to", "cuda", "cpu", "requires_grad_", "__init__"})


@rule("TRN145", "untrained-teacher", criterion=4, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("method",))
def untrained_teacher(programs: list[Program]) -> Iterator[Violation]:
    """The network that is called the teacher has random weights.

    What it does:
        Looks at networks of the project that are called a teacher and whose outputs go into a training loss. Speaks where all of their
        layers are new ones, no optimizer has their parameters, and nothing loads, copies or writes their weights. Silent where an optimizer
        may have them, or code that can't be followed is given the teacher. Speaks also where the network that is called the teacher is
        the student itself, which the optimizer has, on the very same inputs.

    Why it matters:
        The student is taught noise, or a constant: the method is compared under its name, and what it reports is that of another one.

    Instead:
        Train the teacher first, or load its checkpoint.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    loops = walked.known(training_loops)
    held = [holdings(optimizer) for optimizer in walked.gather(optimizers_made)]
    if not loops or not held or not all(entry.complete for entry in held):
        return
    held_whole = {network for entry in held for network in entry.networks}
    trained = {part for entry in held for network in entry.networks for part in parts_of(walked, network)}
    spared: set[Value] | None = None
    for loop in loops:
        for done in loop.computes:
            applied = applications_in(done.act.on)
            inner = {part for call in applied for part in parts_of(walked, base(call.callee)) if part is not base(call.callee)}
            for call in sorted(applied, key=lambda call: getattr(call.node, "lineno", 0)):
                network = base(call.callee)
                if network in inner:
                    continue
                made = network.made if isinstance(network, Instance) else network
                if network in held_whole and (student := _same(walked, call, applied)) is not None:
                    yield violation(
                        call,
                        "the teacher is the student itself: it teaches what the student says already",
                        "take a trained network, or a copy that follows the student",
                        related=((student, "the student's own outputs"), (done.at, "the gradients are computed here")),
                    )
                if not isinstance(made, Call) or not TEACHER.search(_called(call, made)) or not _is_new(walked, network):
                    continue
                spared = _spared(walked) if spared is None else spared
                parts = parts_of(walked, network)
                if not parts & (trained | spared) and not _is_handed_on(walked, parts):
                    yield violation(
                        made,
                        "the teacher has random weights: nothing trains it, and nothing loads any",
                        "train the teacher first, or load its checkpoint",
                        related=((call, "its outputs are learned from here"), (done.at, "the gradients are computed here")),
                    )


def _same(walked: Program, call: Call, applied: set[Call]) -> Call | None:
    """Return another call of the teacher's network with the same inputs.

    The other call uses another name; the teacher is what is called so where it is applied.
    """
    if not (isinstance(call.node, ast.Call) and TEACHER.search(last_name(call.node.func))):
        return None
    given = [plain(argument) for argument in call.given()]
    for other in applied:
        spoken = last_name(other.node.func) if isinstance(other.node, ast.Call) else ""
        if base(other.callee) is base(call.callee) and not TEACHER.search(spoken) and [plain(entry) for entry in other.given()] == given:
            return other
    return None


def _called(call: Call, made: Call) -> str:
    """What the code calls a network: where it is made, and where it is applied."""
    applied = last_name(call.node.func) if isinstance(call.node, ast.Call) else ""
    return f"{name_of(made)}_{applied}"


def _is_new(walked: Program, network: Value) -> bool:
    """Whether a network is made of new layers of PyTorch alone."""
    parts = parts_of(walked, network)
    if not has_parameters(walked, network):
        return False
    if any(isinstance(part, (Parameter, Unknown)) for part in parts):
        return False
    return all(part.name.startswith("torch.nn.") for part in parts if isinstance(part, Call)) and all(
        isinstance(part, (Call, Instance, Class, Function)) for part in parts
    )


def _spared(walked: Program) -> set[Value]:
    """Return networks whose weights may come from elsewhere.

    They are loaded, copied, written, or passed to code that can't be followed.
    """
    found: set[Value] = set()
    for event in walked.calls():
        call = event.call
        if call.short in GIVING or (call.method.endswith("_") and call.method not in ("requires_grad_", "__init__")):
            for given in (call.receiver, *call.given()):
                if given is not None:
                    found |= each(owner_of_parameter(given))
                    found |= each(given)
    for write in walked.all(Write):
        if write.key in ("data", "weight", "bias") or (write.key is None or not isinstance(write.key, str)):
            found |= each(owner_of_parameter(write.owner))
    return {part for network in found for part in parts_of(walked, network)}


def _is_handed_on(walked: Program, parts: set[Value]) -> bool:
    """Whether code that can't be followed is given a network, other than to switch, move or apply it."""
    events = (event for event in walked.calls() if event.call.short not in SWITCHING)
    return any(escapes(event, parts) and not any(base(event.call.callee) is part for part in parts) for event in events)


LOOP = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 3))

    def forward(self, inputs):
        return self.layers(inputs)


student = Net(8)
teacher = Net(64){marker}
teacher.eval()
{more}
optimizer = torch.optim.SGD({parameters}, lr=0.1)
for _ in range(10):
    inputs, labels = torch.randn(8, 4), torch.randint(3, (8,))
    with torch.no_grad():
        wanted = teacher(inputs).softmax(1)
    logits = student(inputs)
    loss = nn.functional.cross_entropy(logits, labels) + nn.functional.kl_div(logits.log_softmax(1), wanted, reduction="batchmean")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def _loop(more: str = "", marker: str = "", parameters: str = "student.parameters()") -> str:
    return LOOP.format(more=more, marker=marker, parameters=parameters)


HERE = "  # <- here"
_WANTED = "        wanted = teacher(inputs).softmax(1)\n"
_OWN = _loop("").replace("teacher = Net(64)\n", "teacher = student\n")
BAD = [
    program(_OWN.replace(_WANTED, _WANTED.replace("\n", f"{HERE}\n"))),
    program(_loop(marker=HERE)),
    program(_loop("for entry in teacher.parameters():\n    entry.requires_grad = False", HERE)),
]
GOOD = [
    program(_loop('teacher.load_state_dict(torch.load("teacher.pt"))')),
    program(_loop("for one, other in zip(teacher.parameters(), student.parameters()):\n    one.data.copy_(other.data)")),
    program(_loop("import pretrained\npretrained.fill(teacher)")),
    program(_loop(parameters="[*student.parameters(), *teacher.parameters()]")),
    program(_loop().replace("teacher", "target")),
    program(
        _OWN.replace("teacher = student", "import copy\nteacher = copy.deepcopy(student)\nteacher.load_state_dict(torch.load('a.pt'))")
    ),
    program(_OWN.replace(_WANTED, _WANTED.replace("inputs", "inputs + torch.randn(8, 4)"))),
]
