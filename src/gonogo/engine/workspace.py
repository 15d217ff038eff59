"""A private copy of the experiment's source files, for the tools that want files: Hydra and ruff."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from gonogo.model.bundle import can_be_written
from gonogo.model.experiment import Experiment
from gonogo.model.runs import Run

NOTEBOOK = ".py"  # comes after the name of a notebook, whose code is written as one file


class Workspace:
    """A temporary folder with the readable source files and the run configs that only the plan has.

    It is removed at the end.
    """

    def __init__(self, experiment: Experiment, runs: Iterable[Run]) -> None:
        self._folder = tempfile.mkdtemp(prefix="gonogo-")
        self.root = Path(self._folder).resolve()
        for file in experiment.with_suffix(".py", ".yaml", ".yml", ".toml"):
            self._write(file.path, file.text or "")
        for file in experiment.with_suffix(".ipynb"):
            self._write(file.path + NOTEBOOK, file.text or "")
        for run in runs:
            if run.from_plan and run.path is not None:
                self._write(run.path, run.text)

    def _write(self, path: str, text: str) -> None:
        if path == "pyproject.toml" or path.endswith("ruff.toml"):
            return  # ruff must see no settings of the experiment
        if not can_be_written(path):
            return  # no file of that name can be made; RUN and STR rules speak of names
        target = self.root / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8", newline="")
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            return  # one name is both a file and a folder: only possible in a bundle with odd run ids, which RUN rules report

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
