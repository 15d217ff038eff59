"""This machine: a pool over its accelerators, or over its cores where it has none."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gonogo.launch.executors import ExecutorOptions
from gonogo.launch.job import Event, Job, carry_out, stop

CORES_A_JOB = 1
PAUSE = 0.05  # seconds between looks at what is still to be stopped


@dataclass(frozen=True)
class Slot:
    """A place for one job: an accelerator, or some cores."""

    gpu: str | None = None
    cores: tuple[int, ...] = ()

    def environment(self) -> dict[str, str]:
        """What a job in this place is told."""
        if self.gpu is not None:
            return {"CUDA_VISIBLE_DEVICES": self.gpu}
        threads = str(len(self.cores))
        return {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}


def slots(jobs: int | None) -> list[Slot]:
    """The places of this machine: its accelerators, else its cores dealt out evenly to so many jobs."""
    gpus = _gpus()
    if gpus:
        return [Slot(gpu=gpu) for gpu in (gpus if jobs is None else [gpus[number % len(gpus)] for number in range(jobs)])]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    count = max(1, min(jobs if jobs is not None else len(cores) // CORES_A_JOB, len(cores)))
    return [Slot(cores=tuple(cores[number::count])) for number in range(count)]


def _gpus() -> list[str]:
    """The accelerators that this process may use."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return [gpu.strip() for gpu in allowed.split(",") if gpu.strip() and gpu.strip() != "-1"]
    return [path.name.removeprefix("nvidia") for path in sorted(Path("/dev").glob("nvidia[0-9]*"))]


class LocalExecutor:
    """Carries as many jobs at a time as there are places.

    Args:
        jobs: how many places, None for one an accelerator, or one a core.
    """

    def __init__(self, jobs: int | None = None) -> None:
        self.is_here = True
        self._slots = slots(jobs)
        self._running: dict[str, int] = {}
        self._stopped = False

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        """Carry the jobs; events come as they happen. Closing the iterator stops what runs."""
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        count = 0
        for job in jobs:
            waiting.put(job)
            count += 1
        threads = [threading.Thread(target=self._work, args=(slot, waiting, events), daemon=True) for slot in self._slots[:count]]
        for thread in threads:
            thread.start()
        try:
            while count:
                event = events.get()
                count -= event.state != "running"
                yield event
        finally:
            self._stopped = True
            while any(thread.is_alive() for thread in threads):
                for group in list(self._running.values()):  # again, for a job may be about to begin
                    stop(group)
                for thread in threads:
                    thread.join(PAUSE)

    def _work(self, slot: Slot, waiting: queue.SimpleQueue[Job], events: queue.SimpleQueue[Event]) -> None:
        while not self._stopped:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            events.put(Event(job.label, "running"))

            def began(pid: int, label: str = job.label) -> None:
                self._running[label] = pid

            done = carry_out(job, slot.environment(), began, slot.cores)
            self._running.pop(job.label, None)
            events.put(done)


def make(options: ExecutorOptions) -> LocalExecutor:
    """The executor.

    Raises:
        UsageError: an option is another one's.
    """
    options.refuse(address=True, parameters=True)
    return LocalExecutor(options.jobs)
