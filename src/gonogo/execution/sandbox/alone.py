"""Runs a program that can start no other: whatever it is talked into, it runs nobody else's code.

uv is trusted, and what it reads is not: a project file, an index or a lock can name packages whose build scripts uv would run.
A filter in the kernel lets this process start one program, once, and what it has started none.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import NoReturn

from gonogo.execution.sandbox import kernel, seccomp

REFUSED = "Operation not permitted (os error 1)"  # as a program written in Rust says it


def main() -> NoReturn:
    """Become the program that the arguments name, with its own arguments and this process's environment."""
    architecture = seccomp.here()
    if architecture is None:
        sys.exit(f"there is no filter for {os.uname().machine}")
    path = ctypes.create_string_buffer(os.fsencode(sys.argv[1]))
    variables = [name + b"=" + value for name, value in os.environb.items()]
    arguments = [os.fsencode(part) for part in sys.argv[1:]]
    kernel.no_new_privileges()
    kernel.filter_calls(seccomp.one_program(architecture, ctypes.addressof(path)))
    kernel.execute(path, arguments, variables)
