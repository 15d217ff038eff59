"""Leaves a process behind that changes what later runs leave, and looks for such a process when it is told to."""

import os
import sys
import time
from pathlib import Path

import bounds
from bounds import attempt

if sys.argv[1] == "leave":
    if not bounds.fork():
        os.setsid()
        if not bounds.fork():
            while True:
                Path("heartbeat").write_text(str(time.time()))
                time.sleep(0.02)
        os._exit(0)
    while not Path("heartbeat").exists():
        time.sleep(0.01)
    time.sleep(0.5)  # long enough to be seen
else:

    def beats() -> None:
        before = Path("heartbeat").read_text()
        time.sleep(0.5)
        if Path("heartbeat").read_text() == before:
            raise ProcessLookupError("it has ended")

    attempt("find the other run's process", beats)
    attempt("see other processes", lambda: 1 / (len([name for name in os.listdir("/proc") if name.isdigit()]) > 2))
    attempt("have its number", lambda: 1 / (os.getpid() == int(os.environ["OTHER"])))
