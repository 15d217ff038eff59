"""The tracker of a rehearsal, from outside.

It is a sandbox of its own, which holds a listening socket in each run's network and nothing else.

Runs can log to it and read from it. They can't signal it, see its files or put modules in its way.
"""

from __future__ import annotations

import json
import secrets
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from gonogo.execution.interpreter_folders import locate
from gonogo.execution.observations import Tracked
from gonogo.execution.sandbox import Box, Containment, Limits, Mechanism, Policy, RunResult
from gonogo.execution.sandbox.model import GIBIBYTE
from gonogo.model.errors import StageError
from gonogo.system.children import command
from gonogo.tracker import client_environment

MEMORY = 2 * GIBIBYTE
MOST_SAID = 32 << 20
START_SECONDS, END_SECONDS = 60.0, 60.0
PORTS = range(20_000, 30_000)  # of a loopback that nobody else uses; below the numbers that the kernel hands out


class TrackerBox:
    """A tracker for the runs of one session: `with TrackerBox(…) as tracker`.

    Args:
        containment: what holds it.
        limits: those of the session.
        home: gonogo's own folder of modules.

    Raises:
        StageError: it does not start.
    """

    def __init__(self, containment: Containment, limits: Limits, home: Path) -> None:
        own = locate(Path(sys.executable))
        policy = Policy(read_only=(*own.folders, home), limits=replace(limits, memory=MEMORY))
        self._box = Box(policy, containment)
        self._line, theirs = socket.socketpair()
        self._result: RunResult | None = None
        self._failure: Exception | None = None
        self._ending = False
        self._thread = threading.Thread(target=self._serve, args=(theirs,))
        self._thread.start()
        try:
            self._key = self._hear_key()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self, theirs: socket.socket) -> None:
        arguments = (str(theirs.fileno()), str(self._box.scratch / "data"))
        try:
            with theirs:
                (self._box.scratch / "data").mkdir()
                self._result = self._box.run(command("gonogo.execution.tracker_inside", *arguments), pass_fds=(theirs.fileno(),))
        except Exception as error:
            self._failure = error

    def _hear_key(self) -> str:
        self._line.settimeout(START_SECONDS)
        said = b""
        try:
            while not said.endswith(b"\n") and len(said) < 1000 and (chunk := self._line.recv(1)):
                said += chunk
        except TimeoutError:
            said = b""
        if not said.endswith(b"\n"):
            self._box.cancel()
            self._thread.join()
            raise StageError(f"the local tracker did not start: {self._last_words()}")
        return said.decode("ascii", "replace").strip()

    def _last_words(self) -> str:
        if self._result is None:
            return str(self._failure or "no answer")
        return self._result.reason or self._result.stderr.text.strip()[-500:] or f"exit code {self._result.exit_code}"

    def attend(self, listener: socket.socket) -> None:
        """Have it serve on a socket, which is then its own."""
        with listener, suppress(OSError):  # it has gone, which `end` says
            socket.send_fds(self._line, [b"+"], [listener.fileno()])

    def change(self, what: dict[str, Any]) -> None:
        """Tell the tracker to change its data; see `tracker_inside`.

        What it was told until then is what it reports at the end.

        Args:
            what: `{"perturb": true}`, `{"remove": run id}`, or `{"forget": run id}`, of which nothing is said at the end.
        """
        with suppress(OSError):  # it has gone, which `end` says
            self._line.settimeout(END_SECONDS)
            self._line.sendall(b"!" + json.dumps(what).encode() + b"\n")
            self._line.recv(1)

    def port(self) -> int:
        """A port for a run in a network of its own."""
        return secrets.choice(PORTS)

    def environment(self, port: int, client: Path) -> dict[str, str]:
        """What leads W&B's client to it from a run whose loopback has it at a port.

        Args:
            port: see there.
            client: a folder for the files that the client writes.
        """
        return client_environment(f"http://127.0.0.1:{port}", self._key, client) | {"WANDB_SILENT": "true"}

    def end(self) -> tuple[list[Tracked], str]:
        """End it: what it was told, and why that is not to be relied on (empty if it is)."""
        early = not self._thread.is_alive()
        self._ending = True
        said = b""
        try:
            self._line.shutdown(socket.SHUT_WR)
            self._line.settimeout(END_SECONDS)
            while len(said) <= MOST_SAID and (chunk := self._line.recv(1 << 16)):
                said += chunk
        except OSError as error:
            return [], f"the tracker did not say what it was told: {error}"
        if early or len(said) > MOST_SAID:
            return [], f"the tracker ended before the runs did: {self._last_words()}" if early else "the tracker was told too much"
        try:
            told = json.loads(said)
            return [_tracked(run) for run in told["runs"]], "the tracker was told more than is looked at" if told["too_much"] else ""
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self._thread.join(END_SECONDS)
            return [], f"the tracker did not say what it was told ({type(error).__name__}): {self._last_words()}"

    def close(self) -> None:
        """End it at once, if it has not ended."""
        if not self._ending:
            self._box.cancel()
        self._line.close()
        self._thread.join(END_SECONDS)
        self._box.cancel()
        self._thread.join()
        self._box.close()


def socket_outside(containment: Containment) -> socket.socket | None:
    """A listening socket where runs have no network of their own, which is without a sandbox."""
    return socket.create_server(("127.0.0.1", 0), backlog=128) if containment.mechanism is Mechanism.NONE else None


def _tracked(entry: dict[str, Any]) -> Tracked:
    history = [json.loads(line) for line in entry["history"]]
    summary = json.loads(entry["summary"])
    return Tracked(entry["entity"], entry["project"], entry["id"], entry["state"], entry["rows"], summary, entry["keys"], history)
