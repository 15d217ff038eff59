"""The config: what Hydra composed, and which keys the experiment's own code reads and writes.

Also the values that a rehearsal lowers.
"""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any

from .. import alterations, amounts, channel, events, hooks, places, settings
from ..alterations import seeds
from ..watchers import lazy
from ..watchers.process import say_exception

MOST = 5000  # keys
_reads: dict[str, None] = {}
_wholes: dict[str, None] = {}
_writes: dict[str, None] = {}
_asked: set[tuple[int, str, str] | None] = set()
_told = {"read": 0, "whole": 0, "written": 0}


def start() -> None:
    """Watch omegaconf and hydra."""
    amounts.start()
    hooks.when_imported("omegaconf.dictconfig", _watch_dictconfig)
    hooks.when_imported("omegaconf.omegaconf", _watch_omegaconf)
    hooks.when_imported("hydra.core.utils", _watch_jobs)
    hooks.when_imported("hydra._internal.utils", _watch_reports)
    channel.on_flush(_report)


def _watch_dictconfig(module: ModuleType) -> None:
    config = module.DictConfig
    for name, into in (("__getattr__", _reads), ("__getitem__", _reads), ("get", _reads), ("__contains__", _reads), ("pop", _reads)):
        _watch_key(config, name, into)
    for name in ("__setattr__", "__setitem__"):
        _watch_key(config, name, _writes)
    for name in ("items", "values", "items_ex"):
        _watch_whole(config, name)


def _watch_key(config: Any, name: str, into: dict[str, None]) -> None:
    original = getattr(config, name)

    @functools.wraps(original)
    def watched(self: Any, key: Any, *more: Any, **named: Any) -> Any:
        asked = (id(self), name, key) if type(key) is str else None  # what was noted once need not be noted at every step
        is_new = asked not in _asked and len(into) < MOST and not (isinstance(key, str) and key.startswith("_"))
        if is_new and places.is_direct(sys._getframe(1)):
            _note(into, self, key)
            if asked is not None:
                _asked.add(asked)
        return original(self, key, *more, **named)

    setattr(config, name, watched)


def _watch_whole(config: Any, name: str) -> None:
    original = getattr(config, name, None)
    if original is None:
        return

    @functools.wraps(original)
    def watched(self: Any, *more: Any, **named: Any) -> Any:
        if len(_wholes) < MOST and places.is_direct(sys._getframe(1)):
            _note(_wholes, self, None)
        return original(self, *more, **named)

    setattr(config, name, watched)


def _note(into: dict[str, None], node: Any, key: Any) -> None:
    try:
        into.setdefault(str(node._get_full_key(key)), None)
    except Exception:
        pass  # a node that is missing or none; what the experiment asked for fails or not by itself


def _watch_omegaconf(module: ModuleType) -> None:
    omegaconf = module.OmegaConf
    if settings.caps:
        omegaconf.load = staticmethod(_lowering_load(omegaconf.load))
    for name in ("to_container", "to_object", "to_yaml", "merge", "unsafe_merge", "save"):
        original = getattr(omegaconf, name, None)
        if original is not None:
            setattr(omegaconf, name, staticmethod(_whole_of_arguments(original)))
    original_select = omegaconf.select

    def select(cfg: Any, key: str, *more: Any, **named: Any) -> Any:
        if places.is_direct(sys._getframe(1)):
            _note(_reads, cfg, key)
        return original_select(cfg, key, *more, **named)

    omegaconf.select = staticmethod(select)


def _lowering_load(original: Any) -> Any:
    """A config file that the code loads by itself is lowered as Hydra's is."""

    @functools.wraps(original)
    def load(*arguments: Any, **named: Any) -> Any:
        config = original(*arguments, **named)
        if places.is_direct(sys._getframe(1)):
            _bound(config)
        return config

    return load


