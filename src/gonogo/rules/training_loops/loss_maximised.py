"""TRN183."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.definitions import Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value, constant
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.modules import Module
from gonogo.analysis.training.activations import Gives, output_of
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.gradients import computed_by
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.loops import Done, TrainingLoop, acts, training_loops
from gonogo.analysis.training.objects import each, holdings, parts_of
from gonogo.analysis.training.ops import Op, op_of
from gonogo.analysis.training.order import Order
from gonogo.analysis.training.signs import signed_terms
from gonogo.analysis.training.uses import applications_in
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation
from gonogo.rules.watched import names

# Distances from what is wanted, of which less is better.
DISTANCES = frozenset(
    {"cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", "l1_loss", "smooth_l1_loss",
     "huber_loss", "ctc_loss"}
)  # fmt: skip
# Names in code that goes up the gradient on purpose.
MEANT = re.compile(
    r"ascen[dt]|unlearn|forget_?(?:set|loader|data|loss|batch)|advers|revers(?:al|e_?grad|ed)|grad_?rev|hypergrad|attack|poison|backdoor"
    r"|discrepan|min_?max|(?:^|_)gan(?:_|$)|discriminator|(?:^|_)adv(?:_|$)|perturb|(?:^|_)delta(?:_|$)|confus(?:e|ion_loss)|domain",
    re.IGNORECASE,
)
LOADS = (
    "load_state_dict", "from_pretrained", "load_from_checkpoint", "create_model", "load_model", "load_checkpoint", "restore",
    "load_weights",
)  # fmt: skip


@rule("TRN183", "loss-maximised", criterion=4, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def loss_maximised(programs: list[Program], modules: dict[str, Module]) -> Iterator[Violation]:
    """The network is trained to make its loss larger.

    What it does:
        Takes each loss that gradients are computed of apart into its terms. Speaks where all of them are distances of a network's outputs
        from data (a cross-entropy, a squared error, …) with a minus before them, and the optimizer of that network steps; and where they
        have none, and the optimizer is made with `maximize=True`. A program is left alone that minimises any loss as well, has several
        optimizers, or has names that speak of adversaries, reversed gradients or unlearning. A warning where a network may have been
        trained before.

    Why it matters:
        Each step makes the predictions worse. The loss goes to minus infinity, which looks like progress, and the accuracy falls below
        chance.

    Instead:
        Minimise the loss: no minus before a distance, and no `maximize=True`.
    """
    for walked in programs:
        found = list(_found(walked))
        if found and not names(modules, MEANT):
            yield from by_place(found)


def _found(walked: Program) -> Iterator[Violation]:
    loops = walked.known(training_loops)
    computed = [done for done in walked.known(acts) if done.act.does is Does.COMPUTES]
    optimizers = {one for loop in loops for one in each(loop.optimizer)}
    if len(optimizers) != 1 or not all(loop.sure for loop in loops):
        return
    optimizer = next(iter(optimizers))
    turned = _is_turned(optimizer)
    if turned is None:
        return
    down: dict[Done, list[Op]] = {}
    for done in computed:
        down[done] = _distances(walked, done, -1 if not turned else 1)
        if not down[done]:
            return
    own = {part for network in holdings(optimizer).networks for part in parts_of(walked, network)}
    for loop in loops:
        for done in loop.computes:
            ops = down[done]
            if all(own & set(computed_by(walked, op.operands[0])) for op in ops):
                yield _violation(walked, loop, done, ops, turned)


def _violation(walked: Program, loop: TrainingLoop, done: Done, ops: list[Op], turned: bool) -> Violation:
    order = walked.known(Order)
    loaded = any(order.place(event) < order.place(done.at) for event in walked.calls(*LOADS))
    sign = "the optimizer is made with `maximize=True`" if turned else "a minus stands before it"
    made = base(loop.optimizer)
    related = [(ops[0].call, "the loss")] if ops[0].call.node is not done.at.node else []
    return violation(
        done.at,
        f"each step makes `{ops[0].name}` larger: {sign}",
        "leave out `maximize=True`" if turned else "leave out the minus",
        sure=not loaded,
        related=[*related, *([(made, "the optimizer")] if turned else [])],
    )


def _is_turned(optimizer: Value) -> bool | None:
    """Whether an optimizer goes up; None where that is not known."""
    made = optimizer.made if isinstance(optimizer, Instance) else optimizer
    if not isinstance(made, Call) or isinstance(optimizer, Instance):
        return None
    given = made.argument(None, "maximize")
    if given is None:
        return False if not made.is_open and made.name.startswith("torch.optim.") else None
    known = constant(given)
    return known if isinstance(known, bool) else None


def _distances(walked: Program, done: Done, sign: int) -> list[Op]:
    """The distances, all of one sign, that a loss is the sum of; none where it holds anything else."""
    terms = signed_terms(done.act.on)
    found: list[Op] = []
    for term, own in terms or ():
        op = op_of(term)
        if own == sign and op is not None and _is_distance(op):
            found.append(op)
        elif applications_in(term) or own == sign:
            return []
    return found


def _is_distance(op: Op) -> bool:
    """Whether a loss is that of a network's outputs against data, as the library has it."""
    if op.name not in DISTANCES or op.library != "torch" or len(op.operands) < 2 or not applications_in(op.operands[0]):
        return False
    if op.name == "nll_loss" and output_of(op.operands[0]).gives is not Gives.LOG:
        return False  # it may pick out the probability of the label
    return not applications_in(op.operands[1]) and kind_of(base(op.operands[1])) is not Kind.MODEL


HERE = "  # <- here"
LOOP = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
network = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
other = nn.Linear(4, 3)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1{more})
criterion = nn.CrossEntropyLoss()
loader = DataLoader(TensorDataset(*torch.load("rows.pt")), batch_size=32, shuffle=True)
for epoch in range(10):
    for inputs, labels in loader:
        optimizer.zero_grad()
        {loss}
        optimizer.step()
"""
_PLAIN = f"criterion(network(inputs), labels).backward(){HERE}"
BAD = [
    program(LOOP.format(more="", loss=f"(-criterion(network(inputs), labels)).backward(){HERE}")),
    program(
        LOOP.format(more="", loss=f"loss = -1 * nn.functional.cross_entropy(network(inputs), labels)\n        (loss / 2).backward(){HERE}")
    ),
    program(LOOP.format(more=", maximize=True", loss=_PLAIN)),
]
GOOD = [
    program(LOOP.format(more="", loss="criterion(network(inputs), labels).backward()")),
    program(LOOP.format(more=", maximize=True", loss="(-criterion(network(inputs), labels)).backward()")),
    program(LOOP.format(more="", loss="loss = -nn.functional.log_softmax(network(inputs), 1)[:, 0].mean()\n        loss.backward()")),
    program(
        LOOP.format(
            more="", loss="loss = criterion(network(inputs), labels) - 0.1 * network(inputs).pow(2).mean()\n        loss.backward()"
        )
    ),
]
