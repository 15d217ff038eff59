"""Hostile programs, each with what must be true afterwards: inside, of what was reported, and of the machine."""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from gonogo.execution.interpreter_folders import locate
from gonogo.execution.sandbox import Box, Containment, Limit, Limits, Mechanism, Policy, RunResult, seccomp
from gonogo.model.errors import StageError

HOSTILE = Path(__file__).parent / "hostile"
MEBIBYTE = 1 << 20
LIMITS = Limits(seconds=20, memory=1200 * MEBIBYTE, disk=1500 * MEBIBYTE, output=8 * MEBIBYTE, processes=100, grace=0.5)
CANARY = f"canary-{secrets.token_hex(8)}"


@dataclass
class Host:
    """What the machine has that must not be touched, and ears for what must not be heard."""

    folder: Path
    victim: Path
    listeners: dict[str, socket.socket]
    environment: dict[str, str]

    def harm(self) -> Iterator[str]:
        """What happened to the machine."""
        if self.victim.read_text() != "untouched" or self.victim.stat().st_mode & 0o777 != 0o600:
            yield "the user's file was changed"
        known = {"victim", ".netrc", "socket"}
        if extra := {path.name for path in self.folder.iterdir()} - known:
            yield f"files were made outside: {extra}"
        for name, listener in self.listeners.items():
            with suppress(BlockingIOError):
                listener.recv(10) if listener.type == socket.SOCK_DGRAM else listener.accept()
                yield f"{name} was reached"
        if left := [process.pid for process in psutil.process_iter() if _has(process, self.environment["MARK"])]:
            yield f"processes are still there: {left}"


def _has(process: psutil.Process, mark: str) -> bool:
    with suppress(psutil.Error, OSError):
        return process.environ().get("MARK") == mark and process.status() != psutil.STATUS_ZOMBIE
    return False


