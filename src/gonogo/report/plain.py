"""Escapes that make untrusted text safe to show.

Such text must not move the cursor, change colours, forge a line of a report or hide what it says.

Every report, message and log line of gonogo goes through here. What is not a visible character, a space or (where lines are kept) a line
feed is written as an escape, `\\x1b` or `\\u202e`: control characters, those that change the direction of writing, those that take no room.
"""

from __future__ import annotations

import json
import re
from typing import Any

from gonogo.model.verdict import Verdict

TAB = "    "
# Characters that Unicode lets a program show as nothing (`Default_Ignorable_Code_Point` in its DerivedCoreProperties) although Python
# counts them as printable, and the blank pattern of Braille.
_INVISIBLE = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff"
)  # fmt: skip
_INVISIBLE_ONE = re.compile(f"[{_INVISIBLE}]")


def is_plain(character: str) -> bool:
    """Whether a character can be shown as it is."""
    return character.isprintable() and _INVISIBLE_ONE.match(character) is None


def line(text: str) -> str:
    """One printable line: everything that is not a visible character or a space is shown as an escape."""
    if text.isprintable() and (text.isascii() or _INVISIBLE_ONE.search(text) is None):
        return text
    return "".join(character if is_plain(character) else _escaped(character) for character in text)


def flat(text: str) -> str:
    """A text on one line, with one space between its words."""
    return " ".join(text.split())


def lines(text: str) -> list[str]:
    """The printable lines of a text, without empty ones."""
    return [line(part) for part in text.splitlines() if part.strip()]


def block(text: str) -> str:
    """A printable text in which line feeds stay, and tabs become spaces."""
    return "\n".join(map(line, text.replace("\r\n", "\n").split("\n")))


def data(value: Any) -> Any:
    """Data as JSON has it, with every text in it printable."""
    if isinstance(value, str):
        return block(value)
    if isinstance(value, list):
        return [data(entry) for entry in value]
    if isinstance(value, dict):
        return {data(key): data(entry) for key, entry in value.items()}
    return value


def verdict(found: Verdict) -> Verdict:
    """A verdict with every text in it printable."""
    dumped = found.model_dump(mode="json")
    clean = data(dumped)
    return found if clean == dumped else Verdict.model_validate(clean)


def to_json(value: Any, indent: int | None = None) -> str:
    """Convert a value to JSON that keeps the letters of all languages.

    Characters that can't be shown are escaped, which changes nothing for readers of the JSON.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    parts = text.split("\n")
    if all(part.isprintable() and _INVISIBLE_ONE.search(part) is None for part in parts):
        return text
    return "\n".join("".join(character if is_plain(character) else _in_json(character) for character in part) for part in parts)


def _escaped(character: str) -> str:
    if character == "\t":
        return TAB
    code = ord(character)
    if character == "\n":
        return "\\n"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _in_json(character: str) -> str:
    return json.dumps(character)[1:-1] if ord(character) > 0x7F else f"\\u{ord(character):04x}"
