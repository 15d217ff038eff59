"""Connects to the machine it runs on and to the world: TCP, UDP, abstract and named Unix sockets."""

import os
import socket

from bounds import attempt

PORT, UDP_PORT = int(os.environ["TCP_PORT"]), int(os.environ["UDP_PORT"])
SOCKET, ABSTRACT = os.environ["UNIX_SOCKET"], os.environ["ABSTRACT_SOCKET"]


def tcp(host: str, port: int) -> None:
    with socket.create_connection((host, port), timeout=2) as connection:
        connection.sendall(b"reached")


def unix(name: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(name)
        connection.sendall(b"reached")


def own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        tcp("127.0.0.1", server.getsockname()[1])


for host in ("127.0.0.1", "localhost", "::1", *filter(None, os.environ["ADDRESSES"].split(","))):
    attempt(f"TCP to {host}", lambda host=host: tcp(host, PORT))
attempt("TCP to the world", lambda: tcp("192.0.2.1", 80))
attempt("a look-up of a name", lambda: socket.getaddrinfo("example.org", 80))
attempt("a named Unix socket", lambda: unix(SOCKET))
attempt("an abstract Unix socket", lambda: unix("\0" + ABSTRACT))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.sendto(b"reached", ("127.0.0.1", UDP_PORT))  # says nothing; whether it arrived is seen outside
attempt("own loopback", own)
