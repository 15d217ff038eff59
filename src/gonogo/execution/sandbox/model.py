"""What can be asked of a sandbox, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

MEBIBYTE = 1 << 20
GIBIBYTE = 1 << 30


class Mechanism(StrEnum):
    """What holds the code in."""

    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    NONE = "none"


class Limit(StrEnum):
    """What a run may have too much of."""

    TIME = "time"
    MEMORY = "memory"
    PROCESSES = "processes"
    DISK = "disk"
    OUTPUT = "output"
    EVENTS = "events"


@dataclass(frozen=True)
class Limits:
    """How much one run may take.

    Args:
        seconds: wall-clock time; then every process is asked to end, and killed after `grace` seconds.
        memory: bytes resident in all processes together; pages that they share count once.
        disk: bytes in all writable folders together, deleted files that are still open included; also the size of a single file.
        files: files and folders in all writable folders together.
        output: bytes on standard output and error together.
        events: bytes on the event channel.
        processes: processes at one time.
        threads: threads of all processes at one time.
        grace: seconds between being asked to end and being killed.
    """

    seconds: float = 600.0
    memory: int = 8 * GIBIBYTE
    disk: int = 4 * GIBIBYTE
    files: int = 200_000
    output: int = 64 * MEBIBYTE
    events: int = 256 * MEBIBYTE
    processes: int = 256
    threads: int = 8192
    grace: float = 2.0


@dataclass(frozen=True)
class Policy:
    """What the code gets to see, and by which mechanism it is held.

    Args:
        tree: the folder to work in, of which the code gets a private copy; None for an empty folder.
        mode: a mechanism, or None for the best one that holds here.
        read_only: more files and folders that are there to be read, at the same path.
        writable: more folders that may be written, at the same path; what the code leaves in them stays.
        devices: device files that may be used, such as accelerators.
        path: folders that come first in `PATH`.
        environment: variables of every run.
        limits: of every run that has none of its own.
        parent: where the box is made; None for the system's temporary folder.
        tree_bytes: how big the tree may be.
    """

    tree: Path | None = None
    mode: Mechanism | None = None
    read_only: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    devices: tuple[Path, ...] = ()
    path: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    parent: Path | None = None
    tree_bytes: int = 2 * GIBIBYTE


class SelfTest(BaseModel):
    """One thing that was tried inside the sandbox before anything was trusted to it."""

    model_config = ConfigDict(frozen=True)

    name: str
    passed: bool
    detail: str = ""
    forbidden: bool = Field(default=True, description="Whether it had to fail; what an experiment needs must succeed")


class Containment(BaseModel):
    """What was achieved on this machine, not what was hoped for."""

    model_config = ConfigDict(frozen=True)

    mechanism: Mechanism
    version: str = Field(default="", description="Of bubblewrap, or of the kernel's Landlock interface")
    tests: tuple[SelfTest, ...] = ()
    missing: tuple[str, ...] = Field(default=(), description="What gonogo can't do on this kind of machine")
    passed_over: dict[str, str] = Field(default={}, description="Mechanisms that did not hold here, and why")

    @property
    def holds(self) -> bool:
        """Whether code is held in: there is a mechanism, and every self-test passed."""
        return self.mechanism is not Mechanism.NONE and bool(self.tests) and all(test.passed for test in self.tests)

    def __str__(self) -> str:
        if self.mechanism is Mechanism.NONE:
            return "no sandbox"
        failed = ", ".join(test.name for test in self.tests if not test.passed)
        weak = [*([f"failed: {failed}"] if failed else []), *self.missing]
        return f"{self.mechanism} {self.version}".strip() + (f" ({'; '.join(weak)})" if weak else "")


class Captured(BaseModel):
    """The beginning and the end of a stream; what stood between is gone if `total` exceeds what is kept."""

    model_config = ConfigDict(frozen=True)

    head: str = ""
    tail: str = Field(default="", description="What came after the head, its last part")
    total: int = Field(default=0, description="Bytes that were written")
    omitted: int = Field(default=0, description="Bytes between head and tail that were not kept")

    @property
    def text(self) -> str:
        """Head and tail, with a line between them where something is missing."""
        between = f"\n[… {self.omitted} bytes left out …]\n" if self.omitted else ""
        return self.head + between + self.tail


class RunResult(BaseModel):
    """How a run ended and what it took."""

    model_config = ConfigDict(frozen=True)

    pid: int | None = Field(default=None, description="Its process number, as it sees it")
    exit_code: int | None = Field(description="None if a signal ended it")
    signal: int | None = Field(default=None, description="The signal that ended it")
    limit: Limit | None = Field(default=None, description="The limit for which it was ended")
    reason: str = Field(default="", description="The limit in words")
    seconds: float
    peak_memory: int = Field(description="Bytes resident in all processes; before the limit is near, shared pages count for each")
    peak_disk: int = 0
    peak_processes: int = 0
    daemons: int = Field(default=0, description="Processes seen that had outlived their parent")
    survivors: tuple[int, ...] = Field(default=(), description="Processes that could not be killed")
    stdout: Captured
    stderr: Captured

    @property
    def ok(self) -> bool:
        """Whether it ended by itself and with code 0."""
        return self.exit_code == 0 and self.limit is None
