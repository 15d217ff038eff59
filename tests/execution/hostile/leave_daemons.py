"""Leaves processes behind that have no parent, no session and no terminal in common with it; one of them keeps its output open."""

import os
import sys
import time

import bounds

for silent in (True, False):
    if not bounds.fork():
        os.setsid()
        if not bounds.fork():
            if silent:
                for number in range(3):
                    os.close(number)
            if sys.argv[1] == "nameless":
                os.environ.clear()
                os.execve(sys.executable, [sys.executable, "-c", f"import time; time.sleep({bounds.SECONDS})"], {})
            time.sleep(bounds.SECONDS)
        os._exit(0)
time.sleep(0.5)
print("left", flush=True)
