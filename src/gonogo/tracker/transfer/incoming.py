"""Runs from elsewhere: what is in a folder is told by what its files are called."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gonogo.model.errors import UsageError
from gonogo.tracker.transfer.remote import Imported, Remote

# What MLflow calls the states of runs, by number and by name.
MLFLOW_STATES = {"1": "", "RUNNING": "", "2": "", "SCHEDULED": "", "3": "finished", "FINISHED": "finished"}
LIMIT_OF_ID = 100
# Files beyond so many bytes are linked rather than copied.
LARGE = 1 << 20


@dataclass(frozen=True)
class Found:
    """Something that can be imported.

    Attributes:
        kind: What it is.
        path: Where it is.
        name: What it is called there.
    """

    kind: str
    path: Path
    name: str


@dataclass(frozen=True)
class Target:
    """Where imported runs go; without a project each source names its own."""

    remote: Remote
    entity: str
    project: str | None


def find(path: Path) -> list[Found]:
    """What can be imported from a file or a folder.

    Raises:
        UsageError: Nothing can.
    """
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    if path.is_file():
        if path.suffix == ".json":
            return [Found("verdict", path, path.stem)]
        if path.suffix == ".wandb":
            return [Found("wandb", path.parent, path.parent.name)]
        if "tfevents" in path.name:
            return [Found("tensorboard", path.parent, path.parent.name)]
    found = [*_found(path)]
    if not found:
        raise UsageError(
            f"{path}: nothing to import: no offline run of W&B (run-*.wandb), no event file (*tfevents*), no MLflow store (meta.yaml), "
            "no verdict (*.json)"
        )
    return found


def _found(root: Path) -> Iterator[Found]:
    for place, folders, files in os.walk(root):
        folders.sort()
        here = Path(place)
        if any(name.startswith("run-") and name.endswith(".wandb") for name in files):
            yield Found("wandb", here, here.name)
            folders.clear()
        elif "meta.yaml" in files and (here / "metrics").is_dir():
            yield Found("mlflow", here, here.name)
            folders.clear()
        elif any("tfevents" in name for name in files):
            yield Found("tensorboard", here, here.relative_to(root).as_posix() if here != root else here.name)


def load(found: Found, target: Target) -> str:
    """Import one thing; what to tell of it.

    Raises:
        UsageError: It can't be read, a package is missing, or the tracker refuses it.
    """
    loaders: dict[str, Callable[[Found, Target], str]] = {
        "wandb": _wandb,
        "tensorboard": _tensorboard,
        "mlflow": _mlflow,
        "verdict": _verdict,
    }
    return loaders[found.kind](found, target)


def _verdict(found: Found, target: Target) -> str:
    if target.project is None:
        raise UsageError(f"{found.path}: say with --project which project the verdict is about")
    kept = target.remote.verdict(target.entity, target.project, found.path.read_bytes())
    return f"verdict {kept['outcome']} on {len(kept['runs'])} runs of {target.entity}/{target.project}"


def _wandb(found: Found, target: Target) -> str:
    """The client itself sends an offline folder: it alone knows its format, artifacts included.

    It is given a copy, with links to what is large: it writes into a folder that it sends.
    """
    try:
        import wandb  # noqa: F401 (only whether it is there)
    except ImportError as error:
        raise UsageError(f"{found.path}: an offline run of W&B is sent by its client: pip install wandb") from error
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    environment |= {"WANDB_BASE_URL": target.remote.url, "WANDB_API_KEY": target.remote.key, "WANDB_ERROR_REPORTING": "false"}
    command = [sys.executable, "-m", "wandb", "sync", "--include-synced", "--entity", target.entity]
    command += ["--project", target.project] if target.project else []
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "wandb" / found.name
        for name, path in _leaves(found.path.resolve()):
            if not name.endswith(".synced"):
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                if path.stat().st_size > LARGE or path.suffix == ".wandb":
                    (copy / name).symlink_to(path)
                else:
                    shutil.copyfile(path, copy / name)
        done = subprocess.run([*command, str(copy)], env=environment, capture_output=True, text=True, check=False, cwd=scratch)
    if done.returncode:
        raise UsageError(f"{found.path}: wandb sync failed: {(done.stderr or done.stdout).strip()[-400:]}")
    return f"offline run {found.name}"


# TensorBoard


@dataclass
class Events:
    """What the events of one folder say, as a run.

    Attributes:
        scratch: Folder for the pictures that they hold.
        rows: The rows by step.
        files: The pictures, by the name of the file that they become.
        config: Hyperparameters.
    """

    scratch: Path
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, Path | bytes] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)

    def add(self, event: Any, value: Any) -> None:
        """Add one value of an event."""
        if value.metadata.plugin_data.plugin_name == "hparams":
            self.config |= _hyperparameters(value)
            return
        logged = self._logged(event.step, value)
        if logged is not None:
            row = self.rows.setdefault(int(event.step), {"_step": int(event.step), "_timestamp": event.wall_time})
            row[value.tag] = logged
            row["_timestamp"] = max(row["_timestamp"], event.wall_time)

    def _logged(self, step: int, value: Any) -> Any:
        """Return a scalar, histogram, text or picture as the client would have logged it.

        None for what the tracker can't show.
        """
        from tensorboard.util import tensor_util

        if not value.HasField("tensor"):
            return None
        plugin, array = value.metadata.plugin_data.plugin_name, tensor_util.make_ndarray(value.tensor)
        if plugin == "scalars":
            return float(array.item())
        if plugin == "histograms" and array.ndim == 2 and array.shape[1] == 3 and len(array):
            edges = [float(array[0, 0]), *map(float, array[:, 1])]
            return {"_type": "histogram", "bins": edges, "values": [float(count) for count in array[:, 2]]}
        texts = [item for item in array.ravel().tolist() if isinstance(item, bytes)]
        if plugin == "text":
            return "\n".join(text.decode(errors="replace") for text in texts)
        if plugin == "images" and len(texts) > 2:  # width and height come first
            names = [f"media/images/{slug(value.tag)}_{step}_{number}.png" for number in range(len(texts) - 2)]
            for name, content in zip(names, texts[2:], strict=True):
                path = self.scratch / str(len(self.files))
                path.write_bytes(content)
                self.files[name] = path
            return {"_type": "images/separated", "filenames": names, "captions": [], "count": len(names), "format": "png"}
        return None


def _tensorboard(found: Found, target: Target) -> str:
    try:
        from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    except ImportError as error:
        raise UsageError(f"{found.path}: event files are read with tensorboard: pip install 'gonogo[transfer]'") from error
    with tempfile.TemporaryDirectory() as scratch:
        events = Events(Path(scratch))
        for path in sorted(path for path in found.path.iterdir() if "tfevents" in path.name):
            for event in EventFileLoader(str(path)).Load():
                for value in event.summary.value:
                    events.add(event, value)
        rows = [events.rows[step] for step in sorted(events.rows)]
        times = [row["_timestamp"] for row in rows]
        for row in rows:
            row["_runtime"] = row["_timestamp"] - min(times)
        run = Imported(slug(found.name), found.name, events.config, began=min(times, default=None), ended=max(times, default=None))
        project = target.project or slug(found.path.resolve().parent.name)
        target.remote.store(target.entity, project, run, rows, events.files)
    return f"{len(rows)} rows of {found.name} to {target.entity}/{project}"


def _hyperparameters(value: Any) -> dict[str, Any]:
    from tensorboard.plugins.hparams import plugin_data_pb2

    content = plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
    kinds = ("string_value", "bool_value", "number_value")
    return {
        name: next((getattr(one, kind) for kind in kinds if one.HasField(kind)), None)
        for name, one in content.session_start_info.hparams.items()
    }


# MLflow: a folder of small texts, whose reading needs no package of hundreds of megabytes


def _mlflow(found: Found, target: Target) -> str:
    meta = _meta(found.path / "meta.yaml")
    rows = _mlflow_rows(found.path / "metrics")
    tags = {name: path.read_text(errors="replace") for name, path in _leaves(found.path / "tags")}
    params = {name: _number(path.read_text(errors="replace")) for name, path in _leaves(found.path / "params")}
    values = {
        "notes": tags.get("mlflow.note.content", ""),
        "commit": tags.get("mlflow.source.git.commit", ""),
        "jobProgram": tags.get("mlflow.source.name", ""),
        "groupName": tags.get("mlflow.parentRunId", ""),
    }
    run = Imported(
        slug(str(meta.get("run_id") or meta.get("run_uuid") or found.name)),
        str(meta.get("run_name") or tags.get("mlflow.runName") or found.name),
        params,
        tags=[f"{name}={text}"[:200] for name, text in tags.items() if not name.startswith("mlflow.")],
        values={key: text for key, text in values.items() if text},
        began=_seconds(meta.get("start_time")),
        ended=_seconds(meta.get("end_time")) or _seconds(meta.get("start_time")),
        state=MLFLOW_STATES.get(str(meta.get("status")), "failed"),
    )
    experiment = _meta(found.path.parent / "meta.yaml").get("name")
    project = target.project or slug(str(experiment or found.path.parent.name))
    files: dict[str, Path | bytes] = {f"artifacts/{name}": path for name, path in _leaves(found.path / "artifacts")}
    target.remote.store(target.entity, project, run, rows, files)
    return f"{len(rows)} rows and {len(files)} files of {run.label} to {target.entity}/{project}"


def _mlflow_rows(folder: Path) -> list[dict[str, Any]]:
    """Metrics: each has a file with a line `milliseconds value step` for every value."""
    rows: dict[int, dict[str, Any]] = {}
    for name, path in _leaves(folder):
        for number, line in enumerate(path.read_text(errors="replace").splitlines()):
            parts = line.split()
            if not parts:
                continue
            try:
                moment, value = int(parts[0]) / 1000, float(parts[1])
                step = int(parts[2]) if len(parts) > 2 else number
            except (ValueError, IndexError) as error:
                raise UsageError(f"{path}:{number + 1}: not `milliseconds value step`: {line[:80]!r}") from error
            row = rows.setdefault(step, {"_step": step, "_timestamp": moment})
            row[name] = value
            row["_timestamp"] = max(row["_timestamp"], moment)
    ordered = [rows[step] for step in sorted(rows)]
    first = min((row["_timestamp"] for row in ordered), default=0.0)
    return [row | {"_runtime": row["_timestamp"] - first} for row in ordered]


def _leaves(folder: Path) -> list[tuple[str, Path]]:
    """The files below a folder by their path in it."""
    return sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _meta(path: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(errors="replace"))
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not YAML: {error}") from error
    return found if isinstance(found, dict) else {}


def _seconds(milliseconds: Any) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else None


def _number(text: str) -> Any:
    """A parameter: a number where it is written as one, else the text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else text


def slug(text: str) -> str:
    """An id that every client can log under."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:LIMIT_OF_ID] or "run"


def bring(paths: Sequence[Path], target: Target, tell: Callable[[str], None]) -> int:
    """Import all that some paths hold; how many things that were.

    Raises:
        UsageError: There is nothing, or something can't be imported.
    """
    found = [each for path in paths for each in find(path)]
    for each in found:
        tell(load(each, target))
    return len(found)
