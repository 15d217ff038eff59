"""What the client notes in a config about the process that logs."""

from __future__ import annotations

from typing import Any


def started_with(config: dict[str, Any]) -> dict[str, Any]:
    """What the client noted about the process when the run last started."""
    noted = config.get("_wandb")
    noted = noted.get("value") if isinstance(noted, dict) else None
    starts = noted.get("e") if isinstance(noted, dict) else None
    entries = [entry for entry in starts.values() if isinstance(entry, dict)] if isinstance(starts, dict) else []
    return max(entries, key=lambda entry: str(entry.get("startedAt")), default={})
