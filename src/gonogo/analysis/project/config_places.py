"""Where the keys of a composed config stand in the YAML files it was made from.

Also which key was intended by a wrong one.
"""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Iterator
from typing import Any

from gonogo.analysis.interpreter.markers import FILE_ROOT
from gonogo.compose.client import Composition
from gonogo.documents.yaml import YamlDocument
from gonogo.model.contract import Contract
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Location
from gonogo.model.runs import Run

Path = tuple[str, ...]
NOTHING: Any = object()


def value_at(config: Any, path: Path) -> Any:
    """The value at a path of plain data, NOTHING if there is none."""
    for key in path:
        if not isinstance(config, dict) or key not in config:
            return NOTHING
        config = config[key]
    return config


def paths_of(config: Any, path: Path = ()) -> Iterator[Path]:
    """Every path of plain data, parents first."""
    if isinstance(config, dict):
        for key, value in config.items():
            here = (*path, str(key))
            yield here
            yield from paths_of(value, here)


class ConfigPlaces:
    """Looks keys up in the YAML of one experiment."""

    def __init__(self, experiment: Experiment, contract: Contract, runs: list[Run]) -> None:
        self._experiment = experiment
        self._folder = contract.hydra.config_dir
        self.shared_path = f"{contract.hydra.config_dir}/{contract.hydra.config_name}.yaml"
        self.runs = {run.id: run for run in runs}
        self._prefixes: dict[tuple[str, int], Path | None] = {}

    @property
    def shared(self) -> YamlDocument:
        """The shared config."""
        return self._experiment.yaml(self.shared_path)

    def primary(self, composition: Composition | None) -> str:
        """The path of the config that a composition starts from."""
        return self.shared_path

    def prefix_of(self, run: Run, composition: Composition | None) -> Path | None:
        """Return where Hydra put the keys of a run config.

        They are under its group, at the top, or elsewhere. None if they are not in the composed config.
        """
        if composition is None or composition.config is None:
            return None
        key = (run.id, id(composition))  # the traces hold the compositions as long as anybody looks up keys
        if key not in self._prefixes:
            self._prefixes[key] = self._find_prefix(run, composition)
        return self._prefixes[key]

    @staticmethod
    def _find_prefix(run: Run, composition: Composition) -> Path | None:
        leaves = [tuple(map(str, path)) for path in run.document.leaves]
        leaves = [path for path in leaves if path[0] != "defaults"]
        if not leaves:
            return None
        groups = [tuple(group.split("@")[-1].replace("/", ".").split(".")) for group in composition.choices]
        for prefix in [*groups, (), ("run",), ("runs",)]:
            hits = sum(value_at(composition.config, (*prefix, *path)) is not NOTHING for path in leaves)
            if hits * 2 > len(leaves):
                return prefix
        return None

    def locate(self, path: Path, run: Run | None = None, composition: Composition | None = None) -> Location | None:
        """Where a key of the composed config is written, None if in no file of the experiment."""
        if path[:1] == (FILE_ROOT,):
            return self._in_document(path[1], self._experiment.yaml(path[1]), path[2:])
        if run is not None and run.path is not None:
            prefix = self.prefix_of(run, composition)
            if prefix is not None and path[: len(prefix)] == prefix:
                found = self._in_document(run.path, run.document, path[len(prefix) :])
                if found is not None:
                    return found
        found = self._in_document(self.shared_path, self.shared, path)
        if found is not None or composition is None:
            return found
        for group, choice in composition.choices.items():
            package = tuple(group.split("@")[-1].replace("/", ".").split("."))
            name = f"{self._folder}/{group.split('@')[0]}/{choice}.yaml"
            if path[: len(package)] == package:
                found = self._in_document(name, self._experiment.yaml(name), path[len(package) :])
                if found is not None:
                    return found
        return None

    @staticmethod
    def _in_document(name: str, document: YamlDocument, path: Path) -> Location | None:
        place = document.places.get(path)
        if place is None:
            return None
        return Location(path=name, line=place.line, column=place.column, end_line=place.line, end_column=place.end_column)


class ProjectPlaces(ConfigPlaces):
    """Looks keys up in the files that each config of a project was merged from."""

    def primary(self, composition: Composition | None) -> str:
        """The path of the config that a composition starts from; the folder's, where there is no such file."""
        if composition is None or composition.config_name is None:
            return composition.config_path if composition is not None else ""
        return self.file_of(f"{composition.config_path}/{composition.config_name}".removesuffix(".yaml")) or composition.config_path

    def file_of(self, path: str) -> str | None:
        """The file of a config by its path without suffix."""
        path = posixpath.normpath(path)
        return next((path + suffix for suffix in (".yaml", ".yml") if path + suffix in self._experiment.files), None)

    def locate(self, path: Path, run: Run | None = None, composition: Composition | None = None) -> Location | None:
        """Where a key of the composed config is written: in the last file that has it; None if in none."""
        if path[:1] == (FILE_ROOT,) or composition is None:
            return super().locate(path, run, composition) if path[:1] == (FILE_ROOT,) else None
        for source, package in reversed(composition.sources):
            prefix = tuple(package.split(".")) if package not in ("", "_global_") else ()
            name = self.file_of(source)
            if name is not None and path[: len(prefix)] == prefix:
                found = self._in_document(name, self._experiment.yaml(name), path[len(prefix) :])
                if found is not None:
                    return found
        return None


def nearest(config: dict[str, Any], path: Path) -> Path | None:
    """Return the key that was intended by an absent path.

    It is the same key elsewhere (longest common tail first), otherwise a neighbour with a similar spelling.
    """
    same_key = [other for other in paths_of(config) if other[-1] == path[-1] and other != path]
    if same_key:
        return max(same_key, key=lambda other: (_common_tail(other, path), -len(other)))
    parent = value_at(config, path[:-1])
    names = [str(key) for key in parent] if isinstance(parent, dict) else []
    close = difflib.get_close_matches(path[-1], names, n=1, cutoff=0.75)
    return (*path[:-1], close[0]) if close else None


def _common_tail(left: Path, right: Path) -> int:
    length = 0
    while length < min(len(left), len(right)) and left[-1 - length] == right[-1 - length]:
        length += 1
    return length