def _whole_of_arguments(original: Any) -> Any:
    @functools.wraps(original)
    def watched(*arguments: Any, **named: Any) -> Any:
        if places.is_direct(sys._getframe(1)):
            for argument in arguments:
                if hasattr(argument, "_get_full_key"):
                    _note(_wholes, argument, None)
        return original(*arguments, **named)

    return watched


def _watch_jobs(module: Any) -> None:
    """Wrap Hydra's function that calls the task.

    It is the last place to change the config, and the first to see how the task failed.
    """
    original = module.run_job

    @functools.wraps(original)
    def run_job(task_function: Any, config: Any, *more: Any, **named: Any) -> Any:
        @functools.wraps(task_function)
        def task(cfg: Any) -> Any:
            _bound(cfg)
            lazy.work_begins()
            channel.emit(events.TaskBegun(getattr(task_function, "__name__", ""), places.caller()))
            try:
                return task_function(cfg)
            except BaseException as error:
                say_exception(error)
                raise
            finally:
                channel.flush()

        return original(task, config, *more, **named)

    module.run_job = run_job


def _watch_reports(module: Any) -> None:
    """Wrap Hydra's function that reports errors before the task.

    Hydra prints the error and ends with exit code 1: the exception itself says more.
    """
    original = getattr(module, "run_and_report", None)
    if original is None:
        return  # another version of Hydra

    @functools.wraps(original)
    def run_and_report(func: Any) -> Any:
        def said() -> Any:
            try:
                return func()
            except Exception as error:
                say_exception(error)
                raise

        return original(said)

    module.run_and_report = run_and_report


def _bound(cfg: Any) -> None:
    """Lower what says how much there is to do, and point to stand-ins where data are not there."""
    from omegaconf import DictConfig, ListConfig, OmegaConf, flag_override

    changed: dict[str, list[Any]] = {}

    def walk(node: Any, path: str) -> None:
        pairs: list[tuple[str, Any]]
        if isinstance(node, DictConfig):
            pairs = [(str(key), key) for key in node]
        else:
            pairs = [(str(index), index) for index in range(len(node))]
        for shown, key in pairs:
            if node._get_node(key) is None or OmegaConf.is_missing(node, key) or OmegaConf.is_interpolation(node, key):
                continue
            value = node[key]
            where = f"{path}.{shown}" if path else shown
            if isinstance(value, (DictConfig, ListConfig)):
                walk(value, where)
                continue
            name = where.rstrip("0123456789.").rpartition(".")[2]  # an item of a list is called as the list is
            seed = seeds.of_config(value, where) if alterations.wants(alterations.SEED) and seeds.is_seed(name) else None
            if seed is not None:
                node[key] = seed
                continue
            less = amounts.lowered(shown, value)
            if less is not None:
                node[key] = less
                changed[where] = [value, less]

    if isinstance(cfg, DictConfig) and not cfg._is_none() and not cfg._is_missing():
        with flag_override(cfg, ["struct", "readonly"], [False, False]):
            if settings.caps or alterations.wants(alterations.SEED):
                walk(cfg, "")
            _redirect(cfg, changed)
    if changed:
        channel.emit_items(events.Bounded([(name, old, new) for name, (old, new) in changed.items()]), "keys")


def _redirect(cfg: Any, changed: dict[str, list[Any]]) -> None:
    """Paths of data that are not there lead to stand-ins."""
    if not settings.standins:
        return
    from omegaconf import OmegaConf

    from .. import standins

    plain = OmegaConf.to_container(cfg, resolve=False)
    for name, path in standins.config_paths(plain).items():
        changed[name] = [OmegaConf.select(cfg, name), path]
        OmegaConf.update(cfg, name, path)


def _report() -> None:
    for name, found in (("read", _reads), ("whole", _wholes), ("written", _writes)):
        items = list(found)
        if len(items) > _told[name]:
            channel.emit_items(events.Config(**{name: items[_told[name] :]}), name)
            _told[name] = len(items)
