"""A training script: logs rows that follow from their step, to whatever tracker its environment names, and resumes where that tracker is.

`python train.py RUN ROWS RATE PROGRESS HURRY`: so many rows in all, at so many a second until the file HURRY exists. The step of the row that was
logged last is kept in the file PROGRESS. Every 40th row comes with a file that is saved and an artifact, which follow from run and step.
"""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path
from typing import Any

ENTITY, PROJECT = "lab", "faults"
EVERY = 40


def row(step: int) -> dict[str, float | int | str]:
    """What is logged at a step."""
    return {"n": step, "loss": 1 / (step + 1), "wave": math.sin(step), "large": 2**53 + step, "note": f'row {step} "é"'}


def content(run: str, step: int) -> str:
    """What the file and the artifact of a step hold."""
    return f"{run} at {step}\n" * 2000


def keep(run: Any, folder: Path, step: int) -> None:
    """Save a file and log an artifact."""
    import wandb

    file = folder / f"{run.id}-{step}.txt"
    file.write_text(content(run.id, step))
    run.save(str(file), base_path=str(folder), policy="now")
    artifact = wandb.Artifact(f"state-{run.id}", type="state", metadata={"step": step})
    artifact.add_file(str(file), name="state.txt")
    run.log_artifact(artifact)


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
        if step % EVERY == EVERY - 1:
            keep(run, Path.cwd(), step)
        os.pwrite(descriptor, f"{step:8}".encode(), 0)
    run.finish()


if __name__ == "__main__":
    main()
