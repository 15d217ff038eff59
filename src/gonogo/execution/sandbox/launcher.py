"""The process between gonogo and the code: sets limits, builds the sandbox (or starts bubblewrap, which does), starts the code, clears up.

It reads an order as JSON from standard input and reports to the order's `status` descriptor in bubblewrap's format: lines of JSON with
`child-pid` when the code starts and `exit-code` when it has ended; or `error`, if it never started. Only the standard library and `kernel`
are imported: nothing can be once the root has changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from gonogo.execution.sandbox import kernel

NAMESPACES = kernel.NEW_USER | kernel.NEW_MOUNT | kernel.NEW_NET | kernel.NEW_PID | kernel.NEW_IPC | kernel.NEW_UTS | kernel.NEW_CGROUP
DEVICES = ("null", "zero", "full", "random", "urandom")
ROUNDS_OF_KILLING = 200


def main() -> NoReturn:
    """Carry out the order on standard input."""
    order = json.loads(sys.stdin.buffer.read())
    try:
        _prepare(order)
        {"bubblewrap": _start_bubblewrap, "landlock": _start_landlock, "none": _start_bare}[order["mechanism"]](order)
    except OSError as error:
        _report(order, error=f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else ""))
    os._exit(127)


def _prepare(order: dict[str, Any]) -> None:
    """What holds for every mechanism."""
    kernel.die_with_parent(signal.SIGKILL)
    if os.getppid() != order["parent"]:
        os._exit(127)  # gonogo ended before the kernel had been asked to tell
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    size = order["file_size"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # only a preference: if the machine runs out of memory, this goes first
        Path("/proc/self/oom_score_adj").write_text("1000")


def _report(order: dict[str, Any], **message: object) -> None:
    os.write(order["status"], json.dumps(message).encode() + b"\n")


def _become(order: dict[str, Any]) -> NoReturn:
    """Replace this process by the code."""
    try:
        os.set_inheritable(order["status"], False)
        os.chdir(order["cwd"])
        os.execve(order["argv"][0], order["argv"], order["env"])
    except OSError as error:
        _report(order, error=f"{order['argv'][0]} in {order['cwd']}: {error.strerror}")
    os._exit(127)


def _reap_until(child: int) -> int:
    """Collect every process that ends until `child` does.

    Returns:
        Its exit code, 128 + signal where one ended it, as a shell says it.
    """
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


# -- bubblewrap ----------------------------------------------------------------------------------------------------------------------


def _start_bubblewrap(order: dict[str, Any]) -> NoReturn:
    os.execve(order["argv"][0], order["argv"], order["env"])


# -- Landlock and namespaces ---------------------------------------------------------------------------------------------------------


def _start_landlock(order: dict[str, Any]) -> NoReturn:
    """Enter new namespaces; the first process in them, which nobody inside can kill, starts the code and takes all along at its end."""
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(NAMESPACES)
    kernel.map_user(order["user"], order["group"], user, group)
    first = os.fork()
    if first:
        os._exit(_reap_until(first))
    try:
        _build(order)
        _lock(order)
        child = os.fork()
        if not child:
            os.setsid()
            _become(order)
        _report(order, **{"child-pid": child})
        code = _reap_until(child)
        _report(order, **{"exit-code": code})
        os._exit(code)
    except OSError as error:
        _report(order, error=f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else ""))
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
    kernel.hide_from_ptrace()
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
    kernel.adopt_orphans()
    child = os.fork()
    if not child:
        kernel.die_with_parent(signal.SIGKILL)
        os.setsid()
        _become(order)
    _report(order, **{"child-pid": child})
    code = _reap_until(child)
    _kill_descendants()
    _report(order, **{"exit-code": code})
    os._exit(code)


def _kill_descendants() -> None:
    """Kill until none is left: children of the killed come to this process, and are found in the next round."""
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
