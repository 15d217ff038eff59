"""TRN157."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, argument, calls, last_name, statement_of
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.rounds import Numbers
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

# What makes averages of weights, with the place of the decay among its arguments.
MAKERS = {
    "get_ema_multi_avg_fn": 0,
    "get_ema_avg_fn": 0,
    "ExponentialMovingAverage": 1,
    "ModelEma": 1,
    "ModelEmaV2": 1,
    "ModelEmaV3": 1,
    "EMA": None,
}
AVERAGES = re.compile(r"ema|averag|avg|shadow|momentum|teacher|target|polyak|slow", re.IGNORECASE)


@rule("TRN157", "average-never-moves", criterion=4, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("method",))
def average_never_moves(traces: list[Trace], modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A moving average of the weights has a decay of 1: it keeps the weights that it began with.

    What it does:
        Looks, with the values of each run's config, at the decay of averages that libraries make (`get_ema_multi_avg_fn` and the like) and
        of updates written by hand: `old.mul_(decay).add_(new, alpha=1 - decay)`, `old.lerp_(new, 1 - decay)`, and
        `decay * old + (1 - decay) * new` where names speak of an average, a teacher or a target. Speaks where the decay is 1 in every run
        that comes to that line.

    Why it matters:
        The average, or the teacher that follows the student, stays what it was at the beginning: an untrained network, or the one of the
        first step. What is reported of it is not that of the method.

    Instead:
        Choose a decay below 1, such as 0.999.
    """
    training = training_modules(modules, contract)
    by_path = {module.path: module for module in training}
    full = [trace for trace in traces if trace.command == "full" and trace.complete and trace.composition is not None]
    if not full or len(full) < len({trace.run_id for trace in traces}):
        return
    numbers = [(trace, Numbers(trace, by_path)) for trace in full]
    for module in training:
        for node, decay in _updates(module):
            asking = [(trace, known) for trace, known in numbers if id(statement_of(module, node)) in trace.executed]
            if asking and all(known.of(module, decay) == (1.0, 1.0) for _, known in asking):
                yield Violation(
                    module.location(node),
                    "this average has a decay of 1: it never moves from what it begins with",
                    "choose a decay below 1",
                    runs=tuple(trace.run_id for trace, _ in asking),
                )


def _updates(module: Module) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Where averages are made or moved on, each with its decay."""
    for call in calls(module):
        name = last_name(call.func)
        if name in MAKERS:
            decay = argument(call, MAKERS[name], "decay")
            if decay is not None:
                yield call, decay
            continue
        share = argument(call, 1, "weight") if name == "lerp_" else argument(call, None, "alpha") if name == "add_" else None
        if share is not None and (name == "lerp_" or _is_multiplied(call)):
            yield from ((call, decay) for decay in _rest(share))
    for node in module.of(ast.BinOp):
        if isinstance(node.op, ast.Add):
            factors = [part for term in (node.left, node.right) if isinstance(term, ast.BinOp) for part in (term.left, term.right)]
            for decay in (decay for part in factors for decay in _rest(part)):
                if any(ast.dump(decay) == ast.dump(part) for part in factors) and _is_average(module, node, decay):
                    yield node, decay


def _rest(node: ast.expr) -> Iterator[ast.expr]:
    """The decay, of an expression that is 1 less a decay."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and isinstance(node.left, ast.Constant) and node.left.value == 1:
        yield node.right


def _is_multiplied(call: ast.Call) -> bool:
    """Whether what is added to was multiplied before, in the same expression."""
    inner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return isinstance(inner, ast.Call) and last_name(inner.func) in ("mul_", "mul")


def _is_average(module: Module, node: ast.expr, decay: ast.expr) -> bool:
    """Return whether a value or its decay is called that of an average.

    Also where it stands in a function or class that is called so.
    """
    names = [entry.name for entry in ancestors(module, node) if isinstance(entry, (*FUNCTIONS, ast.ClassDef))]
    statement = statement_of(module, node)
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return any(AVERAGES.search(name) for name in (*names, ast.unparse(decay), *(ast.unparse(target) for target in targets)))


_OPTIMIZER = "    optimizer = build_optimizer(cfg.run.training.optimizer, model, optimizer_settings(cfg, found))\n"
_TRAINED = '        train_loss = train_epoch(model, loaders["train"], criterion, optimizer)\n'
_RUNS = ("config/run/proposed-mlp-digits.yaml", "config/run/comparative-1-mlp-digits.yaml")
_MADE = (
    "    average = torch.optim.swa_utils.AveragedModel(\n        model,\n"
    "        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn({decay}),{marker}\n    )\n"
)
_MOVED = (
    "        with torch.no_grad():\n            for old, new in zip(average.parameters(), model.parameters(), strict=True):\n"
    "                old.{update}{marker}\n"
)
_COPIED = "    average = build_model(cfg.run.model)\n    average.load_state_dict(model.state_dict())\n"


def _by_library(decay: str, marker: str = "", setting: str = "0.99") -> Tree:
    edits = (
        Edit(_OPTIMIZER, _OPTIMIZER + _MADE.format(decay=decay, marker=marker)),
        Edit(_TRAINED, f"{_TRAINED}        average.update_parameters(model)\n"),
        Edit("    return model, {", "    return average, {"),
    )
    return Tree({**{path: Edit("  epochs: 15\n", f"  epochs: 15\n  ema: {setting}\n") for path in _RUNS}, "src/train.py": edits})


def _by_hand(update: str, setting: str, marker: str = "") -> Tree:
    edits = (
        Edit(_OPTIMIZER, _OPTIMIZER + _COPIED + "    decay = cfg.run.training.ema\n"),
        Edit(_TRAINED, _TRAINED + _MOVED.format(update=update, marker=marker)),
        Edit("    return model, {", "    return average, {"),
    )
    return Tree({**{path: Edit("  epochs: 15\n", f"  epochs: 15\n  ema: {setting}\n") for path in _RUNS}, "src/train.py": edits})


HERE = "  # <- here"
BAD = [
    _by_library("1.0", HERE),
    _by_library("decay=cfg.run.training.ema", HERE, "1.0"),
    _by_hand("mul_(decay).add_(new, alpha=1 - decay)", "1.0", HERE),
    _by_hand("lerp_(new, 1.0 - decay)", "1", HERE),
    _by_hand("lerp_(new, 1 - float(decay))", "1.0", HERE),
]
GOOD = [
    _by_library("0.99"),
    _by_library("decay=cfg.run.training.ema"),
    _by_hand("mul_(decay).add_(new, alpha=1 - decay)", "0.9"),
    _by_hand("lerp_(new, 1.0 - decay)", "0.5"),
]
