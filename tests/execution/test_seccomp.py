"""The filters of system calls, run by an interpreter of the kernel's language: also for the processor that this machine does not have."""

from __future__ import annotations

import errno
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.execution.sandbox import seccomp
from gonogo.execution.sandbox.seccomp import Architecture
from gonogo.system.children import command

X86, ARM = Architecture(0, 0xC000003E), Architecture(1, 0xC00000B7)
BOTH = pytest.mark.parametrize("architecture", [X86, ARM], ids=["x86_64", "aarch64"])
ALLOWED = 0
HEADERS = {
    X86: (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), r"#define __NR_(\w+) (\d+)"),
    ARM: (Path("/usr/include/asm-generic/unistd.h"), r"#define __NR(?:3264)?_(\w+) (\d+)"),
}
SOCKET, CLONE, IOCTL, PERSONALITY, SOCKETPAIR = (
    getattr(seccomp, f"_{name}") for name in ("SOCKET", "CLONE", "IOCTL", "PERSONALITY", "SOCKETPAIR")
)


def judge(program: bytes, number: int, *arguments: int, audit: int) -> int:
    """The errno with which a call is refused, 0 if it is allowed; the interpreter of linux/filter.h."""
    data = struct.pack("=IIQ6Q", number, audit, 0, *(argument & (1 << 64) - 1 for argument in (*arguments, *[0] * 6)[:6]))
    steps = [struct.unpack_from("=HBBI", program, place) for place in range(0, len(program), 8)]
    at, value = 0, 0
    while True:
        code, if_true, if_false, constant = steps[at]
        at += 1
        if code == 0x20:
            (value,) = struct.unpack_from("=I", data, constant)
        elif code == 0x54:
            value &= constant
        elif code == 0x06:
            assert constant & 0xFFFF0000 in (0x7FFF0000, 0x00050000)
            return 0 if constant == 0x7FFF0000 else constant & 0xFFFF
        else:
            holds = {0x15: value == constant, 0x25: value > constant, 0x45: bool(value & constant)}[code]
            at += if_true if holds else if_false


def call(architecture: Architecture, number: int | tuple[int, int], *arguments: int) -> int:
    number = number if isinstance(number, int) else number[architecture.column]
    return judge(seccomp.program(architecture), number, *arguments, audit=architecture.audit)


@BOTH
@given(st.integers(0, 600), st.lists(st.integers(0, (1 << 64) - 1), min_size=6, max_size=6))
def test_what_is_refused_is_refused_whatever_the_arguments(architecture: Architecture, number: int, arguments: list[int]) -> None:
    refused = set(seccomp.forbidden(architecture).values())
    some = {numbers[architecture.column] for numbers in (SOCKET, CLONE, IOCTL, PERSONALITY, SOCKETPAIR)}
    said = call(architecture, number, *arguments)
    if number in refused or number > seccomp.NEWEST:
        assert said in (errno.EPERM, errno.ENOSYS)
    elif number not in some:
        assert said == ALLOWED


@BOTH
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((1, 1, 0), ALLOWED),
        ((1, 5 | 0o2000000, 0), ALLOWED),
        ((2, 1, 0), ALLOWED),
        ((2, 1 | 0o2004000, 6), ALLOWED),
        ((2, 2, 17), ALLOWED),
        ((10, 2, 0), ALLOWED),
        ((16, 3 | 0o2000000, 0), ALLOWED),
        ((2, 5, 0), errno.EPROTONOSUPPORT),
        ((2, 1, 132), errno.EPROTONOSUPPORT),
        ((2, 1, 262), errno.EPROTONOSUPPORT),
        ((10, 3, 255), errno.EPROTONOSUPPORT),
        ((16, 3, 12), errno.EPROTONOSUPPORT),
        *(((family, 1, 0), errno.EAFNOSUPPORT) for family in (0, 3, 9, 17, 29, 30, 31, 38, 40, 44, 0xFFFFFFFF)),
        ((1 << 32 | 1, 1, 0), ALLOWED),  # the kernel takes the lower half of it too
    ],
)
def test_sockets(architecture: Architecture, arguments: tuple[int, ...], said: int) -> None:
    assert call(architecture, SOCKET, *arguments) == said
    if arguments[0] not in (1, 2, 10, 16, 1 << 32 | 1):
        assert call(architecture, SOCKETPAIR, *arguments) == errno.EAFNOSUPPORT


