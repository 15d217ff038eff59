"""The lines of a text as Python, TOML and editors count them."""

from __future__ import annotations


def split_lines(text: str) -> list[str]:
    """Return the lines without their line ends, and none after the last line end.

    Unlike in `str.splitlines`, a form feed or U+2028 ends no line.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines
