"""The embedded default of the reference experiment from end to end, on a laptop, without any download of data or weights.

    uv run --all-packages python experiments/demo.py [FOLDER] [--full]

Starts a local tracker, trains a source model on scikit-learn's digits, runs source, BatchNorm statistics, TENT (1 and 10 steps) and CW-TENT
on Digits-C, evaluates what they logged, and ends with the path of the figure and with the verdict. With --full it makes the table of
docs/cw_tent.md: all methods, all images, three source models.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gonogo.tracker import running

EXPERIMENT = Path(__file__).resolve().parent / "cw_tent"
IMAGES = 512  # of 797 in each corruption: eight batches
RUNS = ["digits-source", "digits-tent-10", "digits-cw-tent", "digits-tent-1", "digits-bn"]
OTHERS = ["digits-eata", "digits-sar"]  # other weights of the same loss


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, help="where everything goes (default: a new temporary folder)")
    parser.add_argument("--full", action="store_true", help="all methods, all images, three source models")
    given = parser.parse_args()
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="cw-tent-demo-"))).resolve()
    names, size = (RUNS + OTHERS, ["source.seeds=[0,1,2]"]) if given.full else (RUNS, [f"stream.images={IMAGES}"])
    results, client = folder / "results", folder / "wandb"
    client.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with running(folder / "tracker") as tracker:
        environment = {**os.environ, **tracker.environment(client), "WANDB_SILENT": "true"}

        def python(module: str, *arguments: str) -> str:
            # In the experiment's folder, as its contract has it; Hydra's own logs and the cache go to ours.
            command = [sys.executable, "-u", "-m", module, *arguments]
            done = subprocess.run(
                command, check=False, cwd=EXPERIMENT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            if done.returncode:
                raise SystemExit(f"{' '.join(command[2:5])} ended with exit code {done.returncode}:\n{done.stdout[-3000:]}")
            return done.stdout

        def run(name: str, threads: int = 1) -> None:
            paths = [
                f"stream.images={IMAGES}",
                f"results_dir={results}",
                f"cache_dir='{folder / 'cache'}'",
                f"hydra.run.dir='{folder / 'hydra' / name}'",
            ]
            said = python("src.main", f"run={name}", f"threads={threads}", *size, *paths)
            print(said.strip().splitlines()[-1], flush=True)

        print(f"{len(names)} runs on Digits-C; the first one trains the source model", flush=True)
        run(names[0], threads=2)
        with ThreadPoolExecutor(2) as pool:  # two processes of one thread each are faster than one of two
            list(pool.map(run, names[1:]))
        said = python("src.evaluate", f"results_dir={results}", f"run_ids={json.dumps(names)}").splitlines()
    print(f"done in {time.monotonic() - started:.0f} s; all runs: uv run gonogo tracker --data {folder / 'tracker'}")
    print(f"figure: {results / 'comparison' / 'gains_digitsc.png'}")
    print(next(line for line in said if line.startswith("verdict") and "TENT-10 gains" in line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
