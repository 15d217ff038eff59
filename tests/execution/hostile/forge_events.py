"""Tries to read what others report on the event channel, to change its rights, and to flood it."""

import os
import sys

from bounds import attempt

path = os.environ["GONOGO_EVENTS"]
with open(path, "ab", buffering=0) as channel:
    channel.write(b"honest\n")
attempt("read the channel", lambda: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK)))
attempt("read and write the channel", lambda: os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK)))
attempt("change its rights", lambda: os.chmod(path, 0o666))
attempt("put another in its place", lambda: os.rename(__file__, path))
attempt("remove it", lambda: os.unlink(path))
if sys.argv[1:] == ["flood"]:
    with open(path, "ab", buffering=0) as channel:
        for _ in range(20_000):
            channel.write(b"x" * 4095 + b"\n")
