"""TRN108."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Operation, Value, number
from gonogo.analysis.training.activations import Gives, networks_behind, output_of, width_of
from gonogo.analysis.training.ops import op_of
from gonogo.analysis.training.uses import operations, ops
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("TRN108", "threshold-on-logits", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def threshold_on_logits(programs: list[Program]) -> Iterator[Violation]:
    """Logits are turned into decisions as if they were probabilities.

    What it does:
        Follows the output of each network that learns by `binary_cross_entropy_with_logits`, which wants logits. Speaks where the
        same output, without a sigmoid, is compared with a threshold between 0 and 1 or rounded, and where the argmax of a single
        output is taken, which is always 0.

    Why it matters:
        A logit of 0.5 is a probability of 0.62: the decisions are those of another threshold than the one that is meant, and accuracy,
        precision and recall are those of another classifier (PyTorch, `torch.nn.BCEWithLogitsLoss`).

    Instead:
        Compare `torch.sigmoid(logits)` with the threshold, or the logits with 0.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    learners = _learners(walked)
    if not learners:
        return
    for value in walked.known(operations):
        if isinstance(value, Operation) and value.operator in (">", ">=", "<", "<=") and len(value.operands) == 2:
            given, bound = value.operands
            threshold = number(bound)
            if threshold is not None and 0 < threshold < 1 and _is_logit(given, learners):
                yield violation(
                    value,
                    f"logits are compared with {threshold:g}, which is meant for probabilities",
                    f"compare `torch.sigmoid(…)` with {threshold:g}, or the logits with the logit of {threshold:g}",
                    related=_related(learners, given),
                )
    for event in walked.calls("round", "round_", "argmax"):
        op = op_of(event.call)
        if op is None or not op.operands or not _is_logit(op.operands[0], learners):
            continue
        if op.name != "argmax":
            yield violation(
                event,
                "logits are rounded as if they were probabilities",
                "round `torch.sigmoid(…)`",
                related=_related(learners, op.operands[0]),
            )
        elif width_of(op.operands[0]) == 1:
            yield violation(event, "the argmax of a single output is always 0", "compare the logit with 0")


def _learners(walked: Program) -> dict[Value, Value]:
    """The networks that learn by a loss that wants logits, and where."""
    found: dict[Value, Value] = {}
    for op in walked.gather(ops):
        if op.name == "binary_cross_entropy_with_logits":
            given = op.operand(0, "input")
            if given is not None and output_of(given).gives in (Gives.LOGITS, None):
                found |= dict.fromkeys(networks_behind(given), op.call)
    return found


def _is_logit(value: Value, learners: dict[Value, Value]) -> bool:
    networks = networks_behind(value)
    return bool(networks) and networks <= learners.keys() and output_of(value).gives in (Gives.LOGITS, None)


def _related(learners: dict[Value, Value], value: Value) -> list[tuple[Value, str]]:
    told = "it learns by a loss that wants logits here"
    return [(place, told) for place in dict.fromkeys(learners[network] for network in networks_behind(value))]


PROGRAM = """import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(10):
    inputs, labels = torch.randn(8, 4), torch.randint(2, (8, 1)).float()
    optimizer.zero_grad()
    outputs = model(inputs)
    criterion(outputs, labels).backward()
    optimizer.step()
    {decide}
"""
GATHERED = """kept = []
    for part in inputs.split(4):
        kept.append({made}.cpu())
    print((torch.cat(kept).numpy() > 0.5).mean()){marker}"""
BAD = [
    program(PROGRAM.format(decide=GATHERED.format(made="model(part)", marker="  # <- here"))),
    program(PROGRAM.format(decide="print(((outputs > 0.5) == labels.bool()).float().mean())  # <- here")),
    program(PROGRAM.format(decide="print((torch.round(outputs) == labels).float().mean())  # <- here")),
]
GOOD = [
    program(PROGRAM.format(decide=GATHERED.format(made="model(part).sigmoid()", marker=""))),
    program(PROGRAM.format(decide="print(((torch.sigmoid(outputs) > 0.5) == labels.bool()).float().mean())")),
    program(PROGRAM.format(decide="print(((outputs > 0) == labels.bool()).float().mean())")),
]
