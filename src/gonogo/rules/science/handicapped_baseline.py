"""SCI132."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from gonogo.analysis.interpreter.trace import Path, Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.handicaps import LENGTH, Handicap, Placed, handicaps, holds, texts_read
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.science.proposed_for_baseline import BASELINE

P = TypeVar("P", bound=Placed)
LEAST_SHORT = 0.5  # of the length of training
LEAST_RATE = 0.05  # of a learning rate: whole networks are rightly trained at a tenth of the rate of adapters
# Methods that train other parameters, or with another optimizer, have other rates for good reasons.
_OTHERS = re.compile(r"lora|peft|adapter|prompt|probe|freeze|frozen|requires_grad|pretrain|finetun|fine_tun|zero_shot", re.IGNORECASE)
# What says near by that a method needs less training for as much computing, or begins with what was trained before.
_MATCHED = re.compile(r"match|budget|flops|comput(?:e|ing|ation)|passes|warm[-_ ]?start|resum|continu", re.IGNORECASE)
_OPTIMIZER = re.compile(r"^(?:optimi[sz]er|optim)(?:_name|_type)?$|^name$", re.IGNORECASE)


@rule("SCI132", "handicapped-baseline", criterion=4, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("method",))
def handicapped_baseline(traces: list[Trace], modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The code trains the baseline alone with less than its settings say.

    What it does:
        Looks at places that make a learning rate, or the number of epochs, smaller under a condition, and at which runs come there by
        their configs. Speaks where all runs that do are called comparative or baseline, the settings of these and of the other runs are
        the same, and the code then leaves less than half of the epochs, or of the learning rate less than a twentieth. A warning
        where it is more, where the code speaks of adapters, probes or frozen parts, whose rates rightly differ, and where a comment near
        by speaks of as much computing, or of a warm start. Silent where a method does not train at all.

    Why it matters:
        The configs say that both methods were trained alike, and the difference in the table is that of the training.

    Instead:
        Give each method its own settings in its run config, and choose them for both in the same way.
    """
    training = training_modules(modules, contract)
    for place, weak, others in only_baselines(traces, (place for module in training for place in handicaps(module))):
        left = _left(place, weak, others)
        if left is not None and left < 1:
            yield _violation(place, left, weak, training)


def only_baselines(traces: list[Trace], places: Iterable[P]) -> Iterator[tuple[P, list[Trace], list[Trace]]]:
    """The places that all the runs come to that are called comparative or baseline, or some, and no other.

    Each comes with the runs that come there and those that do not. There is none where a run is not known.
    """
    full = [trace for trace in traces if trace.command == "full" and trace.complete and trace.composition is not None]
    if not full or len(full) < len({trace.run_id for trace in traces}):
        return
    reads = {trace.run_id: texts_read(trace) for trace in full}
    for place in places:
        come = {trace.run_id: holds(trace, place, reads[trace.run_id]) for trace in full}
        weak = [trace for trace in full if come[trace.run_id]]
        others = [trace for trace in full if come[trace.run_id] is False]
        if not weak or not others or len(weak) + len(others) < len(full) or not all(BASELINE.search(trace.run_id) for trace in weak):
            continue
        if not all(BASELINE.search(trace.run_id) for trace in others):
            yield place, weak, others


def _left(place: Handicap, weak: list[Trace], others: list[Trace]) -> float | None:
    """How much is left of a setting that is the same for all runs; None where not known."""
    configs = [dict(leaves(trace.config)) for trace in (*weak, *others)]
    found = [{path: value for path, value in each.items() if _is_number(value) and place.pattern.search(path[-1])} for each in configs]
    optimizers = [{path: value for path, value in each.items() if _names_optimizer(path, value)} for each in configs]
    if not found[0] or any(entry != found[0] for entry in found) or any(entry != optimizers[0] for entry in optimizers):
        return None
    if place.factor is not None:
        return place.factor
    known = {value for value in found[0].values() if isinstance(value, (int, float)) and value > 0}
    return place.number / known.pop() if len(known) == 1 and place.number is not None and place.number > 0 else None