@contextmanager
def host() -> Iterator[Host]:
    """A machine with secrets and services: a home with .netrc, a key in the environment, listeners of four kinds."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gonogo-host-")))
        victim = folder / "victim"
        victim.write_text("untouched")
        victim.chmod(0o600)
        (folder / ".netrc").write_text(f"machine example.org login me password {CANARY}")
        listeners = {
            "TCP": stack.enter_context(socket.create_server(("0.0.0.0", 0))),
            "UDP": stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
            "a named Unix socket": stack.enter_context(socket.socket(socket.AF_UNIX)),
            "an abstract Unix socket": stack.enter_context(socket.socket(socket.AF_UNIX)),
        }
        abstract = f"gonogo-{secrets.token_hex(8)}"
        listeners["UDP"].bind(("127.0.0.1", 0))
        listeners["a named Unix socket"].bind(str(folder / "socket"))
        listeners["an abstract Unix socket"].bind("\0" + abstract)
        for listener in listeners.values():
            if listener.type == socket.SOCK_STREAM:
                listener.listen()
            listener.setblocking(False)
        addresses = [entry.address for entries in psutil.net_if_addrs().values() for entry in entries if entry.family == socket.AF_INET]
        environment = {
            "VICTIM": str(victim),
            "NETRC_OF_USER": str(folder / ".netrc"),
            "TCP_PORT": str(listeners["TCP"].getsockname()[1]),
            "UDP_PORT": str(listeners["UDP"].getsockname()[1]),
            "UNIX_SOCKET": str(folder / "socket"),
            "ABSTRACT_SOCKET": abstract,
            "ADDRESSES": ",".join(addresses),
            "OUTSIDE": str(os.getpid()),
            "MARK": secrets.token_hex(8),
        }
        environment["KEY_NAME"] = _plant_key(CANARY)
        os.environ["WANDB_API_KEY"] = CANARY
        stack.callback(os.environ.pop, "WANDB_API_KEY")
        yield Host(folder, victim, listeners, environment)


def _plant_key(secret: str) -> str:
    """Put a secret into the session keyring of this process, a new one, and into its user's; the key's name, empty where there are none."""
    libc, name = ctypes.CDLL(None, use_errno=True), f"gonogo-{secrets.token_hex(4)}"
    numbers = seccomp.here()
    if numbers is None:
        return ""
    add = seccomp.forbidden(numbers)["add_key"]
    libc.syscall(ctypes.c_long(seccomp.keyctl(numbers)), ctypes.c_long(1), None)
    for ring in (-3, -4):
        libc.syscall(ctypes.c_long(add), b"user", name.encode(), secret.encode(), ctypes.c_long(len(secret)), ctypes.c_long(ring))
    return name


@dataclass
class Outcome:
    """What came of one hostile program."""

    result: RunResult
    box: Box
    host: Host
    events: list[bytes] = field(default_factory=list)

    def attempts(self) -> dict[str, bool]:
        """What the program tried, and whether it could."""
        found = {}
        for line in self.result.stdout.text.splitlines():
            with suppress(ValueError):
                said = json.loads(line)
                found[said["attempt"]] = said["could"]
        return found


Check = Callable[[Outcome], Iterator[str]]


@dataclass(frozen=True)
class Case:
    """A hostile program: `expect` is the limit that must end it, `check` says what else is wrong."""

    name: str
    program: str
    arguments: tuple[str, ...] = ()
    limits: Limits = LIMITS
    expect: Limit | None = None
    check: Check | None = None
    slow: bool = False
    # What holds also without a sandbox: limits, and that nothing is left.
    bare: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    events: bool = False
    # More files of the tree, which `fix` keeps as they are.
    code: tuple[tuple[str, str], ...] = ()


def carry_out(case: Case, containment: Containment) -> tuple[list[str], RunResult]:
    """Run a case: what went wrong (nothing, if it was contained and reported), and how the run ended."""
    interpreter = locate(Path(sys.executable))
    with host() as machine:
        policy = Policy(tree=HOSTILE, read_only=interpreter.folders, environment=machine.environment | dict(case.environment))
        events: list[bytes] = []
        with Box(policy, containment) as box:
            machine.environment["GIVEN"] = str(box.give("given.json", "given"))
            for path, text in case.code:
                box.write(path, text)
            if case.code:
                box.fix(lambda path: not path.startswith("results/"))
            result = box.run(
                [interpreter.python, "-B", f"{case.program}.py", *case.arguments],
                env={"GIVEN": machine.environment["GIVEN"]},
                limits=case.limits,
                on_event=events.append if case.events else None,
            )
            outcome = Outcome(result, box, machine, events)
            wrong = list(_general(case, outcome))
            if case.check is not None:
                wrong += case.check(outcome)
        if box.folder.exists():
            wrong.append("the box is still there")
    return wrong, result


def _general(case: Case, outcome: Outcome) -> Iterator[str]:
    yield from outcome.host.harm()
    result = outcome.result
    if result.limit is not case.expect:
        yield f"ended for {result.limit} ({result.reason}), expected {case.expect}; {result.stderr.text[-500:]}"
    if result.survivors:
        yield f"survivors: {result.survivors}"
    if case.expect is None and result.exit_code != 0:
        yield f"the program itself failed with {result.exit_code} (signal {result.signal}): {result.stderr.text[-1000:]}"


def _nothing_but(*own: str) -> Check:
    """Every attempt failed but those that belong to the code itself, and there were attempts."""

    def check(outcome: Outcome) -> Iterator[str]:
        attempts = outcome.attempts()
        if len(attempts) < 3:
            yield f"it hardly tried anything: {outcome.result.stdout.text[:300]}"
        for name, could in attempts.items():
            if could != (name in own):
                yield f"it could {name}" if could else f"it could not {name}"

    return check


def _no_secret(outcome: Outcome) -> Iterator[str]:
    yield from _nothing_but()(outcome)
    text = outcome.result.stdout.text + outcome.result.stderr.text
    if CANARY in text:
        yield "it read a secret"
    if "descriptors: []" not in text:
        yield f"it inherited descriptors: {text[text.find('descriptors:') :][:200]}"


def _bounded(attribute: str, most: int) -> Check:
    def check(outcome: Outcome) -> Iterator[str]:
        value = getattr(outcome.result, attribute)
        if not 0 < value <= most:
            yield f"{attribute} is {value}, expected up to {most}"

    return check


def _quick(seconds: float) -> Check:
    def check(outcome: Outcome) -> Iterator[str]:
        if outcome.result.seconds > seconds:
            yield f"it took {outcome.result.seconds:.1f} s"

    return check


def _daemons_seen(outcome: Outcome) -> Iterator[str]:
    yield from _quick(5)(outcome)
    if outcome.result.daemons < 1:
        yield "no daemon was reported"


def _output_kept_small(outcome: Outcome) -> Iterator[str]:
    for stream in (outcome.result.stdout, outcome.result.stderr):
        if len(stream.head) + len(stream.tail) > 300_000:
            yield "too much output was kept"
    if outcome.result.stdout.total + outcome.result.stderr.total > 200 * MEBIBYTE:
        yield "it could print everything"


def _copied_safely(outcome: Outcome) -> Iterator[str]:
    target = outcome.host.folder.with_name(outcome.host.folder.name + "-copy")
    collected = outcome.box.collect("results", target, most_bytes=64 * MEBIBYTE)
    if sorted(collected.files) != sorted(["metrics.json", "run/figures/curve.pdf", "odd\nname"]):
        yield f"copied: {collected.files}"
    expected = {"link-to-file", "link-to-folder", "link-upwards", "loop", "pipe", "secret", "second-name", "sparse"}
    if not expected <= set(collected.skipped) or not any(reason == "nested too deeply" for reason in collected.skipped.values()):
        yield f"left out: {collected.skipped}"
    if any(path.is_symlink() or not (path.is_file() or path.is_dir()) for path in target.rglob("*")):
        yield "something but files and folders was copied"
    for path in sorted(target.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    target.rmdir()
    for name in ("config/run.yaml", "../outside", "/etc/gonogo-hostile"):
        try:
            outcome.box.write(name, "through a link")
            yield f"{name} was written"
        except StageError:
            pass
    outcome.box.write("plan.yaml", "a file of its own")
    yield from outcome.host.harm()


def _nothing_copied(outcome: Outcome) -> Iterator[str]:
    target = outcome.host.folder / "copy"
    collected = outcome.box.collect("results", target)
    target.rmdir()
    if collected.files or collected.skipped != {"results": "no folder but a symbolic link"}:
        yield f"copied: {collected}"


def _events_whole(outcome: Outcome) -> Iterator[str]:
    if not outcome.events or outcome.events[0] != b"honest":
        yield f"the event did not come: {outcome.events[:1]}"
    yield from _nothing_but()(outcome)


def _capabilities_gone(outcome: Outcome) -> Iterator[str]:
    yield from _nothing_but()(outcome)
    if "'CapEff:\\t0000000000000000\\n'" not in outcome.result.stdout.text or "'NoNewPrivs:\\t1\\n'" not in outcome.result.stdout.text:
        yield f"it has rights: {outcome.result.stdout.text[-300:]}"


def _only_own_calls(outcome: Outcome) -> Iterator[str]:
    yield from _nothing_but("own threads and programs", "own sockets", "own pool")(outcome)
    if len(outcome.attempts()) < 45:
        yield f"it tried {len(outcome.attempts())} things alone"
    if CANARY in outcome.result.stdout.text + outcome.result.stderr.text:
        yield "it read a key of the caller's"


def _code_as_it_was(*added: str) -> Check:
    """The code is as it was given, and what was put beside it is known."""

    def check(outcome: Outcome) -> Iterator[str]:
        yield from _nothing_but("own results", "own file beside the code")(outcome)
        for path, text in CODE:
            if (outcome.box.tree / path).read_text() != text:
                yield f"{path} was changed"
        if Path(outcome.host.environment["GIVEN"]).read_text() != "given":
            yield "a file that was given was changed"
        if sorted(outcome.box.changes()) != sorted(added):
            yield f"changes that were seen: {outcome.box.changes()}"

    return check


def _nobody_is_left_for_the_next(outcome: Outcome) -> Iterator[str]:
    interpreter = locate(Path(sys.executable))
    environment = {"OTHER": str(outcome.result.pid)}
    again = outcome.box.run([interpreter.python, "-B", "outlive.py", "look"], limits=LIMITS, env=environment)
    yield from _nothing_but()(replace(outcome, result=again))
    if outcome.result.daemons < 1:
        yield "the process that it left was not seen"


def _with(limits: Limits = LIMITS, **changes: float) -> Limits:
    return replace(limits, **changes)  # type: ignore[arg-type]


CODE = (("code/main.py", "print('honest')\n"), ("config/run/a.yaml", "a: 1\n"), ("config/config.yaml", "b: 1\n"))
ARCHITECTURE = seccomp.here()
NUMBERS = {"x86_64": {"clone": 56, "pidfd_open": 434, "personality": 135}, "aarch64": {"clone": 220, "pidfd_open": 434, "personality": 92}}
CALLS = (seccomp.forbidden(ARCHITECTURE) if ARCHITECTURE else {}) | NUMBERS.get(os.uname().machine, {})
SMALL_DISK = _with(disk=100 * MEBIBYTE)
CASES = [
    Case("write outside", "write_outside", check=_nothing_but()),
    Case("read secrets", "read_secrets", check=_no_secret),
    Case("connect out", "connect_out", check=_nothing_but("own loopback")),
    Case("break out", "break_out", check=_capabilities_gone),
    Case("ask the kernel", "kernel_calls", check=_only_own_calls, environment=(("CALLS", json.dumps(CALLS)),)),
    Case("change the code", "change_code", code=CODE, check=_code_as_it_was()),
    Case(
        "put code beside the code",
        "change_code",
        ("beside",),
        code=CODE,
        check=_code_as_it_was(
            "numpy.py was added",
            "code/main/, a package, was added",
            "code/__pycache__/main.cpython-311.pyc was added",
            "code/fast.so was added",
            "config/run/b.yaml was added",
        ),
    ),
    Case("live on in the next run", "outlive", ("leave",), check=_nobody_is_left_for_the_next),
    Case("fork bomb", "fork_bomb", limits=_with(processes=50), expect=Limit.PROCESSES, check=_bounded("peak_processes", 200), bare=True),
    Case("fill the disk", "fill_disk", ("files",), SMALL_DISK, Limit.DISK, _bounded("peak_disk", 1_900 * MEBIBYTE), slow=True, bare=True),
    Case("fill the disk from /tmp", "fill_disk", ("tmp",), SMALL_DISK, Limit.DISK, _bounded("peak_disk", 1_900 * MEBIBYTE), slow=True),
    Case("fill shared memory", "fill_disk", ("shm",), SMALL_DISK, Limit.DISK, _bounded("peak_disk", 1_900 * MEBIBYTE), slow=True),
    Case("fill with deleted files", "fill_disk", ("unlinked",), SMALL_DISK, Limit.DISK, slow=True, bare=True),
    Case("fill nameless memory files", "fill_disk", ("memfd",), SMALL_DISK, Limit.DISK, slow=True, bare=True),
    Case("make many files", "fill_disk", ("many",), _with(files=3000), Limit.DISK, slow=True, bare=True),
    Case("hide in deep folders", "fill_disk", ("deep",), SMALL_DISK, Limit.DISK, slow=True, bare=True),
    Case("lock a folder", "lock_folder", expect=None if os.geteuid() == 0 else Limit.DISK, slow=True),
    Case(
        "eat memory",
        "eat_memory",
        ("alone",),
        _with(memory=300 * MEBIBYTE),
        Limit.MEMORY,
        _bounded("peak_memory", 1_900 * MEBIBYTE),
        bare=True,
        slow=True,
    ),
    Case("eat memory in parts", "eat_memory", ("spread",), _with(memory=500 * MEBIBYTE), Limit.MEMORY, slow=True, bare=True),
    Case("ignore SIGTERM", "ignore_sigterm", limits=_with(seconds=1), expect=Limit.TIME, check=_quick(5), bare=True, slow=True),
    Case("kill the first process", "kill_parent", environment=(("KILL", "all"),), check=_quick(6), slow=True),
    Case("leave daemons", "leave_daemons", ("plain",), check=_daemons_seen, bare=True),
    Case("leave nameless daemons", "leave_daemons", ("nameless",), check=_daemons_seen, slow=True, bare=True),
    Case("plant links", "plant_links", check=_copied_safely),
    Case("results are a link", "plant_links", ("folder",), check=_nothing_copied, slow=True),
    Case("print without end", "huge_output", ("lines",), expect=Limit.OUTPUT, check=_output_kept_small, bare=True),
    Case("print one line without end", "huge_output", ("line",), expect=Limit.OUTPUT, check=_output_kept_small, slow=True, bare=True),
    Case("print errors without end", "huge_output", ("error",), expect=Limit.OUTPUT, check=_output_kept_small, slow=True, bare=True),
    Case("read the event channel", "forge_events", check=_events_whole, events=True),
    Case(
        "flood the event channel",
        "forge_events",
        ("flood",),
        _with(events=4 * MEBIBYTE),
        Limit.EVENTS,
        _events_whole,
        slow=True,
        events=True,
    ),
]
MECHANISMS = (Mechanism.BUBBLEWRAP, Mechanism.LANDLOCK, Mechanism.NONE)


def applies(case: Case, mechanism: Mechanism) -> bool:
    """Whether the mechanism promises anything about the case."""
    return case.bare or mechanism is not Mechanism.NONE
