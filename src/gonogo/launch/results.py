"""The folder of results: what is known of how they came about, and which runs are finished."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gonogo.execution.environment import cache_folder
from gonogo.execution.interpreter_folders import Interpreter
from gonogo.launch.commit import commit_of
from gonogo.launch.lock import OWN, only_launch
from gonogo.launch.processes import end_what_is_left
from gonogo.model.errors import UsageError
from gonogo.model.experiment import Experiment
from gonogo.model.verdict import Verdict
from gonogo.report import plain
from gonogo.system.version import __version__

RUNNING = "running"
CACHE = ".cache"
MOST_READ = 1_000_000  # bytes of a file whose content is looked at
FRESH_DAYS = 7


def content_of(experiment: Experiment, *more: str, results: Path | None = None) -> str:
    """A short name for the content of an experiment: every file of it, the plan, and what else matters.

    What is under version control, installed or written by runs (`SKIPPED_FOLDERS`) is none of it; for data see `data_of`.

    Args:
        experiment: the experiment.
        more: what else matters.
        results: a folder that is not its content, though it may be in its folder.
    """
    digest = hashlib.sha256(__version__.encode())
    for path in sorted(experiment.files):
        content = _content(experiment, path, results)
        if content is not None:
            digest.update(f"\0{path}\0{content}".encode("utf-8", "surrogatepass"))
    plan = experiment.plan.model_dump_json(exclude={"path"}) if experiment.plan else ""
    digest.update("\0".join([plan, *more]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:24]


def _content(experiment: Experiment, path: str, results: Path | None) -> str | None:
    """What stands for the content of a file; None for a result."""
    text = experiment.text(path)
    if experiment.root is None:
        return text or ""
    file = experiment.root / path
    if results is not None and file.is_relative_to(results):
        return None
    return text if text is not None else stamp(file)


def stamp(path: Path) -> str:
    """Return a value that changes when a file does.

    It is the content of a small file, otherwise the size and the time of the last change.
    """
    try:
        if path.is_symlink():
            return f"link {path.readlink()}"
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            return f"no file {stat.S_IFMT(about.st_mode)}"
        if about.st_size > MOST_READ:
            return f"{about.st_size} {about.st_mtime_ns}"
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return f"unreadable {error.errno}"


def data_of(root: Path | None) -> dict[str, str]:
    """Return the stamps of the files below `.cache`, where the contract expects data.

    Empty files, which only lock, are left out.
    """
    found: dict[str, str] = {}
    for folder, folders, names in os.walk(root / CACHE, followlinks=False) if root is not None else ():
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            with suppress(OSError):
                if path.lstat().st_size:
                    found[path.relative_to(root or path).as_posix()] = stamp(path)
    return found


def kept_verdict(content: str) -> Verdict | None:
    """A verdict of the same content, if one is kept and not too old for what it says of dependencies."""
    path = cache_folder() / "verdicts" / f"{content}.json"
    try:
        if time.time() - path.stat().st_mtime > FRESH_DAYS * 86400:
            return None
        return Verdict.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def keep_verdict(content: str, verdict: Verdict) -> None:
    """Keep a verdict for a later launch of the same content; only time is lost where that can't be done."""
    path = cache_folder() / "verdicts" / f"{content}.json"
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(verdict.model_dump_json(), "utf-8")
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)


class Folder:
    """The folder of results of one experiment.

    Args:
        path: where; made if need be.

    Raises:
        UsageError: it can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.own = path / OWN
        try:
            self.own.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"The folder of results {path} can't be written: {error.strerror or error}.") from error

    def log(self, label: str) -> str:
        """The file that gets what a run says."""
        return str(self.own / "logs" / f"{label.replace('/', '_')}.log")

    def record(self, label: str) -> str:
        """The file that says where a run is at work."""
        return str(self.own / RUNNING / f"{label.replace('/', '_')}.json")

    @contextmanager
    def held(self) -> Iterator[list[str]]:
        """Hold the folder for this launch alone.

        Gives the names of what an earlier launch had left running, which has been ended.

        Raises:
            UsageError: another launch has it, or something may still run that can't be ended.
        """
        with only_launch(self.path):
            yield end_what_is_left(self.own / RUNNING)

    def finished(self, content: str, data: Mapping[str, str]) -> set[str]:
        """Return the runs that have finished with this content.

        There are none if data have changed or gone that were there when one of them had.

        Data that have come since are no matter: runs fetch them.
        """
        known = self._read("data.json")
        if any(data.get(path) != stamped for path, stamped in known.items()):
            return set()
        return {label for label, entry in self._state().items() if entry.get("content") == content and entry.get("state") == "done"}

    def note_data(self, data: Mapping[str, str]) -> None:
        """Note what data are there now that a run has finished."""
        self._write("data.json", dict(data))

    def note(self, label: str, state: str, content: str, **more: Any) -> None:
        """Note what became of a run."""
        self._write("launch.json", self._state() | {label: {"state": state, "content": content, "at": round(time.time(), 1), **more}})

    def _state(self) -> dict[str, dict[str, Any]]:
        return {label: entry for label, entry in self._read("launch.json").items() if isinstance(entry, dict)}

    def _read(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self.own / name).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, name: str, data: dict[str, Any]) -> None:
        part = self.own / f"{name}.{os.getpid()}.part"
        part.write_text(json.dumps(data, indent=1), "utf-8")
        part.replace(self.own / name)

    def write_provenance(
        self, verdict: Verdict, experiment: Experiment, interpreter: Interpreter, configs: dict[str, Any], argv: Sequence[str]
    ) -> None:
        """Write how the results came about.

        That is verdict, composed configs, commit, lock file, environment, machine.
        """
        from gonogo.report import json as reports

        (self.own / "verdict.json").write_text(reports.document([verdict]), "utf-8")
        configs_folder = self.own / "configs"
        configs_folder.mkdir(exist_ok=True)
        for label, config in configs.items():
            name = label.replace("/", "_")
            (configs_folder / f"{name}.json").write_text(plain.to_json(config, indent=1), "utf-8")
        lock = experiment.text("uv.lock")
        if lock is not None:
            (self.own / "uv.lock").write_text(lock, "utf-8")
        (self.own / "environment.txt").write_text(plain.block(_installed(interpreter)), "utf-8")
        machine = {
            "gonogo": __version__,
            "command": list(argv),
            "commit": commit_of(experiment.root),
            "python": str(interpreter.python),
            "platform": platform.platform(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "gonogo_python": sys.version.split()[0],
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        (self.own / "provenance.json").write_text(json.dumps(machine, indent=1), "utf-8")


def _installed(interpreter: Interpreter) -> str:
    """What is installed in an environment, a requirement a line."""
    code = "import importlib.metadata as m; print('\\n'.join(sorted(f'{d.metadata[\"Name\"]}=={d.version}' for d in m.distributions())))"
    done = subprocess.run([str(interpreter.python), "-I", "-c", code], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else f"unknown: {done.stderr.strip()[-200:]}\n"
