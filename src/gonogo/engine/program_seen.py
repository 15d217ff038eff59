"""From what the probe observed of any training program to what is told of it."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from gonogo.execution.observations import Process, RunSeen, SessionSeen
from gonogo.execution.probe.gonogo_probe import events
from gonogo.execution.probe.gonogo_probe.events import Loader, Loop, Optimizer, Place
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
_EPOCHS = re.compile(r"(?:\w{1,40}_)?epochs?", re.IGNORECASE)
_STEPS = re.compile(r"(?:\w{1,40}_)?(?:steps|iters|iterations|updates)", re.IGNORECASE)
_NO_RESULT = re.compile(r"(?:^|/)(?:__pycache__|\.config|matplotlib)/|\.lock$|/dev/shm/|/pymp-")
MOST_DRAWN = 10  # times that a sampler may draw each row in one pass
FEWEST_TRAINING = 3  # a loader trains if a backward pass follows one of so many forward passes; the last of another's may be taken for its
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
        written=_written(session, run, processes),
        hosts=list(dict.fromkeys(host for process in processes for host in process.hosts)),
        stand_ins=session.standins(),
    )
    if main is not None:
        _fill(seen, main)
        lowered = {name: values for process in processes for name, values in process.bounded.items()}  # a parent may read the settings
        seen.lowered = {name: f"{'no limit' if old is None else old} → {new}" for name, (old, new) in lowered.items()}
        seen.estimate = _estimate(main, lowered)
    seen.not_seen = _not_seen(seen, main)
    return seen


def _fill(seen: ProgramSeen, process: Process) -> None:
    seen.loaders = [_loader(same, process) for same in _alike(process)[:MOST_LOADERS]]
    seen.shared_rows = [_shared(shared, process) for shared in process.shared_rows]
    by_loader = bool(seen.loaders)
    whole = [network for network in process.networks if not network.part]
    seen.networks = [_network(network, process, by_loader=by_loader) for network in whole[:MOST_NETWORKS]]
    seen.optimizers = [_optimizer(optimizer) for optimizer in process.optimizers.values() if optimizer.steps or optimizer.trainable]
    seen.fits = [_fit(fit) for fit in process.fits]
    seen.losses = [value if isinstance(value, float) else None for value, _, _ in process.losses]
    if process.units is not None:
        seen.units, seen.dead_units = process.units.units, process.units.dead


def _place(place: Place | None) -> str:
    return f"{place[0]}:{place[1]}" if place else ""


def _use(loader: Loader) -> str:
    if loader.backwards * FEWEST_TRAINING >= loader.forwards and loader.backwards:
        return TRAINS
    return EVALUATES if loader.forwards else READ


def _pace(seconds: list[float]) -> float | None:
    """The median without the first, which pays for what is done once."""
    return round(median(seconds[1:] or seconds), 6) if seconds else None


@dataclass(frozen=True)
class _Alike:
    """Loaders made at one line over the same number of rows, for one use.

    A trainer makes a new one for each evaluation.

    Attributes:
        number: of the first, by which its contents are known.
        loaders: all of them.
    """

    number: int
    loaders: list[Loader]

    @property
    def first(self) -> Loader:
        return self.loaders[0]

    @property
    def use(self) -> str:
        return _use(self.first)

    @property
    def passes(self) -> int:
        """How often any of them was gone through."""
        return sum(sum(batches > 0 for batches in loader.batches) for loader in self.loaders)

    @property
    def pace(self) -> float | None:
        return _pace([seconds for loader in self.loaders for seconds in loader.seconds])

    @property
    def length(self) -> int | None:
        """Return how many batches make one pass over the data.

        None where a sampler draws from them forever, or where it is not known.
        """
        length, rows, size = self.first.length, self.first.rows, self.first.batch_size
        if length is None or not (rows and size):
            return length
        return length if length * size <= MOST_DRAWN * rows else None


def _alike(process: Process) -> list[_Alike]:
    """The loaders that were gone through, those that are alike together."""
    found: dict[tuple[Any, ...], _Alike] = {}
    for number, loader in process.loaders.items():
        if any(loader.batches):
            found.setdefault((loader.place, loader.rows, loader.length, _use(loader)), _Alike(number, [])).loaders.append(loader)
    return list(found.values())


def _loader(alike: _Alike, process: Process) -> LoaderSeen:
    return LoaderSeen(
        place=_place(alike.first.place),
        use=alike.use,
        batch_size=alike.first.batch_size,
        batches=alike.first.length,
        rows=alike.first.rows,
        seen=sum(sum(loader.batches) for loader in alike.loaders),
        seconds=alike.pace,
        tensors=_tensors(process, str(alike.number)),
    )


def _tensors(process: Process, source: str) -> list[TensorSeen]:
    return [_tensor(contents) for (whose, _), contents in process.contents.items() if whose == source]


def _tensor(contents: events.Contents) -> TensorSeen:
    return TensorSeen(
        name=contents.name,
        dtype=contents.dtype,
        shapes=contents.shapes,
        rows=contents.rows,
        low=contents.low,
        high=contents.high,
        mean=[mean for mean, _ in contents.moments if mean is not None],
        sd=[sd for _, sd in contents.moments if sd is not None],
        not_finite=contents.not_finite,
        classes=contents.classes,
        counts={str(value): count for value, count in contents.counts},
    )


def _shared(shared: events.SharedRows, process: Process) -> SharedRows:
    one, other = (_place(process.loaders[number].place) for number in shared.loaders)
    return SharedRows(one=one, other=other, shared=shared.shared, rows=shared.rows)


def _network(network: events.Network, process: Process, *, by_loader: bool) -> NetworkSeen:
    return NetworkSeen(
        name=network.name,
        place=_place(network.place),
        parameters=network.parameters,
        trainable=network.trainable,
        given=[] if by_loader else _tensors(process, network.name),
    )


def _optimizer(optimizer: Optimizer) -> OptimizerSeen:
    parts = [_part(*group) for group in optimizer.groups]
    return OptimizerSeen(name=optimizer.name, place=_place(optimizer.place), steps=optimizer.steps, rates=optimizer.rates, parts=parts)


def _part(name: str, _: int, numbers: int, graded: int, norm: float | str) -> PartSeen:
    shown = "unnamed" if name == "?" else name
    return PartSeen(name=shown, parameters=numbers, with_gradient=graded, norm=norm if isinstance(norm, float) else None)


def _fit(fit: events.Fit) -> FitSeen:
    names = ("shape", "dtype", "not_finite", "classes", "seconds")
    known = {name: value for name in names if (value := getattr(fit, name)) is not None}
    return FitSeen(name=fit.name, place=_place(fit.place), counts=dict(fit.counts), **known)


def _written(session: SessionSeen, run: RunSeen, processes: Iterable[Process]) -> list[str]:
    """The files that a program wrote: by their path in its project, else as the program names them."""
    box = run.tree.removesuffix("/tree")
    opened = [path.removeprefix(f"{run.tree}/").replace(f"{box}/home/", "~/") for process in processes for path in process.files]
    opened = [path for path in opened if not (box and path.startswith(f"{box}/"))]  # its own temporary files
    every = dict.fromkeys(posixpath.normpath(path) for path in (*session.stray, *opened))
    return [path for path in every if not _NO_RESULT.search(path)][:MOST_FILES]


# -- the whole run -------------------------------------------------------------------------------------------------------------------------


def _declared(process: Process, bounded: Mapping[str, tuple[Any, Any]], pattern: re.Pattern[str], role: str) -> int | None:
    """Return how many epochs or steps the program asked for.

    It is the number that the trial lowered, or the length of a loop. None where it is not known.
    """
    lowered = [old for name, (old, _) in bounded.items() if pattern.fullmatch(name.rpartition(".")[2]) and isinstance(old, (int, float))]
    lengths = [loop.length for loop in process.loops.values() if loop.role == role and loop.length]
    found = [int(number) for number in (*lowered, *lengths) if number and number > 0]
    return max(found, default=None)


def _estimate(process: Process, lowered: Mapping[str, tuple[Any, Any]]) -> Estimate | None:
    """Estimate the seconds of the whole run on this machine, or None if unknown.

    The estimate uses the time that a batch takes and the numbers that the program gives.
    """
    epochs, steps = _declared(process, lowered, _EPOCHS, "epochs"), _declared(process, lowered, _STEPS, "")
    timed = [alike for alike in _alike(process) if alike.pace is not None]
    training = [alike for alike in timed if alike.use == TRAINS]
    if not training:
        return _of_loops(process)
    main = max(training, key=lambda alike: sum(loader.backwards for loader in alike.loaders))
    if steps is not None and epochs is None:
        return Estimate(seconds=steps * (main.pace or 0.0), how=f"{steps} steps × {_seconds(main.pace)}, training alone")
    total, told = 0.0, []
    for alike in (*training, *(other for other in timed if other.use == EVALUATES)):
        if alike.length is None:
            return None
        per_epoch = alike.passes >= main.passes  # else it is gone through once in a while, or at the end
        often = (epochs or 1) * alike.passes / main.passes if per_epoch else alike.passes
        total += often * alike.length * (alike.pace or 0.0)
        told.append(f"{often:g} × {alike.length:,} batches × {_seconds(alike.pace)}")
    return Estimate(seconds=total, how=" + ".join(told) + ("" if epochs else ", once through the data; how often is not known"))


def _of_loops(process: Process) -> Estimate | None:
    """The same for loops over what is no loader: that of the most rounds, with what its rounds took."""
    known = [loop for loop in process.loops.values() if loop.length and loop.seconds and loop.role != "items"]
    if not process.counts.get("backwards") or not known:
        return None

    def whole(loop: Loop) -> float:
        return (loop.length or 0) * (_pace(loop.seconds) or 0.0)

    longest = max(known, key=whole)
    what = "epochs" if longest.role == "epochs" else "rounds"
    how = f"{longest.length} {what} of the loop at {_place(longest.place)} × {_seconds(_pace(longest.seconds))}"
    return Estimate(seconds=whole(longest), how=how)


def _seconds(seconds: float | None) -> str:
    return f"{seconds or 0.0:.3g} s"


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
    if seen.stand_ins:
        found.append("the real data: ranges, labels and shapes are those of the stand-ins")
    if pairs and seen.stand_ins:
        found.append("rows that two splits share: the data are made up")
    elif pairs and not seen.shared_rows:
        found.append("rows that two splits share: they are not arrays in memory that could be compared")
    if seen.losses and seen.estimate is None:
        found.append("how long the whole run takes: nothing tells how many batches or rounds there are")
    return found
