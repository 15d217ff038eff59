"""What the code sees of the file system: a list of what is allowed, the same for every mechanism."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gonogo.model.errors import StageError

_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# No account, key or host of this machine is in these.
_SETTINGS = (
    "alternatives",
    "ca-certificates",
    "fonts",
    "group",
    "host.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "pki/ca-trust",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/certs",
    "timezone",
)
_TELLING = ("keys", "key-users", "kcore", "kmsg", "kallsyms", "timer_list", "sched_debug", "vmallocinfo", "slabinfo", "pagetypeinfo")
_FACTS = ("/sys/devices/system/cpu", "/sys/devices/system/node")
SYSTEM = (*_PROGRAMS, *(f"/etc/{name}" for name in _SETTINGS), *_FACTS)
Kind = Literal["read", "write", "device"]


@dataclass(frozen=True)
class Bind:
    """A file or folder that is shown at a path."""

    source: str
    target: str
    kind: Kind = "read"


@dataclass(frozen=True)
class View:
    """All that is shown: binds, outer ones before those inside them, and symbolic links."""

    binds: tuple[Bind, ...]
    links: tuple[tuple[str, str], ...]


def system_view() -> tuple[list[Bind], list[tuple[str, str]]]:
    """Return the programs and settings of this system, as binds and as (target, link) pairs.

    What does not exist is left out.
    """
    binds, links = [], []
    for path in map(Path, SYSTEM):
        if path.is_symlink() and str(path) in _PROGRAMS:
            links.append((str(path.readlink()), str(path)))
        elif path.exists():
            binds.append(Bind(os.path.realpath(path), str(path)))
    return binds, links


def kernel_switches() -> list[str]:
    """Return the entries of `/proc` that change the machine when they are written.

    That is all except the processes. Bubblewrap leaves it open where root runs it.
    """
    with os.scandir("/proc") as entries:
        names = [entry for entry in entries if not entry.name.isdigit() and not entry.is_symlink()]
    return sorted(entry.path for entry in names if entry.is_dir() or entry.stat().st_mode & 0o222)


def hidden() -> list[str]:
    """What of `/proc` tells of the whole machine: names of the user's keys, addresses in the kernel."""
    return [path for name in _TELLING if os.path.isfile(path := f"/proc/{name}")]


def build(own: Iterable[Bind], read_only: Iterable[Path], writable: Iterable[Path], devices: Iterable[Path]) -> View:
    """Return the view made of the system, what the caller adds, and the box's own folders.

    Of two binds at one path the later counts.

    Raises:
        StageError: something that the caller adds is not there, or would show the whole file system.
    """
    binds, links = system_view()
    shown = {bind.target: bind for bind in binds}
    for kind, paths in (("read", read_only), ("write", writable), ("device", devices)):
        shown |= {bind.target: bind for bind in _added(paths, kind)}  # type: ignore[arg-type]
    shown |= {bind.target: bind for bind in own}
    return View(tuple(sorted(shown.values(), key=lambda bind: bind.target.count("/"))), tuple(links))


def _added(paths: Iterable[Path], kind: Kind) -> Iterator[Bind]:
    for path in paths:
        target = os.path.abspath(path)
        if not os.path.exists(target):
            raise StageError(f"the sandbox should show {path}, which is not there")
        if target == "/" or os.path.realpath(target) == "/":
            raise StageError("the sandbox can't show the whole file system")
        yield Bind(os.path.realpath(target), target, kind)
