"""Patches of Hydra and OmegaConf for a process that only composes: a memory and walls.

The memory: whatever comes out the same for every composition (parsed overrides, the configs that are Hydra's own and their part of the
defaults list) is worked out once. The walls: no file outside the config folder, no YAML that explodes.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import hydra
import hydra._internal.defaults_list
import omegaconf._utils
import omegaconf.base
import yaml
from hydra import version
from hydra._internal.defaults_list import Overrides
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.default_element import DefaultsTreeNode, InputDefault
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from gonogo.compose.cloning import build, clone, shallow
from gonogo.documents.yaml import check_nodes, check_text

OWN_PROVIDERS = ("hydra", "schema")
REMEMBERED = 4096

# Modules in which names are replaced; `Any`, for that is none of a type checker's business.
hydra_defaults: Any = hydra._internal.defaults_list
hydra_version: Any = version
omegaconf_utils: Any = omegaconf._utils
omegaconf_base: Any = omegaconf.base

_create_interpolation_map = hydra_defaults._create_interpolation_map
_expand_virtual_root = hydra_defaults._expand_virtual_root
_parse_rule = OverridesParser.parse_rule
_ensure_overrides_used = Overrides.ensure_overrides_used
_omegaconf_load = OmegaConf.load


class GuardedLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader that rejects texts which would explode, before they do.

    It is the loader in C: ten times faster, same language.
    """

    def __init__(self, stream: Any) -> None:
        text = stream.read() if hasattr(stream, "read") else stream
        check_text(text)
        super().__init__(text)

    def get_single_node(self) -> Any:
        """The first document's node graph, if it stays small once its aliases are expanded."""
        node = super().get_single_node()
        if node is not None:
            check_nodes(node)
        return node


def install() -> None:
    """Put the memory and the walls into Hydra and OmegaConf."""
    yaml.SafeLoader = GuardedLoader  # type: ignore[misc]  # OmegaConf derives its loader from this name at each load
    omegaconf_utils.get_yaml_loader = lru_cache(maxsize=1)(omegaconf_utils.get_yaml_loader)
    OmegaConf.load = staticmethod(_load)  # type: ignore[method-assign,assignment]
    parse_once: Any = lru_cache(maxsize=REMEMBERED)(_parse_fresh)
    # A parsed override is only read from then on, and its value is converted anew each time, so it can be shared.
    OverridesParser.parse_rule = lambda self, s, rule_name: parse_once(s, rule_name)  # type: ignore[method-assign]
    # The tree of a parsed interpolation is only walked, never changed.
    omegaconf_base.parse = omegaconf_utils.parse = lru_cache(maxsize=REMEMBERED)(omegaconf_base.parse)
    hydra_version._get_version = lru_cache(maxsize=REMEMBERED)(hydra_version._get_version)
    hydra_defaults._create_interpolation_map = _interpolation_map
    hydra_defaults._expand_virtual_root = _expand_sharing_hydra
    InputDefault.__deepcopy__ = shallow  # type: ignore[attr-defined]
    Plugins.instance()
    # The registered classes: Hydra loads its plugins' modules a second time, so those that can be imported are others.
    file_source: Any = SourcesRegistry.instance().resolve("file")
    for name in ("is_config", "is_group"):
        setattr(file_source, name, _inside_only(getattr(file_source, name)))
    _share_hydra_configs(SourcesRegistry.instance().resolve("pkg"))


@contextmanager
def plugins_taken_for_granted() -> Iterator[None]:
    """Accept overrides of Hydra's own groups that match nothing in the defaults list.

    A plugin's config would bring the match.
    """

    def ensure(overrides: Overrides) -> None:
        for key, meta in overrides.override_metadata.items():
            meta.used = meta.used or key.startswith("hydra/")
        _ensure_overrides_used(overrides)

    Overrides.ensure_overrides_used = ensure  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Overrides.ensure_overrides_used = _ensure_overrides_used  # type: ignore[method-assign]


def parser() -> OverridesParser:
    """The parser of overrides; making one is expensive."""
    return _one_parser()


@lru_cache(maxsize=1)
def _one_parser() -> OverridesParser:
    return OverridesParser.create()


