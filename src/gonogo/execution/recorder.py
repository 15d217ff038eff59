"""From the output and the event channel of runs to observations."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from typing import Any

from gonogo.execution.observations import (
    Caught,
    Evaluated,
    Happened,
    Loader,
    Logged,
    Loop,
    Optimizer,
    Place,
    Prediction,
    Process,
    Raised,
    RunSeen,
    SessionSeen,
)
from gonogo.execution.sandbox import Limit, RunResult

MOST_LINES = 400
LINE_CHARACTERS = 1500
MOST_EVENTS = 2000  # of one kind in one process
MOST_BYTES = 48 << 20  # of all events of a session: as objects they take several times as much
# What a fork of a watched process is heard of: what else it counts, it began to count as a copy of that process.
OF_FORKS = frozenset({"config", "figure", "child", "written", "network", "stand-in", "unreachable"})
Progress = Callable[[str, str, str], None]


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
    """Gathers what one run says; only its own events come here, since every run has a channel and a key of its own."""

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
        run.seconds = round(result.seconds, 3)
        if result.limit not in (None, Limit.TIME):
            run.unsettled = f"it was ended: {result.reason}"
        self._recorder.tell(run.label, "end", "ok" if run.ok else "failed")

    def hear(self, line: bytes) -> None:
        """Take one line of the channel."""
        digest, _, body = line.rstrip(b"\n").partition(b" ")
        try:
            event = json.loads(body) if hmac.compare_digest(_digest(body, self._key), digest) else None
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            self._recorder.count_forged()
            return
        kind = str(event.get("kind"))
        if ("fork_of" in event and kind not in OF_FORKS) or not self._recorder.takes(len(body)):
            return
        handler = getattr(self, f"_probe_{kind.replace('-', '_')}", None)
        try:
            if handler is not None:
                handler(event)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            self._recorder.count_forged()  # right key, wrong shape: written by code that reads the probe

    # -- what probes say -------------------------------------------------------------------------------------------------------------

    def _probe_process(self, event: dict[str, Any]) -> None:
        process = Process(event["pid"], event["parent"], event["argv"], event["mode"], started=event["at"])
        replaced = self.run.processes.get(process.pid)
        if replaced is not None and replaced.ended is None:  # `exec`: what it saw stays, under a number that no process has
            replaced.ended = event["at"]
            self.run.processes[-process.pid] = replaced
        self.run.processes[process.pid] = process

    def _of(self, event: dict[str, Any]) -> Process:
        return self.run.processes[event.get("fork_of", event["pid"])]

    def _keep(self, into: list[Happened], what: str, event: dict[str, Any]) -> None:
        if len(into) < MOST_EVENTS:
            into.append(Happened(what, _place(event.get("place")), event))

    def _probe_task(self, event: dict[str, Any]) -> None:
        self._of(event).marks.setdefault("task", event["at"])

    def _probe_config(self, event: dict[str, Any]) -> None:
        process = self._of(event)
        process.read += event.get("read", [])
        process.whole += event.get("whole", [])
        process.written_keys += event.get("written", [])

    def _probe_bounded(self, event: dict[str, Any]) -> None:
        self._of(event).bounded.update({name: (old, new) for name, old, new in event["keys"]})

    def _probe_loader(self, event: dict[str, Any]) -> None:
        used = [place for place in map(_place, event["used"]) if place]
        batches = [int(number) for number in event["batches"]]
        loader = Loader(_place(event["place"]), event["batch_size"], event["passes"], batches, used, event["forwards"], event["backwards"])
        loader.used_batches = [int(number) for number in event["used_batches"]]
        loader.length, loader.rows, loader.seconds = event["length"], event["rows"], [float(number) for number in event["seconds"]]
        self._of(event).loaders[event["number"]] = loader

    def _probe_loop(self, event: dict[str, Any]) -> None:
        place = _place(event["place"])
        if place is not None:
            seconds = [float(number) for number in event["seconds"]]
            self._of(event).loops[place] = Loop(place, event["role"], event["times"], event["batches"], event["length"], seconds)

    def _probe_counts(self, event: dict[str, Any]) -> None:
        process = self._of(event)
        names = ("forwards", "forwards_training", "backwards", "steps", "answers", "answers_alike")
        process.counts = {name: int(event[name]) for name in names}
        process.marks.setdefault("counts", event["at"])

    def _probe_answers(self, event: dict[str, Any]) -> None:
        self._of(event).answers[event["classes"]] = Happened("answers", None, event)

    def _probe_losses(self, event: dict[str, Any]) -> None:
        self._of(event).losses += [(value, path, line) for value, path, line in event["values"]]

    def _probe_predictions(self, event: dict[str, Any]) -> None:
        for loader, number, path, line, one, other in event["values"]:
            prediction = Prediction(int(loader), int(number), (float(one), float(other)), _place([path, line]))
            self._of(event).predictions.append(prediction)

    def _probe_caught(self, event: dict[str, Any]) -> None:
        numbers = {name: int(event[name]) for name in ("times", "forwards", "backwards", "steps_after")}
        place = _place(event["place"])
        found = Caught(place, str(event["type"]), str(event["message"]), _place(event["raised"]), **numbers, goes_on=bool(event["goes_on"]))
        self._of(event).caught[place, found.type] = found

    def _probe_altered(self, event: dict[str, Any]) -> None:
        process = self._of(event)
        process.altered = {str(name): int(times) for name, times in event["counts"].items()}
        process.unaltered = {str(name): str(reason) for name, reason in event["left"].items()}

    def _probe_optimizer(self, event: dict[str, Any]) -> None:
        names = ["name", "parameters", "trainable", "steps", "without", "zero", "still", "rates", "made_with", "scheduled", "scaled"]
        names += ["uncleared", "thrown", "stale", "unheld", "graded", "moved", "twins", "heirs", "apart", "flat", "uneven"]
        optimizers = self._of(event).optimizers
        old = optimizers.get(event["number"])
        new = Optimizer(_place(event["place"]), **{name: event[name] for name in names})
        new.changed, new.groups = (old.changed, old.groups) if old else ([], [])
        new.start, new.updates = event["start"], list(event["updates"])
        new.twin_place, new.flat_place = _place(event["twin_place"]), _place(event["flat_place"])
        optimizers[event["number"]] = new

    def _probe_changed(self, event: dict[str, Any]) -> None:
        changed = self._of(event).optimizers[event["number"]].changed
        changed += [(name, kind) for name, _, kind in (text.partition("|") for text in event["names"])]

    def _probe_gradients(self, event: dict[str, Any]) -> None:
        self._of(event).optimizers[event["number"]].groups = list(event["groups"])

    def _probe_contents(self, event: dict[str, Any]) -> None:
        contents = self._of(event).contents
        if len(contents) < MOST_EVENTS:
            contents[event["source"], event["name"]] = Happened("contents", None, event)

    def _probe_shared_rows(self, event: dict[str, Any]) -> None:
        self._keep(self._of(event).shared_rows, "shared rows", event)

    def _probe_fit(self, event: dict[str, Any]) -> None:
        self._keep(self._of(event).fits, event["name"], event)

    def _probe_units(self, event: dict[str, Any]) -> None:
        self._of(event).units = Happened("units", None, event)

    def _probe_own_files(self, event: dict[str, Any]) -> None:
        self._of(event).own_files += [str(path) for path in event["paths"]]

    def _probe_network_ran(self, event: dict[str, Any]) -> None:
        process = self._of(event)
        process.marks.setdefault("network", event["at"])
        self._keep(process.networks, event["name"], event)

    def _probe_search(self, event: dict[str, Any]) -> None:
        self._keep(self._of(event).searches, event["what"], event)

    def _probe_suggest(self, event: dict[str, Any]) -> None:
        self._keep(self._of(event).suggestions, event["name"], event)

    def _probe_wandb(self, event: dict[str, Any]) -> None:
        process = self._of(event)
        process.marks.setdefault(f"wandb {event['what']}", event["at"])
        self._keep(process.tracking, event["what"], event)

    def _probe_logged(self, event: dict[str, Any]) -> None:
        for key, rows, last, not_finite, place, turn, nan in event["keys"]:
            self._of(event).logged[key] = Logged(key, rows, last, not_finite, _place(place), turn, int(nan))

    def _probe_figure(self, event: dict[str, Any]) -> None:
        self._keep(self._of(event).figures, event["path"], event)

    def _probe_seed(self, event: dict[str, Any]) -> None:
        self._keep(self._of(event).seeds, event["what"], event)

    def _probe_child(self, event: dict[str, Any]) -> None:
        self._keep(self._of(event).children, str(event["argv"])[:300], event)

    def _probe_written(self, event: dict[str, Any]) -> None:
        self._of(event).files += event["paths"]

    def _probe_network(self, event: dict[str, Any]) -> None:
        self._of(event).hosts += event["hosts"]

    def _probe_stand_in(self, event: dict[str, Any]) -> None:
        self._keep(self._of(event).standins, event["what"], event)

    def _probe_unreachable(self, event: dict[str, Any]) -> None:
        self._keep(self._of(event).unreachable, event["source"], event)

    def _probe_exception(self, event: dict[str, Any]) -> None:
        if event.get("thread"):
            return
        chain = []
        for entry in event["chain"]:
            frames = [(path, line, function) for path, line, function in entry["frames"]]
            own = entry["raised"] == "own"
            chain.append(Raised(entry["type"], entry["module"], entry["message"], frames, own, "" if own else entry["raised"]))
        self._of(event).failures.append(chain)

    def _probe_probe_failed(self, event: dict[str, Any]) -> None:
        self._of(event).probe_failures.append(f"{event['module']}: {event['error']}")

    def _probe_end(self, event: dict[str, Any]) -> None:
        process = self._of(event)
        process.ended, process.peak_memory, process.cpu = event["at"], event["peak_memory"], event["cpu"]


def _digest(body: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(body, key=key, digest_size=8).hexdigest().encode()


def _place(value: Any) -> Place | None:
    if isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[0], str) and value[0]:
        return value[0], int(value[1])
    return None
