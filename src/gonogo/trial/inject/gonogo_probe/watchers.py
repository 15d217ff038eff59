"""Everything that watches, in one place."""

from __future__ import annotations


def start() -> None:
    """Start every watcher."""
