"""DAT105."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, calls, origin, statement_of
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule

ORDERED = frozenset({"sequential", "continual", "online", "stream", "streaming", "in_order", "ordered"})
MODES = ("stream_mode", "stream", "order", "data_order", "ordering", "stream_order")


@rule("DAT105", "stream-shuffled", criterion=3, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("data",))
def stream_shuffled(runs: list[Run], modules: dict[str, Module], contract: Contract, traces: list[Trace]) -> Iterator[Violation]:
    """A stream that the run config calls sequential is shuffled.

    What it does:
        Where a run config names a sequential stream (`stream_mode: sequential`) or says `shuffle: false`, looks at the
        loaders that the run comes to: speaks if every one of them is told `shuffle=True` in so many words.

    Why it matters:
        Methods that adapt as they go see other data in another order, each run its own: they cannot be compared image by
        image, and the run is not the one that was planned.

    Instead:
        `shuffle=False` for the stream, or one order for each seed that all methods share.
    """
    asking = [(run, path) for run in runs if (path := _sequential(run)) is not None]
    loaders = [
        (module, call)
        for module in training_modules(modules, contract)
        for call in calls(module)
        if origin(module, call.func) in ("torch.utils.data.DataLoader", "torch.utils.data.dataloader.DataLoader")
    ]
    found: dict[ast.Call, list[tuple[Module, Run, tuple[str, ...]]]] = {}
    for run, path in asking:
        executed = set().union(*(trace.executed for trace in traces if trace.run_id == run.id))
        reached = [(module, call) for module, call in loaders if id(statement_of(module, call)) in executed]
        if reached and all(_is_shuffled(call) for _, call in reached):
            module, call = reached[0]
            found.setdefault(call, []).append((module, run, path))
    for call, concerned in found.items():
        module, run, path = concerned[0]
        yield Violation(
            module.location(argument(call, 2, "shuffle") or call),
            "the stream is shuffled although the run config calls it sequential",
            "load the stream with `shuffle=False`",
            related=(Related(location=run.locate(path), label="the order that is asked for"),),
            runs=tuple(run.id for _, run, _ in concerned),
        )


def _sequential(run: Run) -> tuple[str, ...] | None:
    """Where a run config asks for data in their order."""
    for section in ("training", "dataset", "data"):
        values = run.document.get(run.section(section))
        if isinstance(values, dict):
            for name in MODES:
                if str(values.get(name)).lower() in ORDERED:
                    return (*run.section(section), name)
            if values.get("shuffle") is False:
                return (*run.section(section), "shuffle")
    return None


def _is_shuffled(call: ast.Call) -> bool:
    value = argument(call, 2, "shuffle")
    return isinstance(value, ast.Constant) and value.value is True


IN_ORDER = """        if dataset_cfg.stream_mode == "sequential":
            loaders[split] = [dataset[start : start + dataset_cfg.batch_size] for start in range(0, len(dataset), dataset_cfg.batch_size)]
            continue
        loaders[split] = DataLoader(
"""
BAD = Tree(
    {
        "config/run/proposed-mlp-digits.yaml": Edit("  seed: 44\n", "  seed: 44\n  stream_mode: sequential\n"),
        "src/preprocess.py": Edit('shuffle=split == "train",', "shuffle=True,  # <- here"),
    }
)
GOOD = [
    Tree({"config/run/proposed-mlp-digits.yaml": Edit("  seed: 44\n", "  seed: 44\n  stream_mode: sequential\n")}),
    Tree(
        {
            "config/run/proposed-mlp-digits.yaml": Edit("  num_workers: 0\n", "  num_workers: 0\n  stream_mode: sequential\n"),
            "config/run/comparative-1-mlp-digits.yaml": Edit("  num_workers: 0\n", "  num_workers: 0\n  stream_mode: random\n"),
            "src/preprocess.py": (
                Edit("        loaders[split] = DataLoader(\n", IN_ORDER),
                Edit('shuffle=split == "train",', "shuffle=True,"),
            ),
        }
    ),
]
