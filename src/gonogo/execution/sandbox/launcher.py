"""The process between gonogo and the code where bubblewrap is not used.

It builds a sandbox of namespaces and Landlock, or none.

It reads an order as JSON from standard input and reports as `first.py` does. Only the standard library and this folder are imported:
nothing can be once the root has changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from gonogo.execution.sandbox import first, kernel

NAMESPACES = kernel.NEW_USER | kernel.NEW_MOUNT | kernel.NEW_NET | kernel.NEW_PID | kernel.NEW_IPC | kernel.NEW_UTS | kernel.NEW_CGROUP
DEVICES = ("null", "zero", "full", "random", "urandom")
ROUNDS_OF_KILLING = 200


def main() -> NoReturn:
    """Carry out the order on standard input."""
    order = json.loads(sys.stdin.buffer.read())
    try:
        kernel.die_with_parent(signal.SIGKILL)
        if os.getppid() != order["parent"]:
            os._exit(127)  # gonogo ended before the kernel had been asked to tell
        {"landlock": _start_landlock, "none": _start_bare}[order["mechanism"]](order)
    except OSError as error:
        first.report_error(order, error)
    os._exit(127)


# -- Landlock and namespaces ---------------------------------------------------------------------------------------------------------


def _start_landlock(order: dict[str, Any]) -> NoReturn:
    """Enter new namespaces; the first process in them starts the code and takes all along at its end."""
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(NAMESPACES)
    kernel.map_user(order["user"], order["group"], user, group)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os._exit(0)
    try:
        _build(order)
        first.hold(order, lambda: _lock(order))
    except OSError as error:
        first.report_error(order, error)
    os._exit(127)


def _build(order: dict[str, Any]) -> None:
    """A root folder with what the code may see and nothing else."""
    kernel.die_with_parent(signal.SIGKILL)
    os.setsid()
    with contextlib.suppress(OSError):  # a second fence only: namespaces in namespaces are of no use under Landlock
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
    root = order["root"]
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=4m")
    os.makedirs(f"{root}/proc")
    kernel.mount("proc", f"{root}/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    for path in order["hidden"]:
        _bind("/dev/null", root + path, "read")
    _make_devices(f"{root}/dev")
    for target, link in order["links"]:
        os.makedirs(os.path.dirname(root + link), exist_ok=True)
        os.symlink(target, root + link)
    for source, target, kind in order["binds"]:
        _bind(source, root + target, kind)
    kernel.raise_loopback()
    kernel.enter_root(root)
    kernel.restrict_mount("/dev", kernel.READ_ONLY, recursive=False)
    kernel.restrict_mount("/", kernel.READ_ONLY, recursive=False)


def _make_devices(folder: str) -> None:
    os.makedirs(folder)
    kernel.mount("tmpfs", folder, "tmpfs", kernel.MS_NOSUID, "mode=755,size=64k")
    for name in DEVICES:
        _bind(f"/dev/{name}", f"{folder}/{name}", "device")
    os.mkdir(f"{folder}/shm")
    os.symlink("/proc/self/fd", f"{folder}/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{folder}/{name}")


def _bind(source: str, target: str, kind: str) -> None:
    """Show `source` at `target`: `read`, `write`, or as a `device`."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    kernel.mount(source, target, None, kernel.MS_BIND | kernel.MS_REC)
    attributes = {
        "read": kernel.READ_ONLY | kernel.NO_SUID | kernel.NO_DEV,
        "write": kernel.NO_SUID | kernel.NO_DEV,
        "device": kernel.NO_SUID,
    }
    kernel.restrict_mount(target, attributes[kind], recursive=True)


def _lock(order: dict[str, Any]) -> None:
    """Give up every right that the code must not inherit."""
    kernel.drop_capabilities()
    kernel.no_new_privileges()
    read = kernel.READ_FILE | kernel.READ_DIR
    rules: list[tuple[str, int | None]] = [("/", read | kernel.EXECUTE), ("/dev", read | kernel.WRITE_FILE | kernel.IOCTL_DEV)]
    rules += [(path, None) for path in order["writable"]]
    rules += [(path, kernel.WRITE_FILE) for path in order["pipes"]]
    kernel.landlock(kernel.landlock_version(), rules)


# -- no sandbox ----------------------------------------------------------------------------------------------------------------------


def _start_bare(order: dict[str, Any]) -> NoReturn:
    """Start the code as it is; what it leaves behind comes to this process and is killed."""
    first.settle(order)
    kernel.adopt_orphans()
    child = os.fork()
    if not child:
        kernel.die_with_parent(signal.SIGKILL)
        os.setsid()
        first.become(order)
    first.report(order, **{"child-pid": child})
    status = first.reap_until(child)
    _kill_descendants()
    first.report(order, **first.ended(status))
    os._exit(0)


def _kill_descendants() -> None:
    """Kill descendants until none is left.

    Children of a killed process are passed to this process, and are found in the next round.
    """
    for _ in range(ROUNDS_OF_KILLING):
        for pid in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    """The children of this process, of whatever thread."""
    own = os.getpid()
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == own:
                found.append(int(name))
    return found
