"""From what the probe observed of any training program to what is told of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from statistics import median
from typing import Any

from gonogo.execution.observations import Happened, Loader, Loop, Optimizer, Place, Process, RunSeen, SessionSeen
from gonogo.model.options import ProgramCommand
from gonogo.model.program_seen import (
    Estimate,
    FitSeen,
    LoaderSeen,
    NetworkSeen,
    OptimizerSeen,
    PartSeen,
    ProgramSeen,
    SharedRows,
    TensorSeen,
)

MOST_LOADERS, MOST_NETWORKS, MOST_FILES = 12, 8, 50
_EPOCHS = re.compile(r"(?:\w+_)?epochs?|epoch", re.IGNORECASE)
_STEPS = re.compile(r"(?:\w+_)?(?:steps|iters|iterations|updates)", re.IGNORECASE)
_NO_RESULT = re.compile(r"(?:^|/)(?:__pycache__|\.config|\.local|matplotlib)/|/scratch/|\.lock$|/dev/shm/|/pymp-|torch_shm")
TRAINS, EVALUATES, READ = "trains", "evaluates", "is read"


def seen_of(session: SessionSeen, run: RunSeen, program: ProgramCommand, environment: str) -> ProgramSeen:
    """What is told of a program's run.

    Args:
        session: of the run.
        run: the run.
        program: what was started.
        environment: the Python that ran it.
    """
    processes = list(run.processes.values())
    main = max(processes, key=lambda process: (process.counts.get("forwards", 0), len(process.fits), len(process.loaders)), default=None)
    seen = ProgramSeen(
        command=shlex.join(program.words),
        folder=program.folder or ".",
        environment=environment,
        status="ok" if run.ok else "late" if run.late else "failed",
        seconds=run.seconds,
        peak_memory_mb=round(max(session.peak_memory, *(process.peak_memory for process in processes), 0) / 1e6, 1),
        processes=len(processes),
        written=_written(run, processes),
        hosts=list(dict.fromkeys(host for process in processes for host in process.hosts)),
        stand_ins=session.standins(),
    )
    if main is not None:
        _fill(seen, main)
        seen.estimate = _estimate(main)
    seen.not_seen = _not_seen(seen, main)
    return seen


def _fill(seen: ProgramSeen, process: Process) -> None:
    used = [(number, loader) for number, loader in process.loaders.items() if any(loader.batches)]
    seen.loaders = [_loader(str(number), loader, process) for number, loader in used[:MOST_LOADERS]]
    seen.shared_rows = [_shared(happened, process) for happened in process.shared_rows]
    seen.networks = [_network(happened, process) for happened in process.networks[:MOST_NETWORKS]]
    seen.optimizers = [_optimizer(optimizer) for optimizer in process.optimizers.values() if optimizer.steps or optimizer.trainable]
    seen.fits = [_fit(happened) for happened in process.fits]
    seen.losses = [value if isinstance(value, float) else None for value, _, _ in process.losses]
    if process.units is not None:
        seen.units, seen.dead_units = int(process.units.data["units"]), int(process.units.data["dead"])
    seen.lowered = {name: f"{old} → {new}" for name, (old, new) in process.bounded.items()}


def _place(place: Place | None) -> str:
    return f"{place[0]}:{place[1]}" if place else ""


def _use(loader: Loader) -> str:
    return TRAINS if loader.backwards else EVALUATES if loader.forwards else READ


def _pace(seconds: list[float]) -> float | None:
    """The median without the first, which pays for what is done once."""
    return round(median(seconds[1:] or seconds), 6) if seconds else None


def _loader(number: str, loader: Loader, process: Process) -> LoaderSeen:
    return LoaderSeen(
        place=_place(loader.place),
        use=_use(loader),
        batch_size=loader.batch_size,
        batches=loader.length,
        rows=loader.rows,
        seen=sum(loader.batches),
        seconds=_pace(loader.seconds),
        tensors=_tensors(process, number),
    )


def _tensors(process: Process, source: str) -> list[TensorSeen]:
    return [_tensor(happened.data) for (whose, _), happened in process.contents.items() if whose == source]


def _tensor(data: dict[str, Any]) -> TensorSeen:
    return TensorSeen(
        name=str(data["name"]),
        dtype=str(data["dtype"]),
        shapes=[str(shape) for shape in data["shapes"]],
        rows=int(data["rows"]),
        low=data["low"],
        high=data["high"],
        mean=[mean for mean, _ in data["moments"] if mean is not None],
        sd=[sd for _, sd in data["moments"] if sd is not None],
        not_finite=int(data["not_finite"]),
        classes=int(data["classes"]),
        counts={str(value): int(count) for value, count in data["counts"]},
    )


def _shared(happened: Happened, process: Process) -> SharedRows:
    one, other = (_place(process.loaders[number].place) for number in happened.data["loaders"])
    first, second = happened.data["rows"]
    return SharedRows(one=one, other=other, shared=int(happened.data["shared"]), rows=(int(first), int(second)))


def _network(happened: Happened, process: Process) -> NetworkSeen:
    return NetworkSeen(
        name=happened.what,
        place=_place(happened.place),
        parameters=int(happened.data["parameters"]),
        trainable=int(happened.data["trainable"]),
        given=_tensors(process, happened.what),
    )


def _optimizer(optimizer: Optimizer) -> OptimizerSeen:
    parts = [
        PartSeen(name=str(name), parameters=int(numbers), with_gradient=int(graded), norm=norm if isinstance(norm, float) else None)
        for name, _, numbers, graded, norm in optimizer.groups
    ]
    return OptimizerSeen(name=optimizer.name, place=_place(optimizer.place), steps=optimizer.steps, rates=optimizer.rates, parts=parts)


def _fit(happened: Happened) -> FitSeen:
    data = happened.data
    counts = {str(value): int(count) for value, count in data.get("counts", ())}
    known = {name: data[name] for name in ("shape", "dtype", "not_finite", "classes", "seconds") if data.get(name) is not None}
    return FitSeen(name=happened.what, place=_place(happened.place), counts=counts, **known)


def _written(run: RunSeen, processes: Iterable[Process]) -> list[str]:
    """The files that a program wrote, those of its project by their path in it."""
    paths = dict.fromkeys(path for process in processes for path in process.files)
    shown = [path.removeprefix(f"{run.tree}/") for path in paths if not _NO_RESULT.search(path)]
    return shown[:MOST_FILES]


# -- the whole run -------------------------------------------------------------------------------------------------------------------------


def _declared(process: Process, pattern: re.Pattern[str], role: str) -> int | None:
    """How many epochs or steps the program asked for: what the trial lowered, or the length of a loop; None where nobody knows."""
    lowered = [
        old for name, (old, _) in process.bounded.items() if pattern.fullmatch(name.rpartition(".")[2]) and isinstance(old, (int, float))
    ]
    lengths = [loop.length for loop in process.loops.values() if loop.role == role and loop.length]
    found = [int(number) for number in (*lowered, *lengths) if number and number > 0]
    return max(found, default=None)


def _estimate(process: Process) -> Estimate | None:
    """Seconds of the whole run on this machine, from the time that a batch takes and the numbers that the program says; None if unknown."""
    epochs, steps = _declared(process, _EPOCHS, "epochs"), _declared(process, _STEPS, "")
    training = [loader for loader in process.loaders.values() if loader.backwards and loader.seconds]
    evaluating = [loader for loader in process.loaders.values() if not loader.backwards and loader.forwards and loader.seconds]
    if not training:
        return _of_loops(process)
    main = max(training, key=lambda loader: loader.backwards)
    pace = _pace(main.seconds) or 0.0
    if steps is not None and epochs is None:
        return Estimate(seconds=steps * pace, how=f"{steps} steps × {_seconds(pace)}, training alone")
    parts = [(loader.length, _pace(loader.seconds) or 0.0) for loader in (*training, *evaluating)]
    if any(length is None for length, _ in parts):
        return None
    once = sum((length or 0) * each for length, each in parts)
    told = " + ".join(f"{length} batches × {_seconds(each)}" for length, each in parts)
    if epochs is None:
        return Estimate(seconds=once, how=f"one pass: {told}; how many there are is not known")
    return Estimate(seconds=epochs * once, how=f"{epochs} epochs × ({told})" if len(parts) > 1 else f"{epochs} epochs × {told}")


def _of_loops(process: Process) -> Estimate | None:
    """The same for loops over what is no loader: that of the most rounds, with what its rounds took."""
    known = [loop for loop in process.loops.values() if loop.length and loop.seconds and loop.role != "items"]
    if not process.counts.get("backwards") or not known:
        return None

    def whole(loop: Loop) -> float:
        return (loop.length or 0) * (_pace(loop.seconds) or 0.0)

    longest = max(known, key=whole)
    what = "epochs" if longest.role == "epochs" else "rounds"
    how = f"{longest.length} {what} of the loop at {_place(longest.place)} × {_seconds(_pace(longest.seconds) or 0.0)}"
    return Estimate(seconds=whole(longest), how=how)


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g} s"


def _not_seen(seen: ProgramSeen, main: Process | None) -> list[str]:
    """What a reader would look for in vain, and why it is not there."""
    if main is None:
        return ["anything: no Python of it was watched"]
    found = []
    if not seen.loaders and not seen.fits and not any(network.given for network in seen.networks):
        found.append("data: no batch came out of a PyTorch loader, no network and no scikit-learn estimator was given any")
    if not seen.networks and not seen.fits:
        found.append("a model: no PyTorch network ran, and no scikit-learn estimator was fitted")
    if seen.networks and not seen.optimizers:
        found.append("training: no PyTorch optimizer was made")
    pairs = len(seen.loaders) > 1
    if pairs and seen.stand_ins:
        found.append("rows that two splits share: the data are made up")
    elif pairs and not seen.shared_rows:
        found.append("rows that two splits share: they are not arrays in memory that could be compared")
    if (seen.networks or seen.loaders) and seen.optimizers and seen.estimate is None:
        found.append("how long the whole run takes: nothing tells how many batches or rounds there are")
    return found
