"""Writes wherever it should not: a file of the user, system folders, kernel settings (opened only), the interpreter."""

import os
import sys
from pathlib import Path

from bounds import attempt


def create(folder: str) -> str:
    place = Path(folder) / f"gonogo-hostile-{os.getpid()}"
    place.write_text("written")
    place.unlink()  # where it could, it does no harm
    return str(place)


victim = os.environ["VICTIM"]
attempt("write the user's file", lambda: open(victim, "w").write("overwritten"))
attempt("append to the user's file", lambda: open(victim, "a").write("appended"))
attempt("change its rights", lambda: os.chmod(victim, 0o777))
attempt("truncate it", lambda: os.truncate(victim, 0))
attempt("remove it", lambda: os.unlink(victim))
for folder in ("/", "/usr", "/usr/lib", "/etc", "/dev", "/proc", "/sys", str(Path(victim).parent), sys.base_prefix, sys.prefix):
    attempt(f"create in {folder}", lambda folder=folder: create(folder))
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches", "/proc/sys/net/ipv4/ip_forward"):
    attempt(f"open {path} to write", lambda path=path: os.close(os.open(path, os.O_WRONLY)))
attempt("change rights of a system file", lambda: os.chmod("/etc/passwd", 0o644))
for path in ("/dev/sda", "/dev/vda", "/dev/nvme0n1", "/dev/mem"):
    attempt(f"open {path}", lambda path=path: os.close(os.open(path, os.O_RDWR)))
