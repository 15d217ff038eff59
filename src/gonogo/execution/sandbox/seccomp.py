"""Which system calls the code may make. Only the standard library may be imported here.

The kernel takes a small program in the language of its packet filter, which sees the number and the arguments of every call. We write it
ourselves: `pyseccomp` is ctypes around libseccomp.so, which is not on every machine and can't be had from PyPI, and 70 numbers are less
than that. Numbers and constants are those of Linux's uapi headers (asm/unistd_64.h, asm-generic/unistd.h, linux/seccomp.h, linux/sched.h).

What an experiment needs is allowed: files, memory, threads, processes, sockets to its own loopback, signals among its own. Refused is what
reaches further than a namespace (keys, kernel, clocks, modules, mounts), what reads other processes, what has been a way out of containers
again and again (io_uring, bpf, perf, userfaultfd, new namespaces), and every call that is younger than this table.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections.abc import Iterable
from typing import NamedTuple

_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_BITS, _AND, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x54, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in `struct seccomp_data`
NEWEST = 469  # file_setattr, Linux 6.17
_NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW* flag that `clone` takes
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_STREAM, _DATAGRAM, _KIND = 1, 2, 0xF
_TCP, _UDP = 6, 17
_PUSH_INPUT, _LINUX_CONSOLE = 0x5412, 0x541C  # ioctls that type into a terminal
_NATIVE_PERSONALITY, _ASK_PERSONALITY = 0, 0xFFFFFFFF

# Refused with EPERM: (x86_64, aarch64); None where the architecture lacks the call.
_FORBIDDEN: dict[str, tuple[int | None, int | None]] = {
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "create_module": (174, None),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "vhangup": (153, 58),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
}
# Refused with ENOSYS, as an older kernel would: programs then take another way.
_UNKNOWN: dict[str, tuple[int, int]] = {
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "memfd_secret": (447, 447),
    "clone3": (435, 435),  # its flags are in memory, where no filter sees them; the C library then uses `clone`
}
# Allowed for some arguments.
_CLONE, _SOCKET, _SOCKETPAIR, _IOCTL, _PERSONALITY = (56, 220), (41, 198), (53, 199), (16, 29), (135, 92)
_EXECVE, _EXECVEAT, _KEYCTL = (59, 221), (322, 281), (250, 219)


class Architecture(NamedTuple):
    """A processor architecture whose system calls are known.

    It holds its place in the tables above, and the number by which the kernel identifies it.
    """

    column: int
    audit: int


_KNOWN = {"x86_64": Architecture(0, 0xC000003E), "aarch64": Architecture(1, 0xC00000B7)}


def here() -> Architecture | None:
    """The architecture of this process, None where its calls are not known."""
    return _KNOWN.get(os.uname().machine) if sys.platform == "linux" and struct.calcsize("P") == 8 else None


def keyctl(architecture: Architecture) -> int:
    """The number of the call `keyctl`."""
    return _KEYCTL[architecture.column]


def forbidden(architecture: Architecture) -> dict[str, int]:
    """The calls that are refused whatever their arguments, with their numbers."""
    tables = (_FORBIDDEN, _UNKNOWN)
    return {name: number for table in tables for name, numbers in table.items() if (number := numbers[architecture.column]) is not None}


def program(architecture: Architecture) -> bytes:
    """The filter for code that nobody has read."""
    column = architecture.column
    steps = _head(architecture) + _step(_JUMP_ABOVE, NEWEST, 0, 1) + _refuse(errno.ENOSYS)
    for table, number in ((_FORBIDDEN, errno.EPERM), (_UNKNOWN, errno.ENOSYS)):
        for numbers in table.values():
            if (call := numbers[column]) is not None:
                steps += _step(_JUMP_EQUAL, call, 0, 1) + _refuse(number)
    clone = _argument(0) + _step(_JUMP_BITS, _NEW_NAMESPACES, 0, 1) + _refuse(errno.EPERM)
    steps += _for(_CLONE[column], clone)
    steps += _for(_SOCKET[column], _sockets())
    steps += _for(_SOCKETPAIR[column], _one_of(0, (_UNIX,)) + _refuse(errno.EAFNOSUPPORT))
    console = _argument(1) + b"".join(_step(_JUMP_EQUAL, call, 0, 1) + _refuse(errno.EPERM) for call in (_PUSH_INPUT, _LINUX_CONSOLE))
    steps += _for(_IOCTL[column], console)
    steps += _for(_PERSONALITY[column], _one_of(0, (_NATIVE_PERSONALITY, _ASK_PERSONALITY)) + _refuse(errno.EPERM))
    return steps + _allow()


def _sockets() -> bytes:
    """Local sockets, TCP and UDP, and the kernel's list of routes and addresses."""
    internet = _argument(1) + _step(_AND, _KIND) + _step(_JUMP_EQUAL, _STREAM, 1, 0) + _step(_JUMP_EQUAL, _DATAGRAM, 0, 4)
    internet += _argument(2) + _step(_JUMP_EQUAL, 0, 3, 0) + _step(_JUMP_EQUAL, _TCP, 2, 0) + _step(_JUMP_EQUAL, _UDP, 1, 0)
    internet += _refuse(errno.EPROTONOSUPPORT) + _allow()
    routes = _one_of(2, (0,)) + _refuse(errno.EPROTONOSUPPORT)
    families = _step(_JUMP_EQUAL, _UNIX, 0, 1) + _allow()
    families += _step(_JUMP_EQUAL, _INET, 1, 0) + _step(_JUMP_EQUAL, _INET6, 0, len(internet) // 8) + internet
    families += _step(_JUMP_EQUAL, _NETLINK, 0, len(routes) // 8) + routes
    return _argument(0) + families + _refuse(errno.EAFNOSUPPORT)


def one_program(architecture: Architecture, path: int) -> bytes:
    """Return a filter under which a process can start a single program, once.

    It is the program whose path is at a given address in the process's memory.

    What is started has other addresses, and so can start nothing.
    """
    low, high = path & 0xFFFFFFFF, path >> 32
    column = architecture.column
    steps = _head(architecture) + _step(_JUMP_EQUAL, _EXECVEAT[column], 0, 1) + _refuse(errno.EPERM)
    same = _step(_LOAD, _place(0)) + _step(_JUMP_EQUAL, low, 0, 2) + _step(_LOAD, _place(0) + 4) + _step(_JUMP_EQUAL, high, 1, 0)
    return steps + _for(_EXECVE[column], same + _refuse(errno.EPERM)) + _allow()


# -- the pieces: each a number of steps of eight bytes; jumps are relative, and what is fallen through goes on --------------------------


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse(number: int) -> bytes:
    return _step(_RETURN, _ERRNO | number)


def _allow() -> bytes:
    return _step(_RETURN, _ALLOW)


def _head(architecture: Architecture) -> bytes:
    """Calls by another architecture's table (32-bit ones, say) are unknown; then the number is loaded."""
    return _step(_LOAD, _ARCHITECTURE) + _step(_JUMP_EQUAL, architecture.audit, 1, 0) + _refuse(errno.ENOSYS) + _step(_LOAD, _NUMBER)


def _place(index: int) -> int:
    """Where an argument stands: of its eight bytes the lower half comes first on both architectures."""
    return 16 + 8 * index


def _argument(index: int) -> bytes:
    """Load the lower half of an argument; all that are looked at are 32-bit integers to the kernel."""
    return _step(_LOAD, _place(index))


def _one_of(index: int, values: Iterable[int]) -> bytes:
    """Allow the call if an argument is one of these."""
    steps = _argument(index)
    for value in values:
        steps += _step(_JUMP_EQUAL, value, 0, 1) + _allow()
    return steps


def _for(number: int, steps: bytes) -> bytes:
    """Steps for one call alone, which is allowed at their end; the number is still loaded for others."""
    steps += _allow()
    return _step(_JUMP_EQUAL, number, 0, len(steps) // 8) + steps
