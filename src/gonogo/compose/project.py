"""Composition for projects of any shape.

It handles plugins that are not installed, search paths within the project, and configs kept in code.

A plugin's config group (`override hydra/launcher: submitit_slurm`) is not the project's fault where the plugin is missing: it is taken to
be there and to hold nothing we know of. What the loader can't follow makes a failure *unsure* rather than false.
"""

from __future__ import annotations

import copy
import dataclasses
import os
from functools import partial
from pathlib import Path
from typing import Any

from hydra._internal.config_repository import CachingConfigRepository
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf

from gonogo.compose import patches
from gonogo.compose.client import CLOSED
from gonogo.compose.loader import SEARCH_PATH, Loader, Repository, refuse_hydra_resolver
from gonogo.compose.patches import OWN_PROVIDERS, parser

PLUGIN_GROUPS = "hydra/"
STORED = "store"


class ProjectLoader(Loader):
    """Hydra's loader for one config folder of a project.

    Args:
        folder: the config folder; None where the application names none.
        root: the folder of the project; nothing outside is read.
        roots: folders that its packages are imported from.
        store: a folder with the configs that the code keeps in Hydra's ConfigStore; None if it keeps none.
        beside: what `--config-dir` adds to the search path.

    Attributes:
        unsure: why a failure of the last composition may not be the project's fault; empty if it is.
    """

    def __init__(self, folder: str | None, root: str, roots: list[str], store: str | None, beside: list[str]) -> None:
        super().__init__(folder)
        near = [folder, str(Path(folder).parent)] if folder is not None else []  # where programs are often started
        self._root, self._roots, self._store = os.path.realpath(root), [*roots, *near], store
        self._beside = beside
        self._doubts: dict[Any, str] = {}
        self.unsure = ""

    def load(self, config_name: str | None, overrides: list[str], version_base: str | None) -> DictConfig:
        """As the base class, but lenient with what only an installed plugin would bring."""
        self.unsure = ""
        with patches.plugins_taken_for_granted():
            return super().load(config_name, overrides, version_base)

    def sources(self) -> list[list[str]]:
        """Return the files of the project that the last config was merged from.

        Each has its path under the root without suffix, and its package.
        """
        found = []
        for default in self.defaults:
            if default.config_path is None:
                continue
            result = self._repositories[self._key].load_config(config_path=default.config_path)
            if result is not None and result.provider not in OWN_PROVIDERS and result.path.startswith("file://"):
                path = Path(result.path.removeprefix("file://"), default.config_path)
                found.append([os.path.relpath(path.resolve(), self._root).replace(os.sep, "/"), default.package or ""])
        return found

    def _parse_overrides_and_create_caching_repo(
        self, config_name: str | None, overrides: list[str]
    ) -> tuple[list[Override], CachingConfigRepository]:
        parsed = parser().parse_overrides(overrides=overrides)
        self._key = (config_name, self._version)
        if self._key not in self._repositories:
            # A copy: the search path differs from one primary config to the next.
            repository = _LenientRepository(copy.deepcopy(self.repository))
            self._extend(repository, [])
            loaded = repository.load_config(config_path=config_name) if config_name is not None else None
            self._doubts[self._key] = self._follow_search_path(loaded, repository)
            self._repositories[self._key] = repository
        self.unsure = self._doubts[self._key]
        if any(override.get_key_element() == SEARCH_PATH for override in parsed):
            self.unsure = f"`{SEARCH_PATH}` is overridden"
        return parsed, self._repositories[self._key]

    def _follow_search_path(self, loaded: ConfigResult | None, repository: CachingConfigRepository) -> str:
        """Add the folders of the project that the primary config adds; what is left in doubt."""
        if loaded is None or not OmegaConf.is_dict(loaded.config):
            return ""
        section = OmegaConf.to_container(loaded.config, resolve=False)
        section = section.get("hydra") if isinstance(section, dict) else None
        wanted = section.get("searchpath") if isinstance(section, dict) else None
        if not isinstance(wanted, list):
            return ""
        refuse_hydra_resolver(OmegaConf.create(wanted))
        folders = {entry: self._inside(entry) for entry in wanted if isinstance(entry, str)}
        self._extend(repository, [folder for folder in folders.values() if folder is not None])
        outside = [entry for entry, folder in folders.items() if folder is None]
        return f"`{SEARCH_PATH}` names {', '.join(outside)}, which is not in the project" if outside else ""

    def _inside(self, entry: str) -> str | None:
        """The folder of the project that an entry of the search path means."""
        if "${" in entry:
            return None
        scheme, separator, rest = entry.partition("://")
        name = rest if separator else entry
        if separator and scheme == "pkg":
            name = name.replace(".", "/")
        elif separator and scheme != "file":
            return None
        for root in [self._root, *self._roots]:
            folder = Path(root, name).resolve()
            if folder.is_dir() and folder.is_relative_to(self._root):
                return str(folder)
        return None

    def _extend(self, repository: CachingConfigRepository, folders: list[str]) -> None:
        path = copy.deepcopy(self.config_search_path)
        path.get_path().pop()  # the schemas, which must stay last
        for folder in self._beside:
            path.append("command-line", f"file://{folder}")
        for folder in folders:
            path.append("hydra.searchpath in main", f"file://{folder}")
        if self._store is not None:
            path.append(STORED, f"file://{self._store}")
        path.append("schema", "structured://")
        repository.initialize_sources(path)


class _LenientRepository(Repository):
    """A repository in which every config of a plugin's group is there, though nothing may be known of it."""

    def load_config(self, config_path: str) -> ConfigResult | None:
        result = super().load_config(config_path)
        if result is None and config_path.startswith(PLUGIN_GROUPS):
            return ConfigResult("plugin", "", OmegaConf.create({}), {"package": None}, [])
        if result is not None and result.provider == STORED:
            result.config = _structured(result.config)
        return result


def _structured(config: Any) -> Any:
    """Return a config of the store with the dataclasses that its mappings stand for.

    Then OmegaConf itself rejects other keys.
    """
    data = OmegaConf.to_container(config, resolve=False)
    typed = _typed(data)
    if typed == data:
        return config  # nothing in it is closed, or the dataclasses are there already
    return OmegaConf.structured(typed) if dataclasses.is_dataclass(typed) else OmegaConf.create(typed)


def _typed(data: Any) -> Any:
    """Return plain data with a dataclass instance for each closed mapping.

    The fields of the dataclass accept any value.
    """
    if isinstance(data, list):
        return [_typed(value) for value in data]
    if not isinstance(data, dict):
        return data
    values = {key: _typed(value) for key, value in data.items() if key != CLOSED}
    if CLOSED not in data:
        return values
    fields = [(name, Any, dataclasses.field(default_factory=partial(copy.copy, value))) for name, value in values.items()]
    return dataclasses.make_dataclass(data[CLOSED], fields)()
