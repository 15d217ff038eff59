"""How a search of the reference experiment speeds up with workers, and that its best point stays the same.

    uv run --all-packages python -m benchmarks.search_workers [--trials 30] [--workers 1,2] [--kill]

Each worker is a process with one thread. The time is that from the first trial's start to the last one's end, as Optuna's storage has it.
With `--kill` a helper is killed during its first trial (a run of its own, with two workers): no point may be lost or tried twice.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import optuna
import psutil
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

EXPERIMENT = Path(__file__).resolve().parents[1] / "experiments" / "cw_tent"
RUN = "digits-search"
SEARCH = {
    "learning_rate": {"type": "loguniform", "low": 1e-3, "high": 1e-1},
    "momentum": {"type": "uniform", "low": 0.0, "high": 0.99},
}


def copy_with_search(folder: Path) -> Path:
    """The experiment with one more run: TENT on the digits with a search."""
    tree = folder / "cw_tent"
    shutil.copytree(EXPERIMENT, tree, ignore=shutil.ignore_patterns(".cache", "outputs", "__pycache__", "wandb", "results"))
    run = yaml.safe_load((tree / "config/run/digits-tent-1.yaml").read_text())
    run |= {"run_id": RUN, "optuna": {**run["optuna"], "enabled": True, "search_space": SEARCH}}
    (tree / f"config/run/{RUN}.yaml").write_text(yaml.safe_dump(run))
    return tree


def start(tree: Path, cache: Path, trials: int, workers: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "-m", "src.train", f"run={RUN}", "wandb.mode=disabled", f"cache_dir='{cache}'", "threads=1"]
    command += [f"run.optuna.n_trials={trials}", f"search.workers={workers}", "stream.images=64", "run.training.inner_steps=4"]
    command += [f"hydra.run.dir='{cache}/hydra'", f"results_dir='{cache}/results'"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_SILENT": "true"}
    return subprocess.Popen(command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def study(cache: Path) -> optuna.Study | None:
    journal = cache / "search" / "journal.log"
    if not journal.exists():
        return None
    storage = JournalStorage(JournalFileBackend(str(journal)))
    names = optuna.get_all_study_names(storage)
    return optuna.load_study(storage=storage, study_name=names[-1]) if names else None


def finish(process: subprocess.Popen[str], cache: Path) -> optuna.Study:
    said, _ = process.communicate()
    found = study(cache)
    if process.returncode or found is None:
        raise SystemExit(f"the search failed:\n{said[-2000:]}")
    return found


def kill_a_helper(process: subprocess.Popen[str], cache: Path) -> None:
    """Kill the helper once it has a trial."""
    while process.poll() is None:
        helpers = [child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())]
        found = study(cache)
        running = found.get_trials(states=(TrialState.RUNNING,)) if found else []
        mine = {trial.user_attrs.get("process") for trial in running} & {helper.pid for helper in helpers}
        if mine:
            os.kill(mine.pop(), signal.SIGKILL)
            return
        time.sleep(0.02)
    raise SystemExit("the search ended before its helper had a trial")


def searched(tree: Path, warm: Path, cache: Path, trials: int, workers: int, kill: bool = False) -> optuna.Study:
    """A whole search in a cache of its own, with the source model of a warm one."""
    (cache / "source").mkdir(parents=True)
    for file in (warm / "source").iterdir():
        (cache / "source" / file.name).write_bytes(file.read_bytes())
    process = start(tree, cache, trials, workers)
    if kill:
        kill_a_helper(process, cache)
    return finish(process, cache)


def duration(found: optuna.Study) -> float:
    """Seconds from the first trial's start to the last one's end."""
    done = found.get_trials(states=(TrialState.COMPLETE,))
    starts = [trial.datetime_start.timestamp() for trial in done if trial.datetime_start]
    ends = [trial.datetime_complete.timestamp() for trial in done if trial.datetime_complete]
    return max(ends) - min(starts)


def row(title: str, found: optuna.Study) -> tuple[dict[str, Any], str]:
    done = found.get_trials(states=(TrialState.COMPLETE,))
    rate = 60 * len(done) / duration(found)
    points = {tuple(sorted(trial.params.items())) for trial in done}
    facts = {"rate": rate, "best": (found.best_value, found.best_params), "points": points}
    return facts, f"| {title} | {len(done)} | {len(points)} | {rate:.1f} | {found.best_value:.4f} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--kill", action="store_true")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print("| workers | trials | different points | trials a minute | best value |\n|---|---|---|---|---|")
    seen = {}
    with tempfile.TemporaryDirectory() as name:
        tree, warm = copy_with_search(Path(name)), Path(name) / "warm"
        finish(start(tree, warm, 1, 1), warm)  # trains the source model, which the others take from there
        for title, workers, kill in [
            *((count, int(count), False) for count in given.workers.split(",")),
            *([("2, one killed", 2, True)] * given.kill),
        ]:
            seen[title], line = row(title, searched(tree, warm, Path(name) / str(len(seen)), given.trials, workers, kill))
            print(line, flush=True)
    first = next(iter(seen.values()))
    for title, facts in seen.items():
        same = facts["best"] == first["best"] and facts["points"] == first["points"]
        print(
            f"{title}: {facts['rate'] / first['rate']:.2f} times the trials a minute; the same points and best: {'yes' if same else 'NO'}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
