"""Takes memory: alone, or spread over processes so that none has much."""

import sys
import time

import bounds

STEP = 32 << 20
kept = []


def take(steps: int) -> None:
    for _ in range(steps):
        block = bytearray(STEP)
        block[::4096] = b"x" * len(block[::4096])
        kept.append(block)


if sys.argv[1] == "spread":
    for _ in range(20):
        if not bounds.fork():
            take(2)
            time.sleep(bounds.SECONDS)
            raise SystemExit
    time.sleep(bounds.SECONDS)
else:
    take(1_500_000_000 // STEP)
    print("took it all", flush=True)
    time.sleep(bounds.SECONDS)
