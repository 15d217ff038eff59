"""One search by several processes that share nothing but a real PostgreSQL: they join, they are killed, and no trial is lost or repeated."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

optuna = pytest.importorskip("optuna", reason="the experiment's own dependencies are not installed")
psycopg = pytest.importorskip("psycopg", reason="the driver of PostgreSQL is not installed")

EXPERIMENT = Path(__file__).resolve().parents[2] / "experiments" / "cw_tent"
TRIALS = 8
SEARCH = [
    "run=digits-tent-1",
    "run.optuna.enabled=true",
    f"run.optuna.n_trials={TRIALS}",
    "++run.optuna.search_space={learning_rate: {type: loguniform, low: 1e-4, high: 1e-2}}",
    "run.dataset.corruption_types=[gaussian_noise]",
    "search.images_per_corruption=256",
    "stream.images=64",
    "stream.first_steps_images=0",
    "source.digitsc.epochs=2",
    "source.digitsc.images=256",
    "source.digitsc.min_accuracy=0",
    "wandb.mode=disabled",
    "threads=1",
]


def programs() -> Path | None:
    """The folder of PostgreSQL's server programs."""
    found = shutil.which("initdb")
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), *([Path(found).parent] if found else [])]
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="optuna", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The storage URL of a server on loopback, made for these tests."""
    binaries = programs()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    owner: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix="gonogo-postgres-"))
    if os.getuid() == 0:  # the server refuses to run as root
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        owner = {"user": "postgres", "group": "postgres"}
        shutil.chown(folder, **owner)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "optuna", "--auth=trust"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **owner)
    server = [str(binaries / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(folder)]
    with subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **owner) as process:
        try:
            wait_until_ready(port)
            yield f"postgresql+psycopg://optuna@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
            shutil.rmtree(folder)


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    overrides = [*SEARCH, f"results_dir='{folder}/results'", f"cache_dir='{folder}/cache'", f"hydra.run.dir='{folder}/hydra'", *more]
    command = [sys.executable, "-u", "-m", "src.train", *overrides]
    return subprocess.Popen(command, cwd=EXPERIMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def best(process: subprocess.Popen[str]) -> str:
    """What a process says that its search has found."""
    with process:
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]
    return next(line for line in output.splitlines() if line.startswith("search:"))


@pytest.mark.slow
def test_processes_that_share_a_database_find_what_one_finds_alone(postgres: str, tmp_path: Path) -> None:
    alone = best(start(tmp_path / "alone"))
    studies = optuna.storages.RDBStorage(postgres)
    storage = f"search.storage='{postgres}'"
    helper = start(tmp_path / "helper", storage, "search.only_help=true")
    run = start(tmp_path / "run", storage)
    deadline = time.monotonic() + 240
    tried: list[Any] = []
    while not tried and time.monotonic() < deadline:
        time.sleep(0.05)
        every = [trial for study in studies.get_all_studies() for trial in studies.get_all_trials(study._study_id, deepcopy=False)]
        tried = [trial for trial in every if trial.user_attrs.get("process") == helper.pid and trial.state.name == "RUNNING"]
    assert tried, "the helper never began a trial"
    os.killpg(helper.pid, signal.SIGKILL)
    helper.communicate()
    late = start(tmp_path / "late", storage, "search.only_help=true")
    assert best(run) == best(late) == alone
    (study,) = studies.get_all_studies()
    done = [trial for trial in studies.get_all_trials(study._study_id) if trial.state.name == "COMPLETE"]
    studies.remove_session()
    studies.engine.dispose()
    assert len(done) == len({tuple(trial.params.items()) for trial in done}) == TRIALS
