"""One run: started by the launcher, read and watched until nothing of it is left."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.execution.sandbox.model import Limit, Limits, RunResult
from gonogo.execution.sandbox.output import Stream
from gonogo.execution.sandbox.watch import Watch
from gonogo.model.errors import StageError
from gonogo.system.children import command

INTERVAL, FIRST_INTERVAL = 0.1, 0.02  # a short run should be seen at all
LAST_WORDS = 1.0  # seconds that a pipe may stay open after the run's end
CHUNK = 1 << 16


@dataclass
class Launch:
    """What is to be run and how.

    Args:
        order: makes the launcher's order, given the descriptor that it reports to.
        limits: what is too much.
        folders: the writable folders.
        token: a text in the environment of the run and of nothing else.
        namespaced: whether the processes are in a namespace that ends with its first process.
        pass_fds: descriptors that the code inherits.
        events: the reading end of the event channel.
    """

    order: Callable[[int], dict[str, object]]
    limits: Limits
    folders: list[Path]
    token: str
    namespaced: bool
    pass_fds: tuple[int, ...] = ()
    events: int | None = None


@dataclass
class Listeners:
    """Who wants to hear of what comes, as it comes; they must be quick, since the watching waits for them."""

    line: Callable[[str, str], None] | None = None
    event: Callable[[bytes], None] | None = None


class Run:
    """A run in the making.

    Args:
        launch: what is run.
        listeners: who hears of it.
    """

    def __init__(self, launch: Launch, listeners: Listeners) -> None:
        self.launch = launch
        self.limits = launch.limits
        self.exceeded: tuple[Limit, str] | None = None
        self._status = bytearray()
        self._streams = {name: Stream(_line_of(name, listeners.line)) for name in ("stdout", "stderr")}
        self._events = Stream(listeners.event)
        self._kill_at: float | None = None

    def carry_out(self) -> RunResult:
        """Start it, watch it, and clear up after it.

        Raises:
            StageError: it could not be started.
        """
        begun = time.monotonic()
        watch = Watch(self.limits, self.launch.folders, namespaced=self.launch.namespaced)
        reading, writing = os.pipe()
        try:
            order = self.launch.order(writing) | {"parent": os.getpid()}
            process = subprocess.Popen(
                command("gonogo.execution.sandbox.launcher"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PATH": os.defpath},
                cwd="/",
                start_new_session=True,
                pass_fds=(writing, *self.launch.pass_fds),
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        try:
            watch.begin(process.pid)
            self._order(process, order)
            with selectors.DefaultSelector() as selector:
                self._follow(process, watch, selector, reading, begun)
        finally:
            self._end(process, watch)
            survivors = watch.sweep(self.launch.token)
            for stream in (process.stdout, process.stderr):
                assert stream is not None
                stream.close()
            os.close(reading)
        return self._result(process, watch, time.monotonic() - begun, survivors)

    def _end(self, process: subprocess.Popen[bytes], watch: Watch) -> None:
        """Kill everything: a namespace goes with its first process; without one, while there is still somebody who adopts orphans."""
        if process.poll() is None:
            if not self.launch.namespaced:
                watch.kill_all()
            process.kill()
        process.wait()

    def _order(self, process: subprocess.Popen[bytes], order: dict[str, Any]) -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(order).encode())
            process.stdin.close()
        except BrokenPipeError as error:
            raise StageError("the process that builds the sandbox died at its start") from error

    def _follow(self, process: subprocess.Popen[bytes], watch: Watch, selector: selectors.BaseSelector, status: int, begun: float) -> None:
        """Read and measure until the run has ended or was ended."""
        sinks: dict[int, Callable[[bytes], None]] = {status: self._hear}
        for stream, name in ((process.stdout, "stdout"), (process.stderr, "stderr")):
            assert stream is not None
            sinks[stream.fileno()] = self._streams[name].feed
        if self.launch.events is not None:
            sinks[self.launch.events] = self._events.feed
        for descriptor in sinks:
            os.set_blocking(descriptor, False)
            selector.register(descriptor, selectors.EVENT_READ)
        next_sample = begun
        while process.poll() is None:
            self._drain(selector, sinks, max(0.0, min(INTERVAL, next_sample - time.monotonic())))
            now = time.monotonic()
            if now >= next_sample:
                self._judge(watch, now - begun)
                next_sample = time.monotonic() + min(INTERVAL, FIRST_INTERVAL + (now - begun) / 10)
            if self._kill_at is not None and now >= self._kill_at:
                self._end(process, watch)
        self._empty(selector, sinks)
        self.exceeded = self.exceeded or watch.disk()

    def _hear(self, chunk: bytes) -> None:
        self._status += chunk

    def _drain(self, selector: selectors.BaseSelector, sinks: dict[int, Callable[[bytes], None]], seconds: float) -> bool:
        """Read once from every pipe that has something; whether there was any."""
        ready = selector.select(seconds) if selector.get_map() else []
        if not ready and not selector.get_map():
            time.sleep(seconds)
        for key, _ in ready:
            try:
                chunk = os.read(key.fd, CHUNK)
            except BlockingIOError:
                continue
            if chunk:
                sinks[key.fd](chunk)
            else:
                selector.unregister(key.fd)
        return bool(ready)

    def _empty(self, selector: selectors.BaseSelector, sinks: dict[int, Callable[[bytes], None]]) -> None:
        """Read what is still in the pipes; a process that got away may hold them open, so not for ever."""
        deadline = time.monotonic() + LAST_WORDS
        while time.monotonic() < deadline and self._drain(selector, sinks, 0.0):
            pass

    def _judge(self, watch: Watch, seconds: float) -> None:
        """Measure, and begin to end the run where something is too much."""
        if self.exceeded is not None:
            return
        written = sum(stream.total for stream in self._streams.values())
        if written > self.limits.output:
            self.exceeded = Limit.OUTPUT, f"more than {self.limits.output} bytes of output"
        elif self._events.total > self.limits.events:
            self.exceeded = Limit.EVENTS, f"more than {self.limits.events} bytes of events"
        else:
            self.exceeded = watch.sample()
        if self.exceeded is not None:
            self._kill_at = 0.0
        elif seconds > self.limits.seconds:
            self.exceeded = Limit.TIME, f"more than {self.limits.seconds:g} s"
            self._kill_at = time.monotonic() + self.limits.grace
            watch.ask_to_end()

    def _result(self, process: subprocess.Popen[bytes], watch: Watch, seconds: float, survivors: tuple[int, ...]) -> RunResult:
        said = _said(self._status)
        stdout, stderr = (self._streams[name].close() for name in ("stdout", "stderr"))
        self._events.close()
        code = said.get("exit-code")
        if "error" in said or (code is None and self.exceeded is None and process.returncode >= 0):
            reason = said.get("error") or stderr.text.strip() or f"what builds it ended with {process.returncode}"
            raise StageError(f"the run could not be started in the sandbox: {reason}")
        number = code - 128 if isinstance(code, int) and code > 128 else None
        if code is None:
            number = signal.SIGKILL
        if self.exceeded is None and number == signal.SIGXFSZ:
            self.exceeded = Limit.DISK, "a file became too large"
        limit, reason = self.exceeded or (None, "")
        return RunResult(
            exit_code=None if number else code,
            signal=number,
            limit=limit,
            reason=reason,
            seconds=seconds,
            peak_memory=watch.peak_memory,
            peak_disk=watch.peak_disk,
            peak_processes=watch.peak_processes,
            daemons=watch.daemons,
            survivors=survivors,
            stdout=stdout,
            stderr=stderr,
        )


def _line_of(name: str, on_line: Callable[[str, str], None] | None) -> Callable[[bytes], None] | None:
    if on_line is None:
        return None
    listener = on_line
    return lambda line: listener(name, line.decode("utf-8", "replace"))


def _said(status: bytes | bytearray) -> dict[str, Any]:
    """What the launcher or bubblewrap reported: lines of JSON, the last perhaps cut off."""
    merged: dict[str, Any] = {}
    for line in bytes(status).splitlines():
        with suppress(ValueError):
            merged |= json.loads(line)
    return merged
