"""Makes processes, as many as it may."""

import time

import bounds

for _ in range(bounds.PROCESSES):
    if not bounds.fork():
        time.sleep(bounds.SECONDS)
        raise SystemExit
print("made them all", flush=True)
time.sleep(bounds.SECONDS)
