"""What a trial of a program saw, on one screen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from rich.text import Text

from gonogo.model.program_seen import FitSeen, LoaderSeen, NetworkSeen, OptimizerSeen, ProgramSeen, SharedRows, TensorSeen
from gonogo.report import plain
from gonogo.report.console import ReportConsole

WIDTH = 11  # of the first column
MOST_CLASSES, MOST_PARTS, MOST_FILES, MOST_LOSSES = 10, 12, 6, 4
FEWEST_TO_COUNT = 20  # rows, below which a number of classes says nothing of labels


class Screen:
    """Prints what was seen, one subject after the other; what was not seen comes last.

    Args:
        console: to print on.
    """

    def __init__(self, console: ReportConsole) -> None:
        self._console = console

    def print(self, seen: ProgramSeen) -> None:
        """Print it."""
        self._console.put(
            Text.assemble((plain.line(seen.command), "bold"), ("" if seen.folder == "." else f"  in {plain.line(seen.folder)}"))
        )
        for subject, lines in _subjects(seen):
            for number, line in enumerate(lines):
                self._console.put(Text.assemble((f"{subject if not number else '':<{WIDTH}}", "bold"), plain.line(line)))


def _subjects(seen: ProgramSeen) -> Iterator[tuple[str, list[str]]]:
    yield "data", [line for loader in seen.loaders for line in _loader(loader)] + [line for fit in seen.fits for line in _fit(fit)]
    yield "splits", [_shared(shared) for shared in seen.shared_rows]
    yield "model", [line for network in seen.networks for line in _network(network)]
    yield "loss", _losses(seen.losses)
    yield "gradients", [line for optimizer in seen.optimizers for line in _optimizer(optimizer)]
    if seen.units:
        yield "units", [f"{seen.dead_units} of {seen.units} behind ReLU modules were zero for every row"]
    yield "time", _time(seen)
    yield "memory", [f"{seen.peak_memory_mb:,.0f} MB at most, {_plural(seen.processes, 'Python process', 'Python processes')}"]
    yield "lowered", [", ".join(f"{name} {change}" for name, change in seen.lowered.items())] if seen.lowered else []
    yield "wrote", [_listed(seen.written, MOST_FILES)] if seen.written else []
    yield "asked for", [_listed(seen.hosts, MOST_FILES)] if seen.hosts else []
    yield "stand-ins", seen.stand_ins
    yield "not seen", seen.not_seen


def _loader(loader: LoaderSeen) -> list[str]:
    parts = [f"batches of {loader.batch_size}" if loader.batch_size else "batches"]
    parts += [f"{loader.batches:,} of them"] if loader.batches is not None else []
    parts += [f"{loader.rows:,} rows"] if loader.rows is not None else []
    parts += [f"{loader.seen} seen", f"{_seconds(loader.seconds)} each"] if loader.seconds is not None else [f"{loader.seen} seen"]
    return [f"{loader.place or 'a loader'} {loader.use}: {', '.join(parts)}", *map(_tensor, loader.tensors)]


def _tensor(tensor: TensorSeen) -> str:
    shapes = ", ".join(tensor.shapes[:3]) + (" …" if len(tensor.shapes) > 3 else "")
    told = [f"{tensor.dtype} {shapes}"]
    if tensor.low is not None and tensor.high is not None:
        told.append(f"{_number(tensor.low)} to {_number(tensor.high)}")
    if tensor.mean:
        told.append(f"mean {_numbers(tensor.mean)}, sd {_numbers(tensor.sd)}")
    if 1 < tensor.classes <= tensor.rows // 2 and tensor.rows >= FEWEST_TO_COUNT:
        told.append(f"{tensor.classes} classes, {_balance(tensor.counts, tensor.classes)}")
    elif tensor.classes == 1 and tensor.rows >= FEWEST_TO_COUNT:
        told.append("one value throughout")
    if tensor.not_finite:
        told.append(f"{tensor.not_finite} NaN or infinite")
    return f"  {tensor.name or 'batch'}: {'; '.join(told)}"


def _balance(counts: dict[str, int], classes: int) -> str:
    """How often each class was seen: one by one if they are few."""
    if classes <= MOST_CLASSES:
        return "rows of each class: " + ", ".join(
            f"{value}: {count}" for value, count in sorted(counts.items(), key=lambda each: _order(each[0]))
        )
    return f"{max(counts.values())} rows of the most frequent, {min(counts.values())} of the rarest"


def _order(value: str) -> tuple[float, str]:
    try:
        return float(value), value
    except ValueError:
        return math.inf, value


def _fit(fit: FitSeen) -> Iterator[str]:
    not_finite = f"; {fit.not_finite} NaN or infinite" if fit.not_finite else ""
    yield f"{fit.place} fits {fit.name}, {_seconds(fit.seconds)}"
    yield f"  X: {fit.dtype} {fit.shape}{not_finite}"
    if fit.classes:
        yield f"  y: {fit.classes} classes, {_balance(fit.counts, fit.classes)}"


def _shared(shared: SharedRows) -> str:
    told = f"{shared.shared:,}" if shared.shared else "none"
    first, second = shared.rows
    return f"{told} of the different rows of {shared.other} ({second:,}) are rows of {shared.one} ({first:,}) too, byte by byte"


def _network(network: NetworkSeen) -> Iterator[str]:
    frozen = network.parameters - network.trainable
    how = (
        "all trainable" if not frozen else "all frozen" if not network.trainable else f"{network.trainable:,} trainable, {frozen:,} frozen"
    )
    yield f"{network.name} ({network.place or 'in a library'}): {network.parameters:,} parameters, {how}"
    for tensor in network.given:
        yield f"  given {_tensor(tensor).strip()}"


def _losses(losses: list[float | None]) -> list[str]:
    if not losses:
        return []
    shown = ["not finite" if loss is None else f"{loss:.4g}" for loss in losses]
    if len(shown) > 2 * MOST_LOSSES:
        shown = [*shown[:MOST_LOSSES], "…", *shown[-MOST_LOSSES:]]
    return [f"{', '.join(shown)} ({_plural(len(losses), 'backward pass', 'backward passes')})"]


def _optimizer(optimizer: OptimizerSeen) -> Iterator[str]:
    rates = f", learning rate {_numbers(list(dict.fromkeys(optimizer.rates)))}" if optimizer.rates else ""
    yield f"{optimizer.name} ({optimizer.place or 'in a library'}): {_plural(optimizer.steps, 'step', 'steps')}{rates}"
    parts = [f"{part.name}: {_norm(part.norm, part.with_gradient, part.parameters)}" for part in optimizer.parts[:MOST_PARTS]]
    if parts:
        yield f"  norm by part, at the last step looked at: {', '.join(parts)}"


def _norm(norm: float | None, graded: int, parameters: int) -> str:
    if norm is None:
        return "not finite"
    return "no gradient" if not graded else f"{norm:.3g}" + ("" if graded == parameters else f" ({graded:,} of {parameters:,} have one)")


def _time(seen: ProgramSeen) -> list[str]:
    found = [f"{seen.seconds:.1f} s in the trial, {'to its end' if seen.status == 'ok' else 'then it ' + _ENDED[seen.status]}"]
    if seen.estimate is not None:
        found.append(f"about {_duration(seen.estimate.seconds)} for the whole run on this machine, besides its start: {seen.estimate.how}")
    return found


_ENDED = {"failed": "failed", "late": "was ended, its time was up"}


def _duration(seconds: float) -> str:
    for size, name in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if seconds >= 1.5 * size:
            return f"{_rounded(seconds / size)} {name}"
    return f"{seconds:.2g} s"


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3g} s"


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) and abs(value) < 1e9 else f"{value:.4g}"


def _numbers(values: Iterable[float]) -> str:
    return "/".join(f"{value:.3g}" for value in values)


def _listed(names: list[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _plural(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
