"""Learning-rate schedules that a trainer of Lightning or transformers steps."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, calls, last_name, text_of
from gonogo.analysis.training.courses import WHEN, Courses, Fault

_ARGUMENTS = frozenset({"TrainingArguments", "Seq2SeqTrainingArguments"})
# What makes a schedule another one, or steps it at other times than after each epoch.
_OTHERWISE = re.compile(r"['\"]step['\"]|interval|frequency|SequentialLR|ChainedScheduler|manual|lr_scheduler_step|automatic_optimization")


def trainer_faults(judging: Courses, modules: Mapping[str, Module]) -> Iterator[tuple[Module, ast.Call, Fault]]:
    """Yield what is wrong in a run with schedules that a trainer steps, with the call that makes each.

    Args:
        judging: the run.
        modules: the training code.
    """
    epochs = _epochs(judging, modules)
    for module in modules.values():
        for owner in module.of(ast.ClassDef) if epochs is not None and epochs >= 1 else ():
            yield from _of_lightning(judging, module, owner, int(epochs or 0))
        for call in calls(module):
            if last_name(call.func) in _ARGUMENTS:
                fault = _of_arguments(judging, module, call)
                if fault is not None:
                    yield module, call, fault


def _epochs(judging: Courses, modules: Mapping[str, Module]) -> float | None:
    """The epochs of the only trainer of Lightning; None where not known, or where steps end it."""
    made = [(module, call) for module in modules.values() for call in calls(module) if last_name(call.func) == "Trainer"]
    if len(made) != 1:
        return None
    module, call = made[0]
    names = {keyword.arg for keyword in call.keywords}
    given = argument(call, None, "max_epochs")
    if given is None or names & {"max_steps", "max_time", None}:
        return None
    span = judging.numbers.of(module, given)
    return span[0] if span is not None and span[0] == span[1] else None


def _of_lightning(judging: Courses, module: Module, owner: ast.ClassDef, epochs: int) -> Iterator[tuple[Module, ast.Call, Fault]]:
    """The schedules that `configure_optimizers` makes, each of which is stepped after each epoch."""
    if _OTHERWISE.search(ast.unparse(owner)):
        return
    for method in owner.body:
        if isinstance(method, ast.FunctionDef) and method.name == "configure_optimizers":
            for call in (node for node in ast.walk(method) if isinstance(node, ast.Call)):
                if last_name(call.func) in WHEN or last_name(call.func) == "LambdaLR":
                    fault = judging.fault(module, call, epochs)
                    if fault is not None:
                        yield module, call, fault


def _of_arguments(judging: Courses, module: Module, call: ast.Call) -> Fault | None:
    """A warm-up that lasts as long as the whole training of a trainer of transformers."""

    def of(name: str) -> float | None:
        given = argument(call, None, name)
        span = judging.numbers.of(module, given) if given is not None else None
        return span[0] if span is not None and span[0] == span[1] else None

    kind = argument(call, None, "lr_scheduler_type")
    if kind is not None and text_of(kind) in (None, "constant"):
        return None  # what is constant has no warm-up
    ratio, warmup, steps = of("warmup_ratio"), of("warmup_steps"), of("max_steps")
    if warmup is not None and steps is not None and 0 < steps <= warmup:
        message = f"the learning rate warms up for {warmup:g} steps, and the run has {steps:g}: it never ends"
    elif ratio is not None and ratio >= 1 and not warmup:
        message = f"the learning rate warms up for {ratio:g} times the run: it never ends"
    else:
        return None
    return Fault(message, "warm up for a part of the run")
