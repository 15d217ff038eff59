"""TRN144."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.rounds import Start, never_started
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

# Settings that may rightly lie beyond the end: what they begin is to happen only if the run goes on for long.
MAY_BE_LATE = re.compile(r"patience|min_|minimum|log|print|save|checkpoint|verbose|plot|eval|max_|limit|stop|budget", re.IGNORECASE)


@rule("TRN144", "never-started", criterion=4, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("method",))
def never_begins(traces: list[Trace], modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """What the code does from a later epoch on, it does in no run: the epoch lies beyond the last one.

    What it does:
        Holds conditions such as `epoch >= cfg.training.start` against the loops over `range` that count the epoch, with the values that
        each run's config has for both, also through variables, sums and parameters. Speaks where a condition holds in no epoch of any run
        that asks it. Silent about settings for patience, limits, logging and saving, which may lie there on purpose, and about conditions
        that ask anything else as well.

    Why it matters:
        The method, its second phase or its schedule never begins: each run is what it would be without it, and a trial or rehearsal of few
        batches shows no difference.

    Instead:
        Let it begin before the run ends, or train for longer.
    """
    training = {module.path: module for module in training_modules(modules, contract)}
    full = [trace for trace in traces if trace.command == "full" and trace.complete and trace.composition is not None]
    if not full or len(full) < len({trace.run_id for trace in traces}):
        return
    found: dict[ast.AST, list[tuple[str, Start]]] = {}
    for trace in full:
        for start in never_started(trace, training):
            found.setdefault(start.branch, []).append((trace.run_id, start))
    for starts in found.values():
        start = starts[0][1]
        asking = [trace.run_id for trace in full if start.path in trace.used]
        if {run_id for run_id, _ in starts} == set(asking) and not MAY_BE_LATE.search(start.path[-1]) and _does_something(start.branch):
            key = ".".join(start.path)
            yield Violation(
                start.module.location(start.branch.test),
                f"this never holds: `{key}` is {start.begins:g}, and the last round is {start.last:g}",
                "let it begin before the run ends, or train for longer",
                runs=tuple(asking),
            )


def _does_something(branch: ast.If | ast.IfExp) -> bool:
    """Whether a branch does more than to end, to go on or to print."""
    if isinstance(branch, ast.IfExp):
        return True
    return any(not isinstance(node, (ast.Break, ast.Continue, ast.Pass, ast.Raise)) for node in branch.body)


_RUNS = ("config/run/proposed-mlp-digits.yaml", "config/run/comparative-1-mlp-digits.yaml")
_FIRST = "    criterion = build_criterion(cfg.run.method, cfg.run.training)\n"
_TRAINED = '        train_loss = train_epoch(model, loaders["train"], criterion, optimizer)\n'
_HELPER = """def chosen(method, training_cfg, round_number):
    if training_cfg.smoothing_start < round_number:{marker}
        return build_criterion(method, training_cfg)
    return nn.CrossEntropyLoss()


def train_epoch("""


def _tree(start: int, test: str, epochs: int = 15, name: str = "smoothing_start") -> Tree:
    configs = {path: Edit("  epochs: 15\n", f"  epochs: {epochs}\n  {name}: {start}\n") for path in _RUNS}
    begun = f"        if {test}\n            criterion = build_criterion(cfg.run.method, cfg.run.training)\n{_TRAINED}"
    return Tree({**configs, "src/train.py": (Edit(_FIRST, "    criterion = nn.CrossEntropyLoss()\n"), Edit(_TRAINED, begun))})


def _helped(start: int, marker: str = "") -> Tree:
    configs = {path: Edit("  epochs: 15\n", f"  epochs: 15\n  smoothing_start: {start}\n") for path in _RUNS}
    begun = f"        criterion = chosen(cfg.run.method, cfg.run.training, epoch - 1)\n{_TRAINED}"
    edits = (Edit("def train_epoch(", _HELPER.replace("{marker}", marker)), Edit(_FIRST, ""), Edit(_TRAINED, begun))
    return Tree({**configs, "src/train.py": edits})


BAD = [
    _tree(20, "epoch >= cfg.run.training.smoothing_start:  # <- here"),
    _tree(15, "epoch > cfg.run.training.smoothing_start:  # <- here"),
    _tree(80, "cfg.run.training.smoothing_start == epoch:  # <- here", 60),
    _tree(14, "epoch - 1 > int(cfg.run.training.smoothing_start):  # <- here"),
    _helped(14, "  # <- here"),
]
GOOD = [
    _tree(15, "epoch >= cfg.run.training.smoothing_start:"),
    _tree(14, "epoch > cfg.run.training.smoothing_start:"),
    _tree(0, "epoch < cfg.run.training.smoothing_start:"),
    _tree(20, "epoch >= cfg.run.training.smoothing_start or epoch == 1:"),
    _tree(20, "epoch >= cfg.run.training.min_epochs:", name="min_epochs"),
    _helped(13),
]
