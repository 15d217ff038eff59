"""Loops that go on training one network, against loops that train anew in each turn."""

from __future__ import annotations

from gonogo.analysis.dataflow.blocks import Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Value
from gonogo.analysis.training.loops import training_loops
from gonogo.analysis.training.objects import each
from gonogo.analysis.training.order import Order


def goes_on_training(walked: Program, loop: Loop) -> bool:
    """Whether the turns of a loop go on training a network whose optimizer was made before it."""
    return any(
        (training.loop is loop or loop in training.loop.around()) and not _is_made_within(walked, training.optimizer, loop)
        for training in walked.known(training_loops)
    )


def _is_made_within(walked: Program, made: Value, loop: Loop) -> bool:
    order = walked.known(Order)
    begin = order.place(loop)
    places = [order.made(value) for value in each(made)]
    return any(place is None or place > begin for place in places)
