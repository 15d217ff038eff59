"""`gonogo launch` from the command line: it asks the gate, runs, evaluates, and goes on where it was stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli import GONOGO, copy_of, gonogo

from gonogo.launch.results import Folder, content_of
from gonogo.model import experiment as experiments

GOLDEN = Path(__file__).parents[1] / "golden"
PLAN = GOLDEN.parent / "golden.plan.yaml"
RUNS = ("proposed-mlp-digits", "comparative-1-mlp-digits")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return copy_of(GOLDEN, tmp_path / "experiment", PLAN)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--runs", "nothing"), "No run matches 'nothing'"),
        (("--address", "auto"), "goes with --on ray"),
        (("--on", "slurm", "--slurm", "partition"), "NAME=VALUE"),
        (("--python", "/nowhere"), "/nowhere, which --python names"),
    ],
)
def test_option_that_can_not_be_used(tree: Path, tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    done = gonogo("launch", tree, "--results", tmp_path / "r", *options)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.slow
def test_no_go_is_not_launched(tree: Path, tmp_path: Path) -> None:
    (tree / "src/train.py").write_text(
        (tree / "src/train.py").read_text().replace("cfg.run.training.seed)\n    loaders", "cfg.seed)\n    loaders")
    )
    done = gonogo("launch", tree, "--results", tmp_path / "r")
    assert done.returncode == 1
    assert "gate: NO-GO" in done.stderr
    assert "HYD104" in done.stderr
    assert "Nothing was launched" in done.stderr
    assert not (tmp_path / "r").exists()


def test_content_changes_with_every_file_and_the_plan(tree: Path) -> None:
    first = content_of(experiments.load(str(tree)))
    assert content_of(experiments.load(str(tree))) == first
    (tree / "config/config.yaml").write_text((tree / "config/config.yaml").read_text() + "# more\n")
    second = content_of(experiments.load(str(tree)))
    (tree / "plan.yaml").write_text(PLAN.read_text().replace("6 Optuna", "7 Optuna"))
    assert len({first, second, content_of(experiments.load(str(tree))), content_of(experiments.load(str(tree)), "x=1")}) == 4


def test_folder_remembers_what_finished_with_which_content(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "results")
    folder.note("a", "done", "one")
    folder.note("b", "failed", "one")
    assert Folder(tmp_path / "results").finished("one", {}) == {"a"}
    assert Folder(tmp_path / "results").finished("two", {}) == set()


@pytest.mark.slow
def test_run_that_was_killed_is_run_again_and_the_others_are_not(tree: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    command = [*GONOGO, "launch", str(tree), "--results", str(results), "--tracker", "--jobs", "1", "--python", sys.prefix, "--force"]
    # The second run waits until it is let go, so that it can be killed for certain.
    train = tree / "src/train.py"
    gate_is_shut = f"not cfg.trial_mode and Path({str(tmp_path / 'wait')!r}).exists()"
    wait = f"    while 'comparative' in cfg.run.run_id and {gate_is_shut}:\n        __import__('time').sleep(0.1)\n"
    head = "    found = search(cfg) if"
    train.write_text(train.read_text().replace(head, wait + head))
    (tmp_path / "wait").touch()
    with subprocess.Popen([*command, "--run-timeout", "20"], stderr=subprocess.PIPE, text=True) as process:
        try:
            until = time.monotonic() + 300
            state: dict[str, dict[str, str]] = {}
            while time.monotonic() < until and state.get(RUNS[1], {}).get("state") != "running":
                time.sleep(0.2)
                state = json.loads((results / ".gonogo/launch.json").read_text()) if (results / ".gonogo/launch.json").exists() else {}
            assert state.get(RUNS[0], {}).get("state") == "done"
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()  # what runs waits for ever
    assert process.returncode == 130, said
    assert "goes on from here" in said
    (tmp_path / "wait").unlink()
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{RUNS[0]}: skipped" in done.stderr
    assert f"{RUNS[1]}: done" in done.stderr
    assert "evaluation: done" in done.stderr
    assert json.loads((results / "comparison/aggregated_metrics.json").read_text())["comparisons"]
    own = results / ".gonogo"
    assert json.loads((own / "verdict.json").read_text())["is_code_ready"] in (True, False)
    assert "torch==" in (own / "environment.txt").read_text()
    assert json.loads((own / "configs" / f"{RUNS[0]}.json").read_text())["run"]["run_id"] == RUNS[0]
    assert (own / "logs" / f"{RUNS[0]}.log").stat().st_size > 0
