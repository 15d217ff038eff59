"""Numbers of a config that say how much there is to do and that a rehearsal lowers.

They are lowered wherever the code takes them from.
"""

from __future__ import annotations

import functools
import re
import sys
from types import ModuleType
from typing import Any

from . import channel, events, hooks, places, settings

_LOADERS = ("load", "safe_load", "full_load", "unsafe_load")
_DEEPEST = 20


def start() -> None:
    """Lower what the code reads by itself from YAML or the command line, where a rehearsal has caps."""
    if settings.caps:
        hooks.when_imported("yaml", _watch_yaml)
        hooks.when_imported("argparse", _watch_arguments)


@functools.lru_cache(maxsize=4096)
def cap(name: str) -> int | None:
    """The most that a key of this name may say, None for any number."""
    return next((most for pattern, most in settings.caps if re.fullmatch(pattern, name, re.IGNORECASE)), None)


def lowered(name: str, value: Any) -> int | float | None:
    """A smaller number for the value of a key, None where it stays as it is."""
    if type(value) not in (int, float):
        return None
    most = cap(name)
    return type(value)(most) if most is not None and value > most else None


def lower(node: Any, where: str, changed: list[tuple[str, Any, Any]], depth: int = 0) -> None:
    """Lower the numbers in plain dicts and lists.

    Args:
        node: changed in place.
        where: its key, empty for the whole.
        changed: gets key, old and new value of each.
        depth: how deep it lies.
    """
    if depth > _DEEPEST:
        return
    pairs = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    for key, value in pairs:
        path = f"{where}.{key}" if where else str(key)
        less = lowered(key, value) if isinstance(key, str) else None
        if less is not None:
            node[key] = less
            changed.append((path, value, less))
        else:
            lower(value, path, changed, depth + 1)


def _say(changed: list[tuple[str, Any, Any]]) -> None:
    if changed:
        channel.emit_items(events.Bounded(changed), "keys")


def _watch_yaml(module: Any) -> None:
    for name in _LOADERS:
        if hasattr(module, name):
            setattr(module, name, _lowering(getattr(module, name)))


def _lowering(original: Any) -> Any:
    @functools.wraps(original)
    def load(*arguments: Any, **named: Any) -> Any:
        found = original(*arguments, **named)
        if places.is_direct(sys._getframe(1)):
            changed: list[tuple[str, Any, Any]] = []
            lower(found, "", changed)
            _say(changed)
        return found

    return load


def _watch_arguments(module: ModuleType) -> None:
    parser = module.ArgumentParser
    original = parser.parse_known_args

    @functools.wraps(original)
    def parse_known_args(self: Any, *arguments: Any, **named: Any) -> Any:
        found, rest = original(self, *arguments, **named)
        if _by_experiment(sys._getframe(1)):
            changed: list[tuple[str, Any, Any]] = []
            lower(vars(found), "", changed)  # a namespace is its dictionary
            _say(changed)
        return found, rest

    parser.parse_known_args = parse_known_args


def _by_experiment(frame: Any) -> bool:
    """Whether the experiment asked, itself or through `parse_args`."""
    while frame is not None and frame.f_code.co_filename.endswith("argparse.py"):
        frame = frame.f_back
    return frame is not None and places.is_direct(frame)
