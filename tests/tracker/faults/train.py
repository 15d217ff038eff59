"""A training script: logs rows that follow from their step, to whatever tracker its environment names, and resumes where that tracker is.

`python train.py RUN ROWS RATE PROGRESS HURRY`: so many rows in all, at so many a second until the file HURRY exists. The step of the row that was
logged last is kept in the file PROGRESS.
"""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path

ENTITY, PROJECT = "lab", "faults"


def row(step: int) -> dict[str, float | int | str]:
    """What is logged at a step."""
    return {"n": step, "loss": 1 / (step + 1), "wave": math.sin(step), "large": 2**53 + step, "note": f'row {step} "é"'}


def main() -> None:
    import wandb  # only the process that logs needs it

    name, rows, rate, progress, hurry = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], Path(sys.argv[5])
    settings = wandb.Settings(x_disable_stats=True, console="off", disable_git=True, save_code=False, silent=True)
    run = wandb.init(entity=ENTITY, project=PROJECT, id=name, resume="allow", config={"rows": rows}, settings=settings)
    descriptor = os.open(progress, os.O_WRONLY | os.O_CREAT)
    begin = time.monotonic()
    for number, step in enumerate(range(run.starting_step, rows)):
        while time.monotonic() < begin + number / rate and not hurry.exists():
            time.sleep(0.005)
        run.log(row(step))
        os.pwrite(descriptor, f"{step:8}".encode(), 0)
    run.finish()


if __name__ == "__main__":
    main()
