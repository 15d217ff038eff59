"""What a tracker does by itself.

Versions of artifacts that have expired are removed, and space that was freed is given back.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time

from gonogo.tracker.store.artifacts import Artifacts
from gonogo.tracker.store.database import Database

log = logging.getLogger("gonogo.tracker")
PERIOD = 600.0


class Care:
    """A thread that looks after a store, every few minutes and when something was deleted."""

    def __init__(self, database: Database, artifacts: Artifacts) -> None:
        self._database = database
        self._artifacts = artifacts
        self._due = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="gonogo-tracker-care", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Give freed space back soon."""
        self._due.set()

    def end(self) -> None:
        """Stop, after what is under way."""
        self._ended = True
        self._due.set()
        self._thread.join()

    def look(self) -> None:
        """Look after the store once."""
        over = self._artifacts.expire(time.time())
        if over:
            log.warning("%s versions of artifacts are deleted: their time to live is over", over)
        self._database.give_back(lambda: self._ended)

    def _work(self) -> None:
        while not self._ended:
            try:
                self.look()
            except (OSError, sqlite3.Error) as error:  # a full disk, say: it is tried again
                log.warning("can't give space back now: %s", error)
            self._due.wait(PERIOD)
            self._due.clear()
