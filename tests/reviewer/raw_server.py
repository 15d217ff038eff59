"""Servers that do what no HTTP library lets one do: drip, run on, redirect, echo."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Serve = Callable[[socket.socket, bytes, threading.Event], None]


@dataclass
class Raw:
    """The running server; `requests` has each request's head and the beginning of its body."""

    url: str
    requests: list[bytes] = field(default_factory=list)


@contextmanager
def raw_server(serve: Serve) -> Iterator[Raw]:
    """Accept connections for as long as the block lasts, and let `serve` answer each request."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    server = Raw(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")

    def answer(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(30)
            data = b""
            while b"\r\n\r\n" not in data:
                chunk = connection.recv(65536)
                if not chunk:
                    return
                data += chunk
            server.requests.append(data)
            serve(connection, data, over)

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield server
    finally:
        over.set()
        thread.join()
        listener.close()


def head(status: str, *lines: str) -> bytes:
    """The head of a response."""
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Type: application/json", *lines, "", ""]).encode()


def drip(connection: socket.socket, request: bytes, over: threading.Event) -> None:
    """A byte now and then, for ever: no read ever waits long."""
    if b"/models" in request.split(b"\r\n", 1)[0]:
        connection.sendall(head("404 Not Found", "Content-Length: 2") + b"{}")
        return
    connection.sendall(head("200 OK"))
    while not over.is_set():
        connection.sendall(b" ")
        time.sleep(0.05)


def drip_the_head(connection: socket.socket, request: bytes, over: threading.Event) -> None:
    """The same before the head is whole."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    number = 0
    while not over.is_set():
        number += 1
        connection.sendall(f"X-{number % 50}: x\r\n".encode())
        time.sleep(0.05)


def run_on(connection: socket.socket, request: bytes, over: threading.Event) -> None:
    """As much as is taken."""
    connection.sendall(head("200 OK"))
    while not over.is_set():
        connection.sendall(b" " * 65536)
