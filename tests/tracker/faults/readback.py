"""Prints, as JSON, what `wandb.Api()` says of every run of a project: `python readback.py ENTITY/PROJECT`."""

from __future__ import annotations

import json
import sys

import wandb


def main() -> None:
    found = {}
    for run in wandb.Api(timeout=60).runs(sys.argv[1]):
        rows = [{key: value for key, value in row.items() if key not in ("_runtime", "_timestamp")} for row in run.scan_history()]
        found[run.id] = {"state": run.state, "count": run.lastHistoryStep + 1, "summary": run.summary.get("n"), "rows": rows}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
