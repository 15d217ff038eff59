"""The engines carry real commands: in parallel, to their end, through the death of a worker, and not beyond being stopped."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from pathlib import Path

import one_node_slurm
import psutil
import pytest

from gonogo.launch import executors
from gonogo.launch.executors import ExecutorOptions
from gonogo.launch.executors.local import LocalExecutor, slots
from gonogo.launch.job import Event, Executor, Job, last_line
from gonogo.model.errors import UsageError

#: Kills the process that carries it, the first time: that which has started the keeper, its parent.
DYING = (
    "import os, pathlib, signal\n"
    "above = int(pathlib.Path(f'/proc/{os.getppid()}/stat').read_bytes().rpartition(b')')[2].split()[1])\n"
    "first = not pathlib.Path('tried').exists()\n"
    "pathlib.Path('tried').touch()\n"
    "print('first' if first else 'again', flush=True)\n"
    "if first: os.kill(above, signal.SIGKILL)\n"
)


def job(tmp_path: Path, label: str, code: str, **env: str) -> Job:
    return Job(label, (sys.executable, "-c", code), str(tmp_path), env, str(tmp_path / "logs" / f"{label}.log"))


def ended(executor: Executor, jobs: list[Job]) -> dict[str, Event]:
    return {event.label: event for event in executor.run(jobs) if event.state != "running"}


def test_jobs_run_with_their_variables_and_logs(tmp_path: Path) -> None:
    code = "import os, sys; print('said', os.environ['WHAT']); print('also', file=sys.stderr)"
    done = ended(LocalExecutor(2), [job(tmp_path, str(n), code, WHAT=f"number {n}") for n in range(5)])
    assert {event.state for event in done.values()} == {"done"}
    assert [sorted((tmp_path / "logs" / f"{n}.log").read_text().split("\n")) for n in range(5)] == [
        ["", "also", f"said number {n}"] for n in range(5)
    ]


@pytest.mark.slow
def test_jobs_at_a_time_are_as_many_as_there_are_places(tmp_path: Path) -> None:
    code = "import time, pathlib; pathlib.Path('now').mkdir(exist_ok=True); p = pathlib.Path('now') / str(time.time_ns()); p.touch(); n = len(list(pathlib.Path('now').iterdir())); time.sleep(0.3); p.unlink(); print(n)"
    ended(LocalExecutor(1), [job(tmp_path, str(n), code) for n in range(3)])
    assert {(tmp_path / "logs" / f"{n}.log").read_text() for n in range(3)} == {"1\n"}


def test_cores_are_dealt_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = slots(2)
    cores = [core for slot in found for core in slot.cores]
    assert len(cores) == len(set(cores))
    assert all(slot.environment()["OMP_NUM_THREADS"] == str(len(slot.cores)) for slot in found)


def test_each_accelerator_is_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert [slot.environment() for slot in slots(None)] == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "3"}]
    assert [slot.gpu for slot in slots(4)] == ["0", "3", "0", "3"]


def test_failure_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    jobs = [
        job(tmp_path, "bad", "raise SystemExit(3)"),
        job(tmp_path, "killed", "import os; os.kill(os.getpid(), 9)"),
        job(tmp_path, "good", ""),
    ]
    done = ended(LocalExecutor(1), jobs)
    assert [(done[name].state, done[name].reason) for name in ("bad", "killed", "good")] == [
        ("failed", "exit code 3"),
        ("failed", "signal 9 ended it"),
        ("done", ""),
    ]


def test_program_that_is_not_there(tmp_path: Path) -> None:
    done = ended(LocalExecutor(1), [Job("x", ("/nowhere/python",), str(tmp_path), log=str(tmp_path / "x.log"))])
    assert done["x"].state == "failed"
    assert "could not be started" in done["x"].reason


def test_stopping_ends_what_runs_with_its_children(tmp_path: Path) -> None:
    code = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); print('up', flush=True); time.sleep(600)"
    events = LocalExecutor(1).run([job(tmp_path, "long", code), job(tmp_path, "next", "")])
    assert next(events).state == "running"
    until = time.monotonic() + 30
    while last_line(str(tmp_path / "logs" / "long.log")) != "up" and time.monotonic() < until:
        time.sleep(0.05)
    events.close()  # type: ignore[attr-defined]
    left = [process for process in psutil.process_iter(["cmdline"]) if "time.sleep(600)" in " ".join(process.info["cmdline"] or [])]
    assert left == []
    assert not (tmp_path / "logs" / "next.log").exists()


@pytest.mark.slow
def test_job_that_is_about_to_begin_is_stopped_too(tmp_path: Path) -> None:
    for number in range(5):
        events = LocalExecutor(2).run([job(tmp_path, f"{number} {n}", "import time; time.sleep(600)") for n in range(2)])
        assert next(events).state == "running"  # its process may not be there yet
        events.close()  # type: ignore[attr-defined]


def test_last_line_of_a_progress_bar(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"first\n10%\r50%\r90% \n\n")
    assert last_line(str(tmp_path / "log")) == "90%"
    assert last_line(str(tmp_path / "none")) == ""


@pytest.mark.parametrize(
    ("name", "address", "parameters"), [("local", "auto", {}), ("local", None, {"slurm_partition": "x"}), ("slurm", "auto", {})]
)
def test_option_of_another_engine_is_refused(name: str, address: str | None, parameters: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="it goes with --on"):
        executors.make(name, ExecutorOptions(None, address, parameters))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
@pytest.mark.filterwarnings("default")
class TestRay:
    def test_jobs_run_as_tasks_and_a_job_whose_worker_dies_runs_again(self, tmp_path: Path) -> None:
        jobs = [job(tmp_path, "a", "print('a')"), job(tmp_path, "dying", DYING), job(tmp_path, "bad", "raise SystemExit(4)")]
        done = ended(executors.make("ray", ExecutorOptions(jobs=2)), jobs)
        assert {label: event.state for label, event in done.items()} == {"a": "done", "dying": "done", "bad": "failed"}
        assert (tmp_path / "logs" / "dying.log").read_text().split() == ["first", "again"]
        assert done["bad"].reason == "exit code 4"


NEEDS_SUBMITIT = pytest.mark.skipif(importlib.util.find_spec("submitit") is None, reason="submitit is not installed")


@pytest.mark.slow
@NEEDS_SUBMITIT
@pytest.mark.filterwarnings("default")
def test_submitit_stands_in_for_slurm_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "sbatch").exists()]
    monkeypatch.setenv("PATH", os.pathsep.join(folders))
    jobs = [job(tmp_path, "a", "print('a')"), job(tmp_path, "bad", "raise SystemExit(4)")]
    done = ended(executors.make("slurm", ExecutorOptions(parameters={"timeout_min": "5"})), jobs)
    assert {label: event.state for label, event in done.items()} == {"a": "done", "bad": "failed"}
    assert (tmp_path / "logs" / "a.log").read_text() == "a\n"


@pytest.mark.slow
@NEEDS_SUBMITIT
@pytest.mark.skipif(bool(one_node_slurm.reason_for_none()), reason=one_node_slurm.reason_for_none() or "never")
@pytest.mark.filterwarnings("default")
def test_slurm_itself_with_a_job_killed_and_its_head_started_again(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("slurm")
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    where = "import os, time; time.sleep(4); print(bool(os.environ.get('SLURM_JOB_ID')))"
    jobs = [job(tmp_path, "where", where), job(tmp_path, "dying", DYING), job(tmp_path, "bad", "raise SystemExit(4)")]
    with one_node_slurm.running(folder) as slurm:
        done: dict[str, Event] = {}
        for event in executors.make("slurm", ExecutorOptions(parameters={"timeout_min": "5", "cpus_per_task": "1"})).run(jobs):
            if event.state == "running" and event.label == "where":
                slurm.controller.terminate()  # so that it keeps what it knows, as a restart does
                slurm.controller.wait()
                slurm.start_controller()
            elif event.state != "running":
                done[event.label] = event
    assert {label: event.state for label, event in done.items()} == {"where": "done", "dying": "done", "bad": "failed"}
    assert (tmp_path / "logs" / "where.log").read_text() == "True\n"
    assert (tmp_path / "logs" / "dying.log").read_text().split() == ["first", "again"]
    assert done["bad"].reason == "exit code 4"
