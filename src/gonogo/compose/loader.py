"""Hydra's own config loader, with a memory and with walls.

The memory: whatever comes out the same for every composition of one experiment (parsed overrides, files read, the defaults list,
the merge of Hydra's own defaults) is worked out once and handed on as a copy. The walls: no file outside the config folder,
no package but Hydra's own, no YAML that explodes. `tests/test_compose.py` holds the results against those of Hydra alone.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import hydra
import hydra._internal.defaults_list
import omegaconf._utils
import omegaconf.base
import yaml
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.defaults_list import DefaultsList, Overrides, create_defaults_list
from hydra._internal.sources_registry import SourcesRegistry
from hydra._internal.utils import create_config_search_path
from hydra.core.default_element import InputDefault, ResultDefault
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobRuntime
from hydra.errors import ConfigCompositionException
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, flag_override, open_dict
from omegaconf.errors import OmegaConfBaseException

from gonogo.code.yamldoc import check_depth, check_size
from gonogo.compose.cloning import clone, shallow

SEARCH_PATH = "hydra.searchpath"
LEFTOVER = "HYDRA_REMOVE_TOP_LEVEL_DEFAULTS"
OWN_PROVIDERS = ("hydra", "schema")
REMEMBERED = 4096

# Modules in which names are replaced; `Any`, for that is none of a type checker's business.
hydra_defaults: Any = hydra._internal.defaults_list
omegaconf_utils: Any = omegaconf._utils
omegaconf_base: Any = omegaconf.base


class RefusedError(Exception):
    """The config asks for something outside the experiment, which a gate must not read."""


_create_interpolation_map = hydra_defaults._create_interpolation_map
_parse_rule = OverridesParser.parse_rule


class GuardedLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader (in C: ten times faster, same language) that refuses what would explode before it does."""

    def __init__(self, stream: Any) -> None:
        text = stream.read() if hasattr(stream, "read") else stream
        check_depth(text)
        super().__init__(text)

    def get_single_node(self) -> Any:
        """The first document's node graph, if it stays small once its aliases are expanded."""
        node = super().get_single_node()
        if node is not None:
            check_size(node)
        return node


def install() -> None:
    """Put the memory and the walls into Hydra and OmegaConf; for a process that does nothing else."""
    yaml.SafeLoader = GuardedLoader  # type: ignore[misc]  # OmegaConf derives its loader from this name at each load
    omegaconf_utils.get_yaml_loader = lru_cache(maxsize=1)(omegaconf_utils.get_yaml_loader)
    parse_once: Any = lru_cache(maxsize=REMEMBERED)(_parse_fresh)
    # A parsed override is only read from then on, and its value is converted anew each time, so it can be shared.
    OverridesParser.parse_rule = lambda self, s, rule_name: parse_once(s, rule_name)  # type: ignore[method-assign]
    # The tree of a parsed interpolation is only walked, never changed.
    omegaconf_base.parse = omegaconf_utils.parse = lru_cache(maxsize=REMEMBERED)(omegaconf_base.parse)
    hydra_defaults._create_interpolation_map = _interpolation_map
    InputDefault.__deepcopy__ = shallow  # type: ignore[attr-defined]
    Plugins.instance()
    # The registered classes: Hydra loads its plugins' modules a second time, so those that can be imported are others.
    file_source: Any = SourcesRegistry.instance().resolve("file")
    for name in ("is_config", "is_group"):
        setattr(file_source, name, _inside_only(getattr(file_source, name)))
    _share_hydra_configs(SourcesRegistry.instance().resolve("pkg"))


def _parse_fresh(text: str, rule_name: str) -> Any:
    return _parse_rule(_parser(), text, rule_name)


@lru_cache(maxsize=1)
def _parser() -> OverridesParser:
    return OverridesParser.create()


def _interpolation_map(overrides: Overrides, defaults_list: list[InputDefault], self_added: bool) -> Any:
    """What interpolations in a defaults list are looked up in; most lists have none, and making it is dear."""
    if any(not entry.is_self() and entry.is_interpolation() for entry in defaults_list):
        return _create_interpolation_map(overrides, defaults_list, self_added)
    return None


