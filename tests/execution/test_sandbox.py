"""The sandbox seen by its user: what a run gets, what comes back, and when it is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from mechanisms import containment_of

from gonogo.execution.interpreter_folders import locate
from gonogo.execution.sandbox import Box, Containment, Limit, Limits, Mechanism, Policy, RunResult, Sandbox, establish
from gonogo.execution.sandbox import choice as choices
from gonogo.execution.sandbox.output import KEPT, LONGEST_LINE, Stream
from gonogo.model.errors import StageError, UsageError

PYTHON = locate(Path(sys.executable))
SANDBOXES = (Mechanism.BUBBLEWRAP, Mechanism.LANDLOCK)
EVERY = (*SANDBOXES, Mechanism.NONE)
Python = Callable[..., RunResult]


@pytest.fixture(params=EVERY, ids=str)
def containment(request: pytest.FixtureRequest) -> Containment:
    return containment_of(request.param)


@pytest.fixture(params=SANDBOXES, ids=str)
def strict(request: pytest.FixtureRequest) -> Containment:
    return containment_of(request.param)


def python(box: Box, code: str, *arguments: object, **options: object) -> RunResult:
    """Run Python code in a box."""
    return box.run([PYTHON.python, "-B", "-c", code, *map(str, arguments)], **options)  # type: ignore[arg-type]


def policy(**changes: object) -> Policy:
    return Policy(**{"read_only": PYTHON.folders, "limits": Limits(seconds=20), **changes})  # type: ignore[arg-type]


def test_a_run_works_in_a_private_copy_of_the_tree(containment: Containment, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "data.txt").write_text("original")
    (tmp_path / ".git").mkdir()
    (tmp_path / "link").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "pipe")
    with Box(policy(tree=tmp_path), containment) as box:
        code = "import os; print(open('data.txt').read(), sorted(os.listdir('..'))); open('data.txt', 'w').write('changed'); print(os.getcwd())"
        result = python(box, code, cwd="src")
        assert result.stdout.text == f"original ['link', 'src']\n{box.tree}/src\n"
        assert (box.tree / "src" / "data.txt").read_text() == "changed"
        assert (box.tree / "link").is_symlink()
    assert result.ok
    assert (tmp_path / "src" / "data.txt").read_text() == "original"
    assert not box.folder.exists()


@pytest.mark.parametrize(
    ("code", "exit_code", "number"),
    [("raise SystemExit(3)", 3, None), ("1/0", 1, None), ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", None, signal.SIGSEGV)],
)
def test_the_end_of_a_run_is_told_as_it_was(containment: Containment, code: str, exit_code: int | None, number: int | None) -> None:
    with Box(policy(), containment) as box:
        result = python(box, code)
    assert (result.exit_code, result.signal, result.limit) == (exit_code, number, None)


@pytest.mark.slow
def test_lines_come_while_it_runs(containment: Containment) -> None:
    lines: list[tuple[str, str, float]] = []
    code = "import sys, time; print('a'); time.sleep(0.6); print('b', file=sys.stderr); sys.stdout.write('10%\\r20%\\r'); sys.stdout.write('end')"
    with Box(policy(), containment) as box:
        result = python(box, code, on_line=lambda stream, text: lines.append((stream, text, time.monotonic())))
    assert sorted((stream, text) for stream, text, _ in lines) == [
        ("stderr", "b"),
        ("stdout", "10%"),
        ("stdout", "20%"),
        ("stdout", "a"),
        ("stdout", "end"),
    ]
    times = {text: when for _, text, when in lines}
    assert times["b"] - times["a"] > 0.3
    assert result.stderr.text == "b\n"


def test_the_environment_has_nothing_of_gonogos_but_what_was_given(containment: Containment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("TZ", "Europe/Vienna")
    chosen = policy(environment={"FROM_POLICY": "1"}, path=(Path("/first"),))
    with Box(chosen, containment) as box:
        result = python(box, "import os, json; print(json.dumps(dict(os.environ)))", env={"FROM_RUN": "2"})
        seen = json.loads(result.stdout.text)
        assert seen["HOME"] == str(box.home)
    assert seen["FROM_POLICY"] == "1" and seen["FROM_RUN"] == "2" and seen["TZ"] == "Europe/Vienna"
    assert seen["PATH"].startswith("/first:")
    assert "HF_TOKEN" not in seen


def test_more_folders_can_be_read_or_written(strict: Containment, tmp_path: Path) -> None:
    data, results = tmp_path / "data", tmp_path / "results"
    data.mkdir(), results.mkdir()
    (data / "images.npy").write_text("images")
    code = """
