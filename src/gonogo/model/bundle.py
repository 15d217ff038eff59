"""A bundle: an experiment as one JSON object with the texts of its files.

It is made from a folder, and turned back into one.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from gonogo.model.errors import UsageError
from gonogo.model.experiment import BUNDLE_PATHS, BUNDLE_RUN_KEYS, Experiment

RUNS = PurePosixPath("config/run")
PLAN_FILE = "plan.json"
SOURCES = (".py", ".pyi", ".ipynb", ".yaml", ".yml", ".toml")
MOST_NAMED = 10  # files in one sentence
MOST_NAME_BYTES = 250  # what file systems take, and room for what is added to a name


def to_bundle(experiment: Experiment) -> tuple[dict[str, Any], list[str]]:
    """The bundle of an experiment, and the paths of its files that are no sources and are left out.

    Args:
        experiment: of the shape that a bundle has: the seven files, and run configs in `config/run/`.

    Raises:
        UsageError: a source file could not be read, or a bundle has no place for it.
    """
    keys = {path: key for key, path in BUNDLE_PATHS.items()}
    bundle: dict[str, Any] = {}
    runs: dict[str, str] = {}
    homeless: list[str] = []
    left: list[str] = []
    for path, file in sorted(experiment.files.items()):
        pure = PurePosixPath(path)
        is_plan = experiment.plan is not None and path == PurePosixPath(experiment.plan.path).name
        is_source = path.endswith(SOURCES) and not is_plan
        if is_source and file.problem is not None:
            raise UsageError(f"{path} {file.problem}, so it can't be packed.")
        if path in keys:
            bundle[keys[path]] = file.text or ""
        elif pure.is_relative_to(RUNS) and pure.suffix == ".yaml":
            runs[pure.relative_to(RUNS).with_suffix("").as_posix()] = file.text or ""
        elif not is_plan:
            (homeless if is_source else left).append(path)
    if homeless:
        raise UsageError(
            f"A bundle has no place for {_few(homeless)}: it holds {', '.join(BUNDLE_PATHS.values())} and the run configs in {RUNS}/."
        )
    if not any(key in bundle for key in BUNDLE_PATHS):
        raise UsageError(f"{experiment.name} has none of the files of a bundle: {', '.join(BUNDLE_PATHS.values())}.")
    bundle = {key: bundle[key] for key in BUNDLE_PATHS if key in bundle}
    if runs:
        bundle["run_configs"] = runs
    if experiment.plan is not None:
        bundle["plan"] = experiment.plan.model_dump(mode="json", exclude={"path"}, exclude_defaults=True)
    return bundle, left


def to_folder(experiment: Experiment, folder: Path) -> list[str]:
    """Write the files of a bundle, and its plan, into a new or empty folder; their paths in it.

    Raises:
        UsageError: there is something in the folder, or a run id makes no file name; nothing is written then.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder: give the name of one that is not there yet.")
    texts = {path: file.text or "" for path, file in experiment.files.items()}
    odd = [path for path in texts if not can_be_written(path) or any(other.startswith(f"{path}/") for other in texts)]
    if odd:
        raise UsageError(f"{_few(odd)} can't be written: give the run an id that is a file name.")
    unread = [f"{path} {file.problem}" for path, file in experiment.files.items() if file.problem is not None]
    if unread:
        raise UsageError(f"{unread[0]}, so it can't be written.")
    if experiment.plan is not None:
        plan = experiment.plan.model_dump(mode="json", exclude={"path"}, exclude_defaults=True)
        texts[PLAN_FILE] = json.dumps(plan, indent=2, ensure_ascii=False) + "\n"
    for path, text in texts.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8", newline="")
    return sorted(texts)


def can_be_written(path: str) -> bool:
    """Return whether a relative path names a file inside its folder, on any file system.

    A bundle's run ids may be anything.
    """
    pure = PurePosixPath(path)
    return not (
        pure.is_absolute() or ".." in pure.parts or "\0" in path or any(len(part.encode()) > MOST_NAME_BYTES for part in pure.parts)
    )


def schema() -> dict[str, Any]:
    """The JSON schema of a bundle."""
    text = {"type": "string"}
    runs = {
        "description": "run configs: texts by run id, or a list of objects",
        "oneOf": [
            {"type": "object", "additionalProperties": text},
            {
                "type": "array",
                "items": {"type": "object", "required": ["run_id", "config_yaml"], "properties": {"run_id": text, "config_yaml": text}},
            },
        ],
    }
    properties: dict[str, Any] = {key: {**text, "description": f"the text of {path}"} for key, path in BUNDLE_PATHS.items()}
    properties |= dict.fromkeys(BUNDLE_RUN_KEYS, runs)
    properties["plan"] = {
        "description": "the research plan",
        "type": "object",
        "required": ["runs"],
        "properties": {"runs": {"type": "array", "items": {"type": "object", "required": ["run_id"]}}},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gonogo bundle",
        "description": "The texts of an experiment's files. Other keys mean nothing, and are named.",
        "type": "object",
        "properties": properties,
        "anyOf": [{"required": [key]} for key in BUNDLE_PATHS],
    }


def _few(paths: list[str]) -> str:
    more = len(paths) - MOST_NAMED
    return ", ".join(paths[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
