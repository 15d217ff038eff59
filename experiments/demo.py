"""The embedded default of the reference experiment from end to end, on a laptop, without any download of data or weights.

    uv run --all-packages python experiments/demo.py [FOLDER] [--full]
    uv run --all-packages python experiments/demo.py [FOLDER] --cifar10c FOLDER --checkpoint FILE

Starts a local tracker, trains a source model on scikit-learn's digits, runs source, BatchNorm statistics, TENT (1 and 10 steps) and CW-TENT
on Digits-C, evaluates what they logged, and ends with the path of the figure and with the verdict. --full makes the table of Digits-C in
docs/cw_tent.md: all methods, all images, three source models. --cifar10c makes that of CIFAR-10-C: all methods on a folder of its files,
from one source model that has been trained.
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
IMAGES = 320  # of 797 in each corruption: five batches
# The first two begin together, and one of them trains the source model. The longest is one of them, so that both processes end at about
# the same time.
METHODS = ["source", "tent-10", "cw-tent", "tent-1", "bn"]
OTHERS = ["eata", "sar"]  # other weights of the same loss


def chosen(given: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Return the ids of the runs, and the overrides that all of them take."""
    if given.cifar10c is not None:
        # The checkpoint says nothing about a seed: one source model, and intervals over images alone.
        paths = [f"run.dataset.root='{given.cifar10c.resolve()}'", f"run.model.pretrained_checkpoint='{given.checkpoint.resolve()}'"]
        return [f"cifar10c-{method}" for method in METHODS + OTHERS], paths
    if given.full:
        return [f"digits-{method}" for method in METHODS + OTHERS], ["source.seeds=[0,1,2]"]
    return [f"digits-{method}" for method in METHODS], [f"stream.images={IMAGES}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, help="where everything goes (default: a new temporary folder)")
    parser.add_argument("--full", action="store_true", help="all methods, all images, three source models")
    parser.add_argument("--cifar10c", type=Path, metavar="FOLDER", help="all methods on the CIFAR-10-C in this folder; needs --checkpoint")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="the .safetensors of a complete source model, for --cifar10c")
    given = parser.parse_args()
    if (given.cifar10c is None) != (given.checkpoint is None):
        parser.error("--cifar10c and --checkpoint belong together: give both or neither")
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="cw-tent-demo-"))).resolve()
    names, overrides = chosen(given)
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

        def run(name: str) -> None:
            paths = [
                f"results_dir={results}",
                f"cache_dir='{folder / 'cache'}'",
                f"hydra.run.dir='{folder / 'hydra' / name}'",
            ]
            said = python("src.main", f"run={name}", "threads=1", *overrides, *paths)
            print(said.strip().splitlines()[-1], flush=True)

        first = "" if given.cifar10c else "; the first one trains the source model"
        print(f"{len(names)} runs on {'CIFAR-10-C' if given.cifar10c else 'Digits-C'}{first}", flush=True)
        with ThreadPoolExecutor(2) as pool:  # two processes of one thread each are faster than one of two
            list(pool.map(run, names))
        said = python("src.evaluate", f"results_dir={results}", f"run_ids={json.dumps(names)}").splitlines()
    print(f"done in {time.monotonic() - started:.0f} s; all runs: uv run gonogo tracker --data {folder / 'tracker'}")
    print(f"figure: {results / 'comparison' / ('gains_cifar10c.png' if given.cifar10c else 'gains_digitsc.png')}")
    print(next(line for line in said if line.startswith("verdict") and "TENT-10 gains" in line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
