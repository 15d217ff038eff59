"""Kills the process that started it, and the first one; then goes on in a process of its own."""

import os
import signal
import time

import bounds
from bounds import attempt

attempt("signal gonogo", lambda: os.kill(int(os.environ["OUTSIDE"]), 0))
if not bounds.fork():
    os.setsid()
    time.sleep(bounds.SECONDS)
    raise SystemExit
if os.environ["KILL"] == "all":
    attempt("kill process 1", lambda: os.kill(1, signal.SIGKILL) if os.getpid() < 100 else None)
os.kill(os.getppid(), signal.SIGKILL)
time.sleep(1)
print("still here", flush=True)
