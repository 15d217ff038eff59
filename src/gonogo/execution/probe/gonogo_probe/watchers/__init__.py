"""What is watched: a module for each kind of thing, and one function to begin."""

from __future__ import annotations

from .. import accelerator, alterations, loops, scripts, standins, whiles
from ..watchers import (
    config,
    contents,
    estimators,
    figures,
    frameworks,
    labels,
    lazy,
    loaders,
    odd,
    parts_left_out,
    process,
    ranks,
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
    accelerator.start()
    own = (
        lazy,
        config,
        contents,
        rows,
        loaders,
        training,
        labels,
        estimators,
        search,
        tracking,
        figures,
        frameworks,
        ranks,
        parts_left_out,
        odd,
    )
    for watcher in own:
        watcher.start()
