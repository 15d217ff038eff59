"""Runs a tracker in this process."""

from __future__ import annotations

import asyncio
import ctypes
import platform
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
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
        url = _url(listener)
        (settings.folder / "address").write_text(url)  # so that imports and exports reach whoever holds the folder
        announce(Announcement(url, service.credentials.key, f"{url}/login?key={service.credentials.once()}"))
        uvicorn.Server(_config(service)).run(sockets=[listener])
    except KeyboardInterrupt:
        pass  # uvicorn has ended what was under way, and passes on how it was asked to
    finally:
        listener.close()
        if service is not None:
            service.store.close()


def serve_each(settings: Settings, announce: Callable[[str], None], sockets: Iterable[socket.socket]) -> None:
    """Serve on sockets that others have made, from when each comes until there are no more.

    Args:
        settings: What it is told; its address is of no use here.
        announce: Called with the API key once it is good.
        sockets: They listen; whoever asks for the next one waits as long as need be.

    Raises:
        UsageError: The folder can't be used.
    """
    _give_memory_back()
    service = Service(settings)
    logs.set_up()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    serving: list[tuple[uvicorn.Server, Future[None]]] = []
    try:
        announce(service.credentials.key)
        for listener in sockets:
            server = uvicorn.Server(_config(service))
            serving.append((server, asyncio.run_coroutine_threadsafe(server.serve(sockets=[listener]), loop)))
    finally:
        for server, _ in serving:
            server.should_exit = True
        for _, ended in serving:
            ended.result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        service.store.close()


def _config(service: Service) -> uvicorn.Config:
    return uvicorn.Config(
        application(service), http=PatientProtocol, ws="none", lifespan="off", log_level="warning", access_log=False, log_config=None
    )


def _give_memory_back() -> None:
    """Have glibc's malloc return each large block to the system when it is freed.

    It would otherwise keep up to 32 MiB of them in every thread.
    """
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
