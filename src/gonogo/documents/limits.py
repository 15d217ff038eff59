"""Limits on how much of a text is parsed.

A text that would take a parser more time and memory than any real source is rejected before parsing begins.
"""

from __future__ import annotations

import re

MAX_CHARACTERS = 2_000_000
MAX_SYMBOLS = 200_000  # words and signs; 2 in 10,000 modules of large libraries have more, and experiments a tenth at most
MAX_DEPTH = 100

_SYMBOL = re.compile(r"\w+|[^\w\s]")


class LimitError(Exception):
    """A text exceeds the limits of what is parsed, so that nothing may be concluded from it.

    It is not a ValueError, since it is no fault of the text.

    Attributes:
        message: what there is too much of.
        line: 1-based, of the place where it is too much; 1 where it is no matter of a place.
        column: the same.
    """

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


def symbols(text: str) -> int:
    """How many words and signs a text has: no parser makes more than a few tokens or nodes of each."""
    return _SYMBOL.subn("", text)[1]


def check_size(text: str, most: int = MAX_SYMBOLS) -> None:
    """Refuse a text that is too long, or has too many words and signs.

    Raises:
        LimitError: it is.
    """
    if len(text) > MAX_CHARACTERS:
        raise LimitError(f"longer than {MAX_CHARACTERS:,} characters")
    if len(text) > most and symbols(text) > most:
        raise LimitError(f"more than {most:,} words and signs")
