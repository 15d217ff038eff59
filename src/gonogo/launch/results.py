"""The folder of results: what is known of how they came about, and which runs are finished."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gonogo.execution.environment import cache_folder
from gonogo.execution.interpreter_folders import Interpreter
from gonogo.model.errors import UsageError
from gonogo.model.experiment import Experiment
from gonogo.model.verdict import Verdict
from gonogo.report import plain
from gonogo.system.version import __version__

OWN = ".gonogo"
FRESH_DAYS = 7


def content_of(experiment: Experiment, *more: str) -> str:
    """A short name for the content of an experiment: every file that gonogo reads, the plan, and what else matters."""
    digest = hashlib.sha256(__version__.encode())
    for path in sorted(experiment.files):
        digest.update(f"\0{path}\0{experiment.text(path) or ''}".encode("utf-8", "surrogatepass"))
    plan = experiment.plan.model_dump_json(exclude={"path"}) if experiment.plan else ""
    digest.update("\0".join([plan, *more]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:24]


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

    def finished(self, content: str) -> set[str]:
        """The runs that have finished with this content."""
        return {label for label, entry in self._state().items() if entry.get("content") == content and entry.get("state") == "done"}

    def note(self, label: str, state: str, content: str, **more: Any) -> None:
        """Note what became of a run."""
        entries = self._state() | {label: {"state": state, "content": content, "at": round(time.time(), 1), **more}}
        part = self.own / f"launch.json.{os.getpid()}.part"
        part.write_text(json.dumps(entries, indent=1), "utf-8")
        part.replace(self.own / "launch.json")

    def _state(self) -> dict[str, dict[str, Any]]:
        try:
            found = json.loads((self.own / "launch.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_provenance(
        self, verdict: Verdict, experiment: Experiment, interpreter: Interpreter, configs: dict[str, Any], argv: Sequence[str]
    ) -> None:
        """Write how the results come about: verdict, composed configs, commit, lock file, environment, machine."""
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
            "commit": _commit(experiment.root),
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


def _commit(root: Path | None) -> str | None:
    """The commit that the experiment's folder is at, with `-dirty` where files are changed; None where it is under no version control."""
    if root is None:
        return None
    try:
        found = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
        changed = subprocess.run(["git", "-C", str(root), "status", "--porcelain", "--", "."], capture_output=True, text=True, check=False)
    except OSError:
        return None
    if found.returncode:
        return None
    return found.stdout.strip() + ("-dirty" if changed.stdout.strip() else "")
