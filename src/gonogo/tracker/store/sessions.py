"""Browsers that showed the key, until they log out."""

from __future__ import annotations

import hashlib
import secrets
import time

from gonogo.tracker.store.database import Database

LIFETIME = 30 * 24 * 3600


class Sessions:
    """The sessions of a database. Only digests are kept: who reads the file can't take part in one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self) -> str:
        """A new session: what its browser is to show."""
        token = secrets.token_urlsafe(32)
        with self._database.write() as connection:
            connection.execute("DELETE FROM session WHERE ends_at < ?", (time.time(),))
            connection.execute("INSERT INTO session (digest, ends_at) VALUES (?, ?)", (_digest(token), time.time() + LIFETIME))
        return token

    def knows(self, token: str | None) -> bool:
        """Whether a token belongs to a session that has not ended."""
        if token is None:
            return False
        query = "SELECT 1 FROM session WHERE digest = ? AND ends_at >= ?"
        return self._database.read().execute(query, (_digest(token), time.time())).fetchone() is not None

    def end(self, token: str | None) -> None:
        """End a session: its token opens nothing any more, wherever it was copied to."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM session WHERE digest = ?", (_digest(token or ""),))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