import sys
print(open(sys.argv[1] + "/images.npy").read())
open(sys.argv[2] + "/metrics.json", "w").write("{}")
try:
    open(sys.argv[1] + "/images.npy", "w")
except OSError as error:
    print(type(error).__name__)
"""
    with Box(policy(read_only=(*PYTHON.folders, data), writable=(results,)), strict) as box:
        result = python(box, code, data, results)
    assert result.stdout.text.split()[0] == "images" and len(result.stdout.text.split()) == 2, result.stderr.text
    assert (results / "metrics.json").read_text() == "{}"
    assert (data / "images.npy").read_text() == "images"


def test_a_folder_that_is_not_there_or_shows_everything_is_refused(strict: Containment, tmp_path: Path) -> None:
    for place in (tmp_path / "missing", Path("/")):
        with Box(policy(read_only=(*PYTHON.folders, place)), strict) as box, pytest.raises(StageError, match="sandbox"):
            python(box, "")


def test_events_come_from_children_that_inherit_no_descriptor(containment: Containment) -> None:
    events: list[bytes] = []
    code = """
import os, subprocess, sys
report = "import os; f = open(os.environ['GONOGO_EVENTS'], 'ab', 0); [f.write(b'%d\\\\n' % i) for i in range(500)]"
subprocess.run([sys.executable, "-c", report.replace("\\\\\\\\", "\\\\")], check=True)
"""
    with Box(policy(), containment) as box:
        result = python(box, code, on_event=events.append)
    assert result.ok, result.stderr.text
    assert events == [str(number).encode() for number in range(500)]


def test_a_descriptor_can_be_handed_in(containment: Containment) -> None:
    reading, writing = os.pipe()
    try:
        with Box(policy(), containment) as box:
            result = python(box, "import os, sys; os.write(int(sys.argv[1]), b'hello')", writing, pass_fds=(writing,))
        assert result.ok, result.stderr.text
        assert os.read(reading, 10) == b"hello"
    finally:
        os.close(reading), os.close(writing)


@pytest.mark.slow
def test_usual_things_work(strict: Containment) -> None:
    code = """
import getpass, multiprocessing, multiprocessing.shared_memory, os, shutil, socket, tempfile, pathlib
getpass.getuser(); pathlib.Path("~/x").expanduser().write_text("x")
with multiprocessing.Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
block = multiprocessing.shared_memory.SharedMemory(create=True, size=100); block.close(); block.unlink()
with tempfile.TemporaryDirectory() as folder: open(os.path.join(folder, "x"), "w").write("x")
os.makedirs("a/b"); open("a/x", "w").write("x"); os.rename("a/x", "a/b/x"); shutil.move("a/b/x", "/tmp/x")
open("/dev/null", "w").write("x"); os.urandom(4); open("/dev/urandom", "rb").read(4)
assert socket.gethostbyname("localhost") == "127.0.0.1"
assert os.cpu_count() >= 1 and open("/proc/cpuinfo").read() and open("/proc/self/status").read()
import ssl, sqlite3, ctypes; ssl.create_default_context(); sqlite3.connect("x.db").execute("create table t (x)")
print("fine", os.getuid() != 0)
"""
    with Box(policy(), strict) as box:
        result = python(box, code)
    assert result.stdout.text == "fine True\n", result.stderr.text


@pytest.mark.slow
def test_shared_memory_is_counted_once(containment: Containment) -> None:
    """Five processes that share 60 MB take 60 MB, not 300."""
    code = """
