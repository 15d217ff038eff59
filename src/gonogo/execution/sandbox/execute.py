"""One run: started by the launcher, read and watched until nothing of it is left."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from gonogo.execution.sandbox.model import Limit, Limits, RunResult
from gonogo.execution.sandbox.output import Stream
from gonogo.execution.sandbox.watch import LAST_LINES, Account, Watch
from gonogo.model.errors import StageError

TOKEN = "GONOGO_RUN"  # a variable that marks every process of a run
INTERVAL, FIRST_INTERVAL = 0.1, 0.02  # a short run should be seen at all
LAST_WORDS = 1.0  # seconds that a pipe may stay open after the run's end
CHUNK = 1 << 16


@dataclass
class Launch:
    """What is to be run and how.

    Args:
        argv: the program that starts the first process of the box.
        order: what that is told; it also learns which descriptor it reports to.
        limits: what is too much.
        account: of the box.
        cancelled: set when the box is wanted no more.
        token: a text in the environment of the run and of nothing else.
        namespaced: whether the processes are in a namespace that ends with its first process.
        pass_fds: descriptors that the code inherits.
        events: the reading end of the event channel.
    """

    argv: list[str]
    order: dict[str, object]
    limits: Limits
    account: Account
    cancelled: threading.Event
    token: str
    namespaced: bool
    pass_fds: tuple[int, ...] = ()
    events: int | None = None


@dataclass
class Listeners:
    """Who wants to hear of what comes, as it comes; they must be quick, since the watching waits for them.

    Args:
        line: gets ("stdout" or "stderr", line).
        event: gets each line of the event channel.
        socket: gets the socket that listens inside, which is then theirs.
    """

    line: Callable[[str, str], None] | None = None
    event: Callable[[bytes], None] | None = None
    socket: Callable[[socket.socket], None] | None = None


class Run:
    """A run in the making.

    Args:
        launch: what is run.
        listeners: who hears of it.
    """

    def __init__(self, launch: Launch, listeners: Listeners) -> None:
        self.launch = launch
        self.listeners = listeners
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
        watch = Watch(self.limits, self.launch.account, namespaced=self.launch.namespaced)
        with ExitStack() as held:
            process, status, inlet = self._start(held)
            try:
                watch.begin(process.pid)
                with selectors.DefaultSelector() as selector:
                    self._follow(process, watch, selector, status, inlet, begun)
            finally:
                self._end(process, watch)
                survivors = watch.sweep(self.launch.token)
        return self._result(process, watch, time.monotonic() - begun, survivors)

    def _start(self, held: ExitStack) -> tuple[subprocess.Popen[bytes], int, socket.socket | None]:
        """Start the first process and give it its order.

        Also returned are where it reports to, and where its socket comes from.
        """
        status, writing = os.pipe()
        held.callback(os.close, status)
        order = self.launch.order | {"status": writing, "outlet": None, "parent": os.getpid()}
        inlet, given = None, [writing, *self.launch.pass_fds]
        with ExitStack() as theirs:
            theirs.callback(os.close, writing)
            if self.listeners.socket is not None:
                inlet, outlet = socket.socketpair()
                held.enter_context(inlet)
                theirs.enter_context(outlet)
                order["outlet"] = outlet.fileno()
                given.append(outlet.fileno())
            process = subprocess.Popen(
                self.launch.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PATH": os.defpath, TOKEN: self.launch.token},
                cwd="/",
                start_new_session=True,
                pass_fds=given,
            )
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        held.enter_context(process.stdout)
        held.enter_context(process.stderr)
        with suppress(BrokenPipeError):  # it died at its start, and has said why
            process.stdin.write(json.dumps(order).encode())
        with suppress(BrokenPipeError):
            process.stdin.close()
        return process, status, inlet

    def _end(self, process: subprocess.Popen[bytes], watch: Watch) -> None:
        """Kill everything.

        A namespace ends with its first process; without one, processes are killed while there is still somebody who adopts orphans.
        """
        if process.poll() is None:
            if not self.launch.namespaced:
                watch.kill_all()
            process.kill()
        process.wait()

    def _follow(
        self,
        process: subprocess.Popen[bytes],
        watch: Watch,
        selector: selectors.BaseSelector,
        status: int,
        inlet: socket.socket | None,
        begun: float,
    ) -> None:
        """Read and measure until the run has ended or was ended."""
        assert process.stdout is not None and process.stderr is not None
        sinks: dict[int, Callable[[bytes], None]] = {status: self._hear}
        sinks |= {stream.fileno(): self._streams[name].feed for stream, name in ((process.stdout, "stdout"), (process.stderr, "stderr"))}
        if self.launch.events is not None:
            sinks[self.launch.events] = self._events.feed
        for descriptor, sink in sinks.items():
            os.set_blocking(descriptor, False)
            selector.register(descriptor, selectors.EVENT_READ, partial(_feed, descriptor, sink))
        if inlet is not None:
            selector.register(inlet, selectors.EVENT_READ, partial(self._receive, inlet))
        next_sample = begun
        while process.poll() is None:
            _drain(selector, max(0.0, min(INTERVAL, next_sample - time.monotonic())))
            now = time.monotonic()
            if now >= next_sample:
                self._judge(watch, now - begun)
                next_sample = time.monotonic() + min(INTERVAL, FIRST_INTERVAL + (now - begun) / 10)
            if self.launch.cancelled.is_set():
                self.exceeded = self.exceeded or (Limit.TIME, "it was cancelled")
                self._kill_at = 0.0
            if self._kill_at is not None and now >= self._kill_at:
                self._end(process, watch)
        deadline = time.monotonic() + LAST_WORDS  # a process that got away may hold the pipes open, so not for ever
        while time.monotonic() < deadline and _drain(selector, 0.0):
            pass
        self.exceeded = self.exceeded or watch.disk(now=True)

    def _hear(self, chunk: bytes) -> None:
        self._status += chunk

    def _receive(self, inlet: socket.socket) -> bool:
        """Take the socket that listens inside."""
        said, descriptors, _, _ = socket.recv_fds(inlet, 64, 1)
        for descriptor in descriptors:
            listener = socket.socket(fileno=descriptor)
            if self.listeners.socket is not None:
                self.listeners.socket(listener)
        return bool(said)

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
            if self.exceeded[0] is Limit.MEMORY:  # stopped at once, so that it takes no more, and asked where it is
                watch.ask_to_end(LAST_LINES)
                self._kill_at = time.monotonic() + LAST_LINES
        elif seconds > self.limits.seconds:
            self.exceeded = Limit.TIME, f"more than {self.limits.seconds:g} s"
            self._kill_at = time.monotonic() + self.limits.grace
            watch.ask_to_end(self.limits.grace / 2)

    def _result(self, process: subprocess.Popen[bytes], watch: Watch, seconds: float, survivors: tuple[int, ...]) -> RunResult:
        said = _said(self._status)
        stdout, stderr = (self._streams[name].close() for name in ("stdout", "stderr"))
        self._events.close()
        started = "child-pid" in said
        if "error" in said or not (started or self.exceeded or process.returncode < 0):
            reason = said.get("error") or stderr.text.strip() or f"what builds it ended with {process.returncode}"
            raise StageError(f"the run could not be started in the sandbox: {reason}")
        code, number = said.get("exit-code"), said.get("signal")
        if code is None and number is None:
            number = signal.SIGKILL  # it was ended together with the one who would have told
        if self.exceeded is None and number == signal.SIGXFSZ:
            self.exceeded = Limit.DISK, "a file became too large"
        limit, reason = self.exceeded or (None, "")
        return RunResult(
            pid=said.get("child-pid"),
            exit_code=code,
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


def _feed(descriptor: int, sink: Callable[[bytes], None]) -> bool:
    """Read once; whether more may come."""
    try:
        chunk = os.read(descriptor, CHUNK)
    except BlockingIOError:
        return True
    sink(chunk)
    return bool(chunk)


def _drain(selector: selectors.BaseSelector, seconds: float) -> bool:
    """Read once from everything that has something; whether there was any."""
    ready = selector.select(seconds) if selector.get_map() else []
    if not ready and not selector.get_map():
        time.sleep(seconds)
    for key, _ in ready:
        if not key.data():
            selector.unregister(key.fileobj)
    return bool(ready)


def _line_of(name: str, on_line: Callable[[str, str], None] | None) -> Callable[[bytes], None] | None:
    if on_line is None:
        return None
    listener = on_line
    return lambda line: listener(name, line.decode("utf-8", "replace"))


def _said(status: bytes | bytearray) -> dict[str, Any]:
    """What the first process reported: lines of JSON, the last perhaps cut off."""
    merged: dict[str, Any] = {}
    for line in bytes(status).splitlines():
        with suppress(ValueError):
            merged |= json.loads(line)
    return merged
