"""The real command line: as a process, or in this one where what is tested is what it answers."""

from __future__ import annotations

import atexit
import functools
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict
from pathlib import Path

from gonogo.cli import main as cli
from gonogo.compose.client import Composer
from gonogo.model.check_options import CheckOptions
from gonogo.model.errors import UsageError
from gonogo.pool import worker as batch_worker
from gonogo.pool.pool import Listener, Pool, Result, Task, result_of

GONOGO = [str(Path(sys.executable).with_name("gonogo"))]
TRACEBACK = "Traceback (most recent call last)"


def gonogo(
    *arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None, seconds: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `gonogo`; whatever it is given, it may never answer with a traceback."""
    process = subprocess.run(
        [*GONOGO, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=seconds,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )
    result = subprocess.CompletedProcess(process.args, process.returncode, process.stdout.decode(), process.stderr.decode())
    assert TRACEBACK not in result.stderr + result.stdout
    return result


def answered(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `gonogo` in this process: the same code from the command line to the exit code, five times as fast as `gonogo()`."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    words = [str(argument) for argument in arguments]
    with redirect_stdout(out), redirect_stderr(err), _Here(0) as pool:

        def carry_out() -> int:
            return cli.parse(words, pool)()

        try:
            cli.guarded(carry_out, debug="--debug" in words)
        except SystemExit as end:
            code = end.code
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    assert TRACEBACK not in "".join(texts)
    return subprocess.CompletedProcess(words, code, *texts)


class _Here(Pool):
    """Judges in this process what the processes of a pool would, with one composer for all calls."""

    def grow(self, jobs: int) -> None:
        """Have no processes."""

    def run(self, tasks: list[Task], options: CheckOptions, listener: Listener | None = None) -> Iterator[Result]:
        """Judge one experiment after the other."""
        chosen, reply = batch_worker.options_of(json.loads(options.model_dump_json()))
        if "usage" in reply:
            raise UsageError(reply["usage"])
        for task in tasks:
            message = batch_worker.judged(asdict(task), chosen, _composer(), io.StringIO())
            yield result_of(json.loads(json.dumps(message)), task)


@functools.cache
def _composer() -> Composer:
    composer = Composer()
    atexit.register(composer.close)
    return composer


def copy_of(golden: Path, target: Path, plan: Path | None = None) -> Path:
    """A copy of the golden experiment, with its plan inside if there is one."""
    shutil.copytree(golden, target, ignore=shutil.ignore_patterns("__pycache__", ".cache", "outputs", "results", "wandb"))
    if plan is not None:
        shutil.copy(plan, target / "plan.yaml")
    return target


def git(folder: Path, *words: str) -> str:
    """Run git in a folder, with a name of its own, and return what it prints."""
    own = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *own, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def instead_of_github(golden: Path, plan: Path, hub: Path) -> dict[str, str]:
    """Make a golden experiment the branch `branch` of `owner/name`, and return the environment that tells git where GitHub is."""
    tree = copy_of(golden, hub / "owner" / "name", plan)
    for words in (("init", "-q", "-b", "branch"), ("add", "-A"), ("commit", "-q", "-m", "x")):
        git(tree, *words)
    moved = {"GIT_CONFIG_KEY_0": f"url.file://{hub}/.insteadOf", "GIT_CONFIG_VALUE_0": "https://github.com/"}
    return {"GIT_CONFIG_COUNT": "1", **moved}
