"""TRN123."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Event
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Mode, Parameter, Ref, Value, constant, plain, text
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.kinds import Kind, kind_of, likely_kind
from gonogo.analysis.training.loops import TrainingLoop, events_in, training_loops
from gonogo.analysis.training.order import Order, excludes
from gonogo.analysis.training.uses import ancestry, applications_in
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

CLIPS = frozenset({"clip_grad_norm_", "clip_grad_value_", "clip_grad_norm"})


@rule("TRN123", "scaled-gradients", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def scaled_gradients(programs: list[Program]) -> Iterator[Violation]:
    """In mixed precision, scaled gradients are clipped or used, or small ones lost without a scaler.

    What it does:
        Looks at training loops with a `GradScaler`. Speaks where gradients are clipped before `unscale_`, where the optimizer is
        stepped by itself though the loss was scaled, where the scaler is never updated, and where `unscale_` comes after the step.
        A loop under `autocast` in half precision without any scaler is a warning.

    Why it matters:
        Scaled gradients are 65536 times too large: clipping makes every step the same length, and a plain step is far too long
        (PyTorch, "Automatic mixed precision examples: working with unscaled gradients"). Without a scaler small gradients of half
        precision become zero (Micikevicius et al., Mixed precision training, 2018). `bfloat16` needs none.

    Instead:
        `scaler.scale(loss).backward()`, `scaler.unscale_(optimizer)`, clip, `scaler.step(optimizer)`, `scaler.update()`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    order = walked.known(Order)
    for loop in walked.known(training_loops):
        inside = list(events_in(loop))
        scaled = [event for event in inside if event.call.method == "scale" and _is_scaler(event.call.receiver)]
        if not scaled:
            yield from _without(walked, loop)
            continue
        unscaled = [event for event in inside if event.call.method == "unscale_"]
        steps = [event for event in inside if event.call.method == "step" and _is_scaler(event.call.receiver)]
        for event in inside:
            if event.call.short in CLIPS and steps:
                before = [entry for entry in unscaled if not excludes(event, entry) and order.place(entry) < order.place(event)]
                if not before and not all(excludes(event, entry) for entry in scaled):
                    yield violation(
                        event,
                        "gradients are clipped while they are still scaled",
                        "call `scaler.unscale_(optimizer)` before",
                        related=((scaled[0], "the loss is scaled here"),),
                    )
        for event in inside:
            direct = event.call.method == "step" and event.call.receiver is not None and kind_of(event.call.receiver) is Kind.OPTIMIZER
            if direct and not steps and not unscaled and _is_enabled(scaled[0]):
                yield violation(
                    event,
                    "the optimizer is stepped with gradients that are still scaled",
                    "step it by `scaler.step(optimizer)`",
                    related=((scaled[0], "the loss is scaled here"),),
                )
        if steps and not any(event.call.method == "update" and _is_scaler(event.call.receiver) for event in walked.calls("update")):
            yield violation(steps[0], "the scaler is never updated: its scale stays as it began", "call `scaler.update()` after the step")


def _is_scaler(value: Value | None) -> bool:
    return value is not None and likely_kind(value) is Kind.SCALER


def _is_enabled(event: Event) -> bool:
    made = base(event.call.receiver) if event.call.receiver is not None else None
    given = made.argument(None, "enabled") if isinstance(made, Call) else None
    return isinstance(made, Call) and (given is None or constant(given) is True)


def _without(walked: Program, loop: TrainingLoop) -> Iterator[Violation]:
    """Half precision without a scaler."""
    if walked.has("GradScaler", "Accelerator", "Fabric", "initialize", "ShardedGradScaler", "scale_loss"):
        return
    for done in loop.computes:
        for call in _applied(done.act.on):
            if call.context.autocast is Mode.ON and _in_half(walked):
                yield violation(
                    done.at,
                    "gradients of half precision are computed without a scaler: small ones become zero",
                    "use a `GradScaler`, or `bfloat16`",
                    sure=False,
                    severity=Severity.WARNING,
                    related=((call, "the network is applied under `autocast`"),),
                )
                return


def _applied(loss: Value) -> list[Call]:
    """The calls that applied networks, those that a caller gives among them."""
    given = (entry for entry in ancestry(loss) if isinstance(entry, Call) and isinstance(plain(entry.callee), Parameter))
    return [*applications_in(loss), *given]


def _in_half(walked: Program) -> bool:
    """Whether every `autocast` of the program is in half precision, on a GPU."""
    found = []
    for event in walked.calls("autocast"):
        kind = event.call.argument(1, "dtype")
        device = text(event.call.argument(0, "device_type")) if not event.call.name.startswith("torch.cuda") else "cuda"
        named = plain(kind) if kind is not None else None
        is_half = kind is None or (isinstance(named, Ref) and named.name in ("torch.float16", "torch.half"))
        found.append(is_half and device == "cuda")
    return bool(found) and all(found)


PROGRAM = """import torch
from torch import nn

model = nn.Linear(4, 2).cuda()
optimizer = torch.optim.Adam(model.parameters())
scaler = torch.amp.GradScaler("cuda")
for inputs, labels in torch.load("batches.pt"):
    optimizer.zero_grad()
    with torch.autocast("cuda", dtype=torch.float16):
        loss = nn.functional.cross_entropy(model(inputs.cuda()), labels.cuda())
    scaler.scale(loss).backward()
    {first}
    nn.utils.clip_grad_norm_(model.parameters(), 1.0){clip}
    {step}
    scaler.update()
"""
BAD = [
    program(PROGRAM.format(first="print(loss.item())", clip="  # <- here", step="scaler.step(optimizer)")),
    program(PROGRAM.format(first="print(loss.item())", clip="", step="optimizer.step()  # <- here")),
    program(
        PROGRAM.format(first="print(1)", clip="", step="optimizer.step()")
        .replace("scaler.scale(loss).backward()", "loss.backward()  # <- here")
        .replace("    scaler.update()\n", "")
        .replace('scaler = torch.amp.GradScaler("cuda")\n', "")
    ),
]
EITHER = """import torch
from torch import nn

model = nn.Linear(4, 2).cuda()
optimizer = torch.optim.Adam(model.parameters())
scaler = torch.amp.GradScaler("cuda")
half = input() == "half"
for inputs, labels in torch.load("batches.pt"):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(inputs.cuda()), labels.cuda())
    if half:
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    else:
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
"""
GOOD = [
    program(EITHER),
    program(PROGRAM.format(first="scaler.unscale_(optimizer)", clip="", step="scaler.step(optimizer)")),
    program(
        PROGRAM.format(first="print(1)", clip="", step="optimizer.step()")
        .replace("scaler.scale(loss).backward()", "loss.backward()")
        .replace("    scaler.update()\n", "")
        .replace('scaler = torch.amp.GradScaler("cuda")\n', "")
        .replace("float16", "bfloat16")
    ),
]
