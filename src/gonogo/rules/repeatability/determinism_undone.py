"""REP110."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, Write
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Ref, Value, constant, plain
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("REP110", "determinism-undone", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def determinism_undone(programs: list[Program]) -> Iterator[Violation]:
    """Deterministic kernels are asked for, and `cudnn.benchmark` is switched on, too.

    What it does:
        Speaks where a program sets both `torch.backends.cudnn.deterministic` and `torch.backends.cudnn.benchmark` to True, neither
        under a condition.

    Why it matters:
        The benchmark chooses the fastest algorithm anew in each process, by what it measures: results differ between runs though
        each algorithm by itself is deterministic (PyTorch, "Reproducibility: CUDA convolution benchmarking").

    Instead:
        Set `benchmark` to False where the runs shall be repeatable.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    last: dict[str, Write] = {}
    for write in walked.all(Write):
        if isinstance(write.key, str) and _is_cudnn(write.owner):
            last[write.key] = write
    switch, claim = last.get("benchmark"), last.get("deterministic")
    if switch is None or claim is None or _conditional(switch) or _conditional(claim):
        return
    if constant(switch.value) is True and constant(claim.value) is True:
        yield violation(
            switch,
            "`cudnn.benchmark` chooses kernels by what it measures, though deterministic ones are asked for",
            "set `benchmark` to False",
            related=((claim, "determinism is asked for here"),),
        )


def _is_cudnn(value: Value) -> bool:
    value = plain(value)
    return (isinstance(value, Ref) and value.name.endswith("cudnn")) or (isinstance(value, Attribute) and value.name == "cudnn")


def _conditional(write: Write) -> bool:
    return any(isinstance(around, Branch) for around in write.around())


PROGRAM = """import torch

torch.backends.cudnn.deterministic = {deterministic}
torch.backends.cudnn.benchmark = {benchmark}
print(torch.nn.Conv2d(3, 8, 3)(torch.zeros(1, 3, 8, 8)).sum())
"""
BAD = program(PROGRAM.format(deterministic="True", benchmark="True  # <- here"))
GOOD = [program(PROGRAM.format(deterministic="True", benchmark="False")), program(PROGRAM.format(deterministic="False", benchmark="True"))]
