"""The server's log: one line an event, whatever is in it."""

from __future__ import annotations

import logging
import sys


class OneLine(logging.Formatter):
    """Escapes what can't be printed, as Python writes it in a text.

    Names and texts of runs could otherwise move the cursor or forge other lines.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One event; a traceback follows indented, so that none of its lines can be taken for an event."""
        head = printable(f"gonogo tracker: {record.getMessage()}")
        if record.exc_info is None:
            return head
        trace = self.formatException(record.exc_info)
        return "\n".join([head, *(f"    {printable(line)}" for line in trace.split("\n"))])


def printable(text: str) -> str:
    """A text with escapes for all that is no visible character or space."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def set_up() -> None:
    """Let everything that is logged in this process go to standard error in this way."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    logging.basicConfig(handlers=[handler])
