"""The first process of a box.

It starts the code, collects processes that end, and takes everything along at its own end.

It has process number 1 in the box, so nothing inside can signal it; it is not dumpable, so nothing inside can look into it; and it is ours,
the same under every mechanism. It reports to the order's `status` descriptor, in lines of JSON: `child-pid` when the code has started,
`exit-code` or `signal` when it has ended, or `error` if it never started. Only the standard library and this folder are imported.
"""

from __future__ import annotations

import _thread
import contextlib
import json
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from gonogo.execution.sandbox import kernel, seccomp

PID_SECONDS = 1.0


def main() -> NoReturn:
    """Hold the order on standard input, inside what bubblewrap has built."""
    order = json.loads(sys.stdin.buffer.read())
    try:
        hold(order, lambda: None)
    except OSError as error:
        report_error(order, error)
    os._exit(127)


def hold(order: dict[str, Any], lock: Callable[[], None]) -> NoReturn:
    """Be the first process of a box.

    Args:
        order: what to start and how.
        lock: gives up rights, once everything that takes them is done.

    Raises:
        OSError: the kernel refuses something that must be had.
    """
    settle(order)
    kernel.hide_from_ptrace()
    _listen(order)
    _pass_numbers(order["first_pid"])
    lock()
    filter_calls(order)
    child = os.fork()
    if not child:
        os.setsid()
        become(order)
    report(order, **{"child-pid": child})
    report(order, **ended(reap_until(child)))
    os._exit(0)


def settle(order: dict[str, Any]) -> None:
    """Apply the restrictions that hold under every mechanism, also without one.

    They are: no input, no keys of the caller, no large files, no core dumps.
    """
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    architecture = seccomp.here()
    if architecture is not None:
        kernel.new_keyring(seccomp.keyctl(architecture))
    size = order["file_size"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Only a preference: if the machine runs out of memory, this goes first.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def filter_calls(order: dict[str, Any]) -> None:
    """Allow from now on only the system calls that an experiment needs.

    On an unknown architecture nothing is filtered, and the caller is told so.
    """
    architecture = seccomp.here()
    if architecture is not None and order["filtered"]:
        kernel.filter_calls(seccomp.program(architecture))


def _listen(order: dict[str, Any]) -> None:
    """Open a socket on this box's own loopback and hand it out.

    Whoever holds it serves the code without being inside the box.
    """
    if order["port"] is None:
        return
    with socket.create_server(("127.0.0.1", order["port"]), backlog=128) as listener, socket.socket(fileno=order["outlet"]) as outlet:
        socket.send_fds(outlet, [b"listening"], [listener.fileno()])


def _pass_numbers(wanted: int) -> None:
    """Use up process numbers until the wanted one.

    Two runs at one time, each in its own namespace, should not write the same `file.{pid}`.
    """
    until = time.monotonic() + PID_SECONDS
    while _next_number() < wanted and time.monotonic() < until:
        pass


def _next_number() -> int:
    """The number of a thread that is gone at once."""
    number: list[int] = []
    done = _thread.allocate_lock()
    done.acquire()

    def look() -> None:
        number.append(_thread.get_native_id())
        done.release()

    _thread.start_new_thread(look, ())
    done.acquire()
    return number[0]


def become(order: dict[str, Any]) -> NoReturn:
    """Replace this process by the code."""
    try:
        os.set_inheritable(order["status"], False)
        os.chdir(order["cwd"])
        os.execve(order["argv"][0], order["argv"], order["env"])
    except OSError as error:
        report(order, error=f"{order['argv'][0]} in {order['cwd']}: {error.strerror}")
    os._exit(127)


def reap_until(child: int) -> int:
    """Collect every process that ends until `child` does; how it ended, as the kernel says it."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return status


def ended(status: int) -> dict[str, int]:
    """A message on how a process ended."""
    return {"exit-code": os.WEXITSTATUS(status)} if os.WIFEXITED(status) else {"signal": os.WTERMSIG(status)}


def report(order: dict[str, Any], **message: object) -> None:
    """Tell whoever gave the order."""
    os.write(order["status"], json.dumps(message).encode() + b"\n")


def report_error(order: dict[str, Any], error: OSError) -> None:
    """Tell why the code could not be started."""
    report(order, error=f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else ""))