import os, time
block = bytearray(60 << 20)
for _ in range(5):
    if not os.fork():
        time.sleep(0.6); os._exit(0)
time.sleep(0.8)
"""
    with Box(policy(limits=Limits(seconds=20, memory=200 << 20)), containment) as box:
        result = python(box, code)
    assert result.ok, result.reason
    assert 60 << 20 < result.peak_memory < 200 << 20


@pytest.mark.slow
def test_child_can_say_where_it_is_before_its_parent_ends(containment: Containment) -> None:
    code = """
import os, signal, sys, time
if os.fork():
    time.sleep(20)
def end(*_):
    time.sleep(0.6)  # as on a busy machine, where its turn comes late
    os.write(1, b"the child was here")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
time.sleep(20)
"""
    with Box(policy(limits=Limits(seconds=0.7, grace=5)), containment) as box:
        result = python(box, code)
    assert (result.limit, result.stdout.text) == (Limit.TIME, "the child was here")
    assert result.seconds < 4


@pytest.mark.slow
def test_time_is_up_but_there_is_time_to_clear_up(containment: Containment) -> None:
    code = """
import signal, sys, time
def end(*_):
    print("clearing up"); sys.exit(0)
signal.signal(signal.SIGTERM, end)
time.sleep(20)
"""
    with Box(policy(limits=Limits(seconds=0.7, grace=5)), containment) as box:
        result = python(box, code)
    assert (result.limit, result.stdout.text) == (Limit.TIME, "clearing up\n")
    assert result.seconds < 4 and not result.ok


def test_a_box_can_be_used_again_and_beside_others(containment: Containment) -> None:
    with Box(policy(), containment) as first, Box(policy(), containment) as second:
        assert python(first, "open('x', 'w').write('first')").ok
        assert python(second, "import os; print(os.listdir('.'))").stdout.text == "[]\n"
        assert python(first, "print(open('x').read())").stdout.text == "first\n"


def test_a_program_that_is_not_there_is_an_error_of_the_stage(containment: Containment) -> None:
    with Box(policy(), containment) as box:
        with pytest.raises(StageError, match="absolute"):
            box.run(["python"])
        with pytest.raises(StageError, match="No such file"):
            box.run(["/usr/bin/there-is-none"])


@pytest.mark.slow
def test_nothing_is_left_when_gonogo_itself_is_killed(containment: Containment, tmp_path: Path) -> None:
    mark = f"gonogo-mark-{os.getpid()}-{containment.mechanism}"
    code = f"""
import sys
from pathlib import Path
from gonogo.execution.interpreter_folders import locate
from gonogo.execution.sandbox import Box, Containment, Policy
python = locate(Path(sys.executable))
with Box(Policy(read_only=python.folders, parent=Path({str(tmp_path)!r})), Containment(mechanism={str(containment.mechanism)!r})) as box:
    box.run([python.python, "-c", "import time; print('up'); time.sleep(25)", {mark!r}], on_line=lambda *said: print(*said, flush=True))
"""
    gonogo = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert gonogo.stdout is not None
    try:
        assert gonogo.stdout.readline() == "stdout up\n"
        assert _carrying(mark)
    finally:
        gonogo.kill()
        gonogo.wait()
        gonogo.stdout.close()
    deadline = time.monotonic() + 5
    while _carrying(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _carrying(mark) == []


def _carrying(mark: str) -> list[int]:
    return [process.pid for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or [])]


@pytest.mark.slow
def test_without_a_sandbox_what_kills_its_parent_is_found_all_the_same() -> None:
    mark = f"gonogo-orphan-{os.getpid()}"
    code = """
import os, signal, time
if not os.fork():
    os.setsid(); time.sleep(25)
