"""The lines of a text as Python, TOML and editors count them."""

from __future__ import annotations


def split_lines(text: str) -> list[str]:
    """The lines without their ends, none after the last end; unlike `str.splitlines`, a form feed or U+2028 ends no line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines
