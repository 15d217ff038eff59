"""From the output and the event channel of runs to observations."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from functools import singledispatchmethod
from typing import Any

from pydantic import TypeAdapter

from gonogo.execution.observations import Evaluated, Process, RunSeen, SessionSeen
from gonogo.execution.probe.gonogo_probe import events
from gonogo.execution.sandbox import Limit, RunResult

MOST_LINES = 400
LINE_CHARACTERS = 1500
MOST_EVENTS = 2000  # of one kind in one process
MOST_BYTES = 48 << 20  # of all events of a session: as objects they take several times as much
Progress = Callable[[str, str, str], None]
_HEAD = TypeAdapter(events.Head)
_EVENTS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in events.KINDS.items()}
# What is only kept, and in which list of its process.
_KEPT = {
    events.Child: "children",
    events.Figure: "figures",
    events.Fit: "fits",
    events.Network: "networks",
    events.Searched: "searches",
    events.SharedRows: "shared_rows",
    events.StandIn: "standins",
    events.Suggested: "suggestions",
    events.Tracking: "tracking",
    events.Unreachable: "unreachable",
}


class Recorder:
    """Gathers what a session's runs say, several at a time.

    Args:
        session: filled in.
        evaluation: the label of the evaluation.
        progress: gets (run id, what: `start`, `line` or `end`, text), one call at a time.
    """

    def __init__(self, session: SessionSeen, evaluation: str, progress: Progress | None = None) -> None:
        self.session = session
        self._evaluation = evaluation
        self._progress = progress or (lambda *_: None)
        self._lock = threading.Lock()
        self._left = MOST_BYTES

    def begin(self, label: str, argv: list[str], key: bytes, at: float, more: str = "") -> RunRecorder:
        """A run begins.

        Args:
            label: its id, or the evaluation's label.
            argv: its command.
            key: with which its probes sign.
            at: the time of day in seconds.
            more: the name of a further evaluation.
        """
        run = RunSeen(label, argv=[part[:300] for part in argv[-30:]], started=at)
        if more:
            self.session.more[more] = Evaluated(run)
        elif label == self._evaluation:
            self.session.evaluation = run
        else:
            self.session.runs[label] = run
        self.tell(label, "start", "")
        return RunRecorder(self, run, key)

    def tell(self, label: str, what: str, text: str) -> None:
        """Have whoever follows the session hear of something."""
        with self._lock:
            self._progress(label, what, text)

    def count_forged(self) -> None:
        """A line on a channel was not a probe's."""
        with self._lock:
            self.session.forged += 1

    def takes(self, size: int) -> bool:
        """Whether so many bytes of events can still be kept."""
        with self._lock:
            self._left -= size
            return self._left >= 0

    @property
    def overflowed(self) -> bool:
        """Whether there was more than could be kept."""
        return self._left < 0


