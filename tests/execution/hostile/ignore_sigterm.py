"""Does not end when it is asked to, nor do its children."""

import signal
import time

import bounds

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
bounds.fork()
started = time.monotonic()
while time.monotonic() - started < bounds.SECONDS:
    time.sleep(0.1)
