"""Runs a tracker in this process."""

from __future__ import annotations

import ctypes
import platform
import socket
from collections.abc import Callable
from dataclasses import dataclass

from gonogo.model.errors import UsageError
from gonogo.tracker.settings import Settings

try:
    import uvicorn

    from gonogo.tracker import logs
    from gonogo.tracker.app import application
    from gonogo.tracker.connection import PatientProtocol
    from gonogo.tracker.service import Service
except ImportError as error:
    raise UsageError(f"the tracker needs more packages ({error.name} is missing): pip install 'gonogo[tracker]'") from error

M_MMAP_THRESHOLD = -3  # of malloc.h
LARGE = 1 << 20


@dataclass(frozen=True)
class Announcement:
    """What a tracker that has begun says of itself.

    Attributes:
        url: Where it listens.
        api_key: What clients show it.
        login: An address that lets one browser in, once.
    """

    url: str
    api_key: str
    login: str


def serve(settings: Settings, announce: Callable[[Announcement], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: What it is told.
        announce: Called once the tracker can be reached.

    Raises:
        UsageError: The folder or the address can't be used.
    """
    _give_memory_back()
    listener = _listen(settings)  # before the folder is opened: connections that come early wait
    service = None
    try:
        service = Service(settings)
        logs.set_up()
        config = uvicorn.Config(
            application(service), http=PatientProtocol, ws="none", lifespan="off", log_level="warning", access_log=False, log_config=None
        )
        url = _url(listener)
        (settings.folder / "address").write_text(url)  # so that imports and exports reach whoever holds the folder
        announce(Announcement(url, service.credentials.key, f"{url}/login?key={service.credentials.once()}"))
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        pass  # uvicorn has ended what was under way, and passes on how it was asked to
    finally:
        listener.close()
        if service is not None:
            service.store.close()


def _give_memory_back() -> None:
    """Have glibc's malloc return each large block to the system when it is freed: it would keep up to 32 MiB of them in every thread."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)


def _listen(settings: Settings) -> socket.socket:
    try:
        address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[4][:2], family=address[0], backlog=128)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{settings.host}:{settings.port}: can't listen there: {reason}; give others with --host and --port (0: any free port)"
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # a name under which it can be reached from here
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
