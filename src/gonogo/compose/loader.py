"""Hydra's own config loader with a memory, for one experiment.

What does not depend on the overrides of values (files read, the defaults list, the merge of the files) is worked out once, and what
runs have in common once for all of them. `tests/test_compose.py` holds the results against those of Hydra alone.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import hydra
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.defaults_list import DefaultsList, Overrides, create_defaults_list
from hydra._internal.utils import create_config_search_path
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobRuntime
from hydra.errors import ConfigCompositionException
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, flag_override, open_dict
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from gonogo.compose.cloning import clone
from gonogo.compose.patches import OWN_PROVIDERS, parser
from gonogo.compose.section import Merge, attach, is_plain, is_without_section

SEARCH_PATH = "hydra.searchpath"
HYDRA_RESOLVER = "${hydra:"
LEFTOVER = "HYDRA_REMOVE_TOP_LEVEL_DEFAULTS"


class RefusedError(Exception):
    """The config asks for something outside the experiment, which a gate must not read."""


def refuse_hydra_resolver(search_path: object) -> None:
    """Fail as Hydra does where a search path refers to `${hydra:…}`.

    Nothing is known of it while Hydra composes.

    Raises:
        InterpolationResolutionError: it does.
    """
    entries = OmegaConf.to_container(search_path, resolve=False) if OmegaConf.is_list(search_path) else search_path
    if isinstance(entries, list) and any(isinstance(entry, str) and HYDRA_RESOLVER in entry for entry in entries):
        raise InterpolationResolutionError(f"`{SEARCH_PATH}` refers to `{HYDRA_RESOLVER}…}}`: HydraConfig was not set")


class Loader(ConfigLoaderImpl):
    """Hydra's loader for one config folder, which must not change while it lives."""

    _hydra_merges: dict[Any, Merge] = {}  # noqa: RUF012  # shared by all loaders: Hydra's own defaults are the same for every experiment

    def __init__(self, folder: str | None) -> None:
        super().__init__(config_search_path=create_config_search_path(folder))
        self._repositories: dict[Any, Repository] = {}
        self._lists: dict[Any, tuple[DefaultsList, tuple[str, ...]]] = {}
        self._merges: dict[Any, Merge] = {}
        self._prepared: dict[Any, DictConfig] = {}
        self._parts: dict[Any, tuple[DictConfig, DictConfig] | None] = {}
        self._version: str | None = None
        self._choices: dict[str, Any] | None = None
        self.defaults: list[ResultDefault] = []  # what the last config was merged from

    def load(self, config_name: str | None, overrides: list[str], version_base: str | None) -> DictConfig:
        """Compose as `@hydra.main` does.

        The config is good until the next call: its `hydra` section may be lent to that one.

        Raises:
            RefusedError: the config leads out of the experiment.
        """
        version.setbase(version_base)
        self._version = str(version.getbase())
        self._choices = None
        return self.load_configuration(config_name, overrides, RunMode.RUN, from_shell=False)

    def choices(self, config: DictConfig) -> dict[Any, Any]:
        """The choices made for config groups in the config loaded last."""
        if self._choices is not None:
            return self._choices
        noted = config.hydra.runtime.choices
        return {key: noted._get_node(key)._value() for key in noted}

    def _parse_overrides_and_create_caching_repo(
        self, config_name: str | None, overrides: list[str]
    ) -> tuple[list[Override], CachingConfigRepository]:
        if any(SEARCH_PATH in text for text in overrides):
            return super()._parse_overrides_and_create_caching_repo(config_name, overrides)
        parsed = parser().parse_overrides(overrides=overrides)
        key = (config_name, self._version)
        if key not in self._repositories:
            repository = Repository(self.repository)
            self._process_config_searchpath(config_name, parsed, repository)
            self._repositories[key] = repository
        return parsed, self._repositories[key]

    def _process_config_searchpath(self, config_name: str | None, parsed_overrides: list[Override], repo: CachingConfigRepository) -> None:
        loaded = repo.load_config(config_path=config_name) if config_name is not None else None
        named = any(override.get_key_element() == SEARCH_PATH for override in parsed_overrides)
        if loaded is not None and not named and is_without_section(loaded.config):
            return  # as most often, and then Hydra's way of finding that out is long
        wanted = OmegaConf.select(loaded.config, SEARCH_PATH) if loaded is not None and OmegaConf.is_dict(loaded.config) else None
        if wanted and not named:
            refuse_hydra_resolver(wanted)
        if wanted or named:
            raise RefusedError(f"`{SEARCH_PATH}` leads out of the config folder, and gonogo does not follow it")
        super()._process_config_searchpath(config_name, parsed_overrides, repo)

    def _load_configuration_impl(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """Run Hydra's own steps in Hydra's order, with caching.

        What does not depend on overrides of values is done once and copied.

        `hydra.runtime.config_sources` is not filled in: it costs more than the rest, and holds but the path of a temporary folder.
        """
        self.ensure_main_config_source_available()
        parsed, repo = self._parse_overrides_and_create_caching_repo(config_name, overrides)
        if validate_sweep_overrides:
            self.validate_sweep_overrides_legal(overrides=parsed, run_mode=run_mode, from_shell=from_shell)
        self.defaults, names, values, choices = self._defaults_list(repo, config_name, parsed)
        key = (config_name, self._version, names, repr(choices))
        config: DictConfig
        if all(is_plain(text) for text in overrides) and not any("$" in str(name) for name in choices.values()):
            if key not in self._parts:
                self._parts[key] = self._part(self._merge(config_name, self.defaults, names, repo), config_name)
            parts = self._parts[key]
            if parts is not None:
                config = clone(parts[0])
                attach(config, parts[1])
                ConfigLoaderImpl._apply_overrides_to_config(values, config)
                self._choices = choices
                return config
        if key not in self._prepared:
            self._prepared[key] = _prepare(self._merge(config_name, self.defaults, names, repo).whole())
        config = clone(self._prepared[key])
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        _note(config, config_name, parsed, choices)
        return config

    def _defaults_list(
        self, repo: Any, config_name: str | None, parsed: list[Override]
    ) -> tuple[list[ResultDefault], tuple[str, ...], list[Override], Any]:
        """Return the configs to merge, the overrides of values, and the choices made for groups.

        The configs come with names that distinguish them.
        """
        asked = Overrides(repo=repo, overrides_list=parsed)
        choices = (asked.override_choices, asked.append_group_defaults, sorted((key, item.name) for key, item in asked.deletions.items()))
        key = (config_name, self._version, repr(choices))
        if key not in self._lists:
            known = create_defaults_list(repo, config_name, parsed, prepend_hydra=True, skip_missing=False)
            self._lists[key] = (known, tuple(repr(default) for default in known.defaults))
        known, names = self._lists[key]
        return known.defaults, names, asked.config_overrides, known.overrides.known_choices

    def _load_single_config(self, default: ResultDefault, repo: Any) -> ConfigResult:
        lent: Any = _Lending(repo)
        return super()._load_single_config(default, lent)

    @staticmethod
    def _embed_result_config(ret: ConfigResult, package_override: str | None) -> ConfigResult:
        """As Hydra's, but the config is put under its package as it is: it is a copy already."""
        package = ret.header["package"] if package_override is None else package_override
        if not package:
            return ret
        config = OmegaConf.create()
        with flag_override(config, "no_deepcopy_set_nodes", True):
            OmegaConf.update(config, package, ret.config, merge=False)
        ret = copy.copy(ret)
        ret.config = config
        return ret

    def _merge(self, config_name: str | None, defaults: list[ResultDefault], names: tuple[str, ...], repo: Any) -> Merge:
        """Hydra's own merge loop, but starting from as many defaults as were merged before.

        First come the defaults that are Hydra's own, then most often the shared config: only the last few differ from run to run.
        """
        own = 0
        while own < len(defaults) and repo.load_config(config_path=defaults[own].config_path).provider in OWN_PROVIDERS:
            own += 1
        start = (self._version, names[:own])
        if start not in self._hydra_merges:
            config = OmegaConf.create()
            for default in defaults[:own]:
                _merge_into(config, self._load_single_config(default=default, repo=repo), default)
            self._hydra_merges[start] = Merge.of(config)
        merged = self._hydra_merges[start]
        for index in range(own, len(defaults)):
            key = (config_name, self._version, names[: index + 1])
            if key not in self._merges:
                self._merges[key] = self._merge_one(merged, defaults[index], repo)
            merged = self._merges[key]
        return merged

    def _merge_one(self, merged: Merge, default: ResultDefault, repo: Any) -> Merge:
        loaded = self._load_single_config(default=default, repo=repo)
        if merged.can_take_apart(loaded.config):
            config = clone(merged.root)
            _merge_into(config, loaded, default)
            return Merge(config, merged.section)
        config = merged.whole()
        _merge_into(config, loaded, default)
        return Merge.of(config)

    @staticmethod
    def _part(merged: Merge, config_name: str | None) -> tuple[DictConfig, DictConfig] | None:
        """Return a config prepared for overrides in two parts.

        Of these, the `hydra` section can be lent. None if it can't be.
        """
        section = merged.section
        if section is None or not section.lendable():
            return None
        if section.prepared is None:
            bare = OmegaConf.create()
            attach(bare, clone(section.node))
            _note(_prepare(bare), config_name, [], {})
            section.prepared = bare.hydra
        root = clone(merged.root)
        _strip_defaults(root)
        OmegaConf.set_struct(root, True)
        return root, section.prepared


def _merge_into(config: DictConfig, loaded: ConfigResult, default: ResultDefault) -> None:
    with flag_override(config, "no_deepcopy_set_nodes", True):
        try:
            config.merge_with(loaded.config)
        except OmegaConfBaseException as error:
            message = f"In '{default.config_path}': {type(error).__name__} raised while composing config:\n{error}"
            raise ConfigCompositionException(message) from None  # as Hydra does: the text holds the cause


def _prepare(config: DictConfig) -> DictConfig:
    """What Hydra does to every merged config before it applies overrides."""
    _strip_defaults(config)
    OmegaConf.set_struct(config, True)
    OmegaConf.set_readonly(config.hydra, False)
    return config


def _note(config: DictConfig, config_name: str | None, parsed: list[Override], choices: Any) -> None:
    """What Hydra writes down about one composition, in Hydra's order."""
    noted = config.hydra.overrides
    for override in parsed:
        (noted.hydra if override.is_hydra_override() else noted.task).append(override.input_line)
    job, runtime = config.hydra.job, config.hydra.runtime
    with open_dict(config.hydra):
        runtime.choices.update(choices)
        for name in job.env_copy:
            job.env_set[name] = os.environ[name]
    runtime.version = hydra.__version__
    runtime.version_base = version.getbase()
    runtime.cwd = str(Path.cwd())
    if "name" not in job:
        job.name = JobRuntime().get("name")
    names = job.config.override_dirname
    job.override_dirname = get_overrides_dirname(
        overrides=[override for override in parsed if not override.is_hydra_override()],
        kv_sep=names.kv_sep,
        item_sep=names.item_sep,
        exclude_keys=names.exclude_keys,
    )
    job.config_name = config_name


class Repository(CachingConfigRepository):
    """Hydra's cache of loaded configs.

    Configs that are Hydra's own are shared with the repositories of other experiments.
    """

    _shared: dict[tuple[str, str], ConfigResult] = {}  # noqa: RUF012

    def __init__(self, delegate: Any) -> None:
        # Not a copy as Hydra makes: only another search path would change the delegate, and that is refused.
        self.delegate = delegate
        self.cache = {}

    def load_config(self, config_path: str) -> ConfigResult | None:
        """A config with its defaults list, None if there is none."""
        cached = f"config_path={config_path}"  # as the class above has it
        if cached in self.cache:
            return self.cache[cached]
        key = (str(version.getbase()), config_path)
        if key in self._shared and not self._shadowed(config_path):
            self.cache[cached] = self._shared[key]
            return self._shared[key]
        result = super().load_config(config_path)
        if result is not None and result.provider in OWN_PROVIDERS:
            self._shared[key] = result
        return result

    def _shadowed(self, config_path: str) -> bool:
        """Return whether the experiment has a config of this name itself (`config/hydra/...`).

        Such a config takes precedence over Hydra's schemas.
        """
        group, _, name = config_path.partition("/")
        sources = [source for source in self.get_sources() if source.provider not in OWN_PROVIDERS]
        return any((not name or source.is_group(group)) and source.is_config(config_path) for source in sources)


class _Lending:
    """A repository whose configs may be merged into others: it gives out copies and keeps the originals."""

    def __init__(self, repo: Any) -> None:
        self._repo = repo

    def load_config(self, config_path: str) -> ConfigResult | None:
        result = self._repo.load_config(config_path=config_path)
        if result is not None:
            result = copy.copy(result)
            result.config = clone(result.config)
        return result  # type: ignore[no-any-return]

    def get_schema_source(self) -> Any:
        return self._repo.get_schema_source()


def _strip_defaults(node: Any) -> None:
    """Remove what is left of the defaults lists, as Hydra does at the end of its merge.

    Hydra asks each node whether the flag holds there. A node passes it on to those below, but has lost it by the time that these are asked:
    so only a node that has it itself is concerned.
    """
    content = node._value() if isinstance(node, DictConfig) else None
    if not isinstance(content, dict):
        return
    if node._metadata.flags and node._metadata.flags.get(LEFTOVER):
        with flag_override(node, ["readonly", "struct"], False):
            node._set_flag(LEFTOVER, None)
            node.pop("defaults", None)
    for child in list(content.values()):
        _strip_defaults(child)
