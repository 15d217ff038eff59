"""What a stream is kept of, and its lines as they come."""

from __future__ import annotations

import re
from collections.abc import Callable

from gonogo.execution.sandbox.model import Captured

KEPT = 128 * 1024
LONGEST_LINE = 16 * 1024
_BREAK = re.compile(rb"\r\n|\n|\r(?=.)", re.DOTALL)  # a progress bar ends its lines with a carriage return alone


class Stream:
    """The beginning and the end of a stream of bytes, and its lines for whoever wants them.

    Args:
        on_line: gets each line without its end; a line that is too long comes in parts.
    """

    def __init__(self, on_line: Callable[[bytes], None] | None = None) -> None:
        self.total = 0
        self._head = bytearray()
        self._tail = bytearray()
        self._line = bytearray()
        self._on_line = on_line

    def feed(self, chunk: bytes) -> None:
        """Take what came."""
        self.total += len(chunk)
        room = KEPT - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        if len(self._tail) > 2 * KEPT:
            del self._tail[:-KEPT]
        if self._on_line is not None:
            self._split(chunk, self._on_line)

    def _split(self, chunk: bytes, on_line: Callable[[bytes], None]) -> None:
        self._line += chunk
        *lines, rest = _BREAK.split(self._line)
        for line in lines:
            on_line(bytes(line))
        while len(rest) > LONGEST_LINE:
            on_line(bytes(rest[:LONGEST_LINE]))
            rest = rest[LONGEST_LINE:]
        self._line = bytearray(rest)

    def close(self) -> Captured:
        """Hand out the last line, and what was kept."""
        if self._line and self._on_line is not None:
            self._on_line(bytes(self._line.rstrip(b"\r")))
            self._line.clear()
        tail = self._tail[-KEPT:]
        omitted = self.total - len(self._head) - len(tail)
        return Captured(head=_text(self._head), tail=_text(tail), total=self.total, omitted=omitted)


def _text(content: bytes | bytearray) -> str:
    return content.decode("utf-8", "replace")
