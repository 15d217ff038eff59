"""The client's command line: `wandb sweep`, `agent`, `pull`, `restore`, `verify` and `projects`, and what it does as it says no."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from client_scripts import ENTITY, PATH, PROJECT, api, run, run_of, tracker_and_client

from gonogo.tracker import Tracker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracker]:
    pytest.importorskip("wandb", reason="the client is not installed")
    with tracker_and_client(tmp_path_factory.mktemp("flow")) as running:
        yield running


def wandb(tracker: Tracker, folder: Path, *arguments: str, code: int = 0) -> str:
    """Call the client's command line; all that it writes."""
    folder.mkdir(parents=True, exist_ok=True)
    variables = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")} | tracker.environment(folder)
    variables |= {"WANDB_ENTITY": ENTITY, "WANDB_PROJECT": PROJECT, "TMPDIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "wandb", *arguments],
        cwd=folder,
        env=variables,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


TRAIN = """
import argparse, wandb
given = argparse.ArgumentParser()
given.add_argument("--lr", type=float)
given.add_argument("--depth", type=int)
with wandb.init(config=vars(given.parse_args()), settings={"x_disable_stats": True}) as run:
    run.log({"loss": run.config["lr"] * run.config["depth"]})
"""


def make_sweep(tracker: Tracker, folder: Path, **changes: object) -> str:
    """Make a sweep by the command line; its id."""
    config = {
        "program": "train.py",
        "command": [sys.executable, "${program}", "${args}"],
        "method": "grid",
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {"lr": {"values": [0.1, 0.2, 0.3]}, "depth": {"value": 2}},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.py").write_text(TRAIN)
    (folder / "sweep.yaml").write_text(yaml.safe_dump(config | changes))
    said = wandb(tracker, folder, "sweep", "sweep.yaml")
    (line,) = [line for line in said.splitlines() if "Run sweep agent with" in line]
    assert f"{tracker.url}/{ENTITY}/{PROJECT}/sweeps/" in said
    return line.split("/")[-1].strip()


def test_a_sweep_by_the_command_line(tracker: Tracker, tmp_path: Path) -> None:
    sweep = make_sweep(tracker, tmp_path)
    said = wandb(tracker, tmp_path, "agent", f"{PATH}/{sweep}")
    assert "--depth=2" in said and "--lr=0.2" in said
    found = api().sweep(f"{PATH}/{sweep}")
    assert sorted(run.config["lr"] for run in found.runs) == [0.1, 0.2, 0.3]
    assert (found.state, found.best_run().config["lr"], found.expected_run_count) == ("FINISHED", 0.1, 3)
    assert [sweep.id for sweep in api().project(PROJECT, ENTITY).sweeps()] == [sweep]


def test_an_agent_asks_no_more_than_it_is_told(tracker: Tracker, tmp_path: Path) -> None:
    sweep = make_sweep(tracker, tmp_path, method="bayes", parameters={"lr": {"min": 0.0, "max": 1.0}, "depth": {"value": 2}})
    wandb(tracker, tmp_path, "agent", "--count", "2", f"{PATH}/{sweep}")
    found = api().sweep(f"{PATH}/{sweep}")
    assert len(found.runs) == 2 and found.state == "RUNNING"


def test_sweeps_are_paused_resumed_stopped_and_cancelled(tracker: Tracker, tmp_path: Path) -> None:
    sweep = make_sweep(tracker, tmp_path, method="random")
    wandb(tracker, tmp_path, "agent", "--count", "1", f"{PATH}/{sweep}")
    for option, state in {"--pause": "PAUSED", "--resume": "RUNNING", "--stop": "FINISHED"}.items():
        wandb(tracker, tmp_path, "sweep", option, f"{PATH}/{sweep}")
        assert api().sweep(f"{PATH}/{sweep}").state == state
    other = make_sweep(tracker, tmp_path, method="random")
    wandb(tracker, tmp_path, "sweep", "--cancel", f"{PATH}/{other}")
    assert api().sweep(f"{PATH}/{other}").state == "CANCELED"
    wandb(tracker, tmp_path, "agent", f"{PATH}/{other}")
    assert len(api().sweep(f"{PATH}/{other}").runs) == 0


def test_a_sweep_that_makes_no_sense_is_refused_in_words(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump({"method": "grid", "parameters": {"lr": {"min": 0.0, "max": 1.0}}}))
    said = wandb(tracker, tmp_path, "sweep", "sweep.yaml", code=1)
    assert "lr" in said and "grid" in said


def test_files_are_pulled(tracker: Tracker, tmp_path: Path) -> None:
    script = """
Path("deep").mkdir(); Path("deep/notes.txt").write_text("notes")
with init(id="pulled") as run:
    run.save("deep/*", base_path=".")
"""
    run(tracker, tmp_path / "made", script)
    wandb(tracker, tmp_path / "there", "pull", f"{PATH}/pulled")
    assert (tmp_path / "there/deep/notes.txt").read_text() == "notes"


def test_a_run_is_restored_with_its_changes(tracker: Tracker, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x"]
    (source / "train.py").write_text("lr = 1\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], cwd=source, check=True)
    (source / "train.py").write_text("lr = 2\n")
    run(tracker, source, "with init(id='restored', config={'lr': 2}, settings={'save_code': True}) as run:\n    run.log({'x': 1})")
    subprocess.run([*git, "checkout", "-q", "train.py"], cwd=source, check=True)
    said = wandb(tracker, source, "restore", f"{PATH}/restored")
    assert (source / "train.py").read_text() == "lr = 2\n", said
    assert yaml.safe_load((source / "wandb/config.yaml").read_text())["lr"]["value"] == 2


def test_projects_are_listed(tracker: Tracker, tmp_path: Path) -> None:
    import wandb as client

    if client.__version__.startswith(("0.30.", "0.31.")):
        pytest.skip("this version of the client asks for the length of what has none; `clients/flow.py` tries the others")
    run(tracker, tmp_path, "with init(id='listed') as run:\n    run.log({'x': 1})")
    assert PROJECT in wandb(tracker, tmp_path, "projects", "--entity", ENTITY)


def test_the_client_verifies_the_server(tracker: Tracker, tmp_path: Path) -> None:
    said = wandb(tracker, tmp_path, "verify", "--host", tracker.url)
    refused = {line.split("...")[0] for line in said.splitlines() if "❌" in line}
    # These ask for TLS, and for a bucket that is another server than the tracker.
    assert refused == {
        "Checking requests to base url",
        "Checking requests made over signed URLs",
        "Checking CORs configuration of the bucket",
    }, said
    assert said.count("✅") == 7, said


def test_artifacts_are_sent_and_had(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/w.txt").write_text("weights")
    wandb(tracker, tmp_path, "artifact", "put", "out", "--name", f"{PATH}/put", "--type", "model", "--alias", "best")
    assert "put:v0" in wandb(tracker, tmp_path, "artifact", "ls", PATH, "--type", "model")
    wandb(tracker, tmp_path, "artifact", "get", f"{PATH}/put:best", "--root", "had")
    assert (tmp_path / "had/w.txt").read_text() == "weights"
    (run,) = {artifact.logged_by().id for artifact in api().artifacts("model", f"{PATH}/put")}
    assert run_of(run).state == "finished"
