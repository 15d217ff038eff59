"""The sandbox that bubblewrap builds: its command line."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import lru_cache

from gonogo.execution.sandbox.view import View, hidden, kernel_switches
from gonogo.model.errors import StageError

_KINDS = {"read": "--ro-bind", "write": "--bind", "device": "--dev-bind"}
NO_NESTING_SINCE = (0, 8, 0)


@lru_cache(maxsize=1)
def find() -> tuple[str, tuple[int, ...]] | None:
    """The program and its version, None where it is not installed."""
    program = shutil.which("bwrap")
    if program is None:
        return None
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    return program, tuple(int(part) for part in re.findall(r"\d+", said)[:3])


def command(view: View, user: int, group: int, argv: list[str]) -> list[str]:
    """The command line that runs `argv` inside.

    Args:
        view: what is to be seen.
        user: the user id inside.
        group: the group id inside.
        argv: what is run, as the first process.

    Raises:
        StageError: bubblewrap is not installed.
    """
    found = find()
    if found is None:
        raise StageError("bubblewrap is not installed")
    program, version = found
    line = [program, "--unshare-user", "--uid", str(user), "--gid", str(group)]
    line += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    line += ["--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"]
    if version >= NO_NESTING_SINCE:
        line.append("--disable-userns")
    line += ["--dev", "/dev", "--proc", "/proc"]
    for path in kernel_switches():
        line += ["--ro-bind-try", path, path]
    for path in hidden():
        line += ["--ro-bind", "/dev/null", path]
    for target, link in view.links:
        line += ["--symlink", target, link]
    for bind in view.binds:
        line += [_KINDS[bind.kind], bind.source, bind.target]
    return [*line, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--", *argv]
