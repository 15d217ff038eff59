"""Two launches never run one run at once, nothing outlives a launch that is killed, and asking git runs no program of the experiment's."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from cli import GONOGO, copy_of, gonogo

from gonogo.launch.commit import commit_of
from gonogo.launch.credentials import has_credentials, uses_wandb
from gonogo.launch.executors.local import LocalExecutor
from gonogo.launch.job import Job, carry_out
from gonogo.launch.lock import lock_of, only_launch, refuse_if_held
from gonogo.launch.processes import began, end_what_is_left
from gonogo.launch.results import Folder, content_of, data_of
from gonogo.model import experiment as experiments
from gonogo.model.errors import UsageError

GOLDEN = Path(__file__).parents[1] / "golden"
PLAN = GOLDEN.parent / "golden.plan.yaml"
# A job with a child in a session of its own, whose parent is gone: nothing but its number in a file leads to it.
FAMILY = """
import os, subprocess, sys, time
code = "import os, pathlib, time; pathlib.Path('far').write_text(str(os.getpid())); time.sleep(601)"
middle = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {code!r}], start_new_session=True)"
subprocess.run([sys.executable, '-c', middle])
subprocess.Popen([sys.executable, '-c', "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(601)"])
open('near', 'w').write(str(os.getpid()))
time.sleep(601)
"""
CARRY = """
import sys
from pathlib import Path
from gonogo.launch.executors.local import LocalExecutor
from gonogo.launch.job import Job
folder = sys.argv[1]
job = Job("a/b", (sys.executable, "-c", sys.argv[2]), folder, {}, f"{folder}/log", 0, f"{folder}/running/a_b.json")
for event in LocalExecutor(1).run([job]):
    print(event.state, flush=True)
"""


def wait(until: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something that comes at once on a machine that has time."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


def number(path: Path) -> int:
    wait(lambda: path.exists() and path.read_text())
    return int(path.read_text())


def _append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def carrier(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that carries the family's job, as a launch does."""
    process = subprocess.Popen(
        [sys.executable, "-c", CARRY, str(tmp_path), FAMILY], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    yield process
    process.kill()
    process.communicate()


class TestLock:
    @pytest.mark.slow
    def test_second_launch_is_refused_with_the_first_ones_number(self, tmp_path: Path) -> None:
        folder = Folder(tmp_path / "results")
        hold = f"import sys, time; from pathlib import Path; from gonogo.launch.lock import only_launch\nwith only_launch(Path({str(folder.path)!r})): print('held', flush=True); time.sleep(601)"
        with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True) as first:
            assert first.stdout is not None
            assert first.stdout.readline() == "held\n"
            with pytest.raises(
                UsageError, match=rf"Another launch is at work in .*results \(process {first.pid} on .*, since 20.*\): wait"
            ):
                refuse_if_held(folder.path)
            tree = copy_of(GOLDEN, tmp_path / "experiment", PLAN)
            done = gonogo("launch", tree, "--results", folder.path)
            assert done.returncode == 2
            assert f"process {first.pid}" in done.stderr
            first.kill()  # the kernel gives the lock back
            first.wait()
        refuse_if_held(folder.path)
        with folder.held() as left:
            assert left == []

    def test_folder_that_is_not_there_is_not_made(self, tmp_path: Path) -> None:
        refuse_if_held(tmp_path / "results")
        assert list(tmp_path.iterdir()) == []

    def test_file_system_without_locks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        Folder(tmp_path)

        def refuse(*_: object) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(fcntl, "flock", refuse)
        with pytest.raises(UsageError, match="two launches could run the same run"), only_launch(tmp_path):
            pass
        assert lock_of(tmp_path).exists()


