"""What a tracker can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Settings:
    """Where a tracker keeps its data, where it listens and what it refuses.

    Attributes:
        folder: Folder of its data; made when missing.
        host: Address to listen on. Anything but a loopback address lets other machines in.
        port: TCP port; 0 takes any free one.
        silence: Seconds without a sign of life after which a running run counts as crashed.
        body_limit: Bytes that one call may hold, files aside.
        upload_limit: Bytes that one file may hold.
        link_lifetime: Seconds for which a link to a file is good.
        entity: Entity of those who name none.
    """

    folder: Path
    host: str = "127.0.0.1"
    port: int = 8080
    silence: float = 300.0
    body_limit: int = 64 * MEBIBYTE
    upload_limit: int = 5 * 1024 * MEBIBYTE
    link_lifetime: int = 3600
    entity: str = "local"
