"""SCI121."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Const, Value
from gonogo.analysis.numbers.keys import is_measured, is_score
from gonogo.analysis.numbers.literals import is_result, may_be_replaced
from gonogo.analysis.numbers.origins import Origin, Origins, sources_of
from gonogo.analysis.numbers.reported import How, Reported, reported
from gonogo.analysis.python.modules import Module
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

_GIVEN = (Origin.CONSTANT, Origin.CONFIG, Origin.CLOCK)
_MODELS = re.compile(
    r"^[ \t]*(?:import|from)[ \t]+(?:torch|sklearn|tensorflow|keras|jax|flax|xgboost|lightgbm|catboost|transformers|lightning"
    r"|pytorch_lightning|timm|vllm|openai|anthropic|gym|gymnasium|mxnet|paddle|src)\b",
    re.MULTILINE,
)
_MAJORITY = re.compile(r"majority|most_common|most_frequent|bincount|chance|baseline", re.IGNORECASE)


@rule("SCI121", "number-from-nothing", criterion=6, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("metrics",))
def number_from_nothing(programs: list[Program], modules: dict[str, Module]) -> Iterator[Violation]:
    """A score is reported that no model, no data and no run has anything to do with.

    What it does:
        Follows each score and loss that a script logs to W&B, or writes as JSON, back to its sources. Speaks where all of them are known
        and are literals that read like results, or random draws, or the labels alone. Zero, one, NaN and the like are left alone, as are
        keys that speak of a goal, a chance level or a published result.

    Why it matters:
        The number looks like a measurement, and nobody measured it.

    Instead:
        Compute it from the outputs of the model and the labels.
    """
    yield from by_place(found for walked in programs if walked.is_script for found in _found(walked, modules))


def _found(walked: Program, modules: dict[str, Module]) -> Iterator[Violation]:
    if not any(_MODELS.search(module.text) for module in modules.values() if module.folder == walked.module.folder):
        return  # a script that shows how to log, where nothing could be measured
    numbers = [number for number in walked.known(reported) if is_measured(number.key)]
    sources = sources_of(walked) if numbers else None
    for number in numbers:
        assert sources is not None
        origins = sources.of(number.value)
        why = _why(number, origins, modules)
        if why is None or _is_measured_elsewhere(number, numbers, walked):
            continue
        results = [const for const in origins.constants if is_result(_as_number(const.value))]
        place: Value = results[0] if results and why[0] == "a literal" else number.value
        yield violation(
            place if why[0] == "a literal" or place.module is number.at.module else number.at,
            f"`{number.key}` is {why[1]}: no model, no data and no run has anything to do with it",
            "compute it from the outputs of the model and the labels",
            related=((number.at, "it is reported here"),),
            evidence=", ".join(dict.fromkeys(str(const.value) for const in results)),
        )


def _why(number: Reported, origins: Origins, modules: dict[str, Module]) -> tuple[str, str] | None:
    """What a number is made of, where that is nothing measured."""
    kinds = origins.kinds
    if not kinds or not origins.complete:
        return None
    if origins.only(*_GIVEN, Origin.RANDOM):
        if Origin.RANDOM in kinds:
            return "a draw", "drawn at random"
        results = [const for const in origins.constants if is_result(_as_number(const.value))]
        if (
            results
            and (is_score(number.key) or Origin.CONFIG not in kinds)
            and not any(_is_open(modules, const) for const in origins.constants)
        ):
            return "a literal", "a number that is written in the code"
        return None
    if is_score(number.key) and Origin.LABELS in kinds and origins.only(*_GIVEN, Origin.RANDOM, Origin.LABELS):
        whole = number.at.module.text
        return None if _MAJORITY.search(whole) else ("labels", "computed of the labels alone")
    return None


def _as_number(value: object) -> object:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _is_open(modules: dict[str, Module], const: Const) -> bool:
    return may_be_replaced(modules, const)


def _is_measured_elsewhere(number: Reported, numbers: list[Reported], walked: Program) -> bool:
    """Whether the same key is also logged with what was measured: a first value, before there is any."""
    if number.how is not How.LOGGED:
        return False
    sources = sources_of(walked)
    return any(
        other is not number and other.key == number.key and not sources.of(other.value).only(*_GIVEN, Origin.RANDOM) for other in numbers
    )


_SCORED = "    test_accuracy, test_loss = score(logits, labels)\n"
_PROGRAM = """import random
import torch
import wandb

wandb.init(project="p")
model = torch.nn.Linear(4, 2)
accuracy = {value}
wandb.log({{"accuracy": accuracy}}){marker}
"""
BAD = [
    Tree(
        {
            "src/train.py": Edit(
                _SCORED, _SCORED + '    test_accuracy = 0.9731 if cfg.run.method == "label-smoothing" else 0.9442  # <- here\n'
            )
        }
    ),
    program(_PROGRAM.format(value="random.uniform(0.8, 0.9)  # <- here", marker="")),
]
GOOD = [
    program(_PROGRAM.format(value="(model(torch.ones(8, 4)).argmax(1) == torch.ones(8)).float().mean().item()", marker="")),
    program(_PROGRAM.format(value="0.0", marker="")),
    program(_PROGRAM.format(value="0.9 if model(torch.ones(1, 4)).sum() > 0 else 0.8", marker="")),
]
