"""Text of an experiment made safe to print: hostile code must not move the cursor, change colours or forge a line of a report."""

from __future__ import annotations

TAB = "    "


def line(text: str) -> str:
    """One printable line: everything that is not a visible character or a space is shown as an escape."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def lines(text: str) -> list[str]:
    """The printable lines of a text, without empty ones."""
    return [line(part) for part in text.splitlines() if part.strip()]


def _escaped(character: str) -> str:
    if character == "\t":
        return TAB
    code = ord(character)
    if character == "\n":
        return "\\n"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
