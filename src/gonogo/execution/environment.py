"""The environment an experiment asks for, made by uv from its `pyproject.toml` alone, kept in a cache outside the tree.

Nothing of the experiment but `pyproject.toml`, `uv.lock` and `.python-version` is there while uv works, and the project itself is not
built: only what it depends on.
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
from typing import Any

from gonogo.analysis.project.pyproject import Pyproject, load_pyproject
from gonogo.execution.interpreter_folders import Interpreter, locate
from gonogo.execution.uv import Refusal, Uv, refusal, words
from gonogo.model.errors import StageError

LAYOUT = 1  # of the cache; part of the key
LOCKED = "locked"
FILES = ("pyproject.toml", "uv.lock", ".python-version")
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
    """

    python: Path | None = None
    cache: Path | None = None
    torch: str = "auto"
    seconds: float = 1800.0
    refresh: bool = False


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


def prepare(files: dict[str, str], settings: Settings | None = None, on_line: Report | None = None) -> Environment | Refusal:
    """The environment for an experiment, or why the experiment's dependencies can't be installed.

    Args:
        files: the texts of the experiment's `FILES`, as far as they are there.
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
    _check_self_contained(project)
    home = (settings.cache or cache_folder()) / "environments"
    folder = home / key(project, files, settings.torch)
    started = time.monotonic()
    if not settings.refresh and (kept := _kept(folder)):
        return kept
    with _locked(home, folder.name, on_line, settings.seconds) as lock:
        if not settings.refresh and (kept := _kept(folder)):
            return kept  # somebody else made it while this one waited
        failure = _make(folder, project, files, settings, Uv(on_line, settings.seconds, lock))
    if failure is not None:
        return failure
    made = _kept(folder)
    if made is None:
        raise StageError("uv said that the environment is ready, but there is no Python in it")
    return Environment(made.interpreter, made=True, seconds=time.monotonic() - started, notes=made.notes)


def cache_folder() -> Path:
    """Where this user's programs keep what can be made again."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "gonogo"
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "gonogo"


def key(project: Pyproject, files: dict[str, str], torch: str) -> str:
    """A name for the environment: the same for every experiment that asks for the same on this platform."""
    asked = {
        "layout": LAYOUT,
        "dependencies": project.project.get("dependencies"),
        "python": [project.project.get("requires-python"), files.get(".python-version")],
        "groups": project.table.get("dependency-groups"),
        "uv": project.section("tool", "uv"),
        "lock": files.get("uv.lock"),
        "platform": [sys.platform, platform.machine(), *platform.libc_ver()],
        "torch": torch,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:24]


def _check_self_contained(project: Pyproject) -> None:
    """Make sure that `pyproject.toml` alone says what to install.

    Raises:
        StageError: it takes files of the experiment, or running its build, to know.
    """
    dynamic = project.project.get("dynamic")
    if isinstance(dynamic, list) and "dependencies" in dynamic:
        raise StageError("the dependencies are computed by the project's own build, which is not run outside the sandbox; use --python")
    sources = project.section("tool", "uv", "sources")
    local = [name for name, source in sources.items() for entry in (source if isinstance(source, list) else [source]) if _is_local(entry)]
    if local:
        raise StageError(
            f"{', '.join(sorted(set(local)))} is to be installed from a folder of the project, which is not built outside the sandbox"
        )


def _is_local(source: Any) -> bool:
    return isinstance(source, dict) and bool(source.get("path") or source.get("workspace"))


def _kept(folder: Path) -> Environment | None:
    """The environment in the cache. Its folder got its name when it was whole; only the Python it stands on may be gone since."""
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


def _make(folder: Path, project: Pyproject, files: dict[str, str], settings: Settings, uv: Uv) -> Refusal | None:
    """Make an environment beside its place, and move it there when it is whole."""
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)  # of one that was killed; what uv had downloaded is in uv's own cache
    work, env = part / "project", part / "env"
    try:
        work.mkdir(parents=True)
        for name in FILES:
            if name in files:
                (work / name).write_text(files[name], "utf-8")
        code, said = uv.run(["lock"], work)
        if code:
            return _failed(said, work)
        source = _install_from_backend(uv, work, env, project, settings.torch)
        if source is None:
            code, said = _new(uv, work, env)
            if not code:
                code, said = uv.run(
                    ["sync", "--frozen", "--no-install-project", "--compile-bytecode"], work, {"UV_PROJECT_ENVIRONMENT": str(env)}
                )
            if code:
                return _failed(said, work)
        notes = [f"torch is the wheel for the backend `{source}`, not the one the project names."] if source else []
        (part / "about.json").write_text(json.dumps({"notes": notes}), "utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    except OSError as error:
        raise StageError(f"the environment can't be written to {folder.parent}: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return None


def _failed(said: str, work: Path) -> Refusal:
    """The refusal that uv's words mean.

    Raises:
        StageError: they mean nothing about the experiment.
    """
    found = refusal(said, work)
    if found is None:
        raise StageError(f"uv could not make the environment: {words(said, work)}")
    return found


def _new(uv: Uv, work: Path, env: Path) -> tuple[int, str]:
    """An empty environment that may be moved."""
    shutil.rmtree(env, ignore_errors=True)
    return uv.run(["venv", "--relocatable", str(env)], work)


def _install_from_backend(uv: Uv, work: Path, env: Path, project: Pyproject, backend: str) -> str | None:
    """Install the locked versions, but torch's wheels of a backend; None where that is not wanted or can't be done."""
    if backend == LOCKED or not _takes_torch_from_pypi(work, project):
        return None
    groups = project.section("dependency-groups")
    wanted = project.section("tool", "uv").get("default-groups", ["dev"])
    chosen = list(groups) if wanted == "all" else [name for name in wanted if name in groups]
    code, locked = uv.run(["export", "--frozen", "--no-emit-project", "--no-hashes", "--no-annotate", "--no-header", "--quiet"], work)
    if code:
        return None
    (work / "locked.txt").write_text(locked, "utf-8")
    if _new(uv, work, env)[0]:
        return None
    command = ["pip", "install", "--python", str(env), "--torch-backend", backend, "--compile-bytecode", "-c", "locked.txt"]
    command += ["-r", "pyproject.toml", *(part for group in chosen for part in ("--group", group))]
    code, _ = uv.run(command, work, {"UV_HTTP_RETRIES": "0"})  # it is a wish: where it can't be had, that should be known at once
    return None if code else backend


def _takes_torch_from_pypi(work: Path, project: Pyproject) -> bool:
    """Whether the lock has torch, and the project does not itself say from where."""
    if project.section("tool", "uv", "sources").get("torch") or project.section("tool", "uv").get("index"):
        return False
    lock = tomllib.loads((work / "uv.lock").read_text("utf-8"))
    return any(package.get("name") == "torch" for package in lock.get("package", []))
