"""Writes until the disk is full: in files, in files that have no name any more, in shared memory, or in very many files."""

import os
import sys
import time
from pathlib import Path

import bounds

how, block = sys.argv[1], os.urandom(1 << 20) * 8
kept = []
if how == "many":
    for number in range(30_000):
        Path(f"empty-{number}").touch()
elif how == "deep":
    for _ in range(600):
        os.mkdir("a-folder-with-a-long-name")
        os.chdir("a-folder-with-a-long-name")
    Path("hidden").write_bytes(block)
else:
    place = {"shm": "/dev/shm", "tmp": "/tmp"}.get(how, ".")
    for number in range(bounds.BYTES // len(block)):
        if how == "memfd":
            file = os.fdopen(os.memfd_create("hidden"), "wb", buffering=0)
            kept.append(file)
        else:
            file = open(f"{place}/part-{number}", "wb", buffering=0)
            if how == "unlinked":
                os.unlink(file.name)
                kept.append(file)
        file.write(block)
        if how != "memfd" and how != "unlinked":
            file.close()
print("wrote it all", flush=True)
time.sleep(bounds.SECONDS)
