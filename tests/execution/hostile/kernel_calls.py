"""Asks the kernel for what reaches beyond a sandbox: keys, odd sockets, other processes' memory, rings, probes, new namespaces."""

import ctypes
import errno
import json
import os
import socket

import bounds
from bounds import attempt

libc = ctypes.CDLL(None, use_errno=True)
CALLS = json.loads(os.environ["CALLS"])
KEY = os.environ["KEY_NAME"].encode()
SESSION, USER = -3, -4
READ, SEARCH, DESCRIBE = 11, 10, 6


def call(name: str, *arguments) -> int:
    values = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result = libc.syscall(ctypes.c_long(CALLS[name]), *values)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def read_key(ring: int) -> str:
    key = call("keyctl", SEARCH, ring, b"user", KEY, 0)
    buffer = ctypes.create_string_buffer(200)
    call("keyctl", READ, key, buffer, 200)
    return buffer.value.decode()


def listed() -> str:
    with open("/proc/keys") as file:
        text = file.read()
    if KEY.decode() not in text:
        raise PermissionError("it is not listed")
    return text


def open_socket(family: int, kind: int, protocol: int = 0) -> str:
    socket.socket(family, kind, protocol).close()
    return "opened"


def clone(flags: int) -> None:
    pid = libc.syscall(ctypes.c_long(CALLS["clone"]), ctypes.c_long(flags | 17), None, None, None, None)
    if pid == 0:
        os._exit(0)
    if pid == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.waitpid(pid, 0)


def trace_child() -> None:
    pid = bounds.fork()
    if not pid:
        os.pause() if hasattr(os, "pause") else __import__("time").sleep(20)
    try:
        call("ptrace", 16, pid, 0, 0)  # attach
    finally:
        os.kill(pid, 9)


def peek(pid: int) -> None:
    buffer = ctypes.create_string_buffer(8)
    vector = (ctypes.c_long * 2)(ctypes.addressof(buffer), 8)
    if call("process_vm_readv", pid, vector, 1, vector, 1, 0) < 0:
        raise PermissionError("refused")


attempt("read the caller's key", lambda: read_key(SESSION))
attempt("read the user's key", lambda: read_key(USER))
attempt("request a key", lambda: call("request_key", b"user", KEY, None, SESSION))
attempt("add a key", lambda: call("add_key", b"user", b"gonogo-hostile", b"x", 1, SESSION))
attempt("list the caller's key", listed)
for name, family, kind, protocol in (
    ("a socket of virtual machines", 40, 1, 0),
    ("a socket of ciphers", 38, 5, 0),
    ("a packet socket", 17, 3, 0),
    ("a raw socket", 2, 3, 255),
    ("a Bluetooth socket", 31, 1, 0),
    ("an SCTP socket", 2, 5, 132),
    ("an SCTP stream", 10, 1, 132),
    ("a socket of netfilter", 16, 3, 12),
    ("an XDP socket", 44, 3, 0),
    ("a TIPC socket", 30, 5, 0),
    ("a CAN socket", 29, 3, 1),
):
    attempt(name, lambda family=family, kind=kind, protocol=protocol: open_socket(family, kind, protocol))
attempt("a pair of TIPC sockets", lambda: socket.socketpair(30, 5))
attempt("io_uring", lambda: call("io_uring_setup", 4, ctypes.create_string_buffer(120)))
attempt("userfaultfd", lambda: call("userfaultfd", 1))
attempt("bpf", lambda: call("bpf", 0, ctypes.create_string_buffer(120), 120))
attempt("perf", lambda: call("perf_event_open", ctypes.create_string_buffer(120), 0, -1, -1, 0))
attempt("trace a child", trace_child)
attempt("be traced", lambda: call("ptrace", 0, 0, 0, 0))
attempt("read its own memory through the kernel", lambda: peek(os.getpid()))
attempt("take a descriptor of process 1", lambda: call("pidfd_getfd", call("pidfd_open", 1, 0), 0, 0))
for name, flag in (("user", 0x10000000), ("mount", 0x20000), ("process", 0x20000000), ("network", 0x40000000)):
    attempt(f"a new {name} namespace", lambda flag=flag: call("unshare", flag))
    attempt(f"a child in a new {name} namespace", lambda flag=flag: clone(flag))
attempt("clone by a structure", lambda: call("clone3", ctypes.create_string_buffer(88), 88))
attempt("secret memory", lambda: call("memfd_secret", 0))
attempt("another personality", lambda: call("personality", 0x0040000))
attempt(
    "a call that is not there yet",
    lambda: (_ for _ in ()).throw(OSError(errno.ENOSYS, "")) if libc.syscall(ctypes.c_long(480)) == -1 else "made",
)
attempt("set the clock", lambda: call("clock_settime", 0, ctypes.create_string_buffer(16)))
for place in ("mem", "environ", "maps", "cwd/x", "root/x"):
    attempt(f"look at process 1: {place}", lambda place=place: open(f"/proc/1/{place}", "rb").read(1))


def speak_for_keeper() -> None:
    """What process 1 reports, gonogo believes."""
    for name in os.listdir("/proc/1/fd"):
        if int(name) > 2:
            os.write(os.open(f"/proc/1/fd/{name}", os.O_WRONLY), b'{"exit-code": 0}\n')
            return
    raise ProcessLookupError("it has none")


attempt("speak for process 1", speak_for_keeper)
attempt(
    "stop process 1",
    lambda: os.kill(1, 19) if open("/proc/1/stat").read().split()[2] == "T" else (_ for _ in ()).throw(PermissionError("it goes on")),
)
# What an experiment needs goes on.
attempt("own threads and programs", lambda: __import__("subprocess").run(["/bin/true"], check=True))
attempt("own sockets", lambda: [open_socket(*each) for each in ((1, 1), (1, 2), (1, 5), (2, 1), (2, 2), (10, 1), (2, 1, 6), (16, 3, 0))])
attempt("own pool", lambda: __import__("multiprocessing").Pool(2).map(abs, [-1]))