@BOTH
def test_threads_and_processes_but_no_namespaces(architecture: Architecture) -> None:
    assert call(architecture, CLONE, 17) == call(architecture, CLONE, 0x3D0F00) == ALLOWED
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert call(architecture, CLONE, flag | 17) == errno.EPERM


@BOTH
def test_terminals_and_personalities(architecture: Architecture) -> None:
    assert call(architecture, IOCTL, 0, 0x5401) == ALLOWED
    assert call(architecture, IOCTL, 0, 0x5412) == call(architecture, IOCTL, 0, 1 << 32 | 0x5412) == errno.EPERM
    assert call(architecture, PERSONALITY, 0xFFFFFFFF) == call(architecture, PERSONALITY, 0) == ALLOWED
    assert call(architecture, PERSONALITY, 0x40000) == errno.EPERM


@BOTH
def test_calls_by_another_table_are_unknown(architecture: Architecture) -> None:
    for audit in (0x40000003, 0x40000028, X86.audit if architecture is ARM else ARM.audit):
        assert judge(seccomp.program(architecture), 1, audit=audit) == errno.ENOSYS
    assert call(architecture, 0x40000000 | 1) == errno.ENOSYS  # x86_64 with short pointers


@BOTH
def test_numbers_are_those_of_the_headers(architecture: Architecture) -> None:
    path, pattern = HEADERS[architecture]
    if not path.is_file():
        pytest.skip(f"the kernel's headers are not installed: {path}")
    known = {name: int(number) for name, number in re.findall(pattern, path.read_text())}
    ours = seccomp.forbidden(architecture) | {
        name.lower().strip("_"): getattr(seccomp, name)[architecture.column]
        for name in ("_CLONE", "_SOCKET", "_SOCKETPAIR", "_IOCTL", "_PERSONALITY", "_EXECVE", "_EXECVEAT", "_KEYCTL")
    }
    wrong = {name: (number, known[name]) for name, number in ours.items() if name in known and known[name] != number}
    assert wrong == {}
    assert len(set(ours) & set(known)) > 45


@BOTH
def test_one_program_and_no_other(architecture: Architecture) -> None:
    place = 0x7F12_3456_7890
    program = seccomp.one_program(architecture, place)
    execve, execveat = (getattr(seccomp, name)[architecture.column] for name in ("_EXECVE", "_EXECVEAT"))
    assert judge(program, execve, place, audit=architecture.audit) == ALLOWED
    for other in (place + 1, place + (1 << 32), place & 0xFFFFFFFF, 0):
        assert judge(program, execve, other, audit=architecture.audit) == errno.EPERM
    assert judge(program, execveat, place, audit=architecture.audit) == errno.EPERM
    assert judge(program, 1, audit=architecture.audit) == ALLOWED


@pytest.mark.skipif(seccomp.here() is None, reason="no filter for this machine")
def test_a_program_that_is_alone_starts_nothing_but_threads() -> None:
    code = """
import os, subprocess, threading
threading.Thread(target=print, args=("thread",)).start()
for start in (lambda: subprocess.run(["/bin/true"]), lambda: os.execv("/bin/true", ["true"]), lambda: os.posix_spawn("/bin/true", ["true"], {})):
    try:
        start()
        print("started")
    except PermissionError:
        print("refused")
print(os.system("/bin/true") >> 8, os.environ["KEPT"])
"""
    arguments = [*command("gonogo.execution.sandbox.alone"), sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(arguments, capture_output=True, text=True, env={"KEPT": "kept"}, check=False)
    assert done.stdout.split() == ["thread", "refused", "refused", "refused", "127", "kept"], done.stderr
