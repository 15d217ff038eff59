"""Which mechanism holds on this machine: found out by trying it, not by looking at version numbers."""

from __future__ import annotations

import json
import os
import platform
import secrets
import socket
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

from gonogo.execution.interpreter_folders import locate
from gonogo.execution.sandbox import bubblewrap, seccomp
from gonogo.execution.sandbox.box import Box
from gonogo.execution.sandbox.model import Containment, Limits, Mechanism, Policy, SelfTest
from gonogo.model.errors import StageError, UsageError

OLDEST_LANDLOCK = 2  # version 1 refuses every move of a file between two folders, so working code would fail
TEST_SECONDS = 20.0
MISSING_FILTER = "no system call filter for {machine}"
# What the code inside tries. It must get none of the forbidden things and all of its own.
_ATTEMPTS = """
import ctypes, errno, json, os, socket, sys, threading
secret, victim, system, port, outside, calls = json.loads(sys.argv[1])
said = {}
def attempt(name, action):
    try:
        said[name] = [True, str(action())[:100]]
    except Exception as error:
        said[name] = [False, f"{type(error).__name__}: {error}"[:200]]
def connect(number):
    socket.create_connection(("127.0.0.1", number), timeout=3).close()
def loopback():
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect(server.getsockname()[1])
def move():
    os.rename("code", "other")
    os.rename("other", "code")
libc = ctypes.CDLL(None, use_errno=True)
def forbidden_calls():
    open_ones = []
    for name, number in calls.items():
        result = libc.syscall(*[ctypes.c_long(value) for value in (number, -1, -1, -1, -1, -1, -1)])  # no call does anything for these
        if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
            open_ones.append(name)
    if not open_ones:
        raise PermissionError(f"all {len(calls)} of them")
    return ", ".join(open_ones)
def odd_sockets():
    open_ones = []
    for family, kind, protocol in ((40, 1, 0), (38, 5, 0), (17, 3, 0), (31, 1, 0), (2, 5, 132), (2, 3, 1), (16, 3, 12)):
        try:
            socket.socket(family, kind, protocol).close()
            open_ones.append(f"{family}/{kind}/{protocol}")
        except OSError as error:
            if error.errno not in (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT):
                open_ones.append(f"{family}/{kind}/{protocol}: {error}")
    if not open_ones:
        raise PermissionError("all of them")
    return ", ".join(open_ones)
def programs():
    found = []
    thread = threading.Thread(target=lambda: found.append(os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-I", "-S", "-c", ""])))
    thread.start()
    thread.join()
    if found != [0]:
        raise OSError(f"ended with {found}")
attempt("read", lambda: open(secret).read())
attempt("write", lambda: open(victim, "w").write("written"))
attempt("create", lambda: open(system, "w").write("written"))
attempt("switch", lambda: os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY)))
attempt("connect", lambda: connect(port))
attempt("signal", lambda: os.kill(outside, 0))
attempt("keeper", lambda: open("/proc/1/mem", "rb").read(1))
attempt("fixed file", lambda: open("code/main.py", "w").write("changed"))
attempt("fixed folder", move)
attempt("calls", forbidden_calls)
attempt("sockets", odd_sockets)
attempt("own folder", lambda: open("inside", "w").write("written"))
attempt("own file beside", lambda: open("code/inside", "w").write("written"))
attempt("own loopback", loopback)
attempt("own programs", programs)
print(json.dumps(said))
"""
_FORBIDDEN = {
    "read": "read a file outside",
    "write": "write a file outside",
    "create": "create a file in a system folder",
    "switch": "open a kernel setting to write",
    "connect": "connect to this machine",
    "signal": "reach a process outside",
    "keeper": "look into the process that holds it",
    "fixed file": "change the code under review",
    "fixed folder": "move the code under review",
}
_FILTERED = {"calls": "make a system call that is not for experiments", "sockets": "open a socket that is not for experiments"}
_OWN = {
    "own folder": "write its own folder",
    "own file beside": "write a file beside the code",
    "own loopback": "connect to itself",
    "own programs": "start threads and programs",
}


class Sandbox:
    """`with Sandbox(policy) as box`: a box that isolates the code.

    The mechanism is the one that the policy names, or the best one available.

    Args:
        policy: what the code gets to see.
        required: refuse to do without.

    Raises:
        UsageError: no sandbox is wanted although one is required.
        StageError: no mechanism holds here.
    """

    def __init__(self, policy: Policy, *, required: bool = False) -> None:
        self.policy = policy
        self.containment = establish(policy.mode, required=required)
        self._box: Box | None = None

    def __enter__(self) -> Box:
        self._box = Box(self.policy, self.containment)
        return self._box

    def __exit__(self, *_: object) -> None:
        if self._box is not None:
            self._box.close()