def _parse_fresh(text: str, rule_name: str) -> Any:
    return _parse_rule(parser(), text, rule_name)


def _load(file: Any) -> Any:
    """`OmegaConf.load` for an open file."""
    data = yaml.load(file, Loader=omegaconf_utils.get_yaml_loader())  # a safe loader
    if type(data) is dict:
        return build(data)
    file.seek(0)
    return _omegaconf_load(file)


def _interpolation_map(overrides: Overrides, defaults_list: list[InputDefault], self_added: bool) -> Any:
    """Return what interpolations in a defaults list are looked up in.

    Most lists have none, and building it is expensive.
    """
    if any(not entry.is_self() and entry.is_interpolation() for entry in defaults_list):
        return _create_interpolation_map(overrides, defaults_list, self_added)
    return None


# Hydra's own part of the defaults tree by version base, and the choices that it adds to those made before.
_hydra_trees: dict[str, tuple[DefaultsTreeNode, dict[str, Any]]] = {}


def _expand_sharing_hydra(repo: Any, root: DefaultsTreeNode, overrides: Overrides, skip_missing: bool) -> DefaultsTreeNode:
    """Expand a defaults list as Hydra's function does, and share the part that is Hydra's own.

    Hydra's function expands the primary config and then `hydra/config`, a dozen files that are the same for every experiment.

    The second part is remembered, and used again where nothing that went before or is in the config folder has to do with it.
    """
    if root.children is None or len(root.children) != 2 or not _is_hydra_config(root.children[0]):
        return _expand_virtual_root(repo, root, overrides, skip_missing)  # type: ignore[no-any-return]
    children: list[Any] = []
    for element in reversed(root.children):
        assert isinstance(element, InputDefault)
        plain = not element.primary and _concerns_nothing_of_hydra(repo, overrides)
        known = _hydra_trees.get(str(version.getbase())) if plain else None
        if known is not None:
            _add_choices(overrides, known[1])
            children.append(known[0])
            continue
        before = dict(overrides.known_choices)
        element.update_parent("", "")
        subtree = hydra_defaults._create_defaults_tree_impl(
            repo=repo,
            root=DefaultsTreeNode(node=element, parent=root),
            is_root_config=element.primary,
            skip_missing=skip_missing,
            interpolated_subtree=False,
            overrides=overrides,
        )
        children.append(element if subtree.children is None else subtree)
        if plain and subtree.children is not None:
            added = {key: name for key, name in overrides.known_choices.items() if key not in before}
            _hydra_trees[str(version.getbase())] = (subtree, added)
    root.children = list(reversed(children))
    return root


def _is_hydra_config(element: Any) -> bool:
    return isinstance(element, InputDefault) and getattr(element, "path", None) == "hydra/config"


def _concerns_nothing_of_hydra(repo: Any, overrides: Overrides) -> bool:
    """Return whether nothing can change what `hydra/config` expands to.

    That means no choice made so far, and no file of the experiment.
    """
    made = (overrides.override_choices, overrides.deletions, overrides.known_choices)
    if any(key.lstrip("/").startswith("hydra") for keys in made for key in keys):
        return False
    return not any(source.is_group("hydra") for source in repo.get_sources() if source.provider not in OWN_PROVIDERS)


def _add_choices(overrides: Overrides, choices: dict[str, Any]) -> None:
    """As `Overrides.set_known_choice` for each; the group is what stands before the package in the key."""
    for key, name in choices.items():
        overrides.known_choices[key] = name
        overrides.known_choices_per_group.setdefault(key.partition("@")[0], set()).add(key)


def _inside_only(method: Callable[[Any, str], bool]) -> Callable[[Any, str], bool]:
    """For a file source, what lies outside its folder is not there (`run=../../../home/...`)."""

    def check(self: Any, config_path: str) -> bool:
        known = self.__dict__.setdefault("known", {})  # a source lives no longer than its loader
        # What counts as a config file depends on the version base.
        key = (method.__name__, config_path, str(version.getbase()) if method.__name__ == "is_config" else "")
        if key not in known:
            root = self.__dict__.setdefault("root", os.path.realpath(self.path))
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
