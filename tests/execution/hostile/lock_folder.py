"""Takes away its own right to look into a folder, so that nobody can measure or remove it."""

import time
from pathlib import Path

import bounds  # noqa: F401

locked = Path("locked")
locked.mkdir()
(locked / "file").write_bytes(b"x" * 1000)
locked.chmod(0)
time.sleep(1)