def establish(mode: Mechanism | None = None, *, required: bool = False) -> Containment:
    """The containment that this machine gives: `mode`, or for None the first that passes its self-tests.

    Raises:
        UsageError: no sandbox is wanted although one is required.
        StageError: no mechanism holds here; it says why for each.
    """
    if mode is Mechanism.NONE:
        if required:
            raise UsageError("No sandbox (`none`) was asked for, and `--require-sandbox` says that there must be one.")
        return Containment(mechanism=Mechanism.NONE)
    reasons: dict[str, str] = {}
    for mechanism in (mode,) if mode else (Mechanism.BUBBLEWRAP, Mechanism.LANDLOCK):
        containment, reason = try_out(mechanism)
        if containment is not None and containment.holds:
            return containment.model_copy(update={"passed_over": reasons})
        reasons[mechanism] = reason
    why = "; ".join(f"{mechanism}: {reason}" for mechanism, reason in reasons.items())
    raise StageError(f"no sandbox holds on this machine ({why}); untrusted code is run without one only with `--sandbox none`")


@lru_cache(maxsize=4)
def try_out(mechanism: Mechanism) -> tuple[Containment | None, str]:
    """Try a mechanism: what it achieved (None if it does not work at all), and why it can't be used."""
    version = _version(mechanism)
    if not version:
        return None, _absence(mechanism)
    try:
        tests = tuple(_self_tests(Containment(mechanism=mechanism, version=version)))
    except StageError as error:
        return None, str(error)
    missing = () if seccomp.here() else (MISSING_FILTER.format(machine=platform.machine()),)
    containment = Containment(mechanism=mechanism, version=version, tests=tests, missing=missing)
    failed = [f"{test.name} ({test.detail})" if test.detail else test.name for test in tests if not test.passed]
    return containment, f"failed its self-test: {', '.join(failed)}" if failed else ""


def _version(mechanism: Mechanism) -> str:
    """The version as a text, empty where the mechanism is not there."""
    if not sys.platform.startswith("linux"):
        return ""
    if mechanism is Mechanism.BUBBLEWRAP:
        found = bubblewrap.find()
        return ".".join(map(str, found[1])) if found else ""
    from gonogo.execution.sandbox.kernel import landlock_version

    number = landlock_version()
    return str(number) if number >= OLDEST_LANDLOCK else ""


def _absence(mechanism: Mechanism) -> str:
    if not sys.platform.startswith("linux"):
        return f"there is none on {platform.system()}"
    if mechanism is Mechanism.BUBBLEWRAP:
        return "it is not installed"
    return f"this kernel ({platform.release()}) does not have it, or only a version before {OLDEST_LANDLOCK}"


def _self_tests(containment: Containment) -> list[SelfTest]:
    """Try inside what must not work, and see outside that it did not.

    Raises:
        StageError: nothing could be run inside.
    """
    interpreter, architecture = locate(Path(sys.executable)), seccomp.here()
    with tempfile.TemporaryDirectory(prefix="gonogo-outside-") as name, socket.create_server(("127.0.0.1", 0)) as listener:
        outside = Path(name)
        secret, victim, tree = outside / "secret", outside / "victim", outside / "tree"
        token = secrets.token_hex(8)
        secret.write_text(token)
        victim.write_text("untouched")
        (tree / "code").mkdir(parents=True)
        (tree / "code" / "main.py").write_text("untouched")
        system = Path("/usr") / f"gonogo-{secrets.token_hex(8)}"
        calls = seccomp.forbidden(architecture) if architecture else {}
        task = json.dumps([str(secret), str(victim), str(system), listener.getsockname()[1], os.getpid(), calls])
        policy = Policy(tree=tree, read_only=interpreter.folders, limits=Limits(seconds=TEST_SECONDS))
        with Box(policy, containment) as box:
            box.fix(lambda _: True)
            result = box.run([interpreter.python, "-I", "-S", "-c", _ATTEMPTS, task])
            changes = box.changes()
        try:
            said: dict[str, list[object]] = json.loads(result.stdout.text)
        except ValueError as error:
            raise StageError(f"its self-test did not run: {(result.stderr.text or result.reason).strip()[-300:]}") from error
        listener.setblocking(False)
        happened = {
            "read": token in result.stdout.text,
            "write": victim.read_text() != "untouched",
            "create": system.exists(),
            "connect": _reached(listener),
            "fixed file": bool(changes),
        }
        system.unlink(missing_ok=True)
    tests = []
    for key, text in (_FORBIDDEN | (_FILTERED if architecture else {})).items():
        could, detail = bool(said[key][0]) or happened.get(key, False), str(said[key][1])
        tests.append(SelfTest(name=text, passed=not could, detail=f"it could: {detail}" if could else f"refused: {detail}"))
    for key, text in _OWN.items():
        could, detail = bool(said[key][0]), str(said[key][1])
        tests.append(SelfTest(name=text, passed=could, detail="" if could else detail, forbidden=False))
    return tests


def _reached(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True