time.sleep(0.3)
os.kill(os.getppid(), signal.SIGKILL)
time.sleep(25)
"""
    with Box(policy(), containment_of(Mechanism.NONE)) as box:
        result = python(box, code, mark)
    assert (result.signal, result.survivors) == (signal.SIGKILL, ())
    assert result.seconds < 10 and _carrying(mark) == []


def test_an_interrupt_ends_the_run_too(containment: Containment) -> None:
    def interrupt(*_: str) -> None:
        raise KeyboardInterrupt

    mark = f"gonogo-interrupted-{os.getpid()}-{containment.mechanism}"
    with Box(policy(), containment) as box, pytest.raises(KeyboardInterrupt):
        python(box, "import time; print('up'); time.sleep(25)", mark, on_line=interrupt)
    assert _carrying(mark) == []


def test_what_was_achieved_is_reported() -> None:
    containment = establish()
    assert containment.holds and containment.mechanism in SANDBOXES
    assert len(containment.tests) >= 7 and str(containment.mechanism) in str(containment)
    assert not Containment(mechanism=Mechanism.NONE).holds
    with Sandbox(policy()) as box:
        assert box.containment == containment


def test_none_only_by_hand_and_never_where_one_is_required() -> None:
    assert establish(Mechanism.NONE).mechanism is Mechanism.NONE
    with pytest.raises(UsageError, match="require-sandbox"):
        establish(Mechanism.NONE, required=True)


def test_without_a_mechanism_that_holds_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "try_out", lambda mechanism: (None, "not here"))
    with pytest.raises(StageError, match=r"no sandbox holds.*bubblewrap: not here; landlock: not here.*--sandbox none"):
        establish()


FAKE_BUBBLEWRAP = """#!{python} -IS
import os, sys
if sys.argv[1] == "--version":
    raise SystemExit(print("bubblewrap 0.8.0"))
if {broken}:
    raise SystemExit("No permissions to create a new namespace")
inner = sys.argv[sys.argv.index("--") + 1 :]
os.execv(inner[0], inner)
"""


@pytest.mark.parametrize(
    ("broken", "reason"),
    [(False, "failed its self-test: read a file outside (it could: "), (True, "No permissions to create")],
)
def test_a_bubblewrap_that_does_not_hold_is_found_out(broken: bool, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-test believes nobody: this `bwrap` says all the right things and contains nothing, or can't start."""
    program = tmp_path / "bwrap"
    program.write_text(FAKE_BUBBLEWRAP.format(python=sys.executable, broken=broken))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    choices.bubblewrap.find.cache_clear()
    try:
        containment, said = choices.try_out.__wrapped__(Mechanism.BUBBLEWRAP)
        assert reason in said
        assert containment is None or not containment.holds
    finally:
        choices.bubblewrap.find.cache_clear()


def test_of_a_long_stream_the_beginning_and_the_end_are_kept() -> None:
    lines: list[bytes] = []
    stream = Stream(lines.append)
    for number in range(100_000):
        stream.feed(b"line %06d\n" % number)
    stream.feed(b"x" * (LONGEST_LINE + 5))
    captured = stream.close()
    assert captured.head.startswith("line 000000\n") and captured.tail.endswith("x" * 100)
    assert captured.total == 100_000 * 12 + LONGEST_LINE + 5 == len(captured.head) + len(captured.tail) + captured.omitted
    assert len(captured.head) == len(captured.tail) == KEPT
    assert f"{captured.omitted} bytes left out" in captured.text
    assert lines[0] == b"line 000000" and lines[-2:] == [b"x" * LONGEST_LINE, b"x" * 5]


def test_lines_are_the_same_however_the_bytes_come() -> None:
    text = "a\r\nb\rc\n\nä€\r".encode()
    for size in (1, 2, 3, 100):
        lines: list[bytes] = []
        stream = Stream(lines.append)
        for start in range(0, len(text), size):
            stream.feed(text[start : start + size])
        stream.close()
        assert lines == [b"a", b"b", b"c", b"", "ä€".encode()], size
