"""The command `gonogo tracker`."""

from __future__ import annotations

import os
from pathlib import Path

from gonogo.tracker.settings import Settings


def run(data: str | None, host: str, port: int, silence: float) -> int:
    """Serve until interrupted.

    Raises:
        UsageError: The folder or the address can't be used, or packages are missing.
    """
    from gonogo.tracker.serve import serve

    settings = Settings(Path(data) if data else default_folder(), host=host, port=port, silence=silence)

    def announce(url: str, key: str) -> None:
        print(f"Tracker at {url}, data in {settings.folder}. Ctrl-C stops it; the data stay.")
        print(f"  to look:  {url}/login?key={key}")
        print(f"  to log:   export WANDB_BASE_URL={url} WANDB_API_KEY={key}", flush=True)

    serve(settings, announce)
    return 0


def default_folder() -> Path:
    """Where a user's data are kept when nothing else is said (XDG Base Directory)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "gonogo" / "tracker"