def _inside_only(method: Callable[[Any, str], bool]) -> Callable[[Any, str], bool]:
    """For a file source, what lies outside its folder is not there (`run=../../../home/...`)."""

    def check(self: Any, config_path: str) -> bool:
        known = self.__dict__.setdefault("known", {})  # a source lives no longer than its loader
        key = (method.__name__, config_path, str(version.getbase()))
        if key not in known:
            root = os.path.realpath(self.path)
            target = os.path.realpath(f"{root}{os.sep}{config_path}")
            known[key] = os.path.commonpath([root, target]) == root and method(self, config_path)
        return bool(known[key])

    return check


def _share_hydra_configs(source: Any) -> None:
    """Read the configs that ship with Hydra once for all loaders; they are the same for every experiment."""
    for name in ("is_config", "is_group"):
        setattr(source, name, _remembering(getattr(source, name)))
    read = _remembering(source.load_config)

    def load_config(self: Any, config_path: str) -> Any:
        result = copy.copy(read(self, config_path))
        result.config = clone(result.config)
        return result

    source.load_config = load_config


def _remembering(method: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    results: dict[tuple[str, str, str, str], Any] = {}

    def remember(self: Any, config_path: str) -> Any:
        key = (self.provider, self.path, config_path, str(version.getbase()))
        if key not in results:
            if len(results) >= REMEMBERED:  # an experiment can ask for any number of names
                results.clear()
            results[key] = method(self, config_path)
        return results[key]

    return remember


class Loader(ConfigLoaderImpl):
    """Hydra's loader for one config folder, which must not change while it lives."""

    _hydra_merges: dict[str, DictConfig] = {}  # noqa: RUF012  # shared by all loaders: Hydra's own defaults are the same for every experiment

    def __init__(self, folder: str) -> None:
        super().__init__(config_search_path=create_config_search_path(folder))
        self._repositories: dict[Any, _Repository] = {}
        self._lists: dict[Any, DefaultsList] = {}
        self._prepared: dict[Any, DictConfig] = {}
        self._version: str | None = None

    def load(self, config_name: str | None, overrides: list[str], version_base: str | None) -> DictConfig:
        """Compose as `@hydra.main` does.

        Raises:
            RefusedError: the config leads out of the experiment.
        """
        version.setbase(version_base)
        self._version = str(version.getbase())
        return self.load_configuration(config_name, overrides, RunMode.RUN, from_shell=False)

    def _parse_overrides_and_create_caching_repo(
        self, config_name: str | None, overrides: list[str]
    ) -> tuple[list[Override], CachingConfigRepository]:
        if any(SEARCH_PATH in text for text in overrides):
            return super()._parse_overrides_and_create_caching_repo(config_name, overrides)
        parsed = _parser().parse_overrides(overrides=overrides)
        key = (config_name, self._version)
        if key not in self._repositories:
            repository = _Repository(self.repository)
            self._process_config_searchpath(config_name, parsed, repository)
            self._repositories[key] = repository
        return parsed, self._repositories[key]

    def _process_config_searchpath(self, config_name: str | None, parsed_overrides: list[Override], repo: CachingConfigRepository) -> None:
        loaded = repo.load_config(config_path=config_name) if config_name is not None else None
        wanted = OmegaConf.select(loaded.config, SEARCH_PATH) if loaded is not None and OmegaConf.is_dict(loaded.config) else None
        if wanted or any(override.get_key_element() == SEARCH_PATH for override in parsed_overrides):
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
        """Hydra's own steps in Hydra's order, but what does not depend on overrides of values is done once and copied.

        `hydra.runtime.config_sources` is not filled in: it costs more than the rest, and holds but the path of a temporary folder.
        """
        self.ensure_main_config_source_available()
        parsed, repo = self._parse_overrides_and_create_caching_repo(config_name, overrides)
        if validate_sweep_overrides:
            self.validate_sweep_overrides_legal(overrides=parsed, run_mode=run_mode, from_shell=from_shell)
        defaults, values, choices = self._defaults_list(repo, config_name, parsed)
        about_hydra = any(override.is_hydra_override() for override in parsed)
        key = (config_name, self._version, repr(defaults), repr(choices), about_hydra)
        if key not in self._prepared:
            self._prepared[key] = _prepare(self._merge(defaults, repo), choices)
            if not about_hydra:  # else it must wait until the overrides are applied
                _name_job(self._prepared[key], config_name)
        config: DictConfig = clone(self._prepared[key])
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        if about_hydra:
            _name_job(config, config_name)
        _note(config, parsed)
        return config

    def _defaults_list(self, repo: Any, config_name: str | None, parsed: list[Override]) -> tuple[list[ResultDefault], list[Override], Any]:
        """The configs to merge, the overrides that set values, and the choices made for groups."""
        asked = Overrides(repo=repo, overrides_list=parsed)
        choices = (asked.override_choices, asked.append_group_defaults, sorted((key, item.name) for key, item in asked.deletions.items()))
        key = (config_name, self._version, repr(choices))
        if key not in self._lists:
            self._lists[key] = create_defaults_list(repo, config_name, parsed, prepend_hydra=True, skip_missing=False)
        known = self._lists[key]
        return known.defaults, asked.config_overrides, known.overrides.known_choices

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

    def _merge(self, defaults: list[ResultDefault], repo: Any) -> DictConfig:
        """Hydra's own merge loop, but starting from the defaults that are Hydra's and always come first."""
        own = 0
        while own < len(defaults) and repo.load_config(config_path=defaults[own].config_path).provider in OWN_PROVIDERS:
            own += 1
        key = repr((self._version, defaults[:own]))
        if key not in self._hydra_merges:
            self._hydra_merges[key] = self._merge_onto(OmegaConf.create(), defaults[:own], repo)
        config = self._merge_onto(clone(self._hydra_merges[key]), defaults[own:], repo)
        _strip_defaults(config)
        return config

    def _merge_onto(self, config: DictConfig, defaults: list[ResultDefault], repo: Any) -> DictConfig:
        with flag_override(config, "no_deepcopy_set_nodes", True):
            for default in defaults:
                loaded = self._load_single_config(default=default, repo=repo)
                try:
                    config.merge_with(loaded.config)
                except OmegaConfBaseException as error:
                    message = f"In '{default.config_path}': {type(error).__name__} raised while composing config:\n{error}"
                    raise ConfigCompositionException(message) from None  # as Hydra does: the text holds the cause
        return config


def _prepare(config: DictConfig, choices: Any) -> DictConfig:
    """What Hydra does to every merged config, whatever the overrides of values are."""
    OmegaConf.set_struct(config, True)
    OmegaConf.set_readonly(config.hydra, False)
    runtime = config.hydra.runtime
    with open_dict(config.hydra):
        runtime.choices.update(choices)
    runtime.version = hydra.__version__
    runtime.version_base = version.getbase()
    runtime.cwd = str(Path.cwd())
    return config


def _note(config: DictConfig, parsed: list[Override]) -> None:
    """What Hydra writes down about one composition."""
    job, noted = config.hydra.job, config.hydra.overrides
    for override in parsed:
        (noted.hydra if override.is_hydra_override() else noted.task).append(override.input_line)
    names = job.config.override_dirname
    job.override_dirname = get_overrides_dirname(
        overrides=[override for override in parsed if not override.is_hydra_override()],
        kv_sep=names.kv_sep,
        item_sep=names.item_sep,
        exclude_keys=names.exclude_keys,
    )


def _name_job(config: DictConfig, config_name: str | None) -> None:
    job = config.hydra.job
    with open_dict(config.hydra):
        for name in job.env_copy:
            job.env_set[name] = os.environ[name]
    if "name" not in job:
        job.name = JobRuntime().get("name")
    job.config_name = config_name


class _Repository(CachingConfigRepository):
    """Hydra's cache of loaded configs, sharing the configs that are Hydra's own with the repositories of other experiments."""

    _shared: dict[tuple[str, str], ConfigResult] = {}  # noqa: RUF012

    def __init__(self, delegate: Any) -> None:
        # Not a copy as Hydra makes: only another search path would change the delegate, and that is refused.
        self.delegate = delegate
        self.cache = {}

    def load_config(self, config_path: str) -> ConfigResult | None:
        key = (str(version.getbase()), config_path)
        if key in self._shared and not self._shadowed(config_path):
            return self._shared[key]
        result = super().load_config(config_path)
        if result is not None and result.provider in OWN_PROVIDERS:
            self._shared[key] = result
        return result

    def _shadowed(self, config_path: str) -> bool:
        """Whether the experiment brings a config of this name itself (`config/hydra/...`), which comes before Hydra's schemas."""
        return any(source.is_config(config_path) for source in self.get_sources() if source.provider not in OWN_PROVIDERS)


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
