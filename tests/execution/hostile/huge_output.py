"""Prints without end: lines, or one line."""

import sys
import time

import bounds

block = b"x" * 65535 + (b"\n" if sys.argv[1] == "lines" else b"x")
started = time.monotonic()
stream = sys.stderr.buffer if sys.argv[1] == "error" else sys.stdout.buffer
for _ in range(4000):
    stream.write(block)
    if time.monotonic() - started > bounds.SECONDS:
        break
