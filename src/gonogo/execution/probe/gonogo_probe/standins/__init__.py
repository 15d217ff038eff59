"""Stand-ins for data, weights and downloads that can't be reached.

A stand-in is used only where the thing itself is not there. Each module here stands in for one source: its `start` registers what it does
for the libraries it knows, its `config_paths`, where it has one, says which paths of a config lead to it instead. A caller's own
stand-ins are files of the same shape in a folder.
"""

from __future__ import annotations

import fcntl
import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import Any

from .. import channel, events, places, settings

MODULES = ("corruptions", "hub", "vision", "networks", "tables", "texts", "language", "metrics", "downloads")
_loaded: list[Any] = []
_CLASSES = ("num_classes", "n_classes", "num_labels", "n_labels", "classes_count")
_said_classes: set[int] = set()
_told: set[Any] = set()


def start() -> None:
    """Register every stand-in that is allowed."""
    if not settings.standins or settings.mode == "evaluation":
        return
    for name in MODULES:
        _loaded.append(importlib.import_module(f"{__name__}.{name}"))
    if settings.plugins:
        _loaded.extend(_plugins(settings.plugins))
    for module in _loaded:
        if hasattr(module, "start"):
            module.start()


def _plugins(folder: str) -> list[Any]:
    """The caller's own, by name."""
    found = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py") and not name.startswith("_"):
            spec = importlib.util.spec_from_file_location(f"gonogo_probe.standins.plugin_{name[:-3]}", os.path.join(folder, name))
            if spec is not None and spec.loader is not None:
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                found.append(module)
    return found


def config_paths(config: Any) -> dict[str, str]:
    """Dotted keys of a config whose paths are not there, with the path of a stand-in for each.

    Args:
        config: the composed config as plain dicts and lists; interpolations are still text.
    """
    _note_classes(config)
    found: dict[str, str] = {}
    for module in _loaded:
        if hasattr(module, "config_paths"):
            found.update(module.config_paths(config))
    return found


def _note_classes(node: Any) -> None:
    if isinstance(node, dict):
        _said_classes.update(node[name] for name in _CLASSES if type(node.get(name)) is int)
        for value in node.values():
            _note_classes(value)


def classes() -> int | None:
    """How many classes the config speaks of, None if it does not, or of several numbers."""
    return next(iter(_said_classes)) if len(_said_classes) == 1 else None


def made(name: str, make: Callable[[str], None]) -> str:
    """A folder in the scratch space, made the first time somebody asks, by one process alone.

    Args:
        name: of the folder.
        make: fills the folder of a path; what it did halfway is never seen by others.
    """
    path = os.path.join(settings.scratch, name)
    if not os.path.exists(path):
        with open(f"{path}.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(path):
                make(f"{path}.part")
                os.rename(f"{path}.part", path)
    return path


def seeded(make: Callable[[], Any], seed: int = 0) -> Any:
    """Call a function of torch with a seed of its own.

    The experiment's random numbers continue as if nothing had happened.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def used(source: str, what: str) -> None:
    """Say that a stand-in was used, at the line of the experiment that led to it; once for each line."""
    place = places.caller()
    if (source, what, place) not in _told:
        _told.add((source, what, place))
        channel.emit(events.StandIn(what[:500], source, place))


def any_used() -> bool:
    """Whether a stand-in was used so far."""
    return bool(_told)


def unreachable(source: str, name: str, reason: str, assumed: str = "", nowhere: bool = False) -> None:
    """Say that something is neither here nor has a stand-in of its own.

    Args:
        source: the function that was asked.
        name: what for.
        reason: why it can't be had.
        assumed: what it is taken for, which has a stand-in.
        nowhere: whether there is surely no such thing.
    """
    channel.emit(events.Unreachable(source, str(name)[:300], reason[:500], assumed, nowhere, places.caller()))
