"""The environment an experiment asks for, made by uv and kept in a cache outside the tree.

uv sees nothing of the experiment: it gets a project file that gonogo wrote, and can start no program. What is on an index as sources alone
is built in the sandbox, and so is bytecode made, since starting the Python of an environment runs what packages put into it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gonogo.analysis.project.pyproject import Pyproject, load_pyproject
from gonogo.execution import lock_file, project_file
from gonogo.execution.interpreter_folders import Interpreter, locate
from gonogo.execution.lock_file import Pins
from gonogo.execution.project_file import Asked
from gonogo.execution.sandbox import Box, Containment, Limits, Mechanism, Policy, establish, safe_files
from gonogo.execution.sandbox.model import GIBIBYTE
from gonogo.execution.source_packages import Builder, new_environment
from gonogo.execution.uv import Refusal, Uv, refusal, unbuilt, words
from gonogo.model.errors import StageError
from gonogo.model.experiment import Experiment
from gonogo.model.options import ExecutionOptions

LAYOUT = 2  # of the cache; part of the key
MOST_BUILDS = 40
LOCKED = "locked"
PROJECT, BESIDE = "pyproject.toml", {"uv.lock": lock_file.MOST_BYTES, ".python-version": 4096}  # with the most bytes that are read
Report = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """What the caller chose.

    Args:
        python: an existing environment (its folder or its Python) to use as it is.
        cache: where environments are kept; None for the user's cache folder.
        torch: where torch comes from: a backend of `uv pip --torch-backend`, such as `cpu`; `auto` for what fits this machine (without an
            accelerator, wheels that are a fraction as big); `locked` for exactly what the project says. Where the wheels of a backend can't
            be had, it is what the project says.
        seconds: how long making it may take.
        refresh: make it anew.
        containment: what holds the builds of packages; None for the best that holds here.
    """

    python: Path | None = None
    cache: Path | None = None
    torch: str = "auto"
    seconds: float = 1800.0
    refresh: bool = False
    containment: Containment | None = None


@dataclass(frozen=True)
class Environment:
    """An environment to run in.

    Args:
        interpreter: its Python, and the folders that a sandbox must show.
        made: whether it was made just now; otherwise it was there.
        seconds: how long that took.
        notes: what the user should know of it.
    """

    interpreter: Interpreter
    made: bool = False
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


def of_experiment(experiment: Experiment, options: ExecutionOptions, on_line: Report | None = None) -> Environment | Refusal:
    """The environment for an experiment under the caller's options; see `prepare`.

    Raises:
        UsageError: no sandbox is wanted although one is required.
        StageError: it can't be made, or no sandbox holds here in which packages could be built.
    """
    if options.python is not None:
        return prepare({}, Settings(python=Path(options.python)))
    containment = establish(None if options.sandbox == "auto" else Mechanism(options.sandbox), required=options.require_sandbox)
    settings = Settings(torch=options.torch, seconds=options.environment_timeout, containment=containment)
    return prepare(files_of(experiment), settings, on_line)


def prepare(files: dict[str, str], settings: Settings | None = None, on_line: Report | None = None) -> Environment | Refusal:
    """The environment for an experiment, or why the experiment's dependencies can't be installed.

    Args:
        files: the texts of the experiment's files, as `files_of` has them.
        settings: the caller's choices.
        on_line: gets what uv says.

    Raises:
        StageError: it can't be found out: no uv, no network, no room, or dependencies that only the experiment's own build can tell.
    """
    settings = settings or Settings()
    if settings.python is not None:
        return Environment(locate(settings.python), notes=(f"The environment is {settings.python}, as it was given.",))
    project = load_pyproject(files.get("pyproject.toml"))
    if project is None:
        return Refusal("unreadable", "there is no pyproject.toml")
    if project.fault is not None:
        return Refusal("unreadable", f"pyproject.toml:{project.fault[1]}: {project.fault[0]}")
    locked = lock_file.pins(files["uv.lock"], str(project.project.get("name"))) if "uv.lock" in files else None
    wanted = _Wanted(project_file.vetted(project, files.get(".python-version")), locked, project, settings)
    home = (settings.cache or cache_folder()) / "environments"
    folder = home / wanted.key()
    started = time.monotonic()
    if not settings.refresh and (kept := _kept(folder)):
        return kept
    with _locked(home, folder.name, on_line, settings.seconds) as lock:
        if not settings.refresh and (kept := _kept(folder)):
            return kept  # somebody else made it while this one waited
        containment = settings.containment or establish()
        uv = Uv(on_line, settings.seconds, lock, may_build=containment.mechanism is Mechanism.NONE)
        failure = _Making(folder, wanted, uv, containment, on_line).make()
    if failure is not None:
        return failure
    made = _kept(folder)
    if made is None:
        raise StageError("uv said that the environment is ready, but there is no Python in it")
    return Environment(made.interpreter, made=True, seconds=time.monotonic() - started, notes=made.notes)


def files_of(experiment: Experiment) -> dict[str, str]:
    """Return the texts of `pyproject.toml`, `uv.lock` and `.python-version`, as far as they exist.

    They are those of an experiment.

    Raises:
        StageError: one is no regular file, too large, or not UTF-8.
    """
    texts = {name: text for name in (PROJECT, *BESIDE) if (text := experiment.text(name)) is not None}
    for name, most in BESIDE.items() if experiment.root is not None else ():
        assert experiment.root is not None
        try:
            content = safe_files.read(experiment.root, name, most)
        except safe_files.TooLargeError as error:
            raise StageError(f"{name} has more than {most} bytes: that was not written by uv") from error
        except OSError as error:
            raise StageError(f"{name} can't be read: {error.strerror}") from error
        if content is None and os.path.lexists(experiment.root / name):
            raise StageError(f"{name} is not a regular file, and a link is not followed")
        if content is not None:
            try:
                texts[name] = content.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise StageError(f"{name} is not UTF-8 text") from error
    return texts


def cache_folder() -> Path:
    """Where this user's programs keep what can be made again."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "gonogo"
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "gonogo"


