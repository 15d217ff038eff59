"""A box: a private copy of a tree with a home and temporary folders of its own, in which commands run."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Self

from gonogo.execution.interpreter_folders import locate
from gonogo.execution.sandbox import bubblewrap, safe_files
from gonogo.execution.sandbox.execute import TOKEN, Launch, Listeners, Run
from gonogo.execution.sandbox.model import GIBIBYTE, Containment, Limits, Mechanism, Policy, RunResult
from gonogo.execution.sandbox.originals import Originals
from gonogo.execution.sandbox.safe_files import Collected, TooLargeError
from gonogo.execution.sandbox.view import Bind, View, build, hidden
from gonogo.execution.sandbox.watch import Account
from gonogo.model.errors import StageError
from gonogo.model.experiment import SKIPPED_FOLDERS

EVENTS = "GONOGO_EVENTS"
_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "TZ")
_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
_WRITABLE = ("tree", "home", "tmp", "shm", "scratch")
PLAIN_USER = 1000
# Of two runs at one time no two programs should have one process number, by which many name their temporary files.
NUMBERS_APART, MOST_APART = 16, 4096
_HOLD = "import sys; sys.path.insert(0, {home!r}); from gonogo.execution.sandbox.{module} import main; main()"
_PACKAGE = Path(__file__).resolve().parents[2]  # gonogo's own folder


class Box:
    """A place where commands run, several at a time if needed.

    What is in a box is at the same path inside and outside.

    `tree` is the copy, and `copied` says what of it; `scratch` can be written too; the files of `give` can only be read.

    Args:
        policy: what is to be seen and how much may be used.
        containment: the mechanism that holds; `choice.Sandbox` finds out which.
    """

    def __init__(self, policy: Policy, containment: Containment) -> None:
        self.policy = policy
        self.containment = containment
        self.folder = Path(tempfile.mkdtemp(prefix="gonogo-box-", dir=policy.parent)).resolve()
        try:
            self.tree, self.home, self.temporary, _, self.scratch = (self._make(name) for name in _WRITABLE)
            self._root, self._given = self._make("root"), self._make("given")
            (self.folder / "hosts").write_text(_hosts())
            self.copied = _copy_tree(policy.tree, self.tree, policy.tree_bytes) if policy.tree is not None else Collected()
            writable = [Path(os.path.realpath(path)) for path in policy.writable]
            self._account = Account([*(self.folder / name for name in _WRITABLE), *writable])
            self._originals: Originals | None = None
            self._started = count()
            self._cancelled = threading.Event()
        except BaseException:
            self.close()
            raise

    def _make(self, name: str) -> Path:
        (self.folder / name).mkdir()
        return self.folder / name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the box, whatever the code made of it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():  # folders without rights, or nested more deeply than Python follows
            subprocess.run(["chmod", "-R", "u+rwX", str(self.folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            done = subprocess.run(["rm", "-rf", "--one-file-system", str(self.folder)], capture_output=True, text=True, check=False)
            if self.folder.exists():
                raise StageError(f"{self.folder} could not be removed: {done.stderr.strip()[:300]}")

    def cancel(self) -> None:
        """End every run in the box, from whatever thread; none can be started any more."""
        self._cancelled.set()

    def write(self, relative: str, content: bytes | str) -> None:
        """Write a file of the tree; safe also after the code has run.

        Raises:
            StageError: the name leads out of the tree, or the code put something in the way.
        """
        try:
            safe_files.write(self.tree, relative, content.encode() if isinstance(content, str) else content)
        except (OSError, ValueError) as error:
            raise StageError(f"{relative} could not be written into the sandbox: {error}") from error

    def read(self, relative: str, most: int) -> bytes | None:
        """Return the content of a regular file of the tree, or None if there is none.

        It is safe also after the code has run.

        Raises:
            StageError: it has more than `most` bytes, or can't be read.
        """
        try:
            return safe_files.read(self.tree, relative, most)
        except (OSError, TooLargeError) as error:
            raise StageError(f"{relative} can't be read out of the sandbox: {error}") from error

    def remove(self, relative: str) -> None:
        """Remove a folder of the tree before anything has run."""
        shutil.rmtree(self.tree / relative, ignore_errors=True)

    def give(self, name: str, content: str) -> Path:
        """Put a file where the code can read it and not change it; its path."""
        place = self._given / name
        place.write_text(content, "utf-8")
        return place

    def fix(self, is_own: Callable[[str], bool]) -> None:
        """Protect the files that the code consists of from changes from now on.

        Runs share the tree, and must all use the code that was given.

        Args:
            is_own: whether a file, by its path in the tree, belongs to that code.
        """
        self._originals = Originals(self.tree, is_own)

    def changes(self) -> list[str]:
        """What is no longer as it was when it was fixed, in words."""
        return list(self._originals.changes()) if self._originals else []

    def collect(
        self,
        relative: str,
        target: Path,
        most_bytes: int = GIBIBYTE,
        most_files: int = 10_000,
        wanted: Callable[[str], bool] = lambda _: True,
    ) -> Collected:
        """Copy the regular files of a folder of the tree to `target`.

        No link is followed; see `safe_files.collect`.
        """
        return safe_files.collect(self.tree, relative, target, most_bytes, most_files, wanted)

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: str = "",
        env: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        on_line: Callable[[str, str], None] | None = None,
        on_event: Callable[[bytes], None] | None = None,
        on_socket: Callable[[socket.socket], None] | None = None,
        port: int | None = None,
        pass_fds: tuple[int, ...] = (),
    ) -> RunResult:
        """Run a command and everything it starts, until it ends or is ended; nothing of it is left then.

        Args:
            argv: the command; the program as an absolute path.
            cwd: the folder to start in, relative to the tree.
            env: variables besides those of the policy.
            limits: instead of the policy's.
            on_line: gets ("stdout" or "stderr", line) as it comes.
            on_event: gets each line that is written to the pipe whose path is in the variable `GONOGO_EVENTS`. The code can write to
                that pipe, from every process, and not read from it; writes of at most 4096 bytes stay whole.
            on_socket: gets a TCP socket that listens at `port` of the run's own loopback, before the run starts; not without a sandbox.
            port: see there.
            pass_fds: descriptors that the code inherits.

        Raises:
            StageError: it could not be started.
        """
        program = str(argv[0])
        if not os.path.isabs(program):
            raise StageError(f"the program to run must be given as an absolute path, not as {program}")
        token, number = secrets.token_hex(16), next(self._started)
        pipe = _Pipe(self.folder / f"events-{number}") if on_event is not None else None
        limits = limits or self.policy.limits
        values = self.environment() | dict(env or {}) | {TOKEN: token}
        if pipe is not None:
            values[EVENTS] = str(pipe.path)
        try:
            command = [program, *map(str, argv[1:])]
            order: dict[str, object] = {"mechanism": self.containment.mechanism, "argv": command, "cwd": str(self.tree / cwd)}
            order |= {"env": values, "file_size": limits.disk, "filtered": True, "first_pid": NUMBERS_APART * number % MOST_APART}
            namespaced = self.containment.mechanism is not Mechanism.NONE
            order["port"] = port if on_socket is not None else None
            start = self._start(order, pipe)
            events = pipe.descriptor if pipe else None
            launch = Launch(start, order, limits, self._account, self._cancelled, token, namespaced, pass_fds, events)
            return Run(launch, Listeners(on_line, on_event, on_socket)).carry_out()
        finally:
            if pipe is not None:
                pipe.close()

    def environment(self) -> dict[str, str]:
        """The variables of every run: nothing of gonogo's own environment but language and time zone."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        own = {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PATH": ":".join([*map(str, self.policy.path), *_PATH]),
            "USER": "experiment",
            "LOGNAME": "experiment",
            "PYTHONUNBUFFERED": "1",
        }
        return {"LANG": "C.UTF-8", **kept, **own, **self.policy.environment}

    def _start(self, order: dict[str, object], pipe: _Pipe | None) -> list[str]:
        """The command line of the process that builds the sandbox; what it must know is added to its order."""
        mechanism = self.containment.mechanism
        own = os.path.realpath(sys.executable)  # not a virtual environment's: it imports nothing but the standard library
        launcher = [own, "-I", "-S", "-c", _HOLD.format(home=str(_PACKAGE.parent), module="launcher")]
        if mechanism is Mechanism.NONE:
            return launcher
        user, group = (os.geteuid() or PLAIN_USER), (os.getegid() or PLAIN_USER)  # code that believes it is root acts as root
        view = self._view(pipe)
        if mechanism is Mechanism.BUBBLEWRAP:
            return bubblewrap.command(view, user, group, [*launcher[:-1], launcher[-1].replace(".launcher ", ".first ")])
        order |= {"user": user, "group": group, "root": str(self._root), "links": view.links}
        order["binds"] = [(bind.source, bind.target, bind.kind) for bind in view.binds]
        order["writable"] = [bind.target for bind in view.binds if bind.kind == "write"]
        order["hidden"] = hidden()
        order["pipes"] = [str(pipe.path)] if pipe else []
        return launcher

    def _view(self, pipe: _Pipe | None) -> View:
        own = [Bind(place, place, "write") for name in _WRITABLE if name != "shm" and (place := str(self.folder / name))]
        temporary, given = str(self.temporary), str(self._given)
        own += [Bind(temporary, "/tmp", "write"), Bind(temporary, "/var/tmp", "write"), Bind(str(self.folder / "shm"), "/dev/shm", "write")]
        own += [Bind(str(self.folder / "hosts"), "/etc/hosts"), Bind(given, given)]
        if self._originals is not None:
            own += self._originals.binds()
        if pipe is not None:
            own.append(Bind(str(pipe.path), str(pipe.path)))
        read_only = self.policy.read_only
        if self.containment.mechanism is Mechanism.BUBBLEWRAP:  # the first process is started inside; Landlock's has its modules already
            read_only = (*read_only, _PACKAGE, *locate(Path(os.path.realpath(sys.executable))).folders)
        return build(own, read_only, self.policy.writable, self.policy.devices)


class _Pipe:
    """A named pipe that the code can write to and not read from.

    Its permissions say so, and it is shown where they can't be changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path, 0o600)
        self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)  # a writer of our own: it never seems to end
        path.chmod(0o200)

    def close(self) -> None:
        os.close(self.descriptor)
        self.path.unlink()


def _hosts() -> str:
    """Return the host names that are known inside.

    The machine's own name is one of them, as launchers of several processes use it to meet.
    """
    names = " ".join(["localhost", *re.findall(r"^[A-Za-z0-9][A-Za-z0-9.-]*$", socket.gethostname())])
    return f"127.0.0.1 {names}\n::1 {names}\n"


def _copy_tree(source: Path, target: Path, most_bytes: int) -> Collected:
    """Copy the folders, regular files and links of a tree, links as links.

    Version control, caches and earlier results are left behind.

    Raises:
        StageError: it is too big.
    """
    try:
        return safe_files.copy_tree(source, "", target, most_bytes, SKIPPED_FOLDERS)
    except TooLargeError as error:
        size, way = f"{most_bytes / GIBIBYTE:.3g} GiB", "--data-root shows data that lie elsewhere without a copy"
        raise StageError(f"the tree to run has more than {size}, or too many files: {error}; {way}") from error
