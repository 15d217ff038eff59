"""Stand-ins for data, weights and downloads that can't be reached.

A stand-in is used only where the thing itself is not there. Each module here stands in for one source: its `start` registers what it does
for the libraries it knows, its `config_paths`, where it has one, says which paths of a config lead to it instead. A caller's own
stand-ins are files of the same shape in a folder.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

from gonogo_probe import channel, places, settings

MODULES = ("corruptions", "hub", "vision", "networks", "tables", "texts", "language")
_loaded: list[Any] = []


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
    found: dict[str, str] = {}
    for module in _loaded:
        if hasattr(module, "config_paths"):
            found.update(module.config_paths(config))
    return found


def used(source: str, what: str) -> None:
    """Say that a stand-in was used, at the line of the experiment that led to it."""
    channel.emit("stand-in", source=source, what=what, place=places.caller())


def unreachable(source: str, name: str, reason: str) -> None:
    """Say that something is neither here nor has a stand-in."""
    channel.emit("unreachable", source=source, name=str(name)[:300], reason=reason[:500], place=places.caller())
