"""Prints, as JSON, what `wandb.Api()` says of every run of a project: `python readback.py ENTITY/PROJECT`."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import wandb


def files(run: Any) -> dict[str, str]:
    """What the files hold that a run saved, as SHA-256 by name."""
    with tempfile.TemporaryDirectory() as folder:
        saved = [file for file in run.files() if file.name.startswith(run.id)]
        for file in saved:
            file.download(root=folder).close()
        return {file.name: hashlib.sha256(Path(folder, file.name).read_bytes()).hexdigest() for file in saved}


def artifacts(run: Any) -> dict[str, tuple[int, str]]:
    """The artifacts of a run by id: their steps and what they hold."""
    with tempfile.TemporaryDirectory() as folder:
        found = [artifact for artifact in run.logged_artifacts() if artifact.type == "state"]
        places = {artifact.id: Path(artifact.download(root=f"{folder}/{artifact.id}", skip_cache=True)) for artifact in found}
        return {artifact.id: (artifact.metadata["step"], (places[artifact.id] / "state.txt").read_text()) for artifact in found}


def main() -> None:
    found = {}
    for run in wandb.Api(timeout=60).runs(sys.argv[1]):
        rows = [{key: value for key, value in row.items() if key not in ("_runtime", "_timestamp")} for row in run.scan_history()]
        found[run.id] = {"state": run.state, "count": run.lastHistoryStep + 1, "summary": run.summary.get("n"), "rows": rows}
        found[run.id] |= {"files": files(run), "artifacts": artifacts(run)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
