"""The embedded default of the reference experiment from end to end, on a laptop, without any download of data or weights.

    uv run --all-packages python experiments/demo.py [FOLDER]

Starts a local tracker, runs source, BatchNorm statistics, TENT and CW-TENT on Digits-C (the first run trains the source model), evaluates
them from what was logged, and says where the figures are. Started again on the same folder, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from gonogo.tracker import running

EXPERIMENT = Path(__file__).resolve().parent / "cw_tent"
RUNS = ["digits-source", "digits-bn", "digits-tent-1", "digits-cw-tent"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("cw-tent-demo"), help="where everything goes (default: cw-tent-demo)")
    folder = parser.parse_args().folder.resolve()
    results, client = folder / "results", folder / "wandb"
    client.mkdir(parents=True, exist_ok=True)
    console = Console()
    started = time.monotonic()
    with running(folder / "tracker") as tracker:
        environment = {**os.environ, **tracker.environment(client), "WANDB_SILENT": "true"}

        def python(module: str, *arguments: str) -> None:
            # In the experiment's folder, as its contract has it; Hydra's own logs and the cache go to ours.
            subprocess.run([sys.executable, "-u", "-m", module, *arguments], cwd=EXPERIMENT, env=environment, check=True)

        try:
            for number, run in enumerate(RUNS, 1):
                console.rule(f"{number} of {len(RUNS)}: {run}")
                python(
                    "src.main",
                    f"run={run}",
                    f"results_dir={results}",
                    f"cache_dir='{folder / 'cache'}'",
                    f"hydra.run.dir='{folder / 'hydra' / run}'",
                )
            console.rule("evaluation")
            python("src.evaluate", f"results_dir={results}", f"run_ids={json.dumps(RUNS)}")
        except subprocess.CalledProcessError as error:
            console.print(f"[red]{' '.join(error.cmd[2:5])} ended with exit code {error.returncode}; what it said stands above.[/red]")
            return 1
    console.rule(f"done in {time.monotonic() - started:.0f} s")
    console.print(f"figures and tables: {results}", soft_wrap=True)
    console.print(f"to look at the runs: uv run gonogo tracker --data {folder / 'tracker'}", soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
