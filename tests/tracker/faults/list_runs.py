"""Pages through the runs of a project with `wandb.Api().runs` and prints, as JSON, their ids and the seconds it took, for each way of asking.

`python list_runs.py ENTITY/PROJECT WAYS`, where WAYS is JSON: a list of the keyword arguments of `runs`.
"""

from __future__ import annotations

import json
import sys
import time

import wandb


def main() -> None:
    api, answers = wandb.Api(timeout=60), []
    for way in json.loads(sys.argv[2]):
        begin = time.monotonic()
        runs = api.runs(sys.argv[1], **way)
        answers.append({"ids": [run.id for run in runs], "length": len(runs), "seconds": time.monotonic() - begin})
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
