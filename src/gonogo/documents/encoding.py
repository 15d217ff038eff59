"""A Python file's bytes as the text that Python reads.

A comment in its first lines can make that another text than the one that is shown.
"""

from __future__ import annotations

import codecs
import re
import tokenize
from dataclasses import dataclass

# The declaration and the lines that may stand before it, as Python's language reference defines them.
_DECLARATION = re.compile(rb"[ \t\f]*#[^\r\n]*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"[ \t\f]*(?:#|$)")
_FIRST_TWO = re.compile(rb"([^\r\n]*+)(?:\r\n|\r|\n|\Z)([^\r\n]*+)")
# In these, a byte below 128 can be part of another character, which begins with one above: Python's reading is sure, and what is meant.
_EAST_ASIAN = ("big5", "cp932", "cp949", "cp950", "gb18030", "gb2312", "gbk", "johab", "shift_jis")


@dataclass(frozen=True)
class Decoded:
    """What became of the bytes.

    Attributes:
        text: what Python reads; None where it can't be read.
        problem: what is wrong with the declared encoding, a clause without its subject; empty if nothing is.
        line: 1-based, of the declaration.
    """

    text: str | None
    problem: str = ""
    line: int = 1


def decode_python(data: bytes) -> Decoded:
    """Read a Python file as Python does.

    The encoding comes from its byte order mark, otherwise from its declaration, otherwise it is UTF-8.

    Raises:
        UnicodeDecodeError: it is to be read as UTF-8, and is none.
    """
    bare = data.removeprefix(codecs.BOM_UTF8)
    lines = _first_lines(bare)
    named, line = _declared(lines)
    if named is None:
        return Decoded(bare.decode("utf-8"))
    said = f"declares the encoding `{named}`"
    given = iter([data[: len(data) - len(bare)] + lines[0] + b"\n", lines[1] + b"\n"])
    try:
        encoding, _ = tokenize.detect_encoding(lambda: next(given, b""))
    except SyntaxError:
        if len(bare) < len(data):
            return Decoded(None, f"{said}, but begins with the mark of UTF-8, so Python refuses it", line)
        encoding = named
    if encoding in ("utf-8", "utf-8-sig"):
        return Decoded(bare.decode("utf-8"))
    try:
        text = bare.decode(encoding)
    except UnicodeDecodeError as error:
        return Decoded(None, f"{said}, in which it is not valid (byte {error.start})", line)
    except (LookupError, ValueError):  # unknown, or no encoding of texts
        return Decoded(None, f"{said}, which Python does not know", line)
    if not _keeps_ascii(bare, text, encoding):
        return Decoded(text, f"{said}, by which Python reads other code than stands there", line)
    return Decoded(text)


def _first_lines(data: bytes) -> tuple[bytes, bytes]:
    found = _FIRST_TWO.match(data)
    return (found[1], found[2]) if found is not None else (b"", b"")


def _declared(lines: tuple[bytes, bytes]) -> tuple[str | None, int]:
    """The encoding that one of the first two lines names, as written, and the line."""
    for number, line in enumerate(lines, 1):
        found = _DECLARATION.match(line)
        if found is not None:
            return found[1].decode("ascii"), number
        if not _BLANK.match(line):
            break
    return None, 1


def _keeps_ascii(data: bytes, text: str, encoding: str) -> bool:
    """Whether every byte below 128 stands for itself in the text."""
    if codecs.lookup(encoding).name.replace("-", "_").startswith(_EAST_ASIAN):
        return True
    return data.translate(None, bytes(range(128, 256))) == text.encode("ascii", "ignore")
