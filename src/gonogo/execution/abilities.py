"""What this machine can hold in: found out by trying, as it is before every trial."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from gonogo.execution import uv
from gonogo.execution.sandbox import Containment, Mechanism, seccomp
from gonogo.execution.sandbox.choice import try_out
from gonogo.model.errors import StageError

MECHANISMS = (Mechanism.BUBBLEWRAP, Mechanism.LANDLOCK)  # in the order in which they are chosen
LIMIT = Path("/proc/sys/user/max_user_namespaces")
# What no mechanism holds in; docs/threat-model.md says more.
NOT_CONTAINED = (
    "holes in the kernel, as far as the allowed system calls reach them",
    "processor time and disk bandwidth; memory, disk and processes between two looks (0.1 s)",
    "what may be known: versions, processor, installed programs, names of accounts",
    "what the code says: exit code, output, numbers",
)


class Ability(BaseModel):
    """One thing that a machine has or lacks."""

    model_config = ConfigDict(frozen=True)

    name: str
    there: bool
    detail: str


class Abilities(BaseModel):
    """What this machine can hold in."""

    model_config = ConfigDict(frozen=True)

    mechanism: Mechanism | None
    abilities: tuple[Ability, ...]
    refused: tuple[str, ...]
    allowed: tuple[str, ...]
    not_contained: tuple[str, ...]


def examine() -> Abilities:
    """Try everything."""
    tried = {mechanism: try_out(mechanism) for mechanism in MECHANISMS}
    chosen = next((found for found, _ in tried.values() if found is not None and found.holds), None)
    tests = chosen.tests if chosen else ()
    mechanisms = [_mechanism(mechanism, *tried[mechanism]) for mechanism in MECHANISMS]
    abilities = [_kernel(), *mechanisms, _namespaces(), _filter(), _uv(), _user()]
    failed = [test.name for found, _ in tried.values() if found is not None for test in found.tests if not test.passed]
    lacking = chosen.missing if chosen else ("anything: no mechanism holds, and trials are refused", *dict.fromkeys(failed))
    return Abilities(
        mechanism=chosen.mechanism if chosen else None,
        abilities=tuple(abilities),
        refused=tuple(test.name for test in tests if test.forbidden),
        allowed=tuple(test.name for test in tests if not test.forbidden),
        not_contained=(*lacking, *NOT_CONTAINED),
    )


def _kernel() -> Ability:
    return Ability(name="kernel", there=sys.platform == "linux", detail=f"{platform.system()} {platform.release()} on {platform.machine()}")


def _mechanism(mechanism: Mechanism, found: Containment | None, reason: str) -> Ability:
    holds = found is not None and found.holds
    version = f"{'version' if mechanism is Mechanism.BUBBLEWRAP else 'interface'} {found.version}" if found else ""
    told = f"{version}, {len(found.tests)} self-tests passed" if found and holds else "; ".join(filter(None, (version, reason)))
    return Ability(name=str(mechanism), there=holds, detail=told)


def _namespaces() -> Ability:
    """Whether a process of this user may have a user namespace, which both mechanisms need."""
    ask = [sys.executable, "-I", "-S", "-c", "import ctypes, os; os._exit(ctypes.CDLL(None).unshare(0x10000000) and 1)"]
    there = sys.platform == "linux" and subprocess.run(ask, capture_output=True, check=False, timeout=20).returncode == 0
    limit = LIMIT.read_text().strip() if LIMIT.is_file() else "none"
    return Ability(name="user namespaces", there=there, detail=f"{'allowed' if there else 'refused'}, limit {limit}")


def _filter() -> Ability:
    architecture = seccomp.here()
    if architecture is None:
        return Ability(name="system call filter", there=False, detail=f"gonogo has none for {platform.system()} on {platform.machine()}")
    calls = len(seccomp.forbidden(architecture))
    return Ability(name="system call filter", there=True, detail=f"refuses {calls} calls, and all after number {seccomp.NEWEST}")


def _uv() -> Ability:
    try:
        program = uv.find()
    except StageError as error:
        return Ability(name="uv", there=False, detail=str(error))
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout.strip()
    return Ability(name="uv", there=bool(said), detail=f"{said.removeprefix('uv ').partition(' (')[0]} at {program}")


def _user() -> Ability:
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return Ability(name="ordinary user", there=not root, detail="run gonogo as one: a hole is then no hole into root" if root else "yes")
