"""Whether exit code 0 is meaningful.

A process can end with it without having done, or reported, what it was started for.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath

from gonogo.execution.observations import Process, RunSeen

_WITH_VALUE = {"-m", "-c", "-W", "-X", "--check-hash-based-pycs"}


def gap(run: RunSeen, paths: Collection[str]) -> str:
    """Why nobody knows what a run did although it ended with exit code 0; empty if it was seen to its end.

    A Python that ends says so, whatever ends it but `os._exit`, another program in its place, or a signal. Programs of the experiment's own
    must have ended so; helpers that a library starts and stops (workers, servers) need not.

    Args:
        run: a run that ended well.
        paths: the experiment's files.
    """
    first = run.processes.get(run.pid) if run.pid is not None else None
    if first is None:
        return "the probe was never loaded in it"
    for process in (first, *(process for process in run.processes.values() if process is not first and _is_own(process, paths))):
        if process.ended is None:
            command = " ".join(_program(process.argv))[:200] or "its Python"
            return f"{command} ended without a word (os._exit, another program in its place, or a signal)"
    return ""


def _is_own(process: Process, paths: Collection[str]) -> bool:
    """Whether a process was started for a program of the experiment."""
    program = _program(process.argv)
    if program[:1] == ["-m"]:
        module = program[1].replace(".", "/") if len(program) > 1 else ""
        return any(path in paths for path in (f"{module}.py", f"{module}/__main__.py"))
    if not program or program[0] == "-c":
        return False
    script = PurePosixPath(program[0])
    return any(str(script) == path or str(script).endswith(f"/{path}") for path in paths if path.endswith(".py"))


def _program(argv: list[str]) -> list[str]:
    """What a Python was started for: `-m` and a module, `-c` and a text, or a script."""
    rest = iter(argv[1:])
    for part in rest:
        if part in ("-m", "-c"):
            return [part, *list(rest)[:1]]
        if part in _WITH_VALUE:
            next(rest, None)
        elif not part.startswith("-"):
            return [part]
    return []
