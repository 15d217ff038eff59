"""Many experiments at once, in a small pool of processes that judge.

Each process is limited in time, and none can take the others down.

Ours, and not `concurrent.futures` or pebble: a worker that is late is asked for what it has found so far before it is ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from gonogo.model.errors import StageError, UsageError
from gonogo.system.children import command

if TYPE_CHECKING:
    from gonogo.model.check_options import CheckOptions
    from gonogo.model.config_use import ConfigUse
    from gonogo.model.verdict import Verdict

GRACE = 15.0  # after its time-out a process may still finish by itself: it then says what it has found so far
START_SECONDS = 60.0
MAX_JOBS = 8
PAUSE = 120.0  # between two signs of life of a stage that runs the experiment, besides the time that it says it may take

#: Gets the number of the task, the stage, the run, what happened and a text.
Listener = Callable[[int, str, str, str, str], None]


@dataclass(frozen=True)
class Task:
    """One experiment to judge.

    Args:
        source: the folder or the bundle.
        name: what to call it; the path as the user gave it.
        plan: the file of its research plan, None to look for one.
        texts: by path, what takes the place of a file's text: what an editor has not yet written.
        uses: the accesses of the config in the code are wanted too.
        configs: what each run composes is wanted too, in the verdict, and the texts that it points into.
    """

    source: str
    name: str
    plan: str | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    uses: bool = False
    configs: bool = False


@dataclass(frozen=True)
class Result:
    """What became of one experiment.

    Attributes:
        verdict: always there, `UNDECIDED` with the reason where judging failed.
        sources: texts of the files that the findings point into.
        usage: what was wrong with the input, where it was no experiment at all.
        traceback: where gonogo itself failed.
        uses: the accesses of the config in the code, where they were asked for.
    """

    verdict: Verdict
    sources: dict[str, str] = field(default_factory=dict)
    usage: str = ""
    traceback: str = ""
    uses: tuple[ConfigUse, ...] = ()


class _Worker:
    """A process that judges, and its current task.

    It leads a process group, so that one signal ends it with all its children.
    """

    def __init__(self, temporary: str, debug: bool) -> None:
        self.process = subprocess.Popen(
            command("gonogo.pool.worker", ends_with_us=True),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if debug else subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": temporary},
            start_new_session=True,
        )
        self.told = False
        self.ready = False
        self.task: int | None = None
        self.seconds = START_SECONDS
        self.deadline = time.monotonic() + START_SECONDS
        self._buffer = b""

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; a process that is gone is noticed when its answer is awaited."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    def tell(self, options: dict[str, Any]) -> None:
        """Tell it the options, which it wants to hear once, and first."""
        if not self.told:
            self.told = True
            self.send(options)

    def limit(self, seconds: float) -> None:
        """Give the process so many seconds from now on, for the stages that run nothing."""
        self.seconds = seconds
        self.deadline = time.monotonic() + seconds + GRACE

    def receive(self) -> list[dict[str, Any]]:
        """The messages that are complete.

        Raises:
            EOFError: the process is gone.
        """
        assert self.process.stdout is not None
        chunk = os.read(self.process.stdout.fileno(), 1 << 20)
        if not chunk:
            raise EOFError
        self._buffer += chunk
        *messages, self._buffer = self._buffer.split(b"\n") if b"\n" in chunk else [self._buffer]
        return [json.loads(message) for message in messages]

    def end(self) -> str:
        """Kill the process with its children; how it ended, if it did by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0.5 if self.process.poll() is None and self._closed() else 0)
        status = self.process.poll()
        with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, for a group of zombies
            os.killpg(self.process.pid, signal.SIGKILL)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self.process.wait()
        if status is None:
            return "it was ended"
        return f"it was killed by {signal.Signals(-status).name}" if status < 0 else f"it ended with exit code {status}"

    def _closed(self) -> bool:
        """Whether the process has closed its end of the pipe, as one that is dying has."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            return bool(selector.select(0))


class Pool:
    """A pool of processes that judge.

    Starting one does not wait for it, so a pool can warm up while its owner does other things.

    Args:
        jobs: how many processes.
        debug: let their standard error through.
    """

    def __init__(self, jobs: int, debug: bool = False) -> None:
        self._debug = debug
        self._temporary = tempfile.TemporaryDirectory(prefix="gonogo-", ignore_cleanup_errors=True)
        self._workers: list[_Worker] = []
        self._options: dict[str, Any] = {}
        self._timeout = 0.0
        self._listener: Listener | None = None
        self._stopped = False
        self.grow(jobs)

    def grow(self, jobs: int) -> None:
        """Have at least so many processes."""
        while len(self._workers) < jobs:
            self._workers.append(_Worker(self._temporary.name, self._debug))

    def keep(self, data: bytes) -> str:
        """Put data into a file that lives as long as the pool; its path."""
        with tempfile.NamedTemporaryFile(dir=self._temporary.name, delete=False) as file:
            file.write(data)
        return file.name

    def run(self, tasks: list[Task], options: CheckOptions, listener: Listener | None = None) -> Iterator[Result]:
        """Judge the experiments; results come in the order of the tasks.

        Args:
            tasks: the experiments.
            options: the caller's choices, the same in every call; the plans are the tasks' own.
            listener: hears of the stages that run the experiments.

        Raises:
            UsageError: an option names nothing.
            StageError: the processes don't even start.
        """
        from gonogo.model.check_options import SHORTEST  # whoever has options has loaded it

        self._options, self._timeout, self._listener = options.model_dump(mode="json"), options.timeout or SHORTEST, listener
        for worker in self._workers:
            worker.tell(self._options)
        waiting = list(enumerate(tasks))[::-1]
        done: dict[int, Result] = {}
        position = 0
        while position < len(tasks):
            for index, result in self._step(tasks, waiting):
                done[index] = result
            while position in done:
                yield done.pop(position)
                position += 1

    def _step(self, tasks: list[Task], waiting: list[tuple[int, Task]]) -> Iterator[tuple[int, Result]]:
        """Wait for what happens next: an answer, a death, the end of somebody's time."""
        for worker in self._workers:
            if worker.ready and worker.task is None and waiting:
                worker.task, task = waiting.pop()
                worker.limit(self._timeout)
                worker.send(asdict(task))
        busy = [worker for worker in self._workers if worker.task is not None or not worker.ready]
        with selectors.DefaultSelector() as selector:
            for worker in busy:
                assert worker.process.stdout is not None
                selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
            nearest = min(worker.deadline for worker in busy)
            events = selector.select(max(0.0, nearest - time.monotonic()))
        for key, _ in events:
            yield from self._hear(key.data, tasks)
        now = time.monotonic()
        for worker in busy:
            if worker in self._workers and now >= worker.deadline and (worker.task is not None or not worker.ready):
                yield from self._replace(worker, tasks, f"it took more than {worker.seconds:g} s")

    def _hear(self, worker: _Worker, tasks: list[Task]) -> Iterator[tuple[int, Result]]:
        try:
            messages = worker.receive()
        except EOFError:
            yield from self._replace(worker, tasks, "")
            return
        for message in messages:
            if not worker.ready:
                if "usage" in message:
                    raise UsageError(message["usage"])
                worker.ready = True
            elif worker.task is not None and "seconds" in message:
                worker.limit(float(message["seconds"]))
            elif worker.task is not None and "progress" in message:
                worker.deadline = time.monotonic() + float(message["silence"]) + PAUSE
                if self._listener is not None:
                    self._listener(worker.task, *message["progress"])
            elif worker.task is not None:
                index, worker.task = worker.task, None
                yield index, result_of(message, tasks[index])

    def _replace(self, worker: _Worker, tasks: list[Task], reason: str) -> Iterator[tuple[int, Result]]:
        """Replace a process that died or exceeded its time limit.

        Its experiment stays undecided.
        """
        if self._stopped:
            raise StageError("the processes that judge were stopped")
        how = worker.end()
        index = worker.task
        if index is None:
            raise StageError(f"a process that judges did not start: {reason or how}")
        fresh = _Worker(self._temporary.name, self._debug)
        fresh.tell(self._options)
        self._workers[self._workers.index(worker)] = fresh
        yield index, failed(tasks[index].name, f"the process that judged it was ended: {reason}" if reason else f"the process died: {how}")

    def stop(self) -> None:
        """Stop the processes that judge, from a thread other than that of `run`.

        `run` then raises StageError. The pool must still be closed.
        """
        self._stopped = True
        for worker in self._workers:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(worker.process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End all processes and remove what they left behind."""
        for worker in self._workers:
            worker.end()
        self._workers = []
        self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def default_jobs(experiments: int) -> int:
    """How many processes to use for so many experiments: one a core, within reason."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(cores, MAX_JOBS, experiments))


def result_of(message: dict[str, Any], task: Task) -> Result:
    """What a process that judges said of an experiment."""
    from gonogo.model.verdict import Verdict

    if "verdict" in message:
        uses = _uses_of(message["uses"]) if task.uses else ()
        return Result(Verdict.model_validate(message["verdict"]), message["sources"], uses=uses)
    if "usage" in message:
        return failed(task.name, message["usage"], usage=message["usage"])
    return failed(task.name, message["crash"], traceback=message["traceback"])


def _uses_of(data: list[Any]) -> tuple[ConfigUse, ...]:
    from gonogo.model.config_use import ConfigUse

    return tuple(map(ConfigUse.model_validate, data))


def failed(name: str, reason: str, usage: str = "", traceback: str = "") -> Result:
    """The result for an experiment that could not be judged."""
    from gonogo.model.verdict import undecided

    return Result(undecided(name, reason), usage=usage, traceback=traceback)
