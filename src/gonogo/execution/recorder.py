"""From the lines on the event channel to observations."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from gonogo.execution.observations import Happened, Loader, Logged, Loop, Optimizer, Place, Process, Raised, RunSeen, SessionSeen

MOST_LINES = 400
MOST_EVENTS = 2000  # of one kind in one process
# What a fork of a watched process is heard of: what else it counts, it began to count as a copy of that process.
OF_FORKS = frozenset({"config", "figure", "child", "written", "network", "stand-in", "unreachable"})
Progress = Callable[[str, str, str], None]


class Recorder:
    """Gathers what is said on the event channel.

    Args:
        session: filled in.
        probe_key: of the events of probes; `driver_key` of the driver's.
        evaluation: the label of the evaluation.
        progress: gets (run id, what: `start`, `line` or `end`, text).
    """

    def __init__(
        self, session: SessionSeen, probe_key: bytes, driver_key: bytes, evaluation: str, progress: Progress | None = None
    ) -> None:
        self.session = session
        self._keys = {"probe": probe_key, "driver": driver_key}
        self._evaluation = evaluation
        self._progress = progress or (lambda *_: None)
        self._processes: dict[int, Process] = {}
        self.driver_ended = False

    def hear(self, line: bytes) -> None:
        """Take one line of the channel."""
        digest, _, body = line.rstrip(b"\n").partition(b" ")
        who = next((who for who, key in self._keys.items() if hmac.compare_digest(_digest(body, key), digest)), None)
        try:
            event = json.loads(body) if who else None
        except ValueError:
            event = None
        if not isinstance(event, dict):
            self.session.forged += 1
            return
        kind = str(event.get("kind"))
        if "fork_of" in event and kind not in OF_FORKS:
            return
        handler = getattr(self, f"_{who}_{kind.replace('-', '_')}", None)
        try:
            if handler is not None:
                handler(event)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            self.session.forged += 1  # right key, wrong shape: written by code that reads the probe

    # -- the driver ------------------------------------------------------------------------------------------------------------------

    def _driver_run_start(self, event: dict[str, Any]) -> None:
        run = RunSeen(event["run"], argv=event["argv"], started=event["at"])
        if event["run"] == self._evaluation:
            self.session.evaluation = run
        else:
            self.session.runs[event["run"]] = run
        self._progress(event["run"], "start", "")

    def _run(self, label: str) -> RunSeen:
        run = self.session.evaluation if label == self._evaluation else self.session.runs.get(label)
        if run is None:
            raise KeyError(label)
        return run

    def _driver_line(self, event: dict[str, Any]) -> None:
        run = self._run(event["run"])
        run.output.append((event["stream"], event["text"]))
        del run.output[:-MOST_LINES]
        self._progress(event["run"], "line", event["text"])

    def _driver_run_end(self, event: dict[str, Any]) -> None:
        run = self._run(event["run"])
        run.ended = True
        run.code, run.signal, run.late = event["code"], event["signal"], event["late"]
        run.seconds, run.error = event["seconds"], event["error"]
        self._progress(event["run"], "end", "ok" if run.ok else "failed")

    def _driver_driver_end(self, _: dict[str, Any]) -> None:
        self.driver_ended = True

    def _driver_driver_failed(self, event: dict[str, Any]) -> None:
        self.session.problem = event["error"]

    # -- the probes ------------------------------------------------------------------------------------------------------------------

    def _probe_process(self, event: dict[str, Any]) -> None:
        process = Process(event["pid"], event["parent"], event["argv"], event["mode"], started=event["at"])
        self._run(event["run"]).processes[process.pid] = process
        self._processes[process.pid] = process

    def _of(self, event: dict[str, Any]) -> Process:
        return self._processes[event.get("fork_of", event["pid"])]

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
        loader = Loader(_place(event["place"]), event["batch_size"], event["passes"], [int(n) for n in event["batches"]], used)
        self._of(event).loaders[event["number"]] = loader

    def _probe_loop(self, event: dict[str, Any]) -> None:
        place = _place(event["place"])
        if place is not None:
            self._of(event).loops[place] = Loop(place, event["role"], event["times"], event["batches"])

    def _probe_counts(self, event: dict[str, Any]) -> None:
        process = self._of(event)
        process.counts = {name: int(event[name]) for name in ("forwards", "forwards_training", "backwards", "steps")}
        process.marks.setdefault("counts", event["at"])

    def _probe_answers(self, event: dict[str, Any]) -> None:
        self._of(event).answers[event["classes"]] = Happened("answers", None, event)

    def _probe_losses(self, event: dict[str, Any]) -> None:
        self._of(event).losses += [(value, path, line) for value, path, line in event["values"]]

    def _probe_optimizer(self, event: dict[str, Any]) -> None:
        names = ("name", "parameters", "trainable", "steps", "without", "zero", "still", "rates")
        optimizers = self._of(event).optimizers
        old = optimizers.get(event["number"])
        new = Optimizer(_place(event["place"]), **{name: event[name] for name in names})
        new.changed = old.changed if old else []
        optimizers[event["number"]] = new

    def _probe_changed(self, event: dict[str, Any]) -> None:
        changed = self._of(event).optimizers[event["number"]].changed
        changed += [(name, kind) for name, _, kind in (text.partition("|") for text in event["names"])]

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
        for key, rows, last, not_finite, place, turn in event["keys"]:
            self._of(event).logged[key] = Logged(key, rows, last, not_finite, _place(place), turn)

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
