"""Where this process is when it is asked to end because its time is up.

Its stack goes into a file that the gate reads.

Python's own `faulthandler` writes it, which needs no turn of the interpreter: also a process that is inside a long call of a library.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from typing import Any

FOLDER = "GONOGO_STACKS"
_file: Any = None


def start() -> None:
    """Have the stack of the thread that receives SIGTERM written first.

    After that, the signal does what it does without us.
    """
    if FOLDER in os.environ and hasattr(faulthandler, "register"):
        _register()
        os.register_at_fork(after_in_child=_register)


def _register() -> None:
    global _file
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return  # the code, or a library, has a handler of its own
    try:
        _file = open(os.path.join(os.environ[FOLDER], str(os.getpid())), "w", encoding="utf-8")  # noqa: SIM115
    except (OSError, KeyError):
        return  # somebody removed the folder: the stack is not worth a failure
    faulthandler.register(signal.SIGTERM, _file, all_threads=False, chain=True)
