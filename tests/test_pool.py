"""The pool: order, time-outs, deaths; with a worker that does on demand what a real one should not."""

import sys
import time
from pathlib import Path

import psutil
import pytest

from gonogo.model.check_options import CheckOptions
from gonogo.model.errors import StageError, UsageError
from gonogo.model.verdict import Outcome
from gonogo.pool import pool as batch
from gonogo.pool.pool import Pool, Task, default_jobs

WORKER = """
import json, os, signal, sys, time
options = json.loads(sys.stdin.readline())
if options["select"] == ["usage"]:
    print(json.dumps({"usage": "no such rule"}), flush=True)
elif options["select"] == ["dead"]:
    sys.exit(9)
else:
    print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    source = json.loads(line)["source"]
    if source == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if source == "exit":
        sys.exit(7)
    if source == "hang":
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        time.sleep(1000)
    if source == "family":
        if os.fork() == 0:
            time.sleep(1000)
        time.sleep(1000)
    if source == "slow":
        time.sleep(0.3)
    if source == "crash":
        reply = {"crash": "gonogo failed on it", "traceback": "Traceback ..."}
    elif source == "usage":
        reply = {"usage": "it is no bundle"}
    else:
        text = "x" * (3_000_000 if source == "big" else 1)
        reply = {"verdict": {"experiment": source, "contract": str(os.getpid()), "gonogo_version": "0"}, "sources": {"a": text}}
    print(json.dumps(reply), flush=True)
"""


@pytest.fixture(autouse=True)
def fake_worker(tmp_path, monkeypatch):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    monkeypatch.setattr(batch, "command", lambda module, **_: [sys.executable, "-I", str(script)])
    monkeypatch.setattr(batch, "GRACE", 0.2)


def run(*sources: str, jobs: int = 2, timeout: float = 1.0, select: tuple[str, ...] = ()) -> list[batch.Result]:
    with Pool(jobs) as pool:
        return list(pool.run([Task(source, source) for source in sources], CheckOptions(timeout=timeout, select=tuple(select))))


def test_order_is_that_of_the_input():
    results = run("slow", "a", "slow", "b", "c", "big", "d")
    assert [result.verdict.experiment for result in results] == ["slow", "a", "slow", "b", "c", "big", "d"]
    assert len({result.verdict.contract for result in results}) == 2, "both processes worked"
    assert len(results[5].sources["a"]) == 3_000_000


def test_results_come_as_soon_as_their_turn_does():
    with Pool(2) as pool:
        results = pool.run([Task(source, source) for source in ("a", "slow", "slow")], CheckOptions(timeout=5))
        started = time.monotonic()
        next(results)
        assert time.monotonic() - started < 0.29 + 1.0
        assert len(list(results)) == 2


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("segfault", "SIGSEGV"),
        ("exit", "exit code 7"),
        ("hang", "took more than"),
        ("crash", "gonogo failed on it"),
        ("usage", "no bundle"),
    ],
)
def test_one_that_fails_does_not_take_the_others_along(source, reason):
    results = run("a", source, "b", source, "c")
    assert [result.verdict.outcome for result in results] == [Outcome.GO, Outcome.UNDECIDED] * 2 + [Outcome.GO]
    assert [result.verdict.experiment for result in results] == ["a", source, "b", source, "c"]
    assert reason in results[1].verdict.undecided[0]


@pytest.mark.slow
def test_the_children_of_a_process_that_hangs_end_with_it():
    assert run("family")[0].verdict.outcome is Outcome.UNDECIDED
    time.sleep(0.1)
    script = batch.command("")[-1]
    assert not [process for process in psutil.process_iter(["cmdline"]) if script in (process.info["cmdline"] or [])]


def test_wrong_options_are_wrong_use():
    with pytest.raises(UsageError, match="no such rule"):
        run("a", select=("usage",))


def test_a_pool_that_does_not_start_says_so():
    with pytest.raises(StageError, match="did not start: it ended with exit code 9"):
        run("a", select=("dead",))


def test_closing_early_ends_everything():
    pool = Pool(3)
    processes = [psutil.Process(worker.process.pid) for worker in pool._workers]
    kept = pool.keep(b"data")
    assert Path(kept).read_bytes() == b"data"
    pool.close()
    assert not any(process.is_running() for process in processes)
    assert not Path(kept).exists()
    pool.close()


def test_default_jobs():
    assert default_jobs(1) == 1
    assert 1 <= default_jobs(1000) <= batch.MAX_JOBS
