"""The real command line, as a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

GONOGO = [str(Path(sys.executable).with_name("gonogo"))]
TRACEBACK = "Traceback (most recent call last)"


def gonogo(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `gonogo`; whatever it is given, it may never answer with a traceback."""
    process = subprocess.run(
        [*GONOGO, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=120,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )
    result = subprocess.CompletedProcess(process.args, process.returncode, process.stdout.decode(), process.stderr.decode())
    assert TRACEBACK not in result.stderr + result.stdout
    return result


def copy_of(golden: Path, target: Path, plan: Path | None = None) -> Path:
    """A copy of the golden experiment, with its plan inside if there is one."""
    shutil.copytree(golden, target, ignore=shutil.ignore_patterns("__pycache__", ".cache", "outputs", "results", "wandb"))
    if plan is not None:
        shutil.copy(plan, target / "plan.yaml")
    return target
