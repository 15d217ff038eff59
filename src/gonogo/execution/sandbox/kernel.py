"""The Linux system calls that Python's standard library does not have.

Only the standard library may be imported here.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterable
from typing import NoReturn

NEW_CGROUP, NEW_IPC, NEW_MOUNT, NEW_NET, NEW_PID, NEW_USER, NEW_UTS = (
    0x02000000,
    0x08000000,
    0x00020000,
    0x40000000,
    0x20000000,
    0x10000000,
    0x04000000,
)
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
READ_ONLY, NO_SUID, NO_DEV = 1, 2, 4
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 36, 38
_SECCOMP_MODE_FILTER = 2
# The same number on every architecture: these calls are younger than the common table.
_MOUNT_SETATTR, _LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 442, 444, 445, 446

# Rights of Landlock, by the version of the interface that brought them.
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL_DEV = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_RIGHTS = {1: 0x1FFF, 2: 1 << 13, 3: TRUNCATE, 5: IOCTL_DEV}
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_SCOPES_SINCE, _SCOPES = 6, 0b11  # abstract sockets and signals

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> int:
    """Call the C library; integers go as `long`, since a system call takes whole registers."""
    values = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = getattr(_libc, name)(*values)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def die_with_parent(signal_number: int) -> None:
    """Get a signal when the thread that started this process ends."""
    _call("prctl", _PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def hide_from_ptrace() -> None:
    """Keep other processes of the same user from attaching to this one.

    A program that this process starts is not protected in this way.
    """
    _call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)


def new_keyring(call: int) -> None:
    """Join a new, empty session keyring.

    Then no key of whoever started this process can be found from it.

    Args:
        call: the number of the system call `keyctl` on this machine.
    """
    join = 1
    try:
        _call("syscall", call, join, None)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):  # no keyrings here, or a filter around us keeps everybody from them
            raise


def filter_calls(program: bytes) -> None:
    """Filter every system call of this process and of all that it starts.

    The filter is a program of the kernel's packet filter.
    """
    held = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(held))
    _call("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0)


def no_new_privileges() -> None:
    """Nothing that is started from here on can gain rights, by a set-uid program or otherwise."""
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def drop_capabilities() -> None:
    """Give up every capability."""
    header = struct.pack("=Ii", 0x20080522, 0)
    _call("capset", header, bytes(24))


def execute(path: ctypes.Array[ctypes.c_char], arguments: list[bytes], variables: list[bytes]) -> NoReturn:
    """Become a program, by the very address at which its path lies.

    Raises:
        OSError: it can't be started.
    """
    lists = [(ctypes.c_char_p * (len(texts) + 1))(*texts, None) for texts in (arguments, variables)]
    _call("execve", path, *lists)
    raise AssertionError  # the call comes back only to fail


def unshare(flags: int) -> None:
    """Leave namespaces for new ones."""
    _call("unshare", flags)


def map_user(inside: int, inside_group: int, outside: int, outside_group: int) -> None:
    """Say who this process is in its new user namespace."""
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {outside} 1"),
        ("gid_map", f"{inside_group} {outside_group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """Mount."""
    _call("mount", source.encode(), target.encode(), kind.encode() if kind else None, flags, data.encode() if data else None)


def restrict_mount(target: str, attributes: int, *, recursive: bool) -> None:
    """Add attributes such as `READ_ONLY` to a mount, and to those under it."""
    request = struct.pack("=QQQQ", attributes, 0, 0, 0)
    _call("syscall", _MOUNT_SETATTR, _AT_FDCWD, target.encode(), _AT_RECURSIVE if recursive else 0, request, len(request))


def enter_root(folder: str) -> None:
    """Make a mounted folder the root, and let go of the old one."""
    os.chdir(folder)
    _call("pivot_root", b".", b".")
    _call("umount2", b".", _DETACH)
    os.chdir("/")


def raise_loopback() -> None:
    """Switch on `lo`, the only interface of a new network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack("16xh14x", fcntl.ioctl(control, 0x8913, request))
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))


def landlock_version() -> int:
    """The version of the kernel's Landlock interface, 0 where there is none."""
    try:
        return _call("syscall", _LANDLOCK_CREATE, None, 0, 1)
    except OSError:
        return 0


def landlock(version: int, rules: Iterable[tuple[str, int | None]]) -> None:
    """Restrict this process and all that it starts to these paths with these rights.

    A right of None means all rights. Signals are restricted to these processes among themselves.
    """
    known = sum(right for since, right in _RIGHTS.items() if since <= version)
    attributes = struct.pack("=QQQ", known, 0, _SCOPES if version >= _SCOPES_SINCE else 0)
    size = 24 if version >= _SCOPES_SINCE else 8
    ruleset = _call("syscall", _LANDLOCK_CREATE, attributes, size, 0)
    for path, wanted in rules:
        rights = known if wanted is None else wanted & known
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rights &= known if os.path.isdir(path) else _OF_FILES
        _call("syscall", _LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", rights, place), 0)
        os.close(place)
    _call("syscall", _LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)