@dataclass(frozen=True)
class _Wanted:
    """What is to be installed."""

    asked: Asked
    locked: Pins | None
    project: Pyproject
    settings: Settings

    def key(self) -> str:
        """A name for the environment: the same for every experiment that asks for the same on this platform."""
        parts = {
            "layout": LAYOUT,
            "asked": {name: value for name, value in tomllib.loads(self.asked.text).items() if name != "project"},
            "project": {name: self.project.project.get(name) for name in ("dependencies", "optional-dependencies", "requires-python")},
            "python": self.asked.python,
            "locked": [sorted(self.locked.constraints), sorted(self.locked.hashes.items())] if self.locked else None,
            "platform": [sys.platform, platform.machine(), *platform.libc_ver()],
            "torch": self.settings.torch,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:24]


def _kept(folder: Path) -> Environment | None:
    """Return the environment from the cache, or None.

    Its folder got its name when it was complete. Only the Python that it is based on may be gone since.
    """
    if not os.access(folder / "env" / "bin" / "python", os.X_OK):
        return None
    try:
        about = json.loads((folder / "about.json").read_text("utf-8"))
        return Environment(locate(folder / "env"), notes=tuple(about["notes"]))
    except (OSError, ValueError, KeyError, StageError):
        return None


@contextmanager
def _locked(home: Path, name: str, on_line: Report | None, seconds: float) -> Iterator[int]:
    """Hold the lock of one environment; it is the kernel's, so it ends with whoever holds it, uv included."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = os.open(home / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StageError(f"the cache folder {home} can't be written: {error.strerror}") from error
    try:
        deadline, told = time.monotonic() + seconds, False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StageError(f"another gonogo has been making the same environment for {seconds:g} s") from None
                if not told and on_line is not None:
                    on_line("another gonogo is making the same environment: waiting for it")
                told = True
                time.sleep(0.1)
        yield lock
    finally:
        os.close(lock)


class _Making:
    """Makes an environment beside its place, and moves it there when it is whole.

    Args:
        folder: its place.
        wanted: what is to be installed.
        uv: installs it.
        containment: what holds the builds of packages.
        on_line: gets what is said.
    """

    def __init__(self, folder: Path, wanted: _Wanted, uv: Uv, containment: Containment, on_line: Report | None) -> None:
        self._folder = folder
        self._wanted = wanted
        self._uv = uv
        self._containment = containment
        self._on_line = on_line
        part = folder.with_suffix(".part")
        self._part, self._work, self._env, self._wheels = part, part / "project", part / "env", part / "wheels"
        self._notes = list(wanted.asked.notes)
        self._python = Path()

    def make(self) -> Refusal | None:
        """Make it; why the experiment's dependencies can't be installed, if they can't.

        Raises:
            StageError: it can't be found out.
        """
        shutil.rmtree(self._part, ignore_errors=True)  # of one that was killed; what uv had downloaded is in uv's own cache
        try:
            for place in (self._work, self._wheels):
                place.mkdir(parents=True)
            self._python = self._find_python()
            failure = self._install()
            if failure is not None:
                return failure
            self._compile()
            (self._part / "about.json").write_text(json.dumps({"notes": self._notes}), "utf-8")
            if self._folder.exists():
                shutil.rmtree(self._folder)
            self._part.rename(self._folder)
        except OSError as error:
            raise StageError(f"the environment can't be written to {self._folder.parent}: {error}") from error
        finally:
            shutil.rmtree(self._part, ignore_errors=True)
        return None

    def _find_python(self) -> Path:
        """The Python to use, of the version that the experiment names, or else one that it allows.

        Raises:
            StageError: there is none, and none can be had.
        """
        nowhere = self._part / "nowhere"
        nowhere.mkdir()
        allowed = self._wanted.project.project.get("requires-python")
        request = self._wanted.asked.python or (allowed if isinstance(allowed, str) else "")
        find = ["python", "find", "--no-project", "--system", *([request] if request else [])]
        code, said = self._uv.ask(find, nowhere)
        if code and not self._uv.ask(["python", "install", *([request] if request else [])], nowhere)[0]:
            code, said = self._uv.ask(find, nowhere)
        lines = said.splitlines()
        if code or not lines:
            raise StageError(f"there is no Python for the experiment: {words(said, nowhere)}")
        return Path(lines[-1])

    def _install(self) -> Refusal | None:
        """Lock and install, and build what is there as sources alone, until nothing is left to build."""
        builder = Builder(self._uv, self._python, self._folder.parent.parent / "wheels" / self._tag(), self._containment, self._on_line)
        built: set[tuple[str, str]] = set()
        pinned = self._wanted.locked.constraints if self._wanted.locked else []
        while True:
            code, said = self._try(pinned)
            if not code:
                return None
            package = unbuilt(said)
            if package is not None and package not in built and len(built) < MOST_BUILDS:
                built.add(package)
                place = self._part / f"build-{len(built)}"
                place.mkdir()
                wheel = builder.wheel(*package, place)
                if isinstance(wheel, Refusal):
                    return wheel
                shutil.copyfile(wheel, self._wheels / wheel.name)
                shutil.rmtree(place)
            elif pinned and (found := refusal(said, self._work)) is not None and found.kind in ("unresolvable", "unavailable"):
                self._notes.append("Its uv.lock does not fit its pyproject.toml, or this machine: versions were chosen anew, as uv would.")
                pinned = []
            else:
                return self._failed(said)

    def _tag(self) -> str:
        """What wheels that are built here are for."""
        return f"{self._python.resolve().name}-{hashlib.sha256(str(self._python.resolve()).encode()).hexdigest()[:12]}"

    def _try(self, pinned: list[str]) -> tuple[int, str]:
        """Lock and install once."""
        asked = self._wanted.asked if not pinned else project_file.vetted(self._wanted.project, None, pinned)
        (self._work / "pyproject.toml").write_text(asked.text, "utf-8")
        lock = self._work / "uv.lock"
        lock.unlink(missing_ok=True)  # what was built since is to be found
        code, said = self._uv.run(["lock", "--python", str(self._python), *self._found()], self._work)
        if code:
            return code, said
        lock_file.check(lock.read_text("utf-8"), self._wanted.locked if pinned else None)
        backend = self._install_from_backend()
        if backend is not None:
            self._notes.append(f"torch is the wheel for the backend `{backend}`, not the one the project names.")
            return 0, ""
        code, said = new_environment(self._uv, self._work, self._env, self._python)
        if code:
            return code, said
        sync = ["sync", "--frozen", "--no-install-project", *self._found()]
        return self._uv.run(sync, self._work, {"UV_PROJECT_ENVIRONMENT": str(self._env)})

    def _found(self) -> list[str]:
        """Where uv finds the wheels that were built."""
        return ["--find-links", str(self._wheels)] if any(self._wheels.iterdir()) else []

    def _failed(self, said: str) -> Refusal:
        """The refusal that uv's words mean.

        Raises:
            StageError: they mean nothing sure about the experiment.
        """
        found = refusal(said, self._work)
        if found is None or self._wanted.asked.torch_index:  # versions of torch's own index are not on others
            raise StageError(f"uv could not make the environment: {words(said, self._work)}")
        return found

    def _install_from_backend(self) -> str | None:
        """Install the locked versions, with torch's wheels of a backend; None if unwanted or impossible."""
        backend = self._wanted.settings.torch
        if backend == LOCKED or not _has_torch(self._work):
            return None
        export = ["export", "--frozen", "--no-emit-project", "--no-hashes", "--no-annotate", "--no-header", "--quiet"]
        code, locked = self._uv.run([*export, "--python", str(self._python), *self._found()], self._work)
        if code:
            return None
        (self._work / "locked.txt").write_text(locked, "utf-8")
        if new_environment(self._uv, self._work, self._env, self._python)[0]:
            return None
        groups = [part for group in self._wanted.asked.groups for part in ("--group", group)]
        install = ["pip", "install", "--python", str(self._env / "bin" / "python"), "--torch-backend", backend, "-c", "locked.txt"]
        install += ["-r", "pyproject.toml", *groups, *self._found()]
        code, _ = self._uv.run(install, self._work, {"UV_HTTP_RETRIES": "0"})  # a wish: where it can't be had, that should be known at once
        return None if code else backend

    def _compile(self) -> None:
        """Make bytecode, in the sandbox: runs can't, and would each compile all that they import."""
        made = locate(self._env)
        limits = Limits(seconds=max(1.0, self._uv.left), memory=8 * GIBIBYTE, disk=8 * GIBIBYTE)
        policy = Policy(read_only=made.folders, writable=(self._env,), limits=limits)
        (library,) = (self._env / "lib").glob("python3*")
        if self._on_line is not None:
            self._on_line("making bytecode")
        with Box(policy, self._containment) as box:
            # Without `site`, nothing that packages put into the environment is run. Files that do not compile are nobody's concern here.
            result = box.run([made.python, "-I", "-S", "-m", "compileall", "-q", "-j", "0", library / "site-packages"])
        if result.limit is not None:
            raise StageError(f"making the environment's bytecode was ended: {result.reason}")


def _has_torch(work: Path) -> bool:
    lock = tomllib.loads((work / "uv.lock").read_text("utf-8"))
    return any(package.get("name") == "torch" for package in lock.get("package", []))
