"""A box: a private copy of a tree with a home and temporary folders of its own, in which commands run."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from gonogo.execution.sandbox import bubblewrap
from gonogo.execution.sandbox import safe_files as beneath
from gonogo.execution.sandbox.execute import Launch, Listeners, Run
from gonogo.execution.sandbox.model import GIBIBYTE, Containment, Limits, Mechanism, Policy, RunResult
from gonogo.execution.sandbox.safe_files import Collected
from gonogo.execution.sandbox.view import Bind, View, build
from gonogo.model.errors import StageError
from gonogo.model.experiment import SKIPPED_FOLDERS

EVENTS = "GONOGO_EVENTS"
TOKEN = "GONOGO_RUN"
_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "TZ")
_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
_OWN = ("tree", "home", "tmp", "shm")
PLAIN_USER = 1000
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"


class Box:
    """Where commands run; `tree` is the copy, at the same path inside and outside.

    Args:
        policy: what is to be seen and how much may be used.
        containment: the mechanism that holds; `choice.Sandbox` finds out which.
    """

    def __init__(self, policy: Policy, containment: Containment) -> None:
        self.policy = policy
        self.containment = containment
        self.folder = Path(tempfile.mkdtemp(prefix="gonogo-box-", dir=policy.parent)).resolve()
        try:
            self.tree, self.home, self.temporary, self._shared = (self._make(name) for name in _OWN)
            self._root = self._make("root")
            (self.folder / "hosts").write_text(HOSTS)
            if policy.tree is not None:
                _copy_tree(policy.tree, self.tree, policy.tree_bytes)
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

    def write(self, relative: str, content: bytes | str) -> None:
        """Write a file of the tree; safe also after the code has run.

        Raises:
            StageError: the name leads out of the tree, or the code put something in the way.
        """
        try:
            beneath.write(self.tree, relative, content.encode() if isinstance(content, str) else content)
        except (OSError, ValueError) as error:
            raise StageError(f"{relative} could not be written into the sandbox: {error}") from error

    def collect(self, relative: str, target: Path, most_bytes: int = GIBIBYTE, most_files: int = 10_000) -> Collected:
        """Copy the regular files of a folder of the tree to `target`, following no link."""
        return beneath.collect(self.tree, relative, target, most_bytes, most_files)

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: str = "",
        env: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        on_line: Callable[[str, str], None] | None = None,
        on_event: Callable[[bytes], None] | None = None,
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
            pass_fds: descriptors that the code inherits.

        Raises:
            StageError: it could not be started.
        """
        program = str(argv[0])
        if not os.path.isabs(program):
            raise StageError(f"the program to run must be given as an absolute path, not as {program}")
        token = secrets.token_hex(16)
        pipe = _Pipe(self.folder / "events") if on_event is not None else None
        limits = limits or self.policy.limits
        values = self.environment() | dict(env or {}) | {TOKEN: token}
        if pipe is not None:
            values[EVENTS] = str(pipe.path)
        try:
            place = str(self.tree / cwd)
            order = self._order([program, *map(str, argv[1:])], place, values, limits, pipe)
            folders = [self.folder / name for name in _OWN] + [Path(os.path.realpath(path)) for path in self.policy.writable]
            launch = Launch(
                order, limits, folders, token, self.containment.mechanism is not Mechanism.NONE, pass_fds, pipe.descriptor if pipe else None
            )
            return Run(launch, Listeners(on_line, on_event)).carry_out()
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

    def _order(
        self, argv: list[str], cwd: str, env: dict[str, str], limits: Limits, pipe: _Pipe | None
    ) -> Callable[[int], dict[str, object]]:
        """What the launcher is told, once it is known which descriptor it reports to."""
        mechanism = self.containment.mechanism
        order: dict[str, object] = {"mechanism": mechanism, "argv": argv, "cwd": cwd, "env": env, "file_size": limits.disk}
        if mechanism is Mechanism.NONE:
            return lambda status: order | {"status": status}
        user, group = (os.geteuid() or PLAIN_USER), (os.getegid() or PLAIN_USER)  # code that believes it is root acts as root
        view = self._view(pipe)
        if mechanism is Mechanism.BUBBLEWRAP:
            return lambda status: order | {"status": status, "argv": bubblewrap.command(view, user, group, cwd, status, argv)}
        order |= {"user": user, "group": group, "root": str(self._root), "links": view.links}
        order["binds"] = [(bind.source, bind.target, bind.kind) for bind in view.binds]
        order["writable"] = [bind.target for bind in view.binds if bind.kind == "write"]
        order["pipes"] = [str(pipe.path)] if pipe else []
        return lambda status: order | {"status": status}

    def _view(self, pipe: _Pipe | None) -> View:
        tree, home, temporary, shared = (str(self.folder / name) for name in _OWN)
        own = [Bind(place, place, "write") for place in (tree, home, temporary)]
        own += [Bind(temporary, "/tmp", "write"), Bind(temporary, "/var/tmp", "write"), Bind(shared, "/dev/shm", "write")]
        own.append(Bind(str(self.folder / "hosts"), "/etc/hosts"))
        if pipe is not None:
            own.append(Bind(str(pipe.path), str(pipe.path)))
        return build(own, self.policy.read_only, self.policy.writable, self.policy.devices)


class _Pipe:
    """A named pipe that the code can write to and not read from: its rights say so, and it is shown where they can't be changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path, 0o600)
        self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)  # a writer of our own: it never seems to end
        path.chmod(0o200)

    def close(self) -> None:
        os.close(self.descriptor)
        self.path.unlink()


def _copy_tree(source: Path, target: Path, most_bytes: int) -> None:
    """Copy the folders, regular files and links of a tree, links as links; version control, caches and earlier results stay behind.

    Raises:
        StageError: it is too big, or can't be read.
    """
    copied = 0

    def left_out(folder: str, names: list[str]) -> list[str]:
        nonlocal copied
        out = [name for name in names if name in SKIPPED_FOLDERS and os.path.isdir(os.path.join(folder, name))]
        for name in names:
            kind = os.lstat(os.path.join(folder, name))
            if stat.S_ISREG(kind.st_mode):
                copied += kind.st_size
            elif not stat.S_ISDIR(kind.st_mode) and not stat.S_ISLNK(kind.st_mode):
                out.append(name)
        if copied > most_bytes:
            raise StageError(f"the tree to run has more than {most_bytes / GIBIBYTE:.3g} GiB")
        return out

    try:
        shutil.copytree(source, target, symlinks=True, ignore=left_out, dirs_exist_ok=True)
    except (OSError, RecursionError) as error:
        raise StageError(f"the tree to run could not be copied: {error}") from error