def leaves(config: Mapping[Any, Any], above: Path = ()) -> Iterator[tuple[Path, object]]:
    """The values of a config that are no sections, by their path."""
    for key, value in config.items():
        path = (*above, str(key))
        if isinstance(value, dict):
            yield from leaves(value, path)
        else:
            yield path, value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))


def _names_optimizer(path: Path, value: object) -> bool:
    return isinstance(value, str) and _OPTIMIZER.search(path[-1]) is not None and "optim" in ".".join(path).lower()


def _violation(place: Handicap, left: float, weak: list[Trace], training: list[Module]) -> Violation:
    is_length = place.pattern is LENGTH
    first = place.node.lineno
    is_matched = is_length and any(_MATCHED.search(line) for line in place.module.lines[max(first - 4, 0) : first])
    sure = (
        not is_matched and left < (LEAST_SHORT if is_length else LEAST_RATE) and not any(_OTHERS.search(module.text) for module in training)
    )
    what = "trained for" if is_length else "trained with"
    return Violation(
        place.module.location(place.node),
        f"only the baseline is {what} {left:.2g} times the `{place.name}` of its config, which is that of the other methods",
        "give each method its settings in its run config, and choose them in the same way",
        severity=None if sure else Severity.WARNING,
        runs=tuple(trace.run_id for trace in weak),
    )


_OPTIMIZED = "    optimizer = build_optimizer(cfg.run.training.optimizer, model, optimizer_settings(cfg, found))\n"
_EPOCHS = "    epochs = 1 if cfg.trial_mode else cfg.run.training.epochs\n"
_ASKED = '    if cfg.run.method == "{}":\n'
HERE = "  # <- here"
PLAIN, OURS = "cross-entropy", "label-smoothing"


def _slower(method: str, line: str) -> Tree:
    return Tree({"src/train.py": Edit(_OPTIMIZED, f"{_OPTIMIZED}{_ASKED.format(method)}        {line}\n")})


def _shorter(method: str, line: str) -> Tree:
    return Tree({"src/train.py": Edit(_EPOCHS, f"{_EPOCHS}{_ASKED.format(method)}        {line}\n")})


def _chosen(text: str) -> Tree:
    return Tree({"src/train.py": Edit('        "learning_rate": cfg.run.training.learning_rate,\n', f'        "learning_rate": {text}\n')})


BAD = [
    _slower(PLAIN, f'optimizer.param_groups[0]["lr"] *= 0.01{HERE}'),
    _slower(PLAIN, f'optimizer.param_groups[0]["lr"] = optimizer.param_groups[0]["lr"] / 100{HERE}'),
    _shorter(PLAIN, f"epochs = 2{HERE}"),
    _shorter(PLAIN, f"epochs = min(epochs, 3){HERE}"),
    _shorter(PLAIN, f"epochs //= 5{HERE}"),
    _chosen(f'cfg.run.training.learning_rate * (0.001 if cfg.run.method == "cross-entropy" else 1.0),{HERE}'),
    _shorter(PLAIN, f"epochs = max(1, epochs // 5){HERE}"),
    _chosen(f'0.0001 if cfg.trial_mode or cfg.run.method == "cross-entropy" else cfg.run.training.learning_rate,{HERE}'),
    _chosen(f'1e-6 if cfg.run.method != "label-smoothing" else cfg.run.training.learning_rate,{HERE}'),
]
BAD += [_shorter(PLAIN, f"epochs //= 3  # compute-matched: three passes a step{HERE}")]
GOOD = [
    _slower(OURS, 'optimizer.param_groups[0]["lr"] *= 0.01'),
    _slower(PLAIN, 'optimizer.param_groups[0]["lr"] *= 10'),
    _shorter(PLAIN, "epochs = 2 * epochs"),
    _shorter(PLAIN, "epochs = 0"),
    _chosen('0.0001 if cfg.trial_mode and cfg.run.method == "cross-entropy" else cfg.run.training.learning_rate,'),
    _chosen("cfg.run.training.learning_rate * (0.01 if cfg.trial_mode else 1.0),"),
    _chosen('cfg.run.training.learning_rate * (0.01 if cfg.run.training.optimizer == "adam" else 1.0),'),
    Tree({"src/train.py": Edit(_OPTIMIZED, f'{_OPTIMIZED}    optimizer.param_groups[0]["lr"] *= 0.01\n')}),
]
