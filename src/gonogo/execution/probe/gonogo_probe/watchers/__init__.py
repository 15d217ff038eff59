"""What is watched: a module for each kind of thing, and one function to begin."""

from __future__ import annotations

from gonogo_probe import alterations, loops, standins
from gonogo_probe.watchers import config, figures, frameworks, lazy, loaders, process, search, stacks, tracking, training


def start() -> None:
    """Start every watcher; a library is touched only when the experiment imports it."""
    stacks.start()
    process.start()
    loops.start()
    standins.start()
    alterations.start()
    for watcher in (lazy, config, loaders, training, search, tracking, figures, frameworks):
        watcher.start()
