"""Who may talk to a tracker.

There is one API key, links to files that are valid for a while, and links to the pages that are valid once.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import threading
import time
from pathlib import Path

from itsdangerous import BadSignature, URLSafeSerializer

from gonogo.model.errors import UsageError

# The client takes no shorter one.
LEAST_KEY = 40


class Credentials:
    """The API key of a data folder, and what is derived from it.

    The key is kept in a file that only its owner can read.
    """

    def __init__(self, folder: Path) -> None:
        """Read the key, or make one at the first start.

        Raises:
            UsageError: The file can't be read, holds no key, or others may read it.
        """
        self.path = folder / "api_key"
        try:
            self.key = _read(self.path)
        except OSError as error:
            raise UsageError(f"{self.path}: can't keep the API key there: {error.strerror}") from error
        self._links = URLSafeSerializer(self.key, salt="gonogo.tracker.link")
        # Whose monotonic clock a link's end is told by.
        self._process = secrets.token_hex(4)
        self._once: set[str] = set()
        self._lock = threading.Lock()

    def fits(self, key: str) -> bool:
        """Whether somebody knows the key; how long the answer takes says nothing about it."""
        return hmac.compare_digest(key.encode(), self.key.encode())

    def fits_header(self, header: str | None) -> bool:
        """Whether an `Authorization` header has the key: `Basic` with any user, or `Bearer`."""
        scheme, _, rest = (header or "").partition(" ")
        if scheme.lower() == "bearer":
            return self.fits(rest.strip())
        if scheme.lower() != "basic":
            return False
        try:
            _, _, key = base64.b64decode(rest, validate=True).decode().partition(":")
        except ValueError:  # not base64, not UTF-8, not ASCII
            return False
        return self.fits(key)

    def sign(self, method: str, file: int, lifetime: int) -> str:
        """A token with which one file can be had (GET) or sent (PUT) for some seconds."""
        ends = [int(clock()) + lifetime for clock in (time.monotonic, time.time)]
        text = self._links.dumps([method, file, self._process, *ends])
        return text if isinstance(text, str) else text.decode()

    def signed(self, token: str, method: str, lifetime: int) -> int | None:
        """The file that a token is good for, or None.

        Somebody who sets the clock changes nothing for a token of this process. For one of an earlier process the clock decides; one that
        is good for longer than any is made for was signed while the clock stood later than now: it is not good either.
        """
        try:
            made_for, file, process, *ends = self._links.loads(token)
            until = ends[0] if process == self._process else ends[1]
        except (BadSignature, ValueError, TypeError, IndexError):
            return None
        now = time.monotonic() if process == self._process else time.time()
        good = made_for == method and now <= until <= now + lifetime
        return file if good else None

    def once(self) -> str:
        """A text that lets a browser in, once: an address that holds it may be remembered and shown anywhere."""
        token = secrets.token_urlsafe(24)
        self._once.add(token)
        return token

    def take_once(self, token: str) -> bool:
        """Whether a text lets a browser in; from then on it does not."""
        with self._lock:
            found = next((known for known in self._once if hmac.compare_digest(known.encode(), token.encode("utf-8", "replace"))), None)
            self._once.discard(found or "")
        return found is not None


def _read(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{secrets.token_hex(LEAST_KEY // 2)}\n")
            file.flush()
            os.fsync(file.fileno())
    key = path.read_text(errors="replace").strip()
    if len(key) < LEAST_KEY or not key.isascii():
        raise UsageError(f"{path}: an API key has at least {LEAST_KEY} ASCII characters; remove the file and a new one is made")
    if path.stat().st_mode & 0o077:
        raise UsageError(f"{path}: others may read the API key; run: chmod 600 {path}")
    return key
