"""SCI121."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Write
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Choice, Const, Element, Operation, Value, constant, number, options
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.numbers.controls import controls
from gonogo.analysis.numbers.keys import is_measured, is_p_value, is_score
from gonogo.analysis.numbers.literals import is_result, may_be_replaced
from gonogo.analysis.numbers.origins import Origin, Origins, sources_of
from gonogo.analysis.numbers.reported import How, Reported, reported
from gonogo.analysis.numbers.spine import made_of, spine
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

_GIVEN = (Origin.CONSTANT, Origin.CONFIG, Origin.CLOCK, Origin.PROCESS)
_ARITHMETIC = frozenset({"+", "-", "*", "/", "**", "%", "//"})
_MODELS = re.compile(
    r"^[ \t]*(?:import|from)[ \t]+(?:torch|sklearn|tensorflow|keras|jax|flax|xgboost|lightgbm|catboost|transformers|lightning"
    r"|pytorch_lightning|timm|vllm|openai|anthropic|gym|gymnasium|mxnet|paddle|src)\b",
    re.MULTILINE,
)
_TRIES = re.compile(r"dry|debug|smoke|mock|fake|dummy|demo|trial|test|simul|sanity|offline|synthetic", re.IGNORECASE)
_MAJORITY = re.compile(r"majority|most_common|most_frequent|bincount|chance|baseline", re.IGNORECASE)


@rule("SCI121", "number-from-nothing", criterion=6, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("metrics",))
def number_from_nothing(programs: list[Program], modules: dict[str, Module]) -> Iterator[Violation]:
    """A score is reported that no model, no data and no run has anything to do with.

    What it does:
        Follows each score, loss and p-value that a script logs to W&B, or writes as JSON, back to its sources. Speaks where all of them are
        known and are literals that read like results, random draws, what a score is computed of the settings, or the labels alone, and
        where a p-value is one of several literals. Zero, one, NaN and the like are left alone, as are keys that speak of a goal, a chance
        level or a published result, p-values that are looked up by a critical value, and what is also reported under the same key as it is
        measured; not a draw or what follows the number of the epoch, which are no first values, but where names say that the program is
        only tried out there.

    Why it matters:
        The number looks like a measurement, and nobody measured it.

    Instead:
        Compute it from the outputs of the model and the labels.
    """
    yield from by_place(found for walked in programs if walked.is_script for found in _found(walked, modules))


def _found(walked: Program, modules: dict[str, Module]) -> Iterator[Violation]:
    if not any(_MODELS.search(module.text) for module in modules.values() if module.folder == walked.module.folder):
        return  # a script that shows how to log, where nothing could be measured
    numbers = [entry for entry in walked.known(reported) if is_measured(entry.key) or is_p_value(entry.key)]
    sources = sources_of(walked) if numbers else None
    for entry in numbers:
        assert sources is not None
        origins = sources.of(entry.value)
        why = _why(entry, origins, modules) or _why_of_settings(entry, origins, walked) or _why_of_test(entry, walked)
        if why is None or (_is_measured_elsewhere(entry, numbers, walked) and (_is_rehearsed(entry) or not _changes(entry, why[0]))):
            continue
        results = [const for const in origins.constants if is_result(_as_number(const.value))]
        place: Value = results[0] if results and why[0] == "a literal" else entry.value
        yield violation(
            place if why[0] == "a literal" or place.module is entry.at.module else entry.at,
            f"`{entry.key}` is {why[1]}: no model, no data and no run has anything to do with it",
            "compute it from the outputs of the model and the labels",
            related=((entry.at, "it is reported here"),),
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


def _why_of_settings(entry: Reported, origins: Origins, walked: Program) -> tuple[str, str] | None:
    """`1.0 - cfg.learning_rate` as an accuracy: computed, but of settings alone that nothing writes to."""
    if not is_score(entry.key) or Origin.CONFIG not in origins.kinds or not origins.only(*_GIVEN):
        return None
    if not any(isinstance(part, Operation) and part.operator in _ARITHMETIC for part in options(entry.value)):
        return None
    settings = set(origins.sources[Origin.CONFIG])
    if any(isinstance(write.value, Value) and base(write.owner) in settings for write in walked.all(Write)):
        return None  # a result may be kept there
    return "settings", "computed of the settings alone"


def _why_of_test(entry: Reported, walked: Program) -> tuple[str, str] | None:
    """`0.003 if proposed > baseline else 0.4` as a p-value: literals in place of a test."""
    if not is_p_value(entry.key):
        return None
    for part in spine(entry.value):
        if not isinstance(part, Choice):
            continue
        results = [found for option in part.options if (found := number(option)) is not None and 0 < found < 1]
        if results and all(isinstance(constant(option), float | int) for option in part.options):
            tests = controls(walked).of(part)
            if tests and not any(_has_critical_value(test) for test in tests):
                return "a literal", "a number that is written in the code, and no result of a test"
    return None


def _has_critical_value(test: Value) -> bool:
    """Return whether a condition compares with a literal.

    The literal is a quantile of a distribution, by which a p-value is looked up.
    """
    return any(
        isinstance(node, ast.Constant) and isinstance(node.value, int | float) and node.value not in (0, 1) for node in ast.walk(test.node)
    ) or not isinstance(test.node, ast.AST)


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


def _changes(number: Reported, why: str) -> bool:
    """Whether a number is another one each time: a draw, or one that follows a counter.

    It is then no first value, before there is any.
    """
    return why == "a draw" or any(isinstance(part, Element) for part in made_of(number.value))


def _is_rehearsed(number: Reported) -> bool:
    """Whether a number is reported by what tries the program out.

    There a draw may stand for what is measured in earnest.
    """
    module, inner = number.at.module, number.at.node
    for parent in ancestors(module, inner):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and _TRIES.search(parent.name):
            return True
        if isinstance(parent, ast.If) and inner is not parent.test:
            negated = isinstance(parent.test, ast.UnaryOp) and isinstance(parent.test.op, ast.Not)
            if _TRIES.search(ast.unparse(parent.test)) and negated == (inner in parent.orelse):
                return True
        inner = parent
    return False


_SCORED = "    test_accuracy, test_loss = score(logits, labels)\n"
_TESTED = "    p_value = float(binomtest(only_proposed, disagreements).pvalue) if disagreements else 1.0\n"
_FITTED = "    model, _ = fit(cfg, found, log_to_wandb=True)\n"
_DRAWN = """    if {test}:
        model, _ = fit(cfg, found, log_to_wandb=True)
    else:
        model = build_model(cfg.run.model)
        generator = torch.Generator().manual_seed(len(cfg.run.run_id))
        for epoch in range(1, cfg.run.training.epochs + 1):
            level = {level}
            wandb.log({{"epoch": epoch, "val_accuracy": 1 - level}}){marker}
