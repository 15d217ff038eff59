"""A folder of configs as its files are arranged in groups and options.

Also what a group that nobody selected would add.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from gonogo.compose.client import Composition
from gonogo.model.experiment import Experiment

_PACKAGE = re.compile(r"^[ \t]*#[ \t]*@package[ \t]+([\w.]+)", re.MULTILINE)


class ConfigFolder:
    """One config folder of a project.

    Args:
        experiment: the project.
        folder: relative to its root; None where it is not known, which is a folder without files.
    """

    def __init__(self, experiment: Experiment, folder: str | None) -> None:
        self._experiment = experiment
        self._prefix = None if folder is None else "" if folder in ("", ".") else f"{folder}/"

    def _files(self) -> Iterator[tuple[str, str]]:
        """The files with the name of each: its path in the folder without suffix."""
        if self._prefix is not None:
            for file in self._experiment.with_suffix(".yaml", ".yml"):
                if file.path.startswith(self._prefix):
                    yield file.path, file.path.removeprefix(self._prefix).rpartition(".")[0]

    def options(self, group: str) -> list[str]:
        """The options of a group."""
        group = group.strip("/")
        return sorted(name.rpartition("/")[2] for _, name in self._files() if name.rpartition("/")[0] == group)

    def names(self) -> list[str]:
        """The primary configs."""
        return self.options("")

    def has_group(self, group: str) -> bool:
        """Whether there is a group of this name."""
        return bool(group) and any(name.startswith(f"{group.strip('/')}/") for _, name in self._files())

    def file_of_run(self, overrides: Iterable[str], groups: Iterable[str]) -> str | None:
        """The file of the option that is chosen from one of these groups, None if none is."""
        chosen = {key.lstrip("+"): value for key, _, value in (text.partition("=") for text in overrides)}
        wanted = {posixpath.join(group, chosen[group].removesuffix(".yaml")) for group in groups if group in chosen}
        return next((path for path, name in self._files() if name in wanted), None)

    def may_bring(self, path: tuple[str, ...], composition: Composition) -> bool:
        """Return whether a group that the defaults list lacks has an option with this key.

        Such a group may be added on the command line.
        """
        listed = {group.partition("@")[0] for group in composition.choices}
        for file, name in self._files():
            group = name.rpartition("/")[0]
            if not group or group in listed or group.partition("/")[0] == "hydra":
                continue
            header = _PACKAGE.search(self._experiment.text(file) or "")
            package = header[1] if header is not None else group.replace("/", ".")
            package = package.replace("_group_", group.replace("/", ".")).replace("_name_", name.rpartition("/")[2])
            prefix = () if package == "_global_" else tuple(package.split("."))
            if path[: len(prefix)] == prefix and path[len(prefix) :] in self._experiment.yaml(file).places:
                return True
        return False
