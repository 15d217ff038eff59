"""Runs to elsewhere: tables, TensorBoard's event files, MLflow's file store, W&B's offline folders."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from gonogo.model.errors import UsageError
from gonogo.tracker import tabular
from gonogo.tracker.transfer.incoming import slug
from gonogo.tracker.transfer.remote import Remote

Run = dict[str, Any]
# Logs rows offline as they were: with their steps and times.
OFFLINE = """
import json, sys, wandb
from pathlib import Path
given = json.loads(Path(sys.argv[1]).read_text())
settings = wandb.Settings(x_disable_stats=True, console="off", disable_git=True, save_code=False)
run = wandb.init(mode="offline", settings=settings, **given["init"])
with open(sys.argv[2]) as rows:
    for line in rows:
        row = json.loads(line)
        run.log({key: value for key, value in row.items() if key not in ("_step", "_runtime")}, step=row["_step"])
run.finish(exit_code=given["exit_code"])
"""


def write(remote: Remote, entity: str, project: str, name: str | None, form: str, folder: Path) -> list[Path]:
    """Write runs of a project into a folder; what was written.

    Args:
        remote: The tracker that has them.
        entity: Whose project it is.
        project: The project.
        name: Id of the one run that is wanted, if it is one.
        form: A key of `FORMS`.
        folder: Made when missing.

    Raises:
        UsageError: There is no such run, a package is missing, or the tracker can't be reached.
    """
    runs = [run for run in remote.runs(entity, project) if name in (None, run["name"])]
    if not runs:
        raise UsageError(f"{entity}/{project}{f'/{name}' if name else ''}: the tracker has no such run")
    folder.mkdir(parents=True, exist_ok=True)
    return [FORMS[form](remote, entity, project, run, folder) for run in runs]


def _rows(remote: Remote, entity: str, project: str, run: Run) -> Callable[[], Iterable[Run]]:
    return lambda: (tabular.flat(row) for row in remote.rows(entity, project, run))


def _csv(remote: Remote, entity: str, project: str, run: Run, folder: Path) -> Path:
    path = folder / f"{slug(run['name'])}.csv"
    with path.open("w", newline="") as file:
        file.writelines(tabular.csv_parts(_rows(remote, entity, project, run)))
    return path


def _parquet(remote: Remote, entity: str, project: str, run: Run, folder: Path) -> Path:
    path = folder / f"{slug(run['name'])}.parquet"
    tabular.write_parquet(_rows(remote, entity, project, run), path)
    return path


def _jsonl(remote: Remote, entity: str, project: str, run: Run, folder: Path) -> Path:
    path = folder / f"{slug(run['name'])}.jsonl"
    with path.open("w") as file:
        for row in remote.rows(entity, project, run):
            file.write(json.dumps(row) + "\n")
    (folder / f"{slug(run['name'])}.json").write_text(
        json.dumps({key: value for key, value in run.items() if key != "summaryMetrics"}, indent=1)
    )
    return path


def _tensorboard(remote: Remote, entity: str, project: str, run: Run, folder: Path) -> Path:
    try:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise UsageError("event files are written with tensorboard: pip install 'gonogo[transfer]'") from error
    path = folder / slug(run["name"])
    writer = EventFileWriter(str(path))
    for row in remote.rows(entity, project, run):
        values = [
            summary_pb2.Summary.Value(tag=name, simple_value=float(value))
            for name, value in tabular.flat(row).items()
            if not name.startswith("_") and isinstance(value, int | float) and not isinstance(value, bool)
        ]
        moment = row.get("_timestamp", 0.0)
        writer.add_event(event_pb2.Event(wall_time=moment, step=row["_step"], summary=summary_pb2.Summary(value=values)))
    writer.close()
    return path


def _mlflow(remote: Remote, entity: str, project: str, run: Run, folder: Path) -> Path:
    number = str(int(uuid.uuid5(uuid.NAMESPACE_URL, f"{entity}/{project}").int % 10**18))
    experiment = folder / number
    key = uuid.uuid5(uuid.NAMESPACE_URL, f"{entity}/{project}/{run['name']}").hex
    place = experiment / key
    for part in ("metrics", "params", "tags", "artifacts"):
        (place / part).mkdir(parents=True, exist_ok=True)
    about = {
        "experiment_id": number,
        "name": f"{entity}/{project}",
        "lifecycle_stage": "active",
        "artifact_location": experiment.as_uri() if experiment.is_absolute() else str(experiment),
    }
    (experiment / "meta.yaml").write_text(yaml.safe_dump(about))
    began, ended = (
        round(datetime.fromisoformat(run[name].replace("Z", "+00:00")).timestamp() * 1000) for name in ("createdAt", "heartbeatAt")
    )
    states = {"finished": 3, "running": 1}
    meta = {
        "artifact_uri": str((place / "artifacts").resolve()),
        "end_time": ended,
        "experiment_id": number,
        "lifecycle_stage": "active",
        "run_id": key,
        "run_uuid": key,
        "run_name": run["displayName"] or run["name"],
        "start_time": began,
        "status": states.get(run["state"], 4),
        "user_id": entity,
    }
    (place / "meta.yaml").write_text(yaml.safe_dump(meta))
    for name, value in tabular.flat({key: value for key, value in run["config"].items() if key != "_wandb"}).items():
        _leaf(place / "params", name, str(value))
    for name, value in {"mlflow.runName": meta["run_name"], "mlflow.note.content": run["notes"] or "", "wandb.id": run["name"]}.items():
        _leaf(place / "tags", name, str(value))
    lines: dict[str, list[str]] = {}
    for row in remote.rows(entity, project, run):
        for name, value in tabular.flat(row).items():
            if not name.startswith("_") and isinstance(value, int | float) and not isinstance(value, bool):
                text = repr(float(value)) if math.isfinite(value) else "nan" if math.isnan(value) else str(float(value))
                lines.setdefault(name, []).append(f"{round(row.get('_timestamp', 0) * 1000)} {text} {row['_step']}\n")
    for name, texts in lines.items():
        _leaf(place / "metrics", name, "".join(texts))
    for name, path in remote.files(entity, project, run["name"]).items():
        remote.download(path, _inside(place / "artifacts", name))
    return place


def _wandb(remote: Remote, entity: str, project: str, run: Run, folder: Path) -> Path:
    try:
        import wandb  # noqa: F401 (only whether it is there)
    except ImportError as error:
        raise UsageError("an offline run of W&B is written by its client: pip install wandb") from error
    scratch = folder / f".{slug(run['name'])}"
    scratch.mkdir(exist_ok=True)
    about = {
        "entity": entity,
        "project": project,
        "id": run["name"],
        "name": run["displayName"],
        "group": run["group"],
        "job_type": run["jobType"],
    }
    about |= {"tags": run["tags"], "notes": run["notes"], "config": {key: value for key, value in run["config"].items() if key != "_wandb"}}
    about |= {"dir": str(scratch)}
    (scratch / "run.json").write_text(json.dumps({"init": about, "exit_code": 0 if run["state"] == "finished" else 1}))
    with (scratch / "rows.jsonl").open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in remote.rows(entity, project, run))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")} | {"WANDB_SILENT": "true"}
    command = [sys.executable, "-c", OFFLINE, str(scratch / "run.json"), str(scratch / "rows.jsonl")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(f"{run['name']}: the client can't write it: {done.stderr.strip()[-400:]}")
    (made,) = (scratch / "wandb").glob("offline-run-*")
    target = folder / made.name
    shutil.rmtree(target, ignore_errors=True)
    made.rename(target)
    shutil.rmtree(scratch)
    return target


def _leaf(folder: Path, name: str, text: str) -> None:
    path = _inside(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _inside(folder: Path, name: str) -> Path:
    """A path in a folder for a name that a run gave: its parts lead nowhere else."""
    parts = [part for part in name.replace("\0", "").split("/") if part not in ("", ".", "..")]
    return folder.joinpath(*(part[:200] for part in parts or ["unnamed"]))


FORMS: dict[str, Callable[[Remote, str, str, Run, Path], Path]] = {
    "csv": _csv,
    "parquet": _parquet,
    "jsonl": _jsonl,
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
}
