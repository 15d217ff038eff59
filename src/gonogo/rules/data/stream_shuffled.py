"""DAT105."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.code.modules import Module
from gonogo.code.names import argument, calls, origin
from gonogo.code.tracking import training_modules
from gonogo.contract import Contract
from gonogo.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, rule
from gonogo.runs import Run

ORDERED = frozenset({"sequential", "continual", "online", "stream", "streaming", "in_order", "ordered"})
MODES = ("stream_mode", "stream", "order", "data_order", "ordering", "stream_order")


@rule("DAT105", "stream-shuffled", criterion=3, severity=Severity.ERROR, stage=Stage.CHECK)
def stream_shuffled(runs: list[Run], modules: dict[str, Module], contract: Contract) -> Iterator[Fault]:
    """A stream that the run config calls sequential is shuffled.

    What it does:
        Where a run config names a sequential stream (`stream_mode: sequential`) or says `shuffle: false`, looks at the
        loaders of the code: speaks if every one of them is told `shuffle=True` in so many words.

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
    if not asking or not loaders or not all(_is_shuffled(call) for _, call in loaders):
        return
    module, call = loaders[0]
    run, path = asking[0]
    yield Fault(
        module.location(argument(call, 2, "shuffle") or call),
        "the stream is shuffled although the run config calls it sequential",
        "load the stream with `shuffle=False`",
        related=(Related(location=run.locate(path), label="the order that is asked for"),),
        runs=tuple(run.id for run, _ in asking),
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


BAD = Tree(
    {
        "config/run/proposed-mlp-digits.yaml": Edit("  seed: 44\n", "  seed: 44\n  stream_mode: sequential\n"),
        "src/preprocess.py": Edit('shuffle=split == "train",', "shuffle=True,  # <- here"),
    }
)
GOOD = Tree({"config/run/proposed-mlp-digits.yaml": Edit("  seed: 44\n", "  seed: 44\n  stream_mode: sequential\n")})