class RunRecorder:
    """The recorder of what one run reports.

    Only the run's own events come here, since every run has a channel and a key of its own.
    """

    def __init__(self, recorder: Recorder, run: RunSeen, key: bytes) -> None:
        self.run = run
        self._recorder = recorder
        self._key = key

    def line(self, stream: str, text: str) -> None:
        """Take a line of output."""
        text = text[:LINE_CHARACTERS]
        if text.strip():
            self.run.output.append((stream, text))
            del self.run.output[:-MOST_LINES]
            self._recorder.tell(self.run.label, "line", text)

    def end(self, result: RunResult) -> None:
        """The run has ended."""
        run = self.run
        run.ended, run.pid = True, result.pid
        run.code, run.signal, run.late = result.exit_code, result.signal, result.limit is Limit.TIME
        run.starved, run.seconds = result.limit is Limit.MEMORY, round(result.seconds, 3)
        if result.limit not in (None, Limit.TIME):
            run.unsettled = f"it was ended: {result.reason}"
        self._recorder.tell(run.label, "end", "ok" if run.ok else "failed")

    def hear(self, line: bytes) -> None:
        """Take one line of the channel."""
        digest, _, body = line.rstrip(b"\n").partition(b" ")
        try:
            data = json.loads(body) if hmac.compare_digest(_digest(body, self._key), digest) else None
            head = _HEAD.validate_python(data)
            event = None if data and "left_out" in data else _EVENTS[head.kind].validate_python(data)
        except (ValueError, KeyError, RecursionError):  # not a probe's; or the right key and the wrong shape, by code that reads the probe
            self._recorder.count_forged()
            return
        is_copied = head.fork_of is not None and not isinstance(event, events.OF_FORKS)
        if event is None or is_copied or not self._recorder.takes(len(body)):
            return
        if isinstance(event, events.Started):
            self._start(event, head)
        elif (process := self.run.processes.get(head.pid if head.fork_of is None else head.fork_of)) is not None:
            self._take(event, process, head)
        else:
            self._recorder.count_forged()

    def _start(self, event: events.Started, head: events.Head) -> None:
        replaced = self.run.processes.get(head.pid)
        if replaced is not None and replaced.ended is None:  # `exec`: what it saw stays, under a number that no process has
            replaced.ended = head.at
            self.run.processes[-head.pid] = replaced
        self.run.processes[head.pid] = Process(head.pid, event.parent, event.argv, event.mode, started=head.at)

    @singledispatchmethod
    def _take(self, event: Any, process: Process, head: events.Head) -> None:
        """Add an event to what was seen of its process; here one that is only kept."""
        kept = getattr(process, _KEPT[type(event)])
        if len(kept) < MOST_EVENTS:
            kept.append(event)
        if isinstance(event, events.Network):
            process.marks.setdefault("network", head.at)
        elif isinstance(event, events.Tracking):
            process.marks.setdefault(f"wandb {event.what}", head.at)

    @_take.register
    def _take_task(self, _: events.TaskBegun, process: Process, head: events.Head) -> None:
        process.marks.setdefault("task", head.at)

    @_take.register
    def _take_config(self, event: events.Config, process: Process, _: events.Head) -> None:
        process.read += event.read
        process.whole += event.whole
        process.written_keys += event.written

    @_take.register
    def _take_bounded(self, event: events.Bounded, process: Process, _: events.Head) -> None:
        process.bounded.update({name: (old, new) for name, old, new in event.keys})

    @_take.register
    def _take_loader(self, event: events.Loader, process: Process, _: events.Head) -> None:
        process.loaders[event.number] = event

    @_take.register
    def _take_loop(self, event: events.Loop, process: Process, _: events.Head) -> None:
        process.loops[event.place] = event

    @_take.register
    def _take_counts(self, event: events.Counts, process: Process, head: events.Head) -> None:
        process.counts = vars(event)
        process.marks.setdefault("counts", head.at)

    @_take.register
    def _take_answers(self, event: events.Answers, process: Process, _: events.Head) -> None:
        process.answers[event.classes] = event

    @_take.register
    def _take_labels(self, event: events.Labels, process: Process, _: events.Head) -> None:
        process.labels[event.name] = event

    @_take.register
    def _take_odd(self, event: events.Odd, process: Process, _: events.Head) -> None:
        process.odd[(event.what, event.name)] = event

    @_take.register
    def _take_rank(self, event: events.Rank, process: Process, _: events.Head) -> None:
        process.rank = event

    @_take.register
    def _take_losses(self, event: events.Losses, process: Process, _: events.Head) -> None:
        process.losses += event.values

    @_take.register
    def _take_predictions(self, event: events.Predictions, process: Process, _: events.Head) -> None:
        process.predictions += event.values

    @_take.register
    def _take_caught(self, event: events.Caught, process: Process, _: events.Head) -> None:
        process.caught[event.place, event.type] = event

    @_take.register
    def _take_altered(self, event: events.Altered, process: Process, _: events.Head) -> None:
        process.altered, process.unaltered = event.counts, event.left

    @_take.register
    def _take_optimizer(self, event: events.Optimizer, process: Process, _: events.Head) -> None:
        known = process.optimizers.get(event.number)
        if known is not None:
            event.changed, event.groups = known.changed, known.groups
        process.optimizers[event.number] = event

    @_take.register
    def _take_changed(self, event: events.Changed, process: Process, _: events.Head) -> None:
        if event.number in process.optimizers:
            process.optimizers[event.number].changed += event.names

    @_take.register
    def _take_gradients(self, event: events.Gradients, process: Process, _: events.Head) -> None:
        if event.number in process.optimizers:
            process.optimizers[event.number].groups = event.groups

    @_take.register
    def _take_contents(self, event: events.Contents, process: Process, _: events.Head) -> None:
        if len(process.contents) < MOST_EVENTS:
            process.contents[event.source, event.name] = event

    @_take.register
    def _take_rows(self, event: events.Rows, process: Process, _: events.Head) -> None:
        process.rows = event

    @_take.register
    def _take_units(self, event: events.Units, process: Process, _: events.Head) -> None:
        process.units = event

    @_take.register
    def _take_own_files(self, event: events.OwnFiles, process: Process, _: events.Head) -> None:
        process.own_files += event.paths

    @_take.register
    def _take_logged(self, event: events.LoggedKeys, process: Process, _: events.Head) -> None:
        process.logged.update({logged.key: logged for logged in event.keys})

    @_take.register
    def _take_written(self, event: events.Written, process: Process, _: events.Head) -> None:
        process.files += event.paths

    @_take.register
    def _take_hosts(self, event: events.Hosts, process: Process, _: events.Head) -> None:
        process.hosts += event.hosts

    @_take.register
    def _take_failed(self, event: events.Failed, process: Process, _: events.Head) -> None:
        if not event.thread:
            process.failures.append(event.chain)

    @_take.register
    def _take_probe_failed(self, event: events.ProbeFailed, process: Process, _: events.Head) -> None:
        process.probe_failures.append(f"{event.module}: {event.error}")

    @_take.register
    def _take_ended(self, event: events.Ended, process: Process, head: events.Head) -> None:
        process.ended, process.peak_memory, process.cpu = head.at, event.peak_memory, event.cpu


def _digest(body: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(body, key=key, digest_size=8).hexdigest().encode()
