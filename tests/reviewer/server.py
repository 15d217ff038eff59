"""A server on the loopback that speaks OpenAI's chat completions and says what a test wants it to say."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Callable[[int, dict[str, Any]], "Said"]


@dataclass
class Said:
    """One reply: a status with headers, and the text of the message."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    finish: str = "stop"
    refusal: str | None = None
    seconds: float = 0.0
    body: str | None = None


@dataclass
class Model:
    """The running server.

    Attributes:
        requests: every body that was sent, in order; `keys`: the authorization headers.
        lists: how often the list of models was asked for.
    """

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    lists: int = 0


def claims(*entries: dict[str, Any]) -> str:
    """An answer with these claims."""
    return json.dumps({"claims": list(entries)})


@contextmanager
def serving(script: Script, models: list[dict[str, Any]] | None = None) -> Iterator[Model]:
    """The server for as long as the block lasts; `script` gets the number of the request, from 0, and its body.

    `models` is its list of models, None for a server that has none.
    """
    model = Model("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            model.requests.append(body)
            model.keys.append(self.headers.get("Authorization", ""))
            said = script(len(model.requests) - 1, body)
            time.sleep(said.seconds)
            message = {"role": "assistant", "content": said.text, "refusal": said.refusal}
            done = {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": body.get("model"),
                "choices": [{"index": 0, "message": message, "finish_reason": said.finish}],
                "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
            }
            text = said.body if said.body is not None else json.dumps(done if said.status == 200 else {"error": {"message": said.text}})
            try:
                self.send_response(said.status)
                for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text.encode())), **said.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client has given up, as it should

        def do_GET(self) -> None:
            model.lists += 1
            model.keys.append(self.headers.get("Authorization", ""))
            text = json.dumps({"object": "list", "data": models} if models is not None else {"error": "no such path"})
            self.send_response(200 if models is not None else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    model.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield model
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
