"""`gonogo tracker`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from gonogo.cli.options import Debug
from gonogo.tracker.settings import Settings


def command(
    context: typer.Context,
    data: Annotated[str | None, typer.Option(metavar="DIR", help="Folder of its data (default: one for all of yours).")] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; others than loopback let other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port to listen on; 0 is any free one.")] = 8080,
    silence: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="A run that is silent for so long has crashed.")] = 300.0,
    debug: Debug = False,
) -> None:
    """Serve as a local W&B: the wandb client logs to it, wandb.Api() reads back."""
    context.obj.action = lambda: run(data, host, port, silence)


def run(data: str | None, host: str, port: int, silence: float) -> int:
    """Serve until interrupted.

    Raises:
        UsageError: The folder or the address can't be used, or packages are missing.
    """
    from gonogo.tracker.serve import Announcement, serve

    settings = Settings(Path(data) if data else default_folder(), host=host, port=port, silence=silence)

    def announce(tracker: Announcement) -> None:
        print(f"Tracker at {tracker.url}, data in {settings.folder}. Ctrl-C stops it; the data stay.")
        print(f"  to look:  {tracker.login} (once; later {tracker.url} with the API key)")
        print(f"  to log:   export WANDB_BASE_URL={tracker.url} WANDB_API_KEY={tracker.api_key}", flush=True)

    serve(settings, announce)
    return 0


def default_folder() -> Path:
    """Where a user's data are kept when nothing else is said (XDG Base Directory)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "gonogo" / "tracker"