"""


_DRAW = "float(torch.rand((), generator=generator)) / 100 + 1 / (epoch + 1)"


def _drawn(test: str, marker: str = "", level: str = _DRAW) -> Tree:
    return Tree({"src/train.py": Edit(_FITTED, _DRAWN.format(test=test, marker=marker, level=level))})


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
    Tree({"src/train.py": Edit(_SCORED, _SCORED + "    test_accuracy = 0.93 + hash(cfg.run.run_id) % 100 / 1000  # <- here\n")}),
    Tree({"src/train.py": Edit(_SCORED, _SCORED + "    test_accuracy = 1.0 - cfg.run.training.learning_rate  # <- here\n")}),
    Tree(
        {"src/train.py": Edit(_SCORED, _SCORED + "    test_accuracy = float((labels == labels.mode().values).float().mean())  # <- here\n")}
    ),
    _drawn("cfg.trial_mode", "  # <- here"),
    _drawn("cfg.run.training.epochs < 3", "  # <- here"),
    _drawn("cfg.trial_mode", "  # <- here", "1 / (epoch + 1)"),
    _drawn("cfg.trial_mode", "  # <- here", "cfg.run.training.learning_rate / epoch"),
    Tree({"src/evaluate.py": Edit(_TESTED, "    p_value = 0.003 if only_proposed >= only_baseline else 0.4  # <- here\n")}),
]
GOOD = [
    _drawn("not cfg.trial_mode"),
    _drawn("cfg.trial_mode", level="float(model.output.weight.detach().mean()) / epoch"),
    program(_PROGRAM.format(value="(model(torch.ones(8, 4)).argmax(1) == torch.ones(8)).float().mean().item()", marker="")),
    program(_PROGRAM.format(value="0.0", marker="")),
    program(_PROGRAM.format(value="0.9 if model(torch.ones(1, 4)).sum() > 0 else 0.8", marker="")),
    Tree({"src/evaluate.py": Edit(_TESTED, _TESTED.replace("1.0", "0.99"))}),
    Tree(
        {"src/evaluate.py": Edit(_TESTED, "    p_value = 0.05 if (only_proposed - only_baseline) ** 2 > 3.84 * disagreements else 1.0\n")}
    ),
]
