"""How a search of the reference experiment speeds up with trials at the same time, and that its best point stays the same.

    uv run --all-packages python -m benchmarks.search_workers [--trials 30] [--workers 1,2]

Trials run in threads of one process (`search.n_jobs`), each with one thread of PyTorch. The time is that from the first trial's start to
the last one's end, as Optuna's storage has it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

EXPERIMENT = Path(__file__).resolve().parents[1] / "experiments" / "cw_tent"
SPACE = "{learning_rate: {type: loguniform, low: 1e-3, high: 1e-1}, momentum: {type: uniform, low: 0.0, high: 0.99}}"


def searched(cache: Path, trials: int, workers: int) -> optuna.Study:
    """A whole search of TENT on the digits, from nothing but the source model that is in the cache, or is trained into it."""
    journal = cache / "search" / "journal.log"
    journal.unlink(missing_ok=True)
    command = [sys.executable, "-u", "-m", "src.train", "run=digits-tent-1", "wandb.mode=disabled", f"cache_dir='{cache}'", "threads=1"]
    command += ["run.optuna.enabled=true", f"run.optuna.n_trials={trials}", f"++run.optuna.search_space={SPACE}", "stream.images=64"]
    command += [
        "run.training.inner_steps=4",
        f"search.n_jobs={workers}",
        f"hydra.run.dir='{cache}/hydra'",
        f"results_dir='{cache}/results'",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_SILENT": "true"}
    done = subprocess.run(command, cwd=EXPERIMENT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the search failed:\n{(done.stdout + done.stderr)[-2000:]}")
    storage = JournalStorage(JournalFileBackend(str(journal)))
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(storage=storage, study_name=name)


def duration(found: optuna.Study) -> float:
    """Seconds from the first trial's start to the last one's end."""
    done = found.get_trials(states=(TrialState.COMPLETE,))
    starts = [trial.datetime_start.timestamp() for trial in done if trial.datetime_start]
    ends = [trial.datetime_complete.timestamp() for trial in done if trial.datetime_complete]
    return max(ends) - min(starts)


def seconds(cache: Path, trials: int, workers: int) -> float:
    """How long so many trials take."""
    return duration(searched(cache, trials, workers))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--workers", default="1,2")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print("| trials at once | trials | trials a minute | best value | the same points and best |\n|---|---|---|---|---|")
    first = None
    with tempfile.TemporaryDirectory() as name:
        searched(Path(name), 1, 1)  # trains the source model
        for workers in map(int, given.workers.split(",")):
            found = searched(Path(name), given.trials, workers)
            done = found.get_trials(states=(TrialState.COMPLETE,))
            facts = (found.best_value, found.best_params, {tuple(sorted(trial.params.items())) for trial in done})
            first = first or facts
            rate = 60 * len(done) / duration(found)
            print(f"| {workers} | {len(done)} | {rate:.1f} | {found.best_value:.4f} | {'yes' if facts == first else 'NO'} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
