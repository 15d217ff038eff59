"""How long a tracker waits for whoever is connected to it."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Seconds between two looks at a connection.
PERIOD = 1.0


class PatientProtocol(HttpToolsProtocol):
    """An HTTP protocol that closes connections on which nothing arrives.

    uvicorn itself waits without end for the rest of a request.

    Attributes:
        header_seconds: How long the head of a request may take.
        body_seconds: How long nothing of a body may come, while the server could take it.
    """

    header_seconds = 20.0
    body_seconds = 60.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait, and keep no part of an answer back."""
        super().connection_made(transport)
        # Head and body of an answer are written one after the other. Without this the body waits until the client confirms the head, which
        # takes it 40 ms. asyncio itself sets it only where the listening socket names its protocol.
        ours = transport.get_extra_info("socket")
        if ours is not None and ours.family in (socket.AF_INET, socket.AF_INET6):
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._since = self.loop.time()
        self._awaited = "head"
        self._timer = self.loop.call_later(PERIOD, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Note that something came; a head gets no more time by that."""
        if self._awaited == "body":
            self._since = self.loop.time()
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Wait for the head of the next request.

        The head of the first request is waited for since the connection was made.
        """
        if self._awaited != "head":
            self._since, self._awaited = self.loop.time(), "head"
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Wait for the body."""
        self._since, self._awaited = self.loop.time(), "body"
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for nothing: uvicorn ends connections that are idle after an answer."""
        self._awaited = ""
        super().on_message_complete()

    def _look(self) -> None:
        self._timer = self.loop.call_later(PERIOD, self._look)
        if self._awaited == "body" and self.flow.read_paused:  # it is the server that is slow
            self._since = self.loop.time()
        limit = {"head": self.header_seconds, "body": self.body_seconds}.get(self._awaited)
        if limit is not None and self.loop.time() - self._since > limit:
            self.transport.close()


def protocol(header_seconds: float, body_seconds: float) -> type[Any]:
    """A protocol with other limits."""
    return type("Protocol", (PatientProtocol,), {"header_seconds": header_seconds, "body_seconds": body_seconds})
