"""What is watched: a module for each kind of thing, and one function to begin."""

from __future__ import annotations

from .. import alterations, loops, scripts, standins, whiles
from ..watchers import (
    config,
    contents,
    estimators,
    figures,
    frameworks,
    labels,
    lazy,
    loaders,
    process,
    rows,
    search,
    stacks,
    tracking,
    training,
)


def start() -> None:
    """Start every watcher; a library is touched only when the experiment imports it."""
    stacks.start()
    process.start()
    loops.start()
    whiles.start()
    scripts.start()
    standins.start()
    alterations.start()
    for watcher in (lazy, config, contents, rows, loaders, training, labels, estimators, search, tracking, figures, frameworks):
        watcher.start()
