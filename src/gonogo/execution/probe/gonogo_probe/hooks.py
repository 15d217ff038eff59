"""Hooks that act when a module has been imported, and that load the experiment's own modules.

No library is imported before the experiment imports it: that would cost time, and could change what the experiment does.
"""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import CodeType, ModuleType
from typing import Any

from . import channel, events, settings

Callback = Callable[[ModuleType], None]
_waiting: dict[str, list[Callback]] = {}
_around: dict[str, Callable[[], AbstractContextManager[None]]] = {}
#: Makes other code of the source of one of the experiment's modules; None for none.
transform: Callable[[bytes, str], CodeType] | None = None


def start() -> None:
    """Look at every import from now on."""
    sys.meta_path.insert(0, _Finder())


def when_imported(name: str, callback: Callback) -> None:
    """Call a function with a module right after it was executed, before whoever imported it goes on.

    Whatever the function raises is said, and is not the experiment's concern.
    """
    module = sys.modules.get(name)
    if module is not None:
        _call(callback, module)
    else:
        _waiting.setdefault(name, []).append(callback)


def while_imported(name: str, context: Callable[[], AbstractContextManager[None]]) -> None:
    """Have a context entered while a module is executed, if it was not yet."""
    _around[name] = context
    _waiting.setdefault(name, [])


def _call(callback: Callback, module: ModuleType) -> None:
    try:
        callback(module)
    except Exception as error:
        channel.emit(events.ProbeFailed(module.__name__, f"{type(error).__name__}: {error}"[:500]))


class _Finder:
    """First in `sys.meta_path`: lets the others find, and changes how what they found is loaded."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        callbacks = _waiting.get(name)
        if callbacks is None and transform is None:
            return None
        spec = _found(name, path, target)
        if spec is None or spec.loader is None:
            return None
        is_own = spec.origin is not None and spec.origin.startswith(settings.tree) and "/site-packages/" not in spec.origin
        if is_own and "." not in name and not spec.submodule_search_locations:
            callbacks = None  # a file of the experiment's with the name of a library, such as `datasets.py`
        if is_own and transform is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = OwnLoader(spec.loader.name, spec.loader.path)
        if callbacks is not None and hasattr(spec.loader, "exec_module"):
            _wrap(spec.loader, callbacks, _around.get(name, nullcontext))
        return spec


def _found(name: str, path: Sequence[str] | None, target: ModuleType | None) -> Any:
    for finder in sys.meta_path:
        if isinstance(finder, _Finder) or not hasattr(finder, "find_spec"):
            continue
        spec = finder.find_spec(name, path, target)
        if spec is not None:
            return spec
    return None


def _wrap(loader: Any, callbacks: list[Callback], around: Callable[[], AbstractContextManager[None]]) -> None:
    original = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        with around():
            original(module)
        while callbacks:
            _call(callbacks.pop(0), module)

    loader.exec_module = exec_module


class OwnLoader(importlib.machinery.SourceFileLoader):
    """Loads a module of the experiment from its source, changed; nothing of that is kept on disk."""

    def get_code(self, fullname: str) -> CodeType | None:
        """The changed code of a module."""
        path = self.get_filename(fullname)
        source = self.get_data(path)
        if transform is None:
            return self.source_to_code(source, path)
        try:
            return transform(source, path)
        except (SyntaxError, ValueError, RecursionError):
            return self.source_to_code(source, path)  # the experiment gets Python's own error
