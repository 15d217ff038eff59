"""Unpacks sources and has their build backend make a wheel of them.

It is run inside the sandbox by the Python of a build's environment.

`python build.py TASK`, where the task is a JSON file with `sources`, `backend`, `backend_path` and, the second time, `asked`: the wheel is
left in `wheels/`. With `only: settings` it leaves the table `build-system` in `settings.json` instead, which takes Python 3.11; all else
works with 3.8. The frontend of the standard's authors, `build`, would do the same, but has to be on the caller's index.
"""

import importlib
import json
import os
import sys
import tarfile
import zipfile
from pathlib import Path

NEEDS_MORE = 75  # exit code: `requires.json` lists what the build needs besides


def main() -> None:
    """Build."""
    task = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    here = Path.cwd()
    (here / "wheels").mkdir()
    _unpack(task["sources"], here / "sources")
    (top,) = (here / "sources").iterdir()
    os.chdir(top)
    if task.get("only") == "settings":
        (here / "settings.json").write_text(json.dumps(_settings(), default=str), "utf-8")
        return
    sys.path[:0] = [str(top / path) for path in task["backend_path"]]
    sys.argv = ["setup.py"]
    name, _, attributes = task["backend"].partition(":")
    backend = importlib.import_module(name)
    for attribute in filter(None, attributes.split(".")):
        backend = getattr(backend, attribute)
    ask = getattr(backend, "get_requires_for_build_wheel", None)
    if ask is not None and not task.get("asked") and (more := ask({})):
        (here / "requires.json").write_text(json.dumps(more), "utf-8")
        sys.exit(NEEDS_MORE)
    backend.build_wheel(str(here / "wheels"), {}, None)


def _settings() -> object:
    import tomllib

    file = Path("pyproject.toml")
    return tomllib.loads(file.read_text("utf-8-sig")).get("build-system", {}) if file.is_file() else {}


def _unpack(sources: str, target: Path) -> None:
    if sources.endswith(".zip"):
        with zipfile.ZipFile(sources) as archive:
            archive.extractall(target)
        return
    with tarfile.open(sources) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(target, filter="data")
        else:
            archive.extractall(target)


if __name__ == "__main__":
    main()
