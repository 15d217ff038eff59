"""Downloads that nothing can stand in for.

What was requested and by which line is reported, and the library's own error comes at once.
"""

from __future__ import annotations

import functools
import sys
import urllib.parse
from collections.abc import Callable
from types import FrameType
from typing import Any

from .. import hooks, places, standins

# Functions whose first argument names something that they fetch: module, function, and the files of a library that lead to it.
NAMED = (
    ("nltk", "download"),
    ("spacy", "load"),
    ("gensim.downloader", "load"),
    ("kagglehub", "dataset_download"),
    ("kagglehub", "model_download"),
    ("gdown", "download"),
)
_OWN_MACHINE = ("localhost", "127.0.0.1", "::1", "")


def start() -> None:
    """Watch what fetches by name, and what fetches by address where the experiment's own code calls it."""
    for module, name in NAMED:
        hooks.when_imported(module, lambda found, name=name: _watch_named(found, name))  # type: ignore[misc]
    hooks.when_imported("urllib.request", lambda module: _watch_addresses(module, "urlopen", "/urllib/", 0))
    hooks.when_imported("requests.sessions", lambda module: _watch_addresses(module.Session, "request", "/requests/", 2))


def _watch_named(module: Any, name: str) -> None:
    original = getattr(module, name, None)
    if original is None:
        return
    source = f"{module.__name__}.{name}"

    @functools.wraps(original)
    def fetch(*arguments: Any, **named: Any) -> Any:
        what = str(arguments[0] if arguments else next(iter(named.values()), ""))
        try:
            found = original(*arguments, **named)
        except Exception as error:
            standins.unreachable(source, what, f"{type(error).__name__}: {error}")
            raise
        if found is False:  # nltk says so, and goes on
            standins.unreachable(source, what, "it said that it failed")
        return found

    setattr(module, name, fetch)


def _watch_addresses(owner: Any, name: str, files: str, position: int) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original)
    def fetch(*arguments: Any, **named: Any) -> Any:
        try:
            return original(*arguments, **named)
        except OSError as error:  # what both libraries raise is one
            asked = arguments[position] if len(arguments) > position else named.get("url", "")
            address = str(getattr(asked, "full_url", asked))
            if _is_far(address) and _is_asked_by_experiment(sys._getframe(1), files):
                standins.unreachable("download", address, f"{type(error).__name__}: {error}")
            raise

    setattr(owner, name, fetch)


def _is_far(address: str) -> bool:
    found = urllib.parse.urlsplit(address)
    return found.scheme in ("http", "https", "ftp") and (found.hostname or "") not in _OWN_MACHINE


def _is_asked_by_experiment(frame: FrameType | None, files: str) -> bool:
    """Whether the experiment's own line called the library, and not another library."""
    while frame is not None and files in frame.f_code.co_filename:
        frame = frame.f_back
    return frame is not None and places.is_direct(frame)