class TestEnd:
    @pytest.mark.slow
    def test_nothing_outlives_a_launcher_that_is_killed(self, tmp_path: Path, carrier: subprocess.Popen[str]) -> None:
        pids = [number(tmp_path / "near"), number(tmp_path / "far")]
        record = json.loads((tmp_path / "running/a_b.json").read_text())
        pids += [record["pid"], *(child.pid for child in psutil.Process(record["pid"]).children(recursive=True))]
        assert all(map(lives, pids))
        os.kill(carrier.pid, signal.SIGKILL)
        carrier.wait()
        wait(lambda: not any(map(lives, pids)))

    def test_nothing_outlives_a_job_that_ends(self, tmp_path: Path) -> None:
        ending = "while not (os.path.exists('far') and open('far').read()): time.sleep(0.02)\n"
        code = FAMILY.rpartition("time.sleep")[0] + ending
        job = Job("a", (sys.executable, "-c", code), str(tmp_path), log=str(tmp_path / "log"))
        assert carry_out(job).state == "done", (tmp_path / "log").read_text()
        wait(lambda: not lives(number(tmp_path / "far")))

    def test_stopping_ends_the_far_ones_too(self, tmp_path: Path) -> None:
        events = LocalExecutor(1).run([Job("a", (sys.executable, "-c", FAMILY), str(tmp_path), log=str(tmp_path / "log"))])
        next(events)
        pids = [number(tmp_path / "near"), number(tmp_path / "far")]
        events.close()  # type: ignore[attr-defined]
        wait(lambda: not any(map(lives, pids)))

    def test_job_may_end_by_itself_when_it_is_asked_to(self, tmp_path: Path) -> None:
        code = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: (print('saved', flush=True), sys.exit(0)))\nprint('up', flush=True)\ntime.sleep(601)"
        events = LocalExecutor(1).run([Job("a", (sys.executable, "-c", code), str(tmp_path), log=str(tmp_path / "log"))])
        next(events)
        wait(lambda: (tmp_path / "log").exists() and "up" in (tmp_path / "log").read_text())
        events.close()  # type: ignore[attr-defined]
        assert "saved" in (tmp_path / "log").read_text()

    @pytest.mark.slow
    def test_what_is_left_is_ended_at_the_next_start(self, tmp_path: Path, carrier: subprocess.Popen[str]) -> None:
        pids = [number(tmp_path / "near"), number(tmp_path / "far")]
        record = tmp_path / "running/a_b.json"
        keeper = json.loads(record.read_text())["pid"]
        for pid in (keeper, carrier.pid):  # stopped, the keeper does not hear of its parent's death, nor of being asked
            os.kill(pid, signal.SIGSTOP)
        os.kill(carrier.pid, signal.SIGKILL)
        assert lives(pids[0])
        os.kill(keeper, signal.SIGCONT)
        assert end_what_is_left(tmp_path / "running") in (["a/b"], [])  # it may have ended by itself by now
        wait(lambda: not any(map(lives, [*pids, keeper])))
        assert not record.exists()
        assert end_what_is_left(tmp_path / "running") == []

    def test_another_process_of_that_number_is_left_alone(self, tmp_path: Path) -> None:
        sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(601)"])
        try:
            about = {"run": "a", "pid": sleeper.pid, "host": platform.node(), "began": "1 another-boot"}
            (tmp_path / "a.json").write_text(json.dumps(about))
            assert end_what_is_left(tmp_path) == []
            assert sleeper.poll() is None
            (tmp_path / "a.json").write_text(json.dumps({**about, "began": began(sleeper.pid)}))
            assert end_what_is_left(tmp_path) == ["a"]
            assert sleeper.wait() == -signal.SIGTERM
        finally:
            sleeper.kill()
            sleeper.wait()

    def test_run_on_another_machine_is_not_started_twice(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text(json.dumps({"run": "a", "pid": 1, "host": "elsewhere", "began": "x"}))
        with pytest.raises(UsageError, match="may still be at work on elsewhere"):
            end_what_is_left(tmp_path)
        assert (tmp_path / "a.json").exists()

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": "x"}', "\0", '{"pid": 1.5}'])
    def test_records_that_are_none(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "a.json").write_text(text)
        assert end_what_is_left(tmp_path) == []
        assert list(tmp_path.iterdir()) == []

    def test_job_that_waits_in_slurms_queue_is_cancelled(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tools = tmp_path / "tools"
        tools.mkdir()
        (tools / "squeue").write_text(f"#!/bin/sh\n[ -e {tmp_path}/cancelled ] || echo 77\n")
        (tools / "scancel").write_text(f'#!/bin/sh\n[ "$1" = 77 ] && touch {tmp_path}/cancelled\n')
        for tool in tools.iterdir():
            tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
        records = tmp_path / "running"
        records.mkdir()
        (records / "a.queue.json").write_text(json.dumps({"run": "a", "slurm": "77"}))
        (records / "b.queue.json").write_text(json.dumps({"run": "b", "slurm": "78"}))
        assert end_what_is_left(records) == ["a"]
        assert (tmp_path / "cancelled").exists()


@pytest.mark.slow
def test_launch_killed_and_started_again_runs_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    tree, results = copy_of(GOLDEN, tmp_path / "experiment", PLAN), tmp_path / "results"
    # Each run counts itself in and out; the second waits until it is let go.
    gate = f"not cfg.trial_mode and Path({str(tmp_path / 'wait')!r}).exists()"
    count = (
        f"    with open({str(tmp_path / 'log')!r}, 'a') as file: file.write(f'{{cfg.run.run_id}} {{__import__(\"os\").getpid()}} {{cfg.trial_mode}}\\n')\n"
        f"    while 'comparative' in cfg.run.run_id and {gate}:\n        __import__('time').sleep(0.1)\n"
    )
    train = tree / "src/train.py"
    head = "    found = search(cfg) if"
    train.write_text(train.read_text().replace(head, count + head))
    (tmp_path / "wait").touch()
    command = [
        *GONOGO,
        "launch",
        str(tree),
        "--results",
        str(results),
        "--jobs",
        "1",
        "--python",
        sys.prefix,
        "--force",
        "--run-timeout",
        "20",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)

    def states() -> dict[str, str]:
        path = results / ".gonogo/launch.json"
        return {run: entry["state"] for run, entry in json.loads(path.read_text()).items()} if path.exists() else {}

    wait(lambda: states().get("comparative-1-mlp-digits") == "running", 400)
    begun = (tmp_path / "log").read_text().splitlines()
    wait(lambda: [line for line in (tmp_path / "log").read_text().splitlines()[len(begun) - 1 :] if "comparative" in line], 100)
    waiting = int((tmp_path / "log").read_text().splitlines()[-1].split()[1])
    first.kill()
    _, said = first.communicate()
    assert "no credentials for W&B" in said
    assert "/login?key=" in said
    wait(lambda: not lives(waiting))
    (tmp_path / "wait").unlink()
    before = (tmp_path / "log").read_text()
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "proposed-mlp-digits: skipped" in done.stderr
    since = [line.split()[0] for line in (tmp_path / "log").read_text().removeprefix(before).splitlines() if line.endswith("False")]
    assert since.count("comparative-1-mlp-digits") == 1


class TestContent:
    def test_every_file_counts(self, tmp_path: Path) -> None:
        tree = copy_of(GOLDEN, tmp_path / "experiment", PLAN)
        seen = {content_of(experiments.load(str(tree)))}
        for name, data in (
            ("uv.lock", b"a"),
            ("uv.lock", b"b"),
            (".python-version", b"3.11"),
            ("data/x.bin", b"\0"),
            ("data/x.bin", b"\1"),
            ("weights.pt", b"\0" * 2_000_000),
        ):
            (tree / name).parent.mkdir(exist_ok=True)
            (tree / name).write_bytes(data)
            seen.add(content_of(experiments.load(str(tree))))
        (tree / "link").symlink_to("data")
        seen.add(content_of(experiments.load(str(tree))))
        assert len(seen) == 8
        os.utime(tree / "weights.pt", (1, 1))
        assert content_of(experiments.load(str(tree))) not in seen
        assert content_of(experiments.load(str(tree))) == content_of(experiments.load(str(tree)))

    def test_results_are_none_of_it(self, tmp_path: Path) -> None:
        tree = copy_of(GOLDEN, tmp_path / "experiment", PLAN)
        first = content_of(experiments.load(str(tree)), results=tree / "results")
        Folder(tree / "results").note("a", "done", first)
        (tree / "results" / "a").mkdir()
        (tree / "results" / "a" / "metrics.json").write_text("{}")
        assert content_of(experiments.load(str(tree)), results=tree / "results") == first

    def test_data_that_change_or_go_make_runs_start_anew(self, tmp_path: Path) -> None:
        folder, cache = Folder(tmp_path / "results"), tmp_path / "tree/.cache/sets"
        cache.mkdir(parents=True)
        (cache / "large").write_bytes(b"\0" * 2_000_000)
        (cache / "small").write_text("v1")
        (cache / "lock").touch()
        root = tmp_path / "tree"
        folder.note("a", "done", "one")
        folder.note_data(data_of(root))
        (cache / "fetched later").write_text("by another run")
        (cache / "small").write_text("v1")  # written again, the same
        os.utime(cache / "lock")
        assert folder.finished("one", data_of(root)) == {"a"}
        os.utime(cache / "large", (1, 1))
        assert folder.finished("one", data_of(root)) == set()
        folder.note_data(data_of(root))
        (cache / "small").write_text("v2")
        assert folder.finished("one", data_of(root)) == set()
        folder.note_data(data_of(root))
        (cache / "large").unlink()
        assert folder.finished("one", data_of(root)) == set()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
class TestGit:
    def _repository(self, path: Path) -> Path:
        path.mkdir(exist_ok=True)
        (path / "a.txt").write_text("a\n")
        for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
            subprocess.run(["git", "-C", str(path), *command], check=True, capture_output=True)
        return path

    def _head(self, path: Path) -> str:
        return subprocess.run(["git", "-C", str(path), "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()

    def test_commit_and_changes(self, tmp_path: Path) -> None:
        tree = self._repository(tmp_path / "tree")
        assert commit_of(tree) == self._head(tree)
        (tree / "b.txt").write_text("new")
        assert commit_of(tree) == f"{self._head(tree)}-dirty"
        assert commit_of(None) is None
        (tmp_path / "none").mkdir()
        assert commit_of(tmp_path / "none") is None

    def test_settings_of_the_repository_run_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tree = self._repository(tmp_path / "tree")
        trap = tmp_path / "trap"
        trap.write_text(f'#!/bin/sh\necho "$0 $@" >> {tmp_path}/sprung\ncat\n')
        trap.chmod(0o755)
        for name in ("post-index-change", "fsmonitor-watchman", "pre-auto-gc", "reference-transaction"):
            shutil.copy(trap, tree / ".git/hooks" / name)
        self._repository(tree / "inner")
        subprocess.run(
            ["git", "-C", str(tree), "-c", "protocol.file.allow=always", "-c", "advice.addEmbeddedRepo=false", "add", "inner"],
            check=True,
            capture_output=True,
        )
        _append(tree / "inner/.git/config", f"[core]\n\tfsmonitor = {trap}\n")
        (tree / ".gitattributes").write_text("*.txt filter=a filter=b=c diff=d\n*.md filter=b=c\n*.yml filter=p.q\n")
        settings = f"""
[core]
	fsmonitor = {trap}
	sshCommand = {trap}
	pager = {trap}
	editor = {trap}
	askPass = {trap}
	gitProxy = {trap}
	alternateRefsCommand = {trap}
	hooksPath = {tree}/.git/hooks
[filter "a"]
	clean = {trap}
	smudge = {trap}
	process = {trap}
	required = true
[filter "b=c"]
	clean = {trap}
	required
[filter "p.q"]
	process = {trap}
[diff]
	external = {trap}
[diff "d"]
	command = {trap}
	textconv = {trap}
[status]
	submoduleSummary = true
[credential]
	helper = !{trap}
[alias]
	status = !{trap}
	rev-parse = !{trap}
[remote "origin"]
	url = ssh://nowhere.invalid/x
	uploadpack = {trap}
	promisor = true
[extensions]
	partialClone = origin
[gpg]
	program = {trap}
[include]
	path = more
"""
        _append(tree / ".git/config", settings)
        (tree / ".git/more").write_text(f'[filter "more"]\n\tclean = {trap}\n')
        for name in ("a.txt", "b.md", "c.yml", "d.more"):
            (tree / name).write_text("changed\n")
        os.utime(tree / "a.txt", (1, 1))
        # Without care, these do run: the trap is one.
        subprocess.run(["git", "-C", str(tree), "status", "--porcelain"], capture_output=True, check=False)
        assert (tmp_path / "sprung").exists()
        (tmp_path / "sprung").unlink()
        found = commit_of(tree)
        assert not (tmp_path / "sprung").exists(), (tmp_path / "sprung").read_text()
        assert found is not None
        assert found.endswith("-dirty")

    def test_missing_objects_are_not_fetched(self, tmp_path: Path) -> None:
        tree = self._repository(tmp_path / "tree")
        trap = tmp_path / "trap"
        trap.write_text(f"#!/bin/sh\necho sprung >> {tmp_path}/sprung\nexit 1\n")
        trap.chmod(0o755)
        _append(
            tree / ".git/config",
            f'[core]\n\tsshCommand = {trap}\n[remote "origin"]\n\turl = ssh://nowhere.invalid/x\n\tpromisor = true\n[extensions]\n\tpartialClone = origin\n',
        )
        head = self._head(tree)
        for path in (tree / ".git/objects").glob("??/*"):
            if path.parent.name + path.name != head:
                path.unlink()
        commit_of(tree)
        assert not (tmp_path / "sprung").exists()


class TestCredentials:
    @pytest.mark.parametrize(
        ("environment", "found"),
        [
            ({}, False),
            ({"WANDB_API_KEY": "x" * 40}, True),
            ({"WANDB_API_KEY": " "}, False),
            ({"WANDB_MODE": "offline"}, True),
            ({"WANDB_MODE": "Disabled"}, True),
            ({"WANDB_MODE": "online"}, False),
            ({"WANDB_IDENTITY_TOKEN_FILE": "/x"}, True),
            ({"NETRC": "/nowhere"}, False),
        ],
    )
    def test_variables(self, tmp_path: Path, environment: dict[str, str], found: bool) -> None:
        assert has_credentials({"HOME": str(tmp_path), **environment}) is found

    @pytest.mark.parametrize(
        ("text", "url", "found"),
        [
            ("machine api.wandb.ai login user password abc\n", "", True),
            ("machine api.wandb.ai\n  login user\n  password abc\n", "https://wandb.example", False),
            ("machine wandb.example login user password abc\n", "https://wandb.example:8080/", True),
            ("machine other.example login user password abc\n", "", False),
            ("machine\n\0", "", False),
        ],
    )
    def test_file_of_wandb_login(self, tmp_path: Path, text: str, url: str, found: bool) -> None:
        (tmp_path / ".netrc").write_text(text)
        (tmp_path / ".netrc").chmod(0o600)
        assert has_credentials({"HOME": str(tmp_path), "WANDB_BASE_URL": url}) is found

    def test_code_without_wandb_needs_none(self) -> None:
        assert uses_wandb(experiments.load(str(GOLDEN)))
        bare = experiments.Experiment("x", {"a.py": experiments.SourceFile("a.py", "print(1)\n")})
        assert not uses_wandb(bare)
